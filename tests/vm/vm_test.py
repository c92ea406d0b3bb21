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
import gzip
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("BUSBAR_BUILD", ROOT / "build" / "dev")).resolve()
WORK = BUILD / "vm"
QEMU = "qemu-system-x86_64"
KERNEL_PACKAGE = "linux-image-cloud-amd64"
# Debian packages whose files the guest gets, besides the libraries that programs link.
GUEST_PACKAGES = ["bash", "coreutils", "dash", "grep", "sed", "mawk", "procps", "util-linux",
                  "python3-minimal", "python3.11-minimal", "libpython3.11-minimal",
                  "libpython3.11-stdlib", "media-types"]
SKIPPED_FOLDERS = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info",
                   "/usr/share/bash-completion", "/usr/share/lintian")
# What the kernel's controllers and users decide; the rest runs on the build machine itself.
TESTS = {
    "src/shim/shim_test":
        "*/EveryMode.*/auto:*.NoChild*:*.RunsAs*:*.GivesSupplementary*:*.TurnsOther*:ProcessTree*",
    "src/engine/local/engine_local_test": "*.the_memory_limit*:*.the_time_limit*:*.end_stops*",
}
PROGRAMS = [*TESTS, "bin/busbar-shim"]
MEMORY_MIB = 2048
DEADLINE_S = 180
KVM_BOOT_S = 10  # a guest under KVM is at its /init within three

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


def give_up(reason):
    if os.environ.get("CI"):
        print(f"failed: {reason}; this is wanted where CI is set")
        print("0 passed, 1 failed")
        sys.exit(1)
    print(f"skipped: {reason}")
    sys.exit(0)


def kernel():
    """The path of Debian's kernel, fetched and unpacked once; needs apt's lists, not root."""
    folder = WORK / "kernel"
    found = sorted(folder.glob("boot/vmlinuz-*")) or sorted(
        path for path in pathlib.Path("/boot").glob("vmlinuz-*") if os.access(path, os.R_OK))
    if found:
        return found[-1]
    folder.mkdir(parents=True, exist_ok=True)
    listing = subprocess.run(["apt-cache", "depends", KERNEL_PACKAGE], capture_output=True,
                             text=True, check=False).stdout
    package = re.search(r"Depends: (linux-image-\S+)", listing)
    if not package:
        give_up(f"apt knows no package {KERNEL_PACKAGE}: run apt-get update")
    fetched = subprocess.run(["apt-get", "download", "-q", package[1]], cwd=folder,
                             capture_output=True, text=True, check=False)
    archives = sorted(folder.glob("*.deb"))
    if fetched.returncode != 0 or not archives:
        give_up(f"the kernel {package[1]} cannot be fetched: {fetched.stderr.strip()[-200:]}")
    subprocess.run(["dpkg", "-x", archives[-1], folder], check=True)
    archives[-1].unlink()
    shutil.rmtree(folder / "lib", ignore_errors=True)  # modules: all that is used is built in
    return sorted(folder.glob("boot/vmlinuz-*"))[-1]


def libraries_of(program):
    """The shared libraries a program loads, by the dynamic linker's own account."""
    text = subprocess.run(["ldd", program], capture_output=True, text=True, check=False).stdout
    return {pathlib.Path(path) for path in re.findall(r"(/\S+) \(0x", text)}


def packaged_files():
    """Files of the packages the guest gets; packages this machine lacks are left out."""
    for package in GUEST_PACKAGES:
        listing = subprocess.run(["dpkg", "-L", package], capture_output=True, text=True,
                                 check=False).stdout
        for line in listing.splitlines():
            if line.startswith("/") and not line.startswith(SKIPPED_FOLDERS):
                path = pathlib.Path(line)
                if path.is_symlink() or path.is_file():
                    yield path


def copy_into(root, path):
    """Keeps links; a path through a linked folder (/lib) lands where the link leads."""
    real = pathlib.Path(os.path.realpath(path.parent)) / path.name
    target = root / str(real).lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists() and not target.is_symlink():
        shutil.copy2(real, target, follow_symlinks=False)
    if real.is_symlink():
        goal = pathlib.Path(os.path.realpath(real))
        if goal.is_file():
            copy_into(root, goal)


