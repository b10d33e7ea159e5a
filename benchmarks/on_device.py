"""What the LiteRT variants of a model cost and lose: size, latency, drift, nats per point.

    python benchmarks/on_device.py --model RUN --input DATA_DIR --split test --picture variants.png

Exports the run, or takes an exported folder as it is (--model DIR/litert), and prints a table.
All variants are measured in turn in one process, on one thread:

- step: one raw invocation of the `step` signature, the median; "cold" after the caches were filled
  with something else, as when an app draws a point now and then;
- sketch: `sample` over 250 points, the pen never lifted for good; "loop" is its time a point over
  the step's. A run is exported once more with N_max 250 for it; a folder's files draw their N_max;
- floor: reading as many bytes as the step's file has once, by NumPy's dot product of a vector with
  itself, from warm and from cold caches;
- drift: largest difference of the raw parameters from float32 after 1, 50 and 250 steps of one
  drawing that all variants are fed (those of float32, temperature 1);
- nats per point of the test drawings at z's mean, and the change from float32 with its standard
  error over drawings. A variant that loses more than 1 % is marked. Few drawings say little: with
  --copies each is scored so many times, scaled by U(0.85, 1.15) an axis as in training.
"""

from __future__ import annotations

import os
import pathlib
import tempfile
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy


import numpy as np
from absl import app, flags, logging

# In place of this folder, where this file would pass for a module `litert` of TensorFlow's.
from sketch_rnn_tf import drawing, ondevice
from sketch_rnn_tf.ondevice import noise as random_numbers
from sketch_rnn_tf.sketcher.sketcher import Sketcher

MODEL = flags.DEFINE_string("model", None, "run or exported litert folder", required=True)
INPUT = flags.DEFINE_string("input", None, "test drawings: anything that sketch-rnn-score reads")
SPLIT = flags.DEFINE_string("split", None, "split of the test drawings")
SKETCHES = flags.DEFINE_integer("sketches", 200, "test drawings, from the first on")
COPIES = flags.DEFINE_integer("copies", 1, "times each test drawing is scored, scaled at random")
REPEATS = flags.DEFINE_integer("repeats", 15, "timed rounds")
PICTURE = flags.DEFINE_string("picture", None, "PNG or SVG of the same noise drawn by each variant")

VARIANTS = ("model.tflite", "model_float16.tflite", "model_int8.tflite")
STEPS = {"model.tflite": "step.tflite", "model_int8.tflite": "step_int8.tflite"}
DRIFT_AFTER = (1, 50, 250)
POINTS = 250
MAX_LOSS = 0.01
CACHES = 64 << 20  # bytes that fill the caches


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        folder, long_folder = exported(MODEL.value, pathlib.Path(scratch))
        samplers = {name: ondevice.open(folder / name) for name in VARIANTS}
        sizes = {name: (folder / name).stat().st_size for name in VARIANTS}
        times = latencies({name: ondevice.open(long_folder / name) for name in VARIANTS})
        floors = {name: floor((folder / step).stat().st_size) for name, step in STEPS.items()}
        drifts = drift(samplers)
        nats = {name: nats_per_drawing(sampler) for name, sampler in samplers.items()}
        report(samplers, sizes, times, drifts, nats)
        report_floors(floors)
        if PICTURE.value:
            picture(samplers)


def exported(path: str, scratch: pathlib.Path) -> tuple[pathlib.Path, pathlib.Path]:
    """Returns the folder of the files, and that of files that draw POINTS points."""
    if (pathlib.Path(path) / "model.json").is_file():
        return pathlib.Path(path), pathlib.Path(path)
    from sketch_rnn_tf import runs
    from sketch_rnn_tf.export.litert import exporter
    from sketch_rnn_tf.model.sketch_rnn import SketchRNN

    run = runs.open_run(path)
    model = run.load_model()
    long = SketchRNN.from_config({**model.get_config(), "max_length": POINTS})
    long.set_weights(model.get_weights())
    own, other = exporter.write(run, model, scratch / "own"), scratch / "long"
    return own, exporter.write(run, long, other)


