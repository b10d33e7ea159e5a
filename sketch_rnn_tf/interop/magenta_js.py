"""The models of sketch-rnn-js and @magenta/sketch: `.gen.json` and `.vae.json` files.

A file is a list of three: an info object, the shapes of the weights, and the weights, each as one
base64 string of little-endian int16; a weight is its int16 times 10 / 32767. `gen` files are a
decoder alone (5 weights), `vae` files have an encoder too (17). In `.full.json` files, the step
before base64, weights are lists of numbers: int16, or floats that are taken as they are.

The JavaScript code

- divides coordinates by scale_factor / 2 (its pixel factor of 2, for screens with dense pixels),
- starts with an all-zero row (sketch_rnn.js) or with (0, 0, 1, 0, 0) (@magenta/sketch),
- divides logits by 0.5 + 0.5 tau,
- drops the row that holds the position of a drawing's first point,
- passes z through tanh before it makes the initial state, where the version is below 6.

An import takes all of this over, so the model draws and scores as it did there. An export puts its
start token and pixel factor into the info object, where an import finds them.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import json
import math
import pathlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from absl import logging

from sketch_rnn_tf import config, files, runs
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.interop import javascript_limits, magenta_names, one_class
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

MAX_WEIGHT = 10.0
INT16 = 32767
PIXEL_FACTOR = 2.0
VERSION = 6
MAX_BYTES = 1 << 30
MAX_LENGTH = 100_000
ZERO_TOKEN = (0.0,) * 5
# Fields of a run's configuration that an export writes into the info object.
_OURS = ("start_token", "temperature_mode", "drop_first_point", "simplification", "canvas")
# Quick, Draw!'s own chain, by which the drawings were made that Google's models have seen.
SIMPLIFICATION = {"method": "quickdraw", "epsilon": 2.0, "size": 255.0, "spacing": 1.0}

_DECODER = tuple(
    f"vector_rnn/RNN/{name}"
    for name in ("output_w", "output_b", "LSTMCell/W_xh", "LSTMCell/W_hh", "LSTMCell/bias")
)
_ENCODER = (
    *(
        f"vector_rnn/ENC_RNN/{way}/LSTMCell/{name}"
        for way in ("fw", "bw")
        for name in ("W_xh", "W_hh", "bias")
    ),
    *(
        f"vector_rnn/{layer}/super_linear_{name}"
        for layer in ("ENC_RNN_mu", "ENC_RNN_sigma", "linear")
        for name in "wb"
    ),
)
NAMES = {"gen": _DECODER, "vae": (*_ENCODER, *_DECODER)}  # Magenta's names, in file order


def read_model(path: files.PathLike) -> tuple[config.RunConfig, SketchRNN]:
    """Reads a `.gen.json` or `.vae.json` file.

    Returns:
      The configuration of a run and the model with the file's weights.

    Raises:
      UserError: the file is damaged, truncated or mislabeled; one sentence that names it.
    """
    info, weights = read_file(path)
    try:
        configuration = describe(info, weights)
        model = sketch_rnn.build_model(configuration)
        magenta_names.assign(model, weights)
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    return configuration, model


def read_file(path: files.PathLike) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns the info object and {Magenta's name: float32 weight} of a file.

    Raises:
      UserError: see `read_model`.
    """
    if pathlib.Path(path).stat().st_size > MAX_BYTES:
        raise UserError(f"{path}: is larger than any Sketch-RNN model")
    content = files.read_json(path)
    kinds = [type(part) for part in content] if isinstance(content, list) else []
    if kinds != [dict, list, list]:
        raise UserError(f"{path}: is not a sketch-rnn-js model (a list of info, shapes, weights)")
    info, shapes, values = content
    try:
        mode = _mode(info)
        names = NAMES[mode]
        if not len(shapes) == len(values) == len(names):
            raise UserError(
                f"is labeled {mode!r}, which has {len(names)} weights, but holds {len(values)} and"
                f" {len(shapes)} shapes"
            )
        triples = list(zip(names, shapes, values, strict=True))
        arrays = {name: _weight(name, shape, value) for name, shape, value in triples}
    except ValueError as error:
        raise UserError(f"{path}: {error}") from None
    if any(array.dtype.kind == "f" for array in arrays.values()):  # not quantized
        return info, {name: array.astype(np.float32) for name, array in arrays.items()}
    scale = MAX_WEIGHT / INT16
    return info, {name: (array * scale).astype(np.float32) for name, array in arrays.items()}


