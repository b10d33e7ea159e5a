"""Reads Sketch-RNN's .npz files: arrays `train`, `valid` and `test` of stroke-3 drawings.

An array is what NumPy makes of drawings: objects (arrays of any number type, or lists of rows), or
[drawings, N, 3] where all have one length. A split may be missing, and a file with one array of any
other name holds drawings without splits. What `sketch-rnn-sample` writes is read as well: `strokes`
[sum N, 3] and `lengths` [drawings]. Nothing in a file is run; see `data_prep.readers.safe_pickle`.
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
from data_prep.readers.source import (
    MAX_COORDINATE,
    UNREADABLE,
    Options,
    RawSketch,
    ReadError,
    Skip,
    Source,
)

SPLITS = ("train", "valid", "test")
# Names of arrays and the splits that they stand for, in the order in which they are read.
_SPLIT_NAMES = {
    **{split: split for split in SPLITS},
    **dict.fromkeys(("validation", "val", "dev"), "valid"),
    "eval": "test",
}
ROWS = 4096  # drawings of a part

_CHUNK = 256  # drawings that are checked in one go, where they are not huge:
_CHUNK_POINTS = 1 << 20  # a small file can name one large array again and again
_HARMLESS_BYTES = 64 << 20  # a member that is smaller may be compressed as well as it likes
_MAX_RATIO = 100  # published files are compressed about threefold

Rows = list[Any]  # one item per drawing, not yet checked
Part = tuple[str, int, int]  # array, first row, end row

_GENERATED = ("strokes", "lengths")


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file in stored order.

    Args:
      source: the file, or rows of one of its arrays.
      options: of which `label` counts; the label is the file's name otherwise.

    Yields:
      `RawSketch` with float32 offsets and the split that the file puts it in, a `Skip` for each
      drawing that is not a stroke-3 array.

    Raises:
      ReadError: the file as a whole cannot be read.
    """
    for name, start, stop in [source.part] if source.part else _all_parts(source):
        rows = _cached_rows(source, name)
        if stop > len(rows):
            raise source.error(f"array {name!r} has become shorter since it was first looked at")
        for first in range(start, min(stop, len(rows)), _CHUNK):
            chunk = rows[first : min(first + _CHUNK, stop)]
            yield from _sketches(source, options, name, first, chunk)
        if stop >= len(rows):
            _CACHE.clear()


def parts(source: Source, size: int) -> Iterator[tuple[Part, int]]:
    """Yields ((array, first row, end row), estimated bytes) for a file of `size` bytes.

    Raises:
      ReadError: the file as a whole cannot be read.
    """
    found = _all_parts(source)
    rows = max(1, sum(stop - start for _, start, stop in found))
    for name, start, stop in found:
        for first in range(start, max(stop, start + 1), ROWS):  # an empty split is read as well
            end = min(first + ROWS, stop)
            yield (name, first, end), size * (end - first) // rows


def missing_splits(path: str) -> list[str]:
    """Returns the splits that a file lacks which carries others; none where it cannot be read."""
    source = Source(path, path)
    try:
        with _opened(source) as archive:
            names = _arrays(source, archive)
    except (ReadError, OSError, MemoryError):
        return []
    held = {_SPLIT_NAMES[name] for name in names if name in _SPLIT_NAMES}
    return [split for split in SPLITS if held and split not in held]


def _all_parts(source: Source) -> list[Part]:
    """Returns one part per array of drawings, from the headers alone."""
    parts: list[Part] = []
    with _opened(source) as archive:
        for name in _arrays(source, archive):
            array = name or "lengths"
            with archive.open(_member(source, archive, array)) as stream:
                shape, _, _ = _npy_header(stream)
            if not shape:
                raise source.error(f"array {array!r} has no dimensions, expected [drawings]")
            parts.append((name, 0, shape[0]))
    return parts


