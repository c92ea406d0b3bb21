#!/usr/bin/python3
"""Graceful stop and start, a killed shim, and what the journal's tools say afterwards."""

import os
import signal
import subprocess
import sys
import time

from harness import (BIN, Runner, cases_of, daemon, equal, expect, holds_words, print_log, skip,
                     wait_until)

CONFIG = "log_level: debug\nsnapshot_events: 100\n"
SMALL = "cores: 0.02\n"
SERVER = """
import http.server, os
http.server.HTTPServer(("", int(os.environ["BUSBAR_PORT_0"])),
                       http.server.SimpleHTTPRequestHandler).serve_forever()
"""


def test_running_attempts_are_adopted(own):
    """Two jobs run across a stop; one of them ends while no daemon is there."""
    during, after = own.submit(f"""name: during
{SMALL}run: |
  echo begun >> during.out
  while [ ! -e during.off ]; do sleep 0.05; done
  touch during.ended
  exit 21
---
name: after
{SMALL}run: |
  echo begun >> after.out
  while [ ! -e after.off ]; do sleep 0.05; done
  exit 22
""")
    wait_until("both run", lambda: own.read("during.out") and own.read("after.out"))
    equal(own.stop(), 0, "the exit code of a graceful stop")
    own.write("during.off", "")
    wait_until("one ends meanwhile", lambda: (own.work / "during.ended").exists())
    own.start()
    equal(own.wait(during)["exit_code"], 21, "the exit code of what ended without a daemon")
    equal(own.show(after)["state"], "RUNNING", "what runs is adopted")
    own.write("after.off", "")
    equal(own.wait(after)["exit_code"], 22, "the exit code of what was adopted")
    for job, name in ((during, "during"), (after, "after")):
        equal(len(own.history(job)), 1, f"{name}: one attempt")
        equal(own.read(f"{name}.out"), "begun\n", f"{name} began once")


def test_waiting_jobs_and_limits_survive(own):
    held, array, limited = own.submit(f"""name: held
hold: true
{SMALL}run: true
---
name: array
array: 1-6%1
{SMALL}run: sleep 0.3; exit $BUSBAR_ARRAY_INDEX
---
name: limited
{SMALL}time: 2s
grace: 1s
run: exec sleep 60
""")
    own.wait(limited, "running")
    own.stop()
    time.sleep(0.3)
    own.start()
    equal(own.show(held)["state"], "PENDING", "the held job waits")
    own.post(f"/v1/jobs/{held}/release")
    equal(own.wait(held)["state"], "COMPLETED", "and runs when released")
    equal(own.wait(array)["exit_code"], 6, "the array goes on")
    codes = sorted((row["ref"], row["exit"]["code"]) for row in own.history(array))
    equal(codes, [(f"{array}_{index}", index) for index in range(1, 7)], "each unit once")
    equal(own.wait(limited)["state"], "TIMEOUT", "its time limit held")


def test_a_service_stays_ready(own):
    own.write("serve.py", SERVER)
    serve = own.submit("""name: serve
cores: 0.05
ports: 1
grace: 1s
ready: {http: /, interval: 200ms}
run: exec /usr/bin/python3 serve.py
""")[0]
    own.wait(serve, "ready")
    address = own.show(serve)["attempts"][0]["address"]
    own.stop()
    own.start()
    attempt = own.show(serve)["attempts"][0]
    equal((attempt["ready"], attempt["address"]), (True, address), "ready as before")
    client = own.finish(f"""name: client
after: ["{serve}:ready"]
cores: 0.05
output: client.out
run: env | grep _ADDRESS
""")
    holds_words(own.read("client.out"), [f"BUSBAR_SERVE_ADDRESS={address}"],
                f"client {client} knows it")
    own.post(f"/v1/jobs/{serve}/cancel")
    equal(own.wait(serve)["state"], "CANCELLED", "its end")


def test_an_answered_key_is_remembered(own):
    text = f"name: keyed\n{SMALL}run: true\n"
    ids = own.submit(text, "restart-key")
    own.stop()
    own.start()
    equal(own.submit(text, "restart-key"), ids, "the same key, the same job")
    equal(own.wait(ids[0])["state"], "COMPLETED", "its end")