def _mode(info: Mapping[str, Any]) -> str:
    """Returns `gen` or `vae`; the numbers 0 and 1 mean vae, 2 means gen."""
    modes = {"gen": "gen", "vae": "vae", 0: "vae", 1: "vae", 2: "gen"}
    mode = info.get("mode")
    if isinstance(mode, (bool, float, list, dict)) or mode not in modes:
        raise UserError(f"its mode is {mode!r}, expected 'gen', 'vae', 0, 1 or 2")
    return modes[mode]


def _weight(name: str, shape: Any, value: Any) -> np.ndarray:
    """Returns one weight: int16, or float64 where it is a list with fractions."""
    if not isinstance(shape, list) or len(shape) not in (1, 2):
        raise UserError(f"the weight {name} has the shape {shape!r}, expected one or two sizes")
    if not all(type(size) is int and 0 < size < 1 << 24 for size in shape):
        raise UserError(f"the weight {name} has the shape {shape}")
    if isinstance(value, list):
        return _listed_weight(name, shape, value)
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, TypeError, ValueError):
        raise UserError(f"the weight {name} is neither base64 nor a list of numbers") from None
    needed = 2 * math.prod(shape)
    if len(raw) != needed:
        raise UserError(f"the weight {name} has {len(raw)} bytes, its shape {shape} needs {needed}")
    return np.frombuffer(raw, "<i2").reshape(shape)


def _listed_weight(name: str, shape: list[int], value: list) -> np.ndarray:
    try:
        array = np.array(value)
    except (OverflowError, ValueError):  # of lists of several lengths
        array = np.array(None)
    if array.dtype.kind not in "if" or array.size != math.prod(shape):
        raise UserError(f"the weight {name} is not a list of {math.prod(shape)} numbers")
    if array.dtype.kind == "i" and np.abs(array).max() > INT16 + 1:
        raise UserError(f"the weight {name} holds {np.abs(array).max()}, expected int16")
    if not np.isfinite(array).all():
        raise UserError(f"the weight {name} holds non-finite numbers")
    return array.reshape(shape)


def describe(info: Mapping[str, Any], weights: Mapping[str, np.ndarray]) -> config.RunConfig:
    """Returns the configuration of a run from a file's info object and weights.

    Raises:
      UserError: a field or a shape is impossible.
    """
    if "initial_state" in info:
        raise UserError(
            "its decoder starts from a state of its own, which a run directory cannot hold; use the"
            " run that it was exported from"
        )
    factor = _number(info, "scale_factor") / _number(info, "pixel_factor", PIXEL_FACTOR)
    length = _number(info, "max_seq_len")
    if length != int(length) or not 1 <= length <= MAX_LENGTH:
        raise UserError(f"its max_seq_len is {length}, expected 1 to {MAX_LENGTH}")
    settings: dict[str, Any] = {
        "start_token": list(ZERO_TOKEN),
        "temperature_mode": "javascript",
        "drop_first_point": True,
        "simplification": SIMPLIFICATION,
        **{name: info[name] for name in _OURS if name in info},
    }
    model = magenta_names.describe_model(weights)
    version = _number(info, "version", VERSION)
    if model.conditional and version < VERSION:
        decoder = dataclasses.replace(model.decoder, tanh_of_z=True)
        model = dataclasses.replace(model, decoder=decoder)
    name = info.get("name")
    configuration = config.RunConfig(
        scale_factor=factor,
        max_length=int(length),
        classes=(name,) if isinstance(name, str) and name else (),
        preset="magenta",
        versions=runs.versions(),
        model=model,
    )
    content = {**config.to_json(configuration), **settings}
    configuration = config.from_json(config.RunConfig, content, "its info object")
    if len(configuration.start_token) != 5:
        raise UserError(f"its start_token is {list(configuration.start_token)}, expected 5 numbers")
    if configuration.temperature_mode not in config.TEMPERATURE_MODES:
        known = ", ".join(config.TEMPERATURE_MODES)
        mode = configuration.temperature_mode
        raise UserError(f"its temperature_mode is {mode!r}, expected one of {known}")
    return configuration


