"""Drawings of a data set as they came and as they are in it, read from its sources again."""

from __future__ import annotations

import itertools
from typing import NamedTuple

import numpy as np

from data_prep import readers
from data_prep.conversion import cleaning, simplify
from data_prep.readers.source import RawSketch
from sketch_rnn_tf import strokes
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError

LOOKED_AT = 2000  # drawings of the sources, the first ones


class Pair(NamedTuple):
    """One drawing twice.

    Attributes:
      before: stroke-3 rows [N, 3] as they came; none for a further drawing of the same sheet.
      after: stroke-3 rows as they are in the data set.
      key: the drawing's key.
      changes: number of strokes that were joined or dropped and of changes of the order.
    """

    before: np.ndarray | None
    after: np.ndarray
    key: str
    changes: int


def pairs(info: dataset.DatasetInfo, count: int) -> list[Pair]:
    """Converts drawings of a data set's sources again.

    Args:
      info: of the data set; its sources have to be where they were.
      count: number of pairs.

    Returns:
      Those among the first `LOOKED_AT` drawings that cleaning changed most, then others.

    Raises:
      UserError: a source is gone.
    """
    steps = cleaning.Cleaning(**info.cleaning)
    reading = {**info.reading, "on_error": "skip"}
    found = []
    for drawing in itertools.islice(_drawings(info, reading), LOOKED_AT):
        cleaned, counts = cleaning.clean(drawing, steps)
        found.append((sum(counts.values()), drawing, cleaned, counts))
    found.sort(key=lambda item: -item[0])
    how = simplify.Simplification.from_json(info.simplification)
    converted = (
        pair
        for _, drawing, cleaned, counts in found[:count]
        for pair in _converted(drawing, cleaned, counts, how)
    )
    return list(itertools.islice(converted, count))


def _drawings(info: dataset.DatasetInfo, reading: dict):
    for source in info.sources:
        try:
            yield from readers.read(source["path"], **reading)
        except readers.ReadError as error:
            raise UserError(f"drawings as they came are read from their sources: {error}") from None


def _converted(drawing: RawSketch, cleaned: list[RawSketch], counts, how):
    """Yields the pairs of one drawing: several where it was a sheet."""
    before = strokes.polylines_to_stroke3(drawing.to_polylines())
    changes = sum(n for what, n in counts.items() if "sheets" not in what)
    for i, one in enumerate(cleaned):
        try:
            after = simplify.convert(one, how)
        except simplify.TooComplexError:
            continue
        if len(after):
            yield Pair(None if i else before, after, one.key, changes)
