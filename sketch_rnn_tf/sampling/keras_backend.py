"""A Keras model as the backend of a `Sketcher`: NumPy in and out, one batch at a time."""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import config, evaluation, files, latent_prior, runs
from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.data import augment
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model import graphs, next_point
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import loop
from sketch_rnn_tf.sketcher.backend import NO_ENCODER, Request
from sketch_rnn_tf.sketcher.sketcher import Sketcher

BATCH_SIZE = 100
_LENGTHS = 32  # encoders read sketches padded to multiples of this
_WIDTHS = {"seeds": [2], "temperature": [3], "noise": [4], "strokes": [5], "prefix": [5]}


def load_model(path: files.PathLike, checkpoint: str = "best", **overrides: Any) -> Sketcher:
    """Opens a run directory for drawing.

    Args:
      path: a run directory, trained or imported, or `pretrained:kanji`.
      checkpoint: `best`, `last` or a step.
      **overrides: fields of the run's configuration to use instead of its own, such as
        `temperature_mode` or `scale_factor`.

    Returns:
      A Sketcher; its `.model` is the Keras model.

    Raises:
      UserError: no such run or weights, or an unknown field.
    """
    run = runs.open_run(path)
    content = {**config.to_json(run.config), **overrides}
    configuration = config.from_json(config.RunConfig, content, str(path))
    return Sketcher(KerasBackend(run.load_model(checkpoint), configuration))


def of_model(model: SketchRNN, scale_factor: float | None, **settings: Any) -> KerasBackend:
    """Returns the backend of a live Keras model that has no run directory.

    Args:
      model: the model.
      scale_factor: source units per normalized unit.
      **settings: further fields of `config.RunConfig`; the model itself gives `max_length`,
        `start_token` and `model`.

    Raises:
      UserError: not a SketchRNN, no scale factor, an unknown setting, or class names that do not
        fit the model.
    """
    if not isinstance(model, SketchRNN):
        raise UserError(f"expected a SketchRNN or a Backend, received {type(model).__name__}")
    if scale_factor is None or not 0 < scale_factor < float("inf"):
        raise UserError(
            f"scale_factor is {scale_factor}, expected the number above 0 that the model's training"
            " data was divided by"
        )
    classes = settings.pop("classes", [str(i) for i in range(model.num_classes)])
    if model.num_classes and len(classes) != model.num_classes:
        raise UserError(f"{len(classes)} class names do not fit {model.num_classes} classes")
    content = {
        "scale_factor": float(scale_factor),
        "max_length": model.max_length,
        "classes": list(classes),
        "start_token": list(model.start_token),
        "model": {
            "conditional": model.conditional,
            "z_size": model.z_size or 1,
            "num_mixtures": model.num_mixtures,
            "class_conditioned": bool(model.num_classes),
        },
    }
    configuration = config.from_json(config.RunConfig, {**content, **settings}, "settings")
    return KerasBackend(model, configuration)


