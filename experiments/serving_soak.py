r"""Holds a mixed load with storms of bad requests on the tests' server for an hour.

  python experiments/serving_soak.py --model pretrained:doodles --output soak.json --figure soak.svg

Clients over gRPC and REST draw, complete, encode, decode, score and step, one to four rows each.
Every half minute a storm of bad requests comes beside them: values that are not numbers, wrong
types, shapes and names, too many rows, bytes that are no request, connections that break off. Each
good answer is compared with the one that the same request got before the first storm. The server
is the tests' own (tests/serving/model_server.py) over TensorFlow's C++ session, not TensorFlow
Serving.
Reports the memory of the server, good requests, failures, answers that differ, and what the bad
requests got, minute by minute.

--merging merges requests as the deployed settings do. A request of a wrong type or rank then fails
those that it was merged with, as on TensorFlow Serving: docs/serving.md says what to do about it.
"""

from __future__ import annotations

import argparse
import collections
import concurrent.futures
import os
import pathlib
import random
import runpy
import socket
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np

from sketch_rnn_tf import files, progress, runs, serving
from sketch_rnn_tf.export.saved_model import exporter
from sketch_rnn_tf.quality import charts

# The tests' server as a process, and bad requests: files of the tests, which are no package.
TESTS = pathlib.Path(__file__).resolve().parents[1] / "tests" / "serving"
ServerProcess = runpy.run_path(str(TESTS / "server_process.py"))["ServerProcess"]
BAD_REQUESTS = runpy.run_path(str(TESTS / "spoilt.py"))["KINDS"]

CLOSE = 1e-2  # of one answer to the other, source units: merged requests are multiplied together
STORM_EVERY, STORM_SIZE = 30.0, 200  # seconds, bad requests
THREADS = 6
OUTCOMES = ("good", "failed", "differ")


def main() -> None:
    options = _options()
    with tempfile.TemporaryDirectory() as folder:
        run = runs.open_run(options.model)
        path = exporter.write(run, run.load_model(), pathlib.Path(folder))
        settings = path.parents[1] / "serving"
        words = ["--session_config_file", settings / "session_config.txt"]
        if options.merging:
            words += ["--batching_parameters_file", settings / "batching_parameters.txt"]
        with ServerProcess(path.parent, *words) as server:
            result = hold(server, run, options.minutes * 60, options.rate, options.seed)
    files.write_json(options.output, result)
    if options.figure:
        files.write_text(options.figure, figure(result))
    total = {key: sum(one[key] for one in result["minutes"]) for key in OUTCOMES}
    memory = [one["memory"] for one in result["minutes"]]
    print(f"{total}, bad requests: {result['bad']}")
    print(f"memory of the server {memory[0]:.0f} MiB after a minute, {memory[-1]:.0f} at the end")
    sys.exit(1 if total["failed"] or total["differ"] else 0)


