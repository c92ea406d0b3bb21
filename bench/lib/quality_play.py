"""What the rows of ./scripts/bench quality share: `busbar sim run`, and policies moved a little."""

import json
import os
import pathlib
import subprocess

import measure

DATA = pathlib.Path(os.environ.get("BUSBAR_DATA") or measure.ROOT.parent / "shared" / "data")
BIN = pathlib.Path(os.environ.get("BUSBAR_BIN") or measure.BUILD / "bin")


def play(folder, cluster, workload, policy, *words):
    """The summaries of the workload under this policy, one for each seed."""
    text = json.dumps({"policy": {"launch_ahead": "0s", **policy}})
    (folder / "policy.yaml").write_text(text)
    done = subprocess.run([str(BIN / "busbar-lab"), "sim", "run", "--workload", str(workload),
                           "--cluster", str(cluster), "--policy", str(folder / "policy.yaml"),
                           "--out", str(folder / "out"), "--json", *words],
                          check=True, capture_output=True, text=True)
    return [json.loads(line) for line in done.stdout.splitlines()]


def moved(policy, path, factor):
    """The policy with one number of it times `factor`."""
    out = json.loads(json.dumps(policy))
    place = out
    for key in path[:-1]:
        place = place[key]
    value = place[path[-1]]
    place[path[-1]] = f"{round(float(value[:-1]) * factor)}s" if isinstance(value, str) \
        else round(value * factor, 3)
    return out