def facts_of(view):
    """Without moments, which may differ by a millisecond."""
    return {name: value for name, value in view.items()
            if name not in ("submitted", "granted", "started", "ended", "wait_seconds")}


def test_old_jobs_are_known_after_a_start(own):
    job = own.finish(f"name: old\n{SMALL}run: exit 17\n", "FAILED", 17)
    wrote = f"name: wrote\n{SMALL}output: shared.log\nrun: echo $BUSBAR_JOB_ID\n"
    own.finish(wrote)
    later = own.finish(wrote)
    before = facts_of(own.show(job)), [facts_of(row) for row in own.history(job)]
    own.stop()
    own.start()
    equal((facts_of(own.show(job)), [facts_of(row) for row in own.history(job)]), before,
          "job and history are the same")
    equal(own.cli("logs", str(later), code=0).out, f"{later}\n", "its part of the file")
    newer = own.finish(f"name: newer\n{SMALL}run: true\n")
    expect(newer > job, "numbers go on")


def test_a_killed_shim_is_told_truthfully(own):
    """Its attempts end NODE_FAIL or are lost in words; what restarts on `node` runs again."""
    again, never = own.submit(f"""name: again
{SMALL}restart: {{on: [node], max: 2, backoff: 100ms}}
run: |
  echo "$BUSBAR_ATTEMPT" >> again.out
  [ "$BUSBAR_ATTEMPT" = 1 ] && exec sleep 99199
  exit 0
---
name: never
restart: never
{SMALL}run: echo x >> never.out; exec sleep 99299
""")
    wait_until("both run", lambda: own.read("again.out") and own.read("never.out"))
    shims = own.shim_pids()
    equal(len(shims), 1, "one shim")
    os.kill(shims[0], signal.SIGKILL)
    equal(own.wait(again)["state"], "COMPLETED", "what restarts after the loss of its node")
    equal(own.read("again.out"), "1\n2\n", "it ran twice, one after the other")
    answer = own.wait(never)
    equal(answer["state"], "NODE_FAIL", "what never restarts")
    row = own.history(never)[0]
    equal(row["exit"]["cause"], "node_lost", "the cause")
    expect(row["exit"]["detail"], "the history says what happened", row)
    equal(own.read("never.out"), "x\n", "it ran once")
    rows = own.history(again)
    equal([(entry["state"], entry["final"]) for entry in rows],
          [("NODE_FAIL", False), ("COMPLETED", True)], "both attempts")
    equal(own.leftovers_with("99199") + own.leftovers_with("99299"), [],
          "the old processes are gone")
    log = own.log_text()
    equal(log.count("is lost: the supervisor was killed"), 2, f"the log says so ({log[-2000:]})")
    own.finish(f"name: healthy\n{SMALL}run: true\n")


def test_daemon_and_shim_killed_together(own):
    job = own.submit(f"""name: both
{SMALL}restart: {{on: [node], max: 2, backoff: 100ms}}
run: |
  echo "$BUSBAR_ATTEMPT" >> both.out
  [ "$BUSBAR_ATTEMPT" = 1 ] && exec sleep 99399
  exit 5
""")[0]
    wait_until("it runs", lambda: own.read("both.out"))
    own.kill()
    for pid in own.shim_pids():
        os.kill(pid, signal.SIGKILL)
    own.start()
    equal(own.wait(job)["exit_code"], 5, "its second attempt's code")
    equal(own.read("both.out"), "1\n2\n", "one after the other")


def test_followers_survive_a_restart(own):
    """wait, logs and run go on when the daemon is killed or stopped, and started again."""
    for name, end in (("killed", own.kill), ("stopped", own.stop)):
        text = f"while [ ! -e {name}.off ]; do sleep 0.05; done; echo {name}; exit 9"
        job = own.submit(f"name: {name}\n{SMALL}run: '{text}'\n")[0]
        own.wait(job, "running")
        commands = [["wait", str(job)], ["logs", "-f", str(job)],
                    ["run", "--cores", "0.02", "--", "sh", "-c", text]]
        followers = [subprocess.Popen([BIN / "busbar", *words], cwd=own.work, text=True,
                                      env=own.environment, stdout=subprocess.PIPE,
                                      stderr=subprocess.STDOUT) for words in commands]
        time.sleep(0.5)
        end()
        time.sleep(0.5)
        own.start()
        own.write(f"{name}.off", "")
        said = [follower.communicate(timeout=30)[0] for follower in followers]
        equal([follower.returncode for follower in followers], [9, 0, 9], f"{name}: {said}")
        equal(said[1], f"{name}\n", "the log, once")


