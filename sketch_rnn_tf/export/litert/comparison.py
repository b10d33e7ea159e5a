"""A written LiteRT file beside the model that it was made from: does it say the same?"""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import strokes
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.ondevice import drawer, noise, runtime

# Largest difference from the Keras model, of numbers of the size of 1. Quantised weights differ by
# design: there the check is that it is this model at all.
TOLERANCE = {"float32": 1e-4, "float16": 0.1, "int8": 0.5}
# Between a drawing of the loop in the graph and one drawn step by step, normalised units.
LOOP_TOLERANCE = {"float32": 1e-3, "float16": 1e-3, "int8": 0.05}
POINTS = 8
ATTEMPTS = 3  # a draw that hangs on the last digit may fall either way


def check(file: runtime.Model, model: SketchRNN, name: str) -> None:
    """Runs every signature of a file.

    Raises:
      UserError: one says something else than the model.
    """
    inputs = _latents(model)
    _check_step(file, model, inputs, name)
    if "encode" in file.metadata["signatures"]:
        _check_encode(file, model, inputs.get("label"), name)
    if "sample" in file.metadata["signatures"]:
        _check_loops(file, inputs, name)


def _latents(model: SketchRNN) -> dict[str, np.ndarray]:
    z = {"z": noise.latent((0, 0), model.z_size)[None]} if model.conditional else {}
    return {**z, **({"label": np.int32([model.num_classes - 1])} if model.num_classes else {})}


def _check_step(file: runtime.Model, model: SketchRNN, inputs: dict[str, Any], name: str) -> None:
    """Reads three points from the initial state on."""
    context = model.context(inputs.get("z"), inputs.get("label"))
    states = model.decoder.initial_state(1, context)
    state = np.zeros((1, file.metadata["state_size"]), np.float32)
    if "init_state" in file.metadata["signatures"]:
        state = file.run("init_state", **inputs)["state"]
    for row in [np.float32(model.start_token), *_points()[:2]]:
        expected, states = model.decoder.step(tf.constant(row[None]), states, context)
        found = file.run("step", stroke=row[None], state=state)
        state = found["state"]
        _compare(found["parameters"], expected, f"step of {name}", file)


def _check_encode(file: runtime.Model, model: SketchRNN, label: Any, name: str) -> None:
    rows, longest = _points()[: file.metadata["max_length"]], file.metadata["max_length"]
    expected = model.encode(tf.constant(rows[None]), tf.constant([len(rows)]), label)
    given = np.zeros((1, longest, 3), np.float32)
    given[0, : len(rows)] = rows[:, [0, 1, 3]]
    given[..., :2] *= file.metadata["scale_factor"]
    inputs = {} if label is None else {"label": label}
    found = file.run("encode", strokes=given, lengths=[len(rows)], **inputs)
    for output, value in zip(("z_mean", "z_log_var"), expected, strict=True):
        _compare(found[output], value, f"encode of {name}", file)


def _check_loops(file: runtime.Model, inputs: dict[str, Any], name: str) -> None:
    """Draws in the graph and step by step, whose steps have been compared with the model."""
    scale = [*[file.metadata["scale_factor"]] * 2, 1.0]
    begun = (_points()[:2, [0, 1, 3]] * scale).astype(np.float32)
    for signature, prefix in (("sample", None), ("complete", begun)):
        if not any(_agree(file, inputs, prefix, seed) for seed in range(ATTEMPTS)):
            raise UserError(
                f"{signature} of {name} draws something else than its steps; it is not written"
            )


def _agree(file: runtime.Model, inputs: dict[str, Any], prefix, seed: int) -> bool:
    facts = file.metadata
    draws = drawer.Drawer(file, facts["temperature_mode"])
    numbers = noise.noise((seed, 0), min(POINTS, facts["max_length"]))
    tau = np.float32([0.7] * 3)
    whole, ended = draws.draw(inputs, numbers, tau, prefix=prefix)
    rows = list(draws.points(inputs, numbers, tau, prefix=prefix))
    steps = np.float32([row[[0, 1, 3]] for row in rows if row[4] < 0.5]).reshape(-1, 3)
    new = whole[0 if prefix is None else len(prefix) :]
    if len(new) != len(steps) or ended != (len(steps) < len(rows)):
        return False
    new = new / [facts["scale_factor"], facts["scale_factor"], 1]
    return bool(np.allclose(new, steps, rtol=1e-4, atol=LOOP_TOLERANCE[facts["variant"]]))


def _points() -> np.ndarray:
    """Returns a drawing of five points, stroke-5, normalised units."""
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    rows[:, 2] = [0, 0, 1, 0, 1]
    return strokes.stroke3_to_stroke5(rows, len(rows))


def _compare(found: np.ndarray, expected: Any, what: str, file: runtime.Model) -> None:
    expected = np.asarray(expected)
    limit = TOLERANCE[file.metadata["variant"]] * max(1.0, float(np.abs(expected).max()))
    difference = float(np.abs(found - expected).max())
    if not difference <= limit:
        raise UserError(
            f"{what} differs from the model by {difference:.2g}, expected at most {limit:.2g};"
            " it is not written"
        )
