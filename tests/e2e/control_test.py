#!/usr/bin/python3
"""People at the command line: holding, cancelling, planning, explaining, draining, other users."""

import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import time

import harness
from harness import (BIN, Runner, equal, expect, holds_words, skip, skip_unless_reachable,
                     wait_until, words_as)

CONFIG = """log_level: debug
tenants:
  - {name: default}
  - {name: physics}
node:
  simulated_devices:
    - {vendor: nvidia, model: H100, count: 2}
"""
SMALL = "cores: 0.02\n"


# --- control


def together_a_job_finds_busbar_and_tells_how_far_it_is(own):
    job = own.submit(f"name: telling\n{SMALL}run: |\n  busbar progress 3 --total 10\n"
                     "  command -v busbar > telling.at; sleep 60\n")[0]
    told = wait_until("it has told", lambda: own.show(job).get("progress"))
    equal((told["work_done"], told["work_total"]), (3, 10), "what it told")
    own.cli("cancel", job, code=0)
    own.wait(job)


def together_hold_and_release(own):
    job = own.submit(f"name: held\nhold: true\n{SMALL}run: true\n")[0]
    time.sleep(0.3)
    equal(own.show(job)["state"], "PENDING", "a held job waits")
    holds_words(own.cli("explain", job, code=0).out, ["held", "busbar release"], "explain")
    own.cli("release", job, code=0)
    equal(own.wait(job)["state"], "COMPLETED", "released")


def together_hold_one_waiting_unit(own):
    job = own.submit(f"name: some\narray: 1-4%1\n{SMALL}run: sleep 0.5\n")[0]
    own.cli("hold", f"{job}_[3-4]", code=0)
    wait_until("two units ended", lambda: own.show(job)["units"]["completed"] == 2)
    time.sleep(0.2)
    equal(own.show(job)["units"]["held"], 2, "two units are held")
    own.cli("release", job, code=0)
    equal(own.wait(job)["state"], "COMPLETED", "released")


def together_cancel(own):
    waiting, running = own.submit(f"""name: patient
begin: +1h
{SMALL}run: true
---
name: runner
{SMALL}grace: 1s
run: |
  trap 'echo bye > runner.bye; exit 0' TERM
  sleep 60 & wait
""")
    own.wait(running, "running")
    wait_until("the trap is set", lambda: own.leftovers_with("sleep") or None)
    time.sleep(0.2)
    done = own.cli("cancel", waiting, running, code=0)
    holds_words(done.out, [str(waiting), str(running)], "the answer names them")
    for job in (waiting, running):
        equal(own.wait(job)["state"], "CANCELLED", f"job {job}")
    equal(own.read("runner.bye"), "bye\n", "it was asked to end")
    again = own.cli("cancel", waiting, running, code=0)
    equal(again.out.count("ended already"), 2, "again does no harm, and says so")
    equal(own.show(waiting)["exit_code"], None, "what never ran has no exit code")
    equal(own.cli("wait", waiting).code, 125, "of wait")
    row = next(line for line in own.cli("ps", "-a", "--limit", 1000, code=0).out.splitlines()
               if line.startswith(f"{running} "))
    expect(re.search(r"CANCELLED\s+1\s+\d", row), "ps -a shows how long it ran", row)


def together_cancel_units(own):
    job = own.submit(f"name: few\narray: 1-3\n{SMALL}grace: 1s\nrun: exec sleep 60\n")[0]
    own.wait(job, "running")
    own.cli("cancel", f"{job}_2", code=0)
    wait_until("one unit is cancelled",
               lambda: own.unit(f"{job}_2")["state"] == "CANCELLED")
    expect(own.unit(f"{job}_1")["state"] != "CANCELLED", "the others go on")
    own.cli("cancel", job, code=0)
    equal(own.wait(job)["state"], "CANCELLED", "the rest")


def together_requeue(own):
    job = own.submit(f"""name: back
{SMALL}grace: 1s
output: back.out
run: |
  echo "attempt $BUSBAR_ATTEMPT"
  [ $BUSBAR_ATTEMPT = 1 ] && exec sleep 60
  exit 0
""")[0]
    wait_until("it runs", lambda: own.read("back.out"))
    own.cli("requeue", job, code=0)
    equal(own.wait(job)["state"], "COMPLETED", "its second attempt")
    equal(own.read("back.out"), "attempt 1\nattempt 2\n", "two attempts, one file")
    equal([row["final"] for row in own.history(job)], [False, True], "the history")
    own.cli("requeue", job, code=0)
    equal(own.wait(job)["state"], "COMPLETED", "requeued after its end")
    equal(own.read("back.out").splitlines()[-1], "attempt 3", "it ran again")


