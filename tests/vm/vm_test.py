#!/usr/bin/env python3
"""Runs the supervisor's and the local engine's tests as root of a virtual machine with cgroup v2.

Most build machines give their tests no cgroup v2 controllers to write to; a kernel of our own
does: memory limits that hold, the kernel's own out-of-memory kill, trees killed by cgroup, and the
switch to another user. The machine is Debian's kernel under qemu, with KVM where it is there and
else emulated, and a root file system in memory made of this machine's own programs.

Prints `N passed, N failed`, or `skipped: why` and exit 0 where qemu or a kernel cannot be had;
with CI set that is a failure.
"""

import argparse
import re
import sys

import guest
from guest import BUILD

# What the kernel's controllers and users decide; the rest runs on the build machine itself.
TESTS = {
    "src/shim/shim_test":
        "*/EveryMode.*/auto:*/StageTest.*/auto:*.NoChild*:*.RunsAs*:*.GivesSupplementary*:"
        "*.TurnsOther*:ProcessTree*",
    "src/engine/local/engine_local_test": "*.the_memory_limit*:*.the_time_limit*:*.end_stops*",
}
PROGRAMS = [*TESTS, "bin/busbar-shim"]

INIT = """#!/bin/busybox sh
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
/bin/busybox mkdir -p /dev/pts /dev/shm
/bin/busybox mount -t devpts devpts /dev/pts
/bin/busybox mount -t tmpfs tmpfs /dev/shm
/bin/busybox mount -t cgroup2 cgroup2 /sys/fs/cgroup
/bin/busybox ip link set lo up
export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root USER=root LANG=C.UTF-8
cd {build}
export BUSBAR_TEST_CGROUPS=v2 BUSBAR_TEST_PATIENCE=4
run() {{
  echo "vm: begin $1"
  ./$1 --gtest_color=no --gtest_filter="$2" </dev/null 2>&1
  echo "vm: end $1 with $?"
}}
{tests}
/bin/busybox poweroff -f
"""


def fill(root):
    init = root / "init"
    tests = "\n".join(f"run {name} '{chosen}'" for name, chosen in TESTS.items())
    init.write_text(INIT.format(build=BUILD, tests=tests))
    init.chmod(0o755)


def judge(text):
    """Counts from the guest's console; a program that did not end is a failure of its own."""
    passed = len(re.findall(r"^\[       OK \]", text, re.M))
    failed = {name for name in re.findall(r"^\[  FAILED  \] (\w\S*)(?: \(|,|$)", text, re.M)}
    skipped = sorted(set(re.findall(r"^\[  SKIPPED \] (\S+) \(", text, re.M)))
    for name in failed:
        print(f"vm: failed: {name}")
    for name in skipped:
        print(f"vm: skipped: {name}")
    problems = len(failed)
    for name in TESTS:
        if not re.search(rf"vm: end {re.escape(name)} with [01]$", text, re.M):
            print(f"vm: {name} did not come to its end")
            problems += 1
    print(f"{passed} passed, {problems} failed")
    return 1 if problems or not passed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="keep the guest's root file system")
    arguments = parser.parse_args()
    programs = [BUILD / name for name in PROGRAMS]
    return judge(guest.run("shim", fill, programs, keep=arguments.keep))


if __name__ == "__main__":
    sys.exit(main())
