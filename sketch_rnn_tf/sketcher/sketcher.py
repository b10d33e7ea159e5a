"""A model in the user's hands: drawings in source units in, drawings in source units out.

    sketcher = sketch_rnn_tf.load_model("runs/sheep")
    sketcher.generate(9, temperature=0.4, seed=0)
    sketcher.complete(begun, num=3)

The verbs are the same wherever the model runs; what differs is the `backend`. NumPy only.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import drawing, requirement
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.sketcher import arguments, latent_space
from sketch_rnn_tf.sketcher.arguments import (
    DEFAULT_TEMPERATURE,
    Drawings,
    Labels,
    Seed,
    Temperature,
)
from sketch_rnn_tf.sketcher.backend import NO_ENCODER, Backend, Request


class Sketcher:
    """A model in the user's units.

    Drawings go in as stroke-3 arrays or as `Sketch` in source units and come out as `Sketches`.
    What the verbs have in common:

    - temperature: tau, above 0: low is careful, 1 is as learned. One number for all sketches, one
      per sketch, or {"pen": ..., "mixture": ..., "offset": ...} of such.
    - seed: an integer s gives sketch i the row of seeds (s, i); rows [num, 2] name them one by one.
      Sketch i of a seed is drawn from random numbers of its own, so it is the same drawing alone
      and inside any batch.
    - label: class for all sketches or one per sketch; needed by class-conditioned models only, and
      not where the drawings that are given carry classes of theirs.
    - greedy: always take the likeliest point; temperature and noise then do not matter.
    - max_points: where a drawing that does not end is cut off; the model's N_max when not given.
    - noise: the random numbers of the points, [num, T, 4] with T at least max_points, instead of
      the seed's: two uniforms for component and pen, two standard normals for x and y. Points that
      are given have rows too. The same noise is the same drawing in TensorFlow and on a device.
    - keep_empty: keep sketches that ended before anything was drawn. Otherwise each is drawn
      again from the next seeds of its own, see `arguments.seeds_again`.

    Args:
      model: a `Backend`, or a Keras `SketchRNN` that lives in this process.
      scale_factor: source units per normalized unit, for a Keras model.
      **settings: further fields of `config.RunConfig` for a Keras model, such as `classes` or
        `temperature_mode`; what the model itself knows need not be given.

    Raises:
      UserError: settings for a backend, which has its own, or no scale factor for a Keras model.
    """

    def __init__(self, model: Backend | Any, scale_factor: float | None = None, **settings: Any):
        if hasattr(type(model), "draw"):  # of the type: asking a server's instance may be a request
            if scale_factor is not None or settings:
                raise UserError("a backend has its own scale factor and settings")
            self.backend = model
        else:
            # Here alone a lower room reaches up: whoever has a live Keras model has TensorFlow.
            requirement.load("tensorflow", "a Sketcher of a Keras model")
            from sketch_rnn_tf.sampling import keras_backend

            self.backend = keras_backend.of_model(
                model,  # type: ignore[arg-type]
                scale_factor,
                **settings,
            )

    def __enter__(self) -> Sketcher:
        """Returns itself; leaving the block closes the backend, such as a server's connection."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends what the backend holds open, such as a connection."""
        close = getattr(self.backend, "close", None)
        if close:
            close()

    @property
    def config(self):
        """The run's configuration, a `config.RunConfig`."""
        return self.backend.config

    @property
    def model(self) -> Any:
        """The Keras model.

        Raises:
          UserError: the model runs elsewhere, on a server or in a `.tflite` file.
        """
        if not hasattr(self.backend, "model"):
            raise UserError("the Keras model is not here: this one runs on a server or a device")
        return self.backend.model

    @property
    def conditional(self) -> bool:
        """Whether the model has latent vectors; else it is a decoder alone."""
        return self.config.model.conditional

    @property
    def z_size(self) -> int:
        """Z, how many numbers a latent vector has."""
        return self.config.model.z_size

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by label; empty unless the model is class-conditioned."""
        return self.config.classes if self.config.model.class_conditioned else ()

    def with_settings(self, **changes: Any) -> Sketcher:
        """Returns a Sketcher of the same model with other configuration fields.

        Raises:
          UserError: the backend's settings are fixed, as a server's are.
        """
        if not hasattr(self.backend, "with_config"):
            raise UserError("the settings of this model cannot be changed from here")
        return Sketcher(self.backend.with_config(dataclasses.replace(self.config, **changes)))

    def generate(
        self,
        num: int = 1,
        *,
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: Labels = None,
        greedy: bool = False,
        max_points: int | None = None,
        keep_empty: bool = False,
        z: np.ndarray | None = None,
        noise: np.ndarray | None = None,
    ) -> drawing.Sketches:
        """Draws new sketches.

        Args:
          num: how many.
          temperature: see the class, as for the other common arguments.
          seed: sketch i of a seed is the same drawing whatever `num` is.
          label: class.
          greedy: always the likeliest point.
          max_points: where to stop.
          keep_empty: keep sketches without any ink.
          z: latent vectors [num, Z] to draw from; from the prior N(0, 1) when not given.
          noise: random numbers instead of the seed's.

        Returns:
          The sketches, source units.

        Raises:
          UserError: an argument is out of range, an unknown class, z for a decoder alone.
        """
        num = arguments.count("num", num)
        request = self._request(num, temperature, seed, label, greedy, max_points, noise)
        z = None if z is None else self._checked_latents(z, num)
        return self._drawn(dataclasses.replace(request, z=z), keep_empty)

    def encode(self, sketches: Drawings, *, label: Labels = None) -> np.ndarray:
        """Returns the z means of drawings, float32 [S, Z].

        Raises:
          UserError: the model has no encoder, or a drawing is not stroke-3 or has no points.
        """
        self._require_encoder()
        rows = self._rows(sketches)
        labels = arguments.labels(self._classes_of(sketches, label), len(rows), self.classes)
        return self.backend.encode(rows, labels, None)

    def reconstruct(
        self,
        sketches: Drawings,
        *,
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: Labels = None,
        greedy: bool = False,
        max_points: int | None = None,
        keep_empty: bool = False,
        sample_z: bool = False,
        noise: np.ndarray | None = None,
    ) -> drawing.Sketches:
        """Draws sketches again from their latent vectors.

        Args:
          sketches: the drawings.
          temperature: see the class, as for the other common arguments.
          seed: of the drawing, and of z where it is sampled.
          label: class.
          greedy: always the likeliest point.
          max_points: where to stop.
          keep_empty: keep sketches without any ink.
          sample_z: draw z from q(z|sketch) instead of taking its mean.
          noise: random numbers instead of the seed's.

        Raises:
          UserError: the model has no encoder, a drawing or an argument is wrong.
        """
        self._require_encoder()
        rows = self._rows(sketches)
        label = self._classes_of(sketches, label)
        request = self._request(len(rows), temperature, seed, label, greedy, max_points, noise)
        request = dataclasses.replace(request, sources=rows, sample_z=sample_z)
        return self._drawn(request, keep_empty)

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
        noise: np.ndarray | None = None,
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
          noise: random numbers [S x num, T, 4] instead of the seed's.

        Returns:
          S x num sketches, a row for each beginning.

        Raises:
          UserError: a beginning without points or with more than `max_points`, a wrong argument.
        """
        num = arguments.count("num", num, arguments.MOST_COPIES)
        begun = self._rows(sketches)
        label = self._classes_of(sketches, label)
        request = self._request(
            len(begun), temperature, seed, label, greedy, max_points, noise, copies=num
        )
        for i, rows in enumerate(begun):
            if len(rows) > request.limit:
                problem = f"has {len(rows)} points, more than the {request.limit} allowed"
                raise arguments.SketchError(i, problem)
        if sample_z:
            self._require_encoder()
        if z is not None and sample_z:
            raise UserError("z and sample_z exclude each other")
        if z is not None:
            z = np.repeat(self._checked_latents(z, len(begun)), num, axis=0)
        prefixes = [rows for rows in begun for _ in range(num)]
        given = [np.asarray(sketch, np.float32) for sketch in sketches for _ in range(num)]
        sources = prefixes if z is None and self.conditional else None
        request = dataclasses.replace(
            request, z=z, sources=sources, sample_z=sample_z, prefixes=prefixes
        )
        drawn = drawing.Sketches()
        for i, (rows, ended) in enumerate(self.backend.draw(request)):
            # What was given stands, as it was given, for the prefix.
            whole = np.concatenate([given[i], rows[len(prefixes[i]) :]])
            name = self._class_name(request.labels, i)
            drawn.append(drawing.Sketch(whole, name, ended, given=len(given[i])))
        drawn.layout["columns"] = num if num > 1 else None
        return drawn

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
        keep_empty: bool = False,
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
          keep_empty: keep sketches without any ink.

        Returns:
          `steps` sketches, or `steps` rows of them.

        Raises:
          UserError: the model has no encoder, or an argument is wrong.
        """
        label = self._class_of_all(ends, label)
        z = latent_space.between(self._latents(ends, label), steps, interpolation)
        return self._draw_alike(z, steps, temperature, seed, label, greedy, max_points, keep_empty)

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
        keep_empty: bool = False,
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
          keep_empty: keep sketches without any ink.

        Raises:
          UserError: the model has no encoder, a set is empty, or an argument is wrong.
        """
        num = arguments.count("num", num)
        label = self._class_of_all([*start, *minus, *plus], label)
        z = latent_space.analogy(*(self._latents(part, label) for part in (start, minus, plus)))
        request = self._request(num, temperature, seed, label, greedy, max_points)
        return self._drawn(dataclasses.replace(request, z=np.tile(z, (num, 1))), keep_empty)

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
        keep_empty: bool = False,
    ) -> drawing.Sketches:
        """Draws a strip along each direction in which the drawings' latent vectors differ most.

        Args:
          sketches: drawings or latent vectors [Z], more than `directions`.
          directions: how many principal directions.
          steps: drawings per direction; the middle one of an odd number is the mean.
          span: how far a strip goes to either side, in standard deviations.
          temperature: see the class, as for the other common arguments.
          seed: of the drawing.
          label: class.
          greedy: always the likeliest point.
          max_points: where to stop.
          keep_empty: keep sketches without any ink.

        Returns:
          `directions` rows of `steps` sketches, titled with their shares of the variance.

        Raises:
          UserError: the model has no encoder, too few drawings, or an argument is wrong.
        """
        label = self._class_of_all(sketches, label)
        walks, shares = latent_space.strips(self._latents(sketches, label), directions, steps, span)
        z = walks.reshape(-1, walks.shape[-1])
        drawn = self._draw_alike(z, steps, temperature, seed, label, greedy, max_points, keep_empty)
        drawn.layout["row_titles"] = [f"{i + 1}: {share:.0%}" for i, share in enumerate(shares)]
        return drawn

    def score(self, sketches: Drawings, *, label: Labels = None) -> list[dict[str, Any]]:
        """Returns what drawings cost in nats: how badly the model would have guessed them.

        Args:
          sketches: the drawings.
          label: class.

        Returns:
          One dict per drawing: `index`, `label` (class or None), `points`, `offset_nats` and
          `pen_nats` (sums over its points, of densities in normalized units), `end_nats` (the end
          token after the last point), `nats` (their sum) and `kl_nats` (sum over Z, not part of
          `nats`; 0 for a decoder alone). z is z_mean.

        Raises:
          UserError: a drawing is not stroke-3, or an unknown class.
        """
        rows = self._rows(sketches, least=0)
        if not rows:
            return []
        labels = arguments.labels(self._classes_of(sketches, label), len(rows), self.classes)
        nats = self.backend.score(rows, labels)
        return [
            {"index": i, "label": self._class_name(labels, i), "points": len(points)}
            | {name: float(values[i]) for name, values in nats.items()}
            for i, points in enumerate(rows)
        ]

    def points(
        self,
        *,
        temperature: Temperature = DEFAULT_TEMPERATURE,
        seed: Seed = 0,
        label: str | None = None,
        greedy: bool = False,
        max_points: int | None = None,
        z: np.ndarray | None = None,
    ) -> Iterator[np.ndarray]:
        """Draws one sketch point by point, as an app does.

        Arguments as in `generate`, which draws the same sketch with `keep_empty`. Yields
        (dx, dy, pen_lifted) in source units as soon as a point is drawn.

        Raises:
          UserError: the backend draws whole sketches only, or an argument is wrong.
        """
        if not hasattr(self.backend, "points"):
            raise UserError("only a .tflite file draws point by point: see sketch_rnn_tf.ondevice")
        request = self._request(1, temperature, seed, label, greedy, max_points)
        if z is not None:
            request = dataclasses.replace(request, z=self._checked_latents(z, 1))
        return self.backend.points(request)

    def _request(
        self, count, temperature, seed, label, greedy, max_points, noise=None, copies=1
    ) -> Request:
        """Returns a request for so many sketches, or for copies of each, one after the other."""
        limit = self.config.max_length
        if max_points is not None:
            limit = arguments.count("max_points", max_points)
        seeds = [arguments.seeds(seed, count, copy) for copy in range(copies)]
        tau = arguments.temperatures(temperature, count)
        labels = arguments.labels(label, count, self.classes)
        return Request(
            seeds=np.stack(seeds, axis=1).reshape(-1, 2),
            temperature=np.repeat(tau, copies, axis=0),
            labels=None if labels is None else np.repeat(labels, copies),
            limit=limit,
            greedy=greedy,
            noise=None if noise is None else arguments.noise(noise, count * copies, limit),
        )

    def _drawn(self, request: Request, keep_empty: bool) -> drawing.Sketches:
        """Draws a request without prefixes."""
        # Row 0 of a drawing that is prepared from absolute coordinates: such a model never saw it.
        first = np.zeros((int(self.config.drop_first_point), 3), np.float32)
        found = self.backend.draw(request)
        if not (keep_empty or request.greedy or request.noise is not None):
            self._draw_empty_ones_again(request, found, len(first))
        return drawing.Sketches(
            drawing.Sketch(
                np.concatenate([first, rows]), self._class_name(request.labels, i), ended
            )
            for i, (rows, ended) in enumerate(found)
        )

    def _draw_empty_ones_again(self, request: Request, found: list, dropped: int) -> None:
        """Replaces sketches that ended before anything was drawn, in place."""
        for attempt in range(1, arguments.ATTEMPTS + 1):
            empty = [
                i for i, (rows, ended) in enumerate(found) if ended and len(rows) + dropped <= 1
            ]
            if not empty:
                return
            again = dataclasses.replace(
                request,
                seeds=arguments.seeds_again(request.seeds, attempt),
                latent_seeds=request.seeds,
            )
            for i, drawn in zip(empty, self.backend.draw(again.rows(empty)), strict=True):
                found[i] = drawn

    def _draw_alike(self, z, columns, temperature, seed, label, greedy, max_points, keep_empty):
        """Draws a grid of latent vectors, all with the first sketch's seeds."""
        seeds = np.repeat(arguments.seeds(seed, 1), len(z), axis=0)
        request = self._request(len(z), temperature, seeds, label, greedy, max_points)
        drawn = self._drawn(dataclasses.replace(request, z=z), keep_empty)
        drawn.layout["columns"] = columns
        return drawn

    def _latents(self, items: Sequence[np.ndarray], label: str | None) -> np.ndarray:
        """Returns latent vectors [S, Z] of drawings and latent vectors."""
        self._require_encoder()
        arrays = [np.asarray(item) for item in items]
        if not arrays:
            raise UserError("there are no sketches")
        flat = [array.ndim == 1 and array.size > 0 for array in arrays]
        drawings = [item for item, is_latent in zip(items, flat, strict=True) if not is_latent]
        encoded = iter(self.encode(drawings, label=label) if drawings else ())
        return np.stack(
            [
                self._checked_latents(array[None], 1)[0] if is_latent else next(encoded)
                for array, is_latent in zip(arrays, flat, strict=True)
            ]
        )

    def _rows(self, sketches: Drawings, least: int = 1) -> list[np.ndarray]:
        """Returns drawings as checked rows, without the row 0 that the model has not seen."""
        return arguments.drawings(
            sketches, drop_first_point=self.config.drop_first_point, least=least
        )

    def _checked_latents(self, z: np.ndarray, num: int) -> np.ndarray:
        if not self.conditional:
            raise UserError("this model is a decoder alone: it reads no latent vector")
        return arguments.latents(z, num, self.z_size)

    def _require_encoder(self) -> None:
        if not self.conditional:
            raise UserError(NO_ENCODER)

    def _classes_of(self, sketches: Drawings, label: Labels) -> Labels:
        """Returns the classes that are given, else those that all of the sketches carry."""
        if label is not None or not self.classes:
            return label
        own = [getattr(sketch, "label", None) for sketch in sketches]
        known = [name for name in own if name is not None and name in self.classes]
        return known if known and len(known) == len(own) else None

    def _class_of_all(self, items: Sequence[np.ndarray], label: str | None) -> str | None:
        """Returns the class that is given, else the one that all sketches among the items carry."""
        drawings = [item for item in items if np.ndim(item) != 1]
        own = set(self._classes_of(drawings, None) or ())
        return own.pop() if label is None and len(own) == 1 else label

    def _class_name(self, labels: np.ndarray | None, i: int) -> str | None:
        return None if labels is None else self.classes[labels[i]]
