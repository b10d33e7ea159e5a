"""TF1 checkpoints of Magenta's sketch_rnn, with the `model_config.json` that lies beside them.

What the model is follows from the names and shapes of its weights: some releases hold only the
names of the hparams in `model_config.json`, not their values. Where there are values, they have to
agree with the shapes; they tell how the model was trained. A checkpoint holds no scale factor.
"""

from __future__ import annotations

import dataclasses
import pathlib
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import config, files, runs
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.interop import magenta_hparams, magenta_names
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

MODEL_CONFIG = "model_config.json"
DEFAULT_LENGTH = 250  # Magenta's max_seq_len
MAX_LENGTH = 100_000
_SIZES = {  # hparam: its value by the shapes
    "dec_rnn_size": lambda model: model.decoder.units,
    "dec_model": lambda model: model.decoder.cell,
    "num_mixture": lambda model: model.num_mixtures,
    "conditional": lambda model: model.conditional,
}
_ENCODER_SIZES = {
    "enc_rnn_size": lambda model: model.encoder.units,
    "enc_model": lambda model: model.encoder.cell,
    "z_size": lambda model: model.z_size,
}


def read_model(
    directory: files.PathLike,
    *,
    scale_factor: float,
    max_length: int | None = None,
    classes: tuple[str, ...] = (),
) -> tuple[config.RunConfig, SketchRNN]:
    """Reads the newest checkpoint of a folder.

    Args:
      directory: the folder with `checkpoint`, `vector-N.index` and `vector-N.data-...`.
      scale_factor: of the data that the model was trained on, source units.
      max_length: N_max; from `model_config.json`, else Magenta's 250, when not given.
      classes: class name, if it is known.

    Returns:
      The configuration of a run and the model with the checkpoint's weights.

    Raises:
      UserError: the checkpoint is missing, damaged or mislabeled; one sentence that names it.
    """
    path = pathlib.Path(directory)
    weights = read_weights(newest(path))
    try:
        hparams = read_hparams(path / MODEL_CONFIG)
        model, training = describe(hparams, weights)
        configuration = config.RunConfig(
            scale_factor=float(scale_factor),
            max_length=max_length or _length(hparams),
            classes=classes,
            temperature_mode="magenta",
            preset="magenta",
            versions=runs.versions(),
            model=model,
            training=training,
        )
        built = sketch_rnn.build_model(configuration)
        magenta_names.assign(built, weights)
    except ValueError as error:
        prefix = "" if str(error).startswith(str(path)) else f"{path}: "
        raise UserError(f"{prefix}{error}") from None
    return configuration, built


def newest(directory: pathlib.Path) -> pathlib.Path:
    """Returns the prefix of the newest checkpoint of a folder, such as `DIR/vector-1000`.

    The file `checkpoint` says which it is, possibly by a path of another machine; without it, it is
    the one with the highest step.

    Raises:
      UserError: there is none.
    """
    steps = {
        int(match[1]): directory / match[0].removesuffix(".index")
        for file in directory.glob("*.index")
        if (match := re.fullmatch(r".*?(\d+)\.index", file.name))
    }
    named = directory / "checkpoint"
    if named.is_file():
        text = named.read_text("utf-8", "replace")[:10_000]
        match = re.search(r'^model_checkpoint_path:\s*"([^"]+)"', text, re.MULTILINE)
        name = re.split(r"[/\\]", match[1])[-1] if match else ""
        if name and (directory / f"{name}.index").is_file():
            return directory / name
    if not steps:
        raise UserError(f"{directory}: holds no checkpoint (a file such as vector-1000.index)")
    return steps[max(steps)]


def read_weights(prefix: pathlib.Path) -> dict[str, np.ndarray]:
    """Returns the weights of a checkpoint by name, optimizer and counters left out.

    Raises:
      UserError: it is damaged or truncated.
    """
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        names = [name for name in reader.get_variable_to_shape_map() if _is_weight(name)]
        weights = {name: np.asarray(reader.get_tensor(name)) for name in names}
    except Exception as error:  # the reader raises RuntimeError, ValueError and its own kinds
        reason = " ".join(str(error).split())[:150]
        raise UserError(f"{prefix}: the checkpoint cannot be read ({reason})") from None
    for name, value in weights.items():
        if value.dtype.kind != "f" or not np.isfinite(value).all():
            raise UserError(f"{prefix}: the weight {name} holds values that are non-finite")
    return {name: value.astype(np.float32) for name, value in weights.items()}


def _is_weight(name: str) -> bool:
    """Whether it is a weight: Adam's moments lie under the scope twice, counters elsewhere."""
    doubled = name.startswith("vector_rnn/vector_rnn/")
    parts = ("vector_rnn/RNN/", "vector_rnn/ENC_RNN", "vector_rnn/linear/")
    return name.startswith(parts) and not doubled and not re.search(r"/Adam(_\d+)?$", name)


def read_hparams(path: pathlib.Path) -> dict[str, Any]:
    """Returns the values of `model_config.json`; none where it is missing or holds only names.

    Raises:
      UserError: it is neither.
    """
    if not path.is_file():
        return {}
    content = files.read_json(path)
    if isinstance(content, Mapping):
        return dict(content)
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        return {}
    raise UserError(f"{path}: holds neither hparams nor their names")


def describe(
    hparams: Mapping[str, Any], weights: Mapping[str, np.ndarray]
) -> tuple[config.ModelConfig, config.TrainingConfig]:
    """Returns what the model is, from the weights' shapes, and how it was trained.

    Raises:
      UserError: hparams and shapes do not agree, or an hparam is none of Magenta's.
    """
    shapes = magenta_names.describe_model(weights)
    sizes = _SIZES | (_ENCODER_SIZES if shapes.conditional else {})
    for name, of_shapes in sizes.items():
        if name in hparams and hparams[name] != of_shapes(shapes):
            raise UserError(
                f"{MODEL_CONFIG} says {name}={hparams[name]}, the weights' shapes say"
                f" {of_shapes(shapes)}"
            )
    settings = magenta_hparams.to_settings(hparams)
    model, training = config.override(config.ModelConfig(), config.TrainingConfig(), settings)
    # Sizes and cells are those of the shapes, dropout is that of the hparams.
    replace = dataclasses.replace
    keep = ("recurrent_dropout", "input_dropout", "output_dropout")
    decoder = replace(shapes.decoder, **{name: getattr(model.decoder, name) for name in keep})
    encoder = replace(shapes.encoder, recurrent_dropout=model.encoder.recurrent_dropout)
    return replace(shapes, encoder=encoder, decoder=decoder), training


def _length(hparams: Mapping[str, Any]) -> int:
    length = hparams.get("max_seq_len", DEFAULT_LENGTH)
    if type(length) is not int or not 1 <= length <= MAX_LENGTH:
        raise UserError(f"{MODEL_CONFIG} says max_seq_len={length!r}")
    return length
