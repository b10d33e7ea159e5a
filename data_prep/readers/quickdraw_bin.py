"""Reads Quick, Draw!'s .bin files: simplified drawings, one byte per coordinate, little endian.

A drawing is key_id (8 bytes), country code (2), recognized (1), time stamp (4), number of strokes
(2); a stroke is the number of its points (2), the bytes of x, the bytes of y. The format has no
mark and no checksum, so the drawings after a damaged one cannot be found.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import IO

import numpy as np

from data_prep.readers.source import (
    NOT_RECOGNIZED,
    Options,
    Polylines,
    RawSketch,
    ReadError,
    Skip,
    Source,
    opened,
)

_DRAWING = struct.Struct("<Q2sbIH")
_STROKE = struct.Struct("<H")


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file.

    Args:
      source: the file.
      options: of which `label` and `recognized_only` count; the label is the file's name.

    Yields:
      `RawSketch` with simplified polylines.

    Raises:
      ReadError: the file is truncated or damaged.
    """
    label = options.label or source.stem
    with opened(source) as stream:
        index = 0
        while header := stream.read(_DRAWING.size):
            where = f"{source.path}: drawing {index}"
            key, recognized, strokes = _fields(header, where)
            polylines = Polylines.of(_stroke(stream, where) for _ in range(strokes))
            if options.recognized_only and not recognized:
                yield Skip(NOT_RECOGNIZED, label, f"{where} was not recognized")
            else:
                yield RawSketch(
                    key=key,
                    label=label,
                    where=where,
                    polylines=polylines,
                    simplified=True,
                    group=key,
                )
            index += 1


def _fields(header: bytes, where: str) -> tuple[str, int, int]:
    """Returns (key, recognized, number of strokes)."""
    if len(header) < _DRAWING.size:
        raise ReadError(f"{where} is truncated")
    key, _, recognized, _, strokes = _DRAWING.unpack(header)
    if recognized not in (0, 1):
        raise ReadError(f"{where} is damaged: recognized is {recognized}, expected 0 or 1")
    return str(key), recognized, strokes


def _stroke(stream: IO[bytes], where: str) -> np.ndarray:
    """Returns the points, uint8 [n, 2], of the next stroke."""
    size = stream.read(_STROKE.size)
    if len(size) < _STROKE.size:
        raise ReadError(f"{where} is truncated")
    (count,) = _STROKE.unpack(size)
    data = stream.read(2 * count)
    if len(data) < 2 * count:
        raise ReadError(f"{where} is truncated")
    return np.frombuffer(data, np.uint8).reshape(2, count).T
