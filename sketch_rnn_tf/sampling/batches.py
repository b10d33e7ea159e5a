"""Draws and encodes any number of sketches with a model, a batch at a time, NumPy in and out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.data import augment
from sketch_rnn_tf.sampling import sampler

BATCH_SIZE = 100
_LENGTHS = 32  # encoders read sketches padded to multiples of this


def normalised(rows: np.ndarray, scale_factor: float) -> np.ndarray:
    """Returns stroke-3 rows [N, 3] of source units in normalised units."""
    offsets = augment.normalise(tf.constant(rows[:, :2]), scale_factor).numpy()
    return np.concatenate([offsets, rows[:, 2:]], axis=1)


class Sampler:
    """Draws batches with a model. Its graphs are traced once and serve any number and length.

    Args:
      model: the model, a `SketchRNN`.
      mode: temperature mode, see `sampler.apply_temperature`.
      start_token: the stroke-5 row that the decoder reads first.
      batch_size: how many sketches are drawn at once.
    """

    def __init__(self, model, mode: str, start_token: Sequence[float], batch_size: int):
        self.model = model
        self.mode = mode
        self.start_token = tuple(start_token)
        self.batch_size = batch_size
        self._draw_graph = tf.function(self._draw_rows, reduce_retracing=True)
        self._encode_graph = tf.function(self._encode_rows, reduce_retracing=True)

    def prior(self, seeds: np.ndarray) -> np.ndarray:
        """Returns latent vectors from the prior, [S, Z], one for each row of seeds [S, 2]."""
        return sampler.latents_from_seeds(tf.constant(seeds), self.model.z_size).numpy()

    def draw(
        self,
        z: np.ndarray | None,
        labels: np.ndarray | None,
        seeds: np.ndarray,
        temperature: np.ndarray,
        length: int,
        greedy: bool = False,
        prefixes: Sequence[np.ndarray] | None = None,
    ) -> tuple[list[np.ndarray], list[bool]]:
        """Draws sketches.

        Args:
          z: [S, Z] for conditional models, else None.
          labels: int32 [S] for class-conditioned models, else None.
          seeds: int32 [S, 2].
          temperature: float32 [S, 3], of pen, mixture and offsets.
          length: the most points of a sketch, its prefix included.
          greedy: see `sampler.point_from_noise`.
          prefixes: stroke-3 rows to begin with, of at most `length` points each, or None.

        Returns:
          stroke-3 rows [N, 3] in normalised units, and whether the sketch ended before `length`.
        """
        rows, ended = [], []
        for part in self._parts(len(seeds)):
            prefix = (None, None) if prefixes is None else _padded(prefixes[part])
            drawn, lengths = self._draw_graph(
                _constant(z, part),
                _constant(labels, part),
                tf.constant(seeds[part]),
                tf.constant(temperature[part]),
                tf.constant(length),
                greedy,
                *prefix,
            )
            for points, count in zip(drawn.numpy(), lengths.numpy().tolist(), strict=True):
                rows.append(points[:count][:, [0, 1, 3]])
                ended.append(count < length)
        return rows, ended

    def encode(
        self,
        rows: Sequence[np.ndarray],
        labels: np.ndarray | None = None,
        seeds: np.ndarray | None = None,
    ) -> np.ndarray:
        """Returns latent vectors of sketches, float32 [S, Z].

        Args:
          rows: stroke-3 [N, 3] in normalised units.
          labels: int32 [S] for class-conditioned models, else None.
          seeds: int32 [S, 2], of vectors drawn from q(z|sketch); None for its means.
        """
        found = [np.zeros((0, self.model.z_size), np.float32)]
        for part in self._parts(len(rows)):
            padded, lengths = _padded(rows[part])
            z = self._encode_graph(
                padded, lengths, _constant(labels, part), _constant(seeds, part)
            )
            found.append(z.numpy())
        return np.concatenate(found)

    def _parts(self, count: int) -> Iterator[slice]:
        for start in range(0, count, self.batch_size):
            yield slice(start, min(start + self.batch_size, count))

    def _draw_rows(
        self, z, labels, seeds, temperature, length, greedy, prefix=None, prefix_lengths=None
    ):
        batch = tf.shape(seeds)[0]
        context = self.model.context(z, labels)
        return sampler.sample_from_noise(
            self.model.decoder,
            context,
            self.model.decoder.initial_state(batch, context),
            tf.tile(tf.constant([self.start_token]), [batch, 1]),
            sampler.noise_from_seeds(seeds, length),
            temperature,
            self.mode,
            greedy,
            prefix,
            prefix_lengths,
        )

    def _encode_rows(self, padded, lengths, labels, seeds):
        z_mean, z_log_var = self.model.encode(padded, lengths, labels)
        if seeds is None:
            return z_mean
        noise = sampler.latents_from_seeds(seeds, self.model.z_size)
        return z_mean + tf.exp(z_log_var / 2.0) * noise


def _padded(rows: Sequence[np.ndarray]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns stroke-3 rows as stroke-5 [S, T, 5] and their lengths [S].

    T is a multiple of `_LENGTHS`, whatever is drawn beside: the same sketch is the same shape.
    """
    lengths = np.array([len(row) for row in rows], np.int32)
    length = -(-int(lengths.max()) // _LENGTHS) * _LENGTHS
    padded = np.stack([stroke_forms.stroke3_to_stroke5(row, length) for row in rows])
    return tf.constant(padded), tf.constant(lengths)


def _constant(array: np.ndarray | None, part: slice) -> tf.Tensor | None:
    return None if array is None else tf.constant(array[part])
