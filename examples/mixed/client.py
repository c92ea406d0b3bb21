"""Sends test digits to the service and says how many it names correctly, and how fast.

    BUSBAR_SERVE_ADDRESS=127.0.0.1:8080 python3 client.py --count 200

The digits are from the test split: the training never saw them. Exit code 0: accuracy is at least
--accept; 1: it is below, or the service failed; 2: a wrong argument or no address.
"""

import argparse
import http.client
import json
import os
import sys
import time

from digits import TEST_IMAGES, load_split

TIMEOUT_SECONDS = 10


def ask(connection, image):
    """The digit that the service sees in an image; OSError or ValueError when it gives none."""
    connection.request("POST", "/predict", json.dumps({"image": [float(p) for p in image]}),
                       {"Content-Type": "application/json"})
    response = connection.getresponse()
    body = response.read(4096)
    if response.status != 200:
        raise ValueError(f"status {response.status}: {body.decode('utf-8', 'replace').strip()}")
    return json.loads(body)["digit"]


def main():
    parser = argparse.ArgumentParser(description="Check the digit service with test digits.")
    parser.add_argument("--address", default=os.environ.get("BUSBAR_SERVE_ADDRESS", ""),
                        help="host:port of the service (BUSBAR_SERVE_ADDRESS)")
    parser.add_argument("--count", type=int, default=200, help="digits to send (200)")
    parser.add_argument("--accept", type=float, default=0.95, help="least accuracy (0.95)")
    options = parser.parse_args()
    host, _, port = options.address.rpartition(":")
    if not host or not port.isdecimal():
        parser.error(f"the address is '{options.address}'; give host:port by BUSBAR_SERVE_ADDRESS "
                     "or --address")
    if not 1 <= options.count <= TEST_IMAGES:
        parser.error(f"--count is {options.count}; it must be between 1 and {TEST_IMAGES}")

    _, _, images, labels = load_split()
    connection = http.client.HTTPConnection(host.strip("[]"), int(port), timeout=TIMEOUT_SECONDS)
    hits, latencies_ms = 0, []
    try:
        for image, label in zip(images[:options.count], labels[:options.count]):
            began = time.perf_counter()
            digit = ask(connection, image)
            latencies_ms.append((time.perf_counter() - began) * 1000)
            hits += digit == label
    except (OSError, http.client.HTTPException, ValueError, KeyError) as error:
        print(f"the service at {options.address} failed after {len(latencies_ms)} answers: {error}")
        return 1
    finally:
        connection.close()

    latencies_ms.sort()
    accuracy = hits / options.count
    middle, high = (latencies_ms[int((len(latencies_ms) - 1) * q)] for q in (0.5, 0.95))
    print(f"{hits} of {options.count} digits correct, accuracy {accuracy:.4f}; "
          f"latency {middle:.1f} ms median, {high:.1f} ms 95 %")
    if accuracy < options.accept:
        print(f"the accuracy is below {options.accept}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
