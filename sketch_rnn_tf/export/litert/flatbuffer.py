"""Finishing a converter's flatbuffer: metadata goes in, what is said twice is said once.

Beside the weights a file holds hundreds of small tables, most of them alike, and weights in 8 bits
make them count: a fifth of a small model.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from sketch_rnn_tf.ondevice import metadata

IDENTIFIER = b"TFL3"
ALIGNMENT = 16  # of constants, as the schema asks


def finish(
    data: bytes, facts: Mapping[str, Any], change: Callable[[Any], None] = lambda model: None
) -> bytes:
    """Returns a converter's file with our metadata, tidied and sealed.

    Args:
      data: the file.
      facts: the metadata.
      change: changes the `ModelT` in place, before.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))
    change(model)
    _add_metadata(model, metadata.text(dict(facts)).encode())
    _tidy(model)
    _share_tensors(model)
    builder = _Builder(len(data))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return metadata.seal(bytes(builder.Output()))


def _add_metadata(model: Any, content: bytes) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = metadata.NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]


def _tidy(model: Any) -> None:
    """Drops what nobody reads: tensors' names, empty buffers and quantisations without a scale."""
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


def _share_tensors(model: Any) -> None:
    """Makes tensors that say the same one table."""
    known: dict[Any, _PackedOnce] = {}
    for graph in model.subgraphs:
        graph.tensors = [known.setdefault(_key(t), _PackedOnce(t)) for t in graph.tensors]


def _key(table: Any) -> Any:
    """Returns what a table of the schema says, as something to compare by."""
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
