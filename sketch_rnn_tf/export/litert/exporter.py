"""A trained model as LiteRT (TensorFlow Lite) files: several variants with the same signatures.

DIR/litert/model.tflite          float32: every signature
DIR/litert/model_float16.tflite  weights in half precision
DIR/litert/model_int8.tflite     weights in 8 bits
DIR/litert/step.tflite           float32: only what drawing point by point needs
DIR/litert/step_int8.tflite      the same with weights in 8 bits
DIR/litert/model.json            the metadata of the files
"""

from __future__ import annotations

import functools
import pathlib
import tempfile
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import files, runs
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export import facts as shared_facts
from sketch_rnn_tf.export.litert import calibration, checks, flatbuffer, int8
from sketch_rnn_tf.export.litert.graphs import Graphs
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.ondevice import metadata

FOLDER = "litert"
FILES = {  # name: variant, whether it holds the step only
    "model.tflite": ("float32", False),
    "model_float16.tflite": ("float16", False),
    "model_int8.tflite": ("int8", False),
    "step.tflite": ("float32", True),
    "step_int8.tflite": ("int8", True),
}
STEP = "step.tflite"  # draws the sketches that int8 files are calibrated with


def write(
    run: runs.Run, model: SketchRNN, output_dir: pathlib.Path, *, overwrite: bool = False
) -> pathlib.Path:
    """Writes a run's LiteRT files.

    Args:
      run: the run; its configuration goes into the files.
      model: the model with the weights to write; one in mixed precision is written as float32.
      output_dir: where the folder `litert` is made.
      overwrite: replace an existing folder.

    Returns:
      The folder.

    Raises:
      UserError: the folder exists, ai-edge-litert is missing, or the converter made a file that is
        not this model; no bad file is written.
    """
    folder = pathlib.Path(output_dir) / FOLDER
    if folder.exists() and not overwrite:
        raise UserError(f"{folder}: exists already")
    model = sketch_rnn.in_float32(model)
    graphs = Graphs(
        model, run.config.scale_factor, run.config.start_token, run.config.temperature_mode
    )
    facts = describe(run, graphs)
    overview: dict[str, Any] = {**facts, "files": {}}
    with files.atomic_directory(folder, overwrite) as temporary:
        for name, data in convert_all(graphs, facts).items():
            (temporary / name).write_bytes(data)
            checks.check(temporary / name, model)
            content = metadata.read(data, name)
            own = {key: content[key] for key in ("variant", "signatures", "file_size", "crc32")}
            overview["files"][name] = {**own, "file_size": len(data)}
        files.write_json(temporary / "model.json", overview)
    return folder


def convert(
    graphs: Graphs, variant: str, facts: Mapping[str, Any], step_only: bool = False
) -> bytes:
    """Returns the bytes of one file.

    Args:
      graphs: the model's graphs.
      variant: `float32`, `float16` or `int8`.
      facts: of `describe`.
      step_only: only the signatures for drawing point by point.
    """
    moments = {}
    if variant == "int8":
        moments = calibration.moments(convert(graphs, "float32", facts, True), facts)
    signatures = graphs.step_signatures() if step_only else graphs.signatures()
    with _saved(graphs, signatures) as folder:
        return _convert(folder, signatures, variant, facts, moments)


def describe(run: runs.Run, graphs: Graphs) -> dict[str, Any]:
    """Returns the metadata that all files share, see docs/on_device.md."""
    return {
        "format_version": metadata.FORMAT_VERSION,
        **shared_facts.describe(run, graphs.model),
        "start_token": list(graphs.start_token),
        "temperature_mode": graphs.mode,
        "state_size": sum(graphs.state_sizes),
    }


def convert_all(graphs: Graphs, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Returns {file name: bytes} of all files; each set of signatures is traced once."""
    made: dict[str, bytes] = {}
    moments: dict[str, np.ndarray] = {}
    for step_only in (True, False):
        signatures = graphs.step_signatures() if step_only else graphs.signatures()
        with _saved(graphs, signatures) as folder:
            for name, (variant, only) in FILES.items():
                if only == step_only:
                    made[name] = _convert(folder, signatures, variant, facts, moments)
                if step_only and name == STEP:
                    moments = calibration.moments(made[name], facts)
    return {name: made[name] for name in FILES}


def _saved(graphs: Graphs, signatures: Mapping[str, Callable]):
    """Writes a SavedModel for the converter; a context manager of its folder."""
    folder = tempfile.TemporaryDirectory(prefix="sketch_rnn_tf.")
    tf.saved_model.save(graphs, folder.name, signatures=dict(signatures))
    return folder


def _convert(
    folder: str,
    signatures: Mapping[str, Callable],
    variant: str,
    facts: Mapping[str, Any],
    moments: Mapping[str, np.ndarray],
) -> bytes:
    # Without signature_keys the first signature is written twice.
    converter = tf.lite.TFLiteConverter.from_saved_model(folder, signature_keys=list(signatures))
    # A point is written into the drawing in its place; else LiteRT copies all of it for each.
    converter._experimental_enable_dynamic_update_slice = True
    if variant == "float16":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.target_spec.supported_types = [tf.float16]
    described = {
        name: {
            "inputs": _shapes_and_types(function.structured_input_signature[1]),
            "outputs": _shapes_and_types(function.structured_outputs),
        }
        for name, function in signatures.items()
    }
    facts = {**facts, "variant": variant, "signatures": described}
    if variant != "int8":
        return flatbuffer.finish(converter.convert(), facts)
    change = functools.partial(int8.quantize, moments=moments, num_mixtures=facts["num_mixtures"])
    return flatbuffer.finish(converter.convert(), facts, change)


def _shapes_and_types(specs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: {"shape": list(spec.shape), "dtype": spec.dtype.name}
        for name, spec in sorted(specs.items())
    }
