"""What every benchmark shares: alternating rounds, medians, machine facts, the last line.

A benchmark is bench/NAME.py. It calls `rounds` with its contenders, takes `median` and `ratio` of
what came back, and ends with `finish`. scripts/bench has built the release programs before and set
$BUSBAR_BUILD and $BUSBAR_BIN; programs of bench/programs/ lie in $BUSBAR_BUILD/bench.
"""

import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUILD = pathlib.Path(os.environ.get("BUSBAR_BUILD") or ROOT / "build" / "release")
PROGRAMS = BUILD / "bench"
RESULTS = ROOT / "bench" / "results"
ROUNDS_MIN = 7


def note(text):
    """For the reader at the screen; standard output ends with the one JSON object."""
    print(text, file=sys.stderr, flush=True)


def rounds(contenders, count=ROUNDS_MIN):
    """Runs each of {name: function} once a round, in turn, because machines are shared and drift.

    Returns a list of {name: what the function returned}. A round whose function raises ends the
    benchmark: a failed contender is no measurement.
    """
    rows = []
    for number in range(count):
        row = {}
        for name, run in contenders.items():
            row[name] = run()
            shown = f"{row[name]:.4g}" if isinstance(row[name], float) else row[name]
            note(f"round {number + 1} of {count}: {name} {shown}")
        rows.append(row)
    return rows


def median(rows, name):
    return statistics.median(row[name] for row in rows)


def ratio(rows, name, reference):
    """The median of the ratios of each round, not the ratio of the medians."""
    return statistics.median(row[name] / row[reference] for row in rows)


def first_line(path):
    try:
        return pathlib.Path(path).read_text(errors="replace").splitlines()[0]
    except (OSError, IndexError):
        return ""


def command_output(*words):
    try:
        return subprocess.run(words, capture_output=True, text=True, timeout=20).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        return ""


def processor():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def machine(folder="/tmp"):
    """Facts a reader needs to judge the numbers; `folder` is where the state lay."""
    memory_kb = int(first_line("/proc/meminfo").split()[1])
    return {
        "cpu": processor(),
        "cores": os.cpu_count(),
        "memory_gb": round(memory_kb / 2**20, 1),
        "kernel": platform.release(),
        "file_system": command_output("stat", "-f", "-c", "%T", str(folder)),
        "load_1m": float(first_line("/proc/loadavg").split()[0]),
        "commit": command_output("git", "-C", str(ROOT), "rev-parse", "--short=12", "HEAD"),
        "build": BUILD.name,
    }


def finish(bench, metrics, rows, facts, remarks=None):
    """Keeps the raw rounds in bench/results/ and prints the benchmark's one object, last."""
    result = {"bench": bench, "metrics": metrics, "machine": facts}
    if remarks:
        result["remarks"] = remarks
    RESULTS.mkdir(exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
    path = RESULTS / f"{bench}-{stamp}.json"
    path.write_text(json.dumps({**result, "rounds": rows}, indent=1) + "\n")
    note(f"raw rounds: {path.relative_to(ROOT)}")
    print(json.dumps(result), flush=True)
