"""What users may give, such as drawings, classes, temperatures and seeds: checked, in NumPy."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import strokes
from sketch_rnn_tf.errors import UserError

TEMPERATURE_PARTS = ("pen", "mixture", "offset")
DEFAULT_TEMPERATURE = 0.4
MOST_COPIES = 1 << 12  # of one sketch, so that every copy has a row of seeds of its own
NOISE = 4  # random numbers per point: component, pen, x, y
_COPY = 1 << 16
ATTEMPTS = 16  # to draw a sketch that ended before anything was drawn
_ATTEMPT = 0x3504F333  # between the seeds of two attempts; any odd number far from 0 would do

Drawings = Sequence[np.ndarray]  # stroke-3 arrays [N, 3] in source units, or `drawing.Sketch`
Labels = str | Sequence[str] | None  # a class for all sketches, or one for each
Temperature = float | Sequence[float] | Mapping[str, Any]
Seed = int | Sequence[Sequence[int]]


class SketchError(UserError):
    """A drawing that a verb cannot use.

    Attributes:
      index: which of the given ones.
      problem: the rest of the sentence, such as `has no points`.
    """

    def __init__(self, index: int, problem: str):
        super().__init__(f"sketch {index} {problem}")
        self.index, self.problem = index, problem


def temperatures(temperature: Temperature, num: int) -> np.ndarray:
    """Returns the temperatures of pen, mixture and offsets, float32 [num, 3].

    Args:
      temperature: a number for all, one for each sketch, or {"pen": ..., "mixture": ...,
        "offset": ...} of such, where a part that is missing has the default.
      num: number of sketches.

    Raises:
      UserError: a temperature that is not a finite number above 0, a wrong count or part.
    """
    if not isinstance(temperature, Mapping):
        return np.tile(_column(temperature, num, "temperature")[:, None], (1, 3))
    unknown = sorted(set(temperature) - set(TEMPERATURE_PARTS))
    if unknown:
        parts = ", ".join(TEMPERATURE_PARTS)
        raise UserError(f"there is no temperature of {unknown[0]!r}; there are {parts}")
    columns = [
        _column(temperature.get(part, DEFAULT_TEMPERATURE), num, f"temperature of {part}")
        for part in TEMPERATURE_PARTS
    ]
    return np.stack(columns, axis=1)


def _column(value: float | Sequence[float], num: int, name: str) -> np.ndarray:
    try:
        values = np.asarray(value, np.float32).reshape(-1)
    except (TypeError, ValueError):
        raise UserError(f"{name} is {value!r}, expected a number above 0") from None
    if not (np.isfinite(values).all() and (values >= np.finfo(np.float32).tiny).all()):
        raise UserError(f"{name} is {value}, expected a finite number above 0")
    if len(values) not in (1, num):
        raise UserError(f"{len(values)} values of {name} do not fit {num} sketches")
    return np.broadcast_to(values, [num])


def seeds(seed: Seed, num: int, copy: int = 0) -> np.ndarray:
    """Returns a row of seeds for each sketch, int32 [num, 2].

    Args:
      seed: an integer s, which gives sketch i the row (s, i); or the rows themselves, [num, 2],
        to draw single sketches of a batch again.
      num: number of sketches.
      copy: number of the drawing among several of one sketch; each has noise of its own.

    Raises:
      UserError: seeds that are not integers of 32 bits, or a wrong count.
    """
    array = np.asarray(seed)
    if array.dtype.kind not in "iu" or array.shape not in ((), (num, 2)):
        raise UserError(f"seed is {seed!r}, expected an integer or {num} rows of two")
    limits = np.iinfo(np.int32)
    if array.size and not (limits.min <= array.min() and array.max() <= limits.max):
        raise UserError(f"seed is {seed!r}, expected an integer of 32 bits")
    if array.ndim:
        rows = array.astype(np.int64)
    else:
        rows = np.stack([np.full(num, int(array)), np.arange(num)], axis=1)
    return (rows + np.array([0, _COPY * copy])).astype(np.int32)


def seeds_again(rows: np.ndarray, attempt: int) -> np.ndarray:
    """Returns the seeds of a further attempt at sketches that ended before anything was drawn.

    Row (a, b) becomes (a + attempt * 0x3504F333, b), the sum wrapping as int32 does. Every backend
    and the JavaScript runtime draw again by this rule, so that a seed is the same drawing
    everywhere.

    Args:
      rows: int32 [S, 2].
      attempt: 1, 2, ..., at most `ATTEMPTS`.
    """
    first = (rows[:, 0].astype(np.int64) + attempt * _ATTEMPT) & 0xFFFFFFFF
    return np.stack([first.astype(np.uint32).view(np.int32), rows[:, 1]], axis=1)


def count(name: str, value: int, most: int | None = None) -> int:
    """Returns a whole number of at least 1.

    Raises:
      UserError: it is not one, or more than `most`.
    """
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise UserError(f"{name} is {value!r}, expected a whole number of at least 1")
    if most is not None and value > most:
        raise UserError(f"{name} is {value}, expected at most {most}")
    return int(value)


def labels(label: Labels, num: int, classes: Sequence[str]) -> np.ndarray | None:
    """Returns labels int32 [num], or None for a model without classes.

    Args:
      label: a class for all sketches, or one for each; may be left out where there is one class.
      num: number of sketches.
      classes: class names by label; empty for a model that is not class-conditioned.

    Raises:
      UserError: an unknown class, none where one is needed or one where none is, a wrong count.
    """
    if not classes:
        if label is not None:
            raise UserError(f"the model is not class-conditioned: it cannot draw {label!r}")
        return None
    known = ", ".join(classes)
    if label is None and len(classes) == 1:
        label = classes[0]
    if label is None:
        raise UserError(f"the model draws by class: choose one of {known}")
    names = [label] * num if isinstance(label, str) else list(label)
    if len(names) != num:
        raise UserError(f"{len(names)} labels do not fit {num} sketches")
    for name in names:
        if name not in classes:
            raise UserError(f"the model has no class {name!r}; it has {known}")
    return np.array([classes.index(name) for name in names], np.int32)


def latents(z: np.ndarray, num: int, z_size: int) -> np.ndarray:
    """Returns latent vectors, float32 [num, Z].

    Raises:
      UserError: another shape, or a value that is not finite.
    """
    with np.errstate(over="ignore"):
        z = np.asarray(z, np.float32)
    if z.shape != (num, z_size) or not np.isfinite(z).all():
        raise UserError(f"z has shape {list(z.shape)}, expected finite numbers {[num, z_size]}")
    return z


def noise(values: np.ndarray, num: int, length: int) -> np.ndarray:
    """Returns random numbers for each point of each sketch, float32 [num, length, 4].

    Args:
      values: [num, T, 4], T at least `length`.
      num: number of sketches.
      length: the most points of a sketch.

    Raises:
      UserError: another shape, or a value that is not finite.
    """
    with np.errstate(over="ignore"):
        values = np.asarray(values, np.float32)
    shape = values.shape
    if len(shape) != 3 or shape[0] != num or shape[1] < length or shape[2] != NOISE:
        raise UserError(f"noise has shape {list(shape)}, expected {[num, length, NOISE]}")
    if not np.isfinite(values).all():
        raise UserError("noise has a value that is not finite")
    return values[:, :length]


def drawings(
    sketches: Drawings, *, drop_first_point: bool = False, least: int = 1
) -> list[np.ndarray]:
    """Returns drawings as stroke-3 rows, float32 [N, 3] each.

    Args:
      sketches: the drawings.
      drop_first_point: leave out a row 0 that only says that a drawing begins at the origin.
      least: fewest points of a drawing and fewest drawings.

    Raises:
      UserError: a drawing is not stroke-3 or has too few points, or there are no drawings.
    """
    if isinstance(sketches, (str, os.PathLike)):
        raise UserError(
            f"expected drawings, received {sketches!r}: sketch_rnn_tf.read(path, sketcher) reads"
            " those of a file"
        )
    if not isinstance(sketches, (list, tuple)) and np.ndim(sketches) == 2:
        raise UserError("expected a list of drawings, not a drawing by itself")
    found = []
    for i, sketch in enumerate(sketches):
        rows = strokes.check_stroke3(sketch, f"sketch {i}")
        if drop_first_point and len(rows) and not rows[0, :2].any():
            rows = rows[1:]
        if len(rows) < least:
            raise SketchError(i, "has no points")
        found.append(rows)
    if len(found) < least:
        raise UserError("there are no sketches")
    return found
