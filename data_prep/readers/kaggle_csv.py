"""Reads CSV files of drawings, plain or gzip, as Kaggle's Quick, Draw! competition published them.

The first line names the columns: `drawing` holds a drawing as JSON (see `forms`); `word` (or
`label`), `key_id` (or `key`) and `recognized` are optional.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

from data_prep.readers import forms
from data_prep.readers.source import (
    NOT_RECOGNIZED,
    UNREADABLE,
    NoDrawings,
    Options,
    RawSketch,
    ReadError,
    Skip,
    Source,
    opened,
)

MAX_FIELD = 64 << 20  # characters: a raw drawing takes some thousands


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file.

    Args:
      source: the file.
      options: of which `label` and `recognized_only` count; the label is the drawing's word, or
        the file's name where it has none.

    Yields:
      `RawSketch`, or a `Skip` for each row that is not a drawing.

    Raises:
      ReadError: the rest of the file cannot be read.
      NoDrawings: it has no column `drawing`.
    """
    csv.field_size_limit(MAX_FIELD)
    with opened(source) as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig", newline="")
        rows = csv.reader(text, strict=True)
        try:
            names = [name.strip().lower() for name in next(rows, [])]
            if "drawing" not in names:
                raise NoDrawings(f"{source.path}: is a CSV file without a column 'drawing'")
            for row in rows:
                if row:
                    yield _item(source, options, rows.line_num, names, row)
        except csv.Error as error:
            raise source.error(f"line {rows.line_num}: is not valid CSV ({error})") from None
        except UnicodeDecodeError:
            raise source.error(f"line {rows.line_num + 1}: is not UTF-8 text") from None


def _item(
    source: Source, options: Options, line: int, names: list[str], row: list[str]
) -> RawSketch | Skip:
    where = f"{source.path}: line {line}"
    label = options.label or source.stem
    if len(row) != len(names):
        message = f"{where} has {len(row)} fields, expected {len(names)}"
        return Skip(UNREADABLE, label, message)
    record = dict(zip(names, row, strict=True))
    try:
        label = options.label or forms.own_label(record) or label
        key = forms.text_field(record, "key_id", "key") or f"{source.name}:{line}"
        if options.recognized_only and record.get("recognized", "true").lower() == "false":
            return Skip(NOT_RECOGNIZED, label, f"{where} was not recognized")
        fields = forms.content({"drawing": record["drawing"]}, where)
    except ReadError as error:
        return Skip(UNREADABLE, label, f"{where} {error}")
    return RawSketch(key=key, label=label, where=where, group=key, **fields)
