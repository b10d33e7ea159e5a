"""What an engine is given and what it gives back."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from data_prep import readers
from data_prep.conversion import convert
from data_prep.engines import shards

DEFAULT_SHARD_BYTES = 32 << 20


@dataclasses.dataclass(frozen=True)
class Job:
    """What an engine is given.

    Attributes:
      units: the readers' pieces of the whole input, in order.
      options: how to convert.
      fractions: shares of train, valid and test of drawings that carry no split.
      drop_duplicates: whether near-duplicates are dropped (they are counted always).
      shard_bytes: about how large a shard is.
    """

    units: Sequence[readers.Unit]
    options: convert.Options
    fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
    drop_duplicates: bool = False
    shard_bytes: int = DEFAULT_SHARD_BYTES


@dataclasses.dataclass(frozen=True)
class Result:
    """What an engine gives back.

    Attributes:
      classes: class names, sorted.
      shards: what was written, sorted by split and number; the files lie in the workspace.
      tally: what happened to the drawings, dropped duplicates included.
      near: near-duplicates found.
      leaking: train drawings that resemble one of valid or test.
      by_hash: whether the command chose the split of any drawing, and not its file.
    """

    classes: list[str]
    shards: list[shards.Shard]
    tally: convert.Tally
    near: int
    leaking: int
    by_hash: bool
