"""./scripts/demo: real programs through a real daemon, told step by step.

Every claim the demo makes is checked; the exit code says whether all held.
"""

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BIN = os.environ.get("BUSBAR_BIN") or os.path.join(ROOT, "build", "release", "bin")
DEMO = os.path.join(ROOT, "build", "demo")
STATE = os.path.join(DEMO, "state")
WORK = os.path.join(DEMO, "mixed")
EPOCHS_HALF = 9
COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ


class Failed(Exception):
    """A claim of the demo that did not hold."""


def paint(text, code):
    return f"\x1b[{code}m{text}\x1b[0m" if COLOURS else text


def say(text):
    print(text, flush=True)


def step(text):
    say("\n" + paint(f"[{time.monotonic() - START:5.1f} s] {text}", "1;34"))


def busbar(*words, check=True, show=False):
    """Runs busbar; its (exit code, stdout, stderr)."""
    if show:
        say(paint("$ busbar " + " ".join(words), "2"))
    done = subprocess.run([os.path.join(BIN, "busbar"), *words], cwd=WORK, text=True,
                          capture_output=True, env=ENV, check=False)
    if show:
        text = (done.stdout + done.stderr).rstrip()
        say("\n".join("  " + line for line in text.splitlines()))
    if check and done.returncode != 0:
        raise Failed(f"busbar {' '.join(words)} exited {done.returncode}: {done.stderr.strip()}")
    return done.returncode, done.stdout, done.stderr


def ask(*words):
    return json.loads(busbar("--json", *words)[1])


def submit(name):
    ids = busbar("--quiet", "submit", name)[1].split()
    say(f"  {name}: job{'s' if len(ids) > 1 else ''} {', '.join(ids)}")
    return ids


def read(name):
    try:
        with open(os.path.join(WORK, "out", name), encoding="utf-8", errors="replace") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def wait_until(what, condition, patience_s=120):
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise Failed(f"waited {patience_s} s for this in vain: {what}")
        time.sleep(0.1)


def prepare():
    if os.path.isdir(STATE):
        busbar_down()
    shutil.rmtree(DEMO, ignore_errors=True)
    os.makedirs(STATE, mode=0o700)
    shutil.copytree(os.path.join(ROOT, "examples", "mixed"), WORK)
    os.makedirs(os.path.join(WORK, "out"), exist_ok=True)
    for name in os.listdir(os.path.join(WORK, "out")):
        os.unlink(os.path.join(WORK, "out", name))


def busbar_down():
    subprocess.run([os.path.join(BIN, "busbar"), "down", "--state", STATE], env=ENV, check=False,
                   capture_output=True)


def daemon_pid():
    with open(os.path.join(STATE, "busbard.pid"), encoding="utf-8") as file:
        return int(file.read())


