#!/usr/bin/env python3
"""The scheduler alone, in process and on one thread: filling, idle cycles, failed matches.

usage: scripts/bench core [--rounds N] [--nodes N] [--units N]

10,000 nodes of 8 devices in a tree of four levels, 200 tenants with quotas, 100,000 jobs of one
unit in 300 shapes, 5 % of them gangs of 2 to 128 nodes. A placement is one claim on one node; the
clock is the thread's processor time over plan, accept and apply to State and Index. Each round is a
process of its own with its own seed; `bare` in it is the least that a claim must write into ordered
containers of the same size, and nothing else.
"""

import argparse
import json
import pathlib
import subprocess
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "lib"))
import measure  # noqa: E402

METRICS = ("fill_placements_per_s", "fill_slice_max_ms", "idle_cycle_p50_ms", "idle_cycle_p99_ms",
           "failed_match_p50_us", "failed_match_p99_us", "turnover_cycle_p50_ms",
           "bare_claims_per_s")


def one_round(seed, options):
    words = [measure.PROGRAMS / "core_cycle", str(seed), str(options.nodes), str(options.units)]
    told = subprocess.run([str(word) for word in words], check=True, capture_output=True,
                          text=True).stdout
    measure.note(told.rstrip())
    return json.loads(told.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench core", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS_MIN)
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--units", type=int, default=100_000)
    parser.add_argument("--peers", action="store_true", help="no peer is measured here")
    options = parser.parse_args()
    facts = measure.machine()
    rows = [one_round(1 + number, options) for number in range(options.rounds)]
    metrics = {name: round(measure.median(rows, name), 3) for name in METRICS}
    metrics["fill_ratio_to_bare"] = round(
        measure.ratio(rows, "fill_placements_per_s", "bare_claims_per_s"), 4)
    measure.finish("core", metrics, rows, facts)


if __name__ == "__main__":
    main()
