"""Finishing a converter's flatbuffer: metadata goes in, what is said twice is said once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import flatbuffers
import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from sketch_rnn_tf.export import litert_int8
from sketch_rnn_tf.ondevice import metadata

IDENTIFIER = b"TFL3"


def finish(data: bytes, facts: Mapping[str, Any], int8: bool = False) -> bytes:
    """Returns a converter's float file with our metadata, sealed, and quantised if asked.

    Weights share their bytes among the signatures, but every loop that uses quantised ones would
    repeat their scales, 12 bytes a row, a quarter of a small file: equal scales become one table.
    """
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))
    if int8:
        litert_int8.quantise(model, keep_outputs=[3 + 6 * facts["num_mixtures"]])
        _share_quantisation(model)
    _add_metadata(model, metadata.text(dict(facts)).encode())
    builder = flatbuffers.Builder(len(data))
    builder.Finish(model.Pack(builder), file_identifier=IDENTIFIER)
    return metadata.seal(bytes(builder.Output()))


def _add_metadata(model: Any, content: bytes) -> None:
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(content, np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = metadata.NAME, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]


class _PackedOnce:
    """A table that writes itself once into a flatbuffer and is referred to from then on."""

    def __init__(self, table: Any):
        self._table = table
        self._offset = None

    def Pack(self, builder: Any) -> int:  # noqa: N802 (flatbuffers calls it so)
        if self._offset is None:
            self._offset = self._table.Pack(builder)
        return self._offset


def _share_quantisation(model: Any) -> None:
    known: dict[Any, _PackedOnce] = {}
    for graph in model.subgraphs:
        for tensor in graph.tensors:
            table = tensor.quantization
            if table is not None and table.scale is not None and len(table.scale):
                key = (_key(table.scale), _key(table.zeroPoint), table.quantizedDimension)
                tensor.quantization = known.setdefault(key, _PackedOnce(table))


def _key(values: Any) -> bytes:
    return b"" if values is None else np.asarray(values).tobytes()
