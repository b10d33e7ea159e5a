"""Weights in 8 bits where that is cheap: in the products with long vectors.

The converter's own dynamic-range quantisation takes every matrix, and LiteRT rounds the vector of
such a product to 8 bits too. In the layer that says the next point's distribution that costs 14 to
30 % in nats per point; in the recurrent products next to nothing. So that layer stays in float32,
and so does the product with the point, which has few weights and reads coordinates.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

MIN_INPUTS = 48  # shorter vectors have few weights and carry coordinates
FULLY_CONNECTED_VERSION = 12  # the first with float vectors and weights of a scale a row
LIMIT = 127


def quantise(model: Any, keep_outputs: Collection[int] = ()) -> None:
    """Turns float32 weights of fully connected operations into int8, a scale a row.

    Args:
      model: a float32 `ModelT`, changed in place.
      keep_outputs: matrices with so many rows stay as they are.
    """
    done: dict[int, Any] = {}
    for graph in model.subgraphs:
        for tensor in _weights(model, graph):
            rows, columns = tensor.shape
            if columns < MIN_INPUTS or rows in keep_outputs or tensor.type != _FLOAT32:
                continue
            if tensor.buffer not in done:
                done[tensor.buffer] = _rounded(model.buffers[tensor.buffer], rows)
            tensor.type, tensor.quantization = schema.TensorType.INT8, done[tensor.buffer]
    for code in model.operatorCodes:
        if code.builtinCode == _FULLY_CONNECTED:
            code.version = max(code.version, FULLY_CONNECTED_VERSION)


_FLOAT32 = schema.TensorType.FLOAT32
_FULLY_CONNECTED = schema.BuiltinOperator.FULLY_CONNECTED


def _weights(model: Any, graph: Any) -> list[Any]:
    """Returns the constant weight tensors of a graph's fully connected operations."""
    found = {}
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == _FULLY_CONNECTED:
            tensor = graph.tensors[operator.inputs[1]]
            data = model.buffers[tensor.buffer].data
            if data is not None and len(data):
                found[operator.inputs[1]] = tensor
    return list(found.values())


def _rounded(buffer: Any, rows: int) -> Any:
    """Rounds a buffer's rows to int8 in place and returns their quantisation."""
    values = np.frombuffer(np.asarray(buffer.data, np.uint8).tobytes(), np.float32)
    values = values.reshape(rows, -1)
    scale = np.maximum(np.abs(values).max(axis=1), np.finfo(np.float32).tiny * LIMIT) / LIMIT
    rounded = np.clip(np.rint(values / scale[:, None]), -LIMIT, LIMIT).astype(np.int8)
    buffer.data = rounded.reshape(-1).view(np.uint8)
    table = schema.QuantizationParametersT()
    table.scale = scale.astype(np.float32)
    table.zeroPoint = np.zeros(rows, np.int64)
    table.quantizedDimension = 0
    return table