def latencies(samplers) -> dict[str, np.ndarray]:
    """Returns {file: seconds of a step, of a cold step, of a point}, the variants taking turns."""
    found = {name: [] for name in samplers}
    for round_ in range(REPEATS.value + 1):
        for name, sampler in samplers.items():
            seconds = timed(sampler)
            if round_:  # the first warms up
                found[name].append(seconds)
    return {name: np.median(rows, axis=0) for name, rows in found.items()}


def timed(sampler: Sketcher) -> tuple[float, float, float]:
    invoke = step_invocation(sampler)
    steps = seconds_of(lambda: [invoke() for _ in range(50)]) / 50
    cold = []
    for _ in range(5):
        fill_caches()
        cold.append(seconds_of(invoke))
    return steps, float(np.median(cold)), seconds_of_a_sketch(sampler)


def step_invocation(sampler: Sketcher):
    """Returns a function that invokes the step's graph and nothing else."""
    model, facts = sampler.backend.file, sampler.backend.metadata
    inputs = latent_inputs(sampler)
    state = np.zeros((1, facts["state_size"]), np.float32)
    if inputs:
        state = model.run("init_state", **inputs)["state"]
    for row in random_numbers.noise((1, 1), 3):  # away from the zeros, which kernels may skip
        state = model.run("step", stroke=[[*row[2:], 1, 0, 0]], state=state)["state"]
    graph = model._runners["step"]._subgraph_index
    return lambda: model._interpreter._interpreter.Invoke(graph)


def seconds_of_a_sketch(sampler: Sketcher) -> float:
    """Returns the seconds per point of a sketch drawn in the graph."""
    noise = random_numbers.noise((2, 2), sampler.backend.metadata["max_length"])
    noise[:, 1] = 0  # the first pen state always: the drawing does not end
    given = {"noise": noise[None], "temperature": [0.5], "max_points": [len(noise)]}
    given |= latent_inputs(sampler)
    start = time.perf_counter()
    found = sampler.backend.file.run("sample", **given)
    seconds = time.perf_counter() - start
    if found["lengths"][0] != len(noise):
        raise ValueError("the timed sketch ended early")
    return seconds / len(noise)


