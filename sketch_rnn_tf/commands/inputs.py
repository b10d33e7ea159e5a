"""Drawings from files as a model reads them: what `score` and `sample` do with --input."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from sketch_rnn_tf import config, files
from sketch_rnn_tf.data import records, wire


class Drawing(NamedTuple):
    """One drawing of an input.

    Attributes:
      strokes: stroke-3 [N, 3], source units of the model.
      label: class name: the file's word, its folder or its name.
      where: file and record, for messages.
    """

    strokes: np.ndarray
    label: str
    where: str


def load(
    path: files.PathLike,
    configuration: config.RunConfig,
    *,
    indices: Iterable[int] | None = None,
    split: str | None = None,
) -> list[Drawing]:
    """Reads drawings and turns them into the points that a model was trained on.

    Rows of npz files, simplified Quick, Draw! drawings and prepared data sets are taken as they
    are; absolute coordinates go through the simplification of the run's configuration (Quick,
    Draw!'s where it has none). A model with `drop_first_point` does not see row 0 of drawings in
    absolute coordinates, which says where the first point lies.

    Args:
      path: any input of `sketch-rnn-prepare`, a prepared data set (its folder) or one of its
        shards (.tfrecord).
      configuration: the run's.
      indices: which drawings, in this order; all when not given.
      split: train, valid or test, for inputs that carry splits.

    Raises:
      ValueError: the input cannot be read, is empty, or has no drawing of an index.
    """
    found = _all(pathlib.Path(path), str(path), configuration, split)
    drawings = list(found) if indices is None else _chosen(found, list(indices), path)
    if not drawings and indices is None:
        raise ValueError(f"{path}: holds no drawing" + (f" of split {split!r}" if split else ""))
    return drawings


def _all(path: pathlib.Path, name: str, configuration, split) -> Iterator[Drawing]:
    if (path / records.DESCRIPTION).is_file():
        return _of_data_set(path, split)
    if path.suffix == ".tfrecord":
        return _of_shard(path)
    return _of_files(name, configuration, split)


def _chosen(found: Iterator[Drawing], indices: list[int], path: files.PathLike) -> list[Drawing]:
    """Reads no further than the last index."""
    wanted = set(indices)
    if any(index < 0 for index in wanted):
        raise ValueError(f"{path}: drawing {min(wanted)}: indices start at 0")
    kept, count = {}, 0
    while wanted and (drawing := next(found, None)) is not None:
        if count in wanted:
            kept[count] = drawing
            wanted.discard(count)
        count += 1
    if wanted:
        raise ValueError(f"{path}: has no drawing {min(wanted)}, it holds {count}")
    return [kept[index] for index in indices]


def _of_data_set(path: pathlib.Path, split: str | None) -> Iterator[Drawing]:
    info = records.read_info(path)
    names = [split] if split else [name for name in records.SPLITS if info.num_sketches(name)]
    for name in names:
        for index, record in enumerate(records.read_split(path, name)):
            label = _class_name(info.classes, record.label)
            yield Drawing(record.strokes, label, f"{path}: {name} {index}")


def _of_shard(path: pathlib.Path) -> Iterator[Drawing]:
    described = (path.parent / records.DESCRIPTION).is_file()
    classes = records.read_info(path.parent).classes if described else []
    for index, serialized in enumerate(wire.read_frames(path)):
        where = f"{path}: record {index}"
        record = wire.parse(serialized, where)
        yield Drawing(record.strokes, _class_name(classes, record.label), where)


def _class_name(classes, label: int) -> str:
    return classes[label] if 0 <= label < len(classes) else str(label)


def _of_files(name: str, configuration: config.RunConfig, split) -> Iterator[Drawing]:
    from data_prep import readers, simplify

    simplification = simplify.Simplification.from_json(configuration.simplification)
    for drawing in readers.read(name):
        if split and drawing.split != split:
            continue
        try:
            rows = simplify.convert(drawing, simplification)
        except simplify.TooComplexError as error:
            raise ValueError(f"{drawing.where}: {error}") from None
        if configuration.drop_first_point and drawing.polylines is not None:
            rows = rows[1:]
        yield Drawing(np.asarray(rows, np.float32), drawing.label, drawing.where)
