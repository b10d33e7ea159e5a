"""A file's weights in 8 bits, one scale per row.

LiteRT multiplies int8 weights in 8 bits: it rounds the vector too. In the recurrent products that
is two to three times as fast and costs next to nothing; in the layer that gives the distribution
of the next point it costs 5 % and more in nats per point. So only the products of every step are
computed in 8 bits. The output layer and what is computed once per sketch hold int8 weights that
LiteRT turns back into float32 when it loads them. The product with the point, which has few
weights, and the rows of the output layer that give the means of the components hold half
precision: where a component is narrow, the hundredth of a unit by which int8 rows are off costs
2 % and more.

The converter's own dynamic-range quantization takes every matrix and rounds to the nearest: it
costs 14 to 30 %.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from sketch_rnn_tf.export.litert import flatbuffer, output_layer, rounding
from sketch_rnn_tf.export.litert.flatbuffer import schema
from sketch_rnn_tf.export.litert.output_layer import Part

MIN_COLUMNS = 48  # reading a narrower matrix takes no longer than rounding its vector
FULLY_CONNECTED_VERSION = 12  # the first with float vectors and one scale per row of weights
DEQUANTIZE_VERSION = 5  # the first with one scale per row


def quantize(
    model: Any, moments: Mapping[str, np.ndarray], num_mixtures: int | None = None
) -> None:
    """Turns the float32 weights of fully connected operators into int8 or float16.

    Args:
      model: a float32 `ModelT`, changed in place.
      moments: of `calibration.moments`.
      num_mixtures: M, by which the output layer is recognized.
    """
    outputs = output_layer.split(model, num_mixtures, moments) if num_mixtures else {}
    every_step, stored = _graphs_of_every_step(model), {}
    for index, graph in enumerate(model.subgraphs):
        restored: dict[int, int] = {}  # {narrow tensor: float32 tensor}
        for operator, weights in flatbuffer.products(model, graph):
            part = outputs.get(weights.buffer)
            if weights.buffer not in stored:
                key = flatbuffer.weights_key(model.buffers[weights.buffer].data)
                stored[weights.buffer] = _narrow(
                    model, weights, part or Part(False, moments.get(key))
                )
            weights.type, weights.quantization = stored[weights.buffer]
            half = weights.type == schema.TensorType.FLOAT16
            if half or index not in every_step or part:
                _multiply_in_float(model, graph, operator, restored)
    for code in model.operatorCodes:
        if code.builtinCode == flatbuffer.FULLY_CONNECTED:
            code.version = max(code.version, FULLY_CONNECTED_VERSION)


def _graphs_of_every_step(model: Any) -> set[int]:
    """Returns the subgraphs that run at every step: `step` and the bodies of loops."""
    found = {flatbuffer.step_graph(model)} if model.signatureDefs else set()
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            if code == schema.BuiltinOperator.WHILE:
                found.add(operator.builtinOptions.bodySubgraphIndex)
    return found


def _narrow(model: Any, weights: Any, part: Part) -> tuple[int, Any]:
    """Rewrites the buffer of some weights; returns its type and quantization."""
    values, buffer = flatbuffer.constant(model, weights), model.buffers[weights.buffer]
    if part.half or weights.shape[1] < MIN_COLUMNS:
        buffer.data = values.astype(np.float16).reshape(-1).view(np.uint8)
        return schema.TensorType.FLOAT16, None
    whole, scales = rounding.to_int8(values, part.moments)
    buffer.data = whole.reshape(-1).view(np.uint8)
    table = schema.QuantizationParametersT()
    table.scale, table.zeroPoint = scales, np.zeros(len(scales), np.int64)
    table.quantizedDimension = 0
    return schema.TensorType.INT8, table


def _multiply_in_float(model: Any, graph: Any, operator: Any, restored: dict[int, int]) -> None:
    """Lets an operator read float32 weights that LiteRT makes once, when the graph first runs."""
    narrow = int(operator.inputs[1])
    if narrow not in restored:
        restored[narrow] = flatbuffer.add_tensor(graph, graph.tensors[narrow].shape)
        added = schema.OperatorT()
        added.opcodeIndex = flatbuffer.operator_code(
            model, schema.BuiltinOperator.DEQUANTIZE, DEQUANTIZE_VERSION
        )
        added.inputs, added.outputs = np.int32([narrow]), np.int32([restored[narrow]])
        added.builtinOptionsType = schema.BuiltinOptions.DequantizeOptions
        added.builtinOptions = schema.DequantizeOptionsT()
        graph.operators.insert(0, added)
    operator.inputs = np.int32([operator.inputs[0], restored[narrow], *operator.inputs[2:]])
