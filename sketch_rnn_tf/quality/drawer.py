"""A model at work on a data set: many drawings, with progress, in the data's own classes."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import drawing, progress
from sketch_rnn_tf.quality import checks

_CHUNK = 200  # sketches between two progress lines


@dataclasses.dataclass(frozen=True)
class Drawer:
    """A model that draws what it is asked for by labels of the data set.

    Attributes:
      sketcher: the model, as `load_model` returns it.
      classes: of the data set.
      seed: sketch i of every request has the row of seeds (seed, i).
    """

    sketcher: Any
    classes: Sequence[str]
    seed: int

    @property
    def conditional(self) -> bool:
        """Whether the model has a latent vector."""
        return self.sketcher.config.model.conditional

    def generate(self, labels: Sequence[int], temperature: float) -> drawing.Sketches:
        """Returns a drawing for each label."""

        def draw(part: slice, seeds, names):
            return self.sketcher.generate(
                len(seeds), temperature=temperature, seed=seeds, label=names
            )

        return drawing.Sketches(self._in_chunks(f"drawing at {temperature:g}", labels, draw))

    def reconstruct(
        self, originals: Sequence[np.ndarray], labels: Sequence[int], temperature: float, **options
    ) -> drawing.Sketches:
        """Returns the drawings again, as `Sketcher.reconstruct` with its options does."""

        def draw(part: slice, seeds, names):
            return self.sketcher.reconstruct(
                originals[part], temperature=temperature, seed=seeds, label=names, **options
            )

        return drawing.Sketches(self._in_chunks(f"reconstructing at {temperature:g}", labels, draw))

    def encode(self, sketches: Sequence[Any], labels: Sequence[int]) -> np.ndarray:
        """Returns the z means, float32 [S, Z]; S is at least 1."""

        def encode(part: slice, seeds, names):
            return self.sketcher.encode(sketches[part], label=names)

        return np.stack(self._in_chunks("encoding", labels, encode))

    def _in_chunks(self, what: str, labels: Sequence[int], ask: Callable) -> list[Any]:
        """Returns the answers to `ask(part, rows of seeds, class names)`, chunk after chunk."""
        names = checks.class_names(self.sketcher.config, self.classes, labels)
        answers: list[Any] = []
        with progress.Progress(what, len(labels)) as shown:
            for start in range(0, len(labels), _CHUNK):
                part = slice(start, min(start + _CHUNK, len(labels)))
                seeds = [(self.seed, i) for i in range(part.start, part.stop)]
                answers += list(ask(part, seeds, names[part] if names else None))
                shown.update(len(seeds))
        return answers
