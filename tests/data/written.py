"""Prepared data sets of given sketches, for tests of what reads them."""

from __future__ import annotations

import collections
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from sketch_rnn_tf import files
from sketch_rnn_tf.data import dataset, tfrecord

Labeled = tuple[np.ndarray, int]  # stroke-3 rows, and which class


def write(
    folder: pathlib.Path,
    sketches: Mapping[str, Sequence[Labeled]],
    *,
    classes: Sequence[str] = ("even", "odd"),
    max_length: int | None = None,
    scale_factor: float = 1.0,
    shards: int = 1,
) -> dataset.DatasetInfo:
    """Writes a data set; sketch k of a split has the key `{split}{k}`.

    Args:
      folder: made where it is not there.
      sketches: {split: its sketches}; what is not named is empty.
      classes: names.
      max_length: N_max; that of the longest sketch when not given.
      scale_factor: source units per normalized unit.
      shards: per split, as far as there are sketches.
    """
    folder.mkdir(parents=True, exist_ok=True)
    described, splits, lengths = [], {}, collections.Counter()
    for split in dataset.SPLITS:
        found = sketches.get(split, ())
        labels = [label for _, label in found]
        per_class = {name: labels.count(label) for label, name in enumerate(classes)}
        splits[split] = {"num_sketches": len(found), "per_class": per_class}
        lengths.update(len(rows) for rows, _ in found)
        groups = np.array_split(np.arange(len(found)), min(shards, len(found)) or 1)
        for index, group in enumerate(groups if found else []):
            name = dataset.shard_name(split, index, len(groups))
            records = [tfrecord.Record(*found[k], f"{split}{k}".encode()) for k in group]
            framed = [tfrecord.frame(tfrecord.serialize(record)) for record in records]
            (folder / name).write_bytes(b"".join(framed))
            sha256 = files.sha256_of_file(folder / name)
            count = len(group)
            described.append({"file": name, "split": split, "num_records": count, "sha256": sha256})
    info = dataset.DatasetInfo(
        classes=list(classes),
        splits=splits,
        max_length=max_length or max(lengths),
        scale_factor=scale_factor,
        shards=described,
        length_histogram={str(length): count for length, count in lengths.items()},
    )
    dataset.write_info(folder, info)
    return info
