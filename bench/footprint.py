#!/usr/bin/env python3
"""Memory of waiting work, nodes and an idle daemon, and how soon a full queue places again.

usage: scripts/bench footprint [--rounds N] [--arrays N] [--tasks N]

Bytes are counted by the allocator in State and Index (programs/core_footprint.cpp). The restart is
of a daemon with 20 arrays of 10,000 waiting tasks, from the start of the program until the first of
them runs.
"""

import argparse
import json
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

JOB = """name: wait-{number}
array: 1-{tasks}
cores: 1
output: /dev/null
command: [/bin/sleep, "3600"]
"""


def counted():
    told = subprocess.run([str(measure.PROGRAMS / "core_footprint")], check=True,
                          capture_output=True, text=True).stdout
    measure.note(told.rstrip())
    return json.loads(told.splitlines()[-1])


def resident_mb(daemon):
    pages = 0
    for pid in daemon.pids_of(b"busbard"):
        for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                pages += int(line.split()[1])
    return pages / 1024


def idle_rss_mb():
    daemon = harness.Daemon().start()
    try:
        time.sleep(2)
        return resident_mb(daemon)
    finally:
        daemon.close()


def restart_s(arrays, tasks):
    daemon = harness.Daemon().start()
    try:
        node = daemon.get("/v1/nodes")["nodes"][0]["name"]
        daemon.post(f"/v1/nodes/{node}/drain", {"reason": "bench"})
        for number in range(arrays):
            first = daemon.submit(JOB.format(number=number, tasks=tasks))[0]
        daemon.stop()
        begun = time.monotonic()
        daemon.start()
        daemon.post(f"/v1/nodes/{node}/resume", {})
        while not daemon.get("/v1/jobs", state="RUNNING")["jobs"]:
            time.sleep(0.005)
        took = time.monotonic() - begun
        daemon.post(f"/v1/nodes/{node}/drain", {"reason": "bench"})
        for job in range(first - arrays + 1, first + 1):
            daemon.post(f"/v1/jobs/{job}/cancel", {})
        return took
    finally:
        daemon.close()


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench footprint", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS_MIN)
    parser.add_argument("--arrays", type=int, default=20)
    parser.add_argument("--tasks", type=int, default=10_000)
    parser.add_argument("--peers", action="store_true", help="no peer is measured here")
    options = parser.parse_args()
    facts = measure.machine()
    bytes_held = counted()
    rows = measure.rounds({"idle_rss_mb": idle_rss_mb,
                           "restart_200k_units_s":
                               lambda: restart_s(options.arrays, options.tasks)}, options.rounds)
    metrics = {**bytes_held, "idle_rss_mb": round(measure.median(rows, "idle_rss_mb"), 1),
               "restart_200k_units_s": round(measure.median(rows, "restart_200k_units_s"), 3)}
    measure.finish("footprint", metrics, rows, facts)


if __name__ == "__main__":
    main()
