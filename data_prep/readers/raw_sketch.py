"""What every reader yields and the one error that every reader raises."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np

from sketch_rnn_tf import strokes
from sketch_rnn_tf.errors import UserError


class ReadError(UserError):
    """A file, or one record of it, cannot be read; the message names both."""


@dataclasses.dataclass(frozen=True, slots=True)
class Polylines:
    """A drawing's strokes in one array, several times faster to make and carry than one a stroke.

    Attributes:
      points: [n, 2], absolute coordinates, one stroke after the other; float64, or uint8 where the
        file's own numbers are bytes.
      ends: where each stroke ends among the points, ascending: no stroke is empty.
    """

    points: np.ndarray
    ends: list[int]

    @classmethod
    def of(cls, parts: Iterable[np.ndarray]) -> Polylines:
        """Returns the polylines of arrays [n, 2]; those without points are left out."""
        parts = [part for part in parts if len(part)]
        points = np.concatenate(parts) if parts else np.zeros((0, 2))
        return cls(points, list(itertools.accumulate(map(len, parts))))

    def strokes(self) -> list[np.ndarray]:
        """Returns float64 arrays [n, 2], one a stroke."""
        points = self.points.astype(np.float64, copy=False)
        return [points[start:end] for start, end in itertools.pairwise([0, *self.ends])]


@dataclasses.dataclass(frozen=True)
class RawSketch:
    """One drawing as its file holds it; exactly one of `polylines` and `offsets` is set.

    Attributes:
      key: identity of the drawing in its source, stable over runs: the file's own id where it has
        one, else `file name:record`.
      label: class name: the file's word, the folder, or the file name.
      where: file and record, for error messages.
      polylines: strokes in absolute coordinates.
      offsets: stroke-3 rows as published, [N, 3], taken as they are.
      simplified: the points are already the simplified ones (npz, simplified ndjson, bin): no
        alignment, scaling, resampling or simplification applies.
      split: the split that the file puts the drawing in, where files carry splits.
      group: drawings of one group never fall into two splits; the key where there is no wider one.
      canvas: longer side of what the drawing stands on, in its coordinates, where the file tells:
        the viewport of an SVG.
    """

    key: str
    label: str
    where: str
    polylines: Polylines | None = None
    offsets: np.ndarray | None = None
    simplified: bool = False
    split: str | None = None
    group: str | None = None
    canvas: float | None = None

    def to_polylines(self) -> list[np.ndarray]:
        """Returns the drawing's strokes in absolute coordinates, float64 [n, 2] each."""
        if self.polylines is not None:
            return self.polylines.strokes()
        return strokes.stroke3_to_polylines(self.offsets)

    def to_stroke3(self) -> np.ndarray:
        """Returns stroke-3 rows [N, 3]; absolute drawings move so that row 0 is (0, 0, pen)."""
        if self.offsets is not None:
            return self.offsets
        rows = strokes.polylines_to_stroke3(self.polylines.strokes())
        rows[:1, :2] = 0
        return rows
