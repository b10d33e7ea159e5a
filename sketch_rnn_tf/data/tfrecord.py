"""The wire format of the records: `tf.train.Example` messages in TFRecord frames, no TensorFlow.

The bytes are those that TensorFlow's own deterministic serialization and its own writer give. They
are put together and taken apart here so that where data is prepared or looked at, TensorFlow need
not be installed, and its import takes no time.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import struct
from collections.abc import Iterator

import google_crc32c
import numpy as np

from sketch_rnn_tf import files, strokes
from sketch_rnn_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Record:
    """One sketch as it is stored.

    Attributes:
      strokes: float32 [N, 3], stroke-3 in source units.
      label: index into the data set's classes.
      key: identity of the drawing in its source.
    """

    strokes: np.ndarray
    label: int
    key: bytes


def serialize(record: Record) -> bytes:
    """Returns a record as the bytes of a `tf.train.Example`, the same for the same record."""
    offsets, pens = packed(record.strokes)
    return serialize_packed(offsets, pens, record.label, record.key)


def packed(strokes: np.ndarray) -> tuple[bytes, bytes]:
    """Returns the values of `offsets` (8 bytes per point) and `pen_lifted` (1) of stroke-3 rows."""
    offsets = np.ascontiguousarray(strokes[:, :2], "<f4").tobytes()
    return offsets, strokes[:, 2].astype(np.uint8).tobytes()  # a varint below 128 is its byte


def serialize_packed(offsets: bytes, pens: bytes, label: int, key: bytes) -> bytes:
    """Does what `serialize` does, from `packed` rows."""
    number, length = _varint(label), _varint(len(pens))
    features = b"".join(
        (
            _feature_head(b"key", _BYTES_LIST, len(key)),
            key,
            _feature_head(b"label", _INT64_LIST, len(number)),
            number,
            _feature_head(b"length", _INT64_LIST, len(length)),
            length,
            _feature_head(b"offsets", _FLOAT_LIST, len(offsets)),
            offsets,
            _feature_head(b"pen_lifted", _INT64_LIST, len(pens)),
            pens,
        )
    )
    return _field_head(1, len(features)) + features  # Example.features


# Fields of tf.train.Feature, each a message whose field 1 is the value or the packed values.
_BYTES_LIST, _FLOAT_LIST, _INT64_LIST = 1, 2, 3


@functools.lru_cache(maxsize=1 << 14)
def _feature_head(name: bytes, kind: int, size: int) -> bytes:
    """Returns what stands before a value of this size in Features.feature, a map: name to feature.

    Inside out: the value (or the packed values) is field 1 of a list, the list is field `kind` of
    a feature, the feature is field 2 of an entry beside the name, the entry is field 1.
    """
    head = b"" if size == 0 and kind != _BYTES_LIST else _field_head(1, size)
    head = _field_head(kind, len(head) + size) + head
    head = _field_head(2, len(head) + size) + head
    head = _field_head(1, len(name)) + name + head
    return _field_head(1, len(head) + size) + head


def _field_head(number: int, size: int) -> bytes:
    """Returns what stands before the content of a length-delimited protocol buffer field."""
    return bytes((number << 3 | 2,)) + _varint(size)


@functools.lru_cache(maxsize=1 << 14)
def _varint(value: int) -> bytes:
    """Returns a number that is not negative in groups of seven bits, lowest first."""
    groups = bytearray()
    while value > 127:
        groups.append(value & 127 | 128)
        value >>= 7
    groups.append(value)
    return bytes(groups)


def parse(serialized: bytes, where: str) -> Record:
    """Returns the record of a `tf.train.Example`, whoever wrote it; the reverse of `serialize`.

    Args:
      serialized: the message.
      where: the file and record that the message of an error names.

    Raises:
      UserError: it is no `tf.train.Example`, a feature is missing, or they do not fit together.
    """
    try:
        features = {}
        for example in _fields(serialized, 1):
            for entry in _fields(example, 1):
                features[bytes(_fields(entry, 1)[-1])] = _fields(entry, 2)[-1]
        offsets = np.frombuffer(_value(features[b"offsets"], _FLOAT_LIST, where), "<f4")
        pen = np.frombuffer(_value(features[b"pen_lifted"], _INT64_LIST, where), np.uint8)
        label, _ = _read_varint(_value(features[b"label"], _INT64_LIST, where), 0)
        key = bytes(_value(features[b"key"], _BYTES_LIST, where))
    except IndexError:
        raise UserError(f"{where} is not a tf.train.Example") from None
    except KeyError as error:
        raise UserError(f"{where} has no feature {error.args[0].decode()!r}") from None
    if len(offsets) != 2 * len(pen):
        raise UserError(f"{where} has features of lengths that do not fit together")
    array = np.empty((len(pen), 3), np.float32)
    array[:, :2], array[:, 2] = offsets.reshape(-1, 2), pen
    return Record(strokes.check_stroke3(array, where), label, key)


def _value(feature: memoryview, kind: int, where: str) -> memoryview:
    """Returns the value, or the packed values, of a feature of this kind."""
    found = [value for values in _fields(feature, kind) for value in _fields(values, 1)]
    if len(found) != 1 or (kind == _FLOAT_LIST and len(found[0]) % 4):
        raise UserError(f"{where} has a feature that is not of one packed list")
    return found[0]


def _fields(message: bytes | memoryview, wanted: int) -> list[memoryview]:
    """Returns a message's length-delimited fields of this number, in order."""
    message, at, found = memoryview(message), 0, []
    while at < len(message):
        tag, at = _read_varint(message, at)
        if tag & 7 != 2:
            raise IndexError(tag)
        size, at = _read_varint(message, at)
        if at + size > len(message):
            raise IndexError(size)
        if tag >> 3 == wanted:
            found.append(message[at : at + size])
        at += size
    return found


def _read_varint(message: memoryview, at: int) -> tuple[int, int]:
    """Returns a number in groups of seven bits and the place behind it."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise IndexError(shift)


def frame(serialized: bytes) -> bytes:
    """Returns a record as it stands in a TFRecord file: length, content and their checksums."""
    length = struct.pack("<Q", len(serialized))
    return b"".join((length, _masked_crc(length), serialized, _masked_crc(serialized)))


def read_frames(path: files.PathLike) -> Iterator[bytes]:
    """Yields the records of a TFRecord file without TensorFlow, every checksum looked at.

    Raises:
      UserError: a record is truncated or altered; the message names file and record.
    """
    with open(path, "rb") as stream:
        for index in itertools.count():
            head = stream.read(12)
            if not head:
                return
            length = int.from_bytes(head[:8], "little")
            if len(head) < 12 or _masked_crc(head[:8]) != head[8:]:
                raise UserError(f"{path}: record {index} is damaged (its length)")
            body = stream.read(length + 4)
            if len(body) < length + 4:
                raise UserError(f"{path}: record {index} is truncated")
            if _masked_crc(body[:length]) != body[length:]:
                raise UserError(f"{path}: record {index} is damaged (its content)")
            yield body[:length]


def _masked_crc(content: bytes) -> bytes:
    """Returns CRC-32C as TFRecord files hold it: rotated and shifted by a constant."""
    crc = google_crc32c.value(content)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)
