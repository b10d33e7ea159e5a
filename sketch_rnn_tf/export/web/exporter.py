"""A trained model as a web page and as a JavaScript module.

DIR/web/index.html       the page that draws with you: one file with everything in it
DIR/web/sketch_rnn.js    the model in JavaScript, an ES module without dependencies
DIR/web/sketch_rnn.d.ts  its types
DIR/web/model.bin        the weights that it loads
"""

from __future__ import annotations

import pathlib
from typing import Any

import numpy as np

import sketch_rnn_tf
from sketch_rnn_tf import config, files, runs, strokes
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.web import calibration, joining, model_file, pages, weights
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

FOLDER = "web"
# The last three are for those who run a .tflite file in a page, see examples/litert_web.
_EXPORTED = ["load", "Sketcher", "SketchError", "Noise", "latent", "nextPoint"]
_HEAD = "// Sketch-RNN in JavaScript, written by sketch-rnn-export. Apache License 2.0."


def write(
    run: runs.Run,
    model: SketchRNN,
    output_dir: pathlib.Path,
    *,
    overwrite: bool = False,
    precision: str = "float16",
) -> pathlib.Path:
    """Writes a run's page and module.

    Args:
      run: the run; its configuration goes into the files.
      model: the model with the weights to write.
      output_dir: where the folder `web` is made.
      overwrite: replace an existing folder.
      precision: of the weights, one of `model_file.WEIGHTS`.

    Returns:
      The folder.

    Raises:
      UserError: it exists already, or a weight is too large for its precision.
    """
    data = pack(run, model, precision)
    folder = pathlib.Path(output_dir) / FOLDER
    with files.atomic_directory(folder, overwrite) as temporary:
        (temporary / "model.bin").write_bytes(data)
        (temporary / "index.html").write_text(pages.drawing_page(data), "utf-8")
        (temporary / "sketch_rnn.js").write_text(runtime(), "utf-8")
        types = (pages.SOURCES / "runtime" / "sketch_rnn.d.ts").read_text("utf-8")
        (temporary / "sketch_rnn.d.ts").write_text(types, "utf-8")
    return folder


def runtime() -> str:
    """Returns sketch_rnn.js."""
    return joining.module(pages.SOURCES / "runtime" / "sketcher.js", _EXPORTED, _HEAD)


def pack(run: runs.Run, model: SketchRNN, precision: str = "float16") -> bytes:
    """Returns the bytes of model.bin, which have been read back.

    Raises:
      UserError: a weight is too large for its precision.
    """
    if precision not in model_file.WEIGHTS:
        known = ", ".join(model_file.WEIGHTS)
        raise UserError(f"there are no weights in {precision!r}; there are {known}")
    tensors = weights.tensors(model)
    moments = calibration.moments(model, run.config) if precision == "int8" else None
    data = model_file.pack(describe(run, model), tensors, precision, moments)
    limits = {"float32": 0.0, "float16": 1e-3, "int8": 0.25}  # of a tensor's largest weight
    # Half a step of the smallest float16 numbers: a bias that hardly learned yet has no others.
    least = 0.0 if precision == "float32" else 2.0**-25
    _, read = model_file.unpack(data, "model.bin")
    for name, expected in tensors.items():
        limit = max(limits[precision] * float(np.abs(expected).max(initial=0)), least)
        if not np.abs(read[name] - expected).max(initial=0) <= limit:
            raise UserError(f"model.bin does not hold {name} as it is; it is not written")
    return data


def describe(run: runs.Run, model: SketchRNN) -> dict[str, Any]:
    """Returns what model.bin says of its model.

    `extent` is the size of a drawing in source units, by which the page knows how large its paper
    is.
    """
    configuration = run.config
    model_config = configuration.model
    return {
        "package_version": sketch_rnn_tf.__version__,
        "name": run.path.resolve().name,
        "scale_factor": configuration.scale_factor,
        "extent": _extent(model, configuration),
        "max_length": model.max_length,
        "num_mixtures": model.num_mixtures,
        "conditional": model.conditional,
        "z_size": model.z_size,
        "classes": list(configuration.classes) if model.num_classes else [],
        "class_embedding": model_config.class_embedding,
        "absolute_position": model.decoder.absolute_position,
        "start_token": list(configuration.start_token),
        "temperature_mode": configuration.temperature_mode,
        "drop_first_point": configuration.drop_first_point,
        "simplification": configuration.simplification,
        "latent_prior": configuration.latent_prior,
        "encoder": _shape(model.encoder) if model.conditional else None,
        "decoder": {**_shape(model.decoder), "tanh_of_z": model.decoder.tanh_of_z},
        "num_parameters": model.count_params(),
    }


def _extent(model: SketchRNN, configuration: config.RunConfig) -> float:
    """Returns the side of the model's canvas, which is also the one that `complete` goes by.

    Where it is not known: the median longer side of drawings of the model itself.
    """
    known = config.canvas(configuration)
    if known is not None:
        return known
    drawn = calibration.draw(model, configuration, 0.5)
    sides = [float(max(np.subtract(b[2:], b[:2]))) for b in map(strokes.bounds, drawn)]
    extent = float(np.median(sides or [0.0])) * configuration.scale_factor
    return extent if np.isfinite(extent) and extent > 0 else 255.0


def _shape(part) -> dict[str, Any]:
    """Returns the cell of an encoder or a decoder and its sizes."""
    names = ("cell", "units", "hyper_units", "hyper_embedding")
    return {name: part.get_config()[name] for name in names}
