#!/usr/bin/env python3
"""Busbar as a system service: systemd starts the unit of docs/operations.md in a virtual machine.

Users submit as themselves, root's jobs are refused, and jobs live through a restart, a stop, a
killed daemon, a reload and a configuration that cannot be read.

Prints `N passed, N failed`, or `skipped: why` and exit 0 where qemu or a kernel cannot be had;
with CI set that is a failure.
"""

import argparse
import pathlib
import re
import sys

import guest
from guest import BUILD, ROOT

PROGRAMS = ["busbar", "busbard", "busbar-shim"]
SYSTEMD = pathlib.Path("/usr/lib/systemd/systemd")
CASES = ["the_service_is_active", "a_user_submits_and_it_runs_as_them", "roots_job_is_refused",
         "the_memory_limit_holds", "cores_of_a_job_are_of_one_numa_domain_and_its_pages_follow",
         "a_job_lives_through_a_restart",
         "a_job_lives_through_a_killed_daemon", "a_job_lives_through_a_stop", "reload_takes_effect",
         "a_bad_configuration_is_refused_with_its_place", "and_starts_again_once_it_is_mended"]

TARGET = """[Unit]
Description=The service and what looks at it
Requires=basic.target
Wants=busbar.service check.service
"""
CHECK_UNIT = """[Unit]
After=busbar.service
[Service]
Type=oneshot
TimeoutStartSec=infinity
ExecStart=/bin/bash -c 'exec /opt/check.sh >/dev/ttyS0 2>&1'
"""
CHECK = r"""#!/bin/bash
export PATH=/usr/local/bin:/usr/bin:/usr/sbin HOME=/root
unset INVOCATION_ID JOURNAL_STREAM
echo "vm: begin service"
as_alice() {
  (cd /home/alice && exec setpriv --reuid 1000 --regid 1000 --clear-groups \
    env HOME=/home/alice USER=alice busbar "$@")
}
submit() { printf '%s\n' "$@" > /home/alice/job.yaml; as_alice submit --quiet job.yaml; }
case_is() {
  local name=$1 why
  shift
  if why=$("$@" 2>&1); then echo "ok $name"; else echo "failed $name: $why" | tr '\n' ' '; echo; fi
}
same() { [ "$1" = "$2" ] || { echo "wanted '$2', found '$1'"; return 1; }; }
answers() {
  for i in $(seq 60); do busbar status >/dev/null 2>&1 && return; sleep 1; done
  return 1
}

the_service_is_active() { answers && same "$(systemctl is-active busbar)" active; }
a_user_submits_and_it_runs_as_them() {
  local id
  id=$(submit 'run: id -un > who') && as_alice wait "$id" && same "$(cat /home/alice/who)" alice
}
roots_job_is_refused() {
  echo 'run: "true"' > /tmp/job.yaml
  busbar submit /tmp/job.yaml
  same $? 3
}
the_memory_limit_holds() {
  local id
  id=$(submit 'memory: 60M' 'run: python3 -c "b = bytearray(200 << 20)"') || return
  as_alice wait "$id"
  as_alice show "$id" | grep -q OUT_OF_MEMORY || { as_alice show "$id"; return 1; }
}
cores_of_a_job_are_of_one_numa_domain_and_its_pages_follow() {
  local small large
  rm -f /home/alice/go
  small=$(submit 'cores: 1' 'run: |' '  grep Cpus_allowed_list /proc/self/status > small' \
    '  while [ ! -e go ]; do sleep 0.2; done') || return
  large=$(submit 'cores: 2' 'run: python3 /opt/pages.py > large') || return
  as_alice wait "$large" && touch /home/alice/go && as_alice wait "$small" || return
  cat /home/alice/small /home/alice/large
  grep -qx 'Cpus_allowed_list:.[01]' /home/alice/small || return
  grep -qx 'Cpus_allowed_list:.2-3' /home/alice/large || return
  grep -qx 'pages of 64 MiB in domain 1: all' /home/alice/large
}
lives_through() {  # command...: a job that ends with 7 some time after it
  local id begun
  rm -f /home/alice/begun /home/alice/go
  id=$(submit 'run: |' '  echo $$ >> begun' '  while [ ! -e go ]; do sleep 0.2; done' \
    '  exit 7') || return
  for i in $(seq 60); do [ -s /home/alice/begun ] && break; sleep 0.5; done
  begun=$(cat /home/alice/begun)
  "$@" || return
  answers || { systemctl status busbar; return 1; }
  kill -0 "$begun" || { echo "the job's process is gone"; return 1; }
  touch /home/alice/go
  as_alice wait "$id"
  same $? 7 && same "$(wc -l < /home/alice/begun)" 1
}
a_job_lives_through_a_restart() { lives_through systemctl restart busbar; }
killed() { kill -9 "$(systemctl show -p MainPID --value busbar)" && sleep 1; }
a_job_lives_through_a_killed_daemon() { lives_through killed; }
stopped() { systemctl stop busbar && ! busbar status && systemctl start busbar; }
a_job_lives_through_a_stop() { lives_through stopped; }
reload_takes_effect() {
  echo 'limits: {launch_failures: 9}' >> /etc/busbar/busbard.yaml
  systemctl reload busbar || return
  for i in $(seq 20); do busbar config show | grep -q 'launch_failures: 9' && return; sleep 1; done
  busbar config show
  return 1
}
a_bad_configuration_is_refused_with_its_place() {
  cp /etc/busbar/busbard.yaml /opt/good.yaml
  echo 'nonsence: 1' >> /etc/busbar/busbard.yaml
  systemctl restart busbar && { echo "it started"; return 1; }
  journalctl -u busbar --no-pager > /tmp/journal
  grep -q nonsence /tmp/journal || { cat /tmp/journal; return 1; }
}
and_starts_again_once_it_is_mended() {
  cp /opt/good.yaml /etc/busbar/busbard.yaml
  systemctl reset-failed busbar
  systemctl start busbar && answers
}
for name in @CASES@; do case_is "$name" "$name"; done
echo "vm: end service"
busybox poweroff -f
"""

