"""Where a model runs: how drawings are encoded and drawn there, and what every verb needs of it."""

from __future__ import annotations

import abc
import dataclasses
from collections.abc import Callable, Sequence

import numpy as np

from sketch_rnn_tf import config, drawing
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.sketcher import arguments
from sketch_rnn_tf.sketcher.arguments import Drawings, Labels

NATS = ("offset_nats", "pen_nats", "end_nats", "nats", "kl_nats")  # see `Verbs.score`


@dataclasses.dataclass(frozen=True, eq=False)
class Request:
    """What is to be drawn, a row a sketch. All arguments are checked.

    Attributes:
      seeds: int32 [S, 2].
      temperature: float32 [S, 3], of pen, mixture and offsets.
      labels: int32 [S] for class-conditioned models, else None.
      limit: the most points of a sketch, its prefix included.
      greedy: always the likeliest point.
      noise: float32 [S, limit, 4] instead of the seeds' random numbers, or None.
      z: float32 [S, Z], or None where they come from `sources`, the prior or nowhere.
      sources: stroke-3 rows, source units, whose latent vectors are drawn from, or None.
      sample_z: whether z is drawn from q(z|source) instead of taking its mean.
      prefixes: stroke-3 rows, source units, to begin with, or None.
    """

    seeds: np.ndarray
    temperature: np.ndarray
    labels: np.ndarray | None
    limit: int
    greedy: bool
    noise: np.ndarray | None = None
    z: np.ndarray | None = None
    sources: Sequence[np.ndarray] | None = None
    sample_z: bool = False
    prefixes: Sequence[np.ndarray] | None = None


class Backend(abc.ABC):
    """A model at home, on a server or on a device, below its verbs.

    Attributes:
      config: the run's configuration.
    """

    config: config.RunConfig

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

    @abc.abstractmethod
    def _drawn(self, request: Request) -> list[tuple[np.ndarray, bool]]:
        """Returns stroke-3 rows in source units, prefix included, and whether the sketch ended."""

    @abc.abstractmethod
    def _encoded(
        self, rows: Sequence[np.ndarray], labels: np.ndarray | None, seeds: np.ndarray | None
    ) -> np.ndarray:
        """Returns z means [S, Z] of stroke-3 rows in source units, or with seeds [S, 2] samples."""

    @abc.abstractmethod
    def _scores(
        self, rows: Sequence[np.ndarray], labels: np.ndarray | None
    ) -> dict[str, Sequence[float]]:
        """Returns the `NATS` of stroke-3 rows in source units, each [S]."""

    def _request(
        self, count, temperature, seed, label, greedy, max_points, noise=None, copies=1
    ) -> Request:
        """Returns a request for so many sketches, or for copies of each, one after the other."""
        limit = self._limit(max_points)
        seeds = [arguments.seeds(seed, count, copy) for copy in range(copies)]
        tau, labels = arguments.temperatures(temperature, count), self._labels(label, count)
        return Request(
            seeds=np.stack(seeds, axis=1).reshape(-1, 2),
            temperature=np.repeat(tau, copies, axis=0),
            labels=None if labels is None else np.repeat(labels, copies),
            limit=limit,
            greedy=greedy,
            noise=None if noise is None else arguments.noise(noise, count * copies, limit),
        )

    def _draw_alike(self, z, columns, temperature, seed, label, greedy, max_points):
        """Draws a grid of latent vectors, all with the first sketch's seeds."""
        seeds = np.repeat(arguments.seeds(seed, 1), len(z), axis=0)
        request = self._request(len(z), temperature, seeds, label, greedy, max_points)
        drawn = self._sketches(dataclasses.replace(request, z=z))
        drawn.layout["columns"] = columns
        return drawn

    def _sketches(
        self, request: Request, given: Sequence[np.ndarray] | None = None
    ) -> drawing.Sketches:
        """Draws a request. What was given stands, as it was given, for the prefix."""
        found = drawing.Sketches()
        for i, (rows, ended) in enumerate(self._drawn(request)):
            first = np.zeros((int(self.config.drop_first_point), 3), np.float32)  # is put back
            if given is not None:
                first, rows = given[i], rows[len(request.prefixes[i]) :]
            name = self._class_name(request.labels, i)
            count = 0 if given is None else len(first)
            found.append(drawing.Sketch(np.concatenate([first, rows]), name, ended, count))
        return found

    def _request_latents(
        self, request: Request, prior: Callable[[np.ndarray], np.ndarray]
    ) -> np.ndarray | None:
        """Returns the latent vectors [S, Z] that a request is drawn from, or None without any.

        Args:
          request: the request.
          prior: gives vectors [S, Z] from the prior for rows of seeds [S, 2].
        """
        if request.sources is not None:
            self._require_encoder()
            seeds = request.seeds if request.sample_z else None
            return self._encoded(request.sources, request.labels, seeds)
        if request.z is None and self.conditional:
            return prior(request.seeds)
        return request.z

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

    def _read(self, sketches: Drawings, least: int = 1) -> list[np.ndarray]:
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
            raise UserError(
                "this model is a decoder alone: without an encoder it can generate and complete,"
                " not encode, reconstruct or interpolate"
            )

    def _limit(self, max_points: int | None) -> int:
        if max_points is None:
            return self.config.max_length
        return arguments.count("max_points", max_points)

    def _labels(self, label: Labels, num: int) -> np.ndarray | None:
        return arguments.labels(label, num, self.classes)

    def _class_name(self, labels: np.ndarray | None, i: int) -> str | None:
        return None if labels is None else self.classes[labels[i]]
