"""What a model draws while it learns: the same sketches and the same noise at every evaluation."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import config, drawing, files
from sketch_rnn_tf.data import dataset, pipeline, tfrecord
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import keras_backend
from sketch_rnn_tf.sketcher import latent_space

TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)
COLUMNS = 8  # sketches a row
_SEED = 1  # of the noise; the same drawings at every evaluation but for what has been learned
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
        self._sampler = keras_backend.Sampler(
            model,
            configuration.temperature_mode,
            configuration.start_token,
            keras_backend.BATCH_SIZE,
        )
        self._unseen = int(pipeline.drops_first_point(info, configuration.drop_first_point))
        split = "valid" if info.num_sketches("valid") else "train"
        self._originals = _first_sketches(data_dir, split) if model.conditional else []

    def draw(self, check: Callable[[], None] = lambda: None) -> Pictures:
        """Returns {name: (drawings, options of the picture)}.

        Args:
          check: called before each picture; what it raises ends the drawing.
        """
        check()
        pictures = {"samples": self._samples()}
        if self._originals:
            check()
            z = self._encode()
            pictures["reconstructions"] = self._reconstructions(z)
            if len(z) > 1:
                check()
                pictures["interpolation"] = self._interpolation(z)
        return pictures

    def _samples(self):
        """Draws a row a temperature; a column has one z and, where there are, one class."""
        rows = len(TEMPERATURES)
        seeds = np.tile(_seeds(COLUMNS), (rows, 1))
        z = self._sampler.prior(seeds) if self.model.conditional else None
        labels = np.arange(len(seeds)) % COLUMNS % max(1, self.model.num_classes)
        drawings = self._draw(z, labels, seeds, np.repeat(TEMPERATURES, COLUMNS))
        titles = [f"{temperature}" for temperature in TEMPERATURES]
        return drawings, {"columns": COLUMNS, "row_titles": titles, "title": "By temperature"}

    def _reconstructions(self, z):
        count = len(z)
        labels = [record.label for record in self._originals]
        again = self._draw(z, labels, _seeds(count), np.full(count, _RECONSTRUCTED))
        originals = [record.strokes for record in self._originals]
        return [*originals, *again], {"columns": count, "row_titles": ["original", "drawn again"]}

    def _interpolation(self, z):
        """Draws what lies between the first sketch and the second, in the first one's class."""
        between = latent_space.row(z[0], z[1], COLUMNS)
        labels = [self._originals[0].label] * COLUMNS
        seeds = np.tile(_seeds(1), (COLUMNS, 1))
        drawings = self._draw(between, labels, seeds, np.full(COLUMNS, _BETWEEN))
        return drawings, {"columns": COLUMNS, "title": "Between two sketches"}

    def _encode(self) -> np.ndarray:
        """Returns the z means of the originals, [S, Z]."""
        rows = [
            keras_backend.normalised(record.strokes[self._unseen :], self.config.scale_factor)
            for record in self._originals
        ]
        return self._sampler.encode(rows, self._labels([r.label for r in self._originals]))

    def _draw(self, z, labels, seeds, temperatures) -> drawing.Sketches:
        tau = np.tile(np.asarray(temperatures, np.float32)[:, None], (1, 3))  # pen, mixture, offset
        rows, ended = self._sampler.draw(
            z, self._labels(labels), seeds, tau, self.config.max_length
        )
        units = np.array([self.config.scale_factor, self.config.scale_factor, 1.0], np.float32)
        first = np.zeros((int(self.config.drop_first_point), 3), np.float32)  # row 0, put back
        return drawing.Sketches(
            drawing.Sketch(np.concatenate([first, _finite(points) * units]), ended=end)
            for points, end in zip(rows, ended, strict=True)
        )

    def _labels(self, labels) -> np.ndarray | None:
        return np.asarray(labels, np.int32) if self.model.num_classes else None


def _first_sketches(data_dir: files.PathLike, split: str) -> Sequence[tfrecord.Record]:
    """Returns the first sketches of a split, which is in random order."""
    sketches = (record for record in dataset.read_split(data_dir, split) if len(record.strokes))
    return list(itertools.islice(sketches, COLUMNS))


def _seeds(count: int) -> np.ndarray:
    return np.stack([np.full(count, _SEED), np.arange(count)], axis=1).astype(np.int32)


def _finite(rows: np.ndarray) -> np.ndarray:
    """Returns rows without numbers that are none: a model that diverges draws them."""
    return np.nan_to_num(rows, nan=0.0, posinf=0.0, neginf=0.0)
