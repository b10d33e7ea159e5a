"""Readers of vector drawings: one file a format, all with one face.

    for sketch in readers.read("drawings/"):        # everything, one after the other
        ...
    for unit in readers.units("drawings/"):         # the same drawings in independent pieces
        pool.submit(convert, unit)                  # each piece: unit.read() -> RawSketch

A path is a file, a folder (searched recursively, in sorted order, for files with a suffix of
`SUFFIXES`) or a special name: `package:kanjivg` is the installed PyPI package `kanjivg`. A reader
yields valid sketches (see `RawSketch`; finite coordinates of at most 1e12, pens 0 or 1) or raises
`ReadError`. A drawing without any point is valid: it is yielded without strokes, and what happens
to it is the conversion's choice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from data_prep.readers import find
from data_prep.readers.detect import FORMATS, detect_format
from data_prep.readers.find import SUFFIXES, source_files
from data_prep.readers.raw_sketch import RawSketch, ReadError
from data_prep.readers.source import (
    DEFAULT_CURVE_TOLERANCE,
    NOT_RECOGNIZED,
    UNREADABLE,
    Options,
    Skip,
)
from data_prep.readers.unit import Unit, make_units

__all__ = [
    "DEFAULT_CURVE_TOLERANCE",
    "FORMATS",
    "NOT_RECOGNIZED",
    "SUFFIXES",
    "UNREADABLE",
    "RawSketch",
    "ReadError",
    "Skip",
    "Unit",
    "detect_format",
    "read",
    "source_files",
    "units",
]

PathLike = str | os.PathLike


def read(
    path: PathLike,
    *,
    format: str | None = None,
    label: str | None = None,
    recognized_only: bool = False,
    on_error: str = "stop",
    on_skip: Callable[[Skip], None] | None = None,
    curve_tolerance: float = DEFAULT_CURVE_TOLERANCE,
) -> Iterator[RawSketch]:
    """Yields the drawings of a file, a folder or an installed package, one at a time.

    Memory does not grow with the input, except that one split of an npz file and one whole JSON
    file are held at a time.

    Args:
      path: a file, a folder or `package:kanjivg`.
      format: one of `FORMATS`; None: each file by its content.
      label: the class of every drawing; None: the file's own word, else the folder that holds the
        file (SVG in an input that is a folder), else the file's name.
      recognized_only: leave out Quick, Draw! drawings that the game did not recognise; they are
        reported to `on_skip`.
      on_error: `stop` raises the first ReadError; `skip` reports it to `on_skip` and goes on with
        the next drawing, or the next file where the rest of a file cannot be read.
      on_skip: called with a `Skip` for each drawing that is left out.
      curve_tolerance: how far a flattened SVG curve may lie from the curve, as a share of the
        longer side of the drawing's box.

    Yields:
      `RawSketch`: polylines (float64) for absolute formats, offsets (float32) for stroke-3 formats.

    Raises:
      ReadError: a file cannot be read or a drawing is not valid; names file and record.
    """
    for unit in units(
        path,
        format=format,
        label=label,
        recognized_only=recognized_only,
        on_error=on_error,
        curve_tolerance=curve_tolerance,
    ):
        yield from unit.read(on_skip)


def units(
    path: PathLike,
    *,
    format: str | None = None,
    label: str | None = None,
    recognized_only: bool = False,
    on_error: str = "stop",
    curve_tolerance: float = DEFAULT_CURVE_TOLERANCE,
) -> Iterator[Unit]:
    """Splits an input into independent pieces of work, in a stable order.

    The pieces depend on the input alone, never on the number of workers, and their drawings one
    after the other are exactly those of `read`. Pieces are: a bunch of small files, a byte range
    of a large ndjson file, a range of rows of one split of an npz file, any other large file.

    Args:
      path: a file, a folder or `package:kanjivg`.
      format: see `read`, as for all other arguments.
      label: the class of every drawing.
      recognized_only: leave out drawings that the game did not recognise.
      on_error: `stop` or `skip`.
      curve_tolerance: of flattened SVG curves.

    Yields:
      `Unit`: picklable; `.read(on_skip=None)` yields its RawSketches and raises ReadError, `.path`
      is its (first) file, `.size` its bytes on disk, for progress and for balancing.

    Raises:
      ReadError: the path does not exist or holds no drawing files. What is wrong inside a file
        is found by the unit's `read`.
    """
    options = Options(format, label, recognized_only, on_error, curve_tolerance)
    _check(options)
    yield from make_units(find.sources(path), options)


def _check(options: Options) -> None:
    if options.format is not None and options.format not in FORMATS:
        raise ReadError(f"unknown format {options.format!r}; there are {', '.join(FORMATS)}")
    if options.on_error not in ("stop", "skip"):
        raise ReadError(f"on_error is {options.on_error!r}, expected 'stop' or 'skip'")
    if not 1e-6 <= options.curve_tolerance <= 1:
        raise ReadError(f"curve_tolerance is {options.curve_tolerance}, expected 1e-6 to 1")
