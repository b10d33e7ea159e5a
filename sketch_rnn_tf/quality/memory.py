"""Whether a model draws what it was trained on again."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sketch_rnn_tf import drawing, files
from sketch_rnn_tf.quality import metrics, real

COPY_QUANTILE = 0.01  # of the held-out drawings' closeness to training: nearer is a copy
SHOWN_PAIRS = 9


@dataclasses.dataclass(frozen=True, eq=False)
class Memory:
    """How near drawings are to those that the model was trained on.

    Attributes:
      nearest: int64 [S], the nearest training drawing of each.
      distance: float64 [S], to it.
      closeness: float64 [S], the distance over that of the training drawing to its fifth nearest
        other one: what is near where drawings lie close together is far where they do not.
    """

    nearest: np.ndarray
    distance: np.ndarray
    closeness: np.ndarray

    @classmethod
    def of(cls, looks: real.Looks, training: real.Looks) -> Memory:
        """Looks for the nearest training drawing of each drawing."""
        nearest, distance = metrics.nearest(looks.features, training.features)
        spacing = metrics.spacing(training.features, nearest)
        return cls(nearest, distance, distance / np.maximum(spacing, 1e-6))


def memorization(drawn: Memory, held_out: Memory, training: int) -> dict[str, Any]:
    """Returns the share of copies: nearer to training than 99 of 100 held-out drawings are."""
    threshold = float(np.quantile(held_out.closeness, COPY_QUANTILE)) + 1e-4
    return {
        "copies": float((drawn.closeness <= threshold).mean()),
        "copies_real": float((held_out.closeness <= threshold).mean()),
        "copy_closeness": threshold,
        "nearest_training": float(np.median(drawn.distance)),
        "nearest_training_real": float(np.median(held_out.distance)),
        "training_drawings": training,
    }


def nearest_pairs(
    drawn: drawing.Sketches, memory: Memory, data_dir: files.PathLike
) -> list[tuple[Any, Any, float]]:
    """Returns the drawings that are nearest to a training drawing, with it, nearest first."""
    order = np.argsort(memory.closeness, kind="stable")[:SHOWN_PAIRS]
    wanted = {int(memory.nearest[i]) for i in order}
    found = {}
    for place, record in enumerate(real.drawings(data_dir, "train")):
        if place in wanted:
            found[place] = record.strokes
        if len(found) == len(wanted):
            break
    return [(drawn[i], found[int(memory.nearest[i])], float(memory.closeness[i])) for i in order]
