"""What a model draws while it learns: the same sketches and the same noise at every evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from sketch_rnn_tf import config, files
from sketch_rnn_tf.data import dataset, pipeline
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.sketcher.sketcher import Sketcher

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
COLUMNS = 8  # sketches per row
_SEED = 1  # of the noise; the same drawings at every evaluation except for what was learned
_RECONSTRUCTED, _BETWEEN = 0.3, 0.1  # temperatures

Pictures = dict[str, tuple[Any, dict]]


class Artist:
    """Draws the pictures of a run.

    Args:
      model: the model that is being trained.
      configuration: the run's.
      data_dir: the data set; its valid split gives the originals, the train split where that is
        empty.
      info: the data set's description.
    """

    def __init__(
        self,
        model: SketchRNN,
        configuration: config.RunConfig,
        data_dir: files.PathLike,
        info: dataset.DatasetInfo,
    ):
        self.model, self.config = model, configuration
        self._sketcher = Sketcher(_FiniteBackend(model, configuration))
        self._unseen = int(pipeline.drops_first_point(info, configuration.drop_first_point))
        split = "valid" if info.num_sketches("valid") else "train"
        self._originals = []
        if model.conditional:  # the first ones: a split is in random order
            records = dataset.read_split(data_dir, split)
            sketches = (record for record in records if len(record.strokes))
            self._originals = list(itertools.islice(sketches, COLUMNS))

    def draw(self, check: Callable[[], None] = lambda: None) -> Pictures:
        """Returns {name: (drawings, options of the picture)}.

        Args:
          check: called before each picture; what it raises ends the drawing.
        """
        check()
        pictures = {"samples": self._samples()}
        if self._originals:
            check()
            rows = [record.strokes[self._unseen :] for record in self._originals]
            z = self._sketcher.encode(rows, label=self._own_labels())  # the means [S, Z]
            pictures["reconstructions"] = self._reconstructions(z)
            if len(z) > 1:
                check()
                pictures["interpolation"] = self._interpolation(z)
        return pictures

    def _samples(self):
        """Draws one row per temperature; a column has one z and, where there are, one class."""
        drawings = []
        for temperature in TEMPERATURES:
            drawings += self._sketcher.generate(
                COLUMNS,
                temperature=temperature,
                seed=_SEED,
                label=self._labels(range(COLUMNS)),
                keep_empty=True,
            )
        titles = [f"{temperature}" for temperature in TEMPERATURES]
        return drawings, {"columns": COLUMNS, "row_titles": titles, "title": "By temperature"}

    def _reconstructions(self, z):
        again = self._sketcher.generate(
            len(z),
            z=z,
            temperature=_RECONSTRUCTED,
            seed=_SEED,
            label=self._own_labels(),
            keep_empty=True,
        )
        originals = [record.strokes for record in self._originals]
        return [*originals, *again], {"columns": len(z), "row_titles": ["original", "drawn again"]}

    def _interpolation(self, z):
        """Draws what lies between the first sketch and the second, in the first one's class."""
        labels = self._own_labels()
        drawings = self._sketcher.interpolate(
            [z[0], z[1]],
            COLUMNS,
            temperature=_BETWEEN,
            seed=_SEED,
            label=labels[0] if labels else None,
            keep_empty=True,
        )
        return drawings, {"columns": COLUMNS, "title": "Between two sketches"}

    def _own_labels(self) -> list[str] | None:
        return self._labels([record.label for record in self._originals])

    def _labels(self, numbers) -> list[str] | None:
        classes = self._sketcher.classes
        return [classes[number % len(classes)] for number in numbers] if classes else None


class _FiniteBackend(KerasBackend):
    """A model that diverges draws NaN, which no picture can show: zeros stand for it."""

    def draw(self, request):
        drawn = super().draw(request)
        return [(np.nan_to_num(rows, nan=0, posinf=0, neginf=0), ended) for rows, ended in drawn]
