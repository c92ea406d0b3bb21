"""A virtual machine of Debian's kernel under qemu, its root file system in memory.

The files are this machine's own: those of packages, and programs with the libraries they link.
"""

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
# Debian packages whose files every guest gets, besides the libraries that programs link.
PACKAGES = ["bash", "coreutils", "dash", "grep", "sed", "mawk", "procps", "util-linux",
            "python3-minimal", "python3.11-minimal", "libpython3.11-minimal",
            "libpython3.11-stdlib", "media-types"]
SKIPPED_FOLDERS = ("/usr/share/doc", "/usr/share/man", "/usr/share/locale", "/usr/share/info",
                   "/usr/share/bash-completion", "/usr/share/lintian")
MEMORY_MIB = 2048
DEADLINE_S = 180
KVM_BOOT_S = 10  # a guest under KVM says its first word within three


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


def packaged_files(packages):
    """Files of the packages; packages this machine lacks are left out."""
    for package in packages:
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


def make_root(root, programs, packages=()):
    """A root file system of the packages and of programs at their own places."""
    shutil.rmtree(root, ignore_errors=True)
    for folder in ("usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "dev", "proc", "sys", "tmp",
                   "root", "run", "etc", "var/tmp", "home"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / folder).symlink_to(f"usr/{folder}")
    (root / "tmp").chmod(0o1777)
    (root / "var/tmp").chmod(0o1777)
    files = set(packaged_files([*PACKAGES, *packages]))
    files |= {pathlib.Path(one) for one in ("/bin/busybox", "/bin/sh", "/usr/bin/python3")}
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


def pack(root, image):
    """The initial file system as the kernel wants it: a compressed `newc` archive of root's."""
    names = subprocess.run(["find", ".", "-print0"], cwd=root, capture_output=True, check=True)
    archive = subprocess.run(["cpio", "--null", "--create", "--format=newc", "--owner=0:0",
                              "--quiet"], cwd=root, input=names.stdout, capture_output=True,
                             check=True).stdout
    with gzip.open(image, "wb", compresslevel=1) as out:
        out.write(archive)
    return len(archive)


def board(domains):
    """qemu's arguments for that many NUMA domains of two processors each and equal memory."""
    arguments = ["-m", str(MEMORY_MIB), "-smp", str(2 * domains)]
    for domain in range(domains):
        arguments += ["-object",
                      f"memory-backend-ram,id=memory{domain},size={MEMORY_MIB // domains}M",
                      "-numa", f"node,nodeid={domain},memdev=memory{domain},"
                               f"cpus={2 * domain}-{2 * domain + 1}"]
    return arguments


def boot(vmlinuz, image, log, more="", domains=1):
    """Runs the machine to its end, emulated where KVM does not get as far as a test's beginning.

    `more` is added to the kernel's command line. A test says "vm: begin NAME" on the console.
    """
    begin = time.monotonic()
    kvm = ["-accel", "kvm", "-cpu", "host", *board(domains)]
    emulated = ["-accel", "tcg,thread=multi", "-cpu", "max", *board(domains)]
    if os.access("/dev/kvm", os.R_OK | os.W_OK):
        run_guest(vmlinuz, image, log, kvm, KVM_BOOT_S, more)
        if "vm: begin" in log.read_text(errors="replace"):
            print(f"vm: with KVM, {time.monotonic() - begin:.0f} s, log {log}")
            return
        print("vm: KVM is there but does not boot a guest; emulating")
    run_guest(vmlinuz, image, log, emulated, DEADLINE_S, more)
    print(f"vm: emulated, {time.monotonic() - begin:.0f} s, log {log}")


def run_guest(vmlinuz, image, log, machine, boot_s, more):
    """The console goes to `log`; stopped at the deadline, or after boot_s without a test."""
    command = [QEMU, "-kernel", vmlinuz, "-initrd", image, "-nographic",
               "-no-reboot", "-nic", "none", *machine, "-append",
               f"console=ttyS0 quiet panic=-1 cgroup_no_v1=all {more}"]
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


def need(programs):
    """Gives up where a tool or a program is missing."""
    for tool in (QEMU, "cpio", "busybox", "dpkg"):
        if not shutil.which(tool):
            give_up(f"no {tool}: ./scripts/setup --vm installs it")
    missing = [str(path) for path in programs if not path.exists()]
    if missing:
        give_up(f"not built: {', '.join(missing)}")


def run(name, fill, programs, packages=(), more="", domains=1, keep=False):
    """Makes a guest, lets `fill(root)` add to its files, runs it; returns its console's text."""
    need(programs)
    WORK.mkdir(parents=True, exist_ok=True)
    vmlinuz = kernel()
    root, image, log = WORK / name, WORK / f"{name}.cpio.gz", WORK / f"{name}.log"
    make_root(root, programs, packages)
    fill(root)
    size = pack(root, image)
    print(f"vm: {vmlinuz.name}, root file system of {size >> 20} MiB")
    boot(vmlinuz, image, log, more, domains)
    image.unlink()
    if not keep:
        shutil.rmtree(root, ignore_errors=True)
    return log.read_text(errors="replace").replace("\r", "")
