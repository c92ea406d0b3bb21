#!/usr/bin/python3
"""Bad input, bad configuration and bad surroundings: each gives its place and its remedy."""

import os
import pwd
import shutil
import socket
import subprocess
import sys

from harness import (BIN, Daemon, PATIENCE_S, Runner, cases_of, daemon, equal, expect, free_port,
                     holds_words, print_log, skip, words_as)

CONFIG = "tenants:\n  - {name: default}\n  - {name: physics}\n"
BASE = "name: j\nrun: true\n"

# what, the job file, words the error must hold
JOB_FILES = [
    ("malformed YAML", "name: j\nrun: [true\ncores: 2\n", ["job.yaml:3:6", "not valid YAML"]),
    ("a tab for indentation", "name: j\n\tcores: 2\nrun: true\n", ["job.yaml:2:"]),
    ("not YAML at all", "{{{{", ["job.yaml:1:"]),
    ("an unknown field", "name: j\nmemroy: 2G\nrun: true\n",
     ["job.yaml:2:1", "memroy", 'did you mean "memory"']),
    ("an unknown field of a group", "groups:\n  - {name: a, run: true, coers: 2}\n",
     ["job.yaml:2:", "coers", "cores"]),
    ("a field twice", "name: j\ncores: 1\ncores: 2\nrun: true\n", ["job.yaml:3:", "cores"]),
    ("nothing to run", "name: j\ncores: 1\n", ["run", "command"]),
    ("a wrong unit of memory", BASE + "memory: 4X\n", ["job.yaml:3:9", "memory", "4X", "64G"]),
    ("a wrong unit of time", BASE + "time: 3 fortnights\n", ["job.yaml:3:7", "time", "fortnights"]),
    ("a negative number", BASE + "cores: -2\n", ["job.yaml:3:8", "cores", "-2", "negative"]),
    ("a negative time", BASE + "time: -5m\n", ["job.yaml:3:7", "time", "-5m"]),
    ("a number that overflows", BASE + "cores: 99999999999999999999999\n",
     ["job.yaml:3:8", "cores"]),
    ("a memory that overflows", BASE + "memory: 99999999999999999T\n", ["job.yaml:3:9", "memory"]),
    ("a time that overflows", BASE + "time: 999999999999999999d\n", ["job.yaml:3:7", "time"]),
    ("not a number", BASE + "cores: many\n", ["job.yaml:3:8", "cores", "many"]),
    ("a bad word", BASE + "coupling: tihgt\n", ["job.yaml:3:11", "tihgt", "tight"]),
    ("an array backwards", BASE + "array: 9-1\n", ["job.yaml:3:8", "array"]),
    ("too large an array", BASE + "array: 1-99999999\n", ["job.yaml:3:8", "array"]),
    ("mpi in a loose job", BASE + "launcher: mpi\n", ["mpi", "tight"]),
    ("an unknown kind of dependency", BASE + "after: ['x:finished']\n",
     ["job.yaml:3:", "finished"]),
    ("an unknown name to wait for", BASE + "after: [nobody]\n", ["nobody"]),
    ("a dependency on itself", BASE + "after: j\n", ["j"]),
    ("a cycle of dependencies",
     "name: a\nafter: b\nrun: true\n---\nname: b\nafter: c\nrun: true\n---\n"
     "name: c\nafter: a\nrun: true\n",
     ["job.yaml:10:8", "wait for each other", "a after b after c after a", "remove"]),
    ("a name that two documents have",
     BASE + "---\n" + BASE + "---\nname: k\nafter: j\nrun: true\n",
     ["job.yaml:8:8", "after"]),
    ("an alias", "name: &n j\nrun: true\noutput: *n\n", ["job.yaml:1:", "anchor"]),
    ("a merge of an alias", BASE + "environment:\n  <<: *all\n", ["job.yaml:4:", "alias"]),
    ("nesting of 65 levels", BASE + "labels: " + "[" * 65 + "]" * 65 + "\n",
     ["job.yaml:3:", "deeper than 64"]),
    ("an unknown tenant", BASE + "tenant: physcis\n", ["physcis", "physics"]),
    ("a bad name", "name: 'a b'\nrun: true\n", ["job.yaml:1:7", "name"]),
    ("a variable of ours", BASE + "environment: {BUSBAR_RANK: 1}\n", ["BUSBAR_RANK"]),
    ("an empty file", "", ["job.yaml"]),
    ("a bad constraint", BASE + "constraint: 'a & '\n", ["job.yaml:3:", "constraint"]),
]
# what, the job file, words the refusal must hold: numbers of this machine
IMPOSSIBLE = [
    ("more memory than there is", BASE + "memory: 900T\n", ["memory"]),
    ("more cores than there are", BASE + "cores: 9000\n", ["core"]),
    ("devices there are none of", BASE + "gpus: H100:2\n", ["H100"]),
    ("a gang wider than the machine", BASE + "coupling: tight\ntasks: 5000\ncores: 1\n",
     ["5000", "Nearest"]),
    ("a feature nobody has", BASE + "constraint: moonbase\n", ["features here", "Nearest"]),
]
# what, the configuration, words
CONFIGS = [
    ("an unknown key", "lisen: {}\n", ["busbard.yaml:1:1", "lisen", "listen"]),
    ("an unknown inner key", "node:\n  featurs: [a]\n",
     ["busbard.yaml:2:3", "featurs", "features"]),
    ("malformed", "node: [\n", ["busbard.yaml:"]),
    ("a wrong span", "finished_keep: soon\n", ["busbard.yaml:1:16", "finished_keep", "soon"]),
    ("a wrong port range", "node: {ports: 9-8}\n", ["busbard.yaml:1:", "ports", "20000-20999"]),
    ("a default tenant that is none", "default_tenant: nobody\n", ["default_tenant"]),
    ("a wrong address", "listen: {tcp: somewhere}\n",
     ["listen.tcp", "somewhere", "127.0.0.1:7433"]),
    ("an open address without TLS", "listen: {tcp: '0.0.0.0:0'}\n",
     ["busbard.yaml:1:15", "listen.tcp", "tls"]),
]


