"""Shards and `dataset.json`, the check of both, and the folder they appear in."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import operator
import os
import pathlib
import re
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import filelock
import numpy as np

from data_prep.conversion import convert
from data_prep.engines import plan, spool
from sketch_rnn_tf import files
from sketch_rnn_tf.data import dataset, tfrecord
from sketch_rnn_tf.errors import UserError

MAX_OFFSET = 1000.0  # source units; training clamps to it
WORKSPACE = ".unfinished"  # in the output folder, until the data set is whole
JOB = "job.json"  # in the workspace: what it is for
LOCK = ".lock"
_SHARD = re.compile(r"(train|valid|test)-\d{5,}-of-\d{5,}\.tfrecord")


@dataclasses.dataclass(frozen=True)
class Shard:
    """A written shard and what `dataset.json` has to know of it.

    Attributes:
      file: its name.
      split: its split's name.
      num_records: how many sketches it holds.
      sha256: of its bytes.
      per_class: {class: n}.
      lengths: {points: n}.
      moments: (count, mean, sum of squared deviations) of all dx and dy.
    """

    file: str
    split: str
    num_records: int
    sha256: str
    per_class: dict[str, int]
    lengths: dict[int, int]
    moments: tuple[int, float, float]

    def to_json(self) -> dict[str, Any]:
        """Returns plain values that `from_json` reads."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Shard:
        """Returns the shard that `to_json` wrote."""
        lengths = {int(points): n for points, n in content["lengths"].items()}
        return cls(**{**content, "lengths": lengths, "moments": tuple(content["moments"])})


# Order, unit and position, which sort sketches; class, key, float32 [N, 3].
Sketch = tuple[int, int, int, str, bytes, np.ndarray]


def write_sorted(
    folder: pathlib.Path, decided: plan.Plan, code: int, number: int, sketches: list[Sketch]
) -> Shard:
    """Writes a shard from its drawings in any order.

    Args:
      folder: where to.
      decided: the plan.
      code: index of the split.
      number: of the shard within its split.
      sketches: its drawings; they are sorted in place.
    """
    sketches.sort(key=operator.itemgetter(0, 1, 2))
    _, _, _, names, keys, strokes = zip(*sketches, strict=True)
    labels = {label: i for i, label in enumerate(decided.classes)}
    return write_shard(
        folder / dataset.shard_name(dataset.SPLITS[code], number, decided.shards[code]),
        dataset.SPLITS[code],
        [labels[name] for name in names],
        keys,
        strokes,
        decided.classes,
    )


def write_shard(
    path: files.PathLike,
    split: str,
    labels: Sequence[int],
    keys: Sequence[bytes],
    strokes: Sequence[np.ndarray],
    classes: Sequence[str],
) -> Shard:
    """Writes one shard atomically.

    Args:
      path: the file.
      split: its split's name.
      labels: of each sketch, in stored order: indices into `classes`.
      keys: of each sketch.
      strokes: of each sketch, float32 [N, 3].
      classes: class names.

    Returns:
      What to say of it in `dataset.json`.
    """
    content = b"".join(_framed(labels, keys, strokes))
    with spool.named_errors(path), files.atomic_open(path) as stream:
        stream.write(content)
    numbers = Counter(labels)
    lengths = Counter(map(len, strokes))
    return Shard(
        file=pathlib.Path(path).name,
        split=split,
        num_records=len(strokes),
        sha256=hashlib.sha256(content).hexdigest(),
        per_class={classes[label]: numbers[label] for label in sorted(numbers)},
        lengths=dict(sorted(lengths.items())),
        moments=moments(strokes),
    )


def _framed(
    labels: Sequence[int], keys: Sequence[bytes], strokes: Sequence[np.ndarray]
) -> Iterator[bytes]:
    """Yields the records; all rows are packed at once, which is faster than each by itself."""
    offsets, pens = tfrecord.packed(np.concatenate(strokes))
    start = 0
    for label, key, rows in zip(labels, keys, strokes, strict=True):
        end = start + len(rows)
        yield tfrecord.frame(
            tfrecord.serialize_packed(offsets[8 * start : 8 * end], pens[start:end], label, key)
        )
        start = end


def moments(strokes: Sequence[np.ndarray]) -> tuple[int, float, float]:
    """Returns (count, mean, sum of squared deviations) of all dx and dy.

    Offsets are clamped as training clamps them, before Magenta computes the scale factor too.
    """
    values = np.concatenate(strokes)[:, :2].astype(np.float64).ravel()
    values = values.clip(-MAX_OFFSET, MAX_OFFSET)
    mean = float(values.mean())
    values -= mean
    return (len(values), mean, float((values * values).sum()))


def pooled_deviation(parts: Iterable[tuple[int, float, float]]) -> float:
    """Returns the population standard deviation of parts that `moments` described."""
    count, mean, squares = 0, 0.0, 0.0
    for n, part_mean, part_squares in parts:
        if n:
            apart = part_mean - mean
            squares += part_squares + apart * apart * count * n / (count + n)
            mean += apart * n / (count + n)
            count += n
    return (squares / count) ** 0.5 if count else 0.0


