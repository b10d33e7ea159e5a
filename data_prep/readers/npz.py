"""Reads Sketch-RNN's .npz files: object arrays `train`, `valid` and `test` of stroke-3 drawings.

What `sketch-rnn-sample` writes is read as well: `strokes` [sum N, 3] and `lengths` [drawings].
Nothing in a file is run; see `data_prep.readers.safe_pickle`.
"""

from __future__ import annotations

import contextlib
import io
import math
import os
import warnings
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_prep.readers import safe_pickle
from data_prep.readers.raw_sketch import RawSketch, ReadError
from data_prep.readers.source import MAX_COORDINATE, UNREADABLE, Options, Skip, Source

SPLITS = ("train", "valid", "test")
ROWS = 4096  # drawings of a piece

_CHUNK = 256  # drawings that are checked in one go, where they are not huge:
_CHUNK_POINTS = 1 << 20  # a small file can name one large array again and again
_HARMLESS_BYTES = 64 << 20  # a member that is smaller may be compressed as well as it likes
_MAX_RATIO = 100  # published files are compressed about threefold

Rows = list[Any]  # one item a drawing, not yet checked


def read(
    source: Source, options: Options, piece: tuple[str, int, int] | None = None
) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file in stored order.

    Args:
      source: the file.
      options: of which `label` counts; the label is the file's name otherwise.
      piece: (split, first row, end row) of `pieces`; None: the whole file.

    Yields:
      `RawSketch` with float32 offsets and the split that the file puts it in, a `Skip` for each
      drawing that is not a stroke-3 array.

    Raises:
      ReadError: the file as a whole cannot be read.
    """
    for split, start, stop in [piece] if piece else _all_pieces(source):
        rows = _cached_rows(source, split)
        if stop > len(rows):
            raise source.error(f"array {split!r} has become shorter since it was first looked at")
        for first in range(start, min(stop, len(rows)), _CHUNK):
            chunk = rows[first : min(first + _CHUNK, stop)]
            yield from _sketches(source, options, split, first, chunk)
        if stop >= len(rows):
            _CACHE.clear()


def pieces(source: Source, size: int) -> Iterator[tuple[tuple[str, int, int], int]]:
    """Yields ((split, first row, end row), estimated bytes) for a file of `size` bytes.

    Raises:
      ReadError: the file as a whole cannot be read.
    """
    found = _all_pieces(source)
    rows = max(1, sum(stop - start for _, start, stop in found))
    for split, start, stop in found:
        for first in range(start, max(stop, start + 1), ROWS):  # an empty split is read as well
            end = min(first + ROWS, stop)
            yield (split, first, end), size * (end - first) // rows


def _all_pieces(source: Source) -> list[tuple[str, int, int]]:
    """Returns one piece a split, from the headers alone."""
    with _opened(source) as archive:
        return [
            (split, 0, _header(source, archive, split)[0]) for split in _splits(source, archive)
        ]


def _splits(source: Source, archive: zipfile.ZipFile) -> tuple[str, ...]:
    """Returns the splits of a file; the empty name stands for a file of generated drawings."""
    names = {info.filename.removesuffix(".npy") for info in archive.infolist()}
    if {"strokes", "lengths"} <= names:
        return ("",)
    for split in SPLITS:
        if split not in names:
            held = ", ".join(name[:40] for name in sorted(names)[:8]) or "nothing"
            raise source.error(
                f"has no array {split!r}, expected train, valid, test (holds {held})"
            )
    return SPLITS


def _header(source: Source, archive: zipfile.ZipFile, split: str) -> tuple[int, ...]:
    with archive.open(_member(source, archive, split or "lengths")) as stream:
        shape, _, _ = _npy_header(stream)
    if not shape:
        raise source.error(f"array {split or 'lengths'!r} has no dimensions, expected [drawings]")
    return shape


# The rows of one split. Pieces of a split follow each other in a worker, and the pickle of a split
# can only be read whole.
_CACHE: dict[tuple, Rows] = {}


def _cached_rows(source: Source, split: str) -> Rows:
    status = os.stat(source.path)
    key = (source.path, status.st_mtime_ns, status.st_size, split)
    if key not in _CACHE:
        rows = _rows(source, split)
        _CACHE.clear()
        _CACHE[key] = rows
    return _CACHE[key]


def _rows(source: Source, split: str) -> Rows:
    with _opened(source) as archive:
        if split:
            return _drawings(source, split, _array(source, archive, split))
        return _generated(source, archive)


def _drawings(source: Source, split: str, array: np.ndarray | safe_pickle.ObjectArray) -> Rows:
    """Returns the items of an array of drawings: of objects, or [drawings, N, 3] of numbers."""
    if isinstance(array, safe_pickle.ObjectArray) and len(array.shape) == 1:
        return array.items
    if array.shape[:1] == (0,) or (len(array.shape) == 3 and array.shape[2] == 3):
        return list(array) if isinstance(array, np.ndarray) else array.items
    shape = list(array.shape)
    raise source.error(f"array {split!r} has shape {shape}, expected [drawings] of arrays [N, 3]")


def _generated(source: Source, archive: zipfile.ZipFile) -> Rows:
    """Returns the drawings of `strokes` [sum N, 3] cut at `lengths`."""
    strokes = _array(source, archive, "strokes")
    lengths = _array(source, archive, "lengths")
    for array in (strokes, lengths):
        if not isinstance(array, np.ndarray):
            raise source.error("arrays 'strokes' and 'lengths' hold objects, expected numbers")
    if lengths.ndim != 1 or lengths.dtype.kind not in "iu" or (lengths < 0).any():
        raise source.error("array 'lengths' is not a list of counts")
    total = sum(lengths.tolist())
    if strokes.shape != (total, 3):
        raise source.error(
            f"array 'strokes' has shape {list(strokes.shape)}, expected {[total, 3]}"
        )
    return np.split(strokes, np.cumsum(lengths)[:-1]) if len(lengths) else []


def _sketches(
    source: Source, options: Options, split: str, first: int, chunk: Rows
) -> Iterator[RawSketch | Skip]:
    label = options.label or source.stem
    checked = _checked_together(chunk)
    for i, item in enumerate(chunk, start=first):
        where = f"{source.path}: {split} drawing {i}" if split else f"{source.path}: drawing {i}"
        try:
            offsets = checked[i - first] if checked else checked_offsets(item, where)
        except ReadError as error:
            yield Skip(UNREADABLE, label, str(error))
            continue
        key = f"{source.name}:{split}:{i}" if split else f"{source.name}:{i}"
        yield RawSketch(
            key=key,
            label=label,
            where=where,
            offsets=offsets,
            simplified=True,
            split=split or None,
            group=key,
        )


def _checked_together(chunk: Rows) -> list[np.ndarray] | None:
    """Returns the drawings as float32 views of one array; None where any of them has a fault."""
    for item in chunk:
        if not isinstance(item, np.ndarray) or item.ndim != 2 or item.shape[1] != 3:
            return None
    if sum(map(len, chunk)) > _CHUNK_POINTS:
        return None
    try:
        whole = checked_offsets(np.concatenate(chunk), "")
    except ReadError:
        return None
    return np.split(whole, np.cumsum([len(item) for item in chunk])[:-1])


def checked_offsets(item: Any, where: str) -> np.ndarray:
    """Returns a drawing as float32 [N, 3] after looking at every value.

    Args:
      item: an array, or a list of rows.
      where: the file and drawing that the message names.

    Raises:
      ReadError: wrong type or shape, a value that is not finite or too large, a pen that is
        neither 0 nor 1.
    """
    array = _as_array(item, where)
    if array.ndim != 2 or array.shape[1] != 3:
        if array.size == 0:
            return np.zeros((0, 3), np.float32)
        raise ReadError(f"{where} has shape {list(array.shape)}, expected [N, 3]")
    with np.errstate(all="ignore"):  # values that do not fit are found below
        array = array.astype(np.float32)
    if not (np.abs(array[:, :2]) <= MAX_COORDINATE).all():
        raise ReadError(f"{where} has an offset that is not finite or beyond {MAX_COORDINATE:g}")
    pen = array[:, 2]
    if not ((pen == 0) | (pen == 1)).all():
        raise ReadError(f"{where} has a pen state other than 0 and 1")
    return array


def _as_array(item: Any, where: str) -> np.ndarray:
    """Returns an array, or the array of a list of rows of three numbers."""
    if isinstance(item, np.ndarray):
        return item
    if not isinstance(item, (list, tuple)):
        raise ReadError(f"{where} is of type {type(item).__name__}, expected an array [N, 3]")
    for row in item:
        if (
            not isinstance(row, (list, tuple))
            or [type(x) in (int, float) for x in row] != [True] * 3
        ):
            raise ReadError(f"{where} has a row that is not three numbers")
    try:
        return np.array(item, np.float64)
    except OverflowError:
        raise ReadError(f"{where} has a number that is too large") from None


@contextlib.contextmanager
def _opened(source: Source) -> Iterator[zipfile.ZipFile]:
    """Opens the archive; whatever is wrong with it, met now or later, is a ReadError."""
    try:
        with zipfile.ZipFile(source.path) as archive:
            yield archive
    except (ReadError, OSError, MemoryError):
        raise
    except safe_pickle.UnpickleError as error:
        raise source.error(str(error)) from None
    except Exception as error:  # zipfile and NumPy's header parser promise no narrower type
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise source.error(f"is not a whole .npz file: truncated or damaged ({reason})") from None


def _member(source: Source, archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Returns the entry of an array after looking at what it claims to unpack to."""
    info = archive.getinfo(f"{name}.npy")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise source.error(f"array {name!r} is compressed in a way that NumPy does not use")
    if info.file_size > max(_HARMLESS_BYTES, _MAX_RATIO * info.compress_size):
        raise source.error(
            f"array {name!r} would unpack from {info.compress_size} to {info.file_size} bytes:"
            " a zip bomb, refused"
        )
    return info


