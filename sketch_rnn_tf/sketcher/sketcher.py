"""What can be asked of a model wherever it runs: at home, on a server, on a device. NumPy only.

`api.Sketcher`, `serving.Client` and `ondevice.Sampler` have these verbs and add what a `Backend`
needs: how drawings are encoded and how a request is drawn there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import drawing
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.sketcher import arguments, backend, latent_space
from sketch_rnn_tf.sketcher.arguments import (
    DEFAULT_TEMPERATURE,
    Drawings,
    Labels,
    Seed,
    Temperature,
)


class Verbs(backend.Backend):
    """A model in the user's units.

    Drawings go in as stroke-3 arrays or `Sketch`es in source units and come out as `Sketches`.
    What the verbs have in common:

    - temperature: tau, above 0: low is careful, 1 is as learnt. A number for all sketches, one for
      each, or {"pen": ..., "mixture": ..., "offset": ...} of such.
    - seed: an integer s gives sketch i the row of seeds (s, i); rows [num, 2] name them one by one.
    - label: class for all sketches or one for each; needed by class-conditioned models only.
    - greedy: always take the likeliest point; temperature and noise then do not matter.
    - max_points: where a drawing that does not end is cut off; the model's N_max when not given.
    - noise: the random numbers of the points, [num, T, 4] with T at least max_points, instead of
      the seed's: two uniforms for component and pen, two standard normals for x and y. Points that
      are given have rows too. The same noise is the same drawing in TensorFlow and on a device.
    """

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
        return self._sketches(dataclasses.replace(request, z=z))

    def encode(self, sketches: Drawings, *, label: Labels = None) -> np.ndarray:
        """Returns the z means of drawings, float32 [S, Z].

        Raises:
          UserError: the model has no encoder, or a drawing is not stroke-3 or has no points.
        """
        self._require_encoder()
        rows = self._read(sketches)
        return self._encoded(rows, self._labels(label, len(rows)), None)

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
          sample_z: draw z from q(z|sketch) instead of taking its mean.
          noise: random numbers instead of the seed's.

        Raises:
          UserError: the model has no encoder, a drawing or an argument is wrong.
        """
        self._require_encoder()
        rows = self._read(sketches)
        request = self._request(len(rows), temperature, seed, label, greedy, max_points, noise)
        return self._sketches(dataclasses.replace(request, sources=rows, sample_z=sample_z))

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
        begun = self._read(sketches)
        request = self._request(
            len(begun), temperature, seed, label, greedy, max_points, noise, copies=num
        )
        _check_lengths(begun, request.limit)
        if sample_z:
            self._require_encoder()
        if z is not None and sample_z:
            raise UserError("z and sample_z exclude each other")
        if z is not None:
            z = np.repeat(self._checked_latents(z, len(begun)), num, axis=0)
        prefixes = _repeated(begun, num)
        sources = prefixes if z is None and self.conditional else None
        drawn = self._sketches(
            dataclasses.replace(
                request, z=z, sources=sources, sample_z=sample_z, prefixes=prefixes
            ),
            _repeated([np.asarray(sketch, np.float32) for sketch in sketches], num),
        )
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
          UserError: the model has no encoder, or an argument is wrong.
        """
        z = latent_space.between(self._latents(ends, label), steps, interpolation)
        return self._draw_alike(z, steps, temperature, seed, label, greedy, max_points)

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
          UserError: the model has no encoder, a set is empty, or an argument is wrong.
        """
        num = arguments.count("num", num)
        z = latent_space.analogy(*(self._latents(part, label) for part in (start, minus, plus)))
        request = self._request(num, temperature, seed, label, greedy, max_points)
        return self._sketches(dataclasses.replace(request, z=np.tile(z, (num, 1))))

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
          UserError: the model has no encoder, too few drawings, or an argument is wrong.
        """
        walks, shares = latent_space.strips(self._latents(sketches, label), directions, steps, span)
        z = walks.reshape(-1, walks.shape[-1])
        drawn = self._draw_alike(z, steps, temperature, seed, label, greedy, max_points)
        drawn.layout["row_titles"] = [f"{i + 1}: {share:.0%}" for i, share in enumerate(shares)]
        return drawn

    def score(self, sketches: Drawings, *, label: Labels = None) -> list[dict[str, Any]]:
        """Returns what drawings cost in nats: how badly the model would have guessed them.

        Args:
          sketches: the drawings.
          label: class.

        Returns:
          One dict a drawing: `index`, `label` (class or None), `points`, `offset_nats` and
          `pen_nats` (sums over its points, of densities in normalised units), `end_nats` (the end
          token after the last point), `nats` (their sum) and `kl_nats` (sum over Z, not part of
          `nats`; 0 for a decoder alone). z is z_mean.

        Raises:
          UserError: a drawing is not stroke-3, or an unknown class.
        """
        rows = self._read(sketches, least=0)
        if not rows:
            return []
        labels = self._labels(label, len(rows))
        nats = self._scores(rows, labels)
        return [
            {"index": i, "label": self._class_name(labels, i), "points": len(points)}
            | {name: float(values[i]) for name, values in nats.items()}
            for i, points in enumerate(rows)
        ]


def _check_lengths(begun: Sequence[np.ndarray], limit: int) -> None:
    for i, rows in enumerate(begun):
        if len(rows) > limit:
            problem = f"has {len(rows)} points, more than the {limit} allowed"
            raise arguments.SketchError(i, problem)


def _repeated(items: Sequence[Any], num: int) -> list[Any]:
    return [item for item in items for _ in range(num)]
