"""What serving costs: a point in the graph, and requests a second under load.

    python benchmarks/serving.py --model RUN [--seconds 60] [--clients 8]

The server is the tests' own over TensorFlow's C++ session, not TensorFlow Serving: it shows what
the graph costs and whether it holds, not what the real server adds or saves. A third of the load's
clients sends bad requests; the others must not notice.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "serving")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", required=True, help="run directory")
    parser.add_argument("--seconds", type=float, default=60, help="of each load")
    parser.add_argument("--clients", type=int, default=8)
    args = parser.parse_args()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = export(args.model, folder)
        print_graph_costs(path, args.model)
        print(f"\n{'load':24s}{'requests/s':>11s}{'p50 ms':>8s}{'p95 ms':>8s}{'p99 ms':>8s}"
              f"{'failed':>8s}{'bad sent':>9s}{'MiB first':>10s}{'last':>6s}")  # fmt: skip
        for batch in (0, 16):
            for signature in ("generate", "step"):
                load(path.parent, signature, batch, args)


def export(run_dir: str, folder: str) -> pathlib.Path:
    from sketch_rnn_tf import runs
    from sketch_rnn_tf.export import saved_model

    run = runs.open_run(run_dir)
    return saved_model.write(run, run.load_model(), folder)


def print_graph_costs(path: pathlib.Path, run_dir: str) -> None:
    """Times `generate` at batch 1 beside a plain tf.function loop and NumPy's products alone."""
    import cpp_session

    from sketch_rnn_tf import api

    session = cpp_session.Session(path, b"\x10\x01")  # one thread an operation
    label = {"label": np.int32([0])} if "label" in session.signatures["generate"].inputs else {}

    def generate(seed):
        inputs = {"temperature": np.float32([1.0]), "seed": np.int32([[0, seed]])}
        return int(session.run("generate", {**inputs, **label})["lengths"][0]) + 1

    sketcher = api.load_model(run_dir)
    name = sketcher.config.classes[0] if label else None
    decoder = sketcher.model.decoder
    matrices = [w.numpy() for w in decoder.trainable_weights if len(w.shape) == 2]

    def plain(seed):
        return len(sketcher.generate(1, temperature=1.0, seed=seed, label=name)[0]) + 1

    def products(_):
        vectors = [np.ones([1, len(matrix)], np.float32) for matrix in matrices]
        for _ in range(50):
            for vector, matrix in zip(vectors, matrices, strict=True):
                vector @ matrix
        return 50

    times = {"exported generate, C++": [], "Sketcher.generate": [], "NumPy, products only": []}
    for seed in range(30):  # in turns, so that noise hits all alike
        for function, (_, found) in zip((generate, plain, products), times.items(), strict=True):
            start = time.perf_counter()
            points = function(seed)
            found.append((time.perf_counter() - start) / points * 1e6)
    reference = np.median(times["exported generate, C++"][3:])
    print(f"{'a point at batch 1':28s}{'median us':>10s}{'least us':>10s}{'ratio':>7s}")
    for name, found in times.items():
        middle = np.median(found[3:])
        print(f"{name:28s}{middle:10.0f}{min(found):10.0f}{middle / reference:7.2f}")
    session.close()


def load(base: pathlib.Path, signature: str, batch: int, args) -> None:
    """Holds a load on a server and prints one line."""
    server = subprocess.Popen(
        [sys.executable, ROOT / "tests" / "serving" / "model_server.py", base,
         "--max_batch_size", str(batch), "--allowed_batch_sizes", "1", "4", "16"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        address = f"grpc://127.0.0.1:{json.loads(server.stdout.readline())['grpc']}"
        report = _hold(address, signature, server.pid, args)
    finally:
        server.stdin.close()
        server.wait(20)
    times = np.array(report["times"]) * 1e3
    quantiles = np.percentile(times, [50, 95, 99])
    title = f"{signature}, {f'merged up to {batch}' if batch else 'one by one'}"
    print(f"{title:24s}{len(times) / args.seconds:11.1f}" + "".join(f"{q:8.1f}" for q in quantiles)
          + f"{report['failed']:8d}{report['bad']:9d}{report['first']:10.0f}{report['last']:6.0f}",
          flush=True)  # fmt: skip


def _hold(address, signature, pid, args) -> dict:
    from sketch_rnn_tf import serving

    client = serving.Client(address)
    inputs = client.metadata()[signature]["inputs"]
    good = {name: _value(name, kind, shape) for name, (kind, shape) in inputs.items()}
    report = {"times": [], "failed": 0, "bad": 0, "first": 0.0}
    lock, end = threading.Lock(), time.monotonic() + args.seconds

    def ask(number):
        rude, count = number % 3 == 2, 0
        while time.monotonic() < end:
            start = time.perf_counter()
            count += 1
            failed = False
            try:
                answer = client.predict(signature, **(_spoilt(good, count) if rude else good))
                failed = not rude and bool(answer["error"].any())
            except ValueError:
                failed = not rude
            except OSError:
                failed = True
            with lock:
                report["failed"] += failed
                report["bad"] += rude
                if not rude:
                    report["times"].append(time.perf_counter() - start)

    threads = [threading.Thread(target=ask, args=[i]) for i in range(args.clients)]
    for thread in threads:
        thread.start()
    time.sleep(min(args.seconds / 4, 10))  # every buffer has been needed by then
    report["first"] = _memory(pid)
    for thread in threads:
        thread.join()
    report["last"] = _memory(pid)
    return report


def _value(name, kind, shape) -> np.ndarray:
    value = np.zeros([1, *shape[1:]], np.int32 if kind == "INT32" else np.float32)
    if name == "temperature":
        value[:] = 0.7
    return value


def _spoilt(good, count) -> dict:
    """Returns a bad value, a missing input or a wrong type, in turns."""
    name = "temperature" if "temperature" in good else "state"
    if count % 3 == 0:
        return {**good, name: good[name] * np.float32(np.nan)}
    if count % 3 == 1:
        return {key: value for key, value in good.items() if key != name}
    return {**good, name: good[name].astype(np.float64)}


def _memory(pid: int) -> float:
    """Returns a process's resident memory in MiB."""
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024
    return float("nan")


if __name__ == "__main__":
    main()