def newest_job(own):
    return [job["id"] for job in own.get("/v1/jobs", state="all", limit=1)["jobs"]]


def job_case(what, text, words, code=3):
    def case(own):
        own.write("job.yaml", text)
        before = newest_job(own)
        done = own.cli("submit", "job.yaml")
        equal(done.code, code, f"the exit code ({done.text.strip()})")
        holds_words(done.err, words, "the error")
        equal(newest_job(own), before, "nothing was submitted")
    case.__name__ = "job_" + what.replace(" ", "_")
    return case


def config_case(what, text, words):
    def case():
        own = Daemon(text)
        try:
            for more in ([], ["--check"]):
                done = start_and_fail(own, *more)
                equal(done.returncode, 2, f"the exit code {more} ({done.stderr.strip()})")
                holds_words(done.stderr, words, f"the error {more}")
            equal(list(own.state.iterdir()), [], "nothing is made in the state folder")
        finally:
            own.close()
    case.__name__ = "config_" + what.replace(" ", "_")
    return case


def start_and_fail(own, *more, prefix=()):
    """Runs the daemon, which must end by itself."""
    return subprocess.run([*prefix, *own.command(), *more], env=own.environment, text=True,
                          capture_output=True, timeout=PATIENCE_S, check=False, cwd="/",
                          stdin=subprocess.DEVNULL)


# --- with a running daemon