def processes_of(job, pattern):
    """Pids of the job's processes whose command line matches."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/environ", "rb") as file:
                mine = f"BUSBAR_JOB_ID={job}".encode() in file.read().split(b"\0")
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if mine and re.search(pattern, words):
            found.append(int(pid))
    return found


def refuse_impossible():
    step("A job that asks for what this machine does not have is refused, with the nearest request")
    code, _, error = busbar("submit", "impossible.yaml", check=False, show=True)
    if code != 3 or "H100" not in error:
        raise Failed(f"impossible.yaml was not refused as it should be (exit {code})")


def submit_all():
    step("Real work: a LAMMPS sweep, an MPI run, a training with its service and client")
    jobs = {}
    jobs["sweep"], jobs["curve"] = submit("sweep.yaml")
    jobs["mpi"], = submit("mpi.yaml")
    jobs["train"], jobs["serve"], jobs["client"] = submit("digits.yaml")
    jobs["waiting"], = submit("waiting.yaml")
    return jobs


def explain_waiting(jobs):
    step("A job that must wait: why, and until when?")
    wait_until("the sweep runs", lambda: ask("show", jobs["sweep"])["state"] == "RUNNING")
    answer = wait_until("an explanation with a predicted start", lambda: predicted(jobs["waiting"]))
    busbar("explain", jobs["waiting"], show=True)
    return answer


def predicted(job):
    answer = ask("explain", job)
    return answer if answer.get("predicted_start") else None


def kill_daemon(jobs):
    step("The daemon is killed with SIGKILL in the middle of it")
    wait_until("some sweep runs have ended",
               lambda: ask("show", jobs["sweep"])["units"]["completed"] >= 8)
    before = ask("show", jobs["sweep"])["units"]["completed"]
    running = processes_of(jobs["sweep"], "lmp")
    os.kill(daemon_pid(), signal.SIGKILL)
    say(f"  killed; {before} of 40 runs had ended, {len(running)} were running and go on")
    time.sleep(1)
    busbar("up", show=True)
    after = ask("show", jobs["sweep"])["units"]["completed"]
    say(f"  back, nothing lost: {after} of 40 runs have ended")
    if after < before:
        raise Failed("runs that had ended were forgotten")


def kill_training(jobs):
    step("The training is killed with SIGKILL half-way, and resumes from its checkpoint")
    wait_until("half of the epochs", lambda: f"epoch {EPOCHS_HALF}" in read("train.log"), 180)
    pids = processes_of(jobs["train"], "train.py")
    if not pids:
        raise Failed("no process of the training was found")
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    say(f"  killed process {pids[0]} after epoch {EPOCHS_HALF}")
    wait_until("the training resumes", lambda: "resumed from epoch" in read("train.log"))
    line = next(line for line in read("train.log").splitlines() if "resumed from epoch" in line)
    say(f"  its log says: {line.strip()}")


def finish_training(jobs):
    code = busbar("wait", jobs["train"], check=False)[0]
    if code != 0:
        raise Failed(f"the training ended with {code}; see {WORK}/out/train.log")
    found = re.findall(r"accuracy[^0-9]*([01]\.[0-9]+)", read("train.log"))
    accuracy = float(found[-1]) if found else 0.0
    say(f"  the training ended; test accuracy {accuracy:.4f}")
    if accuracy <= 0.95:
        raise Failed("the test accuracy is not above 0.95")


def serve(jobs):
    step("The service loads that model, becomes ready, and answers its client")
    busbar("wait", "--until", "ready", "--timeout", "60", jobs["serve"])
    attempt = ask("show", jobs["serve"])["attempts"][0]
    say(f"  ready at {attempt['address']}")
    code = busbar("wait", "--timeout", "60", jobs["client"], check=False)[0]
    say("\n".join("  " + line for line in read("client.log").strip().splitlines()))
    if code != 0:
        raise Failed(f"the client ended with {code}")
    busbar("cancel", jobs["serve"], show=True)
    busbar("wait", "--timeout", "60", jobs["serve"], check=False)
    state = ask("show", jobs["serve"])["state"]
    if state != "CANCELLED":
        raise Failed(f"the service is {state}, not CANCELLED")


def finish(jobs):
    step("The rest ends: the MPI run, the curve, and the job that had to wait")
    for name in ("sweep", "mpi", "curve", "waiting"):
        code = busbar("wait", "--timeout", "120", jobs[name], check=False)[0]
        say(f"  {name}: exit code {code}")
        if code != 0:
            raise Failed(f"{name} ended with {code}; see {WORK}/out")
    if not os.path.exists(os.path.join(WORK, "out", "sweep.svg")):
        raise Failed("the curve was not drawn")


def summary(keep):
    step("What ran, how long it waited, what it used")
    busbar("history", "--jobs", show=True)
    rows = ask("history", "--limit", "200")["rows"]
    cpu = sum(row["usage"]["cpu_seconds"] for row in rows)
    peak = max(row["usage"]["memory_peak_bytes"] for row in rows)
    wait = max(row["wait_seconds"] for row in rows)
    say(f"  {len(rows)} attempts, {cpu:.1f} s of CPU, highest memory peak {peak / 2**20:.0f} MB, "
        f"longest wait {wait:.0f} s")
    out = os.path.relpath(os.path.join(WORK, "out"))
    say(f"\nOutputs: {out}/  (the curve: {out}/sweep.svg)")
    say("What to type next:")
    path = os.path.relpath(BIN)
    if keep:
        say(f"  export PATH=$PWD/{path}:$PATH BUSBAR_STATE={STATE}")
        for line in ("busbar top          # a live view; q leaves it", "busbar run -- echo hello",
                     "busbar show last", "busbar down         # when you have seen enough"):
            say(f"  {line}")
    else:
        say(f"  export PATH=$PWD/{path}:$PATH")
        say("  busbar up && busbar run -- echo hello && busbar submit examples/hello.yaml")


def main():
    parser = argparse.ArgumentParser(prog="scripts/demo")
    parser.add_argument("--keep", action="store_true", help="leave the daemon up afterwards")
    arguments = parser.parse_args()
    prepare()
    step("A daemon with a private state folder")
    busbar("up", show=True)
    code = 0
    try:
        busbar("nodes", show=True)
        refuse_impossible()
        jobs = submit_all()
        explain_waiting(jobs)
        kill_daemon(jobs)
        kill_training(jobs)
        finish_training(jobs)
        serve(jobs)
        finish(jobs)
        summary(arguments.keep)
        took_s = time.monotonic() - START
        say(paint(f"\nThe demo is done; every claim held. {took_s:.0f} s", "1;32"))
    except Failed as failure:
        say(paint(f"\nThe demo failed: {failure}", "1;31"))
        say(f"The daemon's log is {STATE}/busbard.log")
        code = 1
    if not arguments.keep:
        busbar("down", check=False)
    return code


START = time.monotonic()
ENV = dict(os.environ, BUSBAR_STATE=STATE)
ENV.pop("BUSBAR_SOCKET", None)
ENV.pop("BUSBAR_URL", None)

if __name__ == "__main__":
    sys.exit(main())
