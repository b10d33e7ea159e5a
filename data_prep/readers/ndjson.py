"""Reads Quick, Draw!'s ndjson: one drawing a line, raw (x, y, t) or simplified (x, y), maybe gzip.

A drawing without times whose coordinates are whole numbers from 0 to 255 is taken for simplified,
since that is what Google's simplification gives; any other one goes through the whole preparation.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any

import numpy as np
import orjson

from data_prep.readers import inflate
from data_prep.readers.raw_sketch import Polylines, RawSketch, ReadError
from data_prep.readers.source import (
    MAX_COORDINATE,
    NOT_RECOGNIZED,
    UNREADABLE,
    Options,
    Skip,
    Source,
)

PIECE_BYTES = 8 << 20  # about 4,000 raw drawings
MAX_LINE = 64 << 20  # a stroke of 100,000 points takes about two
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_MAX_NAME = 256  # characters of a word or a key

Piece = tuple[int, int]


def read(
    source: Source, options: Options, piece: Piece | None = None
) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file, or of the lines that begin in a range of its bytes.

    Args:
      source: the file.
      options: of which `label` and `recognized_only` count; the label is the drawing's word, or
        the file's name where it has none.
      piece: (start, stop) in bytes, of `pieces`.

    Yields:
      `RawSketch` with polylines, a `Skip` for each line that is not a drawing.

    Raises:
      ReadError: the rest of the file cannot be read.
    """
    lines = _Lines(source, piece)
    for line in lines:
        if line.isspace():
            continue
        try:
            record = orjson.loads(line.removeprefix(_BYTE_ORDER_MARK))
        except orjson.JSONDecodeError as error:
            yield _skip({}, lines, options, f"is not valid JSON ({error})")
            continue
        yield _item(record, lines, options)


def pieces(source: Source, size: int) -> list[tuple[Piece, int]]:
    """Returns ((start, stop), bytes) for a file of `size` bytes; nothing where it is gzip."""
    if inflate.is_gzip(source.path):
        return []
    starts = range(0, size, PIECE_BYTES)
    ranges = [(start, min(start + PIECE_BYTES, size)) for start in starts]
    return [((start, stop), stop - start) for start, stop in ranges]


class _Lines:
    """Iterates over the lines that begin in a range, and knows where in the file it is.

    Attributes:
      source: the file.
    """

    def __init__(self, source: Source, piece: Piece | None):
        self.source = source
        self._start, self._stop = piece or (0, None)
        self._before: int | None = None if self._start else 0  # lines before the first one
        self._count = 0

    def __iter__(self) -> Iterator[bytes]:
        with inflate.opened(self.source) as stream:
            place = self._seek(stream)
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
            self._before = _count_lines(self.source.path, self._start)
        return self._before + self._count

    @property
    def where(self) -> str:
        """The file and the line."""
        return f"{self.source.path}: line {self.number}"

    def _seek(self, stream: IO[bytes]) -> int:
        """Goes to the first line that begins at or after the start of the range."""
        if not self._start:
            return 0
        stream.seek(self._start - 1)
        place = self._start - 1
        while rest := stream.readline(MAX_LINE):
            place += len(rest)
            if rest.endswith(b"\n"):
                break
        self._start = place
        return place


def _count_lines(path: str, stop: int) -> int:
    with open(path, "rb") as stream:
        count = 0
        while stop > 0 and (block := stream.read(min(stop, 1 << 20))):
            count += block.count(b"\n")
            stop -= len(block)
    return count


def _item(record: Any, lines: _Lines, options: Options) -> RawSketch | Skip:
    if not isinstance(record, dict) or "drawing" not in record:
        return _skip({}, lines, options, "is not an object with a drawing")
    if options.recognized_only and not record.get("recognized", True):
        return _skip(record, lines, options, "was not recognised", NOT_RECOGNIZED)
    try:
        return _sketch(record, lines, options)
    except ReadError as error:
        return _skip(record, lines, options, str(error))


def _sketch(record: dict[str, Any], lines: _Lines, options: Options) -> RawSketch:
    label = options.label or text_field(record, "word") or lines.source.stem
    key = text_field(record, "key_id") or f"{lines.source.name}:{lines.number}"
    polylines, simplified = quickdraw_polylines(record["drawing"])
    return RawSketch(
        key=key,
        label=label,
        where=f"{lines.source.path}: drawing {key}",
        polylines=polylines,
        simplified=simplified,
        group=key,
    )


def _skip(
    record: dict[str, Any], lines: _Lines, options: Options, what: str, reason: str = UNREADABLE
) -> Skip:
    """Returns a skip that is counted under the record's class, where it has a readable one."""
    try:
        label = options.label or text_field(record, "word")
    except ReadError:
        label = None
    return Skip(reason, label or lines.source.stem, f"{lines.where} {what}")


def text_field(record: dict[str, Any], *names: str) -> str | None:
    """Returns the first of some fields that is there and not empty, a number as text.

    Raises:
      ReadError: it is no text, or one that cannot be a name. The message does not name the file.
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


def quickdraw_polylines(drawing: Any) -> tuple[Polylines, bool]:
    """Turns a drawing in Quick, Draw!'s form into polylines.

    Args:
      drawing: [[[x...], [y...], [t...]], ...], one item a stroke; t may be missing.

    Returns:
      The strokes that have points, and whether they are simplified.

    Raises:
      ReadError: the drawing is not of that form, or a coordinate is not finite or too large. The
        message does not name the file.
    """
    xs, ys, ends, timed = _columns(drawing)
    points = None if timed else _bytes(xs, ys)
    if points is not None:
        return Polylines(points, ends), True
    points = checked_points([xs, ys])
    simplified = not timed and _are_whole_bytes(points)
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


def _are_whole_bytes(points: np.ndarray) -> bool:
    return bool(((points >= 0) & (points <= 255) & (points == np.rint(points))).all())
