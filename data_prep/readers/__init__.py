"""Readers of vector drawings: one file per format, all with one face.

    for sketch in readers.read("drawings/"):        # everything, one after the other
        ...
    for unit in readers.units("drawings/"):         # the same drawings in independent pieces
        pool.submit(convert, unit)                  # each piece: unit.read() -> RawSketch

An input is a file, a folder (searched recursively, in sorted order, for files with a suffix of
`SUFFIXES`), a pattern such as `cats/*.svg`, or a package: `package:kanjivg` is the installed PyPI
package `kanjivg`, `npm:NAME` an npm package. A reader yields valid sketches (see `RawSketch`;
finite coordinates of at most 1e12, pens 0 or 1) or raises `ReadError`. A drawing without any point
is valid: it is yielded without strokes, and what happens to it is the conversion's choice.

- `source.py`: what a reader is given and yields: Source, Options, RawSketch, Polylines, Skip.
- `inputs.py`: from an input to its files, and from these to units of work.
- `packages.py`: drawings in packages of PyPI and npm.
- `detect.py`: the format of a file, by its content.
- `npz.py`, `safe_pickle.py`: Sketch-RNN's .npz, read without running what is pickled in it.
- `ndjson.py`, `json_polylines.py`, `kaggle_csv.py`, `forms.py`: one drawing per line, per item or
  per row; the forms that a drawing has in them.
- `quickdraw_bin.py`: Quick, Draw!'s .bin.
- `svg.py`: SVG documents. `svg_xml.py` parses them, `svg_document.py` lists the shapes that they
  draw, with `svg_css.py` (style sheets), `svg_values.py` (lengths, colors, transforms) and
  `svg_paths.py` (path data, curves); `svg_ink.py` tells ink from paper, `svg_clip.py` clips.
- `iconify.py`: icon sets.
- `picture.py`: scans and other pictures of line art, where `--trace` asks for them.

A format's module has `read(source, options) -> iterator of RawSketch and Skip`, and, where a large
file can be read in parts, `parts(source, size) -> iterable of (part, bytes)`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from data_prep.readers.detect import FORMATS, detect_format
from data_prep.readers.inputs import SUFFIXES, Listing, Unit, listing, make_units
from data_prep.readers.source import (
    DEFAULT_CURVE_TOLERANCE,
    NOT_RECOGNIZED,
    UNREADABLE,
    Options,
    RawSketch,
    ReadError,
    Skip,
    counted,
)

__all__ = [
    "DEFAULT_CURVE_TOLERANCE",
    "FORMATS",
    "NOT_RECOGNIZED",
    "SUFFIXES",
    "UNREADABLE",
    "Listing",
    "RawSketch",
    "ReadError",
    "Skip",
    "Unit",
    "counted",
    "detect_format",
    "listing",
    "read",
    "source_files",
    "units",
]

PathLike = str | os.PathLike


def read(
    path: PathLike, *, on_skip: Callable[[Skip], None] | None = None, **options: Any
) -> Iterator[RawSketch]:
    """Yields the drawings of an input, one at a time.

    Memory does not grow with the input, except that one array of an npz file and one whole JSON
    file are held at a time.

    Args:
      path: a file, a folder, a pattern or a package.
      on_skip: called with a `Skip` for each drawing that is left out.
      **options: fields of `source.Options`: format, label, recognized_only, on_error (`stop` raises
        the first ReadError; `skip` reports it to `on_skip` and goes on with the next drawing, or
        the next file where the rest of a file cannot be read), curve_tolerance, class_from,
        paper and keep_all (of SVG pictures).

    Yields:
      `RawSketch`: polylines (float64) for absolute formats, offsets (float32) for stroke-3 formats.

    Raises:
      ReadError: a file cannot be read or a drawing is not valid; names file and record.
    """
    for unit in units(path, **options):
        yield from unit.read(on_skip)


def units(path: PathLike, **options: Any) -> Iterator[Unit]:
    """Splits an input into independent pieces of work, in a stable order.

    The pieces depend on the input alone, never on the number of workers, and their drawings one
    after the other are exactly those of `read`. Pieces are: a bunch of small files, a range of
    lines of a large ndjson file, of rows of one array of an npz file, of icons of an icon set, any
    other large file.

    Args:
      path: a file, a folder, a pattern or a package.
      **options: see `read`.

    Yields:
      `Unit`: picklable; `.read(on_skip=None)` yields its RawSketches and raises ReadError, `.path`
      is its (first) file, `.size` its bytes on disk, for progress and for balancing.

    Raises:
      ReadError: the path does not exist or holds no drawing files. What is wrong inside a file
        is found by the unit's `read`.
    """
    checked = Options(**options)
    _check(checked)
    yield from make_units(listing(path, checked.format).sources, checked)


def source_files(path: PathLike) -> list[str]:
    """Returns the paths of an input's files, for checksums; see `listing`."""
    return [source.path for source in listing(path).sources]


def _check(options: Options) -> None:
    if options.format is not None and options.format not in FORMATS:
        raise ReadError(f"unknown format {options.format!r}; there are {', '.join(FORMATS)}")
    if options.on_error not in ("stop", "skip"):
        raise ReadError(f"on_error is {options.on_error!r}, expected 'stop' or 'skip'")
    if options.class_from not in ("set", "word"):
        raise ReadError(f"class_from is {options.class_from!r}, expected 'set' or 'word'")
    if not 1e-6 <= options.curve_tolerance <= 1:
        raise ReadError(f"curve_tolerance is {options.curve_tolerance}, expected 1e-6 to 1")
    if options.paper in ("auto", "none"):
        return
    from data_prep.readers import svg_values  # on use: it needs a CSS parser

    if not svg_values.color(options.paper):
        raise ReadError(
            f"paper is {options.paper!r}, expected a color such as '#fff' or white, auto or none"
        )
