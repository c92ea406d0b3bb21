#!/usr/bin/env python3
"""How good the decisions are, beside what is published for the same workload.

usage: scripts/bench quality [--only ROW] [--copies N] [--seeds A-B] [--variants V,V]

kth    KTH-SP2 with the users' estimates, played by `busbar sim run`: mean bounded slow-down and
       longest wait of our policy, and on N copies of the log with every submission moved by up to
       300 s the ratio of its mean to EASY's on the same copies. First EASY itself, against the
       published 92.6: the setting is right where the error is below 1 %. `bound`: no schedule
       whatever is better.
openb  Alibaba's cluster-trace-gpu-v2023, `busbar sim run --mode fill`: per cent of the GPUs that
       are allocated once 100 and 130 % have arrived, over the seeds. First the published best
       (fragmentation gradient) itself: the setting is right where it comes out within half a
       point. Then ours, of one policy with the same parameters for all variants; only what
       typically comes is counted from each workload. `bound`: what no placement passes.
Each parameter of our policies is moved by 20 % both ways.

The data lie in $BUSBAR_DATA (../shared/data where it is not set); without them nothing is measured.
"""

import argparse
import json
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bench" / "lib"))
import measure  # noqa: E402
import quality_kth  # noqa: E402
import quality_openb  # noqa: E402


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench quality", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["kth", "openb"], help="one row")
    parser.add_argument("--copies", type=int, default=20, help="jittered copies of the log")
    parser.add_argument("--seeds", default="42-51", help="of the fill experiment")
    parser.add_argument("--variants", default=",".join(quality_openb.VARIANTS),
                        help="workloads of the fill experiment")
    options = parser.parse_args()
    if not quality_kth.LOG.exists() or not quality_openb.FOLDER.exists():
        print(json.dumps({"bench": "quality", "metrics": {}, "skipped": "no data"}))
        return
    metrics, rows, remarks = {}, [], {}
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        found = []
        if options.only != "openb":
            found.append(quality_kth.run(folder, options.copies))
        if options.only != "kth":
            found.append(quality_openb.run(folder, options.seeds, options.variants.split(",")))
    for more_metrics, more_rows, more_remarks in found:
        metrics.update(more_metrics)
        rows.extend(more_rows)
        remarks.update(more_remarks)
    measure.finish("quality", metrics, rows, measure.machine(), remarks)


if __name__ == "__main__":
    main()