def together_update(own):
    job = own.submit(f"name: old\nbegin: +1h\n{SMALL}run: true\n")[0]
    own.cli("update", job, "--priority", 10, "--name", "new", "--time", "5m", code=0)
    shown = own.show(job)
    equal((shown["priority"], shown["name"], shown["time_limit_seconds"]), (10, "new", 300.0),
          "what was changed")
    own.cli("update", job, "--begin", "now", code=0)
    equal(own.wait(job)["state"], "COMPLETED", "its begin was moved")


def together_update_of_what_runs(own):
    cut = own.submit(f"name: cut\ntime: 1h\ngrace: 1s\n{SMALL}run: sleep 60\n")[0]
    grown = own.submit(f"name: grown\ntime: 1s\ngrace: 1s\n{SMALL}run: sleep 2\n")[0]
    for job in (cut, grown):
        own.wait(job, "running")
    own.cli("update", grown, "--time", "1m", code=0)
    own.cli("update", cut, "--time", "1s", code=0)
    equal(own.wait(grown)["state"], "COMPLETED", "it was given more time")
    equal(own.wait(cut)["state"], "TIMEOUT", "it was given less")


def together_begin_time(own):
    started = time.time()
    own.finish(f"name: soon\nbegin: +1s\n{SMALL}run: date +%s.%N > soon.at\n")
    expect(float(own.read("soon.at")) >= started + 0.95, "not before its time")


# --- the command line


def together_run_exits_with_the_code(own):
    done = own.cli("run", "--cores", "0.02", "--", "sh", "-c", "echo out; echo err >&2; exit 13")
    equal(done.code, 13, "run's exit code")
    holds_words(done.out, ["out", "err"], "run's output")
    equal(own.cli("run", "--cores", "0.02", "--gpus", "B300:1", "--", "true").code, 3,
          "run of what cannot be")


