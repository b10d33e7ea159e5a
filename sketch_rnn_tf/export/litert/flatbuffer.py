"""A converted model as tables of LiteRT's schema: found, changed, and written back compactly.

Beside the weights a file holds hundreds of small tables, most of them alike; where weights have
8 bits they would be a fifth of a small model.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import flatbuffers
import numpy as np

from sketch_rnn_tf import requirement
from sketch_rnn_tf.ondevice import metadata

schema = requirement.load("ai_edge_litert.schema_py_generated", "writing .tflite files")

IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # bytes, of constants, as the schema asks
FULLY_CONNECTED = schema.BuiltinOperator.FULLY_CONNECTED


def parse(data: bytes) -> Any:
    """Returns a file as a `ModelT` that can be changed."""
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))


def finish(
    data: bytes, facts: Mapping[str, Any], change: Callable[[Any], None] = lambda model: None
) -> bytes:
    """Returns a converter's file with our metadata, without what is never read, and sealed.

    Args:
      data: the file.
      facts: the metadata.
      change: changes the `ModelT` in place before it is written.
    """
    model = parse(data)
    change(model)
    entry = schema.MetadataT()
    entry.name, entry.buffer = metadata.NAME, add_buffer(model, metadata.text(facts).encode())
    model.metadata = [*(model.metadata or []), entry]
    _tidy(model)
    known: dict[Any, _PackedOnce] = {}  # equal tensors become one table
    for graph in model.subgraphs:
        graph.tensors = [known.setdefault(_key(t), _PackedOnce(t)) for t in graph.tensors]
    builder = _Builder(len(data))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return metadata.seal(bytes(builder.Output()))


def step_graph(model: Any) -> int:
    """Returns the index of the subgraph of the signature `step`."""
    return next(s.subgraphIndex for s in model.signatureDefs if s.signatureKey == b"step")


def products(model: Any, graph: Any) -> Iterator[tuple[Any, Any]]:
    """Yields a subgraph's fully connected operators with constant weights, and the weights."""
    for operator in list(graph.operators):
        if model.operatorCodes[operator.opcodeIndex].builtinCode == FULLY_CONNECTED:
            weights = graph.tensors[operator.inputs[1]]
            data = model.buffers[weights.buffer].data
            if data is not None and len(data):
                yield operator, weights


def constant(model: Any, tensor: Any) -> np.ndarray:
    """Returns the value of a constant float32 tensor."""
    data = np.asarray(model.buffers[tensor.buffer].data, np.uint8)
    return np.frombuffer(data.tobytes(), np.float32).reshape(tensor.shape)


def weights_key(weights: Any) -> str:
    """Returns what a matrix is known by in every file: the hash of its bytes."""
    return hashlib.sha256(np.asarray(weights).tobytes()).hexdigest()


def add_buffer(model: Any, content: bytes) -> int:
    """Adds constant bytes to a model and returns their index."""
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    return len(model.buffers) - 1


def add_tensor(graph: Any, shape: Any, buffer: int = 0) -> int:
    """Adds a float32 tensor to a subgraph and returns its index; buffer 0 holds no constant."""
    tensor = schema.TensorT()
    tensor.shape, tensor.type, tensor.buffer = np.int32(shape), schema.TensorType.FLOAT32, buffer
    tensor.hasRank = True
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1


def operator_code(model: Any, builtin: int, version: int) -> int:
    """Returns the index of a built-in operation in a model, which is added where it is missing."""
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == builtin:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = version
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _tidy(model: Any) -> None:
    """Drops what is never read: names of tensors, empty buffers, quantizations without a scale."""
    tensors = [tensor for graph in model.subgraphs for tensor in graph.tensors]
    for tensor in tensors:
        data, scale = model.buffers[tensor.buffer].data, getattr(tensor.quantization, "scale", None)
        tensor.name = None
        if data is None or not len(data):
            tensor.buffer = 0  # the empty one, by convention
        if scale is None or not len(scale):
            tensor.quantization = None
    users = [*tensors, *model.metadata]
    used = sorted({0, *(user.buffer for user in users)})
    places = {old: new for new, old in enumerate(used)}
    model.buffers = [model.buffers[index] for index in used]
    for user in users:
        user.buffer = places[user.buffer]


def _key(table: Any) -> Any:
    """Returns the content of a table of the schema as something to compare by."""
    if hasattr(table, "Pack"):
        return tuple((name, _key(value)) for name, value in sorted(vars(table).items()))
    return table.tobytes() if isinstance(table, np.ndarray) else table


class _PackedOnce:
    """A table that writes itself once into a flatbuffer and is referred to from then on."""

    def __init__(self, table: Any):
        self._table = table
        self._offset = None

    def Pack(self, builder: Any) -> int:  # noqa: N802 (flatbuffers calls it so)
        if self._offset is None:
            self._offset = self._table.Pack(builder)
        return self._offset


class _Builder(flatbuffers.Builder):
    """Writes equal vectors (shapes, scales, constants) once, and constants aligned."""

    def __init__(self, size: int):
        super().__init__(size)
        self._known: dict[tuple[str, bytes], int] = {}

    def CreateNumpyVector(self, x: np.ndarray) -> int:  # noqa: N802 (flatbuffers calls it so)
        key = (x.dtype.str, x.tobytes())
        if key not in self._known:
            if x.dtype == np.uint8:
                self.Prep(ALIGNMENT, len(x))
            self._known[key] = super().CreateNumpyVector(x)
        return self._known[key]
