"""A private daemon for end-to-end tests, and the little runner of their cases.

Every test program of this folder takes the programs from $BUSBAR_BIN, needs nothing but Python's
standard library, and prints `N passed, N failed` last. A case is a function `test_*(daemon)`; it
fails by raising, is left out by `skip(why)`.
"""

import concurrent.futures
import contextlib
import dataclasses
import http.client
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("BUSBAR_BIN") or ROOT / "build" / "dev" / "bin")
PATIENCE_S = float(os.environ.get("BUSBAR_PATIENCE") or 60)
ENDS = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED"}
LOG_LINES = 40


class Skip(Exception):
    """This machine cannot run the case."""


def skip(why):
    raise Skip(why)


def expect(condition, what, *seen):
    if not condition:
        raise AssertionError(what + "".join(f"\n      {item}" for item in seen))


def equal(found, wanted, what):
    expect(found == wanted, what, f"wanted: {wanted!r}", f"found:  {found!r}")


def holds_words(text, words, what):
    """Every word is in the text, in either case."""
    missing = [word for word in words if word.lower() not in text.lower()]
    expect(not missing, f"{what}: the text lacks {missing}", text.strip())


def wait_until(what, condition, patience_s=None):
    """The condition's first true value."""
    patience_s = patience_s or PATIENCE_S
    deadline = time.monotonic() + patience_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {patience_s:g} s in vain for this: {what}")
        time.sleep(0.03)


@dataclasses.dataclass
class Done:
    code: int
    out: str
    err: str

    @property
    def text(self):
        return self.out + self.err


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Refused(AssertionError):
    """The API answered with an error."""

    def __init__(self, status, body):
        super().__init__(f"HTTP {status}: {body}")
        self.status = status
        self.body = body


