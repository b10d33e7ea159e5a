"""Train, valid and test by a stable hash: a drawing's split depends on its key and nothing else.

So a data set that is prepared again, with more drawings or on another machine, never moves a
drawing from one split to another, and drawings of one group never fall into two splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence

import numpy as np

from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError

SPLITS = dataset.SPLITS
BY_HASH = -1  # the split code of a drawing whose file does not say its split
SMALL = 1000  # with this many groups or fewer, an empty split is filled from its neighbour


def stable_hash(text: str) -> bytes:
    """Returns 16 bytes that depend on the text alone, not on process, machine or version."""
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def place(text: str) -> int:
    """Returns the 64 bits that choose the split of a group of this name."""
    return int.from_bytes(stable_hash(text)[:8], "little")


def parse_fractions(text: str) -> tuple[float, float, float]:
    """Parses `90,5,5` or `0.9,0.05,0.05`.

    Raises:
      UserError: not three numbers, one below 0, or no train split.
    """
    try:
        parts = [float(part) for part in text.split(",")]
    except ValueError:
        parts = []
    if len(parts) != 3 or not all(0 <= part < float("inf") for part in parts) or not parts[0]:
        raise UserError(
            f"splits {text!r}: expected the shares of train, valid and test, such as 90,5,5"
        )
    total = sum(parts)
    return tuple(part / total for part in parts)


def code_of(split: str | None) -> int:
    """Returns the code of a split that a file names; BY_HASH where it names none."""
    return BY_HASH if split is None else SPLITS.index(split)


class Splitter:
    """Maps group hashes to split codes.

    A few drawings may leave a split empty by chance. Where there are at most `SMALL` groups, the
    borders then move just so far that every split with a share has a group.

    Args:
      fractions: shares of train, valid and test.
      places: hashes of all groups that are split by hash, where they are few; more than `SMALL`,
        or none, leave the borders where they are.
    """

    def __init__(self, fractions: Sequence[float], places: Iterable[int] = ()):
        borders = (fractions[0], fractions[0] + fractions[1])
        # A share of 0 leaves no room behind it: rounding must not open a gap before 1.
        self.borders = tuple(1.0 if 1.0 - border < 1e-9 else border for border in borders)
        groups = np.unique(_unit_interval(np.fromiter(places, np.uint64)))
        if 0 < len(groups) <= SMALL:
            self.borders = _filled(groups, self.borders, [share > 0 for share in fractions])

    @classmethod
    def of(cls, borders: Sequence[float]) -> Splitter:
        """Returns a splitter with these borders."""
        splitter = cls((1, 0, 0))
        splitter.borders = tuple(borders)
        return splitter

    def codes(self, places: np.ndarray) -> np.ndarray:
        """Returns split codes int8 for group hashes uint64 of any shape."""
        return np.searchsorted(self.borders, _unit_interval(places), side="right").astype(np.int8)


def _filled(
    groups: np.ndarray, borders: tuple[float, float], wanted: Sequence[bool]
) -> tuple[float, float]:
    """Moves borders so that each wanted split has one of the sorted groups, if there are enough."""
    count = len(groups)
    first, second = (int(np.searchsorted(groups, border)) for border in borders)
    sizes = (first, second - first, count - second)
    if count < sum(wanted) or all(
        size or not want for size, want in zip(sizes, wanted, strict=True)
    ):
        return borders
    second = min(second, count - wanted[2])
    first = max(min(first, second - wanted[1]), int(wanted[0]))
    second = max(second, first + wanted[1])
    return tuple(float(groups[i]) if i < count else 1.0 for i in (first, second))


def _unit_interval(places: np.ndarray) -> np.ndarray:
    """Returns the upper 53 bits of hashes as exact numbers in [0, 1)."""
    return (np.asarray(places, np.uint64) >> np.uint64(11)) * 2.0**-53
