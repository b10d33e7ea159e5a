"""The data set on disk: its shards and what `dataset.json` says of them.

`DIR/{train,valid,test}-SSSSS-of-NNNNN.tfrecord` hold `tf.train.Example` messages (`wire`), in an
order that is random but always the same; `DIR/dataset.json` is written last, so a folder without it
is unfinished. Everything but the feature spec does without TensorFlow.
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

from sketch_rnn_tf import files
from sketch_rnn_tf.data import tfrecord
from sketch_rnn_tf.errors import UserError

SCHEMA_VERSION = 1
SPLITS = ("train", "valid", "test")
DESCRIPTION = "dataset.json"
CONTACT_SHEET = "contact_sheet"  # .svg and .png beside it, made by sketch-rnn-inspect
BEFORE_AFTER = "before_after"  # as well


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
      cleaned: {what was done: {class: n}}: strokes joined or dropped, sheets split and so on.
      cleaning: the settings of the cleaning; empty where there was none.
      reading: how the sources were read, where not by default.
      duplicates: near-duplicates that are in the data set (0 after they were dropped).
      warnings: what looked wrong in the data, one sentence each.
      length_histogram: {points: sketches} over all splits.
      simplification: how absolute coordinates became these points; None: taken as they are.
      canvas: longer side of what the drawings stand on, source units (the viewport of SVG files,
        after simplification); None: the files have none.
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
    cleaned: dict[str, dict[str, int]] = dataclasses.field(default_factory=dict)
    cleaning: dict[str, Any] = dataclasses.field(default_factory=dict)
    reading: dict[str, Any] = dataclasses.field(default_factory=dict)
    duplicates: int = 0
    warnings: list[str] = dataclasses.field(default_factory=list)
    length_histogram: dict[str, int] = dataclasses.field(default_factory=dict)
    simplification: dict[str, Any] | None = None
    canvas: float | None = None
    schema_version: int = SCHEMA_VERSION

    @property
    def from_absolute(self) -> bool:
        """Whether row 0 of a sketch only says where its first point lies."""
        return self.simplification is not None and not self.simplification.get("published")

    @property
    def mean_length(self) -> float:
        """Points of a sketch on average over all splits; 0 where there are no sketches."""
        sketches = sum(self.length_histogram.values())
        points = sum(int(length) * n for length, n in self.length_histogram.items())
        return points / sketches if sketches else 0.0

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
      UserError: the folder is no finished data set, of another schema, or lacks a shard.
    """
    path = pathlib.Path(directory) / DESCRIPTION
    if pathlib.Path(directory).name == DESCRIPTION and os.path.isfile(directory):
        raise UserError(f"{directory}: expected the folder, {path.parent.parent}")
    if not path.parent.exists():
        raise UserError(f"{directory}: there is no such folder (sketch-rnn-prepare makes one)")
    if not path.is_file():
        below = sorted(str(found.parent) for found in path.parent.glob(f"*/{DESCRIPTION}"))
        hint = f"there is {', '.join(below[:5])}" if below else "sketch-rnn-prepare makes one"
        raise UserError(
            f"{directory}: holds no {DESCRIPTION}, so it is not a finished data set ({hint})"
        )
    content = files.read_json(path)
    if not isinstance(content, dict) or content.get("schema_version") != SCHEMA_VERSION:
        found = content.get("schema_version") if isinstance(content, dict) else None
        raise UserError(f"{path}: has schema version {found}, expected {SCHEMA_VERSION}")
    info = _info_from_json(path, content)
    for shard in info.shards:
        if not (path.parent / shard["file"]).is_file():
            raise UserError(f"{path}: lists the shard {shard['file']}, which is missing")
    for split, facts in info.splits.items():
        count = facts.get("num_sketches") if isinstance(facts, dict) else None
        if count != sum(shard["num_records"] for shard in info.shards_of(split)):
            raise UserError(f"{path}: split {split!r} and its shards differ in their sketches")
    return info


def _info_from_json(path: pathlib.Path, content: Mapping[str, Any]) -> DatasetInfo:
    expected: dict[str, Any] = {
        "classes": list,
        "splits": dict,
        "max_length": int,
        "scale_factor": (int, float),
        "shards": list,
    }
    for name, kind in expected.items():
        if not isinstance(content.get(name), kind):
            raise UserError(f"{path}: {name!r} is missing or of the wrong type")
    for name in ("max_length", "scale_factor"):
        if not (math.isfinite(content[name]) and content[name] > 0):
            raise UserError(f"{path}: {name!r} is {content[name]}, expected a number above 0")
    for i, shard in enumerate(content["shards"]):
        if not isinstance(shard, dict) or {"file", "split", "num_records"} - set(shard):
            raise UserError(f"{path}: shard {i} lacks one of file, split, num_records")
        if not (isinstance(shard["num_records"], int) and isinstance(shard["file"], str)):
            raise UserError(f"{path}: shard {i} has a value of the wrong type")
        if pathlib.PurePath(shard["file"]).name != shard["file"]:
            raise UserError(f"{path}: shard {i} names a file outside the data set")
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


def read_split(directory: files.PathLike, split: str) -> Iterator[tfrecord.Record]:
    """Yields a split's records in stored order, for evaluation and inspection (one at a time).

    Raises:
      UserError: no such split, or a shard that is damaged, short or long; names file and record.
    """
    info = read_info(directory)
    for shard in require_split(directory, info, split):
        yield from read_shard(pathlib.Path(directory) / shard["file"], shard["num_records"])


def read_shard(path: pathlib.Path, num_records: int | None = None) -> Iterator[tfrecord.Record]:
    """Yields the records of a shard.

    Args:
      path: the shard.
      num_records: how many there are to be; any number when not given.

    Raises:
      UserError: the shard is damaged, short or long; names file and record.
    """
    count = 0
    for serialized in tfrecord.read_frames(path):
        yield tfrecord.parse(serialized, f"{path}: record {count}")
        count += 1
    if num_records is not None:
        _check_count(path, count, num_records)


def _check_count(path: pathlib.Path, count: int, num_records: int) -> None:
    if count != num_records:
        raise UserError(f"{path}: holds {count} records, {DESCRIPTION} says {num_records}")


def verify(directory: files.PathLike, info: DatasetInfo, *splits: str) -> None:
    """Checks that the shards of splits are what they were when they were written.

    Raises:
      UserError: a shard is truncated, altered, short or long; names the file and, where a record
        is damaged, the record.
    """
    for shard in (shard for split in splits for shard in info.shards_of(split)):
        path = pathlib.Path(directory) / shard["file"]
        if "sha256" in shard and files.sha256_of_file(path) == shard["sha256"]:
            continue
        count = sum(1 for _ in tfrecord.read_frames(path))
        _check_count(path, count, shard["num_records"])
        if "sha256" in shard:
            raise UserError(f"{path}: differs from its checksum in {DESCRIPTION}")


def fingerprint(directory: files.PathLike) -> str:
    """Returns the identity of a data set: the SHA-256 of its description, checksums included."""
    return files.sha256_of_file(pathlib.Path(directory) / DESCRIPTION)


def require_split(directory: files.PathLike, info: DatasetInfo, split: str) -> list[dict[str, Any]]:
    """Returns a split's shards.

    Raises:
      UserError: the split has no sketches; the message names those that have.
    """
    if not info.num_sketches(split):
        filled = [name for name in info.splits if info.num_sketches(name)]
        raise UserError(f"{directory}: split {split!r} is empty; there are {', '.join(filled)}")
    return info.shards_of(split)
