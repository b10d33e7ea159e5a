"""What a format's reader is given (a file, the options) and what it reports besides sketches."""

from __future__ import annotations

import dataclasses
import pathlib

from data_prep.readers import raw_sketch

DEFAULT_CURVE_TOLERANCE = 1e-3
MAX_COORDINATE = 1e12  # beyond it float64 keeps fewer than four decimals: garbage, not a drawing

UNREADABLE = "unreadable"
NOT_RECOGNIZED = "not_recognized"


@dataclasses.dataclass(frozen=True)
class Options:
    """How to read, the same for every file of an input.

    Attributes:
      format: a name of `readers.FORMATS`; None: by content.
      label: the class of every drawing; None: the file's word, the folder, or the file name.
      recognized_only: leave out Quick, Draw! drawings that the game did not recognise.
      on_error: `stop` raises the first ReadError, `skip` reports it and goes on.
      curve_tolerance: how far a flattened SVG curve may lie from the curve, as a share of the
        longer side of the drawing's box.
    """

    format: str | None = None
    label: str | None = None
    recognized_only: bool = False
    on_error: str = "stop"
    curve_tolerance: float = DEFAULT_CURVE_TOLERANCE


@dataclasses.dataclass(frozen=True)
class Skip:
    """A drawing, or the rest of a file, that is left out.

    Attributes:
      reason: `unreadable` (bad input under `on_error="skip"`) or `not_recognized`.
      label: the class where it is known.
      message: one sentence that names file and record.
    """

    reason: str
    label: str | None
    message: str


@dataclasses.dataclass(frozen=True)
class Source:
    """One file of an input.

    Attributes:
      path: where it lies.
      name: what it is called in keys: the path relative to the input, so that keys do not depend
        on where the input lies.
      folder: the name of the folder that holds it, where the input is a folder.
      key: the key (of a format with one drawing a file), where it is not `name`.
      group: its group, where it is wider than the key.
    """

    path: str
    name: str
    folder: str | None = None
    key: str | None = None
    group: str | None = None

    @property
    def stem(self) -> str:
        """The file's name without the suffixes of data files: `cat.full.npz` is `cat`."""
        stem = pathlib.PurePath(self.name).name
        while (suffix := pathlib.PurePath(stem).suffix).lower() in _SUFFIXES and suffix != stem:
            stem = stem[: -len(suffix)]
        return stem

    def error(self, what: str) -> raw_sketch.ReadError:
        """Returns the ReadError `file: what`."""
        return raw_sketch.ReadError(f"{self.path}: {what}")


def printable(text: str) -> str:
    """Returns text that can be shown on a terminal and written as UTF-8, whatever a file held."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


_SUFFIXES = {".npz", ".full", ".ndjson", ".jsonl", ".json", ".bin", ".svg", ".svgz", ".gz"}
