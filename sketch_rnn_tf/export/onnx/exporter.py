"""A trained model as ONNX files.

DIR/onnx/step.onnx        reads a point: the distribution of the next one, and the new state
DIR/onnx/init_state.onnx  the state before the first point, where it depends on anything
DIR/onnx/encode.onnx      reads drawings, for models with an encoder
DIR/onnx/model.json       what a program needs to know to draw, also inside of each file
"""

from __future__ import annotations

import json
import pathlib
from typing import Any

import numpy as np
import onnx.checker
import onnx.reference
import tensorflow as tf

from sketch_rnn_tf import files, runs
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export import facts
from sketch_rnn_tf.export.onnx import builder, graphs
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

FOLDER = "onnx"
METADATA = "sketch_rnn_tf"  # the key of the JSON text in a file's metadata
FORMAT_VERSION = 1
TOLERANCE = 1e-4  # between what a file computes and what the model does; 2e-6 is usual
_BATCH, _POINTS = 2, 5  # of the check


def write(
    run: runs.Run, model: SketchRNN, output_dir: pathlib.Path, *, overwrite: bool = False
) -> pathlib.Path:
    """Writes a run's ONNX files.

    Args:
      run: the run; its configuration goes into the files.
      model: the model with the weights to write; one in mixed precision is written as float32.
      output_dir: where the folder `onnx` is made.
      overwrite: replace an existing folder.

    Returns:
      The folder.

    Raises:
      UserError: the folder exists, the model has an operation that the export does not know, or a
        file computes something else than the model; no bad file is written.
    """
    folder = pathlib.Path(output_dir) / FOLDER
    with files.atomic_directory(folder, overwrite) as temporary:  # refuses before the work begins
        model = sketch_rnn.in_float32(model)
        made = graphs.Graphs(model, run.config.scale_factor)
        content = {
            "format_version": FORMAT_VERSION,
            **facts.describe(run, model),
            "state_size": made.state_size,
        }
        text = json.dumps(content, ensure_ascii=False, allow_nan=False)
        given = {METADATA: text}
        models = {name: builder.model(graph, given) for name, graph in made.all().items()}
        for one in models.values():
            onnx.checker.check_model(one, full_check=True)
        check(models, model, run.config.scale_factor)
        for name, one in models.items():
            onnx.save_model(one, temporary / f"{name}.onnx")
        files.write_json(temporary / "model.json", content)
    return folder


def check(models: dict[str, onnx.ModelProto], model: SketchRNN, scale_factor: float) -> None:
    """Runs the files in ONNX's own evaluator beside the model.

    Args:
      models: {name: file}.
      model: the model that they are of.
      scale_factor: source units per normalized unit.

    Raises:
      UserError: they compute something else.
    """
    random = np.random.default_rng(0)
    given: dict[str, Any] = {}
    if model.conditional:
        given["z"] = random.normal(size=(_BATCH, model.z_size)).astype(np.float32)
    if model.num_classes:
        given["label"] = np.arange(_BATCH, dtype=np.int32) % model.num_classes
    context = model.context(given.get("z"), given.get("label"))
    states = model.decoder.initial_state(_BATCH, context)
    state = np.concatenate([np.asarray(value) for value in states], axis=1)  # zeros without context
    if "init_state" in models:
        (state,) = _run(models["init_state"], given)
    for stroke in np.eye(5, dtype=np.float32)[[2, 0, 1]]:  # the start token, then two moves
        points = np.repeat(stroke[None], _BATCH, axis=0)
        expected, states = model.decoder.step(tf.constant(points), states, context)
        parameters, state = _run(models["step"], {"stroke": points, "state": state})
        _compare("step", parameters, expected)
    if "encode" in models:
        rows = np.zeros((_BATCH, _POINTS, 5), np.float32)
        rows[..., :2], rows[..., 2] = random.normal(size=(_BATCH, _POINTS, 2)), 1
        strokes = rows[..., [0, 1, 3]] * np.float32([scale_factor, scale_factor, 1])
        lengths = np.int32([_POINTS, _POINTS - 2])
        label = {name: value for name, value in given.items() if name == "label"}
        found = _run(models["encode"], {"strokes": strokes, "lengths": lengths, **label})
        for value, expected in zip(
            found, model.encode(rows, lengths, given.get("label")), strict=True
        ):
            _compare("encode", value, expected)


def _run(model: onnx.ModelProto, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
    return onnx.reference.ReferenceEvaluator(model).run(None, inputs)


def _compare(name: str, found: np.ndarray, expected: tf.Tensor) -> None:
    """Raises unless two results are the same."""
    expected = np.asarray(expected)
    error = float(np.abs(found - expected).max(initial=0.0))
    if not error <= TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0))):
        raise UserError(
            f"{name}.onnx: computes something else than the model (off by {error:.2g});"
            " the files are not written"
        )