def make_root(root):
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "proc", "sys", "tmp",
                   "root", "run", "etc", "var/tmp", "home"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / folder).symlink_to(f"usr/{folder}")
    (root / "tmp").chmod(0o1777)
    (root / "var/tmp").chmod(0o1777)
    files = set(packaged_files()) | {pathlib.Path("/bin/busybox"), pathlib.Path("/bin/sh"),
                                     pathlib.Path("/usr/bin/python3")}
    programs = [BUILD / name for name in PROGRAMS]
    for program in [*files, *programs]:
        if os.access(program, os.X_OK) or ".so" in program.name:
            files |= libraries_of(program)
    for path in [*sorted(files), *programs]:
        copy_into(root, path)
    for name in ("passwd", "group", "nsswitch.conf", "services", "protocols", "ld.so.cache"):
        if os.path.exists(f"/etc/{name}"):
            shutil.copy(f"/etc/{name}", root / "etc" / name)
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (root / "etc/hostname").write_text("guest\n")
    # Tools the packages above only alternate to.
    for name in ("awk", "mount", "umount", "setsid", "chroot", "ip"):
        target = root / "usr/bin" / name
        if not target.exists():
            target.unlink(missing_ok=True)
            target.symlink_to("busybox")
    init = root / "init"
    tests = "\n".join(f"run {name} '{chosen}'" for name, chosen in TESTS.items())
    init.write_text(INIT.format(build=BUILD, tests=tests))
    init.chmod(0o755)


def pack(root, image):
    """The initial file system as the kernel wants it: a compressed `newc` archive of root's."""
    names = subprocess.run(["find", ".", "-print0"], cwd=root, capture_output=True, check=True)
    archive = subprocess.run(["cpio", "--null", "--create", "--format=newc", "--owner=0:0",
                              "--quiet"], cwd=root, input=names.stdout, capture_output=True,
                             check=True).stdout
    with gzip.open(image, "wb", compresslevel=1) as out:
        out.write(archive)
    return len(archive)


def boot(vmlinuz, image, log):
    """Runs the machine to its end, emulated where KVM does not get as far as /init."""
    begin = time.monotonic()
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        run_guest(vmlinuz, image, log, ["-accel", "kvm", "-cpu", "host"], KVM_BOOT_S)
        if "vm: begin" in log.read_text(errors="replace"):
            print(f"vm: with KVM, {time.monotonic() - begin:.0f} s, log {log}")
            return
        print("vm: KVM is there but does not boot a guest; emulating")
    run_guest(vmlinuz, image, log, ["-accel", "tcg,thread=multi", "-cpu", "max"], DEADLINE_S)
    print(f"vm: emulated, {time.monotonic() - begin:.0f} s, log {log}")


def run_guest(vmlinuz, image, log, machine, boot_s):
    """The console goes to `log`; stopped at the deadline, or after boot_s without a test."""
    command = [QEMU, "-kernel", vmlinuz, "-initrd", image, "-m", str(MEMORY_MIB), "-smp", "2",
               "-nographic", "-no-reboot", "-nic", "none", *machine, "-append",
               "console=ttyS0 quiet panic=-1 cgroup_no_v1=all"]
    begin = time.monotonic()
    with open(log, "wb") as out:
        guest = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT)
        while guest.poll() is None:
            time.sleep(0.2)
            elapsed_s = time.monotonic() - begin
            silent = elapsed_s > boot_s and b"vm: begin" not in log.read_bytes()
            if elapsed_s > DEADLINE_S or silent:
                guest.kill()
                guest.wait()
                out.write(b"\nvm: stopped at the deadline\n")


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
        if not re.search(rf"vm: end {re.escape(name)} with [01]", text):
            print(f"vm: {name} did not come to its end")
            problems += 1
    print(f"{passed} passed, {problems} failed")
    return 1 if problems or not passed else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="keep the guest's root file system")
    arguments = parser.parse_args()
    for tool in (QEMU, "cpio", "busybox", "dpkg"):
        if not shutil.which(tool):
            give_up(f"no {tool}: ./scripts/setup --vm installs it")
    missing = [name for name in PROGRAMS if not (BUILD / name).exists()]
    if missing:
        give_up(f"not built: {', '.join(missing)} (in {BUILD})")
    WORK.mkdir(parents=True, exist_ok=True)
    vmlinuz = kernel()
    root, image, log = WORK / "root", WORK / "root.cpio.gz", WORK / "console.log"
    make_root(root)
    size = pack(root, image)
    print(f"vm: {vmlinuz.name}, root file system of {size >> 20} MiB")
    boot(vmlinuz, image, log)
    if not arguments.keep:
        shutil.rmtree(root, ignore_errors=True)
    return judge(log.read_text(errors="replace").replace("\r", ""))


if __name__ == "__main__":
    sys.exit(main())
