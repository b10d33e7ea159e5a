"""A traced TensorFlow function as ONNX nodes: the operations that models here are made of.

The equations of a cell stand once, beside its class; this reads them from the graph that TensorFlow
traces, so that a cell of one's own is exported as well, as long as it keeps to these operations.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from onnx import helper

from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.onnx.builder import Builder

# Operations that have the same meaning and the same operands.
_SAME = {
    **{name: name for name in ("Exp", "Greater", "Less", "Log", "MatMul", "Mul", "Neg")},
    **{name: name for name in ("Relu", "Shape", "Sigmoid", "Softplus", "Sqrt", "Sub", "Tanh")},
    **{"AddV2": "Add", "BiasAdd": "Add", "LogicalAnd": "And", "Maximum": "Max", "Minimum": "Min"},
    **{"BatchMatMulV2": "MatMul", "RealDiv": "Div", "SelectV2": "Where"},
}


def inline(builder: Builder, function: Callable, specs: Sequence[tf.TensorSpec], inputs):
    """Adds the nodes of a function to a graph.

    Args:
      builder: of the graph.
      function: takes tensors like `specs` and returns a list of tensors.
      specs: of its arguments, in order.
      inputs: the values that it is given.

    Returns:
      The values of its results.

    Raises:
      UserError: it uses an operation that is not known here.
    """
    concrete = tf.function(function, autograph=False).get_concrete_function(*specs)
    graph = concrete.graph
    arguments = graph.inputs[: len(specs)]
    values = {tensor.name: value for tensor, value in zip(arguments, inputs, strict=True)}
    resources = {}
    for outside, inside in graph.captures:
        if outside.dtype == tf.resource:
            resources[inside.name] = outside
        else:
            values[inside.name] = builder.constant(outside.numpy())
    for operation in _needed(graph):
        if operation.type == "ReadVariableOp":
            handle, dtype = resources[operation.inputs[0].name], operation.outputs[0].dtype
            made = [builder.constant(tf.raw_ops.ReadVariableOp(resource=handle, dtype=dtype))]
        else:
            made = _translated(builder, operation, [values[x.name] for x in operation.inputs])
        values.update(zip((x.name for x in operation.outputs), made, strict=True))
    return [values[tensor.name] for tensor in graph.outputs]


def _needed(graph: tf.Graph) -> list[tf.Operation]:
    """Returns the operations, in order, that the outputs of a traced graph depend on."""
    needed, left = set(), [tensor.op for tensor in graph.outputs]
    while left:
        operation = left.pop()
        if operation not in needed and operation.type != "Placeholder":
            needed.add(operation)
            left += [tensor.op for tensor in operation.inputs]
    return [operation for operation in graph.get_operations() if operation in needed]


def _translated(builder: Builder, operation: tf.Operation, inputs: list[str]) -> list[str]:
    """Adds what one operation is in ONNX and returns its outputs."""
    if operation.type in _OWN:
        return _OWN[operation.type](builder, operation, inputs)
    if operation.type in _SAME and not any(
        operation.get_attr(name)
        for name in ("transpose_a", "transpose_b", "adj_x", "adj_y")
        if name in operation.node_def.attr
    ):
        return [builder.add(_SAME[operation.type], *inputs)]
    raise UserError(
        f"the model computes {operation.type} ({operation.name}), which the ONNX export does not"
        f" know: it knows {', '.join(sorted([*_SAME, *_OWN]))}"
    )


def _const(builder, operation, inputs):
    return [builder.constant(tf.make_ndarray(operation.get_attr("value")))]


def _identity(builder, operation, inputs):
    return inputs


def _square(builder, operation, inputs):
    return [builder.add("Mul", inputs[0], inputs[0])]


def _rsqrt(builder, operation, inputs):
    return [builder.add("Reciprocal", builder.add("Sqrt", *inputs))]


def _mean(builder, operation, inputs):
    axes = np.ravel(_static(builder, inputs[1])).tolist()
    keep = int(operation.get_attr("keep_dims"))
    return [builder.add("ReduceMean", inputs[0], axes=axes, keepdims=keep)]


def _split(builder, operation, inputs):
    axis, x = inputs
    count = operation.get_attr("num_split")
    return builder.add_many("Split", [x], count, axis=int(_static(builder, axis)))


def _split_v(builder, operation, inputs):
    x, sizes, axis = inputs
    lengths = _static(builder, sizes).astype(np.int64)
    if (lengths < 0).any():
        whole = operation.inputs[0].shape[int(_static(builder, axis))]
        lengths[lengths < 0] = whole - lengths[lengths >= 0].sum()
    parts = builder.constant(lengths)
    return builder.add_many("Split", [x, parts], len(lengths), axis=int(_static(builder, axis)))


def _concat(builder, operation, inputs):
    return [builder.add("Concat", *inputs[:-1], axis=int(_static(builder, inputs[-1])))]


def _reshape(builder, operation, inputs):
    x, shape = inputs
    return [builder.add("Reshape", x, builder.add("Cast", shape, to=_kind(np.int64)))]


def _transpose(builder, operation, inputs):
    return [builder.add("Transpose", inputs[0], perm=_static(builder, inputs[1]).tolist())]


def _gather(builder, operation, inputs):
    return [builder.add("Gather", *inputs[:2], axis=int(_static(builder, inputs[2])))]


def _expand_dims(builder, operation, inputs):
    axes = builder.constant(np.ravel(_static(builder, inputs[1])), np.int64)
    return [builder.add("Unsqueeze", inputs[0], axes)]


def _cast(builder, operation, inputs):
    return [builder.add("Cast", *inputs, to=_kind(operation.get_attr("DstT").as_numpy_dtype))]


def _strided_slice(builder, operation, inputs):
    """A slice x[begin:end:strides] of leading axes, with constant bounds."""
    attribute = operation.get_attr
    if attribute("ellipsis_mask") or attribute("new_axis_mask"):
        raise UserError(f"{operation.name}: the ONNX export knows no slices with ... or new axes")
    begins, ends, strides = (_static(builder, x).astype(np.int64) for x in inputs[1:])
    dropped = [i for i in range(len(begins)) if attribute("shrink_axis_mask") >> i & 1]
    for i in range(len(begins)):
        if attribute("begin_mask") >> i & 1:
            begins[i] = 0
        if attribute("end_mask") >> i & 1:
            ends[i] = np.iinfo(np.int64).max
        if i in dropped and ends[i] == 0:  # x[-1] is the slice from -1 to 0
            ends[i] = np.iinfo(np.int64).max
    bounds = (builder.constant(value) for value in (begins, ends, range(len(begins)), strides))
    result = builder.add("Slice", inputs[0], *bounds)
    return [
        builder.add("Squeeze", result, builder.constant(dropped, np.int64)) if dropped else result
    ]


_OWN: dict[str, Callable[[Builder, Any, list[str]], list[str]]] = {
    "Cast": _cast,
    "ConcatV2": _concat,
    "Const": _const,
    "ExpandDims": _expand_dims,
    "GatherV2": _gather,
    "Identity": _identity,
    "Mean": _mean,
    "Reshape": _reshape,
    "Rsqrt": _rsqrt,
    "Split": _split,
    "SplitV": _split_v,
    "Square": _square,
    "StopGradient": _identity,
    "StridedSlice": _strided_slice,
    "Transpose": _transpose,
}


def _static(builder: Builder, name: str) -> np.ndarray:
    """Returns a value that has to be a constant, such as an axis."""
    value = builder.value_of(name)
    if value is None:
        raise UserError("the ONNX export knows axes and sizes that are constants only")
    return value


def _kind(dtype: Any) -> int:
    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
