#!/usr/bin/env python3
"""What running under Busbar costs a program: LAMMPS on two MPI ranks, PyTorch on digits.

Bar: at most 1 %, or a 95 % interval of the median per-round ratio that contains 0. Each side runs
the same command line in the same folder; the time is from the command's first instruction to its
end, taken by the shell around it, so that queueing is not counted (bench/latency.py has that).
"""

import argparse
import math
import os
import pathlib
import statistics
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "bench" / "lib"), str(ROOT / "tests" / "e2e")]
import harness  # noqa: E402
import measure  # noqa: E402

RUN_S = 20
PROBE_STEPS = {"lammps": 2000, "torch": 40}  # a few seconds, to see how fast this machine is
LAMMPS = """units lj
atom_style atomic
lattice fcc 0.8442
region box block 0 10 0 10 0 10
create_box 1 box
create_atoms 1 box
mass 1 1.0
velocity all create 1.44 87287
pair_style lj/cut 2.5
pair_coeff 1 1 1.0 1.0 2.5
neighbor 0.3 bin
fix 1 all nve
thermo 1000
run {steps}
"""
TORCH = """import torch
torch.manual_seed(1)
torch.set_num_threads(2)
net = torch.nn.Sequential(torch.nn.Conv2d(1, 16, 3, padding=1), torch.nn.ReLU(),
                          torch.nn.Conv2d(16, 32, 3, padding=1), torch.nn.ReLU(),
                          torch.nn.Flatten(), torch.nn.Linear(2048, 10))
step = torch.optim.SGD(net.parameters(), lr=0.01)
images, labels = torch.rand(1024, 1, 8, 8), torch.randint(0, 10, (1024,))
for _ in range({steps}):
    step.zero_grad()
    torch.nn.functional.cross_entropy(net(images), labels).backward()
    step.step()
"""
TIMED = "b=$(date +%s%N); {command} > /dev/null 2>&1; c=$?; e=$(date +%s%N); " \
        "echo $((e - b)) > {out}; exit $c"
ROOT_MPI = "OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "


def seconds(path):
    return int(path.read_text()) / 1e9


def bare(folder, command):
    subprocess.run(["/bin/sh", "-c", TIMED.format(command=command, out="bare.ns")], cwd=folder,
                   check=True)
    return seconds(folder / "bare.ns")


def steps_for(seconds_wanted, few, run):
    """How many steps take about so long, from the times of `few` steps and of five times as many.
    """
    short = run(few)
    each = max(1e-4, (run(5 * few) - short) / (4 * few))
    return max(few, int(few + (seconds_wanted - short) / each))


def under_busbar(own, command):
    own.finish("name: overhead\ncores: 2\nrun: |\n  " +
               TIMED.format(command=command, out="busbar.ns") + "\n")
    return seconds(own.work / "busbar.ns")


def overhead_pct(rows, name, reference):
    """Median of the per-round overheads in percent, and a 95 % interval of it by order statistics.

    The k-th smallest and the k-th largest of n values enclose the median with probability
    1 - 2 P(Binomial(n, 1/2) < k); k is the largest that leaves 95 %, and 1 for up to 8 rounds.
    """
    values = sorted(100 * (row[name] / row[reference] - 1) for row in rows)
    n = len(values)
    k = 1
    while 2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n <= 0.05:
        k += 1
    return statistics.median(values), [round(values[k - 1], 2), round(values[n - k], 2)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS_MIN)
    parser.add_argument("--scale", type=float, default=1.0, help="of the 20 s; shorter is noisier")
    parser.add_argument("--peers", action="store_true", help="no peer is measured here")
    options = parser.parse_args()
    with harness.daemon("") as own:
        mpi = (ROOT_MPI if os.geteuid() == 0 else "") + \
            "mpirun --oversubscribe --bind-to none -np 2 lmp -in in.lmp -log none"
        torch = "/usr/bin/python3 train.py"
        harness.PATIENCE_S = 300
        for kind, name, text, command in (("lammps", "in.lmp", LAMMPS, mpi),
                                          ("torch", "train.py", TORCH, torch)):
            def run(steps, name=name, text=text, command=command):
                own.write(name, text.format(steps=steps))
                return bare(own.work, command)

            steps = steps_for(RUN_S * options.scale, PROBE_STEPS[kind], run)
            measure.note(f"{kind}: {steps} steps")
            own.write(name, text.format(steps=steps))
        rows = measure.rounds({
            "mpi_bare_s": lambda: bare(own.work, mpi),
            "mpi_s": lambda: under_busbar(own, mpi),
            "torch_bare_s": lambda: bare(own.work, torch),
            "torch_s": lambda: under_busbar(own, torch)}, options.rounds)
        facts = measure.machine(own.home)
    mpi_pct, mpi_interval = overhead_pct(rows, "mpi_s", "mpi_bare_s")
    torch_pct, torch_interval = overhead_pct(rows, "torch_s", "torch_bare_s")
    metrics = {"overhead_pct_mpi": round(mpi_pct, 2), "overhead_pct_torch": round(torch_pct, 2)}
    remarks = {"interval_pct_mpi": mpi_interval, "interval_pct_torch": torch_interval,
               "mpi_s": round(measure.median(rows, "mpi_s"), 2),
               "torch_s": round(measure.median(rows, "torch_s"), 2)}
    measure.finish("overhead", metrics, rows, facts, remarks)


if __name__ == "__main__":
    main()
