#!/usr/bin/python3
"""Hours in which no daemon ran, or in which the machine's clock moved: nothing expires unasked.

The journal's last mark (where the clock stood) is moved back while no daemon runs: to the next
daemon that is the same as hours that went by.
"""

import re
import sqlite3
import subprocess
import sys

from harness import (BIN, Runner, daemon, equal, expect, holds_words, wait_until)

HOURS_MS = 3 * 3600 * 1000
LATE = """name: late
hold: true
deadline: +1h
cores: 0.02
run: true
"""


def move_mark(own, hours_ms, other_boot=False):
    connection = sqlite3.connect(own.state / "journal.db")
    with connection:
        connection.execute("UPDATE mark SET boot_ms = boot_ms - ?, unix_ms = unix_ms - ?",
                           (hours_ms, hours_ms))
        if other_boot:
            connection.execute("UPDATE mark SET boot_id = 'another'")
    connection.close()


def away(own, hours_ms, other_boot=False):
    """The daemon stops, and starts again that much later."""
    equal(own.stop(), 0, "the exit code of a graceful stop")
    move_mark(own, hours_ms, other_boot)
    own.start()


def withheld_seconds(own):
    return own.get("/v1/status")["clock_withheld_seconds"]


def metric(own, name):
    return float(re.search(f"^busbar_{name} (.*)$", own.request("GET", "/metrics")[2], re.M)[1])


def turn_accepted(own, other_boot):
    job = own.submit(LATE)[0]
    equal(withheld_seconds(own), 0, "nothing is withheld")
    away(own, HOURS_MS, other_boot)
    wait_until("the hours are withheld", lambda: withheld_seconds(own) >= HOURS_MS / 1000)
    holds_words(own.cli("status", code=0).out, ["3h", "busbar config clock accept", "ignore"],
                "busbar status")
    holds_words(own.log_text(), ["the clock moved by 3h", "busbar config clock accept"], "the log")
    expect(metric(own, "clock_withheld_seconds") >= HOURS_MS / 1000, "the gauge shows it")
    equal(own.show(job)["state"], "PENDING", "the deadline lies in these hours and is not acted on")
    own.finish("name: new\ncores: 0.02\nrun: true\n")
    own.stop()
    own.start()
    expect(withheld_seconds(own) >= HOURS_MS / 1000, "a restart does not answer for the operator")
    equal(own.show(job)["state"], "PENDING", "and still nothing expires")
    holds_words(own.cli("config", "clock", "accept", code=0).out, ["counts"], "the answer")
    equal(own.wait(job)["state"], "CANCELLED", "now its deadline has passed")
    equal(withheld_seconds(own), 0, "nothing is withheld any more")
    expect(own.get("/v1/status")["uptime_seconds"] < 600, "the hours are none of this daemon's")
    holds_words(own.cli("config", "clock", "accept", code=3).err, ["nothing to answer"], "again")


def test_hours_without_a_daemon_are_accepted(own):
    turn_accepted(own, other_boot=False)


def test_hours_until_the_machine_was_started_again_are_accepted(own):
    turn_accepted(own, other_boot=True)


def test_hours_are_ignored(own):
    job = own.submit(LATE)[0]
    away(own, HOURS_MS)
    wait_until("the hours are withheld", lambda: withheld_seconds(own) >= HOURS_MS / 1000)
    own.cli("config", "clock", "ignore", code=0)
    equal(withheld_seconds(own), 0, "nothing is withheld any more")
    own.stop()
    exported = subprocess.run([str(BIN / "busbar-lab"), "journal", "export", str(own.state)],
                              text=True, check=True, capture_output=True).stdout
    holds_words(exported, ["clock_withheld", '"accepted":false'], "the journal")
    own.start()
    equal(withheld_seconds(own), 0, "the answer is kept")
    equal(own.show(job)["state"], "PENDING", "its deadline has not come")


def test_less_than_an_hour_just_counts(own):
    job = own.submit(LATE.replace("+1h", "+30m"))[0]
    away(own, 50 * 60 * 1000)
    equal(own.wait(job)["state"], "CANCELLED", "its deadline passed meanwhile")
    equal(withheld_seconds(own), 0, "nothing is withheld")


def test_a_clock_that_was_set_back_stands_still(own):
    job = own.submit(LATE)[0]
    away(own, -5 * HOURS_MS, other_boot=True)
    equal(own.show(job)["state"], "PENDING", "no time went by")
    equal(withheld_seconds(own), 0, "nothing is withheld")
    told = [line for line in own.log_text().splitlines() if "the wall clock stands" in line]
    equal(len(told), 1, "the log says it once")
    own.finish("name: new\ncores: 0.02\nrun: true\n")


def main():
    runner = Runner()
    runner.each_on_its_own(sys.modules[__name__])
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
