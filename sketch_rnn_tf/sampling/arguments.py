"""What users may give as temperature, seed and length, in NumPy: checked and one row a sketch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

TEMPERATURE_PARTS = ("pen", "mixture", "offset")
DEFAULT_TEMPERATURE = 0.4
MOST_COPIES = 1 << 12  # of one sketch, so that every copy has a row of seeds of its own
_COPY = 1 << 16

Temperature = float | Sequence[float] | Mapping[str, Any]
Seed = int | Sequence[Sequence[int]]


def temperatures(temperature: Temperature, num: int) -> np.ndarray:
    """Returns the temperatures of pen, mixture and offsets, float32 [num, 3].

    Args:
      temperature: a number for all, one for each sketch, or {"pen": ..., "mixture": ...,
        "offset": ...} of such, where a part that is missing has the default.
      num: number of sketches.

    Raises:
      ValueError: a temperature that is not a finite number above 0, a wrong count or part.
    """
    if not isinstance(temperature, Mapping):
        return np.tile(_column(temperature, num, "temperature")[:, None], (1, 3))
    unknown = sorted(set(temperature) - set(TEMPERATURE_PARTS))
    if unknown:
        parts = ", ".join(TEMPERATURE_PARTS)
        raise ValueError(f"there is no temperature of {unknown[0]!r}; there are {parts}")
    columns = [
        _column(temperature.get(part, DEFAULT_TEMPERATURE), num, f"temperature of {part}")
        for part in TEMPERATURE_PARTS
    ]
    return np.stack(columns, axis=1)


def _column(value: float | Sequence[float], num: int, name: str) -> np.ndarray:
    try:
        values = np.asarray(value, np.float32).reshape(-1)
    except (TypeError, ValueError):
        raise ValueError(f"{name} is {value!r}, expected a number above 0") from None
    if not (np.isfinite(values).all() and (values >= np.finfo(np.float32).tiny).all()):
        raise ValueError(f"{name} is {value}, expected a finite number above 0")
    if len(values) not in (1, num):
        raise ValueError(f"{len(values)} values of {name} do not fit {num} sketches")
    return np.broadcast_to(values, [num])


def seeds(seed: Seed, num: int, copy: int = 0) -> np.ndarray:
    """Returns a row of seeds for each sketch, int32 [num, 2].

    Args:
      seed: an integer s, which gives sketch i the row (s, i); or the rows themselves, [num, 2],
        to draw single sketches of a batch again.
      num: number of sketches.
      copy: number of the drawing among several of one sketch; each has noise of its own.

    Raises:
      ValueError: seeds that are not integers of 32 bits, or a wrong count.
    """
    array = np.asarray(seed)
    if array.dtype.kind not in "iu" or array.shape not in ((), (num, 2)):
        raise ValueError(f"seed is {seed!r}, expected an integer or {num} rows of two")
    limits = np.iinfo(np.int32)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise ValueError(f"seed is {seed!r}, expected an integer of 32 bits")
    if array.ndim:
        rows = array.astype(np.int64)
    else:
        rows = np.stack([np.full(num, int(array)), np.arange(num)], axis=1)
    return (rows + np.array([0, _COPY * copy])).astype(np.int32)


def count(name: str, value: int, most: int | None = None) -> int:
    """Returns a whole number of at least 1.

    Raises:
      ValueError: it is not one, or more than `most`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"{name} is {value!r}, expected a whole number of at least 1")
    if most is not None and value > most:
        raise ValueError(f"{name} is {value}, expected at most {most}")
    return int(value)