AGAIN = """name: again-HOW
restart: {on: [7], max: 3, backoff: 200ms}
cores: 0.02
run: |
  echo attempt $BUSBAR_ATTEMPT begins
  while [ ! -e HOW.$BUSBAR_ATTEMPT ]; do sleep 0.05; done
  [ $BUSBAR_ATTEMPT = 3 ] && exit 4
  exit 7
"""


def test_every_attempt_is_followed(own):
    """attach, which is what run does after its submission, shows the attempts after a restart."""
    for how in ("plainly", "over a stop", "over a kill"):
        how = how.replace(" ", "-")
        job = own.submit(AGAIN.replace("HOW", how))[0]
        follower = subprocess.Popen([BIN / "busbar", "attach", str(job)], cwd=own.work, text=True,
                                    env=own.environment, stdout=subprocess.PIPE,
                                    stderr=subprocess.PIPE)
        for attempt in (1, 2, 3):
            equal(follower.stdout.readline(), f"attempt {attempt} begins\n", f"followed {how}")
            if attempt < 3 and how != "plainly":
                if how == "over-a-stop":
                    own.stop()
                    own.write(f"{how}.{attempt}", "")
                    time.sleep(0.3)
                else:
                    own.kill()
                own.start()
            own.write(f"{how}.{attempt}", "")
        out, err = follower.communicate(timeout=30)
        equal(follower.returncode, 4, f"the last attempt's code, {how} ({err})")
        equal(out, "", f"the output of all, once, {how}")


def test_the_newest_progress_survives_a_stop(own):
    """It was held back because one report every five seconds is kept."""
    job = own.submit(f"""name: teller
{SMALL}run: |
  for step in 1 2 3; do {BIN}/busbar progress $step || exit 1; done
  touch teller.told
  while [ ! -e teller.off ]; do sleep 0.05; done
""")[0]
    wait_until("it has told all", lambda: (own.work / "teller.told").exists())
    equal(own.stop(), 0, "the exit code of a graceful stop")
    own.start()
    equal(own.show(job)["progress"]["work_done"], 3, "the newest")
    own.write("teller.off", "")
    own.wait(job)


def test_events_of_before_a_start_are_said_to_be_missing(own):
    job = own.finish(f"name: before\n{SMALL}run: true\n")
    told = own.cli("events", "--job", job, code=0)
    holds_words(told.out, ["submitted", "ended"], "its events")
    own.stop()
    own.start()
    told = own.cli("events", "--job", job, code=0)
    equal(told.out, "", "events of before are not kept")
    holds_words(told.err, ["no longer", "busbar journal export"], "and where they are is said")


def test_a_new_shim_takes_over_from_an_old_one(own):
    """The programs are replaced by those of another build; what runs does not notice."""
    job = own.submit(f"name: lives\n{SMALL}run: touch lives.on; "
                     "while [ ! -e lives.off ]; do sleep 0.05; done; exit 6\n")[0]
    wait_until("it runs", lambda: (own.work / "lives.on").exists())
    shim = own.shim_pids()[0]
    equal(own.stop(), 0, "the exit code of a graceful stop")
    programs = own.home / "new"
    programs.mkdir()
    for name in ("busbard", "busbar-shim"):
        said = subprocess.run([BIN / name, "--version"], text=True, capture_output=True, check=True)
        build = said.stdout.split()[-1].strip("()")
        other = build[:-1] + ("0" if build[-1] != "0" else "1")
        data = (BIN / name).read_bytes()
        expect(build.encode() in data, f"{name} knows its build {build}")
        (programs / name).write_bytes(data.replace(build.encode(), other.encode()))
        (programs / name).chmod(0o755)
    plain = own.command
    own.command = lambda: [str(programs / "busbard"), *plain()[1:]]
    try:
        own.start()
        wait_until("the shim is the new program", lambda: os.path.realpath(
            f"/proc/{shim}/exe") == str(programs / "busbar-shim"))
        equal(own.shim_pids(), [shim], "it is the same process")
        own.write("lives.off", "")
        equal(own.wait(job)["exit_code"], 6, "what ran has ended with its own code")
        equal([row["exit"] for row in own.history(job)][:-1], [], "one attempt")
        own.finish(f"name: healthy\n{SMALL}run: true\n")
        own.stop()
    finally:
        own.command = plain
    own.start()
    wait_until("and back", lambda: os.path.realpath(f"/proc/{shim}/exe") ==
               os.path.realpath(BIN / "busbar-shim"))


