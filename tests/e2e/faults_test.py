#!/usr/bin/python3
"""What may go wrong on a machine, done on purpose: each ends in a clear message, nothing lost."""

import contextlib
import os
import pathlib
import pwd
import random
import resource
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

from harness import (BIN, Refused, Runner, cases_of, daemon, equal, expect, holds_words, skip,
                     skip_unless_reachable, wait_until, words_as)

CONFIG = """log_level: info
limits: {units_per_job: 1000000}
node: {output_max: 4M, processes_max: 64}
"""
SMALL = "cores: 0.02\n"


BOMB = """import os, time
counted = [line for line in open("/proc/self/cgroup")
           if "busbar" in line and (":pids:" in line or line.startswith("0::"))]
if not counted:
    raise SystemExit(print("unbounded"))
children = 0
try:
    while children < 500:
        if os.fork() == 0:
            time.sleep(60)
            os._exit(0)
        children += 1
except OSError as error:
    print(children, error.strerror)
"""


# --- jobs that behave badly


def together_deaf_and_hidden_processes_end_with_their_job(own):
    """Ignores SIGTERM, forks twice into sessions of its own, and leaves children behind."""
    mark = "86399.25"
    hidden = f"trap '' TERM HUP; setsid sh -c \"trap '' TERM HUP; sleep {mark} & sleep {mark}\" &"
    left = own.submit(f"name: leaver\n{SMALL}run: |\n  {hidden}\n  sleep 0.3\n  exit 5\n")[0]
    answer = own.wait(left)
    equal((answer["state"], answer["exit_code"]), ("FAILED", 5), "the job that left children")
    wait_until("its children are gone", lambda: not own.leftovers_with(mark))
    deaf = own.submit(f"name: deaf\n{SMALL}grace: 1s\nrun: |\n  {hidden}\n  sleep {mark}\n")[0]
    own.wait(deaf, until="running")
    wait_until("it has hidden", lambda: len(own.leftovers_with(mark)) >= 2)
    own.cli("cancel", deaf, code=0)
    equal(own.wait(deaf)["state"], "CANCELLED", "the deaf job")
    wait_until("nothing of it lives", lambda: not own.leftovers_with(mark))


def together_endless_output_is_cut_off_and_said(own):
    job = own.finish(f"name: flood\n{SMALL}run: cat /dev/zero\n", "FAILED", 128 + 25)
    holds_words(own.history(job)[0]["exit"]["detail"], ["output", "4M"], "why it ended")
    size = (own.work / f"busbar-{job}.out").stat().st_size
    expect(size >= 4 << 20, "the output stays to look at", size)


def together_a_fork_bomb_stays_in_its_box(own):
    """The attempt's process count is bounded where cgroups count; others go on."""
    own.write("bomb.py", BOMB)
    job = own.finish(f"name: bomb\n{SMALL}run: /usr/bin/python3 bomb.py\n")
    words = own.read(f"busbar-{job}.out").split(maxsplit=1)
    if words[0] == "unbounded":
        skip("no cgroup counts processes here")
    expect(0 < int(words[0]) < 64, "forks were refused at the bound", words)
    own.finish(f"name: beside\n{SMALL}run: 'true'\n")


def together_output_through_a_link_is_refused(own):
    """A job's output never follows a link, wherever it was laid."""
    target = own.write("precious", "kept\n")
    (own.work / "link.out").symlink_to(target)
    job = own.submit(f"name: linked\n{SMALL}output: link.out\nrun: echo spoiled\n")[0]
    wait_until("it is said why", lambda: "link" in own.cli("explain", job).text +
               str(own.history(job)))
    equal(own.show(job)["units"]["completed"], 0, "it never ran to its end")
    equal(own.read("precious"), "kept\n", "the file behind the link")
    own.cli("cancel", job, code=0)


