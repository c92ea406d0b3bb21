"""docs/openapi.json describes what a real server answers.

Usage: openapi_test.py API_EXAMPLE_SERVER SOURCE_ROOT

Every operation is called over the server's Unix socket, some of them wrongly too; each answer's
status must be one the document names, and its body must validate against the schema given there.
"""

import http.client
import json
import pathlib
import socket
import subprocess
import sys
import tempfile
import time

try:
    import jsonschema
except ImportError:
    print("skipped: python3-jsonschema is not installed")
    sys.exit(0)

JOB = "name: hello\nrun: echo hello\ndirectory: /tmp\n"

# (method, path pattern, real path, body, expected status). DONE keeps what was covered.
CALLS = [
    ("get", "/healthz", "/healthz", None, 200),
    ("get", "/metrics", "/metrics", None, 200),
    ("get", "/v1/openapi.json", "/v1/openapi.json", None, 200),
    ("get", "/v1/status", "/v1/status", None, 200),
    ("get", "/v1/config", "/v1/config", None, 200),
    ("post", "/v1/config/reload", "/v1/config/reload", None, 200),
    ("get", "/v1/adopt", "/v1/adopt", None, 200),
    ("post", "/v1/adopt", "/v1/adopt", '{"leftovers": "keep"}', 409),
    ("post", "/v1/clock/accept", "/v1/clock/accept", None, 409),
    ("post", "/v1/clock/ignore", "/v1/clock/ignore", None, 409),
    ("get", "/v1/jobs", "/v1/jobs?state=all", None, 200),
    ("get", "/v1/jobs", "/v1/jobs?limit=1", None, 200),
    ("get", "/v1/jobs", "/v1/jobs?state=nonsense", None, 400),
    ("get", "/v1/jobs/{ref}", "/v1/jobs/1", None, 200),
    ("get", "/v1/jobs/{ref}", "/v1/jobs/sweep", None, 200),
    ("get", "/v1/jobs/{ref}", "/v1/jobs/3", None, 200),
    ("get", "/v1/jobs/{ref}", "/v1/jobs/4", None, 200),
    ("get", "/v1/jobs/{ref}", "/v1/jobs/99", None, 404),
    ("get", "/v1/jobs/{ref}/units", "/v1/jobs/2/units", None, 200),
    ("get", "/v1/jobs/{ref}/units", "/v1/jobs/1/units?state=live", None, 200),
    ("get", "/v1/jobs/{ref}/explain", "/v1/jobs/3/explain", None, 200),
    ("get", "/v1/jobs/{ref}/explain", "/v1/jobs/1/explain", None, 200),
    ("get", "/v1/jobs/{ref}/wait", "/v1/jobs/1/wait?timeout=0", None, 200),
    ("get", "/v1/jobs/{ref}/wait", "/v1/jobs/4/wait", None, 200),
    ("get", "/v1/units/{ref}", "/v1/units/1", None, 200),
    ("get", "/v1/units/{ref}", "/v1/units/2_1", None, 200),
    ("get", "/v1/units/{ref}", "/v1/units/2_51", None, 200),
    ("get", "/v1/units/{ref}", "/v1/units/2", None, 400),
    ("get", "/v1/units/{ref}/log", "/v1/units/3/log", None, 200),
    ("get", "/v1/nodes", "/v1/nodes", None, 200),
    ("get", "/v1/nodes/{name}", "/v1/nodes/n1", None, 200),
    ("get", "/v1/nodes/{name}", "/v1/nodes/n9", None, 404),
    ("get", "/v1/reservations", "/v1/reservations", None, 200),
    ("get", "/v1/tenants", "/v1/tenants", None, 200),
    ("get", "/v1/history", "/v1/history", None, 200),
    ("post", "/v1/plan", "/v1/plan?file=a.yaml", JOB, 200),
    ("post", "/v1/plan", "/v1/plan", JOB + "cores: 999\n", 422),
    ("post", "/v1/jobs", "/v1/jobs?file=a.yaml", JOB, 201),
    ("post", "/v1/jobs", "/v1/jobs", "nam: x\n", 400),
    ("post", "/v1/jobs", "/v1/jobs", "x" * 2000000, 413),
    ("patch", "/v1/jobs/{ref}", "/v1/jobs/last", '{"priority": 3, "time_limit": "1h"}', 200),
    ("patch", "/v1/jobs/{ref}", "/v1/jobs/last", "{}", 400),
    ("post", "/v1/jobs/{ref}/hold", "/v1/jobs/last/hold", None, 200),
    ("post", "/v1/jobs/{ref}/release", "/v1/jobs/last/release", None, 200),
    ("post", "/v1/jobs/{ref}/cancel", "/v1/jobs/2_[1-5]/cancel", '{"reason": "enough"}', 200),
    ("post", "/v1/jobs/{ref}/requeue", "/v1/jobs/2_2/requeue", None, 200),
    ("post", "/v1/nodes/{name}/drain", "/v1/nodes/n1/drain", '{"reason": "disk"}', 200),
    ("post", "/v1/nodes/{name}/resume", "/v1/nodes/n1/resume", None, 200),
    ("post", "/v1/nodes/{name}/fence", "/v1/nodes/n2/fence", None, 200),
    ("post", "/v1/reservations", "/v1/reservations",
     '{"name": "r", "nodes": ["n1"], "start": "+1h", "duration": "1h"}', 201),
    ("post", "/v1/reservations", "/v1/reservations", '{"name": "r"}', 400),
    ("delete", "/v1/reservations/{name}", "/v1/reservations/r", None, 200),
    ("delete", "/v1/reservations/{name}", "/v1/reservations/none", None, 404),
    ("get", "/v1/jobs", "/v1/jobs?stat=all", None, 400),
    ("post", "/v1/jobs/{ref}/cancel", "/v1/jobs/4/cancel", None, 200),
    ("get", "/v1/jobs/{ref}", "/v1/jobs/5", None, 200),
    ("post", "/v1/attempts/{name}/progress", "/v1/attempts/bb-abc123-5-0x0-1/progress",
     '{"done": 5, "total": 20}', 202),
    ("get", "/v1/jobs/{ref}", "/v1/jobs/5", None, 200),
    ("post", "/v1/attempts/{name}/progress", "/v1/attempts/bb-abc123-5-0x0-1/progress",
     '{"done": -5}', 400),
    ("post", "/v1/attempts/{name}/progress", "/v1/attempts/bb-abc123-5-0x0-9/progress",
     '{"done": 5}', 404),
    ("get", "/v1/tokens", "/v1/tokens", None, 200),
    ("post", "/v1/tokens", "/v1/tokens", '{"expires": "+30d", "read_only": true}', 201),
    ("post", "/v1/tokens", "/v1/tokens", '{"expires": "yesterday"}', 400),
    ("post", "/v1/tokens", "/v1/tokens", None, 201),
    ("delete", "/v1/tokens/{id}", "/v1/tokens/a1b2c3d4", None, 200),
    ("delete", "/v1/tokens/{id}", "/v1/tokens/a1b2c3d4", None, 404),
]


class SocketConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.socket_path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(20)
        self.sock.connect(self.socket_path)


class Checker:
    def __init__(self, document, path):
        self.document = document
        self.path = path
        self.problems = []
        self.checked = 0
        self.covered = set()

    def validate(self, schema, value, what):
        whole = dict(schema, components=self.document["components"])
        self.checked += 1
        for error in jsonschema.Draft202012Validator(whole).iter_errors(value):
            place = "/".join(str(part) for part in error.absolute_path)
            self.problems.append(f"{what}: {place}: {error.message[:300]}")

    def call(self, method, pattern, target, body, expected):
        what = f"{method.upper()} {target}"
        self.covered.add((method, pattern))
        connection = SocketConnection(self.path)
        connection.request(method.upper(), target, body)
        answer = connection.getresponse()
        text = answer.read()
        connection.close()
        if answer.status != expected:
            self.problems.append(f"{what}: answered {answer.status} instead of {expected}: "
                                 f"{text[:300]}")
            return
        responses = self.document["paths"][pattern][method]["responses"]
        if str(answer.status) not in responses:
            self.problems.append(f"{what}: the document does not name {answer.status}")
            return
        described = responses[str(answer.status)]
        for name, header in described.get("headers", {}).items():
            if answer.headers.get(name) is None and header.get("required", True):
                self.problems.append(f"{what}: the header {name} is missing")
        media = answer.headers["Content-Type"].split(";")[0]
        if media not in described.get("content", {}):
            self.problems.append(f"{what}: the document does not name {media}")
        elif media == "application/json":
            self.validate(described["content"][media]["schema"], json.loads(text), what)

    def stream(self):
        self.covered.add(("get", "/v1/events"))
        connection = SocketConnection(self.path)
        connection.request("GET", "/v1/events?since=0")
        answer = connection.getresponse()
        assert answer.headers["Content-Type"] == "text/event-stream"
        kinds = set()
        while "job_retired" not in kinds:
            line = answer.readline().decode()
            if line.startswith("data: "):
                event = json.loads(line[6:])
                kinds.add(event["kind"])
                self.validate({"$ref": "#/components/schemas/StreamEvent"}, event, "event")
        connection.close()


def main():
    server, root = sys.argv[1], pathlib.Path(sys.argv[2])
    document = json.loads((root / "docs/openapi.json").read_text())
    for name, schema in document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        process = subprocess.Popen([server, folder], stdin=subprocess.PIPE)
        path = f"{folder}/socket"
        for _ in range(400):
            if pathlib.Path(path).exists() or process.poll() is not None:
                break
            time.sleep(0.05)
        checker = Checker(document, path)
        checker.stream()
        for call in CALLS:
            checker.call(*call)
        process.stdin.close()
        code = process.wait(timeout=20)
    operations = {(method, path) for path, methods in document["paths"].items()
                  for method in methods}
    for missed in sorted(operations - checker.covered):
        checker.problems.append(f"{missed}: this test does not call it")
    for problem in checker.problems:
        print(problem)
    if code != 0:
        print(f"the server ended with {code}")
    print(f"{checker.checked} bodies checked, {len(checker.problems)} problems")
    return 1 if checker.problems or code != 0 else 0


if __name__ == "__main__":
    sys.exit(main())
