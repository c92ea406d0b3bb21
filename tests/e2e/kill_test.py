#!/usr/bin/python3
"""Kills the daemon with SIGKILL at random moments under load: nothing lost, nothing doubled.

$BUSBAR_KILLS kills (20), with the moments drawn from $BUSBAR_SEED (printed).
Every task writes a line at its start and one at its end into a file of its unit, with its attempt
and the time, so that a doubled run is seen.
"""

import http.client
import os
import random
import re
import subprocess
import sys
import threading
import time

from harness import BIN, ENDS, Refused, Runner, daemon, equal, expect, print_log, wait_until

KILLS = int(os.environ.get("BUSBAR_KILLS") or 20)
SEED = int(os.environ.get("BUSBAR_SEED") or random.SystemRandom().randrange(1 << 32))
CONFIG = "log_level: debug\nsnapshot_events: 100\n"
# $1 seconds, $2 exit code of the first run, $3 of a later one
TASK = """#!/bin/sh
file=marks/$BUSBAR_UNIT.$BUSBAR_RANK
code=$2
[ -e "$file" ] && code=$3
echo "start $BUSBAR_ATTEMPT $(date +%s%N)" >> "$file"
sleep "$1"
echo "end $BUSBAR_ATTEMPT $(date +%s%N) $code" >> "$file"
exit "$code"
"""


class Wanted:
    """What must have become of an acknowledged job."""

    def __init__(self, state, codes, tasks=1, attempts=1):
        self.state = state  # of the job
        self.codes = codes  # exit code of each unit's last attempt by reference suffix
        self.tasks = tasks  # processes of a unit
        self.attempts = attempts  # that ran, of each unit


def array_job(name, draw):
    count = draw.randint(5, 10)
    codes = {f"_{index}": index % 4 for index in range(1, count + 1)}
    pause = f"{draw.uniform(0.02, 0.25):.2f}"
    text = f"""name: {name}
array: 1-{count}%6
cores: 0.05
run: exec ./task {pause} $((BUSBAR_ARRAY_INDEX % 4)) 99
"""
    return text, [Wanted("FAILED", codes)]


def gang_job(name, draw):
    text = f"""name: {name}
coupling: tight
launcher: tasks
tasks: 3
cores: 0.05
run: exec ./task {draw.uniform(0.02, 0.3):.2f} 0 99
"""
    return text, [Wanted("COMPLETED", {"": 0}, tasks=3)]


def chain_job(name, draw):
    """ok after ok, after a failure, after any end, and one whose condition cannot come true."""
    pause = f"{draw.uniform(0.02, 0.2):.2f}"
    parts = [("a", "", 0, Wanted("COMPLETED", {"": 0})),
             ("b", f"after: {name}-a\n", 5, Wanted("FAILED", {"": 5})),
             ("c", f"after: ['{name}-b:failed']\n", 0, Wanted("COMPLETED", {"": 0})),
             ("d", f"after: ['{name}-b:any']\n", 6, Wanted("FAILED", {"": 6})),
             ("e", f"after: {name}-b\n", 0, Wanted("CANCELLED", {}))]
    text = "---\n".join(f"name: {name}-{part}\n{after}cores: 0.05\n"
                        f"run: exec ./task {pause} {code} 99\n" for part, after, code, _ in parts)
    return text, [wanted for _, _, _, wanted in parts]


def restart_job(name, draw):
    text = f"""name: {name}
cores: 0.05
restart: {{on: [7], max: 2, backoff: 50ms}}
run: exec ./task {draw.uniform(0.02, 0.2):.2f} 7 3
"""
    return text, [Wanted("FAILED", {"": 3}, attempts=2)]


def long_job(name, draw):
    """Cancelled by the test a moment after it was acknowledged."""
    del draw
    text = f"name: {name}\ncores: 0.05\ngrace: 1s\nrun: exec sleep 600\n"
    return text, [Wanted("CANCELLED", {})]


KINDS = [array_job, gang_job, chain_job, restart_job, array_job, long_job]


