"""Runs stages with budgets and counts test cases: the engine behind ./scripts/test.

A stage is a name, a group, a budget in seconds and a function. A stage over its budget has failed,
whatever its cases say, and is stopped soon after. A stage whose needs are not in the tree is listed
and not counted. Everything a stage prints goes to build/test-logs/<stage>.log.
"""

import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as xml_tree

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
LOGS = ROOT / "build" / "test-logs"
HEARTBEAT_S = 15
COUNT_LINE = re.compile(r"^(?:.*: )?(\d+) passed, (\d+) failed\s*$", re.MULTILINE)
UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_BAD = re.compile(r"(failures|errors)=(\d+)")


@dataclasses.dataclass
class Counts:
    passed: int = 0
    failed: int = 0
    skipped: int = 0  # said by themselves that this machine cannot run them; not counted further

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped


@dataclasses.dataclass
class Stage:
    name: str
    group: str
    budget_s: int
    run: object  # Stage run: callable(Context) -> Counts
    absent: object = None  # callable() -> why it cannot run in this tree, or None
    required: bool = False  # when it fails, later stages of its group are not run


@dataclasses.dataclass
class Row:
    stage: Stage
    seconds: float = 0.0
    counts: Counts = dataclasses.field(default_factory=Counts)
    note: str = ""


class Overtime(Exception):
    """The stage ran so far over its budget that it was stopped."""


class Context:
    """What a stage may use: run commands with a log, a deadline and progress lines."""

    def __init__(self, stage):
        self.stage = stage
        self.started = time.monotonic()
        self.stop_at = self.started + stage.budget_s + max(20.0, 0.1 * stage.budget_s)
        LOGS.mkdir(parents=True, exist_ok=True)
        self.log_path = LOGS / f"{stage.name}.log"
        self.log = open(self.log_path, "w", encoding="utf-8", errors="replace")

    def close(self):
        self.log.close()

    def elapsed_s(self):
        return time.monotonic() - self.started

    def left_s(self):
        return self.stage.budget_s - self.elapsed_s()

    def say(self, text):
        print(f"  {self.stage.name}: {text}", flush=True)
        self.log.write(f"# {text}\n")

    def command(self, argv, env=None, stop_after_s=None):
        """Runs argv in the root of the tree; returns (exit code, output). Raises Overtime."""
        argv = [str(part) for part in argv]
        self.log.write(f"$ {' '.join(argv)}\n")
        self.log.flush()
        full_env = dict(os.environ, **{key: str(value) for key, value in (env or {}).items()})
        child = subprocess.Popen(argv, cwd=ROOT, env=full_env, stdin=subprocess.DEVNULL,
                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                 errors="replace", start_new_session=True)
        lines = []
        reader = threading.Thread(target=self._read, args=(child.stdout, lines), daemon=True)
        reader.start()
        stop_at = self.stop_at
        if stop_after_s is not None:
            stop_at = min(stop_at, time.monotonic() + stop_after_s)
        stopped = not self._wait(child, lines, stop_at)
        reader.join(timeout=5)
        if not reader.is_alive():
            child.stdout.close()
        self.log.flush()
        if stopped:
            raise Overtime(f"stopped after {self.elapsed_s():.0f} s, over its budget of "
                           f"{self.stage.budget_s:.0f} s: {' '.join(argv)[:60]}; "
                           "what is built stays, so running it again goes on from there")
        return child.returncode, "".join(lines)

    def _read(self, pipe, lines):
        for line in pipe:
            lines.append(line)
            self.log.write(line)

    def _wait(self, child, lines, stop_at):
        """True when the child ended by itself; False when it had to be stopped."""
        beat_at = time.monotonic() + HEARTBEAT_S
        while True:
            try:
                child.wait(timeout=0.2)
                return True
            except subprocess.TimeoutExpired:
                pass
            now = time.monotonic()
            if now >= stop_at:
                end_group(child)
                return False
            if now >= beat_at:
                beat_at = now + HEARTBEAT_S
                last = lines[-1].strip()[:80] if lines else ""
                print(f"  {self.stage.name}: {self.elapsed_s():4.0f} s  {last}", flush=True)


def end_group(child):
    for number, grace_s in ((signal.SIGTERM, 5), (signal.SIGKILL, 5)):
        try:
            os.killpg(child.pid, number)
            child.wait(timeout=grace_s)
            return
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            continue


