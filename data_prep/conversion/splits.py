"""Train, valid and test for drawings whose files do not say their split.

With more than `SMALL` groups a drawing's split depends on the hash of its group's name and nothing
else: a data set that is prepared again, with more drawings or on another machine, moves no drawing
from one split to another. With fewer groups that would leave classes out by chance, so they are
split within each class: in the order of their hashes, by the shares, valid and test at least `FEW`
each where a fifth of the class allows it, and train at least one. Either way drawings of one group
never fall into two splits.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError

SPLITS = dataset.SPLITS
BY_HASH = -1  # the split code of a drawing whose file does not say its split
SMALL = 1000  # with this many groups or fewer, splits are made within each class
FEW = 3  # drawings of a class that valid and test get at least, where there are enough


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

    Args:
      fractions: shares of train, valid and test.
      groups: {hash: class} of all groups to split, where they are at most `SMALL`.
    """

    def __init__(self, fractions: Sequence[float], groups: Mapping[int, str] | None = None):
        borders = (fractions[0], fractions[0] + fractions[1])
        # A share of 0 leaves no room behind it: rounding must not open a gap before 1.
        self.borders = tuple(1.0 if 1.0 - border < 1e-9 else border for border in borders)
        self.chosen = within_classes(groups or {}, fractions)

    def to_json(self) -> dict[str, Any]:
        """Returns plain values that `from_json` reads."""
        return {"borders": self.borders, "chosen": sorted(self.chosen.items())}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Splitter:
        """Returns the splitter that `to_json` wrote."""
        splitter = cls((1, 0, 0))
        splitter.borders = tuple(content["borders"])
        splitter.chosen = dict(map(tuple, content["chosen"]))
        return splitter

    def codes(self, places: np.ndarray) -> np.ndarray:
        """Returns split codes int8 for group hashes uint64 of any shape."""
        places = np.asarray(places, np.uint64)
        shares = (places >> np.uint64(11)) * 2.0**-53  # the upper 53 bits, exact, in [0, 1)
        codes = np.searchsorted(self.borders, shares, side="right").astype(np.int8)
        if self.chosen:
            known = np.array(sorted(self.chosen), np.uint64)
            chosen = np.array([self.chosen[place] for place in known.tolist()], np.int8)
            at = np.searchsorted(known, places).clip(max=len(known) - 1)
            codes = np.where(known[at] == places, chosen[at], codes)
        return codes


def within_classes(groups: Mapping[int, str], fractions: Sequence[float]) -> dict[int, int]:
    """Returns {hash: split code} of groups that are split within each class.

    Args:
      groups: {hash: class}.
      fractions: shares of train, valid and test.
    """
    by_class: dict[str, list[int]] = {}
    for place_, name in sorted(groups.items()):
        by_class.setdefault(name, []).append(place_)
    chosen = {}
    for places in by_class.values():
        counts = class_counts(len(places), fractions)
        codes = [code for code, count in enumerate(counts) for _ in range(count)]
        chosen.update(zip(places, codes, strict=True))
    return chosen


def class_counts(groups: int, fractions: Sequence[float]) -> tuple[int, int, int]:
    """Returns how many groups of one class train, valid and test get.

    Args:
      groups: how many the class has.
      fractions: shares of train, valid and test; a share of 0 gets none.
    """
    few = min(FEW, max(1, groups // 5))
    valid, test = (max(few, round(groups * share)) if share else 0 for share in fractions[1:])
    while valid + test > max(groups - 1, 0):
        valid, test = (valid - 1, test) if valid > test else (valid, test - 1)
    return groups - valid - test, valid, test