def hold(server: ServerProcess, run: runs.Run, seconds: float, rate: float, seed: int) -> dict:
    """Holds the load and returns what happened, as JSON values.

    Args:
      server: the server.
      run: the run that it serves.
      seconds: how long.
      rate: good requests per second.
      seed: of the order of the requests.
    """
    clients = [serving.connect(address, retries=0) for address in server.addresses.values()]
    state = clients[0].backend.metadata()["step"]["inputs"]["state"][1][1]
    requests = good_requests(run, state)
    expected = [clients[0].backend.predict(name, **inputs) for name, inputs in requests]
    chance, counts, bad = random.Random(seed), collections.Counter(), collections.Counter()
    first, storms, minutes = dict(requests), 0, []
    lock = threading.Lock()

    def ask(number: int) -> None:
        name, inputs = requests[number % len(requests)]
        try:
            found = clients[number // len(requests) % 2].backend.predict(name, **inputs)
            outcome = "good" if same(found, expected[number % len(requests)]) else "differ"
        except (ValueError, OSError) as error:
            outcome = "failed"
            print(f"{name}: {type(error).__name__}: {error}", file=sys.stderr)
        with lock:
            counts[outcome] += 1

    def spoil(number: int) -> None:
        outcome = bad_request(number, clients, first, server.ready)
        with lock:
            bad[outcome] += 1

    def since_last() -> dict[str, float]:
        with lock:
            now = {key: counts.pop(key, 0) for key in OUTCOMES}
        return {**now, "memory": server.memory()}

    begun = time.monotonic()
    with (
        concurrent.futures.ThreadPoolExecutor(THREADS) as pool,
        concurrent.futures.ThreadPoolExecutor(THREADS) as storm,
        progress.Progress("holding the load", seconds, interval=60.0) as shown,
    ):
        for number in range(int(seconds * rate)):
            wait = begun + number / rate - time.monotonic()
            time.sleep(max(wait, 0.0))
            pool.submit(ask, chance.randrange(2 * len(requests)))
            passed = time.monotonic() - begun
            if passed > (storms + 0.5) * STORM_EVERY:
                storms += 1
                for _ in range(STORM_SIZE):
                    storm.submit(spoil, chance.randrange(1_000_000))
            if passed > 60 * (len(minutes) + 1):
                minutes.append(since_last())
            shown.update(passed - shown.n)
    return {
        "minutes": [*minutes, since_last()],
        "storms": storms,
        "bad": dict(bad),
        "rate": rate,
        "seed": seed,
    }


def good_requests(run: runs.Run, state_size: int) -> list[tuple[str, dict[str, np.ndarray]]]:
    """Returns requests of every signature, of one to four rows."""
    numbers, model = np.random.default_rng(0), run.config.model
    found = []
    for rows in (1, 2, 4):
        label = {"label": numbers.integers(0, max(len(run.config.classes), 1), rows, np.int32)}
        own = label if model.class_conditioned else {}
        draw = {
            "temperature": np.full(rows, 0.4, np.float32),
            "seed": numbers.integers(0, 1000, [rows, 2], np.int32),
            **own,
        }
        strokes = numbers.normal(0, 20, [rows, 12, 3]).astype(np.float32)
        strokes[..., 2] = strokes[..., 2] > 20
        lengths = {"lengths": np.full(rows, 12, np.int32)}
        found += [
            ("generate", draw),
            ("score", {"strokes": strokes, **lengths, **own}),
            (
                "complete",
                {"prefix": strokes[:, :5], "prefix_length": np.full(rows, 5, np.int32), **draw},
            ),
        ]
        step = {
            "stroke": strokes[:, 0],
            "state": np.zeros([rows, state_size], np.float32),
            **own,
        }
        if model.conditional:
            z = numbers.normal(size=[rows, model.z_size]).astype(np.float32)
            step["z"] = z
            found += [
                ("encode", {"strokes": strokes, **lengths, **own}),
                ("decode", {"z": z, **draw}),
                ("reconstruct", {"strokes": strokes, **lengths, **draw}),
            ]
        found.append(("step", step))
    return found


def same(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> bool:
    """Whether two answers say the same; the padding behind a drawing counts for nothing."""
    if found["error"].any() or set(found) != set(expected):
        return False
    for name, value in expected.items():
        other = found[name]
        if name == "strokes":
            longest = int(expected["lengths"].max())
            value, other = value[:, :longest], other[:, :longest]
        if value.shape != other.shape or not np.allclose(value, other, rtol=1e-3, atol=CLOSE):
            return False
    return True


def bad_request(number: int, clients, first: dict, ports: dict[str, int]) -> str:
    """Sends one bad request and returns what became of it."""
    kinds = [_spoilt, _spoilt, _spoilt, _garbage, _broken_off, _bad_json]
    return kinds[number % len(kinds)](number // len(kinds), clients, first, ports)


def _spoilt(number: int, clients, first, _) -> str:
    """A request whose values, types, shapes, names or number of rows are wrong."""
    name = list(first)[number % len(first)]
    inputs = first[name]
    key = list(inputs)[number // 7 % len(inputs)]
    kind = number // 31 % (len(BAD_REQUESTS) + 1)
    if kind < len(BAD_REQUESTS):
        inputs = list(BAD_REQUESTS.values())[kind](inputs, key)
    else:
        name = "no_such_signature"
    try:
        answer = clients[number % 2].backend.predict(name, **inputs)
        return "told in the row" if answer["error"].any() else "answered"
    except (ValueError, OSError) as error:
        return type(error).__name__


def _garbage(number: int, _, __, ports) -> str:
    """Bytes that are no request, to either port."""
    port = ports["grpc" if number % 2 else "rest"]
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(random.Random(number).randbytes(1 + number % 4000))
    except OSError as error:
        return f"bytes: {type(error).__name__}"
    return "bytes"


def _broken_off(number: int, _, __, ports) -> str:
    """A request that promises more than it sends."""
    head = b"POST /v1/models/sketch_rnn:predict HTTP/1.1\r\nContent-Length: 99999\r\n\r\n{"
    try:
        with socket.create_connection(("127.0.0.1", ports["rest"]), timeout=5) as connection:
            connection.sendall(head[: 1 + number % len(head)] if number % 2 else head)
    except OSError as error:
        return f"broken off: {type(error).__name__}"
    return "broken off"


def _bad_json(number: int, _, __, ports) -> str:
    """A body that is no JSON or not what is expected."""
    bodies = [
        b"{",
        b"[]",
        b'{"instances": 5}',
        b'{"inputs": {"seed": "x"}}',
        b"\xff",
        b"[" * 500,
    ]
    request = urllib.request.Request(
        f"http://127.0.0.1:{ports['rest']}/v1/models/sketch_rnn:predict",
        bodies[number % len(bodies)],
    )
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return f"REST {answer.status}"
    except urllib.error.HTTPError as error:
        return f"REST {error.code}"
    except OSError as error:
        return f"REST: {type(error).__name__}"


def figure(result: dict) -> str:
    """Returns the server's memory over time as SVG."""
    points = [(i + 1.0, one["memory"]) for i, one in enumerate(result["minutes"][:-1])]
    return charts.curve(points, x_title="minutes", y_title="memory of the server, MiB")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="run directory, or pretrained:NAME")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--rate", type=float, default=4, help="good requests per second")
    parser.add_argument("--merging", action="store_true", help="merge requests as deployed")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=pathlib.Path, required=True, help="JSON")
    parser.add_argument("--figure", type=pathlib.Path, help="SVG")
    return parser.parse_args()


if __name__ == "__main__":
    main()
