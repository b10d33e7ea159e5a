"""What a `.tflite` file of ours says of itself: a JSON text in its metadata, and a checksum.

The metadata is an entry `sketch_rnn_tf` in the flatbuffer's list of named buffers. It holds the
file's own size and CRC-32 (computed with the digits of the CRC as zeros), so that a file that is
damaged is refused before the interpreter, which trusts its input, sees it.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

from sketch_rnn_tf.errors import UserError

NAME = "sketch_rnn_tf"
FORMAT_VERSION = 1
_IDENTIFIER = b"TFL3"
_BUFFERS, _METADATA = 4, 6  # fields of the flatbuffer's Model table
_SIZE, _CRC = '"file_size": "%010d"', '"crc32": "%08x"'


def text(content: dict[str, Any]) -> str:
    """Returns the JSON text to put into a file; `seal` fills in its size and checksum."""
    words = json.dumps(content, ensure_ascii=False, allow_nan=False)
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
      UserError: it is not one of our files, damaged, or of a newer version.
    """
    if data[4:8] != _IDENTIFIER:
        raise UserError(f"{where}: is not a .tflite file")
    try:
        found = _find(data)
        content = None if found is None else json.loads(found)
    except (struct.error, IndexError, ValueError, RecursionError):
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
    _check_whole(data, content, where)
    return content


def _check_whole(data: bytes, content: dict[str, Any], where: str) -> None:
    size, crc = content.get("file_size"), content.get("crc32")
    if size != f"{len(data):010d}":
        raise UserError(f"{where}: is damaged: it has {len(data)} bytes, expected {size}")
    sealed = (_CRC % 0).replace("00000000", str(crc)).encode()
    if zlib.crc32(data.replace(sealed, (_CRC % 0).encode(), 1)) != int(str(crc), 16):
        raise UserError(f"{where}: is damaged: its checksum is wrong")


def _find(data: bytes) -> bytes | None:
    """Returns our metadata buffer, or None when the file has none."""
    root = _offset(data, 0)
    entries = _field(data, root, _METADATA)
    buffers = _field(data, root, _BUFFERS)
    if entries is None or buffers is None:
        return None
    for entry in _tables(data, entries):
        name = _field(data, entry, 0)
        if name is not None and _bytes(data, name) == NAME.encode():
            index = _inline(data, entry, 1)
            table = list(_tables(data, buffers))[_number(data, index) if index else 0]
            content = _field(data, table, 0)
            return None if content is None else _bytes(data, content)
    return None


def _number(data: bytes, at: int) -> int:
    return struct.unpack_from("<I", data, at)[0]


def _offset(data: bytes, at: int) -> int:
    return at + _number(data, at)


def _inline(data: bytes, table: int, field: int) -> int | None:
    """Returns where a table's field lies; None when it is not there."""
    vtable = table - struct.unpack_from("<i", data, table)[0]
    size = struct.unpack_from("<H", data, vtable)[0]
    if vtable < 0 or 4 + 2 * field + 2 > size:
        return None
    position = struct.unpack_from("<H", data, vtable + 4 + 2 * field)[0]
    return table + position if position else None


def _field(data: bytes, table: int, field: int) -> int | None:
    """Returns where what a table's field refers to lies; None when it is not there."""
    at = _inline(data, table, field)
    return None if at is None else _offset(data, at)


def _tables(data: bytes, vector: int):
    count = _number(data, vector)
    if count * 4 > len(data):
        raise IndexError
    return [_offset(data, vector + 4 + 4 * i) for i in range(count)]


def _bytes(data: bytes, vector: int) -> bytes:
    count = _number(data, vector)
    if vector + 4 + count > len(data):
        raise IndexError
    return data[vector + 4 : vector + 4 + count]
