"""The output layer in three parts, so that the components' means can be held more finely."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from sketch_rnn_tf.export.litert import calibration
from sketch_rnn_tf.model import next_point

_FULLY_CONNECTED = schema.BuiltinOperator.FULLY_CONNECTED
_CONCATENATION = schema.BuiltinOperator.CONCATENATION


class Part(NamedTuple):
    """How a matrix, or some rows of it, is to be held.

    Attributes:
      half: in half precision, instead of 8 bits.
      moments: of the vectors that it meets, see `litert_calibration`; None: not known.
    """

    half: bool
    moments: np.ndarray | None


def split(model: Any, num_mixtures: int, moments: Mapping[str, np.ndarray]) -> dict[int, Part]:
    """Replaces the output layer's operation by three and their concatenation.

    Args:
      model: a float32 `ModelT`, changed in place.
      num_mixtures: M.
      moments: of `litert_calibration.moments`.

    Returns:
      {buffer of the weights: what it holds}.
    """
    means = next_point.PEN_STATES + num_mixtures, next_point.PEN_STATES + 3 * num_mixtures
    bounds = [0, *means, next_point.output_size(num_mixtures)]
    parts: dict[int, Part] = {}
    cut: dict[int, list[int]] = {}
    for graph in model.subgraphs:
        for operator in list(graph.operators):
            if _is_output(model, graph, operator, bounds[-1]):
                weights = graph.tensors[operator.inputs[1]].buffer
                vectors = moments.get(calibration.key(model.buffers[weights].data))
                _split_one(model, graph, operator, bounds, cut)
                for number, buffer in enumerate(cut[weights]):
                    parts[buffer] = Part(number == 1, vectors)
    return parts


def _is_output(model: Any, graph: Any, operator: Any, rows: int) -> bool:
    if model.operatorCodes[operator.opcodeIndex].builtinCode != _FULLY_CONNECTED:
        return False
    weights = graph.tensors[operator.inputs[1]]
    return weights.shape[0] == rows and model.buffers[weights.buffer].data is not None


def _split_one(model: Any, graph: Any, whole: Any, bounds: list[int], cut: dict) -> None:
    """Replaces an operation of a graph; `cut` has the buffers' pieces so far."""
    pieces, outputs = [], []
    for number, (begin, end) in enumerate(itertools.pairwise(bounds)):
        inputs = [int(whole.inputs[0])]
        for tensor in whole.inputs[1:]:
            inputs.append(_rows(model, graph, int(tensor), bounds, number, cut))
        outputs.append(_tensor(graph, [1, end - begin], 0))
        pieces.append(_operator(whole, whole.opcodeIndex, inputs, outputs[-1:]))
    joined = _operator(whole, _code(model, _CONCATENATION), outputs, list(whole.outputs))
    joined.builtinOptionsType = schema.BuiltinOptions.ConcatenationOptions
    joined.builtinOptions = schema.ConcatenationOptionsT()
    joined.builtinOptions.axis = 1
    place = graph.operators.index(whole)
    graph.operators[place : place + 1] = [*pieces, joined]
    for tensor in whole.inputs[1:]:
        if tensor >= 0:
            graph.tensors[tensor].buffer = 0  # nobody reads it any more


def _rows(model: Any, graph: Any, tensor: int, bounds: list[int], number: int, cut: dict) -> int:
    """Returns a tensor of one part's rows of a constant; -1, no tensor, stays so."""
    if tensor < 0:
        return tensor
    whole = graph.tensors[tensor]
    if whole.buffer not in cut:
        values = np.frombuffer(np.asarray(model.buffers[whole.buffer].data).tobytes(), np.float32)
        values = values.reshape(whole.shape)
        cut[whole.buffer] = []
        for begin, end in itertools.pairwise(bounds):
            buffer = schema.BufferT()
            buffer.data = np.ascontiguousarray(values[begin:end]).reshape(-1).view(np.uint8)
            model.buffers.append(buffer)
            cut[whole.buffer].append(len(model.buffers) - 1)
    shape = [bounds[number + 1] - bounds[number], *whole.shape[1:]]
    return _tensor(graph, shape, cut[whole.buffer][number])


def _tensor(graph: Any, shape: list[int], buffer: int) -> int:
    added = schema.TensorT()
    added.shape, added.type, added.buffer = np.int32(shape), schema.TensorType.FLOAT32, buffer
    added.hasRank = True
    graph.tensors.append(added)
    return len(graph.tensors) - 1


def _operator(like: Any, code: int, inputs: list[int], outputs: list[int]) -> Any:
    added = schema.OperatorT()
    added.opcodeIndex, added.inputs, added.outputs = code, np.int32(inputs), np.int32(outputs)
    added.builtinOptionsType, added.builtinOptions = like.builtinOptionsType, like.builtinOptions
    return added


def _code(model: Any, builtin: int) -> int:
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 1
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1
