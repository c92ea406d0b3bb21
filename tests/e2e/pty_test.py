#!/usr/bin/python3
"""Interactive jobs: `busbar run --pty` in a real terminal, whose person is the test."""

import fcntl
import os
import pwd
import re
import select
import shutil
import signal
import struct
import subprocess
import sys
import termios
import time

from harness import (BIN, PATIENCE_S, Runner, daemon, equal, expect, holds_words, skip,
                     skip_unless_reachable, words_as)

CONFIG = """node:
  simulated_devices:
    - {vendor: nvidia, model: H100, count: 2, memory: 80G}
"""
SMALL = ("--cores", "0.02")
HELD = (*SMALL, "--hold")


class Person:
    """`busbar run --pty ...` in a terminal of its own."""

    def __init__(self, own, *words, options=SMALL, size=(33, 101), prefix=(), environment=None):
        self.own = own
        self.master, self.slave = os.openpty()
        self.resize(*size)
        self.shown = ""
        argv = ["setsid", "--ctty", *prefix, str(BIN / "busbar"), "run", "--pty", *options, "--",
                *words]
        self.process = subprocess.Popen(
            argv, cwd=own.work, stdin=self.slave, stdout=self.slave, stderr=self.slave,
            env=dict(own.environment, TERM="xterm-test", XDG_RUNTIME_DIR=str(own.home),
                     **(environment or {})))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self.master)
        os.close(self.slave)

    def resize(self, rows, columns):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def type(self, text):
        os.write(self.master, text.encode())

    def look(self, patience_s):
        if select.select([self.master], [], [], patience_s)[0]:
            self.shown += os.read(self.master, 65536).decode(errors="replace")

    def see(self, pattern):
        """The first match of what is shown from now on or was shown before."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            match = re.search(pattern, self.shown)
            if match:
                return match
            ended = self.process.poll()
            self.look(0.05)
            expect(ended is None or re.search(pattern, self.shown),
                   f"ended with {ended} and never shown: {pattern}", self.shown[-2000:])
            expect(time.monotonic() < deadline, f"never shown: {pattern}", self.shown[-2000:])

    def job(self):
        return int(self.see(r"job (\d+) submitted").group(1))

    def end(self):
        """Its exit code; the terminal must be as it was."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None:
            expect(time.monotonic() < deadline, "it does not end", self.shown[-2000:])
            self.look(0.05)
        while select.select([self.master], [], [], 0)[0]:
            self.look(0)
        expect(self.is_cooked(), "the terminal is as it was")
        return self.process.returncode

    def is_cooked(self):
        wanted = termios.ICANON | termios.ECHO | termios.ISIG
        return termios.tcgetattr(self.slave)[3] & wanted == wanted


def ends(own, job, state, code=None):
    answer = own.wait(job)
    equal(answer["state"], state, f"the end of job {job}")
    if code is not None:
        equal(answer["exit_code"], code, f"the exit code of job {job}")


# --- the command


def together_a_command_in_a_terminal(own):
    script = ('test -t 0 && stty size; echo "unit=$BUSBAR_UNIT slurm=$SLURM_JOB_ID term=$TERM '
              'columns=$COLUMNS word=$PTY_WORD"; exit 7')
    with Person(own, "sh", "-c", script) as person:
        job = person.job()
        equal(person.end(), 7, "the command's exit code")
        holds_words(person.shown, ["33 101\r\n", f"unit={job} slurm={job} term=xterm-test "
                                   "columns= word=\r\n"], "the screen")
        ends(own, job, "FAILED", 7)
        holds_words(own.cli("logs", job, code=0).out, ["33 101", f"unit={job}"], "its log")
        shown = own.show(job)
        equal(shown["restart"]["on"], [], "it never runs again by itself")
        equal(shown["name"], "sh", "it is named after the command")


def together_devices_are_given(own):
    script = 'echo "<$BUSBAR_SIMULATED_DEVICES>"'
    with Person(own, "sh", "-c", script, options=(*SMALL, "--gpus", "1")) as person:
        equal(person.end(), 0, "the exit code")
        person.see(r"<\S+>")


def together_a_new_size_reaches_the_command(own):
    script = 'trap "stty size; exit 0" WINCH; echo ready; while :; do sleep 0.05; done'
    with Person(own, "sh", "-c", script) as person:
        person.see("ready")
        person.resize(50, 132)
        equal(person.end(), 0, "the exit code")
        person.see("50 132")


def together_ctrl_c_reaches_the_command(own):
    script = 'trap "echo caught" INT; echo ready; cat; echo goes on; read line; echo "<$line>"'
    with Person(own, "sh", "-c", script) as person:
        person.see("ready")
        person.type("\x03")
        person.see("caught\r\ngoes on")
        person.type("typed\r")
        equal(person.end(), 0, "the exit code")
        person.see("<typed>")


def together_a_shell(own):
    with Person(own, "sh", "-i", environment={"PS1": "% "}) as person:
        person.see("[#$%] ")
        person.type("tty; ps -o comm= -p $PPID\r")
        person.see("/dev/pts/.*\r\nbusbar-pty\r\n")
        person.type("sleep 100\r")
        person.see(r"sleep 100\r\n")
        time.sleep(0.2)
        person.type("\x03")
        person.type("exit 5\r")
        equal(person.end(), 5, "the exit code")


def together_a_missing_program(own):
    with Person(own, "no-such-program-here") as person:
        equal(person.end(), 127, "as in a shell")
        person.see("cannot run the program no-such-program-here")


def together_much_output_is_shown_whole(own):
    with Person(own, "seq", "100000") as person:
        equal(person.end(), 0, "the exit code")
        numbers = re.findall(r"^(\d+)\r$", person.shown, re.MULTILINE)
        equal(numbers, [str(number) for number in range(1, 100001)], "every line, in order")


