"""The real drawings that a model's are held against."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import drawing, files
from sketch_rnn_tf.quality import real

SHOWN = 40  # drawings that the report shows


@dataclasses.dataclass(frozen=True, eq=False)
class HeldOut:
    """The drawings that no model was trained on, of the model's classes.

    Attributes:
      sketches: stroke-3 arrays.
      looks: of all of them.
      samples: N; the first N are the reference.
      classes: of the data set.
    """

    sketches: list[np.ndarray]
    looks: real.Looks
    samples: int
    classes: list[str]

    @classmethod
    def read(
        cls,
        data_dir: files.PathLike,
        known: real.Real,
        splits: Sequence[str],
        allowed: Sequence[int],
        samples: int,
        classes: list[str],
    ) -> HeldOut:
        """Reads the splits; the first one's drawings come first."""
        sketches, looks = [], None
        for split in splits:
            own = known.splits[split]
            chosen = np.flatnonzero(np.isin(own.labels, allowed))
            strokes, _ = real.read(data_dir, split)
            sketches += [strokes[i] for i in chosen]
            looks = own[chosen] if looks is None else looks + own[chosen]
        return cls(sketches, looks, min(samples, len(looks)), classes)

    @property
    def reference(self) -> real.Looks:
        """The first N, which the model's drawings are held against."""
        return self.looks[: self.samples]

    @property
    def half(self) -> int:
        """How many drawings each of two halves has, at most N."""
        return min(self.samples, len(self.looks) // 2)

    def shown(self) -> drawing.Sketches:
        """Returns some to look at."""
        return drawing.Sketches(self.sketches[: min(SHOWN, self.samples)])


def recognition(looks: real.Looks, classes: Sequence[str]) -> dict[str, Any]:
    """Returns how often a drawing is recognized as what it was to be, and as what else."""
    if len(classes) < 2 or (looks.labels < 0).any():
        return {}
    hits = looks.recognized == looks.labels
    present = np.unique(looks.labels)
    confusion = {
        classes[label]: {
            classes[seen]: int(count)
            for seen, count in zip(
                *np.unique(looks.recognized[looks.labels == label], return_counts=True),
                strict=True,
            )
        }
        for label in present
    }
    per_class = {classes[label]: float(hits[looks.labels == label].mean()) for label in present}
    return {
        "recognized": float(hits.mean()),
        "recognized_per_class": per_class,
        "confusion": confusion,
    }
