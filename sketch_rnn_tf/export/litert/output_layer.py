"""The output layer in three parts, so that the means of the components can be held more finely."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from sketch_rnn_tf.export.litert import flatbuffer
from sketch_rnn_tf.export.litert.flatbuffer import schema
from sketch_rnn_tf.model import next_point

_CONCATENATION = schema.BuiltinOperator.CONCATENATION
_CONCATENATION_VERSION = 1


class Part(NamedTuple):
    """How a matrix, or some rows of it, is held.

    Attributes:
      half: in half precision instead of 8 bits.
      moments: of the vectors that it is multiplied with, see `calibration`; None: unknown.
    """

    half: bool
    moments: np.ndarray | None


def split(model: Any, num_mixtures: int, moments: Mapping[str, np.ndarray]) -> dict[int, Part]:
    """Replaces each product of the output layer by three and their concatenation.

    Args:
      model: a float32 `ModelT`, changed in place.
      num_mixtures: M.
      moments: of `calibration.moments`.

    Returns:
      {buffer of weights: how they are to be held}.
    """
    means = next_point.PEN_STATES + num_mixtures, next_point.PEN_STATES + 3 * num_mixtures
    bounds = [0, *means, next_point.output_size(num_mixtures)]
    parts: dict[int, Part] = {}
    pieces: dict[int, list[int]] = {}  # {buffer: the buffers of its pieces}
    for graph in model.subgraphs:
        for operator, weights in flatbuffer.products(model, graph):
            if weights.shape[0] == bounds[-1]:
                vectors = moments.get(flatbuffer.weights_key(model.buffers[weights.buffer].data))
                whole = weights.buffer
                _split_product(model, graph, operator, bounds, pieces)
                for number, buffer in enumerate(pieces[whole]):
                    parts[buffer] = Part(number == 1, vectors)
    return parts


def _split_product(model: Any, graph: Any, product: Any, bounds: list[int], pieces: dict) -> None:
    """Replaces one operator of a graph, with the pieces of constants that were cut before."""
    outputs, operators = [], []
    for number, (begin, end) in enumerate(itertools.pairwise(bounds)):
        inputs = [int(product.inputs[0])]
        for index in product.inputs[1:]:
            if index < 0:  # no bias
                inputs.append(int(index))
                continue
            tensor = graph.tensors[index]
            if tensor.buffer not in pieces:
                rows = np.split(flatbuffer.constant(model, tensor), bounds[1:-1])
                pieces[tensor.buffer] = [flatbuffer.add_buffer(model, r.tobytes()) for r in rows]
            shape = [end - begin, *tensor.shape[1:]]
            inputs.append(flatbuffer.add_tensor(graph, shape, pieces[tensor.buffer][number]))
        outputs.append(flatbuffer.add_tensor(graph, [1, end - begin]))
        operators.append(_operator(product.opcodeIndex, inputs, outputs[-1:]))
        operators[-1].builtinOptionsType = product.builtinOptionsType
        operators[-1].builtinOptions = product.builtinOptions
    code = flatbuffer.operator_code(model, _CONCATENATION, _CONCATENATION_VERSION)
    joined = _operator(code, outputs, product.outputs)
    joined.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
    joined.builtinOptions = schema.ConcatenationOptionsT()
    joined.builtinOptions.axis = 1
    place = graph.operators.index(product)
    graph.operators[place : place + 1] = [*operators, joined]
    for index in product.inputs[1:]:
        if index >= 0:
            graph.tensors[index].buffer = 0  # never read anymore


def _operator(code: int, inputs: Any, outputs: Any) -> Any:
    added = schema.OperatorT()
    added.opcodeIndex, added.inputs, added.outputs = code, np.int32(inputs), np.int32(outputs)
    return added