# A process that fills 64 MiB and says in which NUMA domain the kernel put their pages.
PAGES = r"""import mmap
import re
memory = mmap.mmap(-1, 64 << 20)
for at in range(0, len(memory), mmap.PAGESIZE):
    memory[at] = 1
print(next(line.strip() for line in open("/proc/self/status") if "Cpus_allowed_list" in line))
for line in open("/proc/self/numa_maps"):
    pages = dict(re.findall(r" N(\d+)=(\d+)", line))
    size = re.search(r"kernelpagesize_kB=(\d+)", line)
    if sum(map(int, pages.values())) * int(size[1] if size else 4) >= 64 << 10:
        share = "all" if len(pages) == 1 else pages
        print(f"pages of 64 MiB in domain {max(pages, key=lambda d: int(pages[d]))}: {share}")
"""


def block_after(text, words):
    """The code block that follows a line of the documentation."""
    found = re.search(re.escape(words) + r"\n\n```\w+\n(.*?)```", text, re.S)
    if not found:
        raise SystemExit(f"docs/operations.md has no block after {words!r}")
    return found[1]


def write(path, text, mode=0o644):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text)
    path.chmod(mode)


def fill(root):
    manual = (ROOT / "docs" / "operations.md").read_text()
    unit = block_after(manual, "`/etc/systemd/system/busbar.service`:")
    write(root / "etc/systemd/system/busbar.service", unit)
    write(root / "etc/busbar/busbard.yaml", block_after(manual, "`/etc/busbar/busbard.yaml`:"))
    write(root / "etc/systemd/system/check.target", TARGET)
    write(root / "etc/systemd/system/check.service", CHECK_UNIT)
    write(root / "opt/check.sh", CHECK.replace("@CASES@", " ".join(CASES)), 0o755)
    write(root / "opt/pages.py", PAGES)
    write(root / "etc/machine-id", "")
    write(root / "etc/passwd", "root:x:0:0:root:/root:/bin/bash\n"
                               "nobody:x:65534:65534::/:/bin/false\n"
                               "alice:x:1000:1000::/home/alice:/bin/bash\n")
    write(root / "etc/group", "root:x:0:\ntty:x:5:\nnogroup:x:65534:\nalice:x:1000:\n")
    (root / "home/alice").mkdir(parents=True)
    write(root / "init", "#!/bin/busybox sh\n/bin/busybox chown -R 1000:1000 /home/alice\n"
                         f"exec {SYSTEMD}\n", 0o755)
    local = root / "usr/local/bin"
    local.mkdir(parents=True, exist_ok=True)
    for name in PROGRAMS:
        built = root / str(BUILD / "bin" / name).lstrip("/")
        built.rename(local / name)


def judge(text):
    """A case that was not reached has failed."""
    passed = 0
    for name in CASES:
        if re.search(rf"^ok {name}$", text, re.M):
            passed += 1
            continue
        why = re.search(rf"^failed {name}: (.*)$", text, re.M)
        print(f"vm: failed: {name}: {why[1].strip() if why else 'not reached'}")
    print(f"{passed} passed, {len(CASES) - passed} failed")
    return 0 if passed == len(CASES) else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keep", action="store_true", help="keep the guest's root file system")
    arguments = parser.parse_args()
    if not SYSTEMD.exists():
        guest.give_up("no systemd here: ./scripts/setup --vm installs it")
    programs = [BUILD / "bin" / name for name in PROGRAMS]
    text = guest.run("service", fill, programs, packages=["systemd", "libc-bin"],
                     more="systemd.unit=check.target systemd.show_status=0 audit=0",
                     domains=2, keep=arguments.keep)
    return judge(text)


if __name__ == "__main__":
    sys.exit(main())
