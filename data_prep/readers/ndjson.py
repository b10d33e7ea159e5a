"""Reads ndjson, plain or gzip: one drawing per line, as an object in one of the forms of `forms`.

Quick, Draw!'s files are of this format, raw (x, y, t) or simplified (x, y), and Make Me a Hanzi's
graphics.txt.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

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
    is_gzip,
    opened,
)

PART_BYTES = 8 << 20  # about 4,000 raw drawings
MAX_LINE = 64 << 20  # a stroke of 100,000 points takes about two
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FOREIGN = "is not an object with a drawing"

Part = tuple[int, int]  # start and stop in bytes: the lines that begin between them


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file, or of the lines that begin in a part of it.

    Args:
      source: the file.
      options: of which `label` and `recognized_only` count; the label is the drawing's word, or
        the file's name where it has none.

    Yields:
      `RawSketch`, or a `Skip` for each line that is not a drawing.

    Raises:
      ReadError: the rest of the file cannot be read.
    """
    items = _items(source, options)
    if not source.found or source.part:
        yield from items
        return
    foreign = []  # lines of a file that may be no file of drawings at all
    for item in items:
        if not (isinstance(item, Skip) and item.message.endswith(_FOREIGN)) or len(foreign) > 99:
            yield from (*foreign, item)
            yield from items
            return
        foreign.append(item)
    if foreign:
        raise NoDrawings(f"{source.path}: holds no drawings, one object per line")


def _items(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    lines = _Lines(source)
    for line in lines:
        if line.isspace():
            continue
        try:
            record = orjson.loads(line.removeprefix(_BYTE_ORDER_MARK))
        except orjson.JSONDecodeError as error:
            yield _skip({}, lines, options, f"is not valid JSON ({error})")
            continue
        yield _item(record, lines, options)


def parts(source: Source, size: int) -> list[tuple[Part, int]]:
    """Returns ((start, stop), bytes) for a file of `size` bytes; nothing where it is gzip."""
    if is_gzip(source.path):
        return []
    ranges = ((start, min(start + PART_BYTES, size)) for start in range(0, size, PART_BYTES))
    return [((start, stop), stop - start) for start, stop in ranges]


class _Lines:
    """Iterates over the lines that begin in a range, and knows where in the file it is.

    Attributes:
      source: the file.
    """

    def __init__(self, source: Source):
        self.source = source
        self._start, self._stop = source.part or (0, None)
        self._before: int | None = None if self._start else 0  # lines before the first one
        self._count = 0

    def __iter__(self) -> Iterator[bytes]:
        with opened(self.source) as stream:
            place = 0
            if self._start:  # the first line that begins at or after the start of the range
                stream.seek(self._start - 1)
                place = self._start - 1
                while rest := stream.readline(MAX_LINE):
                    place += len(rest)
                    if rest.endswith(b"\n"):
                        break
                self._start = place
            while self._stop is None or place < self._stop:
                line = stream.readline(MAX_LINE)
                if not line:
                    return
                place += len(line)
                self._count += 1
                if len(line) == MAX_LINE:
                    raise ReadError(f"{self.where} has more than {MAX_LINE >> 20} MB")
                yield line

    @property
    def number(self) -> int:
        """The number of the line, from 1. What lies before the range is only counted when asked."""
        if self._before is None:
            before, left = 0, self._start
            with open(self.source.path, "rb") as stream:
                while left > 0 and (block := stream.read(min(left, 1 << 20))):
                    before += block.count(b"\n")
                    left -= len(block)
            self._before = before
        return self._before + self._count

    @property
    def where(self) -> str:
        """The file and the line."""
        return f"{self.source.path}: line {self.number}"


def _item(record: Any, lines: _Lines, options: Options) -> RawSketch | Skip:
    if not isinstance(record, dict) or forms.NAMES.isdisjoint(record):
        return _skip({}, lines, options, _FOREIGN)
    if options.recognized_only and not record.get("recognized", True):
        return _skip(record, lines, options, "was not recognized", NOT_RECOGNIZED)
    try:
        label = options.label or forms.own_label(record) or lines.source.stem
        key = forms.text_field(record, "key_id", "key", "character")
        key = key or f"{lines.source.name}:{lines.number}"
        where = f"{lines.source.path}: drawing {key}"
        content = forms.content(record, where)
    except ReadError as error:
        return _skip(record, lines, options, str(error))
    return RawSketch(key=key, label=label, where=where, group=key, **content)


def _skip(
    record: dict[str, Any], lines: _Lines, options: Options, what: str, reason: str = UNREADABLE
) -> Skip:
    """Returns a skip that is counted under the record's class, where it has a readable one."""
    try:
        label = options.label or forms.own_label(record)
    except ReadError:
        label = None
    return Skip(reason, label or lines.source.stem, f"{lines.where} {what}")