def seconds_of(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


_filler = np.zeros(CACHES // 4, np.float32)


def fill_caches() -> None:
    _filler[:] += 1


def floor(size: int) -> tuple[float, float]:
    """Returns the seconds of reading so many bytes once, from warm and from cold caches."""
    values = np.ones(size // 4, np.float32)
    read = values.dot
    warm = np.median([seconds_of(lambda: read(values)) for _ in range(200)])
    cold = []
    for _ in range(20):
        fill_caches()
        cold.append(seconds_of(lambda: read(values)))
    return float(warm), float(np.median(cold))


def latent_inputs(sampler: Sketcher) -> dict[str, np.ndarray]:
    facts = sampler.backend.metadata
    z = random_numbers.latent((3, 3), facts["z_size"])[None] if facts["conditional"] else None
    inputs = {} if z is None else {"z": z}
    return {**inputs, "label": np.int32([0])} if facts["classes"] else inputs


def drift(samplers) -> dict[str, list[float]]:
    first = next(iter(samplers.values()))
    noise = random_numbers.noise((4, 4), max(DRIFT_AFTER))
    noise[:, 1] *= 0.5  # a long drawing
    inputs = latent_inputs(first)
    points = list(first.backend.drawer.points(inputs, noise, np.ones(3, np.float32)))
    points = np.resize([row for row in points if row[4] < 0.5], (max(DRIFT_AFTER), 5))
    all_of_them = {
        name: s.backend.drawer.parameters(points, inputs) for name, s in samplers.items()
    }
    reference = next(iter(all_of_them.values()))
    return {
        name: [float(np.abs(found[n - 1] - reference[n - 1]).max()) for n in DRIFT_AFTER]
        for name, found in all_of_them.items()
    }


def nats_per_drawing(sampler: Sketcher) -> np.ndarray:
    """Returns the offset and pen nats of each test drawing."""
    if INPUT.value is None:
        return np.full(1, np.nan)
    label = sampler.classes[0] if sampler.classes else None
    scores = sampler.score(test_drawings(sampler), label=label)
    return np.array([score["offset_nats"] + score["pen_nats"] for score in scores])


_drawings: list[np.ndarray] = []


def test_drawings(sampler: Sketcher) -> list[np.ndarray]:
    from sketch_rnn_tf.commands import inputs

    if not _drawings:
        found = inputs.load(INPUT.value, sampler.config, split=SPLIT.value)
        longest = sampler.backend.metadata["max_length"]
        kept = [drawing_.strokes for drawing_ in found if 0 < len(drawing_.strokes) <= longest]
        random, kept = np.random.default_rng(0), kept[: SKETCHES.value]
        for copy in range(COPIES.value):
            factors = (
                random.uniform(0.85, 1.15, (len(kept), 2)) if copy else np.ones((len(kept), 2))
            )
            scaled = zip(kept, factors, strict=True)
            _drawings.extend(np.float32(rows * [*factor, 1]) for rows, factor in scaled)
    return _drawings


def report(samplers, sizes, times, drifts, nats) -> None:
    facts, reference = samplers[VARIANTS[0]].backend.metadata, nats[VARIANTS[0]]
    points = sum(map(len, _drawings)) or np.nan
    print(f"{MODEL.value}: N_max {facts['max_length']}, {facts['num_parameters']:,} weights,"
          f" {len(_drawings)} test drawings\n")  # fmt: skip
    print(f"{'file':22}{'KB':>7}{'share':>7}{'step us':>9}{'cold':>7}{'250 ms':>8}{'loop':>6}"
          f"{'drift 1 / 50 / 250':>26}{'nats per point':>14}{'loss':>17}")  # fmt: skip
    for name in samplers:
        step, cold, point = times[name]
        loss = (nats[name] - reference) / abs(reference.sum())
        error = loss.std() * len(loss) ** 0.5
        mark = "  more than 1 %: not the default" if loss.sum() > MAX_LOSS else ""
        drifted = " / ".join(f"{value:.2g}" for value in drifts[name])
        print(f"{name:22}{sizes[name] / 1e3:7.0f}{sizes[name] / sizes[VARIANTS[0]]:7.3f}"
              f"{step * 1e6:9.1f}{cold * 1e6:7.0f}{point * POINTS * 1e3:8.2f}{point / step:6.2f}"
              f"{drifted:>26}{nats[name].sum() / points:14.4f}"
              f"{loss.sum():8.2%} +-{error:6.2%}{mark}")  # fmt: skip


def report_floors(floors) -> None:
    print()
    for name, (warm, cold) in floors.items():
        print(f"reading {STEPS[name]} once: {warm * 1e6:.1f} us, cold {cold * 1e6:.0f} us")


def picture(samplers, num: int = 8) -> None:
    facts = next(iter(samplers.values())).backend.metadata
    noise = np.stack([random_numbers.noise((5, i), facts["max_length"]) for i in range(num)])
    cells = drawing.Sketches()
    label = facts["classes"][0] if facts["classes"] else None
    for sampler in samplers.values():
        cells.extend(sampler.generate(num, temperature=0.4, seed=5, noise=noise, label=label))
    cells.layout |= {
        "columns": num,
        "row_titles": [s.backend.metadata["variant"] for s in samplers.values()],
    }
    drawing.save(PICTURE.value, cells, overwrite=True)


if __name__ == "__main__":
    app.run(main)
