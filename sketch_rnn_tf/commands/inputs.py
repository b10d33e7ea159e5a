"""Drawings from files as a model reads them: --input of the commands, and `sketch_rnn_tf.read`."""

from __future__ import annotations

import glob
import os
import pathlib
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from absl import logging

from sketch_rnn_tf import config, drawing, files
from sketch_rnn_tf.commands import sizes
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError


class Drawing(NamedTuple):
    """One drawing of an input.

    Attributes:
      strokes: stroke-3 [N, 3], source units of the model.
      label: class name: the file's word, its folder or its name.
      where: file and record, for messages.
      key: what the drawing is called: its key in a data set, else its file and record.
    """

    strokes: np.ndarray
    label: str
    where: str
    key: str = ""


def read(
    path: files.PathLike,
    model: Any = None,
    *,
    units: str | float = sizes.WHOLE,
    indices: Iterable[int] | None = None,
    split: str | None = None,
    **reading: Any,
) -> drawing.Sketches:
    """Reads the drawings of any file, as the commands read their --input.

        begun = sketch_rnn_tf.read("begun.svg", sketcher, units="fit")
        sketcher.complete(begun, num=6)

    Args:
      path: what `load` reads.
      model: whose drawings they are to become: a Sketcher, its configuration, or a run directory.
        None: the file's own coordinates, every point.
      units: see `sizes.scale_of`.
      indices: which drawings, in this order; all when not given.
      split: train, valid or test, for inputs that carry splits.
      **reading: see `load`.

    Returns:
      The drawings with their classes, source units of the model.

    Raises:
      UserError: the input cannot be read, is empty, or has no drawing of an index.
    """
    if model is None:
        configuration = config.RunConfig(1.0, 1, simplification={"method": "none"})
    elif isinstance(model, (str, os.PathLike)):
        from sketch_rnn_tf import runs

        configuration = runs.open_run(model).config
    else:
        configuration = getattr(model, "config", model)
    found = load(path, configuration, units=units, indices=indices, split=split, **reading)
    return drawing.Sketches(drawing.Sketch(one.strokes, one.label) for one in found)


def load(
    path: files.PathLike,
    configuration: config.RunConfig,
    *,
    units: str | float = sizes.WHOLE,
    indices: Iterable[int] | None = None,
    split: str | None = None,
    **reading: Any,
) -> list[Drawing]:
    """Reads drawings and turns them into the points that a model was trained on.

    Rows of npz files, of SVG and JSON files that this package wrote, simplified Quick, Draw!
    drawings and prepared data sets are taken as they are; absolute coordinates go through the
    simplification of the run's configuration (Quick, Draw!'s where it has none). A model with
    `drop_first_point` does not see row 0 where that only says where the first point lies: of
    drawings in absolute coordinates, of data sets prepared from such, and where it is no step.

    Args:
      path: any input of `sketch-rnn-prepare`, a pattern such as `fish/*.svg`, a prepared data set
        (its folder) or one of its shards (.tfrecord).
      configuration: the run's.
      units: how large absolute coordinates are for the model; see `sizes.scale_of`.
      indices: which drawings, in this order; all when not given.
      split: train, valid or test, for inputs that carry splits.
      **reading: options of `data_prep.readers.read`, such as `paper` and `keep_all` for SVG.

    Raises:
      UserError: the input cannot be read, is empty or not whole, or has no drawing of an index.
    """
    found = (
        one
        for name in _matches(path)
        for one in _drawings(name, configuration, units, split, reading)
    )
    drawings = list(found) if indices is None else _chosen(found, list(indices), path)
    if not drawings and indices is None:
        raise UserError(f"{path}: holds no drawing" + (f" of split {split!r}" if split else ""))
    return drawings


def _matches(path: files.PathLike) -> list[str]:
    """Returns the files that a pattern matches; a path that is none as it is."""
    name = os.fspath(path)
    if os.path.exists(name) or not glob.has_magic(name):
        return [name]
    matches = sorted(glob.glob(name, recursive=True))
    if not matches:
        raise UserError(f"{name}: no file matches")
    return matches


def _chosen(found: Iterator[Drawing], indices: list[int], path: files.PathLike) -> list[Drawing]:
    """Reads no further than the last index."""
    wanted = set(indices)
    if any(index < 0 for index in wanted):
        raise UserError(f"{path}: drawing {min(wanted)}: indices start at 0")
    kept, count = {}, 0
    while wanted and (one := next(found, None)) is not None:
        if count in wanted:
            kept[count] = one
            wanted.discard(count)
        count += 1
    if wanted:
        raise UserError(f"{path}: has no drawing {min(wanted)}, it holds {count}")
    return [kept[index] for index in indices]


