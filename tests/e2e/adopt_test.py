#!/usr/bin/python3
"""A backup of the journal is restored while jobs run that are newer than it."""

import subprocess
import sys

from harness import (BIN, Refused, Runner, daemon, equal, expect, holds_words, wait_until)

SMALL = "cores: 0.02\n"


def runs_until(name, exit_code=0, more=""):
    """A job that notes each start in NAME.out and ends once NAME.off is there."""
    return f"""name: {name}
{SMALL}{more}run: |
  echo begun >> {name}.out
  while [ ! -e {name}.off ]; do sleep 0.05; done
  exit {exit_code}
"""


def back_up(own):
    copy = own.home / "backup.db"
    done = subprocess.run([str(BIN / "busbar-lab"), "journal", "backup", str(own.state), str(copy)],
                          text=True, check=False, capture_output=True)
    equal(done.returncode, 0, f"backup ({done.stdout}{done.stderr})")
    return copy


def restore(own, copy):
    """As docs/operations.md says, after the daemon died."""
    own.kill()
    (own.state / "damaged").mkdir(mode=0o700)
    for path in own.state.glob("journal.db*"):
        path.rename(own.state / "damaged" / path.name)
    target = own.state / "journal.db"
    target.write_bytes(copy.read_bytes())
    target.chmod(0o600)
    own.start()


def cluster(own):
    return own.get("/v1/status")["clusters"][0]


def refused(own, what):
    try:
        what()
    except Refused as answer:
        equal(answer.status, 409, "the status of the refusal")
        return answer.body["error"]["message"]
    raise AssertionError("it was not refused")


class Story:
    """Jobs of before and after the backup, and the restored daemon."""

    def __init__(self, own):
        waits = f"name: waits\nhold: true\n{SMALL}run: true\n"
        self.before, self.again, self.waits = own.submit("---\n".join(
            [runs_until("before", 21), runs_until("again"), waits]))
        for name in ("before", "again"):
            wait_until(f"{name} runs", lambda name=name: own.read(f"{name}.out"))
        copy = back_up(own)
        own.post(f"/v1/jobs/{self.again}/requeue")
        wait_until("its second attempt runs", lambda: own.read("again.out") == "begun\nbegun\n")
        self.newer = own.submit(runs_until("newer", 7))[0]
        wait_until("newer runs", lambda: own.read("newer.out"))
        restore(own, copy)
        wait_until("the newer attempts are seen", lambda: cluster(own)["newer_attempts"] == 2)


def read_only(own, story):
    holds_words(own.cli("status", code=0).out, ["read-only", "busbar adopt"], "busbar status")
    holds_words(own.log_text(), ["newer than the journal", "busbar adopt"], "the log")
    holds_words(refused(own, lambda: own.submit(runs_until("new"))), ["busbar adopt"], "submit")
    holds_words(refused(own, lambda: own.post(f"/v1/jobs/{story.waits}/release")),
                ["busbar adopt"], "release")
    holds_words(refused(own, lambda: own.post(f"/v1/jobs/{story.before}/cancel")),
                ["busbar adopt"], "cancel")
    listed = own.cli("adopt", "--dry-run", code=0).out
    holds_words(listed, [f"{story.again}#2", f"{story.newer}#1", "running", "not known"],
                "--dry-run")
    expect(len(own.leftovers()) >= 3, "all three run on")
    equal(own.read("newer.out"), "begun\n", "newer was not touched")
    equal(own.show(story.before)["state"], "RUNNING", "what the backup knew runs")


def test_adopted_attempts_are_ended_and_their_numbers_never_given_again(own):
    story = Story(own)
    read_only(own, story)
    own.kill()
    own.start()
    wait_until("a restart changes nothing", lambda: cluster(own)["newer_attempts"] == 2)
    holds_words(own.cli("adopt", code=0).out, ["adopted"], "busbar adopt")
    equal(cluster(own)["newer_attempts"], 0, "nothing is newer any more")
    wait_until("the left-over attempts are gone", lambda: cluster(own)["leftovers"] == 0)
    wait_until("again runs its third attempt",
               lambda: own.read("again.out") == "begun\nbegun\nbegun\n")
    equal(own.unit(str(story.again))["attempts"], 3, "which has a number of its own")
    new = own.finish(f"name: new\n{SMALL}run: true\n")
    expect(new > story.newer, f"job {new} has a number of its own, not {story.newer}")
    equal(own.read("newer.out"), "begun\n", "newer was ended and not started again")
    own.write("before.off", "")
    own.write("again.off", "")
    equal(own.wait(story.before)["exit_code"], 21, "what the backup knew ends with its own code")
    equal(own.wait(story.again)["state"], "COMPLETED", "and what was restarted")
    own.post(f"/v1/jobs/{story.waits}/release")
    equal(own.wait(story.waits)["state"], "COMPLETED", "what waited still runs")
    holds_words(own.cli("adopt", code=3).err, ["nothing to adopt"], "adopt once more")


def test_kept_attempts_end_by_themselves_and_nothing_starts_before(own):
    story = Story(own)
    holds_words(own.cli("adopt", "--keep", code=0).out, ["adopted"], "busbar adopt --keep")
    new = own.submit(f"name: new\n{SMALL}run: true\n")[0]
    expect(new > story.newer, "a number of its own")
    own.write("again.off", "")
    wait_until("one has ended", lambda: cluster(own)["leftovers"] == 1)
    equal(own.show(new)["state"], "PENDING", "nothing starts beside the other")
    holds_words(own.cli("explain", new, code=0).out, ["left over"], "busbar explain")
    own.kill()
    own.start()
    equal(cluster(own)["leftovers"], 1, "a restart keeps the decision")
    equal(own.read("newer.out"), "begun\n", "newer runs on")
    own.write("newer.off", "")
    equal(own.wait(new)["state"], "COMPLETED", "then it starts")
    told = f"-{story.newer}-0x0-1, left over, has ended: exited, exit code 7"
    wait_until("the log tells the exit of what was kept", lambda: told in own.log_text())
    own.write("before.off", "")
    equal(own.wait(story.before)["exit_code"], 21, "what the backup knew ends with its own code")


def main():
    runner = Runner()
    runner.each_on_its_own(sys.modules[__name__], "log_level: debug\n")
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
