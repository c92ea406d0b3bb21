#!/usr/bin/env python3
"""3,000 tasks of /bin/true from one array in 16 slots, durable, from submit to recorded exit.

usage: scripts/bench local [--peers] [--rounds N] [--tasks N]

Beside them, in alternating rounds: a bare spawn and wait loop with the same slots and the same
cgroups (the ceiling), the same loop where v1 folders serve again (as Busbar's do, but nothing in
them is set), the same loop without cgroups, and with --peers Slurm and HyperQueue.
"""

import argparse
import contextlib
import os
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
import peers  # noqa: E402

SLOTS = 16
PEER_TASKS_MAX = 500  # of a slower peer: its rate is what counts
JOB = """name: bench
array: 1-{tasks}%{slots}
cores: {cores}
output: /dev/null
command: [/bin/true]
"""


def own_folders(pid):
    """The folders above a process's own cgroups, where those are an attempt's."""
    table = pathlib.Path("/proc/self/mountinfo").read_text()
    mounts = [line.split() for line in table.splitlines()]
    for line in pathlib.Path(f"/proc/{pid}/cgroup").read_text().splitlines():
        _, names, path = line.split(":", 2)
        if not path.rpartition("/")[2].startswith("bb-"):
            continue
        for mount in mounts:
            kind, options = mount[-3], mount[-1].split(",")
            fits = set(names.split(",")) <= set(options) if names else kind == "cgroup2"
            if fits and kind in ("cgroup", "cgroup2"):
                yield os.path.dirname(mount[4] + path.removeprefix(mount[3].rstrip("/")))


class Busbar:
    def __init__(self, daemon):
        self.daemon = daemon
        # Every slot fits at once, however few cores the machine has.
        self.cores = min(1.0, int(1000 * os.cpu_count() / SLOTS) / 1000)

    def tasks_per_s(self, tasks):
        text = JOB.format(tasks=tasks, slots=SLOTS, cores=self.cores)
        begun = time.monotonic()
        job = self.daemon.submit(text)[0]
        answer = self.daemon.wait(job, patience_s=600)
        took = time.monotonic() - begun
        harness.equal((answer["state"], answer["exit_code"]), ("COMPLETED", 0), f"job {job}")
        return tasks / took

    def hierarchies(self):
        """The folders in which the shim makes a cgroup for each attempt, seen at a live one."""
        text = JOB.format(tasks=1, slots=1, cores=self.cores).replace("/bin/true", "/bin/sleep, 60")
        job = self.daemon.submit(text)[0]
        self.daemon.wait(job, until="running")
        pid = harness.wait_until("it sleeps", lambda: self.daemon.leftovers_with("sleep"))[0]
        # A hierarchy may be mounted at more places than one.
        found = {(os.stat(path).st_dev, os.stat(path).st_ino): path
                 for path in reversed(list(own_folders(pid)))}
        self.daemon.post(f"/v1/jobs/{job}/cancel")
        self.daemon.wait(job)
        return sorted(found.values())


@contextlib.contextmanager
def ceiling_folders(hierarchies):
    """Folders of our own beside the shim's, one in each hierarchy."""
    folders = [pathlib.Path(one).parent / f"busbar-bench-{os.getpid()}" for one in hierarchies]
    for folder, theirs in zip(folders, hierarchies):
        folder.mkdir()
        for name in ("cpu.shares", "cpu.weight"):
            if (folder / name).exists():
                (folder / name).write_text((pathlib.Path(theirs) / name).read_text())
        controllers = folder / "cgroup.subtree_control"
        if controllers.exists():
            for word in (folder / "cgroup.controllers").read_text().split():
                if word in ("memory", "cpu", "pids"):
                    controllers.write_text(f"+{word}")
    try:
        yield [str(folder) for folder in folders]
    finally:
        for folder in folders:
            folder.rmdir()


def ceiling(tasks, folders):
    words = [measure.PROGRAMS / "spawn_ceiling", str(tasks), str(SLOTS), *folders]
    return float(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def add_peers(stack, contenders, tasks, wanted):
    """{ratio's name: why there is none}"""
    reasons = {}
    for name, kind, count in (("slurm", peers.Slurm, min(tasks, PEER_TASKS_MAX)),
                              ("hyperqueue", peers.HyperQueue, tasks)):
        if not wanted:
            reasons[f"ratio_to_{name}"] = "measured with --peers only"
            continue
        try:
            peer = stack.enter_context(kind(SLOTS))
            contenders[name] = lambda peer=peer, count=count: peer.tasks_per_s(count)
        except peers.Absent as absent:
            reasons[f"ratio_to_{name}"] = str(absent)
    return reasons


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench local", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", action="store_true")
    parser.add_argument("--rounds", type=int, default=measure.ROUNDS_MIN)
    parser.add_argument("--tasks", type=int, default=3000)
    options = parser.parse_args()

    with contextlib.ExitStack() as stack:
        daemon = harness.Daemon().start()
        stack.callback(daemon.close)
        busbar = Busbar(daemon)
        hierarchies = busbar.hierarchies()
        folders = stack.enter_context(ceiling_folders(hierarchies))
        contenders = {"busbar": lambda: busbar.tasks_per_s(options.tasks),
                      "ceiling": lambda: ceiling(options.tasks, folders),
                      "ceiling_with_reuse": lambda: ceiling(options.tasks, ["--reuse", *folders]),
                      "ceiling_without_cgroups": lambda: ceiling(options.tasks, [])}
        reasons = add_peers(stack, contenders, options.tasks, options.peers)
        facts = measure.machine(daemon.home)
        facts["tasks"] = options.tasks
        facts["cgroup_hierarchies"] = [str(pathlib.Path(one).parent) for one in hierarchies]
        busbar.tasks_per_s(min(200, options.tasks))  # warms caches for all
        rows = measure.rounds(contenders, options.rounds)

    metrics = {"tasks_per_s": measure.median(rows, "busbar"),
               "spawn_ceiling_per_s": measure.median(rows, "ceiling"),
               "ratio_to_ceiling": measure.ratio(rows, "busbar", "ceiling"),
               "ratio_to_ceiling_with_reuse":
                   measure.ratio(rows, "busbar", "ceiling_with_reuse"),
               "ratio_to_ceiling_without_cgroups":
                   measure.ratio(rows, "busbar", "ceiling_without_cgroups")}
    for name in ("slurm", "hyperqueue"):
        present = name in contenders
        metrics[f"ratio_to_{name}"] = measure.ratio(rows, "busbar", name) if present else None
    metrics = {name: value and round(value, 3) for name, value in metrics.items()}
    measure.finish("local", metrics, rows, facts, reasons)


if __name__ == "__main__":
    main()