def _drawings(
    name: str,
    configuration: config.RunConfig,
    units: str | float,
    split: str | None,
    reading: dict[str, Any],
) -> Iterator[Drawing]:
    """Yields the drawings of one input."""
    path = pathlib.Path(name)
    if (path / dataset.DESCRIPTION).is_file():
        info = dataset.read_info(path)
        for part in [split] if split else [s for s in dataset.SPLITS if info.num_sketches(s)]:
            for i, record in enumerate(dataset.read_split(path, part)):
                yield _of_record(record, info, configuration, f"{path}: {part} {i}")
    elif path.suffix == ".tfrecord":
        yield from _of_shard(path, configuration, split)
    else:
        yield from _of_file(name, configuration, units, split, reading)


def _of_shard(path: pathlib.Path, configuration, split) -> Iterator[Drawing]:
    """Reads one shard; what lies beside it tells classes and split, and how long it is."""
    info, shard = None, {}
    if (path.parent / dataset.DESCRIPTION).is_file():
        info = dataset.read_info(path.parent)
        shard = next((one for one in info.shards if one["file"] == path.name), {})
    if split and shard.get("split") != split:
        raise UserError(f"{path}: is of split {shard.get('split', 'unknown')!r}, not {split!r}")
    for i, record in enumerate(dataset.read_shard(path, shard.get("num_records"))):
        yield _of_record(record, info, configuration, f"{path}: record {i}")


def _of_record(record, info: dataset.DatasetInfo | None, configuration, where: str) -> Drawing:
    classes = info.classes if info else []
    label = classes[record.label] if 0 <= record.label < len(classes) else str(record.label)
    rows = _seen(record.strokes, configuration, bool(info and info.from_absolute))
    return Drawing(rows, label, where, record.key.decode("utf-8", "replace"))


def _seen(rows: np.ndarray, configuration: config.RunConfig, absolute: bool) -> np.ndarray:
    """Returns the rows that a model reads, see `load`."""
    if configuration.drop_first_point and len(rows) and (absolute or not rows[0, :2].any()):
        return rows[1:]
    return rows


def _of_file(
    name: str,
    configuration: config.RunConfig,
    units: str | float,
    split: str | None,
    reading: dict[str, Any],
) -> Iterator[Drawing]:
    """Reads what `sketch-rnn-prepare` reads."""
    from data_prep import readers
    from data_prep.conversion import simplify
    from data_prep.readers.inputs import counted, listing

    simplification = simplify.Simplification.from_json(configuration.simplification)
    told = units != sizes.FIT
    if os.path.isdir(name) and (ignored := listing(name).ignored):
        logging.info("%s: ignored beside the drawings: %s", name, counted(ignored))
    for one in readers.read(name, **reading):
        if split and one.split != split:
            continue
        if one.left_out:
            logging.info("%s: left out %s", one.where, readers.counted(one.left_out))
        scale = None
        if one.polylines is not None and not one.simplified:
            scale = sizes.scale_of(units, one.canvas, configuration)
        if not told and scale is not None:
            logging.info("%s", _how_large(name, one.canvas, scale, configuration))
            told = True
        try:
            if scale is None:
                rows = simplify.convert(one, simplification)
            else:
                rows = simplify.convert_scaled(one, simplification, scale)
        except simplify.TooComplexError as error:
            raise UserError(f"{one.where}: {error}") from None
        rows = _seen(np.asarray(rows, np.float32), configuration, one.polylines is not None)
        yield Drawing(rows, one.label, one.where, one.key)


def _how_large(
    name: str, canvas: float | None, scale: float, configuration: config.RunConfig
) -> str:
    """Returns the sentence for how large a beginning is to the model."""
    wanted = config.canvas(configuration)
    if wanted is None:
        return f"{name}: its coordinates are taken as the model's units (--units tells others)"
    if canvas is None:
        return (
            f"{name}: has no canvas; its coordinates are taken as the model's units, of which"
            f" a drawing has about {wanted:g} (--units SIDE tells the side of its canvas)"
        )
    return (
        f"{name}: its canvas of {canvas:g} is the model's of {wanted:g}: coordinates"
        f" times {scale:.4g} (--units chooses another size)"
    )