def together_run_tells_a_failed_launch_and_goes_on(own):
    (own.work / "link.out").symlink_to(own.work / "elsewhere")
    words = [BIN / "busbar", "run", "--cores", "0.02", "--output", "link.out", "--", "echo", "ran"]
    process = subprocess.Popen(words, cwd=own.work, env=own.environment, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    told = process.stderr.readline() + process.stderr.readline()
    holds_words(told, ["not read through links", "waits", "link.out is a symbolic link",
                       "tried again"], "what cannot be read, and the reason")
    (own.work / "link.out").unlink()
    out, _ = process.communicate(timeout=60)
    equal((out, process.returncode), ("ran\n", 0), "it ran when it could")


def together_output_that_cannot_be_read_hides_no_other(own):
    job = own.submit(f"""name: hidden
{SMALL}array: 1-3
run: |
  echo "unit $BUSBAR_ARRAY_INDEX"
  [ "$BUSBAR_ARRAY_INDEX" != 2 ] || ln -sf /dev/null "busbar-${{BUSBAR_JOB_ID}}_2.out"
""")[0]
    own.wait(job)
    done = own.cli("attach", job, code=0)
    equal(sorted(done.out.splitlines()), [f"({job}_1) unit 1", f"({job}_3) unit 3"], "the others")
    equal(done.err.count("not read through links"), 1, "told once")
    done = own.cli("logs", job)
    equal((done.code, len(done.out.splitlines())), (3, 2), "logs shows them, and fails")


def together_submit_a_script_and_wait(own):
    own.write("script.sh", "#!/bin/sh\necho from a script\nexit 4\n")
    done = own.cli("submit", "--wait", "--cores", "0.02", "--name", "scripted", "script.sh")
    equal(done.code, 4, "the exit code of --wait")
    equal(own.cli("wait", "scripted").code, 4, "wait by name")
    holds_words(own.cli("logs", "scripted", code=0).out, ["from a script"], "its log")


def together_submit_from_standard_input(own):
    done = own.cli("--quiet", "submit", "-", code=0,
                   standard_input=f"name: piped\n{SMALL}run: true\n---\n"
                   f"name: piped2\n{SMALL}run: true\n")
    ids = done.out.split()
    equal(len(ids), 2, "two numbers, one a line")
    equal(own.cli("wait", *ids).code, 0, "both ended well")


def together_logs_follow(own):
    job = own.submit(f"""name: chatty
{SMALL}run: |
  for i in 1 2 3; do echo "line $i"; sleep 0.3; done
""")[0]
    done = own.cli("logs", "-f", job, code=0)
    equal(done.out, "line 1\nline 2\nline 3\n", "all of it, once")
    equal(own.cli("logs", "--tail", 1, job, code=0).out, "line 3\n", "the last line")


def together_output_that_never_was_does_not_hide_the_cause(own):
    job = own.submit(f"name: nodir\n{SMALL}directory: {own.work}/none\nrun: true\n"
                     "restart: {on: [node], backoff: 50ms}\n")[0]
    for verb in ("wait", "attach"):
        done = own.cli(verb, job)
        equal(done.code, 125, f"{verb} does not hang ({done.text})")
        holds_words(done.err, ["does not start", f"{own.work}/none", "busbar release"],
                    f"the reason by {verb}")
    own.cli("cancel", job, code=0)
    equal(own.cli("wait", job).code, 125, "cancelled before it ran")


def together_shared_output_is_shown_once(own):
    shared = own.submit(f"""name: sharing
{SMALL}array: 1-3
output: shared.out
run: echo one line
""")[0]
    own.wait(shared)
    equal(own.cli("logs", shared, code=0).out, own.read("shared.out"), "one file, once")
    gang = own.submit("""name: ranks
cores: 0.1
coupling: tight
tasks: 2
launcher: tasks
run: echo rank $BUSBAR_RANK
""")[0]
    own.wait(gang)
    lines = own.cli("logs", "--rank", "all", gang, code=0).out.splitlines()
    equal(sorted(lines), ["rank 0", "rank 1"], "the shared default file")
    gang = own.submit("""name: ranks-apart
cores: 0.1
coupling: tight
tasks: 2
launcher: tasks
output: apart-%r.out
run: echo rank $BUSBAR_RANK
""")[0]
    own.wait(gang)
    equal(own.cli("logs", "--rank", "all", gang, code=0).out, "(0) rank 0\n(1) rank 1\n",
          "each rank's own file, after the end")
    lines = own.cli("--json", "logs", "--rank", "all", gang, code=0).out.splitlines()
    equal([(line["rank"], line["text"]) for line in map(json.loads, lines)],
          [(0, "rank 0\n"), (1, "rank 1\n")], "JSON lines")


def together_array_output_is_followed_to_the_last_unit(own):
    job = own.submit(f"""name: in-turn
{SMALL}array: 1-4%1
run: echo hello
""")[0]
    equal(sorted(own.cli("logs", "-f", job, code=0).out.splitlines()),
          [f"({job}_{index}) hello" for index in range(1, 5)], "units that started later too")


def together_wait_goes_on_after_a_wrong_reference(own):
    job = own.submit(f"name: fine\n{SMALL}run: sleep 0.3; exit 7\n")[0]
    done = own.cli("wait", "no-such-job", job)
    equal(done.code, 7, "the highest code")
    holds_words(done.err, ["no-such-job", f"job {job} ended FAILED"], "both are told")
    equal(own.cli("wait", "999999").code, 3, "no such job")
    equal(own.cli("attach", "999999").code, 3, "no such job to attach to")


def together_names_stand_for_numbers(own):
    job = own.submit(f"name: arr-named\n{SMALL}array: 3-4\nrun: exit 0\n")[0]
    own.wait(job)
    holds_words(own.cli("show", "arr-named_3", code=0).out,
                [f"{job}_3#1", "COMPLETED", "past attempts"], "a unit by its job's name")
    holds_words(own.cli("events", "--job", "arr-named", code=0).out, [f"{job}"], "events")
    equal([row["job"] for row in own.ask("history", "--job", "arr-named")["rows"]], [job, job],
          "history")
    holds_words(own.cli("history", "--jobs", "--job", "arr-named", code=0).out,
                [str(job), "2 COMPLETED", "WAITED", "PEAK"], "a line a job")
    script = own.write("later.sh", "#!/bin/sh\nexit 0\n")
    done = own.cli("submit", "-q", "--after", "arr-named:any", script, code=0)
    equal(own.wait(done.out.strip())["state"], "COMPLETED", "--after by name")


def together_json_of_run(own):
    done = own.cli("--json", "run", "--cores", "0.1", "--", "sh", "-c", "echo hi; exit 3")
    equal(done.code, 3, "the job's code")
    told = [json.loads(line) for line in done.out.splitlines()]
    equal([line.get("text") for line in told], ["hi\n", None], "output, then the end")
    equal((told[1]["state"], told[1]["exit_code"]), ("FAILED", 3), "the end")
    expect("version" in json.loads(own.cli("--json", "version", code=0).out), "version")
    expect("jobs" in json.loads(own.cli("--json", "top", "--once", code=0).out), "top")


def together_documents_are_atomic(own):
    done = own.cli("submit", "-", standard_input=f"name: good-one\n{SMALL}run: true\n---\n"
                   f"name: bad-one\n{SMALL}gpus: B300:1\nrun: true\n")
    equal(done.code, 3, "one document is impossible")
    equal(own.ask("ps", "-a", "--name", "good-one")["jobs"], [], "nothing of it was submitted")
    good, bad = own.submit(f"name: good-one\n{SMALL}run: true\n---\nname: two\n{SMALL}run: true\n")
    for job in (good, bad):
        equal(own.wait(job)["state"], "COMPLETED", "both run")


def together_plan_does_not_submit(own):
    own.write("plan.yaml", f"name: planned\n{SMALL}memory: 10M\ntime: 1m\nrun: touch planned.ran\n")
    answer = own.ask("plan", "plan.yaml")["jobs"][0]
    expect(answer["possible"], "it is possible", answer)
    equal(len(answer["claims"]), 1, "where it would run")
    holds_words(own.cli("plan", "plan.yaml", code=0).out, ["planned", "start"], "the sentence")
    time.sleep(0.2)
    equal(own.ask("ps", "-a", "--name", "planned")["jobs"], [], "nothing was submitted")


def together_several_ways_to_name_a_job(own):
    job = own.finish(f"name: named-{os.getpid()}\n{SMALL}run: true\n")
    equal(own.ask("show", f"named-{os.getpid()}")["id"], job, "by name")
    equal(own.cli("show", "no-such-job").code, 3, "an unknown name")
    equal(own.cli("show", 999999).code, 3, "an unknown number")


def together_history_and_events(own):
    job = own.finish(f"name: told\n{SMALL}run: exit 0\n")
    rows = own.ask("history", "--job", job)["rows"]
    equal([(row["ref"], row["state"], row["user"]) for row in rows],
          [(str(job), "COMPLETED", pwd.getpwuid(os.geteuid()).pw_name)], "its row")
    for options, rows in ((["--from", "2020-01-01"], 1), (["--to", "2020-01-01T00:00:00Z"], 0)):
        equal(len(own.ask("history", "--job", job, *options)["rows"]), rows, f"with {options}")
    for words in (["history", "--from", "yesterday"], ["update", job, "--begin", "soon"],
                  ["reservation", "make", "r", "--start", "later", "--duration", "1h"]):
        done = own.cli(*words, code=2)
        holds_words(done.err, [words[-1] if words[0] != "reservation" else "later", "not a moment",
                               "2026-01-31T08:00:00Z"], f"{words}")
    own.cli("top", "--once", code=0)
    holds_words(own.cli("nodes", code=0).out, ["simulated"], "nodes says what is simulated")
    holds_words(own.cli("tenants", code=0).out, ["physics", "default"], "tenants")


def together_a_job_tells_its_progress(own):
    """In a tight loop, too: what is kept is bounded, and the newest is shown."""
    job = own.submit(f"""name: teller
{SMALL}run: |
  for step in $(seq 40); do {BIN}/busbar progress "$step" --total 100 || exit 1; done
  touch teller.told
  while [ ! -e teller.off ]; do sleep 0.1; done
""")[0]
    wait_until("it has told all", lambda: (own.work / "teller.told").exists())
    wait_until("the newest is shown",
               lambda: (own.show(job)["progress"] or {}).get("work_done") == 40)
    progress = own.show(job)["progress"]
    equal(progress["work_total"], 100, "the total")
    expect(progress["predicted_end"], "an end is predicted", progress)
    holds_words(own.cli("show", job, code=0).out, ["progress 40 of 100 (40%)"], "show")
    holds_words(own.cli("top", "--once", code=0).out, ["40 of 100"], "top")
    name = f"bb-{own.get('/v1/status')['installation']}-{job}-0x0-1"
    own.write("teller.off", "")
    own.wait(job)
    told = own.cli("events", "--job", job, code=0).out.count("has done")
    expect(1 <= told <= 20, "reports are coalesced", told)
    equal(own.cli("progress", 1).code, 2, "outside a job")
    late = own.cli("progress", 1, environment={"BUSBAR_ATTEMPT_NAME": name})
    equal(late.code, 3, "an attempt that has ended tells nothing")


# --- what concerns the whole machine: one at a time


def turn_interrupt_while_the_daemon_is_gone(own):
    words = [BIN / "busbar", "run", "--cores", "0.1", "--", "sleep", "60"]
    process = subprocess.Popen(words, cwd=own.work, env=own.environment, text=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until("it runs", lambda: own.get("/v1/jobs", state="running")["jobs"])
    own.kill()
    time.sleep(1.5)
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    equal(process.wait(20), 130, "Ctrl-C ends it")
    expect(time.monotonic() - start < 5, "at once", time.monotonic() - start)
    own.start()
    own.cancel_all()


def turn_tokens_over_tcp(own):
    def url_of_start(number):
        """Its port is told a moment after it answers."""
        ports = wait_until("the port is told", lambda: re.findall(
            r"TCP port (\d+)", own.log_text())[number - 1:])
        return f"http://127.0.0.1:{ports[0]}"
    own.stop()
    own.config.write_text(CONFIG + 'listen: {tcp: "127.0.0.1:0"}\n')
    own.start()
    url = url_of_start(1)
    kept = own.work / "kept.token"
    own.cli("token", "create", "--file", kept, code=0)
    equal(kept.stat().st_mode & 0o777, 0o600, "its file is private")
    far = ("--url", url, "--token-file", kept)
    own.cli(*far, "ps", code=0)
    equal(own.cli(*far, "token", "create").code, 3, "no token makes another")
    looking = own.write("looking.token", own.cli("token", "create", "--read-only", "--expires",
                                                 "30d", code=0).out)
    looking.chmod(0o600)
    own.cli("--url", url, "--token-file", looking, "status", code=0)
    refused = own.cli("--url", url, "--token-file", looking, "run", "--", "true")
    holds_words(refused.err, ["only look"], "a token that may only look")
    secrets = [kept.read_text().strip(), looking.read_text().strip()]
    for path in (own.state / "tokens").glob("*.json"):
        expect(not any(secret in path.read_text() for secret in secrets), "only hashes are kept")
    own.stop()
    own.start()
    url = url_of_start(2)
    far = ("--url", url, "--token-file", kept)
    own.cli(*far, "ps", code=0)
    for token in own.ask("token", "list")["tokens"]:
        if not token["id"].endswith(".token"):
            own.cli("token", "revoke", token["id"], code=0)
    expect(own.cli(*far, "ps").code != 0, "a revoked token is worthless")
    own.stop()
    own.config.write_text(CONFIG)
    own.start()


def turn_explain_predicts_a_start(own):
    total = own.get("/v1/status")["cores"]["total"]
    wide, waiting = own.submit(f"""name: wide
cores: {total:g}
time: 1m
grace: 1s
run: exec sleep 60
---
name: waiting
cores: {total:g}
time: 1m
run: true
""")
    own.wait(wide, "running")

    def predicted():  # the promise is an event; what stands before it is said when the cycle ends
        found = own.get(f"/v1/jobs/{waiting}/explain")
        return found if found["predicted_start"] and found["blockers"] else None

    answer = wait_until("a predicted start, and who stands before it", predicted)
    expect(20 < answer["predicted_in_seconds"] < 90, "about a minute", answer)
    equal(answer["position"], 1, "its place in the queue")
    equal(answer["blockers"], [wide], "who stands before it")
    holds_words(own.cli("explain", waiting, code=0).out, ["core", "predicted start", str(wide)],
                "explain")
    own.write("small.yaml", "name: small\ncores: 1\ntime: 10m\nrun: true\n")
    planned = own.ask("plan", "small.yaml")["jobs"][0]
    expect(planned["in_seconds"] is None or planned["in_seconds"] > 20,
           "plan sees what runs and what is promised", planned)
    own.cli("cancel", wide, code=0)
    equal(own.wait(waiting)["state"], "COMPLETED", "it ran when room was made")


def turn_priority_goes_first(own):
    total = own.get("/v1/status")["cores"]["total"]
    blocker, low, high = own.submit("---\n".join(f"""name: {name}
cores: {total:g}
priority: {priority}
grace: 1s
time: 1m
run: |
  echo {name} >> order.out
  {line}
""" for name, priority, line in (("blocker", 20, "exec sleep 60"), ("low", 0, "exit 0"),
                                 ("high", 0, "exit 0"))))
    wait_until("the first has begun", lambda: own.read("order.out"))
    own.cli("update", high, "--priority", 5, code=0)
    own.cli("cancel", blocker, code=0)
    for job in (low, high):
        equal(own.wait(job)["state"], "COMPLETED", "its end")
    equal(own.read("order.out").split(), ["blocker", "high", "low"], "the order")


def turn_drain_and_resume(own):
    node = own.get("/v1/nodes")["nodes"][0]["name"]
    runs = own.submit(f"name: stays\n{SMALL}run: sleep 1\n")[0]
    own.wait(runs, "running")
    own.cli("drain", node, "--reason", "new memory", code=0)
    job = own.submit(f"name: drained\n{SMALL}run: true\n")[0]
    equal(own.wait(runs)["state"], "COMPLETED", "what runs goes on")
    equal(own.show(job)["state"], "PENDING", "nothing starts on a drained node")
    holds_words(own.cli("explain", job, code=0).out, ["drain"], "explain")
    wait_until("it is shown drained",
               lambda: own.get(f"/v1/nodes/{node}")["state"] == "DRAINED")
    equal(own.get(f"/v1/nodes/{node}")["drain_reason"], "new memory", "the reason")
    own.cli("resume", node, code=0)
    equal(own.wait(job)["state"], "COMPLETED", "after resume")


def turn_reservation_blocks(own):
    own.cli("reservation", "make", "window", "--start", "+3m", "--duration", "1h", code=0)
    long, short = own.submit(f"name: long\n{SMALL}time: 10m\nrun: true\n---\n"
                             f"name: short\n{SMALL}time: 2s\ngrace: 1s\nrun: true\n")
    equal(own.wait(short)["state"], "COMPLETED", "what ends before the window runs")
    equal(own.show(long)["state"], "PENDING", "what would reach into it waits")
    holds_words(own.cli("explain", long, code=0).out, ["reserv"], "explain")
    holds_words(own.cli("reservation", "list", code=0).out, ["window"], "the list")
    quiet = own.cli("--quiet", "reservation", "list", code=0)
    holds_words(quiet.out, ["window"], "the list, quiet")
    own.cli("reservation", "end", "window", code=0)
    equal(own.wait(long)["state"], "COMPLETED", "after its end")


def turn_exclusive(own):
    small = own.submit(f"name: neighbour\n{SMALL}run: sleep 0.7; date +%s%N > neighbour.end\n")[0]
    own.wait(small, "running")
    own.finish("name: alone\nexclusive: true\ncores: 1\nrun: date +%s%N > alone.start\n")
    own.wait(small)
    expect(int(own.read("alone.start")) > int(own.read("neighbour.end")), "it was alone")


def turn_down_stops_the_one_that_is_asked(own):
    """Whatever state folder the environment names."""
    with harness.daemon("") as other:
        elsewhere = {"BUSBAR_STATE": str(other.state)}
        done = own.cli("down", environment=dict(elsewhere, BUSBAR_URL="http://127.0.0.1:1"))
        equal(done.code, 2, "a URL says nothing of this machine")
        own.cli("down", environment=elsewhere, code=0)
        equal(own.cli("status").code, 4, "the one at the socket is down")
        other.cli("status", code=0)
        own.cli("down", "--state", str(other.state), code=0)
        equal(other.cli("status").code, 4, "now that of the folder")
    own.start()


def turn_reload(own):
    own.config.write_text(CONFIG + "limits: {default_time: 30m}\n")
    before = own.get("/v1/status")["revision"]
    done = own.post("/v1/config/reload")
    expect(done["revision"] > before, "it is answered once it is durable", done)
    holds_words(own.cli("config", "show", code=0).out, ["default_time: 30m"],
                "what is in force")
    job = own.finish(f"name: limited\n{SMALL}run: true\n")
    equal(own.show(job)["time_limit_seconds"], 1800.0, "the new default holds")
    own.config.write_text(CONFIG + "limitz: {}\n")
    done = own.cli("config", "reload")
    equal(done.code, 3, "a wrong file is refused")
    holds_words(done.err, ["limitz", "limits"], "and the nearest key is named")


def turn_jobs_of_another_user(own):
    if os.geteuid() != 0:
        skip("only root can run jobs as others")
    if not shutil.which("setpriv"):
        skip("setpriv is not installed")
    nobody = pwd.getpwnam("nobody")
    skip_unless_reachable(nobody)
    reach = own.home / "reach"
    reach.mkdir(mode=0o755)
    work = own.home / "theirs"
    work.mkdir()
    os.chown(work, nobody.pw_uid, nobody.pw_gid)
    own.stop()
    own.config.write_text(CONFIG + f"listen: {{socket: {reach}/busbar.sock}}\n")
    own.socket = reach / "busbar.sock"
    own.environment["BUSBAR_SOCKET"] = str(own.socket)
    own.start()
    prefix = words_as(nobody)
    text = (f"name: theirs\n{SMALL}directory: {work}\nmemory: 50M\noutput: '%j.out'\n"
            f"run: id -u; id -g; touch made; {BIN}/busbar progress 3 --total 4 || exit 9\n")
    ids = own.cli("--quiet", "submit", "-", code=0, standard_input=text, prefix=prefix).out.split()
    equal(own.cli("wait", *ids, prefix=prefix).code, 0, "it ended well")
    output = work / f"{ids[0]}.out"
    equal(output.read_text().split(), [str(nobody.pw_uid), str(nobody.pw_gid)], "it ran as nobody")
    equal({path.stat().st_uid for path in (output, work / "made")}, {nobody.pw_uid},
          "its files are nobody's")
    holds_words(own.cli("logs", ids[0], code=0, prefix=prefix).out, [str(nobody.pw_uid)], "its log")
    mine = own.submit(f"name: mine\n{SMALL}run: exec sleep 30\n")[0]
    denied = own.cli("cancel", mine, prefix=prefix)
    equal(denied.code, 3, "nobody may not cancel root's job")
    equal(own.cli("drain", own.get("/v1/nodes")["nodes"][0]["name"], prefix=prefix).code, 3,
          "nobody is no operator")
    node = own.get("/v1/nodes")["nodes"][0]["name"]
    socket = f"listen: {{socket: {reach}/busbar.sock}}\n"
    own.config.write_text(CONFIG + socket + "users: {operators: [nobody]}\n")
    done = own.cli("config", "reload", code=0).out
    expect("restart" not in done, "operators need no restart", done)
    own.cli("drain", node, code=0, prefix=prefix)
    own.cli("resume", node, code=0, prefix=prefix)
    own.config.write_text(CONFIG + socket)
    own.cli("config", "reload", code=0)
    equal(own.cli("drain", node, prefix=prefix).code, 3, "nobody is no operator any more")
    sly = own.cli("--quiet", "submit", "-", prefix=prefix, code=0,
                  standard_input=f"name: sly\n{SMALL}output: {own.home}/sly.out\nrun: id -u\n"
                  "restart: {on: [node], backoff: 50ms}\n").out.strip()
    wait_until("it is held", lambda: own.show(sly)["units"]["held"])
    expect(not (own.home / "sly.out").exists(), "no file is written with root's rights")
    own.post(f"/v1/jobs/{sly}/cancel")
    own.post(f"/v1/jobs/{mine}/cancel")
    own.wait(mine)


def main():
    runner = Runner()
    runner.on_one_daemon(sys.modules[__name__], CONFIG)
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