def test_the_daemon_killed_while_jobs_end(own):
    job = own.submit(f"name: ends\narray: 1-8\n{SMALL}"
                     "run: sleep 0.4; exit $BUSBAR_ARRAY_INDEX\n")[0]
    own.wait(job, "running")
    own.kill()
    time.sleep(1)
    own.start()
    own.wait(job)
    # A launch that the kill cut off before the shim read it never ran, and its row is not final.
    codes = sorted(row["exit"]["code"] for row in own.history(job) if row["final"])
    equal(codes, list(range(1, 9)), "every exit code is kept")


def test_up_and_down(own):
    """The way people start and stop it."""
    job = own.submit(f"name: stays\n{SMALL}"
                     "run: while [ ! -e stays.off ]; do sleep 0.05; done\n")[0]
    own.wait(job, "running")
    own.cli("down", code=0)
    equal(own.process.wait(), 0, "down ends it")
    equal(own.cli("ps").code, 4, "nobody answers")
    holds_words(own.cli("up", "--config", own.config, code=0).text, ["busbar is up"], "up")
    wait_until("the job is adopted", lambda: own.show(job)["state"] == "RUNNING")
    own.write("stays.off", "")
    equal(own.wait(job)["state"], "COMPLETED", "its end")
    own.cli("down", code=0)
    own.start()


def lab(own, *words):
    program = BIN / "busbar-lab"
    if not program.exists():
        skip("busbar-lab is not built")
    return subprocess.run([program, "journal", *words], text=True, check=False, capture_output=True)


def test_a_stop_leaves_a_snapshot_and_a_good_journal(own):
    own.finish(f"name: busy\narray: 1-20\n{SMALL}run: true\n")
    own.stop()
    verified = lab(own, "verify", own.state)
    equal(verified.returncode, 0, f"verify ({verified.stdout}{verified.stderr})")
    replayed = lab(own, "replay", own.state)
    equal(replayed.returncode, 0, f"replay ({replayed.stdout}{replayed.stderr})")
    copy = own.home / "copy.db"
    backed = lab(own, "backup", own.state, copy)
    equal(backed.returncode, 0, f"backup ({backed.stderr})")
    folder = own.home / "restored"
    folder.mkdir(mode=0o700)
    copy.rename(folder / "journal.db")
    equal(lab(own, "replay", folder).stdout.splitlines()[-1].split()[-1:],
          replayed.stdout.splitlines()[-1].split()[-1:], "the backup replays to the same State")
    own.start()


def test_a_torn_end_of_the_journal_is_told(own):
    for number in range(3):
        own.finish(f"name: before{number}\n{SMALL}run: true\n")
    own.kill()
    log = own.state / "journal.db-wal"
    with open(log, "r+b") as file:
        file.seek(-100, os.SEEK_END)
        file.write(b"\xa5" * 100)
    said = own.cli("up", "--config", own.config, code=0).text
    holds_words(said, ["torn", "last good event"], "what up says")
    holds_words(own.cli("status", code=0).out, ["journal:", "last good event"], "what status says")
    own.finish(f"name: after\n{SMALL}run: true\n")
    own.cli("down", code=0)
    own.start()
    equal(own.get("/v1/status")["journal_notice"], "", "nothing is left to say")


def main():
    runner = Runner()
    with daemon(CONFIG) as own:
        runner.in_turn(cases_of(sys.modules[__name__]), own)
        if runner.failed:
            print_log(own)
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
