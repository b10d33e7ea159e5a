"""What serving costs: a drawing in the exported graph, and requests per second under load.

    python benchmarks/serving.py --graph                                # SavedModel beside LiteRT
    python benchmarks/serving.py --model RUN --seconds 60 --clients 8   # load

--graph draws 100 points at batch 1 with a model of the default sizes that never ends a drawing;
the candidates take turns, one thread per operation. The load is held on the tests' own server over
TensorFlow's C++ session, not on TensorFlow Serving: it shows what the graph costs and whether it
holds, not what the real server adds or saves. A third of the clients sends bad requests; the others
must not notice.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import re
import runpy
import tempfile
import threading
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np

# The tests' server as a process, and bad requests: files of the tests, which are no package.
TESTS = pathlib.Path(__file__).resolve().parents[1] / "tests" / "serving"
ServerProcess = runpy.run_path(str(TESTS / "server_process.py"))["ServerProcess"]
BAD_REQUESTS = runpy.run_path(str(TESTS / "spoilt.py"))["KINDS"]

POINTS, NEVER = 100, -100.0  # points of a timed drawing; logit of its end


def main() -> None:
    args = _options()
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        if args.graph:
            print_graph_costs(pathlib.Path(folder), args.units, args.rounds)
        if args.model:
            print_loads(export(args.model, folder), args)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--graph", action="store_true", help="time a drawing beside LiteRT")
    parser.add_argument("--units", type=int, default=512, help="of the decoder, with --graph")
    parser.add_argument("--rounds", type=int, default=40, help="drawings each, with --graph")
    parser.add_argument("--model", help="run directory to hold a load on")
    parser.add_argument("--seconds", type=float, default=60, help="of each load")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--batch_timeout_micros", type=int, help="instead of the deployed one")
    return parser.parse_args()


def export(run_dir: str, folder: str) -> pathlib.Path:
    from sketch_rnn_tf import runs
    from sketch_rnn_tf.export.saved_model import exporter

    run = runs.open_run(run_dir)
    return exporter.write(run, run.load_model(), folder)


def print_graph_costs(folder: pathlib.Path, units: int, rounds: int) -> None:
    """Times a drawing by the SavedModel, by LiteRT, and the matrix products alone."""
    candidates = _candidates(folder, units)
    times = {name: [] for name in candidates}
    for seed in range(rounds + 3):  # the first ones warm up
        for name, draw in candidates.items():
            start = time.perf_counter()
            draw(seed)
            times[name].append((time.perf_counter() - start) * 1e3)
    reference = np.median(times["LiteRT sample"][3:])
    print(f"{f'{POINTS} points, H {units}':28s}{'median ms':>10s}{'least ms':>10s}{'ratio':>7s}")
    for name, found in times.items():
        middle = np.median(found[3:])
        print(f"{name:28s}{middle:10.2f}{min(found):10.2f}{middle / reference:7.2f}")


def _candidates(folder: pathlib.Path, units: int) -> dict:
    open_session = runpy.run_path(str(TESTS / "cpp_session.py"))["Session"]
    from sketch_rnn_tf import ondevice, runs
    from sketch_rnn_tf.export.litert import exporter as litert_exporter
    from sketch_rnn_tf.export.saved_model import deployment, exporter
    from sketch_rnn_tf.ondevice import noise

    model, configuration = _endless_model(units)
    run = runs.Run(folder / "run", configuration)
    path = exporter.write(run, model, folder)
    deployed = open_session(path, _session_config(deployment.template("session_config.txt"), -1))
    usual = open_session(path, _session_config("", 0))
    sampler = ondevice.open(litert_exporter.write(run, model, folder) / "model.tflite")
    tau = np.float32([1.0])
    matrices = [w.numpy() for w in model.decoder.trainable_weights if len(w.shape) == 2]

    def served(session, name, seed, **inputs):
        seeds = {"temperature": tau, "seed": np.int32([[0, seed]])}
        _expect(session.run(name, {**seeds, **inputs})["lengths"])

    def sample(seed):
        drawn = sampler.backend.file.run(
            "sample", noise=noise.noise((0, seed), POINTS)[None], temperature=tau,
            max_points=[POINTS], z=noise.latent((0, seed), model.z_size)[None],
        )  # fmt: skip
        _expect(drawn["lengths"])

    def products(_):
        vectors = [np.ones([1, len(matrix)], np.float32) for matrix in matrices]
        for _ in range(POINTS):
            for vector, matrix in zip(vectors, matrices, strict=True):
                vector @ matrix

    z = np.zeros([1, model.z_size], np.float32)
    return {
        "SavedModel generate": lambda seed: served(deployed, "generate", seed),
        "SavedModel decode": lambda seed: served(deployed, "decode", seed, z=z),
        "the same, usual executor": lambda seed: served(usual, "decode", seed, z=z),
        "LiteRT sample": sample,
        "NumPy, products only": products,
    }


def _session_config(text: str, inter_op_threads: int) -> bytes:
    import tensorflow as tf
    from google.protobuf import text_format

    config = text_format.Parse(text, tf.compat.v1.ConfigProto())
    config.intra_op_parallelism_threads = 1
    config.inter_op_parallelism_threads = inter_op_threads
    return config.SerializeToString()


def _endless_model(units: int):
    from sketch_rnn_tf import config
    from sketch_rnn_tf.model import sketch_rnn

    sizes = config.ModelConfig(decoder=config.DecoderConfig(units=units))
    configuration = config.RunConfig(scale_factor=1.0, max_length=POINTS, model=sizes)
    model = sketch_rnn.build_model(configuration)
    bias = model.decoder.output_layer.bias.numpy()
    bias[2] = NEVER
    model.decoder.output_layer.bias.assign(bias)
    return model, configuration


def _expect(lengths) -> None:
    if lengths[0] != POINTS:
        raise ValueError(f"a drawing of {lengths[0]} points where {POINTS} were timed")


def print_loads(path: pathlib.Path, args) -> None:
    """Holds a load on `generate` and `step`, one by one and merged, a line each."""
    file = path.parents[1] / "serving" / "batching_parameters.txt"
    if args.batch_timeout_micros is not None:
        text = re.sub(r"(micros \{ value:) \d+", rf"\1 {args.batch_timeout_micros}",
                      file.read_text())  # fmt: skip
        file.write_text(text)
    print(f"{'load':22s}{'requests/s':>11s}{'p50 ms':>8s}{'p95 ms':>8s}{'p99 ms':>8s}"
          f"{'failed':>8s}{'bad sent':>9s}{'merged':>8s}"
          f"{'MiB at 1/4':>11s}{'3/4':>7s}{'end':>7s}")  # fmt: skip
    session = ["--session_config_file", file.with_name("session_config.txt")]
    for options in (session, [*session, "--batching_parameters_file", file]):
        for signature in ("generate", "step"):
            load(path.parent, signature, options, args)


def load(base: pathlib.Path, signature: str, options: list, args) -> None:
    """Holds a load on a server and prints one line."""
    merges = "--batching_parameters_file" in options
    with ServerProcess(base, *options) as server:
        report = _hold(server, signature, merges, args)
        merged = server.poll()["largest"]
    times = np.array(report["times"]) * 1e3
    quantiles = np.percentile(times, [50, 95, 99])
    title = f"{signature}, {'merged' if merges else 'one by one'}"
    print(f"{title:22s}{len(times) / args.seconds:11.1f}" + "".join(f"{q:8.1f}" for q in quantiles)
          + f"{report['failed']:8d}{report['bad']:9d}{merged:8d}"
          + "{:11.1f}{:7.1f}{:7.1f}".format(*report["memory"]), flush=True)  # fmt: skip


def _hold(server, signature, merged: bool, args) -> dict:
    from sketch_rnn_tf import serving

    client = serving.connect(server.addresses["grpc"])
    inputs = client.backend.metadata()[signature]["inputs"]
    good = {name: _value(name, kind, shape) for name, (kind, shape) in inputs.items()}
    report = {"times": [], "failed": 0, "bad": 0, "memory": []}
    lock, begin = threading.Lock(), time.monotonic()

    def ask(number):
        rude, count = number % 3 == 2, 0
        while time.monotonic() < begin + args.seconds:
            start = time.perf_counter()
            count += 1
            failed = False
            try:
                sent = _spoilt(good, count, merged) if rude else good
                failed = bool(client.backend.predict(signature, **sent)["error"].any()) and not rude
            except (ValueError, OSError):
                failed = not rude
            with lock:
                report["failed"] += failed
                report["bad"] += rude
                if not rude:
                    report["times"].append(time.perf_counter() - start)

    threads = [threading.Thread(target=ask, args=[i]) for i in range(args.clients)]
    for thread in threads:
        thread.start()
    for part in (0.25, 0.75):
        time.sleep(max(begin + part * args.seconds - time.monotonic(), 0))
        report["memory"].append(server.memory())
    for thread in threads:
        thread.join()
    report["memory"].append(server.memory())
    return report


def _value(name, kind, shape) -> np.ndarray:
    value = np.zeros([1, *shape[1:]], np.int32 if kind == "INT32" else np.float32)
    if name == "temperature":
        value[:] = 0.7
    return value


def _spoilt(good, count, merged: bool) -> dict:
    """Returns a bad value, a missing input, or what a merging server cannot keep from others."""
    name = "temperature" if "temperature" in good else "state"
    if count % 3 == 0:
        kind = "no number"
    elif count % 3 == 1 or merged:
        kind = "missing"
    else:
        kind = "wrong type" if count % 2 else "wrong rank"
    return BAD_REQUESTS[kind](good, name)


if __name__ == "__main__":
    main()
