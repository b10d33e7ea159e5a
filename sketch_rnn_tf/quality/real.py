"""The real drawings of a data set with their features, computed once and kept beside it."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import pathlib
import zipfile
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import logging

from sketch_rnn_tf import files, progress
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.quality import geometry, networks, rendering

FILE = "quality.npz"  # in the data set's folder
LIMIT = 50_000  # drawings of a split that are looked at, the first ones of its random order
_VERSION = 1  # of the file


@dataclasses.dataclass(frozen=True, eq=False)
class Looks:
    """What the measures know of some drawings, one row per drawing.

    Attributes:
      features: float32 [S, 128], the network's.
      geometry: float64 [S, 7], see `geometry.NAMES`.
      recognized: int64 [S], the class that the network sees.
      labels: int64 [S], the class that it is or was asked for; -1 where there is none.
    """

    features: np.ndarray
    geometry: np.ndarray
    recognized: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.features)

    def __getitem__(self, rows: Any) -> Looks:
        return Looks(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))

    def __add__(self, other: Looks) -> Looks:
        pairs = [
            (getattr(self, field.name), getattr(other, field.name))
            for field in dataclasses.fields(self)
        ]
        return Looks(*(np.concatenate(pair) for pair in pairs))


@dataclasses.dataclass(frozen=True, eq=False)
class Real:
    """A data set as the measures see it.

    Attributes:
      network: the network of the features.
      splits: {split: Looks} of at most `LIMIT` drawings of each.
      key: what the features depend on: data, rendering, network; a SHA-256.
    """

    network: networks.Network
    splits: dict[str, Looks]
    key: str

    def described(self, classes: Sequence[str]) -> dict[str, Any]:
        """Returns what the features are, for JSON; `test_accuracy` is None with one class."""
        test = self.splits.get("test")
        accuracy = None
        if len(classes) > 1 and test is not None:
            accuracy = float((test.recognized == test.labels).mean())
        return {
            "network": self.network.kind,
            "version": networks.VERSION,
            "numbers": networks.FEATURES,
            "key": self.key,
            "training_drawings": len(self.splits["train"]),
            "test_accuracy": accuracy,
        }


def look(
    network: networks.Network,
    sketches: Sequence[Any],
    labels: Sequence[int],
    what: str,
    pictures: np.ndarray | None = None,
) -> Looks:
    """Returns what the measures know of drawings; shows progress as `what`.

    Args:
      network: the network.
      sketches: stroke-3 arrays or `drawing.Sketch`, source units.
      labels: class of each, -1 for none.
      what: such as `features of train`.
      pictures: uint8 [S, 64, 64], where they were rendered before.
    """
    with progress.Progress(what, 2 * len(sketches)) as shown:
        if pictures is None:
            pictures = rendering.render(sketches, shown.update)
        found = network.look(pictures, shown.update)
        return Looks(found[0], geometry.features(sketches), found[1], np.asarray(labels, np.int64))


def read(
    directory: files.PathLike,
    split: str,
    limit: int = LIMIT,
    labels: Sequence[int] | None = None,
) -> tuple[list[np.ndarray], list[int]]:
    """Returns the first drawings of a split that have points, stroke-3, and their labels.

    Args:
      directory: the data set.
      split: train, valid or test.
      limit: how many at most.
      labels: of these classes only; of all when not given.
    """
    wanted = (
        record for record in drawings(directory, split) if labels is None or record.label in labels
    )
    records = list(itertools.islice(wanted, limit))
    return [record.strokes for record in records], [record.label for record in records]


def drawings(directory: files.PathLike, split: str) -> Iterator[Any]:
    """Yields the records of a split that have points, in stored order."""
    return (record for record in dataset.read_split(directory, split) if len(record.strokes))


def kept_key(directory: files.PathLike, steps: int = networks.STEPS) -> str:
    """Returns the identity of what is kept beside a data set."""
    parts = (
        dataset.fingerprint(directory),
        *(_VERSION, rendering.VERSION, rendering.DESCRIPTION, geometry.NAMES, LIMIT),
        *(networks.VERSION, networks.CHANNELS, steps, networks.BATCH_SIZE),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def open_kept(directory: files.PathLike, steps: int = networks.STEPS) -> Real | None:
    """Returns what is kept beside a data set; None where nothing is or it is of other data.

    A damaged file is nothing, with a warning.
    """
    path = pathlib.Path(directory) / FILE
    if not path.is_file():
        return None
    key = kept_key(directory, steps)
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as content:
            if str(content["key"]) != key:
                return None
            arrays = [content[f"weights_{i}"] for i in range(int(content["num_weights"]))]
            return Real(
                networks.restore(str(content["kind"]), int(content["num_classes"]), arrays),
                {
                    split: Looks(*(content[f"{split}_{f.name}"] for f in dataclasses.fields(Looks)))
                    for split in dataset.SPLITS
                    if f"{split}_features" in content
                },
                key,
            )
    except (ValueError, KeyError, OSError, EOFError, IndexError, zipfile.BadZipFile) as error:
        reason = " ".join(str(error).split())
        logging.warning("%s: is damaged (%s) and is made again", path, reason)
        return None


def open_real(directory: files.PathLike, steps: int = networks.STEPS) -> Real:
    """Returns a data set as the measures see it, from what is kept beside it or computed now.

    Args:
      directory: the data set.
      steps: of the network's training.

    Raises:
      UserError: the data set is damaged or its train split is empty.
    """
    kept = open_kept(directory, steps)
    if kept is not None:
        return kept
    info = dataset.read_info(directory)
    dataset.require_split(directory, info, "train")
    sketches, labels = read(directory, "train")
    with progress.Progress("rendering train", len(sketches)) as shown:
        pictures = rendering.render(sketches, shown.update)
    network = networks.train(pictures, np.array(labels), max(len(info.classes), 1), steps=steps)
    splits = {"train": look(network, sketches, labels, "features of train", pictures)}
    for split in ("valid", "test"):
        if info.num_sketches(split):
            splits[split] = look(network, *read(directory, split), f"features of {split}")
    return _keep(directory, Real(network, splits, kept_key(directory, steps)))


def _keep(directory: files.PathLike, real: Real) -> Real:
    """Writes what was computed beside the data set, where that can be written."""
    path = pathlib.Path(directory) / FILE
    arrays = networks.weights(real.network)
    content = {
        "key": np.array(real.key),
        "kind": np.array(real.network.kind),
        "num_classes": np.int64(real.network.model.outputs[1].shape[-1]),
        "num_weights": np.int64(len(arrays)),
        **{f"weights_{i}": array for i, array in enumerate(arrays)},
    }
    for split, looks in real.splits.items():
        content |= {
            f"{split}_{field.name}": getattr(looks, field.name)
            for field in dataclasses.fields(looks)
        }
    try:
        with files.atomic_open(path) as stream:
            np.savez(stream, **content)
    except OSError as error:
        logging.warning(
            "%s: cannot be written (%s); the features will be computed again next time",
            *(path, error.strerror or error),
        )
    return real
