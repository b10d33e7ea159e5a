"""Where a model runs: what every backend does for the verbs of `Sketcher`.

There are three: `sampling.keras_backend` (a Keras model in this process), `serving` (a server) and
`ondevice` (a `.tflite` file without TensorFlow).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np

from sketch_rnn_tf.config import RunConfig
from sketch_rnn_tf.latent_prior import LatentPrior

NATS = ("offset_nats", "pen_nats", "end_nats", "nats", "kl_nats")  # see `Sketcher.score`
NO_ENCODER = (
    "this model is a decoder alone: without an encoder it can generate and complete, not encode,"
    " reconstruct or interpolate"
)


@dataclasses.dataclass(frozen=True, eq=False)
class Request:
    """What is to be drawn, one row per sketch. All arguments have been checked.

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
      latent_seeds: int32 [S, 2] for the latent vectors, where they differ from `seeds`: sketches
        that came out empty are drawn again with other points from the same z.
    """

    seeds: np.ndarray
    temperature: np.ndarray
    labels: np.ndarray | None
    limit: int
    greedy: bool = False
    noise: np.ndarray | None = None
    z: np.ndarray | None = None
    sources: Sequence[np.ndarray] | None = None
    sample_z: bool = False
    prefixes: Sequence[np.ndarray] | None = None
    latent_seeds: np.ndarray | None = None

    def rows(self, chosen: Sequence[int]) -> Request:
        """Returns the request for some of the sketches only."""
        parts = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if isinstance(value, np.ndarray):
                value = value[list(chosen)]
            elif isinstance(value, (list, tuple)):
                value = [value[i] for i in chosen]
            parts[field.name] = value
        return Request(**parts)

    def latents(
        self,
        encode: Callable[[Sequence[np.ndarray], np.ndarray | None, np.ndarray | None], np.ndarray],
        normals: Callable[[np.ndarray], np.ndarray] | None,
        prior: LatentPrior | None,
    ) -> np.ndarray | None:
        """Returns the latent vectors [S, Z] that the sketches are drawn from, or None without any.

        Args:
          encode: `Backend.encode`.
          normals: gives standard normals [S, Z] for rows of seeds [S, 2]; None for a decoder alone.
          prior: the model's own, which makes latent vectors of them; None: they are N(0, 1).
        """
        seeds = self.seeds if self.latent_seeds is None else self.latent_seeds
        if self.z is None and self.sources is not None:
            return encode(self.sources, self.labels, seeds if self.sample_z else None)
        if self.z is None and normals is not None:
            return normals(seeds) if prior is None else prior(normals(seeds), self.labels)
        return self.z


class Backend(Protocol):
    """A model at home, on a server or on a device, below its verbs.

    A backend may also have `points(request)`, which yields one sketch point by point, and
    `close()`.

    Attributes:
      config: the run's configuration.
    """

    config: RunConfig

    def draw(self, request: Request) -> list[tuple[np.ndarray, bool]]:
        """Returns stroke-3 rows in source units, prefix included, and whether the sketch ended."""

    def encode(
        self, rows: Sequence[np.ndarray], labels: np.ndarray | None, seeds: np.ndarray | None
    ) -> np.ndarray:
        """Returns z means [S, Z] of stroke-3 rows in source units, or with seeds [S, 2] samples."""

    def score(
        self, rows: Sequence[np.ndarray], labels: np.ndarray | None
    ) -> dict[str, Sequence[float]]:
        """Returns the `NATS` of stroke-3 rows in source units, each [S]."""
