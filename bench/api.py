#!/usr/bin/env python3
"""The API under load: a page of 50 out of 100,000 jobs on 50 connections, while work is scheduled.

Bars: at least 3,000 requests/s with p99 <= 25 ms (wrk, as fast as it can, while arrays of
/bin/true run one after another); and with the load held
at 1,000 requests/s, scheduling slows down by at most 10 %: tasks of an array from submit to
recorded end, beside the same array without any load, in turn several times in each round. The
load's generator takes from the same cores: what it took is printed beside, as a share of them.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
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
TURNS = 3  # of each round: a quiet array, then one under load
SECONDS = 8
HELD_PER_S = 1000


def fill(own, jobs):
    each = 1000
    for begin in range(0, jobs, each):
        own.submit("---\n".join(f"name: kept{number}\nhold: true\ncores: 0.02\nrun: 'true'\n"
                                for number in range(begin, begin + each)))
        measure.note(f"{begin + each} of {jobs} jobs")


def door(own, port, jobs):
    """(URL of a page in the middle of what waits, the same in each round; what opens it)."""
    token = next(path for path in (own.state / "tokens").rglob("*") if path.is_file())
    return (f"http://127.0.0.1:{port}/v1/jobs?limit={PAGE}&page={jobs // 2}",
            f"Bearer {token.read_text().strip()}")


def wrk(url, authorization):
    """(requests/s, p99 in ms); errors end the benchmark."""
    text = subprocess.run(["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency", "-H",
                           f"Authorization: {authorization}", url],
                          capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(text)
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    value, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return rate, float(value) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


def run_array(own):
    """Seconds from submit to the last recorded end."""
    begin = time.perf_counter()
    job = own.submit(f"name: load\ncores: 0.1\narray: 1-{TASKS}%16\noutput: /dev/null\n"
                     "command: [/bin/true]\n")[0]
    own.wait(job, patience_s=300)
    return time.perf_counter() - begin


class Scheduling:
    """While it is entered tasks of /bin/true are started and ended, array after array."""

    def __init__(self, own):
        self.own = own
        self.over = threading.Event()

    def go_on(self):
        while not self.over.is_set():
            run_array(self.own)

    def __enter__(self):
        self.over.clear()
        self.thread = threading.Thread(target=self.go_on)
        self.thread.start()
        time.sleep(0.5)

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


class SteadyLoad:
    """While it is entered the page is asked for at 1,000 requests/s."""

    def __init__(self, url, authorization):
        port, path = re.fullmatch(r"http://127.0.0.1:(\d+)(/.*)", url).groups()
        self.words = [measure.PROGRAMS / "steady_load", port, path, authorization,
                      str(CONNECTIONS), str(HELD_PER_S)]
        self.reports = []

    def __enter__(self):
        self.load = subprocess.Popen(self.words, stdout=subprocess.PIPE, text=True)
        time.sleep(1)

    def __exit__(self, *_):
        self.load.terminate()
        rate, p99_ms, cpu_us = map(float, self.load.communicate()[0].split())
        if rate < 0.95 * HELD_PER_S:
            raise RuntimeError(f"the load was not held: {rate:.0f} of {HELD_PER_S} requests/s")
        self.reports.append({"held_requests_per_s": rate, "held_p99_ms": p99_ms,
                             "generator_cpu_us_per_request": cpu_us})


def slowdown(own, steady, turns):
    """Percent by which arrays take longer under the held load; adds the rates to `turns`."""
    quiet_s = loaded_s = 0.0
    for _ in range(TURNS):
        quiet_s += run_array(own)
        with steady:
            loaded_s += run_array(own)
    turns.append({"quiet_tasks_per_s": TURNS * TASKS / quiet_s,
                  "loaded_tasks_per_s": TURNS * TASKS / loaded_s,
                  "held": steady.reports[-TURNS:]})
    return 100 * (1 - quiet_s / loaded_s)


def generator_share_pct(turns):
    """Of all cores, what the generator of the held load took."""
    costs = [held["generator_cpu_us_per_request"] * held["held_requests_per_s"]
             for turn in turns for held in turn["held"]]
    return 100 * sum(costs) / len(costs) / 1e6 / os.cpu_count()


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS_MIN)
    parser.add_argument("--jobs", type=int, default=100_000)
    parser.add_argument("--peers", action="store_true", help="no peer is measured here")
    options = parser.parse_args()
    if not shutil.which("wrk"):
        sys.exit("bench: no wrk: apt-get install wrk")
    p99, turns, port = [], [], harness.free_port()
    with harness.daemon(CONFIG.replace("PORT", str(port))) as own:
        fill(own, options.jobs)
        url, authorization = door(own, port, options.jobs)
        steady = SteadyLoad(url, authorization)

        def requests():
            with Scheduling(own):
                rate, late_ms = wrk(url, authorization)
            p99.append(late_ms)
            return rate

        rows = measure.rounds({"requests_per_s": requests,
                               "slowdown_pct": lambda: slowdown(own, steady, turns)},
                              options.rounds)
        facts = measure.machine(own.home)
    metrics = {"requests_per_s": round(measure.median(rows, "requests_per_s")),
               "p99_ms": round(sorted(p99)[len(p99) // 2], 2),
               "scheduling_slowdown_pct": round(measure.median(rows, "slowdown_pct"), 1),
               "generator_share_pct": round(generator_share_pct(turns), 1)}
    raw = [dict(row, p99_ms=late, **turn) for row, late, turn in zip(rows, p99, turns)]
    measure.finish("api", metrics, raw, facts)


if __name__ == "__main__":
    main()
