"""A model in the user's hands: drawings in source units in, drawings in source units out.

    sketcher = load_model("runs/sheep")
    sketcher.generate(9, temperature=0.4, seed=0)
    sketcher.complete(begun, num=3)

Every verb draws sketch i of a seed from random numbers of its own, so it is the same drawing
alone and inside any batch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import config, drawing, files, runs, strokes
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import arguments, batches, latent
from sketch_rnn_tf.sampling.arguments import DEFAULT_TEMPERATURE, Seed, Temperature

Drawings = Sequence[np.ndarray]  # stroke-3 arrays [N, 3] in source units, or `drawing.Sketch`
Labels = str | Sequence[str] | None  # a class for all sketches, or one for each


def load_model(path: files.PathLike, checkpoint: str = "best", **overrides: Any) -> Sketcher:
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
    configuration = config.from_json(config.RunConfig, content, str(path))
    return Sketcher(run.load_model(checkpoint), configuration)


class Sketcher:
    """A SketchRNN in the user's units.

    Drawings go in as stroke-3 arrays or `Sketch`es in source units and come out as `Sketches`.
    What the verbs have in common:

    - temperature: tau, above 0: low is careful, 1 is as learnt. A number for all sketches, one for
      each, or {"pen": ..., "mixture": ..., "offset": ...} of such.
    - seed: an integer s gives sketch i the row of seeds (s, i); rows [num, 2] name them one by one.
    - label: class for all sketches or one for each; needed by class-conditioned models only.
    - greedy: always take the likeliest point; temperature and noise then do not matter.
    - max_points: where a drawing that does not end is cut off; the model's N_max when not given.

    Args:
      model: the Keras model, afterwards `.model`.
      configuration: the run's configuration, afterwards `.config`.
      batch_size: how many sketches are drawn at once.
    """

    def __init__(
        self,
        model: SketchRNN,
        configuration: config.RunConfig,
        batch_size: int = batches.BATCH_SIZE,
    ):
        self.model = model
        self.config = configuration
        self._sampler = batches.Sampler(
            model, configuration.temperature_mode, configuration.start_token, batch_size
        )

    def generate(
        self,
        num: int = 1,
        *,
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: Labels = None,
        greedy: bool = False,
        max_points: int | None = None,
        z: np.ndarray | None = None,
    ) -> drawing.Sketches:
        """Draws new sketches.

        Args:
          num: how many.
          temperature: see the class, as for the other common arguments.
          seed: sketch i of a seed is the same drawing whatever `num` is.
          label: class.
          greedy: always the likeliest point.
          max_points: where to stop.
          z: latent vectors [num, Z] to draw from; from the prior N(0, 1) when not given.

        Returns:
          The sketches, source units.

        Raises:
          ValueError: an argument is out of range, an unknown class, z for a decoder alone.
        """
        num = arguments.count("num", num)
        seeds = arguments.seeds(seed, num)
        if z is not None:
            z = self._check_latents(z, num)
        elif self.model.conditional:
            z = self._sampler.prior(seeds)
        return self._draw(z, seeds, temperature, label, greedy, max_points)

    def encode(self, sketches: Drawings, *, label: Labels = None) -> np.ndarray:
        """Returns the z means of drawings, float32 [S, Z].

        Raises:
          ValueError: the model has no encoder, or a drawing is not stroke-3 or has no points.
        """
        return self._encode(self._normalised(sketches), label, None)

    def reconstruct(
        self,
        sketches: Drawings,
        *,
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: Labels = None,
        greedy: bool = False,
        max_points: int | None = None,
        sample_z: bool = False,
    ) -> drawing.Sketches:
        """Draws sketches again from their latent vectors.

        Args:
          sketches: the drawings.
          temperature: see the class, as for the other common arguments.
          seed: of the drawing, and of z where it is sampled.
          label: class.
          greedy: always the likeliest point.
          max_points: where to stop.
          sample_z: draw z from q(z|sketch) instead of taking its mean.

        Raises:
          ValueError: the model has no encoder, a drawing or an argument is wrong.
        """
        seeds = arguments.seeds(seed, len(sketches))
        z = self._encode(self._normalised(sketches), label, seeds if sample_z else None)
        return self._draw(z, seeds, temperature, label, greedy, max_points)

    def complete(
        self,
        sketches: Drawings,
        num: int = 1,
        *,
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: Labels = None,
        greedy: bool = False,
        max_points: int | None = None,
        sample_z: bool = False,
        z: np.ndarray | None = None,
    ) -> drawing.Sketches:
        """Finishes drawings that were begun.

        The last point's pen says how to go on: 0 goes on with the stroke, 1 begins another.

        Args:
          sketches: the beginnings; they are the first points of the results, untouched, and
            `Sketch.given` counts them.
          num: how many continuations of each; those of one beginning follow each other.
          temperature: see the class, as for the other common arguments; one for each beginning.
          seed: continuation j of beginning i is the same whatever `num` is.
          label: class.
          greedy: always the likeliest point; all continuations are then the same.
          max_points: where to stop, the given points included.
          sample_z: each continuation draws its z from q(z|beginning) instead of taking the mean.
          z: latent vectors [S, Z] to go on with instead of the beginnings' own.

        Returns:
          S x num sketches, a row for each beginning.

        Raises:
          ValueError: a beginning without points or with more than `max_points`, a wrong argument.
        """
        num = arguments.count("num", num, arguments.MOST_COPIES)
        begun = self._normalised(sketches)
        limit = self._limit(max_points)
        for i, rows in enumerate(begun):
            if len(rows) > limit:
                raise ValueError(
                    f"sketch {i} has {len(rows)} points, more than the {limit} allowed"
                )
        copies = [arguments.seeds(seed, len(begun), copy) for copy in range(num)]
        seeds = np.stack(copies, axis=1).reshape(-1, 2)  # continuations of one beginning together
        prefixes, labels = _repeated(begun, num), _repeated_labels(label, num)
        if z is not None:
            z = np.repeat(self._check_latents(z, len(begun)), num, axis=0)
        elif self.model.conditional:
            z = self._encode(prefixes, labels, seeds if sample_z else None)
        tau = np.repeat(arguments.temperatures(temperature, len(begun)), num, axis=0)
        drawn = self._draw(z, seeds, tau, labels, greedy, max_points, prefixes)
        whole = [
            _joined(np.asarray(given), sketch, len(prefix) + self.config.drop_first_point)
            for given, prefix, sketch in zip(_repeated(sketches, num), prefixes, drawn, strict=True)
        ]
        return drawing.Sketches(whole, columns=num if num > 1 else None)

    def interpolate(
        self,
        ends: Sequence[np.ndarray],
        steps: int = 10,
        *,
        interpolation: str = "spherical",
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: str | None = None,
        greedy: bool = False,
        max_points: int | None = None,
    ) -> drawing.Sketches:
        """Draws the way between two drawings, or the square between four.

        All steps are drawn with the same random numbers, so that what changes is z.

        Args:
          ends: two or four (top left, top right, bottom left, bottom right), each a drawing or a
            latent vector [Z].
          steps: drawings from end to end, the ends' reconstructions included.
          interpolation: `spherical` or `linear`.
          temperature: see the class, as for the other common arguments.
          seed: of the drawing.
          label: class.
          greedy: always the likeliest point.
          max_points: where to stop.

        Returns:
          `steps` sketches, or `steps` rows of them.

        Raises:
          ValueError: the model has no encoder, or an argument is wrong.
        """
        z = latent.between(self._latents(ends, label), steps, interpolation)
        return self._draw_alike(z, steps, seed, temperature, label, greedy, max_points)

    def analogy(
        self,
        start: Sequence[np.ndarray],
        minus: Sequence[np.ndarray],
        plus: Sequence[np.ndarray],
        num: int = 1,
        *,
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: str | None = None,
        greedy: bool = False,
        max_points: int | None = None,
    ) -> drawing.Sketches:
        """Draws mean z(start) - mean z(minus) + mean z(plus).

        Args:
          start: drawings or latent vectors [Z], at least one; as `minus` and `plus`.
          minus: what is taken away.
          plus: what is added.
          num: how many drawings of the result.
          temperature: see the class, as for the other common arguments.
          seed: of the drawing.
          label: class.
          greedy: always the likeliest point.
          max_points: where to stop.

        Raises:
          ValueError: the model has no encoder, a set is empty, or an argument is wrong.
        """
        num = arguments.count("num", num)
        z = latent.analogy(*(self._latents(part, label) for part in (start, minus, plus)))
        seeds = arguments.seeds(seed, num)
        return self._draw(np.tile(z, (num, 1)), seeds, temperature, label, greedy, max_points)

    def explore(
        self,
        sketches: Sequence[np.ndarray],
        directions: int = 4,
        steps: int = 7,
        *,
        span: float = 2.0,
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: str | None = None,
        greedy: bool = False,
        max_points: int | None = None,
    ) -> drawing.Sketches:
        """Draws a strip along each direction in which the drawings' latent vectors differ most.

        Args:
          sketches: drawings or latent vectors [Z], more than `directions`.
          directions: how many principal directions.
          steps: drawings a direction; the middle one of an odd number is the mean.
          span: how far a strip goes to either side, in standard deviations.
          temperature: see the class, as for the other common arguments.
          seed: of the drawing.
          label: class.
          greedy: always the likeliest point.
          max_points: where to stop.

        Returns:
          `directions` rows of `steps` sketches, titled with their shares of the variance.

        Raises:
          ValueError: the model has no encoder, too few drawings, or an argument is wrong.
        """
        walks, shares = latent.strips(self._latents(sketches, label), directions, steps, span)
        z = walks.reshape(-1, walks.shape[-1])
        drawn = self._draw_alike(z, steps, seed, temperature, label, greedy, max_points)
        drawn.layout["row_titles"] = [f"{i + 1}: {share:.0%}" for i, share in enumerate(shares)]
        return drawn

    def score(self, sketches: Drawings, *, label: Labels = None) -> list[dict[str, Any]]:
        """Returns what drawings cost in nats, one dict a drawing; see `evaluation.score`.

        Raises:
          ValueError: a drawing is not stroke-3, or an unknown class.
        """
        from sketch_rnn_tf import evaluation

        labels = self._labels(label, len(sketches))
        rows = [self._without_start(sketch) for sketch in sketches]
        return evaluation.score(self.model, self.config, rows, labels)

    def with_settings(self, **changes: Any) -> Sketcher:
        """Returns a Sketcher of the same model with other configuration fields."""
        return Sketcher(self.model, dataclasses.replace(self.config, **changes))

    def _draw_alike(self, z, columns, seed, temperature, label, greedy, max_points):
        """Draws a grid of latent vectors, all with the first sketch's seeds."""
        seeds = np.repeat(arguments.seeds(seed, 1), len(z), axis=0)
        drawn = self._draw(z, seeds, temperature, label, greedy, max_points)
        drawn.layout["columns"] = columns
        return drawn

    def _draw(self, z, seeds, temperature, label, greedy, max_points, prefixes=None):
        """Decodes latent vectors [S, Z], or nothing for a decoder alone, to sketches."""
        limit = self._limit(max_points)
        if isinstance(temperature, np.ndarray) and temperature.ndim == 2:
            tau = temperature
        else:
            tau = arguments.temperatures(temperature, len(seeds))
        labels = self._labels(label, len(seeds))
        rows, ended = self._sampler.draw(z, labels, seeds, tau, limit, greedy, prefixes)
        names = [None if labels is None else self.config.classes[i] for i in _or_none(labels, rows)]
        return drawing.Sketches(
            drawing.Sketch(self._source_units(points), name, end)
            for points, name, end in zip(rows, names, ended, strict=True)
        )

    def _source_units(self, rows: np.ndarray) -> np.ndarray:
        """Returns stroke-3 in source units of normalised stroke-3; a dropped row 0 is put back."""
        points = rows * np.float32([self.config.scale_factor, self.config.scale_factor, 1])
        if not self.config.drop_first_point:
            return points
        return np.concatenate([np.zeros((1, 3), np.float32), points])

    def _normalised(self, sketches: Drawings) -> list[np.ndarray]:
        """Returns stroke-3 rows in normalised units, as the model was trained on them."""
        found = []
        for i, sketch in enumerate(sketches):
            rows = self._without_start(strokes.check_stroke3(np.asarray(sketch), f"sketch {i}"))
            if not len(rows):
                raise ValueError(f"sketch {i} has no points")
            found.append(batches.normalised(rows, self.config.scale_factor))
        if not found:
            raise ValueError("there are no sketches")
        return found

    def _without_start(self, sketch: np.ndarray) -> np.ndarray:
        """Returns rows without the row 0 that `drop_first_point` models have not seen."""
        rows = np.asarray(sketch)
        seen = not self.config.drop_first_point or rows.ndim != 2 or not len(rows)
        return rows if seen or rows[0, :2].any() else rows[1:]

    def _encode(self, rows, label, seeds) -> np.ndarray:
        self._require_encoder()
        return self._sampler.encode(rows, self._labels(label, len(rows)), seeds)

    def _latents(self, items: Sequence[np.ndarray], label: str | None) -> np.ndarray:
        """Returns latent vectors [S, Z] of drawings and latent vectors."""
        self._require_encoder()
        arrays = [np.asarray(item) for item in items]
        if not arrays:
            raise ValueError("there are no sketches")
        flat = [i for i, array in enumerate(arrays) if array.ndim == 1 and array.size]
        z = np.zeros((len(arrays), self.model.z_size), np.float32)
        for i in flat:
            z[i] = self._check_latents(arrays[i][None], 1)[0]
        others = [i for i in range(len(arrays)) if i not in flat]
        if others:
            z[others] = self.encode([items[i] for i in others], label=label)
        return z

    def _check_latents(self, z: np.ndarray, num: int) -> np.ndarray:
        self._require_encoder()
        z = np.asarray(z, np.float32)
        if z.shape != (num, self.model.z_size) or not np.isfinite(z).all():
            raise ValueError(
                f"z has shape {list(z.shape)}, expected finite numbers {[num, self.model.z_size]}"
            )
        return z

    def _require_encoder(self) -> None:
        if not self.model.conditional:
            raise ValueError(
                "this model is a decoder alone: without an encoder it can generate and complete,"
                " not encode, reconstruct or interpolate"
            )

    def _limit(self, max_points: int | None) -> int:
        if max_points is None:
            return self.config.max_length
        return arguments.count("max_points", max_points)

    def _labels(self, label: Labels, num: int) -> np.ndarray | None:
        """Returns labels int32 [num], or None for a model without classes."""
        if not self.model.num_classes:
            if label is not None:
                raise ValueError(f"the model is not class-conditioned: it cannot draw {label!r}")
            return None
        names = [label] * num if label is None or isinstance(label, str) else list(label)
        if len(names) != num:
            raise ValueError(f"{len(names)} labels do not fit {num} sketches")
        for name in names:
            if name not in self.config.classes:
                known = ", ".join(self.config.classes)
                raise ValueError(f"the model has no class {name!r}; it has {known}")
        return np.array([self.config.classes.index(name) for name in names], np.int32)


def _repeated(items: Sequence[Any], num: int) -> list[Any]:
    return [item for item in items for _ in range(num)]


def _repeated_labels(label: Labels, num: int) -> Labels:
    return label if label is None or isinstance(label, str) else _repeated(label, num)


def _or_none(labels: np.ndarray | None, rows: Sequence[Any]) -> Sequence[int | None]:
    return [None] * len(rows) if labels is None else labels.tolist()


def _joined(given: np.ndarray, drawn: drawing.Sketch, prefix: int) -> drawing.Sketch:
    """Returns the given rows, untouched, followed by what was drawn after `prefix` rows."""
    rows = np.concatenate([given, drawn.strokes[prefix:]])
    return drawing.Sketch(rows, drawn.label, drawn.ended, given=len(given))
