"""How long drawing takes: whole batches in one graph against a plain loop, point by point.

python benchmarks/sampling.py                      # default sizes: H 512, Z 128, M 20, 250 points
python benchmarks/sampling.py --points 100 --rounds 3

The plain loop calls the model for one point of one sketch at a time, as one `session.run` per point
does; the floor is the matrix products of a point alone, in the same parts on the same threads.
Figures are milliseconds per point and sketch, medians over rounds in which the candidates take
turns; each number of threads has a process of its own, since TensorFlow's threads are a process's.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import multiprocessing
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import config
from sketch_rnn_tf.model import next_point
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import keras_backend
from sketch_rnn_tf.sketcher import arguments
from sketch_rnn_tf.sketcher.backend import Request

NEVER = -100.0  # logit of the end: every sketch is drawn to its full length
_PLAIN = "1 sketch, 1 thread, plain loop"


def main() -> None:
    options = _options()
    processes = [_Process(options, threads) for threads in sorted({1, options.threads})]
    seconds: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for process in processes:
            for name in process.names:
                seconds.setdefault(name, []).append(process.time(name))
    for process in processes:
        process.stop()
    points = options.points
    _report(
        {name: 1e3 * statistics.median(each) / points for name, each in seconds.items()}, options
    )


class _Process:
    """Candidates in a process with so many threads, timed on demand."""

    def __init__(self, options, threads: int):
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        context.Process(target=_serve, args=(theirs, options, threads), daemon=True).start()
        theirs.close()  # a process that fails is then an EOFError, not a wait without end
        self.names = self._pipe.recv()

    def stop(self) -> None:
        """Ends the process."""
        self._pipe.send(None)

    def time(self, name: str) -> float:
        """Returns the seconds per sketch of one run."""
        self._pipe.send(name)
        return self._pipe.recv()


def _serve(pipe, options, threads: int) -> None:
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(threads)
    candidates = _candidates(options, threads)
    pipe.send(list(candidates))
    for name in iter(pipe.recv, None):
        run, batch = candidates[name]
        start = time.perf_counter()
        run(options.points)
        pipe.send((time.perf_counter() - start) / batch)


def _candidates(options, threads: int) -> dict:
    """Returns {name: (function of the number of points, sketches it draws)}."""
    model = _model(options)
    found = {_PLAIN: (_plain_loop(model), 1)} if threads == 1 else {}
    for batch in (1, options.batch_size) if threads == 1 else (options.batch_size,):
        name = f"{_counted(batch, 'sketch', 'sketches')}, {_counted(threads, 'thread')}"
        found[f"{name}, Sketcher"] = (_in_graph(model, options.points, batch), batch)
        found[f"{name}, products alone"] = (_products(options, batch, threads), batch)
    return found


def _report(times: dict[str, float], options) -> None:
    plain = times[_PLAIN]
    print(f"H {options.units}, {options.points} points, {options.rounds} rounds")
    print(f"{'':40s}{'ms per point':>12s}{'plain loop /':>14s}{'/ products':>12s}")
    for name, value in times.items():
        floor = times.get(name.removesuffix("Sketcher") + "products alone", float("nan"))
        print(f"{name:40s}{value:12.4f}{plain / value:14.1f}{value / floor:12.2f}")


def _counted(count: int, singular: str, plural: str | None = None) -> str:
    return f"{count} {singular if count == 1 else plural or singular + 's'}"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=250)
    parser.add_argument("--batch_size", type=int, default=100)
    parser.add_argument("--units", type=int, default=512)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--rounds", type=int, default=9)
    return parser.parse_args()


def _model(options) -> SketchRNN:
    model = SketchRNN(max_length=options.points, decoder={"units": options.units})
    bias = model.decoder.output_layer.bias
    bias.assign(tf.tensor_scatter_nd_update(bias, [[next_point.PEN_STATES - 1]], [NEVER]))
    return model


def _in_graph(model, points, batch):
    configuration = config.RunConfig(1.0, points, start_token=model.start_token)
    drawer = keras_backend.KerasBackend(model, configuration, batch)
    seeds = arguments.seeds(0, batch)
    tau = arguments.temperatures(0.4, batch)
    z = drawer.normals(seeds)

    def run(length: int) -> None:
        drawn = drawer.draw(Request(seeds, tau, None, length, z=z))
        if sum(len(rows) for rows, _ in drawn) != batch * length:
            raise ValueError("a sketch ended early")

    run(points)
    return run


def _plain_loop(model):
    """One call of the model per point; the choice of the point in NumPy, as in Magenta's Python."""
    step = tf.function(model.decoder.step, reduce_retracing=True)
    rng = np.random.default_rng(0)
    context = model.context(tf.constant(rng.normal(size=(1, model.z_size)).astype(np.float32)))

    def run(length: int) -> None:
        states = model.decoder.initial_state(1, context)
        stroke = np.float32([model.start_token])
        for _ in range(length):
            raw, states = step(tf.constant(stroke), states, context)
            stroke = _choose(raw.numpy()[0], rng)[None]

    run(3)
    return run


def _choose(raw: np.ndarray, rng) -> np.ndarray:
    pen, pi, mu_x, mu_y, sigma_x, sigma_y, rho = np.split(
        raw.astype(np.float64), 3 + (len(raw) - 3) // 6 * np.arange(6)
    )
    component = rng.choice(len(pi), p=np.exp(pi - pi.max()) / np.exp(pi - pi.max()).sum())
    scales = np.exp([sigma_x[component], sigma_y[component]])
    mixed = np.tanh(rho[component]) * scales.prod()
    covariance = np.array([[scales[0] ** 2, mixed], [mixed, scales[1] ** 2]])
    mean = [mu_x[component], mu_y[component]]
    state = rng.choice(3, p=np.exp(pen - pen.max()) / np.exp(pen - pen.max()).sum())
    point = np.zeros(5, np.float32)
    point[:2] = rng.multivariate_normal(mean, covariance)
    point[2 + state] = 1
    return point


def _products(options, batch, threads):
    """The recurrent and the output product of every point; a part of the batch on each thread."""
    units, outputs = options.units, next_point.output_size(20)
    recurrent = tf.random.normal([units, 4 * units], stddev=0.01)
    output = tf.random.normal([units, outputs], stddev=0.01)

    @tf.function(reduce_retracing=True)
    def run_rows(state, length):
        def body(t, state, total):
            gates = tf.matmul(state, recurrent)
            state = gates[:, :units]
            return t + 1, state, total + tf.matmul(state, output)[0, 0]

        return tf.while_loop(lambda t, *_: t < length, body, (0, state, 0.0))[2]

    part = -(-batch // threads)
    parts = [tf.random.normal([min(part, batch - start), units]) for start in range(0, batch, part)]

    def run(length: int) -> None:
        with concurrent.futures.ThreadPoolExecutor(len(parts)) as pool:
            list(pool.map(lambda state: run_rows(state, tf.constant(length)).numpy(), parts))

    run(3)
    return run


if __name__ == "__main__":
    main()
