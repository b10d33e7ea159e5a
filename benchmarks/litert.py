"""What the LiteRT variants of a model cost and lose: size, latency, drift, nats per point.

    python benchmarks/litert.py --model RUN --input DATA_DIR --split test --picture variants.png

Exports the run, or takes an exported folder as it is (--model DIR/litert), and prints a table.
All variants are measured in turn in one process, on one thread:

- step: one raw invocation of the `step` signature, the median;
- sketch: `sample` over N_max points, the pen never lifted for good; "loop" is its time a point over
  the step's;
- drift: largest difference of the raw parameters from float32 after 1, 50 and 250 steps of one
  drawing that all variants are fed (those of float32, temperature 1);
- nats per point of the test drawings at z's mean. A variant that loses more than 1 % is marked.

The read floor is the time of one pass over float32 weights of the step's size by NumPy.
"""

from __future__ import annotations

import pathlib
import sys
import tempfile
import time

import numpy as np
from absl import app, flags, logging

# In place of this folder, where this file would pass for a module `litert` of TensorFlow's.
sys.path[0] = str(pathlib.Path(__file__).resolve().parents[1])

from sketch_rnn_tf import drawing  # noqa: E402
from sketch_rnn_tf.ondevice import Sampler  # noqa: E402
from sketch_rnn_tf.ondevice import noise as random_numbers  # noqa: E402

MODEL = flags.DEFINE_string("model", None, "run or exported litert folder", required=True)
INPUT = flags.DEFINE_string("input", None, "test drawings: anything that sketch-rnn-score reads")
SPLIT = flags.DEFINE_string("split", None, "split of the test drawings")
SKETCHES = flags.DEFINE_integer("sketches", 200, "test drawings, from the first on")
REPEATS = flags.DEFINE_integer("repeats", 15, "timed rounds")
PICTURE = flags.DEFINE_string("picture", None, "PNG or SVG of the same noise drawn by each variant")

VARIANTS = ("model.tflite", "model_float16.tflite", "model_int8.tflite")
DRIFT_AFTER = (1, 50, 250)
MAX_LOSS = 0.01


def main(_) -> None:
    logging.set_verbosity(logging.ERROR)
    with tempfile.TemporaryDirectory() as scratch:
        folder = exported(MODEL.value, scratch)
        samplers = {name: Sampler(folder / name) for name in VARIANTS}
        sizes = {name: (folder / name).stat().st_size for name in VARIANTS}
        times = latencies(samplers)
        drifts = drift(samplers)
        nats = {name: nats_per_point(sampler) for name, sampler in samplers.items()}
        report(samplers, sizes, times, drifts, nats)
        if PICTURE.value:
            picture(samplers)


def exported(path: str, scratch: str) -> pathlib.Path:
    if (pathlib.Path(path) / "model.json").is_file():
        return pathlib.Path(path)
    from sketch_rnn_tf import runs
    from sketch_rnn_tf.export import litert

    run = runs.open_run(path)
    return litert.write(run, run.load_model(), pathlib.Path(scratch), overwrite=False)


def latencies(samplers) -> dict[str, tuple[float, float]]:
    """Returns {file: (seconds a step, seconds a sketch)}, the variants taking turns."""
    steps = {name: [] for name in samplers}
    sketches = {name: [] for name in samplers}
    for round_ in range(REPEATS.value + 1):
        for name, sampler in samplers.items():
            step, sketch = timed(sampler)
            if round_:  # the first warms up
                steps[name].append(step)
                sketches[name].append(sketch)
    return {name: (np.median(steps[name]), np.median(sketches[name])) for name in samplers}


def timed(sampler: Sampler) -> tuple[float, float]:
    model, facts = sampler._model, sampler.metadata
    inputs = latent_inputs(sampler)
    state = np.zeros((1, facts["state_size"]), np.float32)
    if inputs:
        state = model.run("init_state", **inputs)["state"]
    for row in random_numbers.noise((1, 1), 3):  # away from the zeros, which kernels may skip
        state = model.run("step", stroke=[[*row[2:], 1, 0, 0]], state=state)["state"]
    runner = model._runners["step"]
    invoke, graph = model._interpreter._interpreter.Invoke, runner._subgraph_index
    start = time.perf_counter()
    for _ in range(50):
        invoke(graph)
    step = (time.perf_counter() - start) / 50
    noise = random_numbers.noise((2, 2), facts["max_length"])
    noise[:, 1] = 0  # the first pen state always: the drawing does not end
    arguments = {"noise": noise[None], "temperature": [0.5], "max_points": [len(noise)], **inputs}
    start = time.perf_counter()
    found = model.run("sample", **arguments)
    seconds = time.perf_counter() - start
    if found["lengths"][0] != len(noise):
        raise ValueError("the timed sketch ended early")
    return step, seconds