class KerasBackend:
    """Draws, encodes and scores with a Keras model, see `sketcher.backend.Backend`.

    Its graphs are traced once and serve any number and length of sketches.

    Args:
      model: the Keras model, afterwards `.model`.
      configuration: the run's configuration, afterwards `.config`.
      batch_size: how many sketches are drawn at once.
    """

    def __init__(
        self, model: SketchRNN, configuration: config.RunConfig, batch_size: int = BATCH_SIZE
    ):
        self.model = model
        self.config = configuration
        self.prior = latent_prior.of(configuration)
        self.batch_size = batch_size
        self._graphs = graphs.BatchGraphs({"z": [model.z_size], **_WIDTHS})

    def with_config(self, configuration: config.RunConfig) -> KerasBackend:
        """Returns a backend of the same model with another configuration."""
        return KerasBackend(self.model, configuration, self.batch_size)

    @property
    def traces(self) -> int:
        """How many times its graphs have been traced so far."""
        return sum(graph.experimental_get_tracing_count() for graph in self._graphs.values())

    def normals(self, seeds: np.ndarray) -> np.ndarray:
        """Returns standard normals for latent vectors, [S, Z], a row for each of seeds [S, 2]."""
        return loop.latents_from_seeds(tf.constant(seeds), self.model.z_size).numpy()

    def draw(self, request: Request) -> list[tuple[np.ndarray, bool]]:
        """Returns stroke-3 rows in source units, prefix included, and whether the sketch ended."""
        normals = self.normals if self.model.conditional else None
        arrays = {
            "seeds": request.seeds,
            "temperature": request.temperature,
            "z": request.latents(self.encode, normals, self.prior),
            "labels": request.labels,
            "noise": request.noise,
        }
        scale = np.float32([self.config.scale_factor, self.config.scale_factor, 1])

        def draw_part(part: slice):
            inputs = _constants(arrays, part)
            inputs["length"] = tf.constant(request.limit)
            if request.prefixes is not None:
                inputs["prefix"], inputs["prefix_lengths"] = self._padded(request.prefixes[part])
            graph = self._graphs.of(self._draw_rows, request.greedy, inputs=inputs)
            drawn, lengths = (value.numpy() for value in graph(inputs))
            return [
                (rows[:count, [0, 1, 3]] * scale, count < request.limit)
                for rows, count in zip(drawn, lengths.tolist(), strict=True)
            ]

        parts = _side_by_side(draw_part, self._parts(len(request.seeds)))
        return [sketch for part in parts for sketch in part]

    def encode(
        self,
        rows: Sequence[np.ndarray],
        labels: np.ndarray | None = None,
        seeds: np.ndarray | None = None,
    ) -> np.ndarray:
        """Returns z means [S, Z] of stroke-3 rows in source units, or with seeds [S, 2] samples.

        Raises:
          UserError: the model has no encoder.
        """
        if not self.model.conditional:
            raise UserError(NO_ENCODER)
        found = [np.zeros((0, self.model.z_size), np.float32)]
        for part in self._parts(len(rows)):
            inputs = _constants({"labels": labels, "seeds": seeds}, part)
            inputs["strokes"], inputs["lengths"] = self._padded(rows[part])
            found.append(self._graphs.of(self._encode_rows, inputs=inputs)(inputs).numpy())
        return np.concatenate(found)

    def score(
        self, rows: Sequence[np.ndarray], labels: np.ndarray | None = None
    ) -> dict[str, np.ndarray]:
        """Returns the nats of stroke-3 rows in source units, see `evaluation.score`."""
        return evaluation.score(self.model, self.config.scale_factor, rows, labels)

    def _parts(self, count: int) -> list[slice]:
        """Returns batches, each in as many parts as can be computed side by side."""
        size = -(-min(self.batch_size, count) // _workers()) if count else 1
        return [slice(start, min(start + size, count)) for start in range(0, count, size)]

    def _padded(self, sketches: Sequence[np.ndarray]) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns stroke-3 rows in source units as stroke-5 [S, T, 5], normalized, and lengths [S].

        T is a multiple of `_LENGTHS`, whatever is drawn beside: the same sketch is the same shape.
        """
        lengths = np.array([len(rows) for rows in sketches], np.int32)
        length = -(-int(lengths.max()) // _LENGTHS) * _LENGTHS
        padded = np.stack([stroke_forms.stroke3_to_stroke5(rows, length) for rows in sketches])
        offsets = augment.normalize(tf.constant(padded[..., :2]), self.config.scale_factor)
        return tf.concat([offsets, padded[..., 2:]], axis=-1), tf.constant(lengths)

    def _draw_rows(self, greedy, inputs):
        batch = tf.shape(inputs["seeds"])[0]
        context = self.model.context(inputs.get("z"), inputs.get("labels"))
        noise = inputs.get("noise")
        if noise is None:
            noise = loop.noise_from_seeds(inputs["seeds"], inputs["length"])
        step = self.model.decoder.stepper(context, batch)
        return loop.sample_from_noise(
            step,
            step.initial_states,
            tf.tile(tf.constant([self.config.start_token]), [batch, 1]),
            noise,
            next_point.temper(inputs["temperature"], self.config.temperature_mode),
            inputs.get("prefix"),
            inputs.get("prefix_lengths"),
            greedy=greedy,
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

    With one thread per operation, a batch in parts, each on its own thread, is faster than several
    threads at every small operation of one whole.
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


def _constants(arrays: dict[str, np.ndarray | None], part: slice) -> dict[str, tf.Tensor]:
    """Returns a part of the arrays that are there."""
    return {name: tf.constant(array[part]) for name, array in arrays.items() if array is not None}
