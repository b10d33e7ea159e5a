"""What every reader is given (a source, the options) and what it yields (drawings, skips)."""

from __future__ import annotations

import contextlib
import dataclasses
import gzip
import io
import itertools
import pathlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import numpy as np

from sketch_rnn_tf import strokes
from sketch_rnn_tf.errors import UserError

DEFAULT_CURVE_TOLERANCE = 1e-3
MAX_COORDINATE = 1e12  # beyond it float64 keeps fewer than four decimals: garbage, not a drawing

UNREADABLE = "unreadable"
NOT_RECOGNIZED = "not_recognized"
NOT_A_DRAWING = "not_a_drawing"  # a file that lies beside drawings and holds none
FILLED = "filled"  # an icon that is an area, not a line drawing

GZIP_MAGIC = b"\x1f\x8b"
_SUFFIXES = {".npz", ".full", ".ndjson", ".jsonl", ".json", ".bin", ".csv", ".svg", ".svgz", ".gz"}
_SUFFIXES |= {".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"}


class ReadError(UserError):
    """A file, or one record of it, cannot be read; the message names both."""


class NoDrawings(ReadError):  # noqa: N818 (it says what the file is)
    """A file is in order and holds no drawings, as a package.json beside drawings does."""


@dataclasses.dataclass(frozen=True)
class Options:
    """How to read, the same for every file of an input.

    Attributes:
      format: a name of `readers.FORMATS`; None: by content.
      label: the class of every drawing; None: the file's word, the folder, or the file name.
      recognized_only: leave out Quick, Draw! drawings that the game did not recognize.
      on_error: `stop` raises the first ReadError, `skip` reports it and goes on.
      curve_tolerance: how far a flattened SVG curve may lie from the curve, as a share of the
        longer side of the drawing's box.
      class_from: the class of an icon: `set` is the name of its icon set, `word` the first word of
        its own name (`arrow-down` is an `arrow`).
      paper: the color of the paper of SVG pictures, which is not ink: a CSS color; `auto`: that of
        a rectangle that covers the picture and lies below all else, else white; `none`: all that
        is painted is ink.
      keep_all: take every shape of an SVG picture that is not hidden, painted or not.
    """

    format: str | None = None
    label: str | None = None
    recognized_only: bool = False
    on_error: str = "stop"
    curve_tolerance: float = DEFAULT_CURVE_TOLERANCE
    class_from: str = "set"
    paper: str = "auto"
    keep_all: bool = False

    def to_json(self) -> dict[str, Any]:
        """Returns the options that were given, for reading the sources again."""
        given = dataclasses.asdict(self).items()
        return {name: value for name, value in given if value != getattr(Options(), name)}


@dataclasses.dataclass(frozen=True)
class Skip:
    """A drawing, or the rest of a file, that is left out.

    Attributes:
      reason: `unreadable` (bad input under `on_error="skip"`), `not_recognized`, `not_a_drawing`
        or `filled`.
      label: the class where it is known.
      message: one sentence that names file and record.
    """

    reason: str
    label: str | None
    message: str


@dataclasses.dataclass(frozen=True, slots=True)
class Polylines:
    """A drawing's strokes in one array, several times faster to make and carry than one per stroke.

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
        """Returns float64 arrays [n, 2], one per stroke."""
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
        alignment, scaling, resampling or simplification applies unless it is asked for.
      split: the split that the file puts the drawing in, where files carry splits.
      group: drawings of one group never fall into two splits; the key where there is no wider one.
      canvas: longer side of what the drawing stands on, in its coordinates, where the file tells:
        the viewport of an SVG.
      left_out: {what a picture shows besides strokes, in plural: how many}, e.g. texts or erasers.
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
    left_out: Mapping[str, int] = dataclasses.field(default_factory=dict)

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


@dataclasses.dataclass(frozen=True)
class Source:
    """One file of an input, or a part of it.

    Attributes:
      path: where it lies; what messages name.
      name: what it is called in keys: the path relative to the input, so that keys do not depend
        on where the input lies.
      folder: the name of the folder that holds it.
      found: whether it was found in a folder, where other files may lie beside drawings, and not
        named by the user.
      key: the key (of a format with one drawing per file), where it is not `name`.
      group: its group, where it is wider than the key.
      part: of a large file, what one unit reads: a plain value that the format's `parts` gave.
      content: bytes that stand for the file's, of a document inside another file.
    """

    path: str
    name: str
    folder: str | None = None
    found: bool = False
    key: str | None = None
    group: str | None = None
    part: Any = None
    content: bytes | None = None

    @property
    def stem(self) -> str:
        """The file's name without the suffixes of data files: `cat.full.npz` is `cat`."""
        stem = pathlib.PurePath(self.name).name
        while (suffix := pathlib.PurePath(stem).suffix).lower() in _SUFFIXES and suffix != stem:
            stem = stem[: -len(suffix)]
        return stem

    def error(self, what: str) -> ReadError:
        """Returns the ReadError `file: what`."""
        return ReadError(f"{self.path}: {what}")


@contextlib.contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """Opens a file's bytes, unpacked where they are gzip.

    Raises:
      ReadError: while it is read: the gzip is truncated or damaged.
    """
    if source.content is not None:
        yield io.BytesIO(source.content)
        return
    try:
        with open(source.path, "rb") as file:
            if file.peek(len(GZIP_MAGIC)).startswith(GZIP_MAGIC):
                with gzip.GzipFile(fileobj=file) as stream:
                    yield stream
            else:
                yield file
    except EOFError:
        raise source.error("is truncated gzip: it ends before its end mark") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise source.error(f"is damaged gzip ({error})") from None


def read_whole(source: Source, limit: int) -> bytes:
    """Returns a file's bytes, unpacked.

    Raises:
      ReadError: there are more than `limit` of them, or the gzip is damaged.
    """
    with opened(source) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise source.error(f"holds more than the {limit >> 20} MB that are read")
    return data


def is_gzip(path: str) -> bool:
    """Whether a file's content is gzip."""
    with open(path, "rb") as stream:
        return stream.read(2) == GZIP_MAGIC


def counted(left_out: Mapping[str, int]) -> str:
    """Returns what was left out of pictures in words: `1 x texts, 3 x unpainted shapes`."""
    return ", ".join(f"{count} x {what}" for what, count in sorted(left_out.items()))


def printable(text: str) -> str:
    """Returns text that can be shown on a terminal and written as UTF-8, whatever a file held."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )
