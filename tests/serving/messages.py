"""Tensors of TensorFlow Serving's protocols and of its JSON, as NumPy arrays and back.

Needs `cpp_session.stand_in_for_tensorflow` first: Python TensorFlow is not imported.
"""

from __future__ import annotations

import numpy as np
from batching import INVALID_ARGUMENT, RequestError
from tensorflow.core.framework import tensor_pb2, types_pb2

FIELDS = {
    types_pb2.DT_FLOAT: (np.float32, "float_val"),
    types_pb2.DT_INT32: (np.int32, "int_val"),
    types_pb2.DT_DOUBLE: (np.float64, "double_val"),
    types_pb2.DT_INT64: (np.int64, "int64_val"),
    types_pb2.DT_BOOL: (np.bool_, "bool_val"),
}
CODES = {np.dtype(kind): (code, field) for code, (kind, field) in FIELDS.items()}


def to_numpy(tensor: tensor_pb2.TensorProto) -> np.ndarray:
    """Returns a tensor's values; few values stand for many, the last one repeated."""
    if tensor.dtype not in FIELDS:
        raise RequestError(INVALID_ARGUMENT, "tensor parsing error: type")
    kind, field = FIELDS[tensor.dtype]
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    values = np.frombuffer(tensor.tensor_content, kind)
    if not len(values):
        values = np.array(getattr(tensor, field), kind)
    count = int(np.prod(shape))
    if len(values) < count and len(values):
        values = np.concatenate([values, np.repeat(values[-1:], count - len(values))])
    if len(values) != count:
        raise RequestError(INVALID_ARGUMENT, "tensor parsing error")
    return values.reshape(shape)


def to_proto(value: np.ndarray) -> tensor_pb2.TensorProto:
    """As TensorFlow Serving answers: values in the field of their type."""
    tensor = tensor_pb2.TensorProto()
    for size in value.shape:
        tensor.tensor_shape.dim.add(size=size)
    if value.dtype == object:
        tensor.dtype = types_pb2.DT_STRING
        tensor.string_val.extend(value.reshape(-1).tolist())
        return tensor
    tensor.dtype, field = CODES[value.dtype]
    getattr(tensor, field).extend(value.reshape(-1).tolist())
    return tensor


def from_json(name: str, value, code: int | None) -> np.ndarray:
    """Returns what JSON gives for an input; REST knows its type, so a wrong one is refused here."""
    kind = np.dtype(FIELDS[code][0] if code in FIELDS else np.float32)
    try:
        array = np.array(value)
        fits = array.dtype.kind == "i" or not array.size or array.dtype.kind == kind.kind
        converted = array.astype(kind) if fits else array
    except ValueError as error:  # a ragged list
        raise RequestError(INVALID_ARGUMENT, f"JSON Value: {name}: {error}") from None
    if not fits or (kind.kind == "i" and not np.array_equal(converted, array)):
        raise RequestError(INVALID_ARGUMENT, f"JSON Value: {name}: not of expected type: {kind}")
    return converted


def to_json(value: np.ndarray):
    """Returns nested lists; text for bytes."""
    return [item.decode() for item in value] if value.dtype == object else value.tolist()