def latent_inputs(sampler: Sampler) -> dict[str, np.ndarray]:
    facts = sampler.metadata
    z = random_numbers.latent((3, 3), facts["z_size"])[None] if facts["conditional"] else None
    inputs = {} if z is None else {"z": z}
    return {**inputs, "label": np.int32([0])} if facts["classes"] else inputs


def drift(samplers) -> dict[str, list[float]]:
    first = next(iter(samplers.values()))
    noise = random_numbers.noise((4, 4), max(DRIFT_AFTER))
    noise[:, 1] *= 0.5  # a long drawing
    inputs = latent_inputs(first)
    points = list(first._drawer.points(inputs, noise, np.ones(3, np.float32)))
    points = np.resize([row for row in points if row[4] < 0.5], (max(DRIFT_AFTER), 5))
    all_of_them = {name: s._drawer.parameters(points, inputs) for name, s in samplers.items()}
    reference = next(iter(all_of_them.values()))
    return {
        name: [float(np.abs(found[n - 1] - reference[n - 1]).max()) for n in DRIFT_AFTER]
        for name, found in all_of_them.items()
    }


def nats_per_point(sampler: Sampler) -> float:
    if INPUT.value is None:
        return float("nan")
    label = sampler.classes[0] if sampler.classes else None
    scores = sampler.score(test_drawings(sampler), label=label)
    total = sum(score["offset_nats"] + score["pen_nats"] for score in scores)
    return total / sum(score["points"] for score in scores)


_drawings: list[np.ndarray] = []


def test_drawings(sampler: Sampler) -> list[np.ndarray]:
    from sketch_rnn_tf.commands import inputs

    if not _drawings:
        found = inputs.load(INPUT.value, sampler.config, split=SPLIT.value)
        longest = sampler.metadata["max_length"]
        kept = [drawing_.strokes for drawing_ in found if 0 < len(drawing_.strokes) <= longest]
        _drawings.extend(kept[: SKETCHES.value])
    return _drawings


def read_floor(sampler: Sampler) -> float:
    """Returns the seconds of one pass over as many float32 weights as a step reads."""
    facts = sampler.metadata
    units = facts["state_size"] // 2 if not facts["conditional"] else facts["state_size"] // 6
    weights = np.ones((4 * units, units), np.float32)
    vector, best = np.ones(units, np.float32), float("inf")
    for _ in range(200):
        start = time.perf_counter()
        weights @ vector
        best = min(best, time.perf_counter() - start)
    return best


def report(samplers, sizes, times, drifts, nats_of) -> None:
    reference = nats_of[VARIANTS[0]]
    length = samplers[VARIANTS[0]].metadata["max_length"]
    print(f"{MODEL.value}: N_max {length}, {samplers[VARIANTS[0]].metadata['num_parameters']:,}"
          f" weights, {len(_drawings)} test drawings")  # fmt: skip
    floor = read_floor(samplers[VARIANTS[0]])
    print(f"NumPy's product with the recurrent weights alone: {floor * 1e6:.1f} us\n")
    print(f"{'file':22}{'KB':>7}{'step us':>9}{'sketch ms':>11}{'loop':>6}"
          f"{'drift 1 / 50 / 250':>26}{'nats a point':>14}{'loss':>8}")  # fmt: skip
    for name in samplers:
        step, sketch = times[name]
        loss = (nats_of[name] - reference) / max(abs(reference), 1e-9)
        mark = "  more than 1 %: not the default" if loss > MAX_LOSS else ""
        drifted = " / ".join(f"{value:.2g}" for value in drifts[name])
        print(f"{name:22}{sizes[name] / 1e3:7.0f}{step * 1e6:9.1f}{sketch * 1e3:11.2f}"
              f"{sketch / length / step:6.2f}{drifted:>26}{nats_of[name]:14.4f}"
              f"{loss:8.2%}{mark}")  # fmt: skip


def picture(samplers, num: int = 8) -> None:
    facts = next(iter(samplers.values())).metadata
    noise = np.stack([random_numbers.noise((5, i), facts["max_length"]) for i in range(num)])
    cells = drawing.Sketches()
    label = facts["classes"][0] if facts["classes"] else None
    for sampler in samplers.values():
        cells.extend(sampler.generate(num, temperature=0.4, seed=5, noise=noise, label=label))
    cells.layout |= {
        "columns": num,
        "row_titles": [s.metadata["variant"] for s in samplers.values()],
    }
    drawing.save(PICTURE.value, cells)


if __name__ == "__main__":
    app.run(main)
