"""Drawings from files as a model reads them: what `score` and `sample` do with --input."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from sketch_rnn_tf import config, files
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError


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
    Draw!'s where it has none). A model with `drop_first_point` does not see row 0 where that says
    where the first point lies: of drawings in absolute coordinates, of data sets prepared from
    such, and where it is no step at all.

    Args:
      path: any input of `sketch-rnn-prepare`, a prepared data set (its folder) or one of its
        shards (.tfrecord).
      configuration: the run's.
      indices: which drawings, in this order; all when not given.
      split: train, valid or test, for inputs that carry splits.

    Raises:
      UserError: the input cannot be read, is empty or not whole, or has no drawing of an index.
    """
    found = _all(pathlib.Path(path), str(path), configuration, split)
    drawings = list(found) if indices is None else _chosen(found, list(indices), path)
    if not drawings and indices is None:
        raise UserError(f"{path}: holds no drawing" + (f" of split {split!r}" if split else ""))
    return drawings


def _all(path: pathlib.Path, name: str, configuration, split) -> Iterator[Drawing]:
    if (path / dataset.DESCRIPTION).is_file():
        return _of_data_set(path, configuration, split)
    if path.suffix == ".tfrecord":
        return _of_shard(path, configuration, split)
    return _of_files(name, configuration, split)


def _chosen(found: Iterator[Drawing], indices: list[int], path: files.PathLike) -> list[Drawing]:
    """Reads no further than the last index."""
    wanted = set(indices)
    if any(index < 0 for index in wanted):
        raise UserError(f"{path}: drawing {min(wanted)}: indices start at 0")
    kept, count = {}, 0
    while wanted and (drawing := next(found, None)) is not None:
        if count in wanted:
            kept[count] = drawing
            wanted.discard(count)
        count += 1
    if wanted:
        raise UserError(f"{path}: has no drawing {min(wanted)}, it holds {count}")
    return [kept[index] for index in indices]


def _of_data_set(path: pathlib.Path, configuration, split) -> Iterator[Drawing]:
    info = dataset.read_info(path)
    names = [split] if split else [name for name in dataset.SPLITS if info.num_sketches(name)]
    for name in names:
        for index, record in enumerate(dataset.read_split(path, name)):
            label = _class_name(info.classes, record.label)
            rows = _seen(record.strokes, configuration, info.from_absolute)
            yield Drawing(rows, label, f"{path}: {name} {index}")


def _of_shard(path: pathlib.Path, configuration, split) -> Iterator[Drawing]:
    """Reads one shard; what lies beside it says of which classes and split, and how long it is."""
    info, shard = None, {}
    if (path.parent / dataset.DESCRIPTION).is_file():
        info = dataset.read_info(path.parent)
        shard = next((one for one in info.shards if one["file"] == path.name), {})
    if split and shard.get("split") != split:
        raise UserError(f"{path}: is of split {shard.get('split', 'unknown')!r}, not {split!r}")
    classes, absolute = (info.classes, info.from_absolute) if info else ([], False)
    for index, record in enumerate(dataset.read_shard(path, shard.get("num_records"))):
        rows = _seen(record.strokes, configuration, absolute)
        yield Drawing(rows, _class_name(classes, record.label), f"{path}: record {index}")


def _seen(rows: np.ndarray, configuration: config.RunConfig, absolute: bool) -> np.ndarray:
    """Returns the rows that a model reads, see `load`."""
    if configuration.drop_first_point and len(rows) and (absolute or not rows[0, :2].any()):
        return rows[1:]
    return rows


def _class_name(classes, label: int) -> str:
    return classes[label] if 0 <= label < len(classes) else str(label)


def _of_files(name: str, configuration: config.RunConfig, split) -> Iterator[Drawing]:
    from data_prep import readers
    from data_prep.conversion import simplify

    simplification = simplify.Simplification.from_json(configuration.simplification)
    for drawing in readers.read(name):
        if split and drawing.split != split:
            continue
        try:
            rows = np.asarray(simplify.convert(drawing, simplification), np.float32)
        except simplify.TooComplexError as error:
            raise UserError(f"{drawing.where}: {error}") from None
        rows = _seen(rows, configuration, drawing.polylines is not None)
        yield Drawing(rows, drawing.label, drawing.where)
