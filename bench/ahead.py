#!/usr/bin/env python3
"""How much of its places an array of short tasks fills, with launch-ahead and without.

usage: scripts/bench ahead [--rounds N] [--tasks N] [--slots N] [--ms N]

Tasks that only sleep, so that places and not processors are what is short: a perfect scheduler
takes tasks x length / slots. The limit that is compared with is a loop that spawns and waits with
as many slots, which loses only what a process costs.
"""

import argparse
import contextlib
import pathlib
import subprocess
import sys
import time

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "lib"))
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402
import measure  # noqa: E402

JOB = """name: bench
array: 1-{tasks}%{slots}
cores: 0.05
output: /dev/null
command: [/bin/sleep, "{seconds}"]
"""


def filled_pct(daemon, options):
    """Of the time that the places were there, how much had a task in it."""
    text = JOB.format(tasks=options.tasks, slots=options.slots, seconds=options.ms / 1000)
    begun = time.monotonic()
    job = daemon.submit(text)[0]
    answer = daemon.wait(job, patience_s=600)
    took = time.monotonic() - begun
    harness.equal((answer["state"], answer["exit_code"]), ("COMPLETED", 0), f"job {job}")
    return 100 * options.tasks * options.ms / 1000 / options.slots / took


def loop_pct(options):
    """The same from a loop that starts the next as soon as one has ended."""
    running, started = [], 0
    begun = time.monotonic()
    words = ["/bin/sleep", str(options.ms / 1000)]
    while started < options.tasks or running:
        while started < options.tasks and len(running) < options.slots:
            running.append(subprocess.Popen(words))
            started += 1
        running = [one for one in running if one.poll() is None]
        time.sleep(0.0005)
    took = time.monotonic() - begun
    return 100 * options.tasks * options.ms / 1000 / options.slots / took


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench ahead", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS_MIN)
    parser.add_argument("--tasks", type=int, default=200)
    parser.add_argument("--slots", type=int, default=4)
    parser.add_argument("--ms", type=int, default=50)
    options = parser.parse_args()

    with contextlib.ExitStack() as stack:
        daemons = {}
        for name, span in (("ahead", "10s"), ("plain", "0s")):
            daemons[name] = harness.Daemon(f"policy: {{launch_ahead: {span}}}\n").start()
            stack.callback(daemons[name].close)
        facts = measure.machine(daemons["ahead"].home)
        facts.update(tasks=options.tasks, slots=options.slots, task_ms=options.ms)
        contenders = {"ahead": lambda: filled_pct(daemons["ahead"], options),
                      "plain": lambda: filled_pct(daemons["plain"], options),
                      "loop": lambda: loop_pct(options)}
        rows = measure.rounds(contenders, options.rounds)

    metrics = {"filled_pct_ahead": measure.median(rows, "ahead"),
               "filled_pct_plain": measure.median(rows, "plain"),
               "filled_pct_loop": measure.median(rows, "loop"),
               "ratio_to_plain": measure.ratio(rows, "ahead", "plain"),
               "ratio_to_loop": measure.ratio(rows, "ahead", "loop")}
    measure.finish("ahead", {name: round(value, 3) for name, value in metrics.items()}, rows, facts)


if __name__ == "__main__":
    main()