def _arrays(source: Source, archive: zipfile.ZipFile) -> list[str]:
    """Returns the arrays of drawings of a file, the splits in their order.

    The empty name stands for the pair of arrays of generated drawings. A file that holds one array
    only, whatever its name, holds drawings without splits.
    """
    names = {info.filename.removesuffix(".npy") for info in archive.infolist()}
    if names.issuperset(_GENERATED):
        return [""]
    found = [name for name in _SPLIT_NAMES if name in names]
    if not found and len(names) == 1:
        found = list(names)
    if not found:
        held = ", ".join(ascii(name[:40])[1:-1] for name in sorted(names)[:8]) or "nothing"
        raise source.error(
            f"has none of the arrays train, valid, test, expected drawings in them (holds {held})"
        )
    return found


# The rows of one array. Parts of an array follow each other in a worker, and the pickle of an array
# can only be read whole.
_CACHE: dict[tuple, Rows] = {}


def _cached_rows(source: Source, name: str) -> Rows:
    status = os.stat(source.path)
    key = (source.path, status.st_mtime_ns, status.st_size, name)
    if key not in _CACHE:
        with _opened(source) as archive:
            if name:
                rows = _drawings(source, name, _array(source, archive, name))
            else:
                rows = _generated(source, archive)
        _CACHE.clear()
        _CACHE[key] = rows
    return _CACHE[key]


def _drawings(source: Source, name: str, array: np.ndarray | safe_pickle.ObjectArray) -> Rows:
    """Returns the items of an array of drawings: of objects, or [drawings, N, 3].

    NumPy makes the second of drawings of one length, of objects too.
    """
    shape = array.shape
    if len(shape) == 1 and isinstance(array, safe_pickle.ObjectArray):
        return array.items
    if shape[:1] == (0,):
        return []
    if len(shape) == 3 and shape[2] == 3:
        if isinstance(array, np.ndarray):
            return list(array)
        size = shape[1] * 3
        return [
            safe_pickle.ObjectArray(shape[1:], array.items[i * size : (i + 1) * size])
            for i in range(shape[0])
        ]
    raise source.error(
        f"array {name!r} has shape {list(shape)}, expected [drawings] of arrays [N, 3]"
    )


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
    source: Source, options: Options, name: str, first: int, chunk: Rows
) -> Iterator[RawSketch | Skip]:
    label = options.label or source.stem
    checked = _checked_together(chunk)
    split = _SPLIT_NAMES.get(name)
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
            split=split,
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
    """Returns an array of numbers, made of rows of three where it is a list or holds objects."""
    if isinstance(item, np.ndarray):
        return item
    if isinstance(item, safe_pickle.ObjectArray) and len(item.shape) == 2:
        rows = [item.items[i : i + item.shape[1]] for i in range(0, len(item.items), 3)]
        rows = rows if item.shape[1] == 3 else [[]]
    elif isinstance(item, safe_pickle.ObjectArray) and len(item.shape) == 1:
        rows = item.items
    elif isinstance(item, (list, tuple)):
        rows = item
    else:
        raise ReadError(f"{where} is of type {type(item).__name__}, expected an array [N, 3]")
    rows = [_row(row) for row in rows]
    if None in rows:
        raise ReadError(f"{where} has a row that is not three numbers")
    try:
        return np.array(rows, np.float64)
    except OverflowError:
        raise ReadError(f"{where} has a number that is too large") from None


def _row(row: Any) -> list[int | float] | None:
    """Returns the three numbers of a row; None where it is something else."""
    if isinstance(row, np.ndarray) and row.shape == (3,):
        return row.tolist()
    row = row.items if isinstance(row, safe_pickle.ObjectArray) else row
    if not isinstance(row, (list, tuple)) or len(row) != 3:
        return None
    numbers = [x.item() if isinstance(x, np.ndarray) and x.shape == () else x for x in row]
    return numbers if all(type(x) in (int, float, bool) for x in numbers) else None


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
    if dtype.kind not in "iufb" or dtype.itemsize > 16:
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
