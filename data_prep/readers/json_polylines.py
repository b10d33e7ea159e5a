"""Reads JSON files of drawings, plain or gzip; a file is held whole, large data is better ndjson.

A drawing is an object in one of the forms of `forms`, with an optional "label" (or "word") and
"key" (or "key_id"); or a bare list of strokes, each a list of points [x, y]; or, where a list of
drawings has rows of three numbers, rows [dx, dy, pen].

A file is one drawing, a list of drawings, or an object that holds lists of them: under "sketches"
or "drawings", or under "train", "valid" and "test".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

from data_prep.readers import forms
from data_prep.readers.source import (
    UNREADABLE,
    NoDrawings,
    Options,
    RawSketch,
    ReadError,
    Skip,
    Source,
    read_whole,
)
from sketch_rnn_tf.data import dataset

MAX_BYTES = 256 << 20
_LISTS = ("sketches", "drawings")


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file.

    Args:
      source: the file.
      options: of which `label` counts; the label is the drawing's own, or the file's name.

    Yields:
      `RawSketch` with polylines, or with offsets for rows [dx, dy, pen]; a `Skip` for each item
      that is not a drawing.

    Raises:
      ReadError: the file is no JSON or holds no drawings.
    """
    try:
        content = orjson.loads(read_whole(source, MAX_BYTES).removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise source.error(f"is not valid JSON ({error})") from None
    for split, items in _lists(source, content):
        for i, item in enumerate(items):
            name = f"{split}:{i}" if split else str(i)
            where = f"{source.path}: {split + ' ' if split else ''}drawing {i}"
            record = item if isinstance(item, dict) else {"polylines": item}
            try:
                key = forms.text_field(record, "key", "key_id") or f"{source.name}:{name}"
                label = options.label or forms.own_label(record) or source.stem
                fields = forms.content(record, where)
            except ReadError as error:
                message = str(error)
                message = message if message.startswith(where) else f"{where} {message}"
                yield Skip(UNREADABLE, options.label or source.stem, message)
                continue
            yield RawSketch(key=key, label=label, where=where, group=key, split=split, **fields)


def _lists(source: Source, content: Any) -> list[tuple[str | None, list[Any]]]:
    """Returns the lists of drawings of a file, each with the split that it stands for.

    Raises:
      NoDrawings: the file holds none.
    """
    if not isinstance(content, dict):
        found = [(None, _drawings(content))]
    elif not forms.NAMES.isdisjoint(content):
        found = [(None, [content])]
    elif name := next((name for name in _LISTS if name in content), None):
        found = [(None, _drawings(content[name]))]
    elif any(name in content for name in dataset.SPLITS):
        found = [(name, _drawings(content.get(name, []))) for name in dataset.SPLITS]
    else:
        names = ", ".join(str(name)[:40] for name in list(content)[:6]) or "nothing"
        raise NoDrawings(
            f"{source.path}: is JSON without drawings: expected a list of drawings, or an object"
            f" with one of {', '.join((*_LISTS, *sorted(forms.NAMES)))}; it has {names}"
        )
    items = [item for _, part in found for item in part or []]
    if any(part is None for _, part in found) or (items and not any(map(_may_be_one, items))):
        raise NoDrawings(f"{source.path}: is JSON without drawings: holds no list of drawings")
    return found


def _drawings(value: Any) -> list[Any] | None:
    """Returns the drawings in a list; None where it is no list."""
    if not isinstance(value, list):
        return None
    if forms.depth(value) != 3:
        return value
    row = next(row for stroke in value if isinstance(stroke, list) for row in stroke)
    if isinstance(row, list) and len(row) == 3:
        return [{"strokes": rows} for rows in value]
    return [value]


def _may_be_one(item: Any) -> bool:
    if isinstance(item, dict):
        return not forms.NAMES.isdisjoint(item)
    return isinstance(item, list) and (not item or isinstance(item[0], list))
