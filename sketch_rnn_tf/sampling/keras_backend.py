"""Draws and encodes any number of sketches with a model, a batch at a time, NumPy in and out."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.data import augment
from sketch_rnn_tf.model import graphs
from sketch_rnn_tf.sampling import choosing, loop, stepping

BATCH_SIZE = 100
_LENGTHS = 32  # encoders read sketches padded to multiples of this
_WIDTHS = {"seeds": [2], "temperature": [3], "noise": [4], "strokes": [5], "prefix": [5]}


def normalised(rows: np.ndarray, scale_factor: float) -> np.ndarray:
    """Returns stroke-3 rows [N, 3] of source units in normalised units."""
    offsets = augment.normalise(tf.constant(rows[:, :2]), scale_factor).numpy()
    return np.concatenate([offsets, rows[:, 2:]], axis=1)


class Sampler:
    """Draws batches with a model. Its graphs are traced once and serve any number and length.

    Args:
      model: the model, a `SketchRNN`.
      mode: temperature mode, see `choosing.tempering`.
      start_token: the stroke-5 row that the decoder reads first.
      batch_size: how many sketches are drawn at once.
    """

    def __init__(self, model, mode: str, start_token: Sequence[float], batch_size: int):
        self.model = model
        self.mode = mode
        self.start_token = tuple(start_token)
        self.batch_size = batch_size
        self._graphs = graphs.BatchGraphs({"z": [model.z_size], **_WIDTHS})

    def prior(self, seeds: np.ndarray) -> np.ndarray:
        """Returns latent vectors from the prior, [S, Z], one for each row of seeds [S, 2]."""
        return loop.latents_from_seeds(tf.constant(seeds), self.model.z_size).numpy()

    def draw(
        self,
        z: np.ndarray | None,
        labels: np.ndarray | None,
        seeds: np.ndarray,
        temperature: np.ndarray,
        length: int,
        greedy: bool = False,
        prefixes: Sequence[np.ndarray] | None = None,
        noise: np.ndarray | None = None,
    ) -> tuple[list[np.ndarray], list[bool]]:
        """Draws sketches.

        Args:
          z: [S, Z] for conditional models, else None.
          labels: int32 [S] for class-conditioned models, else None.
          seeds: int32 [S, 2].
          temperature: float32 [S, 3], of pen, mixture and offsets.
          length: the most points of a sketch, its prefix included.
          greedy: see `choosing.PointChooser`.
          prefixes: stroke-3 rows to begin with, of at most `length` points each, or None.
          noise: float32 [S, length, 4] instead of the seeds' random numbers, or None.

        Returns:
          stroke-3 rows [N, 3] in normalised units, and whether the sketch ended before `length`.
        """

        def draw_part(part: slice):
            given = {"seeds": seeds, "temperature": temperature, "z": z, "labels": labels}
            inputs = _constants({**given, "noise": noise}, part)
            inputs["length"] = tf.constant(length)
            if prefixes is not None:
                inputs["prefix"], inputs["prefix_lengths"] = _padded(prefixes[part])
            drawn, lengths = self._graphs.of(self._draw_rows, greedy, inputs=inputs)(inputs)
            return _unpadded(drawn.numpy(), lengths.numpy().tolist())

        parts = _side_by_side(draw_part, self._parts(len(seeds)))
        rows = [sketch for part in parts for sketch in part]
        return rows, [len(sketch) < length for sketch in rows]

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
            inputs = _constants({"labels": labels, "seeds": seeds}, part)
            inputs["strokes"], inputs["lengths"] = _padded(rows[part])
            found.append(self._graphs.of(self._encode_rows, inputs=inputs)(inputs).numpy())
        return np.concatenate(found)

    def _parts(self, count: int) -> list[slice]:
        """Returns batches, each in as many parts as can be computed side by side."""
        size = -(-min(self.batch_size, count) // _workers()) if count else 1
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]

    def _draw_rows(self, greedy, inputs):
        batch = tf.shape(inputs["seeds"])[0]
        context = self.model.context(inputs.get("z"), inputs.get("labels"))
        noise = inputs.get("noise")
        if noise is None:
            noise = loop.noise_from_seeds(inputs["seeds"], inputs["length"])
        step = stepping.Stepper(self.model.decoder, context, batch)
        choose = choosing.PointChooser(
            self.model.num_mixtures, inputs["temperature"], self.mode, greedy
        )
        return loop.sample_from_noise(
            step,
            step.initial_states,
            tf.tile(tf.constant([self.start_token]), [batch, 1]),
            noise,
            choose,
            inputs.get("prefix"),
            inputs.get("prefix_lengths"),
        )

    def _encode_rows(self, inputs):
        z_mean, z_log_var = self.model.encode(
            inputs["strokes"], inputs["lengths"], inputs.get("labels")
        )
        if "seeds" not in inputs:
            return z_mean
        noise = loop.latents_from_seeds(inputs["seeds"], self.model.z_size)
        return z_mean + tf.exp(z_log_var / 2.0) * noise


def _workers() -> int:
    """Returns how many batches are drawn side by side.

    With one thread an operation, a batch in parts on a thread each is faster than several threads
    at every small operation of one whole.
    """
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        return 1
    return max(tf.config.threading.get_inter_op_parallelism_threads(), 1)


def _side_by_side(function: Callable, parts: Sequence[slice]) -> list:
    """Returns the function's results in order."""
    workers = min(_workers(), len(parts))
    if workers < 2:
        return [function(part) for part in parts]
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, parts))


def _unpadded(drawn: np.ndarray, lengths: list[int]) -> list[np.ndarray]:
    """Returns stroke-5 rows [S, T, 5] as stroke-3 rows [N, 3] of each sketch."""
    return [rows[:count, [0, 1, 3]] for rows, count in zip(drawn, lengths, strict=True)]


def _padded(rows: Sequence[np.ndarray]) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns stroke-3 rows as stroke-5 [S, T, 5] and their lengths [S].

    T is a multiple of `_LENGTHS`, whatever is drawn beside: the same sketch is the same shape.
    """
    lengths = np.array([len(row) for row in rows], np.int32)
    length = -(-int(lengths.max()) // _LENGTHS) * _LENGTHS
    padded = np.stack([stroke_forms.stroke3_to_stroke5(row, length) for row in rows])
    return tf.constant(padded), tf.constant(lengths)


def _constants(arrays: dict[str, np.ndarray | None], part: slice) -> dict[str, tf.Tensor]:
    """Returns a part of the arrays that are there."""
    return {name: tf.constant(array[part]) for name, array in arrays.items() if array is not None}
