"""Reads JSON files of drawings, plain or gzip; a file is held whole, large data is better ndjson.

A drawing is one of
- a list of strokes, each a list of points [x, y], in absolute coordinates;
- {"polylines": the same}, {"drawing": Quick, Draw!'s form}, or {"strokes": rows [dx, dy, pen]} as
  `sketch-rnn-sample` writes them, each with an optional "label" (or "word") and "key" (or
  "key_id").

A file is a list of drawings, one drawing, or {"sketches": list of drawings}.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import orjson

from data_prep.readers import inflate
from data_prep.readers.ndjson import checked_points, quickdraw_polylines, text_field
from data_prep.readers.npz import checked_offsets
from data_prep.readers.raw_sketch import Polylines, RawSketch, ReadError
from data_prep.readers.source import UNREADABLE, Options, Skip, Source

MAX_BYTES = 256 << 20
_FORMS = ("polylines", "drawing", "strokes")


def read(source: Source, options: Options, piece: None = None) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file.

    Args:
      source: the file.
      options: of which `label` counts; the label is the drawing's own, or the file's name.
      piece: always None.

    Yields:
      `RawSketch` with polylines, or with offsets for rows [dx, dy, pen]; a `Skip` for each item
      that is not a drawing.

    Raises:
      ReadError: the file is no JSON or holds no drawings.
    """
    for i, item in enumerate(_drawings(source)):
        where = f"{source.path}: drawing {i}"
        try:
            yield _sketch(item, i, where, source, options)
        except ReadError as error:
            message = str(error)
            message = message if message.startswith(where) else f"{where} {message}"
            yield Skip(UNREADABLE, options.label or source.stem, message)


def pieces(source: Source, size: int) -> list:
    """Returns nothing: a file is read whole."""
    return []


def _drawings(source: Source) -> list[Any]:
    data = inflate.read_whole(source, MAX_BYTES).removeprefix(b"\xef\xbb\xbf")
    try:
        content = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise source.error(f"is not valid JSON ({error})") from None
    if isinstance(content, dict):
        content = content.get("sketches", [content])
    if not isinstance(content, list):
        raise source.error("holds no list of drawings")
    if _depth(content) == 3:
        return [content]
    return content


def _depth(value: Any) -> int | None:
    """Returns how many lists are around the first number; None where there is none."""
    if not isinstance(value, list):
        return 0 if isinstance(value, (int, float)) else None
    for child in value:
        inner = _depth(child)
        if inner is not None:
            return inner + 1
    return None


def _sketch(item: Any, index: int, where: str, source: Source, options: Options) -> RawSketch:
    fields = item if isinstance(item, dict) else {"polylines": item}
    form = next((name for name in _FORMS if name in fields), None)
    if form is None:
        raise ReadError(f"has none of {', '.join(_FORMS)}")
    key = text_field(fields, "key", "key_id") or f"{source.name}:{index}"
    return RawSketch(
        key=key,
        label=options.label or text_field(fields, "label", "word") or source.stem,
        where=where,
        group=key,
        **_content(form, fields[form], where),
    )


def _content(form: str, value: Any, where: str) -> dict[str, Any]:
    """Returns the fields of a RawSketch that hold its points."""
    if form == "drawing":
        polylines, simplified = quickdraw_polylines(value)
        return {"polylines": polylines, "simplified": simplified}
    if form == "strokes" and _depth(value) != 3:
        return {"offsets": checked_offsets(value, where), "simplified": True}
    return {"polylines": _polylines(value)}


def _polylines(value: Any) -> Polylines:
    if not isinstance(value, list):
        raise ReadError("is not a list of strokes")
    return Polylines.of(_points(stroke, i) for i, stroke in enumerate(value) if stroke != [])


def _points(stroke: Any, index: int) -> np.ndarray:
    """Returns the points [n, 2] of a stroke."""
    if not isinstance(stroke, list) or not all(
        isinstance(point, list) and len(point) == 2 for point in stroke
    ):
        raise ReadError(f"has a stroke {index} that is not a list of points [x, y]")
    return checked_points(stroke).astype(np.float64)
