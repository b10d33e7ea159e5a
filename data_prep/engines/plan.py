"""What goes where: splits, duplicates, classes and shards, decided once all drawings are known."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep import readers
from data_prep.conversion import convert, splits
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError


@dataclasses.dataclass(frozen=True)
class Plan:
    """The decisions that a shard's writer needs; plain values, the same in every process.

    Attributes:
      classes: class names, sorted.
      splitter: `Splitter.to_json`.
      shards: number of shards of train, valid and test; 0 for an empty split.
      sketches: number of drawings of each split.
      by_hash: whether the splitter chose the split of any drawing.
    """

    classes: list[str]
    splitter: dict[str, Any]
    shards: tuple[int, int, int]
    sketches: tuple[int, int, int]
    by_hash: bool

    def to_json(self) -> dict[str, Any]:
        """Returns plain values; `Plan(**values)` is the plan again."""
        return dataclasses.asdict(self)


def split_codes(rows: np.ndarray, splitter: splits.Splitter) -> np.ndarray:
    """Returns each row's split: what its file says, else what its hash says. int8 [R]."""
    return np.where(rows["split"] >= 0, rows["split"], splitter.codes(rows["place"])).astype(
        np.int8
    )


def stored_bytes(rows: np.ndarray) -> np.ndarray:
    """Returns about how many bytes each row takes in a TFRecord file. int64 [R]."""
    return 9 * rows["points"].astype(np.int64) + rows["key_bytes"] + 110


def shard_count(stored: int, shard_bytes: int) -> int:
    """Returns how many shards hold this many bytes."""
    return -(-int(stored) // shard_bytes)


def shard_of(order: np.ndarray, shards: int) -> np.ndarray:
    """Returns the shard of each row: equal ranges of `order`, so shards are sorted among them."""
    upper = np.asarray(order, np.uint64) >> np.uint64(32)
    return ((upper * np.uint64(shards)) >> np.uint64(32)).astype(np.int64)


def first_order(shard: int, shards: int) -> int:
    """Returns the smallest `order` of a shard; 2 ** 64 for the one behind the last."""
    return -(-(shard << 32) // shards) << 32


def duplicates(rows: np.ndarray, codes: np.ndarray) -> np.ndarray:
    """Marks all but one of each set of near-duplicates.

    The one that stays is of the test split if any is, else of the valid split: a drawing that a
    model is tested with must not be trained on. Among equals it is the first in record order.

    Args:
      rows: convert.ROW [R].
      codes: split of each row.

    Returns:
      bool [R].
    """
    preference = -codes.astype(np.int64)
    sorting = np.lexsort(
        (rows["position"], rows["unit"], rows["order"], preference, rows["signature"])
    )
    signatures = rows["signature"][sorting]
    again = np.zeros(len(rows), bool)
    again[sorting[1:]] = signatures[1:] == signatures[:-1]
    return again


def leaks(rows: np.ndarray, codes: np.ndarray) -> int:
    """Returns how many train drawings have a near-duplicate in another split."""
    train = codes == 0
    return int(np.isin(rows["signature"][train], rows["signature"][~train]).sum())


def check_splits(sketches: Sequence[int], fractions: Sequence[float], tally: convert.Tally) -> None:
    """Refuses a data set that cannot be trained on and evaluated.

    Args:
      sketches: number of drawings of train, valid and test.
      fractions: shares that were asked for; 0 where an empty split is no mistake.
      tally: of all drawings.

    Raises:
      UserError: no drawing at all, or none in a split that was asked for.
    """
    if not sum(sketches):
        reasons = Counter()
        for (reason, _), count in tally.dropped.items():
            reasons[reason] += count
        told = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
        first = f"; {tally.messages[0]}" if tally.messages else ""
        raise UserError(f"no drawing is left ({told or 'the input holds none'}{first})")
    for name, count, share in zip(dataset.SPLITS, sketches, fractions, strict=True):
        if not count and (share or name == "train"):
            raise UserError(
                f"the {name} split would be empty ({sum(sketches)} in all): give more"
                " drawings, --splits 100,0,0 to do without valid and test, or --resplit where the"
                " files carry splits"
            )


def warnings(
    tally: convert.Tally, result: Any, dropped_near: bool, per_class: dict[str, dict[str, int]]
) -> list[str]:
    """Returns what a person should know before training, one sentence each.

    Args:
      tally: of all drawings.
      result: a `job.Result`, of which near-duplicates and by_hash count.
      dropped_near: whether near-duplicates were dropped.
      per_class: {split: {class: n}}.
    """
    found = []
    if tally.looks_absolute():
        found.append(
            "the rows look like absolute coordinates, but stroke-3 rows must be offsets from"
            " point to point"
        )
    if tally.largest > 1000:
        found.append(
            f"the largest offset is {tally.largest:g}; training clamps offsets to 1000 source units"
        )
    if tally.left_out:
        found.append(f"left out of the SVG pictures: {readers.counted(tally.left_out)}")
    if result.near and not dropped_near:
        leaking = result.leaking
        also = f", {leaking} of the train split resemble one of valid or test" if leaking else ""
        found.append(f"near-duplicates: {result.near}{also}; --drop_duplicates removes them")
    empty = [name for name in dataset.SPLITS if not per_class.get(name)]
    if empty and not result.by_hash:
        found.append(
            f"the files put no drawing into {' and '.join(empty)}; --resplit splits all drawings"
            " anew"
        )
    return found + _class_warnings(per_class)


def _class_warnings(per_class: dict[str, dict[str, int]]) -> list[str]:
    filled = [name for name in per_class if per_class[name]]
    classes = sorted({label for name in filled for label in per_class[name]})
    found = []
    for name in filled:
        lacking = [label for label in classes if label not in per_class[name]]
        if lacking:
            found.append(
                f"the {name} split has no drawing of {len(lacking)} of {len(classes)} classes:"
                f" {_few(lacking)}"
            )
    scarce = [
        f"{label} {count} in {name}"
        for name in filled
        if name != "train"
        for label, count in per_class[name].items()
        if count < splits.FEW
    ]
    if scarce:
        found.append(
            f"fewer than {splits.FEW} drawings to evaluate with ({_few(scarce)}), so losses and the"
            " choice of the best step depend on chance: add drawings (15 per class are enough for"
            " this), or give valid and test larger shares, such as --splits 60,20,20"
        )
    train = sum(per_class.get("train", {}).values())
    if train < 100:
        found.append(
            f"the train split has {train} {'drawing' if train == 1 else 'drawings'}, fewer than the"
            " default batch of 100, which sketch-rnn-train lowers; --preset auto chooses it and"
            " the rest for so few"
        )
    return found


def _few(words: Sequence[str]) -> str:
    return f"{', '.join(words[:5])}{', ...' if len(words) > 5 else ''}"