def together_a_full_disk_of_the_log_does_not_matter(own):
    with Person(own, "sh", "-c", "echo shown; exit 3",
                options=(*SMALL, "--output", "/dev/full")) as person:
        equal(person.end(), 3, "the exit code")
        person.see("shown")


# --- ends from elsewhere


def together_cancel_ends_a_shell_at_its_prompt(own):
    with Person(own, "sh", "-i") as person:
        job = person.job()
        person.see("[#$%] ")
        started = time.monotonic()
        own.cli("cancel", job, code=0)
        expect(person.end() != 0, "it did not end well")
        expect(time.monotonic() - started < 15, "without its whole grace")
        person.see(f"job {job} ended CANCELLED")
        ends(own, job, "CANCELLED")


def together_cancel_asks_the_command_once(own):
    script = 'trap "echo asked; sleep 0.5; exit 9" TERM; echo ready; while :; do sleep 0.05; done'
    with Person(own, "sh", "-c", script) as person:
        job = person.job()
        person.see("ready")
        own.cli("cancel", job, code=0)
        equal(person.end(), 9, "the command's own code")
        equal(person.shown.count("asked"), 1, "one SIGTERM")


def together_the_person_goes_away(own):
    script = 'echo ready; sleep 77178'
    for number in (signal.SIGKILL, signal.SIGTERM, signal.SIGHUP):
        with Person(own, "sh", "-c", script) as person:
            job = person.job()
            person.see("ready\r\n")
            expect(not person.is_cooked(), "what is typed goes to the command")
            person.process.send_signal(number)
            if number == signal.SIGKILL:
                person.process.wait()
            else:
                equal(person.end(), 128 + number, "the exit code")
            ends(own, job, "FAILED", 128 + signal.SIGHUP)
    equal(own.leftovers_with("77178"), [], "nothing is left")


def together_the_wrapper_is_killed(own):
    with Person(own, "sh", "-c", "echo ready; kill -KILL $PPID; sleep 77179") as person:
        job = person.job()
        equal(person.end(), 137, "the exit code")
        ends(own, job, "FAILED", 137)
    equal(own.leftovers_with("77179"), [], "nothing is left")


def together_a_requeued_job_has_no_terminal(own):
    with Person(own, "sh", "-c", "echo ready; sleep 100") as person:
        job = person.job()
        person.see("ready")
        own.cli("requeue", job, code=0)
        expect(person.end() != 0, "it did not end well")
        expect(own.wait(job)["state"] in ("CANCELLED", "FAILED"), "it does not wait for nobody")


# --- waiting


def together_it_says_why_it_waits(own):
    with Person(own, "echo", "started", options=HELD) as person:
        job = person.job()
        person.see("waiting: Held")
        own.cli("release", job, code=0)
        equal(person.end(), 0, "the exit code")
        person.see("started")


def together_ctrl_c_cancels_while_it_waits(own):
    with Person(own, "echo", "started", options=HELD) as person:
        job = person.job()
        person.see("waiting: ")
        person.type("\x03")
        equal(person.end(), 130, "the exit code")
        ends(own, job, "CANCELLED")


def together_cancelled_by_others_while_it_waits(own):
    with Person(own, "echo", "started", options=HELD) as person:
        job = person.job()
        person.see("waiting: ")
        own.cli("cancel", job, code=0)
        equal(person.end(), 125, "the exit code")
        person.see(f"job {job} ended CANCELLED")


def together_nobody_waits_any_more(own):
    with Person(own, "echo", "started", options=HELD) as person:
        job = person.job()
        person.see("waiting: ")
        person.process.kill()
        person.process.wait()
    own.cli("release", job, code=0)
    ends(own, job, "FAILED", 125)
    holds_words(own.cli("logs", job, code=0).out, ["the terminal that asked for this job is gone"],
                "its log")


# --- refusals


def together_refusals(own):
    for words, said in (((), "needs a terminal"), (("--url", "http://127.0.0.1:1"), "--url"),
                        (("--array", "1-3"), "--array"), (("--tasks", "2"), "--tasks")):
        done = own.cli("run", "--pty", *words, "--", "true", code=2, standard_input="")
        holds_words(done.err, ["--pty", said], "the refusal")
    with Person(own, "true", options=("--cores", "100000")) as person:
        equal(person.end(), 3, "what can never start is refused")


# --- the daemon, users


def turn_the_daemon_goes_and_comes_back(own):
    with Person(own, "sh", "-c", 'echo ready; read line; echo "<$line>"; exit 6') as person:
        job = person.job()
        person.see("ready")
        own.kill()
        person.type("without a daemon\r")
        person.see("<without a daemon>")
        own.start()
        equal(person.end(), 6, "the exit code")
        ends(own, job, "FAILED", 6)


def turn_the_daemon_stays_away(own):
    with Person(own, "sh", "-c", 'echo ready; read line; exit 6') as person:
        person.see("ready")
        own.kill()
        person.type("\r")
        equal(person.end(), 125, "nobody knows how it ended")
        person.see("no daemon answers")
    own.start()


def turn_another_user(own):
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        skip("it needs root and setpriv")
    nobody = pwd.getpwnam("nobody")
    prefix = words_as(nobody)
    skip_unless_reachable(nobody)
    own.work.chmod(0o777)
    own.state.chmod(0o711)
    with Person(own, "id", "-un", prefix=prefix) as person:
        code = person.end()
        if code == 3 and "may not submit" in person.shown:
            skip("nobody may not submit here")
        equal(code, 0, f"the exit code: {person.shown}")
        person.see("nobody")


def main():
    runner = Runner()
    runner.on_one_daemon(sys.modules[__name__], CONFIG)
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