class Load:
    """Submits jobs without pause until told to stop; every request is repeated until answered."""

    def __init__(self, own, draw):
        self.own = own
        self.draw = draw
        self.stopping = threading.Event()
        self.acknowledged = {}  # job number -> Wanted
        self.keys = []  # (key, text, ids)
        self.problems = []
        self.lock = threading.Lock()

    def surely(self, action):
        """The action's value, through any number of dead daemons; None when we stop first."""
        deadline = time.monotonic() + 90
        while time.monotonic() < deadline:
            try:
                return action()
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)
            except Refused as refused:
                if refused.status != 503:
                    raise
                time.sleep(0.02)
        raise AssertionError("no answer for 90 s")

    def run(self, number):
        draw = random.Random(self.draw.randrange(1 << 32))
        turn = number
        try:
            while not self.stopping.is_set():
                self.submit(f"w{number}n{turn}", KINDS[turn % len(KINDS)], draw)
                turn += 1
                time.sleep(draw.uniform(0.05, 0.4))
        except Exception as error:  # told by the main thread
            self.problems.append(f"worker {number}: {type(error).__name__}: {error}")

    def submit(self, name, kind, draw):
        text, wanted = kind(name, draw)
        key = f"key-{SEED}-{name}"
        ids = self.surely(lambda: self.own.submit(text, key))
        equal(len(ids), len(wanted), f"{name}: one number for each document")
        with self.lock:
            self.keys.append((key, text, ids))
            self.acknowledged.update(zip(ids, wanted))
        if kind is long_job:
            time.sleep(draw.uniform(0, 0.3))
            self.surely(lambda: self.own.post(f"/v1/jobs/{ids[0]}/cancel"))

    def repeat_a_key(self, draw):
        """An old key gives the old numbers."""
        with self.lock:
            if not self.keys:
                return
            key, text, ids = draw.choice(self.keys[-5:])
        again = self.surely(lambda: self.own.submit(text, key))
        equal(again, ids, f"the repeated {key}")


def kill_under_load(own, load, draw):
    workers = [threading.Thread(target=load.run, args=(number,)) for number in range(2)]
    for worker in workers:
        worker.start()
    for _ in range(KILLS):
        time.sleep(draw.uniform(0.02, 0.9))
        own.kill()
        time.sleep(draw.choice([0, 0, draw.uniform(0, 0.5)]))
        own.spawn()
        if draw.random() < 0.8:  # else it is killed in the middle of its start
            own.await_answer()
            load.repeat_a_key(draw)
    load.stopping.set()
    for worker in workers:
        worker.join()
    expect(not load.problems, "the load was answered", *load.problems)
    if own.process.poll() is None:
        own.await_answer()


def marks_of(own, unit, task):
    """Lines of a task of a unit: [(word, attempt, ns)]."""
    lines = own.read(f"marks/{unit}.{task}").split("\n")[:-1]
    return [(line.split()[0], int(line.split()[1]), int(line.split()[2])) for line in lines]


def ran(row):
    """False: granted when the daemon died, and the launch never reached the shim."""
    return row["final"] or row["exit"]["cause"] != "launch_failed"


def check_marks(own, unit, attempts, wanted):
    for task in range(wanted.tasks):
        marks = marks_of(own, unit, task)
        plan = [(word, attempt) for attempt in attempts for word in ("start", "end")]
        equal([mark[:2] for mark in marks], plan, f"unit {unit} rank {task} ran as it should")
        times = [mark[2] for mark in marks]
        equal(times, sorted(times), f"unit {unit} rank {task} never ran twice at once")