class Daemon:
    """A daemon with a state folder, a socket and a work folder of its own below `home`."""

    def __init__(self, config="", simulate=(), environment=None):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="bb-e2e-"))
        self.home.chmod(0o755)
        self.state = self.home / "state"
        self.state.mkdir(mode=0o700)
        self.work = self.home / "work"
        self.work.mkdir()
        self.socket = self.state / "busbar.sock"
        self.log = self.home / "busbard.log"
        self.config = self.home / "busbard.yaml"
        self.config.write_text(config)
        self.simulate = list(simulate)
        self.process = None
        self.environment = {name: value for name, value in os.environ.items()
                            if not name.startswith("BUSBAR_")}
        self.environment.update(environment or {})
        self.environment["BUSBAR_STATE"] = str(self.state)
        self.environment["BUSBAR_SOCKET"] = str(self.socket)

    # --- its life

    def command(self):
        words = [BIN / "busbard", "--config", self.config, "--state", self.state]
        for devices in self.simulate:
            words += ["--simulate", devices]
        return [str(word) for word in words]

    def spawn(self):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command(), cwd="/", env=self.environment,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            start_new_session=True)

    def start(self):
        self.spawn()
        self.await_answer()
        return self

    def await_answer(self):
        def answers():
            expect(self.process.poll() is None, f"the daemon ended with {self.process.poll()}")
            try:
                return self.get("/healthz")
            except (OSError, http.client.HTTPException):
                return None
        wait_until("the daemon answers", answers)
        wait_until("its machine is registered",
                   lambda: self.get("/v1/status")["nodes"]["reachable"])

    def stop(self):
        """Graceful; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def shim_pids(self):
        return self.pids_of(b"busbar-shim")

    def pids_of(self, program):
        """Live processes of a program on this state folder."""
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[0].endswith(program) and any(
                    word.startswith(str(self.state).encode()) for word in words[1:]):
                found.append(int(pid))
        return found

    def leftovers(self):
        """Processes of jobs of this daemon that live."""
        mark = f"BUSBAR_WORKING_DIRECTORY={self.work}".encode()
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                words = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            except OSError:
                continue
            if any(word.startswith(mark) for word in words):
                found.append(int(pid))
        return found

    def leftovers_with(self, word):
        """Those whose command line holds the word."""
        found = []
        for pid in self.leftovers():
            with contextlib.suppress(OSError):
                if word.encode() in pathlib.Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def close(self):
        """Ends the daemon, its shim with all jobs, and takes the folder away."""
        if self.process and self.process.poll() is None:
            try:
                self.stop()
            except subprocess.TimeoutExpired:
                self.kill()
        for pid in self.pids_of(b"busbard"):  # started by `busbar up`
            os.kill(pid, signal.SIGKILL)
        for number in (signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + 15
            for pid in self.shim_pids():
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, number)
            while self.shim_pids() and time.monotonic() < deadline:
                time.sleep(0.05)
        for pid in self.leftovers():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        shutil.rmtree(self.home, ignore_errors=True)

    def log_text(self):
        with contextlib.suppress(OSError):
            return self.log.read_text(errors="replace")
        return ""

    # --- HTTP

    def request(self, method, path, body=None, headers=None, timeout_s=70):
        """(status, headers, body text)."""
        connection = UnixConnection(self.socket, timeout_s)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode()
        finally:
            connection.close()

    def call(self, method, path, body=None, headers=None):
        if isinstance(body, dict):
            body = json.dumps(body)
        status, _, text = self.request(method, path, body, headers)
        answer = json.loads(text)
        if status >= 400:
            raise Refused(status, answer)
        return answer

    def get(self, path, **query):
        query = {name: value for name, value in query.items() if value is not None}
        return self.call("GET", path + ("?" + urllib.parse.urlencode(query) if query else ""))

    def post(self, path, body=None):
        return self.call("POST", path, body or {}, {"Content-Type": "application/json"})

    def submit(self, text, key=None):
        """Job numbers of a job file's documents."""
        query = urllib.parse.urlencode({"directory": str(self.work), "file": "job.yaml"})
        headers = {"Content-Type": "application/yaml"}
        if key:
            headers["Idempotency-Key"] = key
        answer = self.call("POST", "/v1/jobs?" + query, text, headers)
        return [job["id"] for job in answer["jobs"]]

    def wait(self, job, until="ended", patience_s=None):
        """The wait's answer: state, exit_code, job."""
        patience_s = patience_s or PATIENCE_S
        deadline = time.monotonic() + patience_s
        while True:
            left = min(20, max(0.0, deadline - time.monotonic()))
            answer = self.get(f"/v1/jobs/{job}/wait", until=until, timeout=f"{left:.3f}")
            if answer["done"]:
                return answer
            expect(time.monotonic() < deadline,
                   f"job {job} is not {until} after {patience_s:g} s", json.dumps(answer["job"]),
                   json.dumps(self.get(f"/v1/jobs/{job}/explain")["summary"]))

    def finish(self, text, state="COMPLETED", code=0):
        """Submits one document, waits for its end, which must be this; the job's number."""
        job = self.submit(text)[0]
        answer = self.wait(job)
        expect((answer["state"], answer["exit_code"]) == (state, code),
               f"job {job} ({answer['job']['name']}): wanted {state} with {code}, found "
               f"{answer['state']} with {answer['exit_code']}", *self.story(job))
        return job

    def cancel_all(self):
        """What earlier cases may have left."""
        jobs = self.get("/v1/jobs", state="active", limit=1000)["jobs"]
        for job in jobs:
            self.post(f"/v1/jobs/{job['id']}/cancel")
        for job in jobs:
            self.wait(job["id"])

    def show(self, job):
        return self.get(f"/v1/jobs/{job}")

    def unit(self, reference):
        return self.get(f"/v1/units/{reference}")

    def history(self, job):
        """Rows of a job, oldest first."""
        rows, page = [], None
        while True:
            answer = self.get("/v1/history", job=job, limit=1000, page=page)
            rows += answer["rows"]
            page = answer["next"]
            if page is None:
                return sorted(rows, key=lambda row: (row["ended"], row["attempt"]))

    def story(self, job):
        """What a failure should show of a job."""
        lines = [f"{row['ref']}#{row['attempt']} {row['state']} {row['exit']}"
                 for row in self.history(job)[-5:]]
        for path in sorted(self.work.glob("*.out"))[-50:]:
            if path.name.startswith(f"busbar-{job}"):
                lines.append(f"{path.name}: {path.read_text(errors='replace')[-400:]!r}")
        return lines

    # --- files and programs

    def read(self, name):
        try:
            return (self.work / name).read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def write(self, name, text):
        path = self.work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    def cli(self, *words, code=None, standard_input=None, environment=None, prefix=()):
        """Runs busbar in the work folder; with `code`, it must exit with that."""
        argv = [*prefix, str(BIN / "busbar"), *(str(word) for word in words)]
        done = subprocess.run(argv, cwd=self.work, input=standard_input, text=True, check=False,
                              capture_output=True, timeout=PATIENCE_S * 2,
                              env=dict(self.environment, **(environment or {})))
        if code is not None:
            expect(done.returncode == code,
                   f"busbar {' '.join(map(str, words))} exited {done.returncode}, not {code}",
                   done.stdout.strip(), done.stderr.strip())
        return Done(done.returncode, done.stdout, done.stderr)

    def ask(self, *words):
        return json.loads(self.cli("--json", *words, code=0).out)


