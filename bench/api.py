#!/usr/bin/env python3
"""The API under load: a page of 50 out of 100,000 jobs on 50 connections, while work is scheduled.

Bars: at least 3,000 requests/s with p99 <= 25 ms (wrk, as fast as it can); and with the load held
at 1,000 requests/s (hey), scheduling slows down by at most 10 %: tasks of an array from submit to
recorded end, beside the same array without any load in the same round.
"""

import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench" / "lib"), str(ROOT / "tests" / "e2e")]
import harness  # noqa: E402
import measure  # noqa: E402

CONFIG = """log_level: warning
listen: {tcp: "127.0.0.1:PORT"}
policy: {promises_max: 1}
"""
CONNECTIONS, PAGE = 50, 50
TASKS = 1500
SECONDS = 8


def fill(own, jobs):
    each = 1000
    for begin in range(0, jobs, each):
        own.submit("---\n".join(f"name: kept{number}\nhold: true\ncores: 0.02\nrun: 'true'\n"
                                for number in range(begin, begin + each)))
        measure.note(f"{begin + each} of {jobs} jobs")


def door(own, port):
    """(URL of the page, the header that opens it)."""
    token = next(path for path in (own.state / "tokens").rglob("*") if path.is_file())
    return (f"http://127.0.0.1:{port}/v1/jobs?limit={PAGE}",
            f"Authorization: Bearer {token.read_text().strip()}")


def wrk(url, header):
    """(requests/s, p99 in ms); errors end the benchmark."""
    text = subprocess.run(["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H",
                           header, url], capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return rate, float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def tasks_per_s(own):
    begin = time.perf_counter()
    job = own.submit(f"name: load\ncores: 0.1\narray: 1-{TASKS}%16\noutput: /dev/null\n"
                     "command: [/bin/true]\n")[0]
    own.wait(job, patience_s=300)
    return TASKS / (time.perf_counter() - begin)


def under_load(own, url, header):
    load = subprocess.Popen(["hey", "-z", "300s", "-c", str(CONNECTIONS), "-q",
                             str(1000 // CONNECTIONS), "-H", header, url],
                            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(1)
        return tasks_per_s(own)
    finally:
        load.terminate()
        load.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS_MIN)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--peers", action="store_true", help="no peer is measured here")
    options = parser.parse_args()
    for tool in ("wrk", "hey"):
        if not shutil.which(tool):
            sys.exit(f"bench: no {tool}: apt-get install {tool}")
    p99, port = [], harness.free_port()
    with harness.daemon(CONFIG.replace("PORT", str(port))) as own:
        fill(own, options.jobs)
        url, header = door(own, port)

        def requests():
            rate, late_ms = wrk(url, header)
            p99.append(late_ms)
            return rate

        rows = measure.rounds({"requests_per_s": requests,
                               "quiet_tasks_per_s": lambda: tasks_per_s(own),
                               "loaded_tasks_per_s": lambda: under_load(own, url, header)},
                              options.rounds)
        facts = measure.machine(own.home)
    slow = 100 * (1 - measure.ratio(rows, "loaded_tasks_per_s", "quiet_tasks_per_s"))
    metrics = {"requests_per_s": round(measure.median(rows, "requests_per_s")),
               "p99_ms": round(sorted(p99)[len(p99) // 2], 2),
               "scheduling_slowdown_pct": round(slow, 1)}
    measure.finish("api", metrics, [dict(row, p99_ms=late) for row, late in zip(rows, p99)], facts)


if __name__ == "__main__":
    main()
