"""The converter's silent failures as checks: a bad LiteRT file is never written.

A file is read (size, operations, signatures) and run beside the model that it was made from.
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import strokes
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.litert.flatbuffer import schema
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.ondevice import drawer, metadata, noise, runtime

BYTES = {"float32": 4, "float16": 2, "int8": 1}  # per weight
OVERHEAD = 1.25  # of scales and small tensors that are not quantized
GRAPHS = 400_000  # bytes that graphs, names and metadata may take
RANDOM_OPS = {"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"}
VARIABLE_OPS = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}
# Largest difference from the Keras model, of numbers of the size of 1. Quantized weights differ by
# design: there the check is that it is this model at all.
TOLERANCE = {"float32": 1e-4, "float16": 0.1, "int8": 0.5}
# Between a drawing of the loop in the graph and one drawn step by step, normalized units.
LOOP_TOLERANCE = {"float32": 1e-3, "float16": 1e-3, "int8": 0.05}
POINTS = 8
ATTEMPTS = 3  # a draw that hangs on the last digit may fall either way
_NAMES = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


def check(path: pathlib.Path, model: SketchRNN) -> None:
    """Reads a written file and runs every signature of it.

    Raises:
      UserError: it is not the model that it should be, or computes something else.
    """
    data, name = path.read_bytes(), path.name
    content = metadata.read(data, name)
    check_size(len(data), model, content, name)
    check_operations(data, name)
    check_signatures(data, content, name)
    file = runtime.Model(path)
    inputs = {"z": noise.latent((0, 0), model.z_size)[None]} if model.conditional else {}
    if model.num_classes:
        inputs["label"] = np.int32([model.num_classes - 1])
    check_step(file, model, inputs, name)
    if "encode" in content["signatures"]:
        check_encode(file, model, inputs.get("label"), name)
    if "sample" in content["signatures"]:
        check_loops(file, inputs, name)


def check_size(size: int, model: SketchRNN, content: dict[str, Any], name: str) -> None:
    """Checks that a file holds its weights, once: without them it is far too small."""
    part = model if "sample" in content["signatures"] else model.decoder
    weights = part.count_params() * BYTES[content["variant"]]
    if not weights * 0.9 <= size <= weights * OVERHEAD + GRAPHS:
        raise UserError(
            f"{name}: the converter made {size} bytes of {weights} bytes of weights;"
            " the file is not written"
        )


def operations(data: bytes) -> set[str]:
    """Returns the names of all operations in a file; custom ones by their own names."""
    model = schema.Model.GetRootAs(data, 0)
    found = set()
    for i in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(i)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = code.CustomCode()
        found.add(f"custom {custom.decode()}" if custom else _NAMES.get(number, str(number)))
    return found


def check_operations(data: bytes, name: str) -> None:
    """Checks that operations are built in and hold no state."""
    used = operations(data)
    bad = {word for word in used if word.startswith("custom ")}
    bad |= used & (RANDOM_OPS | VARIABLE_OPS)
    if bad:
        raise UserError(
            f"{name}: holds {', '.join(sorted(bad))}, expected built-in operations without state;"
            " the file is not written"
        )


def check_signatures(data: bytes, content: dict[str, Any], name: str) -> None:
    """Checks that the signatures are those of the metadata, each with a graph of its own."""
    model = schema.Model.GetRootAs(data, 0)
    found = [model.SignatureDefs(i) for i in range(model.SignatureDefsLength())]
    keys = sorted(signature.SignatureKey().decode() for signature in found)
    graphs = {signature.SubgraphIndex() for signature in found}
    if keys != sorted(content["signatures"]) or len(graphs) != len(found):
        raise UserError(f"{name}: has the signatures {keys}; the file is not written")


def check_step(file: runtime.Model, model: SketchRNN, inputs: dict[str, Any], name: str) -> None:
    """Compares the parameters after each of three points with the model's."""
    context = model.context(inputs.get("z"), inputs.get("label"))
    states = model.decoder.initial_state(1, context)
    state = np.zeros((1, file.metadata["state_size"]), np.float32)
    if "init_state" in file.metadata["signatures"]:
        state = file.run("init_state", **inputs)["state"]
    for row in [np.float32(model.start_token), *_five_points()[:2]]:
        expected, states = model.decoder.step(tf.constant(row[None]), states, context)
        found = file.run("step", stroke=row[None], state=state)
        state = found["state"]
        _compare(found["parameters"], expected, f"step of {name}", file)


def check_encode(file: runtime.Model, model: SketchRNN, label: Any, name: str) -> None:
    """Compares the latent distribution of a drawing with the model's."""
    longest = file.metadata["max_length"]
    rows = _five_points()[:longest]
    expected = model.encode(tf.constant(rows[None]), tf.constant([len(rows)]), label)
    given = np.zeros((1, longest, 3), np.float32)
    given[0, : len(rows)] = rows[:, [0, 1, 3]]
    given[..., :2] *= file.metadata["scale_factor"]
    inputs = {} if label is None else {"label": label}
    found = file.run("encode", strokes=given, lengths=[len(rows)], **inputs)
    for output, value in zip(("z_mean", "z_log_var"), expected, strict=True):
        _compare(found[output], value, f"encode of {name}", file)


def check_loops(file: runtime.Model, inputs: dict[str, Any], name: str) -> None:
    """Compares drawings of the loops in the graph with drawings step by step."""
    scale = [*[file.metadata["scale_factor"]] * 2, 1.0]
    begun = (_five_points()[:2, [0, 1, 3]] * scale).astype(np.float32)
    for signature, prefix in (("sample", None), ("complete", begun)):
        if not any(_loop_agrees(file, inputs, prefix, seed) for seed in range(ATTEMPTS)):
            raise UserError(
                f"{signature} of {name} draws something other than its steps; it is not written"
            )


def _loop_agrees(file: runtime.Model, inputs: dict[str, Any], prefix, seed: int) -> bool:
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


def _five_points() -> np.ndarray:
    """Returns a drawing of five points, stroke-5, normalized units."""
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
