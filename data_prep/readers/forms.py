"""The forms that one drawing has as a JSON value, shared by the readers of JSON, ndjson and CSV.

An object holds its drawing under the first of these names that it has:
- `medians`: the middle lines of a character's strokes, as hanzi-writer-data and Make Me a Hanzi
  have them, lists of points [x, y] with y upwards;
- `drawing`: Quick, Draw!'s form [[[x...], [y...], [t...]], ...], one item per stroke, t optional;
- `polylines`: a list of strokes, each a list of points [x, y] in absolute coordinates;
- `strokes`: rows [dx, dy, pen] as `sketch-rnn-sample` writes them, or polylines.

A drawing that is text, as in CSV files, is read as the JSON that it holds. Functions here raise a
ReadError that does not name the file: their callers know it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson

from data_prep.readers.npz import checked_offsets
from data_prep.readers.source import MAX_COORDINATE, Polylines, ReadError

_BY_PREFERENCE = ("medians", "drawing", "polylines", "strokes")
NAMES = frozenset(_BY_PREFERENCE)
HANZI_CLASS = "hanzi"
_HANZI_TOP = 900  # hanzi-writer-data draws in a box from -124 to 900, y upwards
_MAX_NAME = 256  # characters of a word or a key


def content(record: dict[str, Any], where: str) -> dict[str, Any]:
    """Returns the fields of a RawSketch that hold its points.

    Args:
      record: an object with one of `NAMES`.
      where: file and record, for messages about rows.
    """
    if NAMES.isdisjoint(record):
        raise ReadError(f"has none of {', '.join(_BY_PREFERENCE)}")
    name = next(name for name in _BY_PREFERENCE if name in record)
    value = record[name]
    if isinstance(value, str):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError as error:
            raise ReadError(f"has a {name} that is text, but not of JSON ({error})") from None
    if name == "drawing":
        polylines, simplified = quickdraw_polylines(value)
        return {"polylines": polylines, "simplified": simplified}
    if name == "strokes" and depth(value) != 3:
        return {"offsets": checked_offsets(value, where), "simplified": True}
    polylines = listed_polylines(value)
    if name == "medians":
        points = polylines.points * (1, -1) + (0, _HANZI_TOP)
        return {"polylines": Polylines(points, polylines.ends)}
    return {"polylines": polylines}


def own_label(record: dict[str, Any]) -> str | None:
    """Returns the class that an object names."""
    found = text_field(record, "label", "word")
    return HANZI_CLASS if found is None and "medians" in record else found


def text_field(record: dict[str, Any], *names: str) -> str | None:
    """Returns the first of some fields that is there and not empty, a number as text.

    Raises:
      ReadError: it is no text, or one that cannot be a name.
    """
    for name in names:
        value = record.get(name)
        if value is None or value == "":
            continue
        if type(value) not in (str, int) or len(str(value)) > _MAX_NAME:
            raise ReadError(f"has a {name} that is not a short text")
        if not str(value).isprintable():
            raise ReadError(f"has a {name} with control characters")
        return str(value)
    return None


def depth(value: Any) -> int | None:
    """Returns how many lists are around the first number; None where there is none."""
    if not isinstance(value, list):
        return 0 if isinstance(value, (int, float)) else None
    for child in value:
        inner = depth(child)
        if inner is not None:
            return inner + 1
    return None


def listed_polylines(value: Any) -> Polylines:
    """Turns a list of strokes, each a list of points [x, y], into polylines.

    Raises:
      ReadError: it is of another form, or a coordinate is not finite or too large.
    """
    if not isinstance(value, list):
        raise ReadError("is not a list of strokes")
    parts = []
    for i, stroke in enumerate(value):
        if not isinstance(stroke, list) or not all(
            isinstance(point, list) and len(point) == 2 for point in stroke
        ):
            raise ReadError(f"has a stroke {i} that is not a list of points [x, y]")
        if stroke:
            parts.append(checked_points(stroke).astype(np.float64))
    return Polylines.of(parts)


def quickdraw_polylines(drawing: Any) -> tuple[Polylines, bool]:
    """Turns a drawing in Quick, Draw!'s form into polylines.

    A drawing without times whose coordinates are whole numbers from 0 to 255 is taken for
    simplified, since that is what Google's simplification gives.

    Args:
      drawing: [[[x...], [y...], [t...]], ...], one item per stroke; t may be missing.

    Returns:
      The strokes that have points, and whether they are simplified.

    Raises:
      ReadError: the drawing is not of that form, or a coordinate is not finite or too large.
    """
    xs, ys, ends, timed = _columns(drawing)
    points = None if timed else _bytes(xs, ys)
    if points is not None:
        return Polylines(points, ends), True
    points = checked_points([xs, ys])
    simplified = not timed and bool(
        ((points >= 0) & (points <= 255) & (points == np.rint(points))).all()
    )
    return Polylines(np.ascontiguousarray(points.T, np.float64), ends), simplified


def _columns(drawing: Any) -> tuple[list, list, list[int], bool]:
    """Returns x and y of all strokes, where strokes end among them, and whether one has times."""
    if type(drawing) is not list:
        raise ReadError("has a drawing that is not a list of strokes")
    xs: list[Any] = []
    ys: list[Any] = []
    ends: list[int] = []
    timed = False
    for i, stroke in enumerate(drawing):
        if type(stroke) is not list or not 2 <= len(stroke) <= 3:
            raise ReadError(f"has a stroke {i} that is not [[x...], [y...]] with or without [t...]")
        x, y = stroke[0], stroke[1]
        if type(x) is not list or type(y) is not list or len(x) != len(y):
            raise ReadError(f"has a stroke {i} whose x and y are not lists of one length")
        timed = timed or len(stroke) == 3
        if x:
            xs += x
            ys += y
            ends.append(len(xs))
    return xs, ys, ends, timed


def _bytes(xs: list, ys: list) -> np.ndarray | None:
    """Returns points uint8 [n, 2] the quick way; None where that does not settle what they are.

    Zeros and ones alone do not: `bytes` takes true and false for them.
    """
    interleaved = bytearray(2 * len(xs))
    try:
        interleaved[::2], interleaved[1::2] = bytes(xs), bytes(ys)
    except (TypeError, ValueError):
        return None
    if not interleaved.strip(b"\0\1"):
        return None
    return np.frombuffer(interleaved, np.uint8).reshape(-1, 2)


def checked_points(numbers: list) -> np.ndarray:
    """Returns an array of two dimensions after looking at every number.

    Raises:
      ReadError: something is no number, not finite, or too large.
    """
    try:
        points = np.array(numbers)
    except (ValueError, OverflowError):
        raise ReadError("has a coordinate that is not a number") from None
    if not points.size:
        return points
    if points.ndim != 2 or points.dtype.kind not in "iuf":
        raise ReadError("has a coordinate that is not a number")
    if not -MAX_COORDINATE <= points.min() <= points.max() <= MAX_COORDINATE:
        raise ReadError(f"has a coordinate that is not finite or beyond {MAX_COORDINATE:g}")
    return points
