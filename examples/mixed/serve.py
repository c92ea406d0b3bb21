"""Answers over HTTP which digit an image shows, with the model that train.py made.

    BUSBAR_PORT_0=8080 python3 serve.py --model out/model.pt

    GET  /healthz    200 {"status": "ready"} when the model is loaded, 503 before
    POST /predict    {"image": [64 numbers, 0..16]}  ->  {"digit": 0..9, "certainty": 0..1}

Listens on 127.0.0.1 at once and loads the model behind it. On SIGTERM it takes no new connection,
ends the answers at hand, and exits with 0. Exit code 1: the model or the port cannot be used; 2: a
wrong argument.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_BYTES_MAX = 16384
PIXELS = 64
IDLE_SECONDS_MAX = 30
DRAIN_SECONDS_MAX = 5


def say(words):
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


class Model:
    """The loaded net; `ready` is set once it can answer."""

    def __init__(self, path):
        self.path = path
        self.ready = threading.Event()
        self.failure = None
        self.lock = threading.Lock()

    def load(self):
        """Imports torch (the slow part of the start) and loads the net."""
        try:
            import torch
            from net import make_net, scores_of

            torch.set_num_threads(1)
            self.torch, self.scores_of, self.net = torch, scores_of, make_net()
            self.net.load_state_dict(torch.load(self.path))
            self.net.eval()
            self.predict([0.0] * PIXELS)
            self.ready.set()
            say(f"ready: model {self.path} is loaded")
        except Exception as error:  # whatever the file holds, the service ends with a sentence
            self.failure = f"model {self.path} cannot be used: {error}"
            say(self.failure)
            os.kill(os.getpid(), signal.SIGTERM)

    def predict(self, image):
        """The most likely digit of 64 pixels, and its probability."""
        with self.lock, self.torch.no_grad():
            scores = self.scores_of(self.net, self.torch.tensor([image], dtype=self.torch.float32))
            certainty, digit = self.torch.softmax(scores, 1).max(1)
            return int(digit), float(certainty)


def image_of(body):
    """The image in a request's body; ValueError tells the user what is wrong with it."""
    try:
        image = json.loads(body)["image"]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ValueError('the body must be JSON like {"image": [64 numbers]}') from None
    if not isinstance(image, list) or len(image) != PIXELS:
        raise ValueError(f'"image" must be a list of {PIXELS} numbers')
    if not all(type(p) in (int, float) and 0 <= p <= 16 for p in image):
        raise ValueError('every pixel of "image" must be a number from 0 to 16')
    return [float(p) for p in image]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS_MAX
    wbufsize = 65536  # head and body leave in one packet
    disable_nagle_algorithm = True

    def answer(self, status, content):
        body = json.dumps(content).encode("ascii") + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        if status >= 400 or self.server.stopping:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        with self.server.at_work():
            if self.path != "/healthz":
                self.answer(404, {"error": "use GET /healthz or POST /predict"})
            elif not self.server.model.ready.is_set():
                self.answer(503, {"status": "loading"})
            else:
                self.answer(200, {"status": "ready"})

    def do_POST(self):
        with self.server.at_work():
            self.predict()

    def predict(self):
        length = self.headers.get("Content-Length", "")
        if self.path != "/predict":
            self.answer(404, {"error": "use GET /healthz or POST /predict"})
        elif not (length.isascii() and length.isdigit()):
            self.answer(411, {"error": "Content-Length is missing or not a number"})
        elif int(length[:9]) > BODY_BYTES_MAX or len(length) > 9:
            self.answer(413, {"error": f"the body may have {BODY_BYTES_MAX} bytes at most"})
        elif not self.server.model.ready.is_set():
            self.answer(503, {"error": "the model is still loading"})
        else:
            try:
                digit, certainty = self.server.model.predict(image_of(self.rfile.read(int(length))))
                self.server.answered += 1
                self.answer(200, {"digit": digit, "certainty": round(certainty, 4)})
            except ValueError as error:
                self.answer(400, {"error": str(error)})

    def log_message(self, *_):
        """Requests are counted, not logged one by one."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, address, model):
        super().__init__(address, Handler)
        self.model = model
        self.stopping = False
        self.answered = 0
        self.working = 0
        self.idle = threading.Condition()

    @contextlib.contextmanager
    def at_work(self):
        """Counts an answer as being at hand, so that `drain` waits for it."""
        with self.idle:
            self.working += 1
        try:
            yield
        finally:
            with self.idle:
                self.working -= 1
                self.idle.notify_all()

    def drain(self):
        """Waits until no answer is at hand; False if that took too long."""
        with self.idle:
            return self.idle.wait_for(lambda: self.working == 0, DRAIN_SECONDS_MAX)


def main():
    parser = argparse.ArgumentParser(description="Serve the digit model over HTTP.")
    parser.add_argument("--model", default="out/model.pt", help="model of train.py (out/model.pt)")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument("--port", default=os.environ.get("BUSBAR_PORT_0", "8080"),
                        help="port to listen on (BUSBAR_PORT_0, otherwise 8080)")
    options = parser.parse_args()
    if not options.port.isdecimal() or not 0 < int(options.port[:6]) < 65536:
        parser.error(f"the port is '{options.port}'; it must be a number from 1 to 65535")

    model = Model(options.model)
    try:
        server = Server((options.host, int(options.port)), model)
    except OSError as error:
        say(f"cannot listen on {options.host}:{options.port}: {error}")
        return 1

    def stop(_signal, _frame):
        server.stopping = True
        threading.Thread(target=server.shutdown, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    say(f"listening on {options.host}:{options.port}, loading {options.model}")
    threading.Thread(target=model.load, daemon=True).start()
    server.serve_forever(poll_interval=0.1)
    server.server_close()
    finished = server.drain()
    say(f"stopped after {server.answered} answers" + ("" if finished else ", one was cut off"))
    sys.stdout.flush()
    os._exit(1 if model.failure else 0)  # a thread may still be inside torch's import


if __name__ == "__main__":
    sys.exit(main())