def count_text(text, exit_code):
    """Cases of a program's output: its last `N passed, N failed`, unittest's summary, or itself."""
    found = COUNT_LINE.findall(text)
    if found:
        passed, failed = (int(number) for number in found[-1])
    elif UNITTEST_RAN.search(text):
        ran = sum(int(number) for number in UNITTEST_RAN.findall(text))
        failed = sum(int(number) for _, number in UNITTEST_BAD.findall(text))
        passed = ran - failed
    else:
        passed, failed = (1, 0) if exit_code == 0 else (0, 1)
    if exit_code != 0 and failed == 0:
        failed = 1
    return Counts(passed, failed)


def count_junit(path):
    """Cases of a ctest --output-junit file; a test that counts its own cases is believed."""
    total = Counts()
    for case in xml_tree.parse(path).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if skipped is not None and skipped.get("message", "").startswith("SKIP_"):
            total.skipped += 1
        elif case.get("status") != "disabled":
            good = case.get("status") == "run"
            total.add(count_text(case.findtext("system-out") or "", 0 if good else 1))
    return total


def count_gtest(path):
    """Cases of one GoogleTest XML file."""
    total = Counts()
    for case in xml_tree.parse(path).getroot().iter("testcase"):
        if case.find("skipped") is not None:
            total.skipped += 1
        elif case.get("status") == "notrun":
            continue
        elif case.find("failure") is None:
            total.passed += 1
        else:
            total.failed += 1
    return total


def run_stage(stage):
    row = Row(stage)
    context = Context(stage)
    print(f"== {stage.name} (budget {stage.budget_s} s)", flush=True)
    try:
        row.counts = stage.run(context)
        if row.counts.failed:
            row.note = "failed"
    except Overtime as overtime:
        row.counts.failed += 1
        row.note = str(overtime)
    row.seconds = context.elapsed_s()
    context.close()
    if row.seconds > stage.budget_s and not row.note.startswith("stopped"):
        row.counts.failed += 1
        row.note = (row.note + ", " if row.note else "") + "over budget"
    if row.counts.skipped:
        row.note = (row.note + ", " if row.note else "") + f"{row.counts.skipped} skipped"
    if row.counts.failed:
        print_tail(context.log_path)
    print(f"   {stage.name}: {row.seconds:.1f} s, {row.counts.passed} passed, "
          f"{row.counts.failed} failed {row.note}", flush=True)
    return row


def print_tail(path, lines_max=60):
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    print(f"   --- last lines of {path.relative_to(ROOT)}", flush=True)
    for line in lines[-lines_max:]:
        print(f"   {line[:200]}")
    print("   ---", flush=True)


def run_all(stages, group_budgets, elsewhere):
    """Runs the stages in order, prints the table, returns the exit code.

    elsewhere: (name, budget_s, why) rows that are listed and not counted.
    """
    rows, broken = [], set()
    for stage in stages:
        why = stage.absent() if stage.absent else None
        if why:
            rows.append(Row(stage, note=f"not run: {why}"))
        elif stage.group in broken:
            rows.append(Row(stage, note="not run: an earlier stage failed"))
        else:
            rows.append(run_stage(stage))
            if stage.required and rows[-1].counts.failed:
                broken.add(stage.group)
    return print_table(rows, group_budgets, elsewhere)


def print_table(rows, group_budgets, elsewhere):
    total = Counts()
    print(f"\n{'stage':<18}{'seconds':>9}{'budget':>8}{'passed':>8}{'failed':>8}")
    for group in dict.fromkeys(row.stage.group for row in rows):
        seconds = 0.0
        for row in (row for row in rows if row.stage.group == group):
            print(f"{row.stage.name:<18}{row.seconds:>9.1f}{row.stage.budget_s:>8}"
                  f"{row.counts.passed:>8}{row.counts.failed:>8}  {row.note}".rstrip())
            seconds += row.seconds
            total.add(row.counts)
        budget = group_budgets[group]
        note = ""
        if seconds > budget:
            total.failed += 1
            note = "  over budget"
        print(f"{'= ' + group:<18}{seconds:>9.1f}{budget:>8}{note}")
    for name, budget, why in elsewhere:
        print(f"{name:<18}{'-':>9}{budget:>8}{'-':>8}{'-':>8}  {why}")
    print(f"\n{total.passed} passed, {total.failed} failed", flush=True)
    return 1 if total.failed or total.passed == 0 else 0


if __name__ == "__main__":
    sys.exit("run ./scripts/test")