@contextlib.contextmanager
def daemon(config="", simulate=(), start=True):
    """A running daemon that is gone afterwards; its log is printed when the block raises."""
    own = Daemon(config, simulate)
    try:
        if start:
            own.start()
        yield own
    except Exception:
        print_log(own)
        raise
    finally:
        own.close()


def print_log(own):
    print("--- the daemon's log", flush=True)
    for line in own.log_text().splitlines()[-LOG_LINES:]:
        print("  " + line[:300])
    shim_log = next(iter(own.state.rglob("shim.log")), None)
    if shim_log:
        print("--- the shim's log")
        for line in shim_log.read_text(errors="replace").splitlines()[-LOG_LINES:]:
            print("  " + line[:300])
    print("---", flush=True)


def stamps(text):
    """Pairs (start, end) of lines `NAME start NS` and `NAME end NS`."""
    times = {}
    for line in text.splitlines():
        name, word, moment = line.split()
        times.setdefault(name, {})[word] = int(moment)
    return [(pair["start"], pair["end"]) for pair in times.values()]


def most_at_once(pairs):
    changes = sorted([(start, 1) for start, _ in pairs] + [(end, -1) for _, end in pairs])
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def free_port():
    """A port of this machine on which nobody listens, as it stands now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def words_as(user):
    """What stands before a command that root runs as another user.

    setpriv still has root's rights when it starts a program, `env` has not: one in a folder that
    the user may not enter does not start.
    """
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "env"]


def skip_unless_reachable(user):
    """As where root keeps a clone in its own home."""
    probe = subprocess.run([*words_as(user), str(BIN / "busbar"), "version"], check=False,
                           capture_output=True)
    if probe.returncode != 0:
        skip(f"{user.pw_name} cannot reach {BIN}")


class Runner:
    """Runs cases and counts them."""

    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()
        self.only = sys.argv[1:]

    def wanted(self, cases):
        return [case for case in cases
                if not self.only or any(word in case.__name__ for word in self.only)]

    def one(self, case, *arguments):
        name = re.sub("^(test|together|turn|running|alone)_", "", case.__name__)
        started = time.monotonic()
        note, detail = "ok", ""
        try:
            case(*arguments)
        except Skip as why:
            note = f"skipped: {why}"
        except Exception as error:  # a case's failure is counted, whatever it is
            note = "FAILED"
            detail = f"    {type(error).__name__}: {error}\n"
            frame = traceback.extract_tb(error.__traceback__)
            mine = [entry for entry in frame if not entry.filename.endswith("harness.py")]
            if mine:
                place = pathlib.Path(mine[-1].filename).name
                detail += f"    at {place}:{mine[-1].lineno}: {mine[-1].line}\n"
        with self.lock:
            self.passed += note == "ok"
            self.failed += note == "FAILED"
            self.skipped += note.startswith("skipped")
            print(f"{name:<40} {time.monotonic() - started:6.2f} s  {note}\n{detail}", end="",
                  flush=True)

    def together(self, cases, own, at_once=6):
        """Cases that do not disturb one another, on one daemon."""
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            for future in [pool.submit(self.one, case, own) for case in self.wanted(cases)]:
                future.result()

    def in_turn(self, cases, *arguments):
        for case in self.wanted(cases):
            self.one(case, *arguments)

    def on_one_daemon(self, module, config):
        """A module's together_ cases, then its turn_ cases, each on a machine that runs nothing."""
        with daemon(config) as own:
            self.together(cases_of(module, "together_"), own)
            for case in cases_of(module, "turn_"):
                own.cancel_all()
                self.in_turn([case], own)
            own.cancel_all()
            wait_until("no process is left", lambda: not own.leftovers())
            if self.failed:
                print_log(own)

    def each_on_its_own(self, module, config=""):
        """A module's test_ cases, each on a daemon of its own."""
        for case in self.wanted(cases_of(module)):
            with daemon(config) as own:
                failed = self.failed
                self.one(case, own)
                if self.failed > failed:
                    print_log(own)

    def finish(self):
        if self.skipped:
            print(f"{self.skipped} skipped")
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or self.passed == 0 else 0


def cases_of(module, prefix="test_"):
    """Functions of a module in the order they are written."""
    return [value for name, value in vars(module).items() if name.startswith(prefix)]