def running_command_line_mistakes(own):
    done = own.cli("sumbit", "x.yaml")
    equal(done.code, 2, "a mistyped command")
    holds_words(done.err, ["sumbit", "did you mean submit"], "the nearest one")
    equal(own.cli("submit", "--no-such-option", "x").code, 2, "an unknown option")
    equal(own.cli("submit").code, 2, "nothing to submit")
    done = own.cli("submit", "no-such-file.yaml")
    equal(done.code, 3, "a file that is not there")
    holds_words(done.err, ["no-such-file.yaml"], "which one")
    done = own.cli("submit", ".")
    equal(done.code, 3, "a folder")
    own.write("long.yaml", "# " + "x" * (1 << 20) + "\n" + BASE)
    holds_words(own.cli("submit", "long.yaml").err, ["long.yaml", "1 MB"], "a long file")


def running_words_that_are_no_text(own):
    """The shell hands on any bytes; jobs, names and reasons are text."""
    word = os.fsdecode(b"caf\xe9.txt")
    newest = newest_job(own)
    for words in (("run", "--", "cat", word), ("run", "--name", "sim", "--", "cat", word),
                  ("cancel", "1", "--reason", word),
                  ("run", "--env", f"A={word}", "--", "true"), ("drain", word, "--reason", "x"),
                  ("update", "1", "--name", word), ("submit", word)):
        done = own.cli(*words)
        equal(done.code, 2, f"the exit code of {words[0]}")
        holds_words(done.err, ["caf?.txt", "UTF-8"], words[0])
    equal(newest_job(own), newest, "nothing was submitted")


def running_several_files_are_submitted_together_or_not_at_all(own):
    own.write("good.yaml", "name: good\nrun: true\n")
    own.write("more.yaml", "name: more\nrun: true\n")
    before = newest_job(own)
    for text, place in (("run: [true\n", "bad.yaml:"), ("run: true\ncoers: 2\n", "bad.yaml:2:1")):
        own.write("bad.yaml", text)
        done = own.cli("submit", "good.yaml", "bad.yaml")
        equal(done.code, 3, "refused")
        equal(done.out, "", "nothing was submitted")
        holds_words(done.err, [place], "the file and the place")
    equal(newest_job(own), before, "the first file was not submitted either")
    done = own.cli("submit", "-q", "good.yaml", "more.yaml", code=0)
    equal(len(done.out.split()), 2, "both")


def running_what_the_cluster_refuses_names_the_file(own):
    own.write("b07.yaml", "name: b07\ncores: 100000\nrun: true\n")
    for verb in ("submit", "plan"):
        done = own.cli(verb, "b07.yaml")
        equal(done.code, 3, verb)
        expect(done.err.startswith('busbar: b07.yaml: job "b07" '), "the file, the job", done.err)


def running_a_tenant_that_there_is_not_is_placed(own):
    own.write("b08.yaml", "name: b08\ntenant: defualt\nrun: true\n")
    for verb in ("submit", "plan"):
        done = own.cli(verb, "b08.yaml")
        equal(done.code, 3, verb)
        equal(done.err, 'busbar: b08.yaml:2:9: tenant: there is no tenant "defualt"; '
                        'did you mean "default"?\n', "place and remedy")


def running_several_problems_at_once(own):
    own.write("job.yaml", "name: j\ncoers: 1\nmemory: 5Q\ntime: x\nrun: true\n")
    done = own.cli("submit", "job.yaml")
    holds_words(done.err, ["job.yaml:2:1", "job.yaml:3:9", "job.yaml:4:7"], "all of them are told")


def running_impossible_has_the_nearest_request(own):
    total = own.get("/v1/status")["cores"]["total"]
    own.write("job.yaml", BASE + "cores: 9000\n")
    done = own.cli("submit", "job.yaml")
    equal(done.code, 3, "refused")
    holds_words(done.err, ["9000", f"{total:g}"], "what was asked and what there is")
    done = own.cli("plan", "job.yaml")
    equal(done.code, 3, "plan says so too")
    own.write("near.yaml", BASE + f"cores: {total:g}\n")
    own.cli("plan", "near.yaml", code=0)


