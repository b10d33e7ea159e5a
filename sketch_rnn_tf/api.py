"""A model in the user's hands: drawings in source units in, drawings in source units out."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import config, drawing, files, runs, strokes
from sketch_rnn_tf.data import augment
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import sampler

Drawings = Sequence[np.ndarray]  # stroke-3 arrays [N, 3] in source units


def load_model(path: files.PathLike, checkpoint: str = "best", **overrides) -> Sketcher:
    """Opens a run directory for drawing.

    Args:
      path: a run directory, trained or imported.
      checkpoint: `best`, `last` or a step.
      **overrides: fields of the run's configuration to use instead of its own, such as
        `temperature_mode` or `scale_factor`.

    Returns:
      A Sketcher.

    Raises:
      ValueError: no such run or weights, or an unknown field.
    """
    run = runs.open_run(path)
    content = {**config.to_json(run.config), **overrides}
    return Sketcher(
        run.load_model(checkpoint), config.from_json(config.RunConfig, content, str(path))
    )


class Sketcher:
    """A SketchRNN in the user's units.

    Args:
      model: the Keras model, afterwards `.model`.
      configuration: the run's configuration.
    """

    def __init__(self, model: SketchRNN, configuration: config.RunConfig):
        self.model = model
        self.config = configuration
        self._sampler = sampler.Sampler(model, configuration.temperature_mode)

    def generate(
        self,
        num: int = 1,
        *,
        temperature: float | Sequence[float] = 0.4,
        seed: int = 0,
        label: str | None = None,
        greedy: bool = False,
        max_points: int | None = None,
    ) -> drawing.Sketches:
        """Draws new sketches.

        Args:
          num: how many.
          temperature: tau, above 0; one for all or one a sketch.
          seed: sketch i of a seed is the same drawing whatever `num` is.
          label: class name, for class-conditioned models.
          greedy: always take the likeliest point.
          max_points: where to stop; the model's N_max when not given.

        Returns:
          The sketches, source units.

        Raises:
          ValueError: a temperature that is not above 0, or an unknown class.
        """
        seeds = row_seeds(seed, num)
        z = sampler.latents_from_seeds(seeds, self.model.z_size) if self.model.conditional else None
        labels = self._labels(label, num)
        return self._decode(z, labels, seeds, temperature, greedy, max_points)

    def encode(self, sketches: Drawings, label: str | None = None) -> np.ndarray:
        """Returns the z means of drawings, float32 [S, Z].

        Raises:
          ValueError: the model has no encoder, or a drawing is not stroke-3.
        """
        padded, lengths = self._normalised(sketches)
        z_mean, _ = self.model.encode(padded, lengths, self._labels(label, len(lengths)))
        return z_mean.numpy()

    def reconstruct(
        self,
        sketches: Drawings,
        *,
        temperature: float | Sequence[float] = 0.4,
        seed: int = 0,
        label: str | None = None,
        greedy: bool = False,
        max_points: int | None = None,
    ) -> drawing.Sketches:
        """Draws sketches again from their z means; arguments as in `generate`."""
        z = tf.constant(self.encode(sketches, label))
        seeds = row_seeds(seed, len(sketches))
        labels = self._labels(label, len(sketches))
        return self._decode(z, labels, seeds, temperature, greedy, max_points)

    def _decode(self, z, labels, seeds, temperature, greedy, max_points) -> drawing.Sketches:
        max_points = self.config.max_length if max_points is None else max_points
        noise = sampler.noise_from_seeds(seeds, max_points)
        temperature = check_temperature(temperature, len(seeds))
        rows, lengths = self._sampler.draw(z, labels, noise, temperature, greedy)
        names = None if labels is None else [self.config.classes[label] for label in labels.numpy()]
        return self._sketches(rows.numpy(), lengths.numpy(), max_points, names)

    def _sketches(self, rows, lengths, max_points, names) -> drawing.Sketches:
        sketches = drawing.Sketches()
        for i, length in enumerate(lengths):
            points = rows[i, :length][:, [0, 1, 3]] * [*[self.config.scale_factor] * 2, 1]
            sketches.append(
                drawing.Sketch(points, names[i] if names else None, bool(length < max_points))
            )
        return sketches

    def _normalised(self, sketches: Drawings) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns stroke-5 [S, T, 5] in normalised units and lengths [S]."""
        checked = [strokes.check_stroke3(s, f"sketch {i}") for i, s in enumerate(sketches)]
        lengths = np.array([len(s) for s in checked], np.int32)
        padded = np.stack([strokes.stroke3_to_stroke5(s, lengths.max() + 1) for s in checked])
        offsets = augment.normalise(padded[..., :2], self.config.scale_factor)
        return tf.concat([offsets, padded[..., 2:]], axis=-1), tf.constant(lengths)

    def _labels(self, label: str | None, num: int) -> tf.Tensor | None:
        if not self.model.num_classes:
            if label is not None:
                raise ValueError(f"the model is not class-conditioned: it cannot draw {label!r}")
            return None
        if label not in self.config.classes:
            known = ", ".join(self.config.classes)
            raise ValueError(f"the model has no class {label!r}; it has {known}")
        return tf.fill([num], self.config.classes.index(label))

    def with_settings(self, **changes) -> Sketcher:
        """Returns a Sketcher of the same model with other configuration fields."""
        return Sketcher(self.model, dataclasses.replace(self.config, **changes))


def row_seeds(seed: int, num: int) -> tf.Tensor:
    """Returns the seeds of sketches 0 to num - 1 of a seed, int32 [num, 2]."""
    return tf.stack([tf.fill([num], seed), tf.range(num)], axis=1)


def check_temperature(temperature: float | Sequence[float], num: int) -> tf.Tensor:
    """Returns temperatures as float32 [num].

    Raises:
      ValueError: a temperature that is not a finite number above 0, or a wrong count.
    """
    values = np.asarray(temperature, np.float32).reshape(-1)
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise ValueError(f"temperature is {temperature}, expected a finite number above 0")
    if len(values) not in (1, num):
        raise ValueError(f"{len(values)} temperatures for {num} sketches")
    return tf.constant(np.broadcast_to(values, [num]))
