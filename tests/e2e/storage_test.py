#!/usr/bin/python3
"""Disks that are full, fail, or hand back something else than was written."""

import contextlib
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from harness import (Daemon, PATIENCE_S, Refused, Runner, cases_of, daemon, equal, expect,
                     holds_words, print_log, skip, wait_until)

SMALL = "cores: 0.02\n"
UNTIL_GO = f"{SMALL}run: while [ ! -e go ]; do sleep 0.05; done; exit 3\n"
# Fails every sync while the file exists.
BAD_SYNC = """
#include <dlfcn.h>
#include <errno.h>
#include <unistd.h>
static int failing(void) { return access("%s", F_OK) == 0; }
int fsync(int fd) {
  if (failing()) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(fd);
}
int fdatasync(int fd) {
  if (failing()) { errno = EIO; return -1; }
  return ((int (*)(int))dlsym(RTLD_NEXT, "fdatasync"))(fd);
}
"""


class SmallDisk:
    """A file system that is soon full, with a daemon's state folder on it."""

    def __init__(self, size="24m"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="bb-full-"))
        if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "busbar-test",
                           self.folder], capture_output=True, check=False).returncode != 0:
            self.folder.rmdir()
            skip("no small file system can be made here")
        self.ballast = self.folder / "ballast"
        self.own = Daemon()
        self.own.state = self.folder / "state"
        self.own.state.mkdir(mode=0o700)
        self.own.socket = self.own.state / "busbar.sock"
        self.own.environment.update(BUSBAR_STATE=str(self.own.state),
                                    BUSBAR_SOCKET=str(self.own.socket))

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 4096)

    def heal(self):
        self.ballast.unlink(missing_ok=True)

    def close(self):
        self.own.close()
        subprocess.run(["umount", "-l", self.folder], check=False)
        self.folder.rmdir()


@contextlib.contextmanager
def small_disk():
    disk = SmallDisk()
    try:
        yield disk, disk.own
    except Exception:
        print_log(disk.own)
        raise
    finally:
        disk.close()


def ended(own):
    """The daemon's exit code; it must end by itself."""
    try:
        return own.process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired as late:
        raise AssertionError("the daemon did not end") from late


def answers(own):
    """Anything: on a full disk its health is bad."""
    try:
        return own.request("GET", "/healthz")[0]
    except OSError:
        return None


def submitted(own, text):
    """Whether it was taken; a refusal must say that there is no space."""
    try:
        return own.submit(text)[0]
    except Refused as why:
        equal(why.status, 503, "the status of a refusal")
        holds_words(str(why.body), ["space"], "the refusal")
        return None


# --- a disk that is full, in every phase


def test_full_before_the_first_start():
    with small_disk() as (disk, own):
        disk.fill()
        own.spawn()
        equal(ended(own), 1, "it cannot start")
        holds_words(own.log_text(), [str(own.state), "full"], "the reason")
        disk.heal()
        own.start()
        own.finish(f"name: after\n{SMALL}run: 'true'\n")


def test_full_while_jobs_wait_start_and_end():
    with small_disk() as (disk, own):
        own.start()
        runs = own.submit(f"name: runs\n{UNTIL_GO}")[0]
        own.wait(runs, "running")
        waits = own.submit(f"name: waits\n{SMALL}after: '{runs}:any'\nrun: exit 4\n")[0]
        disk.fill()
        taken, held = [], None
        for number in range(2000):
            held = submitted(own, f"name: fill{number}\nhold: true\nrun: 'true # {number}"
                                  f"{'x' * 4000}'\n")
            if held is None:
                break
            taken.append(held)
        expect(held is None, "a full disk refuses in the end", len(taken))
        expect(len(own.get("/v1/jobs", limit=1000)["jobs"]) >= 2, "reading goes on")
        status, _, text = own.request("GET", "/healthz")
        equal(status, 503, f"health says so ({text})")
        holds_words(own.cli("status").text, ["space"], "busbar status")
        own.write("go", "")
        wait_until("the running job's processes are gone", lambda: not own.leftovers())
        disk.heal()
        wait_until("space heals it", lambda: submitted(own, f"name: n\n{SMALL}run: 'true'\n"))
        equal(own.wait(runs)["exit_code"], 3, "the end on the full disk")
        equal(own.wait(waits)["exit_code"], 4, "what waited for it")
        own.kill()
        own.start()
        for job in taken:
            equal(own.show(job)["state"], "PENDING", "what was acknowledged")
        equal(own.history(runs)[0]["exit"]["code"], 3, "the end after a start")


def test_full_when_it_stops_and_starts_again():
    with small_disk() as (disk, own):
        own.start()
        job = own.submit(f"name: runs\n{UNTIL_GO}")[0]
        held = own.submit(f"name: held\nhold: true\n{SMALL}run: exit 5\n")[0]
        own.wait(job, "running")
        disk.fill()
        equal(own.stop(), 0, "a graceful stop needs no space")
        own.write("go", "")
        time.sleep(0.3)
        own.spawn()
        wait_until("it answers or ends", lambda: answers(own) or own.process.poll() is not None)
        if own.process.poll() is not None:
            equal(own.process.poll(), 1, "it may need space to start, and says so")
            holds_words(own.log_text(), ["full"], "the reason")
        disk.heal()
        if own.process.poll() is not None:
            own.start()
        wait_until("space heals it", lambda: answers(own) == 200)
        equal(own.wait(job)["exit_code"], 3, "the end of what ran")
        own.post(f"/v1/jobs/{held}/release")
        equal(own.wait(held)["exit_code"], 5, "what waited")


