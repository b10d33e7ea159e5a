"""The data set on disk: what a record holds and what `dataset.json` says of it.

`DIR/{train,valid,test}-SSSSS-of-NNNNN.tfrecord` hold `tf.train.Example` messages, in an order that
is random but always the same; `DIR/dataset.json` is written last, so a folder without it is
unfinished. Everything but the feature spec does without TensorFlow: where data is prepared or
looked at, it need not be installed, and nobody waits for its import.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import pathlib
import struct
from collections.abc import Iterator, Mapping
from typing import Any

import google_crc32c
import numpy as np

from sketch_rnn_tf import files, strokes

SCHEMA_VERSION = 1
SPLITS = ("train", "valid", "test")
DESCRIPTION = "dataset.json"


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


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """What `dataset.json` says; the fields are those of the file.

    Attributes:
      classes: class names; a record's label is an index into them.
      splits: {split: {"num_sketches": n, "per_class": {class: n}}}.
      max_length: N_max, points of the longest sketch over all splits.
      scale_factor: standard deviation of all train offsets, source units.
      shards: [{"file", "split", "num_records", "sha256"}].
      sources: [{"path", "sha256"}].
      dropped: {reason: {class: n}}.
      cut: {class: n}, sketches that were cut to the longest length allowed.
      duplicates: near-duplicates that are in the data set (0 after they were dropped).
      warnings: what looked wrong in the data, one sentence each.
      length_histogram: {points: sketches} over all splits.
      simplification: how absolute coordinates became these points; None: taken as they are.
      schema_version: version of this format.
    """

    classes: list[str]
    splits: dict[str, dict[str, Any]]
    max_length: int
    scale_factor: float
    shards: list[dict[str, Any]]
    sources: list[dict[str, Any]] = dataclasses.field(default_factory=list)
    dropped: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    cut: dict[str, int] = dataclasses.field(default_factory=dict)
    duplicates: int = 0
    warnings: list[str] = dataclasses.field(default_factory=list)
    length_histogram: dict[str, int] = dataclasses.field(default_factory=dict)
    simplification: dict[str, Any] | None = None
    schema_version: int = SCHEMA_VERSION

    def num_sketches(self, split: str) -> int:
        """Returns the number of sketches of a split; 0 where the data set has no such split."""
        return self.splits.get(split, {}).get("num_sketches", 0)

    def shards_of(self, split: str) -> list[dict[str, Any]]:
        """Returns the shards of a split in order."""
        return [shard for shard in self.shards if shard["split"] == split]


def write_info(directory: files.PathLike, info: DatasetInfo) -> None:
    """Writes `dataset.json` atomically. It is the last file of a data set to be written."""
    files.write_json(pathlib.Path(directory) / DESCRIPTION, dataclasses.asdict(info))


def read_info(directory: files.PathLike) -> DatasetInfo:
    """Reads and checks `dataset.json`, and that its shards are there.

    Raises:
      ValueError: the folder is no finished data set, of another schema, or lacks a shard.
    """
    path = pathlib.Path(directory) / DESCRIPTION
    if not path.is_file():
        raise ValueError(
            f"{directory}: holds no {DESCRIPTION}, so it is not a finished data set"
            " (sketch-rnn-prepare makes one)"
        )
    content = files.read_json(path)
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        found = content.get("schema_version") if isinstance(content, dict) else None
        raise ValueError(f"{path}: has schema version {found}, expected {SCHEMA_VERSION}")
    info = _info_from_json(path, content)
    for shard in info.shards:
        if not (path.parent / shard["file"]).is_file():
            raise ValueError(f"{path}: lists the shard {shard['file']}, which is missing")
    return info


def _info_from_json(path: pathlib.Path, content: Mapping[str, Any]) -> DatasetInfo:
    expected = {
        "classes": list,
        "splits": dict,
        "max_length": int,
        "scale_factor": (int, float),
        "shards": list,
    }
    for name, kind in expected.items():
        if not isinstance(content.get(name), kind):
            raise ValueError(f"{path}: {name!r} is missing or of the wrong type")
    for i, shard in enumerate(content["shards"]):
        if not isinstance(shard, dict) or {"file", "split", "num_records"} - set(shard):
            raise ValueError(f"{path}: shard {i} lacks one of file, split, num_records")
        if pathlib.PurePath(shard["file"]).name != shard["file"]:
            raise ValueError(f"{path}: shard {i} names a file outside the data set")
    known = {field.name for field in dataclasses.fields(DatasetInfo)}
    return DatasetInfo(**{name: value for name, value in content.items() if name in known})


def shard_name(split: str, index: int, count: int) -> str:
    """Returns the file name of a shard, such as `train-00000-of-00004.tfrecord`."""
    return f"{split}-{index:05d}-of-{count:05d}.tfrecord"


def feature_spec() -> dict[str, Any]:
    """Returns the spec for `tf.io.parse_example` that reads the records anywhere."""
    import tensorflow as tf

    return {
        "offsets": tf.io.RaggedFeature(tf.float32),  # [2N] x and y interleaved, source units
        "pen_lifted": tf.io.RaggedFeature(tf.int64),  # [N]
        "length": tf.io.FixedLenFeature([], tf.int64),
        "label": tf.io.FixedLenFeature([], tf.int64),
        "key": tf.io.FixedLenFeature([], tf.string),
    }


def serialize(record: Record) -> bytes:
    """Returns a record as the bytes of a `tf.train.Example`, the same for the same record.

    They are the bytes that TensorFlow's own deterministic serialisation gives, put together here so
    that data can be prepared where there is no TensorFlow and no worker waits for its import.
    """
    offsets, pens = packed(record.strokes)
    return serialize_packed(offsets, pens, record.label, record.key)


def packed(strokes: np.ndarray) -> tuple[bytes, bytes]:
    """Returns the values of `offsets` (8 bytes a point) and `pen_lifted` (1) of stroke-3 rows."""
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


def frame(serialized: bytes) -> bytes:
    """Returns a record as it stands in a TFRecord file: length, content and their checksums."""
    length = struct.pack("<Q", len(serialized))
    return b"".join((length, _masked_crc(length), serialized, _masked_crc(serialized)))


def read_frames(path: files.PathLike) -> Iterator[bytes]:
    """Yields the records of a TFRecord file without TensorFlow, every checksum looked at.

    Raises:
      ValueError: a record is truncated or altered; the message names file and record.
    """
    with open(path, "rb") as stream:
        for index in itertools.count():
            head = stream.read(12)
            if not head:
                return
            length = int.from_bytes(head[:8], "little")
            if len(head) < 12 or _masked_crc(head[:8]) != head[8:]:
                raise ValueError(f"{path}: record {index} is damaged (its length)")
            body = stream.read(length + 4)
            if len(body) < length + 4:
                raise ValueError(f"{path}: record {index} is truncated")
            if _masked_crc(body[:length]) != body[length:]:
                raise ValueError(f"{path}: record {index} is damaged (its content)")
            yield body[:length]


def _masked_crc(content: bytes) -> bytes:
    """Returns CRC-32C as TFRecord files hold it: rotated and shifted by a constant."""
    crc = google_crc32c.value(content)
    rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
    return struct.pack("<I", (rotated + 0xA282EAD8) & 0xFFFFFFFF)


def read_split(directory: files.PathLike, split: str) -> Iterator[Record]:
    """Yields a split's records in stored order, for evaluation and inspection (one at a time).

    Raises:
      ValueError: no such split, or a shard that is damaged, short or long; names file and record.
    """
    info = read_info(directory)
    for shard in require_split(directory, info, split):
        path = pathlib.Path(directory) / shard["file"]
        count = 0
        for serialized in read_frames(path):
            yield parse(serialized, f"{path}: record {count}")
            count += 1
        if count != shard["num_records"]:
            raise ValueError(
                f"{path}: holds {count} records, {DESCRIPTION} says {shard['num_records']}"
            )


def verify(directory: files.PathLike, info: DatasetInfo, *splits: str) -> None:
    """Checks that the shards of splits are what they were when they were written.

    Raises:
      ValueError: a shard is truncated, altered, short or long; names the file and, where a record
        is damaged, the record.
    """
    for shard in (shard for split in splits for shard in info.shards_of(split)):
        path = pathlib.Path(directory) / shard["file"]
        if "sha256" in shard and files.sha256_of_file(path) == shard["sha256"]:
            continue
        count = sum(1 for _ in read_frames(path))
        if count != shard["num_records"]:
            raise ValueError(
                f"{path}: holds {count} records, {DESCRIPTION} says {shard['num_records']}"
            )
        if "sha256" in shard:
            raise ValueError(f"{path}: differs from its checksum in {DESCRIPTION}")


def fingerprint(directory: files.PathLike) -> str:
    """Returns the identity of a data set: the SHA-256 of its description, checksums included."""
    return files.sha256_of_file(pathlib.Path(directory) / DESCRIPTION)


def require_split(directory: files.PathLike, info: DatasetInfo, split: str) -> list[dict[str, Any]]:
    """Returns a split's shards.

    Raises:
      ValueError: the split has no sketches; the message names those that have.
    """
    if not info.num_sketches(split):
        filled = [name for name in info.splits if info.num_sketches(name)]
        raise ValueError(f"{directory}: split {split!r} is empty; there are {', '.join(filled)}")
    return info.shards_of(split)


def parse(serialized: bytes, where: str) -> Record:
    """Returns the record of a `tf.train.Example`, whoever wrote it; the reverse of `serialize`.

    Args:
      serialized: the message.
      where: the file and record that the message of an error names.

    Raises:
      ValueError: it is no `tf.train.Example`, a feature is missing, or they do not fit together.
    """
    try:
        return _parse(serialized, where)
    except IndexError:
        raise ValueError(f"{where} is not a tf.train.Example") from None
    except KeyError as error:
        raise ValueError(f"{where} has no feature {error.args[0].decode()!r}") from None


def _parse(serialized: bytes, where: str) -> Record:
    features = {}
    for example in _fields(serialized, 1):
        for entry in _fields(example, 1):
            features[bytes(_fields(entry, 1)[-1])] = _fields(entry, 2)[-1]
    offsets = np.frombuffer(_value(features[b"offsets"], _FLOAT_LIST, where), "<f4")
    pen = np.frombuffer(_value(features[b"pen_lifted"], _INT64_LIST, where), np.uint8)
    label, _ = _read_varint(_value(features[b"label"], _INT64_LIST, where), 0)
    key = bytes(_value(features[b"key"], _BYTES_LIST, where))
    if len(offsets) != 2 * len(pen):
        raise ValueError(f"{where} has features of lengths that do not fit together")
    array = np.empty((len(pen), 3), np.float32)
    array[:, :2], array[:, 2] = offsets.reshape(-1, 2), pen
    return Record(strokes.check_stroke3(array, where), label, key)


def _value(feature: memoryview, kind: int, where: str) -> memoryview:
    """Returns the value, or the packed values, of a feature of this kind."""
    found = [value for values in _fields(feature, kind) for value in _fields(values, 1)]
    if len(found) != 1 or (kind == _FLOAT_LIST and len(found[0]) % 4):
        raise ValueError(f"{where} has a feature that is not of one packed list")
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