def raw(own, data, address=None):
    """What the daemon answers to these bytes."""
    if address:
        connection = socket.create_connection(address, timeout=10)
    else:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(10)
        connection.connect(str(own.socket))
    answer = b""
    try:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        while len(answer) < 1 << 16:
            piece = connection.recv(65536)
            if not piece:
                break
            answer += piece
    except (ConnectionResetError, BrokenPipeError):
        pass
    finally:
        connection.close()
    return answer.decode(errors="replace")


def running_tokens_that_are_none(own):
    done = own.cli("token", "revoke", "nonsense")
    equal(done.code, 3, "no such token")
    holds_words(done.err, ["nonsense", "busbar token list"], "how to find the right one")
    done = own.cli("token", "create", "--expires=-5d")
    equal(done.code, 3, "a token of the past")
    holds_words(done.err, ["-5d", "30d", "never"], "what to write instead")


def running_malformed_http(own):
    for data in (b"nonsense\r\n\r\n", b"GET\r\n\r\n", b"\0" * 100,
                 b"GET /v1/status HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
                 b"GET / HTTP/9.9\r\n\r\n"):
        answer = raw(own, data)
        expect(answer == "" or " 4" in answer.split("\r\n")[0] or " 5" in answer.split("\r\n")[0],
               f"{data[:30]!r} is refused", answer)
    raw(own, b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    raw(own, b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n")
    equal(own.get("/healthz")["status"], "ok", "it still answers")


def running_wrong_requests(own):
    table = [("GET", "/v1/nothing", None, 404), ("DELETE", "/v1/jobs", None, 405),
             ("POST", "/v1/jobs?directory=/", "name: [", 400),
             ("GET", "/v1/jobs?limit=0", None, 400), ("GET", "/v1/jobs/17", None, 404),
             ("POST", "/v1/reservations", "{", 400),
             ("POST", "/v1/reservations", '{"name":1}', 400),
             ("POST", "/v1/jobs?directory=/", "x" * (1 << 21), 413)]
    for method, path, body, wanted in table:
        kind = "application/yaml" if "jobs" in path else "application/json"
        status, _, text = own.request(method, path, body, {"Content-Type": kind} if body else {})
        equal(status, wanted, f"{method} {path} ({text[:200]})")
        holds_words(text, ['"error"', '"message"'], f"the body of {method} {path}")


def running_host_of_another_site(own):
    status, _, _ = own.request("POST", "/v1/jobs?directory=/", BASE, {
        "Origin": "http://evil.example", "Content-Type": "application/yaml"})
    equal(status, 403, "a page of another site")


def running_second_daemon(own):
    done = start_and_fail(own)
    equal(done.returncode, 1, f"the exit code ({done.stderr})")
    holds_words(done.stderr, [str(own.state), str(own.process.pid)],
                "the folder and the process that has it")
    equal(own.get("/healthz")["status"], "ok", "the first one goes on")


def running_socket_in_use(own):
    other = Daemon(f"listen: {{socket: {own.socket}}}\n")
    try:
        done = start_and_fail(other)
        equal(done.returncode, 1, f"the exit code ({done.stderr})")
        holds_words(done.stderr, [str(own.socket)], "the error")
        equal(own.get("/healthz")["status"], "ok", "the first one goes on")
    finally:
        other.close()


def running_up_twice(own):
    holds_words(own.cli("up", code=0).err, ["already"], "up of a daemon that runs")
    own.cli("up", "--state", own.state, "--config", own.config, code=0)
    other = own.write("other.yaml", "archive: true")
    for options in (["--simulate", "4:A100"], ["--config", other]):
        done = own.cli("up", *options)
        equal(done.code, 3, f"{options}: a daemon runs, and otherwise ({done.text})")
        holds_words(done.err, ["already", options[0], "no effect", "busbar down"], "what to do")
    equal(own.get("/healthz")["status"], "ok", "the daemon goes on")


# --- doors and surroundings


def alone_port_in_use():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        own = Daemon()
        try:
            done = start_and_fail(own, "--tcp", f"127.0.0.1:{port}")
            equal(done.returncode, 1, f"the exit code ({done.stderr})")
            holds_words(done.stderr, [str(port), "in use"], "the error")
        finally:
            own.close()


def alone_token_and_host_on_tcp():
    port = free_port()
    with daemon(f"listen: {{tcp: '127.0.0.1:{port}'}}\n") as own:
        tokens = [path for path in (own.state / "tokens").rglob("*") if path.is_file()]
        equal(len(tokens), 1, "one token file")
        equal(tokens[0].stat().st_mode & 0o777, 0o600, "only its owner may read it")
        token = tokens[0].read_text().strip()

        def ask(host, bearer):
            head = f"GET /v1/status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n"
            if bearer:
                head += f"Authorization: Bearer {bearer}\r\n"
            answer = raw(own, (head + "\r\n").encode(), ("127.0.0.1", port))
            return int(answer.split()[1]), answer

        table = [(f"localhost:{port}", token, 200), (f"127.0.0.1:{port}", token, 200),
                 (f"localhost:{port}", "", 401), (f"localhost:{port}", token[:-1] + "x", 401),
                 ("evil.example", token, 403), ("evil.example", "", 403)]
        for host, bearer, wanted in table:
            status, answer = ask(host, bearer)
            equal(status, wanted, f"Host {host}, token {bearer[:4]} ({answer[-300:]})")
        url = {"BUSBAR_URL": f"http://127.0.0.1:{port}"}
        done = own.cli("ps", environment=url)
        equal(done.code, 3, f"without a token ({done.text})")
        holds_words(done.err, ["token", "--token-file"], "the remedy")
        wrong = own.write("wrong", token[:-1] + ("1" if token[-1] == "0" else "0"))
        done = own.cli("ps", environment=dict(url, BUSBAR_TOKEN_FILE=str(wrong)))
        equal(done.code, 3, f"with a wrong token ({done.text})")
        holds_words(done.err, ["not accept", str(wrong), "--token-file", "BUSBAR_TOKEN_FILE"],
                    "which token, and the remedy")
        own.cli("ps", environment=dict(url, BUSBAR_TOKEN_FILE=str(tokens[0])), code=0)


def alone_no_daemon():
    own = Daemon()
    try:
        done = own.cli("ps")
        equal(done.code, 4, "the exit code")
        holds_words(done.err, [str(own.socket), "busbar up"], "place and remedy")
        equal(own.cli("run", "--", "true").code, 125, "run says that Busbar failed")
        equal(own.cli("wait", 1).code, 125, "wait too")
        equal(own.cli("down", code=0).code, 0, "down has nothing to do")
        done = own.cli("ps", environment={"BUSBAR_URL": "http://127.0.0.1:1"})
        equal(done.code, 4, "nothing at that address")
    finally:
        own.close()


def alone_read_only_state():
    own = Daemon()
    try:
        prefix = []
        if os.geteuid() == 0:
            if not shutil.which("setpriv"):
                skip("setpriv is not installed")
            nobody = pwd.getpwnam("nobody")
            prefix = words_as(nobody)
            os.chown(own.state, nobody.pw_uid, nobody.pw_gid)
            if subprocess.run([*prefix, str(BIN / "busbard"), "--version"], check=False,
                              capture_output=True).returncode:
                skip(f"nobody cannot run {BIN / 'busbard'}")
        own.state.chmod(0o500)
        done = start_and_fail(own, prefix=prefix)
        expect(done.returncode in (1, 2), f"the exit code is {done.returncode}", done.stderr)
        holds_words(done.stderr, [str(own.state)], "the error names the folder")
        expect(any(word in done.stderr.lower() for word in ("permission", "read-only", "writ")),
               "and says what is wrong with it", done.stderr)
    finally:
        own.state.chmod(0o700)
        own.close()


def alone_state_is_a_file():
    own = Daemon()
    try:
        own.state.rmdir()
        own.state.write_text("")
        done = start_and_fail(own)
        expect(done.returncode in (1, 2), f"the exit code is {done.returncode}")
        holds_words(done.stderr, [str(own.state)], "the error names it")
    finally:
        own.close()


def alone_up_where_no_state_can_be():
    own = Daemon()
    try:
        file = own.write("file", "")
        table = [(file, "is no folder"), (file / "x", "Not a directory"),
                 ("/proc/busbar", "cannot be made")]
        for state, words in table:
            done = own.cli("up", "--state", state, environment={"BUSBAR_STATE": ""})
            equal(done.code, 3, f"{state} ({done.text})")
            holds_words(done.err, [str(state), words, "--state"], "place, reason and remedy")
    finally:
        own.close()


def alone_read_only_file_system():
    own = Daemon()
    try:
        sealed = own.work / "sealed"
        sealed.mkdir(mode=0o755)
        mount = ["unshare", "--map-root-user", "--mount", "sh", "-c",
                 'mount -t tmpfs -o ro,mode=755 none "$0" && exec "$@"', str(sealed)]
        if not shutil.which("unshare") or subprocess.run([*mount, "true"], check=False,
                                                         capture_output=True).returncode:
            skip("nothing can be mounted here")
        for program, prefix in (("busbard", "cannot be written"), ("busbar up", "cannot be")):
            for state in (sealed, sealed / "x"):
                words = program.split()
                done = subprocess.run(
                    [*mount, str(BIN / words[0]), *words[1:], "--state", str(state)], text=True,
                    capture_output=True, check=False, stdin=subprocess.DEVNULL, cwd="/",
                    env=dict(own.environment, BUSBAR_STATE=""), timeout=PATIENCE_S)
                expect(done.returncode in (1, 3), f"{words} exited {done.returncode}", done.stderr)
                holds_words(done.stderr, [str(state), "read-only file system", "name another"],
                            f"{program} {state}")
                expect("chmod" not in done.stderr, "no mode helps there", done.stderr)
    finally:
        own.close()


def alone_damaged_journal():
    own = Daemon()
    try:
        (own.state / "journal.db").write_bytes(b"this is no database, but long enough" * 100)
        done = start_and_fail(own)
        equal(done.returncode, 1, f"the exit code ({done.stderr})")
        holds_words(done.stderr, ["journal.db"], "the error names the file")
        expect(len(done.stderr.strip().splitlines()[-1]) > 40, "and is a sentence", done.stderr)
    finally:
        own.close()


def alone_missing_configuration():
    own = Daemon()
    try:
        own.config.unlink()
        done = start_and_fail(own)
        equal(done.returncode, 2, f"the exit code ({done.stderr})")
        holds_words(done.stderr, [str(own.config)], "the error names it")
        done = subprocess.run([BIN / "busbard", "--simulate", "many:H100"], text=True, check=False,
                              capture_output=True, env=own.environment)
        equal(done.returncode, 2, "a wrong option")
        holds_words(done.stderr, ["many:H100", "8:H100", "1024"], "what was wrong, what is right")
        done = subprocess.run([BIN / "busbard", "--no-such"], text=True, check=False,
                              capture_output=True, env=own.environment)
        equal(done.returncode, 2, "an unknown option")
    finally:
        own.close()


def alone_up_shows_why():
    own = Daemon("lisen: {}\n")
    try:
        done = own.cli("up", "--config", own.config)
        equal(done.code, 3, f"the exit code ({done.text})")
        holds_words(done.err, ["lisen", "listen"], "the reason is shown")
    finally:
        own.close()


def main():
    module = sys.modules[__name__]
    runner = Runner()
    with daemon(CONFIG) as own:
        cases = [job_case(*row) for row in JOB_FILES + IMPOSSIBLE]
        runner.in_turn(cases + cases_of(module, "running_"), own)
        if runner.failed:
            print_log(own)
    runner.in_turn([config_case(*row) for row in CONFIGS] + cases_of(module, "alone_"))
    return runner.finish()


if __name__ == "__main__":
    sys.exit(main())
