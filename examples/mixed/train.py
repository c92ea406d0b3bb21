"""Trains a small network on handwritten digits, and loses at most one epoch when it is killed.

    BUSBAR_CHECKPOINT_DIR=out/ckpt python3 train.py --epochs 20 --model out/model.pt

After each epoch a checkpoint is written to a temporary file, flushed to disk, then renamed: it is
whole or absent. A new start takes the newest checkpoint whose digest is right and goes
on from there; the result is the same, bit for bit, as that of a run that was never stopped. On
SIGTERM the step at hand is finished, a checkpoint is written and the program ends by that signal.

Exit code 0: trained; 1: accuracy not above --accept; 2: a wrong argument. One thread, CPU only.
"""

import argparse
import hashlib
import io
import json
import os
import signal
import sys
import time

import torch

from digits import load_split
from net import accuracy_of, make_net, scores_of

BATCH = 32
RATE = 2e-3  # learning rate of the first epoch; it falls linearly towards zero
KEPT_CHECKPOINTS = 2

stop_requested = False


def say(words):
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def write_atomically(path, payload):
    """Writes bytes so that `path` holds its old content or all of the new, even after a crash."""
    part = f"{path}.part"
    with open(part, "wb") as stream:
        stream.write(payload)
        stream.flush()
        os.fsync(stream.fileno())
    os.replace(part, path)
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def checkpoint_names(folder):
    """Checkpoints in the folder, newest first."""
    names = (n for n in os.listdir(folder) if n.startswith("step-") and n.endswith(".ckpt"))
    return sorted(names, reverse=True)


