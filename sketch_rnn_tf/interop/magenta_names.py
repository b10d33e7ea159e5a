"""Which variable of a Magenta checkpoint each weight of ours is."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sketch_rnn_tf.model.sketch_rnn import SketchRNN

_CELL_SCOPES = {"LSTMCell": "LSTMCell"}
_LSTM = {"kernel": "W_xh", "recurrent_kernel": "W_hh", "bias": "bias"}


def weight_names(model: SketchRNN) -> dict[str, str]:
    """Returns {our variable's path: the name in a TF1 checkpoint of Magenta's sketch_rnn}.

    Paths are relative to the model, such as `encoder/forward/kernel`.

    Raises:
      ValueError: the model has a part that Magenta's has not, such as a class embedding.
    """
    names = _cell_names("decoder/cell", "vector_rnn/RNN", model.decoder.cell)
    names |= {
        "decoder/output/kernel": "vector_rnn/RNN/output_w",
        "decoder/output/bias": "vector_rnn/RNN/output_b",
    }
    if model.encoder is not None:
        for ours, theirs in (("forward", "fw"), ("backward", "bw")):
            cell = getattr(model.encoder, f"{ours}_cell")
            names |= _cell_names(f"encoder/{ours}", f"vector_rnn/ENC_RNN/{theirs}", cell)
        names |= _linear_names("encoder/z_mean", "vector_rnn/ENC_RNN_mu")
        names |= _linear_names("encoder/z_log_var", "vector_rnn/ENC_RNN_sigma")
        names |= _linear_names("decoder/initial_state", "vector_rnn/linear")
    unknown = set(variables(model)) - set(names)
    if unknown:
        raise ValueError(f"Magenta's model has no counterpart of {sorted(unknown)[0]}")
    return names


def variables(model: SketchRNN) -> dict[str, object]:
    """Returns {path relative to the model: variable} of the model's weights."""
    return {_relative(variable.path): variable for variable in model.trainable_variables}


def assign(model: SketchRNN, weights: Mapping[str, np.ndarray]) -> None:
    """Gives a model Magenta's weights.

    Args:
      model: a model of the same configuration.
      weights: arrays by their names in the checkpoint.

    Raises:
      ValueError: a weight is missing or of another shape; the message names it.
    """
    own = variables(model)
    for path, name in weight_names(model).items():
        if name not in weights:
            raise ValueError(f"the weight {name} is missing")
        value = _to_ours(path, np.asarray(weights[name]), model)
        if value.shape != tuple(own[path].shape):
            raise ValueError(f"{name} has shape {value.shape}, expected {tuple(own[path].shape)}")
        own[path].assign(value)


def _to_ours(path: str, value: np.ndarray, model: SketchRNN) -> np.ndarray:
    """Reorders the initial state's columns: Magenta's flat LSTM state is [c, h], ours [h, c]."""
    if not path.startswith("decoder/initial_state/"):
        return value
    return swap_state(value)


def swap_state(value: np.ndarray) -> np.ndarray:
    """Swaps the halves of the last axis: [c, h] to [h, c] and back."""
    first, second = np.split(value, 2, axis=-1)
    return np.concatenate([second, first], axis=-1)


def _cell_names(ours: str, theirs: str, cell) -> dict[str, str]:
    scope = f"{theirs}/{_CELL_SCOPES[type(cell).__name__]}"
    return {f"{ours}/{mine}": f"{scope}/{name}" for mine, name in _LSTM.items()}


def _linear_names(ours: str, theirs: str) -> dict[str, str]:
    return {
        f"{ours}/kernel": f"{theirs}/super_linear_w",
        f"{ours}/bias": f"{theirs}/super_linear_b",
    }


def _relative(path: str) -> str:
    """Returns a variable's path from the first layer that is the encoder's, decoder's or ours."""
    parts = path.split("/")
    for i, part in enumerate(parts):
        if part in ("encoder", "decoder", "class_embedding"):
            return "/".join(parts[i:])
    return path