def together_clients_that_stall_are_dropped_and_nobody_waits_for_them(own):
    """One sends nothing after its first word, one a byte a second: 10 s for a header, no more."""
    begin = time.monotonic()
    slow = []
    for text in (b"GET", b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        client.connect(str(own.socket))
        client.settimeout(1)
        slow.append((client, text))
    dropped = set()
    while len(dropped) < 2 and time.monotonic() - begin < 20:
        asked = time.monotonic()
        own.get("/v1/status")
        expect(time.monotonic() - asked < 2, "others are answered at once")
        for number, (client, text) in enumerate(slow):
            second = int(time.monotonic() - begin)
            with contextlib.suppress(BrokenPipeError):
                if number == 1 and second < len(text) or second == 0:
                    client.sendall(text[second:second + 1])
            client.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                try:
                    gone = client.recv(100) == b""
                except ConnectionResetError:
                    gone = True
                if gone:
                    dropped.add(number)
        time.sleep(0.5)
    took = time.monotonic() - begin
    equal(dropped, {0, 1}, f"both are dropped (after {took:.0f} s)")
    expect(took > 8, "not before their time", took)


def together_names_that_are_not_text(own):
    """Bytes that are no UTF-8, control characters, a path for a name: refused with the place."""
    for body in (b"name: caf\xe9\nrun: true\n", b"name: \"a\x01b\"\nrun: true\n",
                 b"name: ../../etc/cron\nrun: true\n"):
        status, _, text = own.request("POST", "/v1/jobs", body,
                                      {"Content-Type": "application/yaml"})
        expect(status in (400, 422), "refused", status, text)
        holds_words(text, ["job.yaml:1:"], "the refusal's place")
    job = own.submit(f"name: spaced\n{SMALL}output: 'out put %x/../%x.log'\nrun: echo there\n")[0]
    expect(own.wait(job)["state"] in ("COMPLETED", "FAILED"), "an odd path does no harm")


# --- numbers that are large


def turn_a_million_tasks_in_one_array(own):
    begin = time.monotonic()
    job = own.submit("name: million\ncores: 0.5\narray: 1-1000000%2\nrun: 'true'\n")[0]
    submit_s = time.monotonic() - begin
    view = own.show(job)
    equal(view["units"]["total"], 1_000_000, "its tasks")
    wait_until("some ran", lambda: own.show(job)["units"]["completed"] > 5)
    for words in (("ps",), ("show", job), ("explain", job)):
        begin = time.monotonic()
        own.cli(*words, code=0)
        expect(time.monotonic() - begin < 5, f"{words} answers while a million wait")
    own.kill()
    begin = time.monotonic()
    own.start()
    start_s = time.monotonic() - begin
    wait_until("it goes on", lambda: own.show(job)["units"]["completed"] > 10)
    own.cli("cancel", job, code=0)
    equal(own.wait(job)["state"], "CANCELLED", "the end")
    memory = pathlib.Path(f"/proc/{own.process.pid}/status").read_text()
    peak_mib = int(memory.split("VmHWM:")[1].split()[0]) >> 10
    print(f"    submit {submit_s:.2f} s, start {start_s:.2f} s, peak {peak_mib} MiB")
    expect(peak_mib < 600, "memory stays small", peak_mib)


def turn_files_of_one_and_ten_megabytes(own):
    line = "# " + "x" * 77 + "\n"
    near = "name: large\ncores: 0.02\nrun: 'true'\n" + line * 12_000
    own.finish(near)
    for size in (14_000, 130_000):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            status, _, text = own.request("POST", "/v1/jobs", near + line * size,
                                          {"Content-Type": "application/yaml"})
            equal(status, 413, "too large a file")
            holds_words(text, ["1"], "the limit")
    path = own.write("ten.yaml", near + line * 130_000)
    done = own.cli("submit", path)
    expect(done.code in (2, 3), "the command refuses it", done.code)
    holds_words(done.err, ["ten.yaml", "1"], "the refusal")


# --- a machine that gives nothing more


def alone_without_another_process_launches_fail_and_are_tried_again():
    """The supervisor may not fork: that is the machine's fault, not the job's."""
    with daemon(start=False) as own:
        plain = own.command
        if os.geteuid() == 0:  # whom no limit of processes binds
            if not shutil.which("setpriv") or not shutil.which("prlimit"):
                skip("setpriv or prlimit is not installed")
            nobody = pwd.getpwnam("nobody")
            skip_unless_reachable(nobody)
            for path in (own.state, own.work):
                os.chown(path, nobody.pw_uid, nobody.pw_gid)
            own.command = lambda: [*words_as(nobody), *plain()]
        own.start()
        shim = wait_until("the supervisor runs", own.shim_pids)[0]
        prefix = own.command()[:-len(plain())]
        before = resource.getrlimit(resource.RLIMIT_NPROC)[0]

        def bound(most):
            words = [*prefix, "prlimit", "--pid", str(shim), f"--nproc={most}:"]
            subprocess.run(words, check=True)

        bound(0)
        path = own.write("job.yaml", f"name: forks\n{SMALL}run: exit 7\n")
        job = int(own.cli("submit", "--quiet", path, code=0, prefix=prefix).out)
        wait_until("a launch has failed", lambda: own.history(job))
        row = own.history(job)[0]
        equal(row["exit"]["cause"], "launch_failed", "the cause")
        holds_words(row["exit"]["detail"], ["cannot start another process"], "the reason")
        bound("unlimited" if before == resource.RLIM_INFINITY else before)
        with contextlib.suppress(Refused):
            own.post(f"/v1/jobs/{job}/release")  # three failures hold it
        equal(own.wait(job)["exit_code"], 7, "it runs as soon as it can")


def alone_without_descriptors_the_daemon_waits():
    """New connections wait, jobs run on and end, nothing is lost, and it goes on afterwards."""
    with daemon() as own:
        job = own.submit(f"name: runs\n{SMALL}"
                         "run: while [ ! -e go ]; do sleep 0.05; done; exit 3\n")[0]
        own.wait(job, until="running")
        pid = own.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
        answers = []

        def ask():
            answers.append(own.submit(f"name: late\n{SMALL}run: exit 4\n")[0])

        asker = threading.Thread(target=ask)
        asker.start()
        own.write("go", "")
        time.sleep(1.5)
        equal(answers, [], "it cannot be taken yet")
        equal(own.process.poll(), None, "the daemon lives")
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        asker.join(30)
        equal(len(answers), 1, "the request that waited is answered")
        equal(own.wait(job)["exit_code"], 3, "the job that ended meanwhile")
        equal(own.wait(answers[0])["exit_code"], 4, "the new one")


# --- other users


GREEDY = """import select, socket, sys
held = []
for _ in range(20):
    one = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    one.connect(sys.argv[1])
    held.append(one)
refused = 0
while select.select(held, [], [], 1)[0]:
    for one in select.select(held, [], [], 0)[0]:
        refused += b" 503 " in one.recv(1000)
        held.remove(one)
print(refused, flush=True)
sys.stdin.read()
"""


@contextlib.contextmanager
def with_another_user(config=""):
    """A daemon whose socket others reach: (daemon, user, words before a command of that user)."""
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        skip("only root can act as another user")
    nobody = pwd.getpwnam("nobody")
    prefix = words_as(nobody)
    if subprocess.run([*prefix, BIN / "busbar", "version"], capture_output=True,
                      check=False).returncode:
        skip(f"nobody cannot run {BIN / 'busbar'}")
    with daemon(start=False) as own:
        reach = own.home / "reach"
        reach.mkdir(mode=0o755)
        own.socket = reach / "busbar.sock"
        own.environment["BUSBAR_SOCKET"] = str(own.socket)
        own.config.write_text(f"listen: {{socket: {own.socket}{config}}}\n")
        own.start()
        yield own, nobody, prefix


def alone_another_user_cannot_take_every_connection():
    with with_another_user(", connections_max: 16") as (own, _, prefix):
        greedy = subprocess.Popen([*prefix, sys.executable, "-c", GREEDY, own.socket], text=True,
                                  stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        refused = int(greedy.stdout.readline())
        own.cli("status", code=0)
        own.finish(f"name: beside\n{SMALL}run: 'true'\n")
        greedy.communicate("")
        equal(refused, 12, "half of the connections are one user's, no more")
        own.cli("ps", code=0, prefix=prefix)


def alone_a_log_never_leads_to_a_file_of_others():
    """A user lays links where her log was; an operator who reads it sees nothing of root's."""
    with with_another_user() as (own, nobody, prefix):
        secret = own.home / "secret"
        secret.mkdir(mode=0o700)
        (secret / "out.txt").write_text("root's own\n")
        theirs = own.home / "theirs"
        theirs.mkdir()
        os.chown(theirs, nobody.pw_uid, nobody.pw_gid)
        swaps = {"file": "rm logs/out.txt; ln -s {secret}/out.txt logs/out.txt",
                 "folder": "mv logs old; ln -s {secret} logs",
                 "pipe": "rm logs/out.txt; mkfifo logs/out.txt"}
        for name, swap in swaps.items():
            text = (f"name: {name}\n{SMALL}directory: {theirs}\noutput: logs/out.txt\n"
                    f"run: 'echo mine; {swap.format(secret=secret)}'\n")
            job = own.cli("submit", "--quiet", "-", code=0, standard_input=text,
                          prefix=prefix).out.strip()
            equal(own.wait(job)["state"], "COMPLETED", name)
            for reader in ((), prefix):
                done = own.cli("logs", job, prefix=reader)
                equal((done.out, done.code), ("", 3), f"{name}: the log as {reader or 'root'}")
            shutil.rmtree(theirs / "old", ignore_errors=True)
            if (theirs / "logs").is_symlink():
                (theirs / "logs").unlink()
            else:
                shutil.rmtree(theirs / "logs")
        text = (f"name: up\n{SMALL}directory: {theirs}\noutput: ../secret/%x.txt\nrun: echo no\n"
                "restart: {on: [node], backoff: 50ms}\n")
        job = own.cli("submit", "--quiet", "-", code=0, standard_input=text, prefix=prefix).out
        wait_until("a path upwards opens nothing", lambda: own.show(job.strip())["units"]["held"])
        equal([path.name for path in secret.iterdir()], ["out.txt"], "root's folder")


# --- supervisors that die


def alone_the_supervisor_killed_at_random_moments():
    """Every job ends, each line is written by a known attempt, and the books agree.

    Something has started since the last kill whenever the next one comes.
    """
    chance = random.Random(int(os.environ.get("BUSBAR_SEED", "7")))
    kills = int(os.environ.get("BUSBAR_KILLS", "10"))
    tasks = 40 + 4 * kills
    with daemon("") as own:
        jobs = own.submit(f"name: load\n{SMALL}array: 1-{tasks}%8\n"
                          "restart: {on: [node], max: 1000, backoff: 100ms, backoff_max: 200ms}\n"
                          "run: |\n  echo $BUSBAR_ATTEMPT_NAME >> load.txt\n  sleep 0.2\n")
        lines = 0

        def started():
            return (own.work / "load.txt").exists() and own.read("load.txt").count("\n") > lines

        for _ in range(kills):
            wait_until("something has started", started)
            time.sleep(chance.uniform(0, 0.3))
            for pid in own.shim_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            lines = own.read("load.txt").count("\n")
        answer = own.wait(jobs[0], patience_s=120 + kills)
        equal(answer["state"], "COMPLETED", "the array")
        rows = own.history(jobs[0])
        good = [row for row in rows if row["state"] == "COMPLETED"]
        equal(len({row["ref"] for row in good}), tasks, "tasks that completed")
        equal(len(good), tasks, "ends that completed: none twice")
        lost = [row for row in rows if row["state"] == "NODE_FAIL"]
        expect(len(lost) >= kills // 2, "attempts were lost with the supervisor", len(lost))
        lines = own.read("load.txt").split()
        equal(len(set(lines)), len(lines), "no attempt ran twice")
        expect({line for line in lines if line.endswith("-1")}, "first attempts ran", lines[:3])
        wait_until("nothing is left", lambda: not own.leftovers())


def main():
    run = Runner()
    module = sys.modules[__name__]
    run.on_one_daemon(module, CONFIG)
    run.in_turn(cases_of(module, "alone_"))
    return run.finish()


if __name__ == "__main__":
    expect(BIN.is_dir(), f"no programs in {BIN}")
    sys.exit(main())