def test_full_where_a_job_writes():
    """The job's own disk: the job fails in its own words, nobody else notices."""
    with small_disk() as (disk, _), daemon() as own:
        disk.fill()
        output = disk.folder / "out.txt"
        job = own.submit(f"name: full\n{SMALL}output: {output}\nrun: 'echo hello || exit 9'\n")[0]
        answer = own.wait(job)
        expect(answer["state"] == "FAILED", "a write that failed is the job's", answer)
        own.finish(f"name: beside\n{SMALL}run: 'true'\n")


# --- a disk that fails


def preload(own):
    """A library whose syncs fail while `bad` exists."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if not compiler:
        skip("no C compiler here")
    bad = own.home / "bad-sync"
    source = own.home / "bad_sync.c"
    source.write_text("#define _GNU_SOURCE\n" + BAD_SYNC % bad)
    library = own.home / "bad_sync.so"
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    own.environment["LD_PRELOAD"] = str(library)
    return bad


def test_a_failed_sync_stops_the_daemon():
    with daemon(start=False) as own:
        bad = preload(own)
        own.start()
        job = own.submit(f"name: runs\n{UNTIL_GO}")[0]
        own.wait(job, "running")
        bad.write_text("")
        with contextlib.suppress(Refused, OSError):
            own.submit(f"name: lost\nhold: true\n{SMALL}run: 'true'\n", "the-key")
            raise AssertionError("what is not on disk was acknowledged")
        equal(ended(own), 1, "the exit code of a daemon whose disk failed")
        holds_words(own.log_text(), ["journal cannot be written", "disk"], "the log")
        own.write("go", "")
        bad.unlink()
        own.start()
        equal(own.wait(job)["exit_code"], 3, "the end of what ran meanwhile")
        again = own.submit(f"name: lost\nhold: true\n{SMALL}run: 'true'\n", "the-key")
        equal(len(own.get("/v1/jobs", state="all", name="lost")["jobs"]), 1, f"{again}: once")


# --- a journal that is damaged


def damage(own, statement):
    connection = sqlite3.connect(own.state / "journal.db")
    with connection:
        last = connection.execute("SELECT max(revision) FROM event").fetchone()[0]
        connection.execute(statement, {"last": last})
    connection.close()
    return last


def with_jobs(own):
    """Jobs in the journal whose daemon was killed: no snapshot covers them."""
    own.start()
    jobs = [own.submit(f"name: j{number}\nhold: true\n{SMALL}run: 'true'\n")[0]
            for number in range(5)]
    own.kill()
    return jobs


def test_a_damaged_end_is_cut_off_and_said():
    with daemon(start=False) as own:
        jobs = with_jobs(own)
        last = damage(own, "UPDATE event SET bytes = x'00' WHERE revision = :last")
        own.start()
        holds_words(own.log_text(), ["recovered to revision", str(last - 1)], "the log")
        equal(sorted(job["id"] for job in own.get("/v1/jobs")["jobs"]), jobs[:-1],
              "all but the last are there")
        own.finish(f"name: after\n{SMALL}run: 'true'\n")


def test_damage_inside_is_refused_with_its_place():
    with daemon(start=False) as own:
        jobs = with_jobs(own)
        copy = own.home / "copy.db"
        shutil.copy(own.state / "journal.db", copy)
        for name in ("journal.db-wal", "journal.db-shm"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(own.state / name, own.home / name.replace("journal", "copy"))
        last = damage(own, "UPDATE event SET bytes = x'00' WHERE revision = :last - 3")
        before = sqlite3.connect(own.state / "journal.db")
        rows = before.execute("SELECT * FROM event").fetchall()
        before.close()
        own.spawn()
        equal(ended(own), 1, "it does not start")
        holds_words(own.log_text(), ["journal.db", f"revision {last - 3}", "backup"], "the reason")
        after = sqlite3.connect(own.state / "journal.db")
        equal(after.execute("SELECT * FROM event").fetchall(), rows, "nothing was changed")
        after.close()
        for path in own.state.glob("journal.db*"):
            path.unlink()
        for path in own.home.glob("copy.db*"):
            path.rename(own.state / path.name.replace("copy", "journal"))
        os.chmod(own.state / "journal.db", 0o600)
        own.start()
        equal(sorted(job["id"] for job in own.get("/v1/jobs")["jobs"]), jobs, "a good copy has all")


def test_a_supervisor_of_another_journal_is_refused_and_its_jobs_go_on():
    """The journal was moved away while jobs run: nothing may be given out beside what they hold."""
    with daemon(start=False) as own:
        own.start()
        job = own.submit(f"name: runs\n{UNTIL_GO}")[0]
        own.wait(job, "running")
        own.kill()
        aside = own.home / "aside"
        aside.mkdir()
        for path in own.state.glob("journal.db*"):
            path.rename(aside / path.name)
        own.spawn()
        equal(ended(own), 1, "it does not start")
        holds_words(own.log_text(), ["belongs to another journal", "put that journal back",
                                     "pkill"], "the reason and the way out")
        for path in own.state.glob("journal.db*"):
            path.unlink()
        for path in aside.iterdir():
            path.rename(own.state / path.name)
        own.start()
        own.write("go", "")
        equal(own.wait(job)["exit_code"], 3, "the job went on")


def main():
    runner = Runner()
    runner.in_turn(cases_of(sys.modules[__name__]))
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
