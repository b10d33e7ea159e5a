"""What a `.tflite` file of ours holds about itself: a JSON text in its metadata, and a checksum.

The metadata is the entry `sketch_rnn_tf` of the flatbuffer. It holds the file's own size and CRC-32
(computed with zeros in place of the CRC's digits), so that a damaged file is refused before the
interpreter, which trusts its input, sees it.
"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

from sketch_rnn_tf import requirement
from sketch_rnn_tf.errors import UserError

NAME = "sketch_rnn_tf"
FORMAT_VERSION = 1
PURPOSE = "running .tflite files"  # what needs LiteRT
_IDENTIFIER = b"TFL3"
_SIZE, _CRC = '"file_size": "%010d"', '"crc32": "%08x"'
# What the schema's classes and `json` raise for offsets and texts that were damaged.
_DAMAGE = (struct.error, IndexError, OverflowError, RecursionError, TypeError, ValueError)


def text(content: Mapping[str, Any]) -> str:
    """Returns the JSON text to put into a file; `seal` fills in its size and checksum."""
    words = json.dumps(dict(content), ensure_ascii=False, allow_nan=False)
    return f"{{{_SIZE % 0}, {_CRC % 0}, {words[1:]}"


def seal(data: bytes) -> bytes:
    """Returns a file's bytes with size and checksum filled in."""
    data = data.replace((_SIZE % 0).encode(), (_SIZE % len(data)).encode(), 1)
    return data.replace((_CRC % 0).encode(), (_CRC % zlib.crc32(data)).encode(), 1)


def read(data: bytes, where: str) -> dict[str, Any]:
    """Returns the metadata of a file's bytes after checking that the file is whole.

    Args:
      data: the file.
      where: its name in messages.

    Raises:
      UserError: the file is not one of ours, damaged, or of a newer version; or ai-edge-litert is
        missing.
    """
    if data[4:8] != _IDENTIFIER:
        raise UserError(f"{where}: is not a .tflite file")
    model = requirement.load("ai_edge_litert.schema_py_generated", PURPOSE).Model.GetRootAs(data, 0)
    try:
        entries = [model.Metadata(i) for i in range(model.MetadataLength())]
        ours = [entry.Buffer() for entry in entries if entry.Name() == NAME.encode()]
        content = json.loads(bytes(model.Buffers(ours[0]).DataAsNumpy())) if ours else None
    except _DAMAGE:
        raise UserError(f"{where}: is damaged: its metadata cannot be read") from None
    if not isinstance(content, dict):
        raise UserError(f"{where}: was not written by sketch-rnn-export: it lacks our metadata")
    if not isinstance(content.get("format_version"), int):
        raise UserError(f"{where}: is damaged: its metadata has no version")
    if content["format_version"] > FORMAT_VERSION:
        raise UserError(
            f"{where}: has format version {content['format_version']}, this package reads up to"
            f" {FORMAT_VERSION}: a newer sketch_rnn_tf is needed"
        )
    _require_whole(data, content, where)
    return content


def _require_whole(data: bytes, content: dict[str, Any], where: str) -> None:
    size, crc = content.get("file_size"), content.get("crc32")
    if size != f"{len(data):010d}":
        raise UserError(f"{where}: is damaged: it has {len(data)} bytes, expected {size}")
    sealed = (_CRC % 0).replace("00000000", str(crc)).encode()
    zeroed = data.replace(sealed, (_CRC % 0).encode(), 1)
    if f"{zlib.crc32(zeroed):08x}" != crc:
        raise UserError(f"{where}: is damaged: its checksum is wrong")
