"""A file's weights in 8 bits, a scale a row.

LiteRT multiplies int8 weights in 8 bits: it rounds the vector too. In the recurrent products that
is twice to three times as fast and costs next to nothing; in the layer that says the next point's
distribution it costs 5 % and more in nats per point. So only the products of every step are
computed in 8 bits. The output layer and what is computed once a sketch hold int8 weights that
LiteRT turns back into float32 when it loads them; the product with the point, of few weights, and
the rows of the output layer that say the components' means hold half precision: where a component
is narrow the hundredth of a unit that int8 rows are off costs 2 % and more.

The converter's own dynamic-range quantisation takes every matrix and rounds to the nearest: it
costs 14 to 30 %.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from sketch_rnn_tf.export.litert import calibration, output_layer, rounding
from sketch_rnn_tf.export.litert.output_layer import Part

MIN_COLUMNS = 48  # a matrix of fewer is no longer read than its vector is rounded
FULLY_CONNECTED_VERSION = 12  # the first with float vectors and weights of a scale a row
DEQUANTIZE_VERSION = 5  # the first with a scale a row

_FLOAT32, _FLOAT16 = schema.TensorType.FLOAT32, schema.TensorType.FLOAT16
_FULLY_CONNECTED = schema.BuiltinOperator.FULLY_CONNECTED
_DEQUANTIZE = schema.BuiltinOperator.DEQUANTIZE
_WHILE = schema.BuiltinOperator.WHILE


def quantise(
    model: Any, moments: Mapping[str, np.ndarray], num_mixtures: int | None = None
) -> None:
    """Turns the float32 weights of fully connected operations into int8 or float16.

    Args:
      model: a float32 `ModelT`, changed in place.
      moments: of `litert_calibration.moments`.
      num_mixtures: M, by which the output layer is known.
    """
    outputs = output_layer.split(model, num_mixtures, moments) if num_mixtures else {}
    every_step, stored = _every_step(model), {}
    for index, graph in enumerate(model.subgraphs):
        restored: dict[int, int] = {}
        for operator, tensor in _products(model, graph):
            part = outputs.get(tensor.buffer)
            if tensor.buffer not in stored:
                buffer = model.buffers[tensor.buffer]
                own = part or Part(False, moments.get(calibration.key(buffer.data)))
                stored[tensor.buffer] = _store(buffer, tensor.shape, own)
            tensor.type, tensor.quantization = stored[tensor.buffer]
            if tensor.type == _FLOAT16 or index not in every_step or part:
                _multiply_in_float(model, graph, operator, restored)
    for code in model.operatorCodes:
        if code.builtinCode == _FULLY_CONNECTED:
            code.version = max(code.version, FULLY_CONNECTED_VERSION)


def _every_step(model: Any) -> set[int]:
    """Returns the subgraphs that run at every step: `step` and the bodies of loops."""
    found = {s.subgraphIndex for s in model.signatureDefs if s.signatureKey == b"step"}
    for graph in model.subgraphs:
        for operator in graph.operators:
            if model.operatorCodes[operator.opcodeIndex].builtinCode == _WHILE:
                found.add(operator.builtinOptions.bodySubgraphIndex)
    return found


def _products(model: Any, graph: Any) -> Iterator[tuple[Any, Any]]:
    """Yields a graph's fully connected operations with constant weights, and the weights."""
    for operator in graph.operators:
        if model.operatorCodes[operator.opcodeIndex].builtinCode == _FULLY_CONNECTED:
            tensor = graph.tensors[operator.inputs[1]]
            data = model.buffers[tensor.buffer].data
            if data is not None and len(data):
                yield operator, tensor


def _store(buffer: Any, shape: Any, part: Part) -> tuple[int, Any]:
    """Narrows a buffer in place; returns its type and quantisation."""
    values = np.frombuffer(np.asarray(buffer.data, np.uint8).tobytes(), np.float32).reshape(shape)
    if part.half or shape[1] < MIN_COLUMNS:
        buffer.data = values.astype(np.float16).reshape(-1).view(np.uint8)
        return _FLOAT16, None
    whole, scales = rounding.to_int8(values, part.moments)
    buffer.data = whole.reshape(-1).view(np.uint8)
    table = schema.QuantizationParametersT()
    table.scale, table.zeroPoint = scales, np.zeros(len(scales), np.int64)
    table.quantizedDimension = 0
    return schema.TensorType.INT8, table


def _multiply_in_float(model: Any, graph: Any, operator: Any, restored: dict[int, int]) -> None:
    """Lets an operation read float32 weights that LiteRT makes once, when the graph first runs.

    Args:
      model: the `ModelT`.
      graph: the operation's subgraph.
      operator: the operation.
      restored: {narrow tensor: float32 tensor} of this subgraph, added to.
    """
    narrow = int(operator.inputs[1])
    if narrow not in restored:
        wide = schema.TensorT()
        wide.shape, wide.type, wide.buffer = graph.tensors[narrow].shape, _FLOAT32, 0
        wide.hasRank = True
        graph.tensors.append(wide)
        restored[narrow] = len(graph.tensors) - 1
        added = schema.OperatorT()
        added.opcodeIndex = _dequantize_code(model)
        added.inputs, added.outputs = np.int32([narrow]), np.int32([restored[narrow]])
        added.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
        added.builtinOptions = schema.DequantizeOptionsT()
        graph.operators.insert(0, added)
    operator.inputs = np.int32([operator.inputs[0], restored[narrow], *operator.inputs[2:]])


def _dequantize_code(model: Any) -> int:
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == _DEQUANTIZE:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = _DEQUANTIZE
    code.version = DEQUANTIZE_VERSION
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
