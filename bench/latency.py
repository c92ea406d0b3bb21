#!/usr/bin/env python3
"""How long a submission takes to be durable, and a job to start, beside the disk's own fsync.

Bars: submit p50 <= 3 fsync p50 + 2 ms; from the acknowledgement to the job's first instruction
p50 <= 2 fsync p50 + 10 ms. All three lie in the same folder, in rounds that alternate.
"""

import argparse
import os
import statistics
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path[:0] = [os.path.join(ROOT, "bench", "lib"), os.path.join(ROOT, "tests", "e2e")]
import harness  # noqa: E402
import measure  # noqa: E402

EACH = 100  # submissions, fsyncs and starts a round


def percentile(values, part):
    return sorted(values)[min(len(values) - 1, int(len(values) * part))]


def fsync_ms(folder):
    """Writes as a journal does: a few kilobytes into space the file has, until on the disk."""
    times = []
    with open(folder / "fsync", "w+b", buffering=0) as file:
        file.write(b"-" * 4096 * EACH)
        os.fsync(file.fileno())
        file.seek(0)
        for _ in range(EACH):
            begin = time.perf_counter()
            file.write(b"x" * 4096)
            os.fdatasync(file.fileno())
            times.append((time.perf_counter() - begin) * 1e3)
    return times


def submit_ms(own):
    """From the request to the answer, which comes when the job is durable. The jobs are held."""
    times, jobs = [], []
    for _ in range(EACH):
        begin = time.perf_counter()
        jobs += own.submit("name: latency\nhold: true\ncores: 0.02\nrun: 'true'\n")
        times.append((time.perf_counter() - begin) * 1e3)
    for job in jobs:
        own.post(f"/v1/jobs/{job}/cancel")
    return times


def start_ms(own):
    """From the answer to the job's first instruction, by the clock both share."""
    times = []
    for number in range(EACH):
        job = own.submit(f"name: s{number}\ncores: 0.02\noutput: start.txt\n"
                         "command: [/bin/date, +%s%N]\n")[0]
        acknowledged_ns = time.time_ns()
        own.wait(job)
        times.append((int(own.read("start.txt").split()[-1]) - acknowledged_ns) / 1e6)
    return times


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS_MIN)
    parser.add_argument("--peers", action="store_true", help="no peer is measured here")
    options = parser.parse_args()
    kept = {"fsync": [], "submit": [], "start": []}

    def part(name, run, *arguments):
        def once():
            values = run(*arguments)
            kept[name] += values
            return statistics.median(values)
        return once

    with harness.daemon("") as own:
        rows = measure.rounds({"fsync_ms": part("fsync", fsync_ms, own.home),
                               "submit_ms": part("submit", submit_ms, own),
                               "start_ms": part("start", start_ms, own)}, options.rounds)
        facts = measure.machine(own.home)
    fsync, submit, start = (measure.median(rows, name)
                            for name in ("fsync_ms", "submit_ms", "start_ms"))
    metrics = {"submit_p50_ms": round(submit, 3),
               "submit_p99_ms": round(percentile(kept["submit"], 0.99), 3),
               "fsync_p50_ms": round(fsync, 3), "start_p50_ms": round(start, 3)}
    remarks = {"submit_bar_ms": round(3 * fsync + 2, 3), "start_bar_ms": round(2 * fsync + 10, 3),
               "submit_holds": submit <= 3 * fsync + 2, "start_holds": start <= 2 * fsync + 10}
    measure.finish("latency", metrics, rows, facts, remarks)


if __name__ == "__main__":
    main()
