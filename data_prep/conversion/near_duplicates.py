"""Finds near-duplicates: a number per drawing that nearly equal drawings share."""

from __future__ import annotations

import numpy as np

BOX = 64
_FIXED_BITS = 36  # of the largest offset: 2 ** 27 points add up in 63 bits
_TOGETHER = 500  # drawings whose columns fit into the processor's cache: twice as fast


def signatures(points: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns a number per drawing that nearly equal drawings share, whatever their size and place.

    A drawing is moved and scaled into a box of `BOX` units and rounded; the numbers are
    equal where the points and pens that this leaves are the same.

    Args:
      points: float32 [S, 3], the stroke-3 rows of all drawings one after the other.
      lengths: [R], each at least 1; their sum is S.

    Returns:
      uint64 [R].
    """
    ends = np.cumsum(lengths, dtype=np.int64)
    parts = [np.zeros(0, np.uint64)]
    for first in range(0, len(lengths), _TOGETHER):
        own = lengths[first : first + _TOGETHER]
        start, end = ends[first] - lengths[first], ends[first + len(own) - 1]
        parts.append(_signatures(points[start:end], own))
    return np.concatenate(parts)


def _signatures(points: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Does what `signatures` does, for a few drawings."""
    starts = np.cumsum(lengths, dtype=np.int64) - lengths
    places = _places(points, starts, lengths)
    low = np.minimum.reduceat(places, starts, axis=1)  # [2, R]
    extent = (np.maximum.reduceat(places, starts, axis=1) - low).max(axis=0)
    factor = (BOX - 1) / np.where(extent > 0, extent, 1.0)
    places -= np.repeat(low, lengths, axis=1)
    grid = np.rint(places * np.repeat(factor, lengths)).astype(np.uint64)
    step = (np.arange(len(points)) - np.repeat(starts, lengths)).astype(np.uint64)
    token = (step * np.uint64(BOX) + grid[0]) * np.uint64(BOX) + grid[1]
    token = token * np.uint64(2) + points[:, 2].astype(np.uint64)
    return np.add.reduceat(mixed(token), starts)


def _places(points: np.ndarray, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Returns each point's place from its drawing's first one, in units of each drawing's own.

    Sums in fixed point are exact and may wrap around, so it does not matter to a drawing how large
    those before it are: equal drawings get equal places.

    Returns:
      int64 [2, S].
    """
    offsets = points[:, :2].T.astype(np.float64, order="C")
    offsets[:, starts] = 0
    largest = np.maximum.reduceat(np.abs(offsets).max(axis=0), starts)  # [R]
    scale = np.ldexp(1.0, _FIXED_BITS - np.frexp(largest)[1])
    fixed = np.rint(offsets * np.repeat(scale, lengths)).astype(np.int64)
    places = np.cumsum(fixed, axis=1)
    return places - np.repeat(places[:, starts], lengths, axis=1)


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Scrambles 64-bit numbers (the finalizer of SplitMix64)."""
    numbers = numbers + np.uint64(0x9E3779B97F4A7C15)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        numbers ^= numbers >> np.uint64(shift)
        numbers *= np.uint64(factor)
    return numbers ^ (numbers >> np.uint64(31))
