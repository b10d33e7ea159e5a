"""A model's weights by name, as JavaScript multiplies them: a row for each number of the result."""

from __future__ import annotations

import numpy as np

from sketch_rnn_tf.model.cells.base import RecurrentCell
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

POINT = 5  # a stroke-5 row


def tensors(model: SketchRNN) -> dict[str, np.ndarray]:
    """Returns {name: float32 array}; matrices are [outputs, inputs].

    Args:
      model: the model.
    """
    decoder, found = model.decoder, {}
    size = decoder.input_size - decoder.context_size
    found |= _cell("decoder.cell", decoder.cell, size)
    found |= _layer("decoder.output", decoder.output_layer)
    if decoder.state_layer is not None:
        found |= _layer("decoder.initial", decoder.state_layer)
    if model.encoder is not None:
        for name in ("forward", "backward"):
            cell = getattr(model.encoder, f"{name}_cell")
            found |= _cell(f"encoder.{name}", cell, POINT)
        for name in ("mean", "log_var"):
            found |= _layer(f"encoder.{name}", getattr(model.encoder, name))
    if model.embedding is not None:
        found["class_embedding"] = np.asarray(model.embedding.embeddings)
    return {name: np.ascontiguousarray(value, np.float32) for name, value in found.items()}


def _cell(prefix: str, cell: RecurrentCell, size: int) -> dict[str, np.ndarray]:
    """Returns a cell's weights; its inputs are a point [size] and the context."""
    kernel, bias = cell.input_weights()
    kernel = np.asarray(kernel).T
    found = {"point": kernel[:, :size]}
    if kernel.shape[1] > size:
        found["context"] = kernel[:, size:]
    if bias is not None:
        found["bias"] = np.asarray(bias)
    for name, value in cell.step_weights().items():
        value = np.asarray(value)
        if value.ndim == 3:  # the twelve generators, one below the other
            value = np.concatenate(value, axis=1)
        found[name] = value.T
    return {f"{prefix}.{name}": value for name, value in found.items()}


def _layer(name: str, layer) -> dict[str, np.ndarray]:
    return {name: np.asarray(layer.kernel).T, f"{name}_bias": np.asarray(layer.bias)}
