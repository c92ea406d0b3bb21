#!/usr/bin/python3
"""Launch-ahead: short tasks are staged, each runs once, and what goes first goes first."""

import re
import sys
import time

from harness import Runner, cases_of, daemon, equal, expect, wait_until

CONFIG = "log_level: debug\n"
SWEEP = """name: sweep
array: 1-{count}
cores: 1
run: |
  echo $BUSBAR_ARRAY_INDEX begin $(date +%s%N) >> ran.txt
  sleep {sleep}
  echo $BUSBAR_ARRAY_INDEX end $(date +%s%N) >> ran.txt
"""


def lines_of(own, words):
    return [line.split() for line in own.read("ran.txt").splitlines() if words in line]


def once_each(own, count):
    begun = sorted(int(index) for index, *_ in lines_of(own, "begin"))
    equal(begun, list(range(1, count + 1)), "each ran once")


def at_once(own):
    """The most tasks between their begin and end at one time."""
    moments = [(int(at), 1 if what == "begin" else -1)
               for _, what, at in lines_of(own, "")]
    running = most = 0
    for _, step in sorted(moments):
        running += step
        most = max(most, running)
    return most


def staged_in(own, job):
    events = own.cli("events", "--job", str(job), code=0).out
    return [line for line in events.splitlines() if "is staged on" in line]


def cores_of(own):
    return int(own.get("/v1/nodes")["nodes"][0]["cores"]["total"])


def test_short_tasks_are_staged_and_places_hold_one_at_a_time(own):
    job = own.submit(SWEEP.format(count=60, sleep=0.05))[0]
    own.wait(job)
    once_each(own, 60)
    cores = cores_of(own)
    expect(at_once(own) <= cores, f"{at_once(own)} ran at once on {cores} cores")
    expect(len(staged_in(own, job)) >= 20, f"{len(staged_in(own, job))} were staged")


def test_a_staged_unit_shows_as_configuring_and_counts_as_waiting(own):
    job = own.submit(SWEEP.format(count=400, sleep=0.2))[0]
    seen = {}

    def staged():
        page = own.get(f"/v1/jobs/{job}/units", state="live")
        seen["units"] = [unit for unit in page["units"]
                         if unit["attempt"] and unit["attempt"]["after"]]
        return seen["units"]

    wait_until("one is staged", staged)
    unit = seen["units"][0]
    equal(unit["state"], "CONFIGURING", "the state of a staged unit")
    expect(re.match(r"^%d_\d+#\d+$" % job, unit["attempt"]["after"]), unit["attempt"]["after"])
    counts = own.show(job)["units"]
    equal(counts["waiting"] + counts["running"] + counts["completed"], 400, "they add up")
    expect("staged to start as these end" in own.cli("explain", str(job)).out, "explain says it")
    own.cli("cancel", str(job), code=0)
    own.wait(job)
    begun = len(lines_of(own, "begin"))
    time.sleep(1)
    equal(len(lines_of(own, "begin")), begun, "nothing staged starts after a cancel")


def test_what_goes_first_goes_first(own):
    sweep = own.submit(SWEEP.format(count=2000, sleep=0.1))[0]
    wait_until("some are staged", lambda: len(staged_in(own, sweep)) > 5)
    done = own.show(sweep)["units"]["completed"]
    urgent = own.submit("name: urgent\npriority: 10\ncores: 1\nrun: true\n")[0]
    own.wait(urgent)
    cores = cores_of(own)
    passed = own.show(sweep)["units"]["completed"] - done
    expect(passed <= 3 * cores, f"{passed} tasks of the sweep went before it on {cores} cores")
    own.cli("cancel", str(sweep), code=0)
    own.wait(sweep)


def test_the_daemon_is_killed_and_the_supervisor_goes_on(own):
    job = own.submit(SWEEP.format(count=80, sleep=0.2))[0]
    wait_until("some are staged", lambda: len(staged_in(own, job)) > 4)
    own.kill()
    before = len(lines_of(own, "begin"))
    time.sleep(1.5)
    after = len(lines_of(own, "begin"))
    expect(after > before, "staged tasks start without a daemon")
    own.start()
    own.wait(job)
    once_each(own, 80)
    equal(own.show(job)["units"]["completed"], 80, "all completed")


def alone_switched_off(own):
    job = own.submit(SWEEP.format(count=30, sleep=0.05))[0]
    own.wait(job)
    once_each(own, 30)
    equal(staged_in(own, job), [], "nothing was staged")


def main():
    runner = Runner()
    here = sys.modules[__name__]
    runner.each_on_its_own(here, CONFIG)
    with daemon(CONFIG + "policy: {launch_ahead: 0s}\n") as own:
        runner.in_turn(cases_of(here, "alone_"), own)
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