def _number(info: Mapping[str, Any], name: str, default: float | None = None) -> float:
    value = info.get(name, default)
    fits = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not fits or not 0 < value < 1e9:
        raise UserError(f"its {name} is {value!r}, expected a positive number")
    return float(value)


def write(
    run: runs.Run, model: SketchRNN, output_dir: files.PathLike, *, overwrite: bool = False
) -> pathlib.Path:
    """Writes an LSTM model as `.gen.json` (decoder alone) or `.vae.json`.

    sketch-rnn-js runs both, `@magenta/sketch` only `.gen.json`. A class-conditioned model becomes
    one file per class; a decoder alone then starts from the state `initial_state` (h and c) in the
    file's info object instead of zeros. Logs which program runs the files.

    Args:
      run: the run.
      model: the model.
      output_dir: the export's folder; the file is `magenta_js/NAME.gen.json` in it.
      overwrite: replace an existing file.

    Returns:
      The file, or the folder where there is one file per class.

    Raises:
      UserError: the JavaScript code has no such model, or a weight is beyond +-10.
    """
    javascript_limits.check(run.config.model)
    folder = pathlib.Path(output_dir) / "magenta_js"
    mode = "vae" if model.conditional else "gen"
    contents = {
        folder / f"{name}.{mode}.json": content for name, content in _contents(run, model, mode)
    }
    for path in contents:
        if path.exists() and not overwrite:
            raise UserError(f"{path}: exists already; --overwrite replaces it")
    for path, content in contents.items():
        files.write_text(path, json.dumps(content, allow_nan=False) + "\n")
    logging.info("%s: %s", next(iter(contents)).name, _programs(model))
    return folder if model.num_classes else path


def _programs(model: SketchRNN) -> str:
    """Returns which JavaScript programs run an exported model."""
    if model.conditional:
        return (
            "for sketch-rnn-js only, whose VAE reads .vae.json; @magenta/sketch runs decoders alone"
            " (.gen.json, of models trained with model.conditional=false)"
        )
    if model.num_classes:
        return (
            "for programs of yours on sketch-rnn-js or @magenta/sketch that begin with the state"
            " initial_state of the file instead of zeros, as neither does by itself"
        )
    return "for sketch-rnn-js and @magenta/sketch"


def _contents(run: runs.Run, model: SketchRNN, mode: str) -> Iterator[tuple[str, list]]:
    """Yields the name and the content of each file."""
    classes = run.config.classes
    if not model.num_classes:
        name = _file_name(classes[0] if len(classes) == 1 else run.path.resolve().name)
        yield name, _content(_info(run.config, name, mode), model)
        return
    names = [_file_name(name) for name in classes]
    for label, name in enumerate(names):
        if names.count(name) > 1:  # told apart by the class's number
            name = f"{name}-{label}"
        configuration, plain = one_class.of_class(run.config, model, label)
        info = _info(configuration, classes[label], mode)
        if not model.conditional:
            info["initial_state"] = one_class.initial_state(model, label)
        yield name, _content(info, plain)


def _content(info: dict[str, Any], model: SketchRNN) -> list:
    """Returns a file's content: info object, shapes, weights."""
    names = NAMES[info["mode"]]
    values = {name: v.numpy() for name, v in magenta_names.variables(model).items()}
    weights = magenta_names.to_magenta(model, values)
    texts = []
    for name in names:
        largest = float(np.abs(weights[name]).max())
        if not largest <= MAX_WEIGHT:
            raise UserError(
                f"magenta_js: the weight {name} has a value of {largest:g}, the format holds -10"
                " to 10"
            )
        whole = np.round(weights[name] * (INT16 / MAX_WEIGHT)).astype("<i2")
        texts.append(base64.b64encode(whole.tobytes()).decode())
    return [info, [list(weights[name].shape) for name in names], texts]


def _info(configuration: config.RunConfig, name: str, mode: str) -> dict[str, Any]:
    old = configuration.model.decoder.tanh_of_z
    return {
        "name": name,
        "mode": mode,
        "version": VERSION - 1 if old else VERSION,
        "max_seq_len": configuration.max_length,
        "scale_factor": configuration.scale_factor * PIXEL_FACTOR,
        "pixel_factor": PIXEL_FACTOR,
        **{name: config.to_json(configuration)[name] for name in _OURS},
    }


def _file_name(name: str) -> str:
    return re.sub(r"[^\w .-]", "_", name).strip(". ")[:100] or "model"