def save_checkpoint(folder, state):
    """A checkpoint file is the SHA-256 of its content in hexadecimal, a newline, the content."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    content = buffer.getvalue()
    name = f"step-{state['epoch']:05d}-{state['batch']:05d}.ckpt"
    digest = hashlib.sha256(content).hexdigest().encode("ascii")
    write_atomically(os.path.join(folder, name), digest + b"\n" + content)
    for old in checkpoint_names(folder)[KEPT_CHECKPOINTS:]:
        os.unlink(os.path.join(folder, old))
    return name


def load_checkpoint(folder):
    """The newest valid checkpoint as (name, state), or None; damaged ones are named and skipped."""
    for name in checkpoint_names(folder):
        try:
            with open(os.path.join(folder, name), "rb") as stream:
                digest, _, content = stream.read().partition(b"\n")
            if digest.decode("ascii", "replace") != hashlib.sha256(content).hexdigest():
                raise ValueError("its digest is wrong")
            return name, torch.load(io.BytesIO(content))
        except (OSError, ValueError, RuntimeError) as error:
            say(f"checkpoint {name} is skipped: {error}")
    return None


def shifted(images, generator):
    """Each image moved by -1, 0 or 1 pixel in each direction, so that the net learns shapes."""
    windows = torch.nn.functional.pad(images.view(-1, 8, 8), (1, 1, 1, 1)).unfold(1, 8, 1)
    windows = windows.unfold(2, 8, 1)  # (image, shift down, shift right, 8, 8)
    down, right = torch.randint(0, 3, (2, len(images)), generator=generator)
    return windows[torch.arange(len(images)), down, right].reshape(-1, 64)


def train(net, optimizer, start, options):
    """Runs from `start` (epoch, batch) to the end: True; on SIGTERM it saves and returns False."""
    images, labels, test_images, test_labels = map(torch.from_numpy, load_split())
    epoch, first_batch, resumes = start["epoch"], start["batch"], start["resumes"]

    def save(next_epoch, next_batch):
        return save_checkpoint(options.checkpoints, {
            "epoch": next_epoch, "batch": next_batch, "resumes": resumes, "seed": options.seed,
            "net": net.state_dict(), "optimizer": optimizer.state_dict()})

    loss_of = torch.nn.CrossEntropyLoss()
    batches = (len(labels) + BATCH - 1) // BATCH
    for epoch in range(epoch, options.epochs):
        # What is random depends on (seed, epoch, batch) alone, so a resumed run sees the same.
        order = torch.randperm(len(labels), generator=seeded(options.seed, epoch, batches))
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - epoch / options.epochs)
        net.train()
        for batch in range(first_batch, batches):
            if stop_requested:
                say(f"SIGTERM: stopped in epoch {epoch + 1}, wrote {save(epoch, batch)}")
                return False
            picked = order[batch * BATCH:(batch + 1) * BATCH]
            moved = shifted(images[picked], seeded(options.seed, epoch, batch))
            loss = loss_of(scores_of(net, moved), labels[picked])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        first_batch = 0
        accuracy = accuracy_of(net, test_images, test_labels)
        name = save(epoch + 1, 0)
        say(f"epoch {epoch + 1} of {options.epochs}: loss {loss.item():.4f}, "
            f"test accuracy {accuracy:.4f}, wrote {name}")
        wake = time.monotonic() + options.pause
        while time.monotonic() < wake and not stop_requested:
            time.sleep(0.05)
    return True


def seeded(seed, epoch, batch):
    return torch.Generator().manual_seed((seed * 100003 + epoch) * 100003 + batch)


def parse_arguments():
    parser = argparse.ArgumentParser(description="Train a small network on handwritten digits.")
    parser.add_argument("--epochs", type=int, default=20, help="passes over the data (20)")
    parser.add_argument("--pause", type=float, default=0.0,
                        help="seconds to sleep after each epoch, to have time to watch (0)")
    parser.add_argument("--seed", type=int, default=1, help="same seed, same model (1)")
    parser.add_argument("--checkpoints", default="out/ckpt",
                        help="folder used when BUSBAR_CHECKPOINT_DIR is not set (out/ckpt)")
    parser.add_argument("--model", default="out/model.pt", help="model to write (out/model.pt)")
    parser.add_argument("--metrics", default="out/metrics.json",
                        help="results to write (out/metrics.json)")
    parser.add_argument("--accept", type=float, default=0.95,
                        help="test accuracy the model must exceed (0.95)")
    options = parser.parse_args()
    if options.epochs < 1 or options.pause < 0 or not 0 <= options.seed < 10**6:
        parser.error("--epochs must be 1 or more, --pause 0 or more, --seed 0 to 999999")
    options.checkpoints = os.environ.get("BUSBAR_CHECKPOINT_DIR") or options.checkpoints
    return options


def on_sigterm(_signal, _frame):
    global stop_requested
    stop_requested = True


def main():
    options = parse_arguments()
    signal.signal(signal.SIGTERM, on_sigterm)
    began = time.monotonic()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    torch.use_deterministic_algorithms(True)
    os.makedirs(options.checkpoints, exist_ok=True)
    for name in os.listdir(options.checkpoints):
        if name.endswith(".ckpt.part"):  # left by a run that was killed while it wrote
            os.unlink(os.path.join(options.checkpoints, name))

    net = make_net()
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    start = {"epoch": 0, "batch": 0, "resumes": []}
    found = load_checkpoint(options.checkpoints)
    if found and found[1]["seed"] == options.seed:
        name, start = found
        net.load_state_dict(start["net"])
        optimizer.load_state_dict(start["optimizer"])
        start["resumes"] = start["resumes"] + [start["epoch"]]
        say(f"resumed from epoch {start['epoch']} ({name})")
    else:
        say(f"started from the beginning, checkpoints in {options.checkpoints}")

    if not train(net, optimizer, start, options):
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGTERM)

    _, _, test_images, test_labels = map(torch.from_numpy, load_split())
    accuracy = accuracy_of(net, test_images, test_labels)
    buffer = io.BytesIO()
    torch.save(net.state_dict(), buffer)
    write_atomically(options.model, buffer.getvalue())
    metrics = {"test_accuracy": round(accuracy, 4), "epochs": options.epochs,
               "resumed_from_epochs": start["resumes"],
               "seconds_of_last_start": round(time.monotonic() - began, 1)}
    write_atomically(options.metrics, (json.dumps(metrics) + "\n").encode("ascii"))
    say(f"done: test accuracy {accuracy:.4f}, model in {options.model}")
    return 0 if accuracy > options.accept else 1


if __name__ == "__main__":
    sys.exit(main())