def _array(
    source: Source, archive: zipfile.ZipFile, name: str
) -> np.ndarray | safe_pickle.ObjectArray:
    """Reads one array of the archive."""
    info = _member(source, archive, name)
    data = archive.read(info)
    if len(data) != info.file_size:
        raise source.error(f"array {name!r} holds {len(data)} bytes, declared {info.file_size}")
    stream = io.BytesIO(data)
    shape, fortran, dtype = _npy_header(stream)
    try:
        return _content(data, stream.tell(), shape, fortran, dtype)
    except safe_pickle.UnpickleError as error:
        raise source.error(f"array {name!r} {error}") from None


def _content(
    data: bytes, start: int, shape: tuple[int, ...], fortran: bool, dtype: np.dtype
) -> np.ndarray | safe_pickle.ObjectArray:
    """Returns the array behind an .npy header."""
    if dtype.hasobject:
        array = safe_pickle.load(data, start)
        if array.shape != shape:
            raise safe_pickle.UnpickleError(
                f"has shape {list(array.shape)}, its header says {list(shape)}"
            )
        return array
    if dtype.kind not in "iuf" or dtype.itemsize > 8:
        raise safe_pickle.UnpickleError(f"has type {dtype}, expected numbers")
    declared = math.prod(shape) * dtype.itemsize
    if declared != len(data) - start:
        raise safe_pickle.UnpickleError(f"declares {declared} bytes and holds {len(data) - start}")
    flat = np.frombuffer(data, dtype, offset=start)
    return flat.reshape(shape, order="F" if fortran else "C")


def _npy_header(stream: Any) -> tuple[tuple[int, ...], bool, np.dtype]:
    """Returns (shape, is_fortran, dtype) of an .npy stream, left at the start of its data."""
    version = np.lib.format.read_magic(stream)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a header by Python 2 is no news to anyone
        if version == (1, 0):
            return np.lib.format.read_array_header_1_0(stream)
        return np.lib.format.read_array_header_2_0(stream)
