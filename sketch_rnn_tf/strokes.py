"""Three forms of one drawing, in NumPy: polylines, stroke-3 and stroke-5.

- polylines: a list of [n, 2] absolute coordinates, one array per stroke.
- stroke-3: [N, 3] rows (dx, dy, pen_lifted); pen_lifted is 1 where the stroke ends at this point.
- stroke-5: [T, 5] rows (dx, dy, pen_down, pen_up, end_of_sketch), one-hot over the last three.

Row 0 of a stroke-3 array is the first point relative to the origin and draws nothing, so nothing
is lost between polylines and stroke-3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sketch_rnn_tf.errors import UserError

PADDING = (0.0, 0.0, 0.0, 0.0, 1.0)  # a stroke-5 row after the end of the sketch
START_TOKEN = (0.0, 0.0, 1.0, 0.0, 0.0)  # what Magenta's decoder reads before the first point


def polylines_to_stroke3(polylines: Sequence[np.ndarray]) -> np.ndarray:
    """Turns absolute strokes into offsets.

    Args:
      polylines: arrays [n, 2]; a stroke without points is left out.

    Returns:
      float64 [N, 3], N the number of points of all strokes. The differences of narrower floats
      need its digits.

    Raises:
      UserError: a stroke is not of shape [n, 2].
    """
    strokes = [np.asarray(stroke) for stroke in polylines]
    for i, stroke in enumerate(strokes):
        if stroke.size and (stroke.ndim != 2 or stroke.shape[1] != 2):
            raise UserError(f"stroke {i} has shape {stroke.shape}, expected [n, 2]")
    strokes = [stroke for stroke in strokes if stroke.size]
    if not strokes:
        return np.zeros((0, 3))
    points = np.concatenate(strokes).astype(np.float64)
    result = np.zeros((len(points), 3))
    result[:, :2] = np.diff(points, axis=0, prepend=np.zeros((1, 2)))
    result[np.cumsum([len(stroke) for stroke in strokes]) - 1, 2] = 1
    return result


def stroke3_to_polylines(strokes: np.ndarray) -> list[np.ndarray]:
    """Turns offsets into absolute strokes.

    Args:
      strokes: [N, 3]. A last stroke whose pen is never lifted is a stroke all the same.

    Returns:
      float64 arrays [n, 2], one per stroke. `polylines_to_stroke3` gives the offsets back.

    Raises:
      UserError: `strokes` is not of shape [N, 3].
    """
    strokes = _checked(strokes, 3)
    points = np.cumsum(strokes[:, :2].astype(np.float64), axis=0)
    ends = np.flatnonzero(strokes[:, 2] > 0.5) + 1
    return [part for part in np.split(points, ends) if len(part)]


def stroke3_to_stroke5(strokes: np.ndarray, length: int | None = None) -> np.ndarray:
    """Turns stroke-3 into stroke-5, padded with end-of-sketch rows.

    Args:
      strokes: [N, 3].
      length: T, the number of rows of the result; N + 1 (one end token) when it is not given.

    Returns:
      float32 [T, 5].

    Raises:
      UserError: the sketch has more than `length` points or the wrong shape.
    """
    strokes = _checked(strokes, 3)
    length = len(strokes) + 1 if length is None else length
    if len(strokes) > length:
        raise UserError(f"a sketch of {len(strokes)} points does not fit into {length} rows")
    result = np.tile(np.asarray(PADDING, np.float32), (length, 1))
    result[: len(strokes), :2] = strokes[:, :2]
    result[: len(strokes), 2] = 1 - strokes[:, 2]
    result[: len(strokes), 3] = strokes[:, 2]
    result[: len(strokes), 4] = 0
    return result


def stroke5_to_stroke3(strokes: np.ndarray) -> np.ndarray:
    """Turns stroke-5 into stroke-3: the points before the first end-of-sketch row.

    Args:
      strokes: [T, 5] without a start token.

    Returns:
      [N, 3] of the same type; N is T where no row ends the sketch.

    Raises:
      UserError: `strokes` is not of shape [T, 5].
    """
    strokes = _checked(strokes, 5)
    ends = np.flatnonzero(strokes[:, 4] > 0.5)
    points = strokes[: ends[0] if len(ends) else len(strokes)]
    return points[:, [0, 1, 3]]


def check_stroke3(strokes: np.ndarray, where: str) -> np.ndarray:
    """Returns a float32 copy of a stroke-3 array after looking at every value.

    Args:
      strokes: anything that should be [N, 3].
      where: the file and record that the message names.

    Raises:
      UserError: wrong shape or type, a value that is not finite, a pen that is not 0 or 1.
    """
    try:
        array = np.asarray(strokes)
    except ValueError:
        raise UserError(f"{where} has rows of different lengths, expected [N, 3]") from None
    if array.dtype.kind not in "iuf":
        raise UserError(f"{where} has type {array.dtype}, expected numbers")
    if array.ndim != 2 or array.shape[1] != 3:
        raise UserError(f"{where} has shape {list(array.shape)}, expected [N, 3]")
    with np.errstate(over="ignore"):
        array = array.astype(np.float32)
    if not np.isfinite(array).all():
        raise UserError(f"{where} has a coordinate that is not finite")
    if not np.isin(array[:, 2], (0, 1)).all():
        raise UserError(f"{where} has a pen state other than 0 and 1")
    return array


def bounds(strokes: np.ndarray) -> tuple[float, float, float, float]:
    """Returns (x_min, y_min, x_max, y_max) of a stroke-3 points; zeros without points."""
    points = np.cumsum(_checked(strokes, 3)[:, :2].astype(np.float64), axis=0)
    if not len(points):
        return (0.0, 0.0, 0.0, 0.0)
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _checked(strokes: np.ndarray, width: int) -> np.ndarray:
    strokes = np.asarray(strokes)
    if strokes.ndim != 2 or strokes.shape[1] != width:
        raise UserError(f"strokes have shape {list(strokes.shape)}, expected [N, {width}]")
    return strokes