def describe(
    shards: Sequence[Shard],
    classes: Sequence[str],
    tally: convert.Tally,
    **others: Any,
) -> dataset.DatasetInfo:
    """Puts together what `dataset.json` says.

    Args:
      shards: all of them, sorted by split and number.
      classes: class names.
      tally: what happened to the drawings, duplicates included.
      **others: further fields of `records.DatasetInfo`.

    Raises:
      UserError: all offsets of the train split are 0, so nothing can be learned or scaled.
    """
    scale = pooled_deviation(shard.moments for shard in shards if shard.split == "train")
    if not 0 < scale < float("inf"):
        raise UserError("all offsets of the train split are the same, so there are no drawings")
    lengths = sum((Counter(shard.lengths) for shard in shards), Counter())
    splits = {}
    for name in dataset.SPLITS:
        own = [shard for shard in shards if shard.split == name]
        per_class = sum((Counter(shard.per_class) for shard in own), Counter())
        splits[name] = {
            "num_sketches": sum(shard.num_records for shard in own),
            "per_class": dict(sorted(per_class.items())),
        }
    return dataset.DatasetInfo(
        classes=list(classes),
        splits=splits,
        max_length=max(lengths),
        scale_factor=scale,
        shards=[
            {name: getattr(shard, name) for name in ("file", "split", "num_records", "sha256")}
            for shard in shards
        ],
        dropped=nested(tally.dropped),
        cut=dict(sorted(tally.cut.items())),
        cleaned=nested(tally.cleaned),
        length_histogram={str(points): lengths[points] for points in sorted(lengths)},
        **others,
    )


def nested(dropped: Counter) -> dict[str, dict[str, int]]:
    """Turns {(reason, class): n} into {reason: {class: n}}."""
    result: dict[str, dict[str, int]] = {}
    for (reason, name), count in sorted(dropped.items()):
        result.setdefault(reason, {})[name] = count
    return result


def verify(directory: files.PathLike) -> Iterator[tuple[str, int]]:
    """Checks every shard of a data set against `dataset.json`.

    Yields:
      (file, number of records) of each shard that is as it was written.

    Raises:
      UserError: the folder is no finished data set, or a shard is missing, short, truncated or
        altered; the message names it, and the record where one is damaged.
    """
    info = dataset.read_info(directory)
    for shard in info.shards:
        path = pathlib.Path(directory) / shard["file"]
        count = sum(1 for _ in tfrecord.read_frames(path))
        if count != shard["num_records"]:
            raise UserError(
                f"{path}: holds {count} records, {dataset.DESCRIPTION} says {shard['num_records']}"
            )
        if files.sha256_of_file(path) != shard.get("sha256"):
            raise UserError(f"{path}: is not the file that was written (its checksum differs)")
        yield shard["file"], count


@contextlib.contextmanager
def output_directory(
    directory: files.PathLike, fingerprint: dict[str, Any], overwrite: bool = False
) -> Iterator[tuple[pathlib.Path, bool]]:
    """Takes an output folder for one run and gives it a workspace inside.

    Args:
      directory: the folder; made when it is missing.
      fingerprint: everything that decides the result. Work that an interrupted run with the same
        fingerprint left behind is kept, any other is removed.
      overwrite: replace a finished data set. It stays until the new one is whole (`publish`).

    Yields:
      (workspace, whether there is earlier work in it).

    Raises:
      UserError: a finished data set or other files are there, or another run is at work.
    """
    directory = pathlib.Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(directory / LOCK, timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise UserError(f"{directory}: another run is writing into this folder") from None
    try:
        _refuse_occupied(directory, overwrite)
        yield _workspace(directory, fingerprint)
    finally:
        (directory / LOCK).unlink(missing_ok=True)
        lock.release()
        with contextlib.suppress(OSError):
            directory.rmdir()  # only if nothing came of it


def _refuse_occupied(directory: pathlib.Path, overwrite: bool) -> None:
    if overwrite:
        return
    if (directory / dataset.DESCRIPTION).exists():
        raise UserError(f"{directory}: exists already; --overwrite (overwrite=True) replaces it")
    names = {entry.name for entry in os.scandir(directory)} - {LOCK, WORKSPACE}
    if names and not (directory / WORKSPACE).exists():
        raise UserError(
            f"{directory}: holds other files, such as {min(names)}; give a new folder, or"
            " --overwrite to write into this one"
        )


def _workspace(directory: pathlib.Path, fingerprint: dict[str, Any]) -> tuple[pathlib.Path, bool]:
    workspace = directory / WORKSPACE
    job = workspace / JOB
    with contextlib.suppress(ValueError, OSError):
        if files.read_json(job) == fingerprint:
            return workspace, True
    if workspace.exists():
        _remove(workspace)
    workspace.mkdir()
    files.write_json(job, fingerprint)
    return workspace, False


def publish(directory: files.PathLike, info: dataset.DatasetInfo) -> None:
    """Moves the shards from the workspace to their place and writes `dataset.json` last.

    An older data set is removed here, its description first: at no moment does the folder look
    finished and is not.
    """
    directory = pathlib.Path(directory)
    (directory / dataset.DESCRIPTION).unlink(missing_ok=True)
    for entry in list(os.scandir(directory)):
        if is_shard(entry.name):
            os.unlink(entry.path)
    for shard in info.shards:
        os.replace(directory / WORKSPACE / shard["file"], directory / shard["file"])
    for suffix in (".svg", ".png"):
        (directory / f"{dataset.CONTACT_SHEET}{suffix}").unlink(missing_ok=True)
    dataset.write_info(directory, info)
    _remove(directory / WORKSPACE)


def _remove(workspace: pathlib.Path) -> None:
    """Removes a workspace, first what says whose it is: half of it would belong to nobody."""
    (workspace / JOB).unlink(missing_ok=True)
    shutil.rmtree(workspace)


def is_shard(path: str) -> bool:
    """Whether a file's name is a shard's."""
    return _SHARD.fullmatch(path.rpartition("/")[2]) is not None