def check_job(own, job, wanted):
    shown = own.show(job)
    equal(shown["state"], wanted.state, f"state of job {job} ({shown['name']})")
    rows = own.history(job)
    names = [f"{row['ref']}#{row['attempt']}" for row in rows]
    equal(len(names), len(set(names)), f"job {job}: every attempt once in the history, {names}")
    for suffix, code in wanted.codes.items():
        unit = f"{job}{suffix}"
        mine = [row for row in rows if row["ref"] == unit]
        equal([row["attempt"] for row in mine], list(range(1, len(mine) + 1)),
              f"attempts of unit {unit}")
        attempts = [row["attempt"] for row in mine if ran(row)]
        equal(len(attempts), wanted.attempts, f"unit {unit} ran so often: {mine}")
        last = mine[-1]
        equal((last["exit"]["cause"], last["exit"]["code"], last["final"]), ("exited", code, True),
              f"the last exit of unit {unit} ({last})")
        equal(last["state"], "FAILED" if code else "COMPLETED", f"the end of unit {unit}")
        check_marks(own, unit, attempts, wanted)
    if wanted.codes:
        equal(shown["exit_code"], max(wanted.codes.values()), f"exit code of job {job}")
        equal(len([row for row in rows if ran(row)]), len(wanted.codes) * wanted.attempts,
              f"rows of job {job}")


def all_jobs(own):
    jobs, page = [], None
    while True:
        answer = own.get("/v1/jobs", state="all", limit=1000, page=page)
        jobs += answer["jobs"]
        page = answer["next"]
        if page is None:
            return jobs


def check_nothing_extra(own, load):
    jobs = all_jobs(own)
    equal(sorted(job["id"] for job in jobs), sorted(load.acknowledged),
          "exactly the acknowledged jobs are there")
    names = [job["name"] for job in jobs]
    equal(len(names), len(set(names)), "no job twice")
    expect(all(job["state"] in ENDS for job in jobs), "every job has ended")
    units = re.compile(r"^(\d+)")
    for path in (own.work / "marks").iterdir():
        expect(int(units.match(path.name)[1]) in load.acknowledged,
               f"{path.name} belongs to an acknowledged job")


def check_processes(own):
    wait_until("no process of a job is left", lambda: not own.leftovers(), 20)
    status = own.get("/v1/status")
    equal(status["units"]["running"], 0, "nothing runs")
    equal(status["cores"]["free"], status["cores"]["total"], "every core is free again")


def lab(own, word):
    program = BIN / "busbar-lab"
    if not program.exists():
        return print(f"journal {word}: busbar-lab is not built, left out")
    done = subprocess.run([program, "journal", word, own.state], text=True, check=False,
                          capture_output=True)
    return expect(done.returncode == 0, f"journal {word} is clean", done.stdout, done.stderr)


def main():
    print(f"seed {SEED}, {KILLS} kills", flush=True)
    runner = Runner()
    draw = random.Random(SEED)
    with daemon(CONFIG) as own:
        own.write("task", TASK).chmod(0o755)
        (own.work / "marks").mkdir()
        load = Load(own, draw)

        def test_load_is_answered_through_every_kill():
            kill_under_load(own, load, draw)

        def test_every_acknowledged_job_ends():
            for job in sorted(load.acknowledged):
                own.wait(job, patience_s=90)

        def test_each_job_ran_as_asked():
            for job, wanted in sorted(load.acknowledged.items()):
                check_job(own, job, wanted)

        def test_nothing_lost_nothing_extra():
            check_nothing_extra(own, load)

        def test_nothing_is_left_running():
            check_processes(own)

        def test_history_after_one_more_start():
            equal(own.stop(), 0, "the exit code of a graceful stop")
            own.start()
            test_each_job_ran_as_asked()

        def test_journal_verifies():
            own.stop()
            lab(own, "verify")
            lab(own, "replay")

        runner.in_turn([test_load_is_answered_through_every_kill, test_every_acknowledged_job_ends,
                        test_each_job_ran_as_asked, test_nothing_lost_nothing_extra,
                        test_nothing_is_left_running, test_history_after_one_more_start,
                        test_journal_verifies])
        units = sum(max(1, len(wanted.codes)) for wanted in load.acknowledged.values())
        print(f"{len(load.acknowledged)} jobs with {units} units, {KILLS} kills, seed {SEED}")
        if runner.failed:
            print_log(own)
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
