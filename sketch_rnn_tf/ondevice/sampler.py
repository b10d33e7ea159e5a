"""An exported model in the user's hands: the verbs of `Sketcher` without TensorFlow."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from sketch_rnn_tf import config, files
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.ondevice import noise as random_numbers
from sketch_rnn_tf.ondevice import runtime
from sketch_rnn_tf.ondevice.drawer import Drawer
from sketch_rnn_tf.sketcher import arguments, backend, sketcher
from sketch_rnn_tf.sketcher.arguments import DEFAULT_TEMPERATURE, Seed, Temperature


class Sampler(sketcher.Verbs):
    """Draws with a `.tflite` file: the verbs of `sampling.verbs.Verbs`, and `points`.

    A seed draws the sketches that `Sketcher` draws with it (see `ondevice.noise`), quantised files
    those of their own weights.

    Args:
      path: a file of `sketch-rnn-export --format litert`.
      threads: threads of the interpreter; one is fastest for models of this size.
      xnnpack: whether the XNNPACK kernels are used.
      temperature_mode: how a temperature acts, instead of the model's own.

    Raises:
      UserError: the file is not ours, damaged or of a newer version, or ai-edge-litert is missing.
    """

    def __init__(
        self,
        path: files.PathLike,
        *,
        threads: int = 1,
        xnnpack: bool = True,
        temperature_mode: str | None = None,
    ):
        threads = arguments.count("threads", threads)
        self._model = runtime.Model(path, threads, xnnpack)
        mode = temperature_mode or self.metadata["temperature_mode"]
        if mode not in config.TEMPERATURE_MODES:
            known = ", ".join(config.TEMPERATURE_MODES)
            raise UserError(f"there is no temperature mode {mode!r}; there are {known}")
        self._drawer = Drawer(self._model, mode)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says of its model."""
        return self._model.metadata

    @functools.cached_property
    def config(self) -> config.RunConfig:
        """What is known of the run's configuration: enough to read drawings as it does."""
        facts = self.metadata
        model = config.ModelConfig(
            conditional=facts["conditional"],
            z_size=facts["z_size"],
            num_mixtures=facts["num_mixtures"],
            class_conditioned=bool(facts["classes"]),
        )
        names = ("scale_factor", "max_length", "temperature_mode", "drop_first_point")
        return config.RunConfig(
            **{name: facts[name] for name in names},
            classes=tuple(facts["classes"]),
            start_token=tuple(facts["start_token"]),
            simplification=facts["simplification"],
            canvas=facts.get("canvas"),
            model=model,
        )

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

        Arguments as in `generate`, which draws the same sketch. Yields (dx, dy, pen_lifted) in
        source units as soon as a point is drawn.
        """
        request = self._request(1, temperature, seed, label, greedy, max_points)
        if z is not None:
            request = dataclasses.replace(request, z=self._checked_latents(z, 1))
        noise = random_numbers.noise(request.seeds[0], request.limit)
        scale = np.float32([self.metadata["scale_factor"]] * 2 + [1])
        inputs = _inputs(self._request_latents(request, self._prior), request.labels, 0)
        rows = self._drawer.points(inputs, noise, request.temperature[0], greedy)
        return (row[[0, 1, 3]] * scale for row in rows if row[4] < 0.5)

    def _drawn(self, request: backend.Request) -> list[tuple[np.ndarray, bool]]:
        z, found = self._request_latents(request, self._prior), []
        for i, seeds in enumerate(request.seeds):
            given = request.noise
            noise = random_numbers.noise(seeds, request.limit) if given is None else given[i]
            prefix = None if request.prefixes is None else request.prefixes[i]
            inputs = _inputs(z, request.labels, i)
            tau = request.temperature[i]
            found.append(self._drawer.draw(inputs, noise, tau, request.greedy, prefix))
        return found

    def _encoded(self, rows, labels, seeds) -> np.ndarray:
        found = [self._drawer.encode(rows[i], _inputs(None, labels, i)) for i in range(len(rows))]
        z = np.stack([latents["z_mean"] for latents in found])
        if seeds is None:
            return z
        log_var = np.stack([latents["z_log_var"] for latents in found])
        return z + np.exp(log_var / 2) * self._prior(seeds)

    def _scores(self, rows, labels) -> dict[str, list[float]]:
        if self.conditional:
            self._require_encoder()
        found = [self._score(points, _inputs(None, labels, i)) for i, points in enumerate(rows)]
        return {name: [one[name] for one in found] for name in backend.NATS}

    def _score(self, points: np.ndarray, inputs: dict[str, np.ndarray]) -> dict[str, float]:
        kl_nats = 0.0
        if self.conditional:
            latents = self._drawer.encode(points, inputs)
            mean, log_var = (latents[name].astype(np.float64) for name in ("z_mean", "z_log_var"))
            kl_nats = float((mean**2 + np.exp(log_var) - log_var - 1).sum() / 2)
            inputs = {**inputs, "z": latents["z_mean"][None]}
        nats = self._drawer.nats(points, inputs)
        return {**nats, "nats": sum(nats.values()), "kl_nats": kl_nats}

    def _prior(self, seeds: np.ndarray) -> np.ndarray:
        return np.stack([random_numbers.latent(row, self.z_size) for row in seeds])

    def _require_encoder(self) -> None:
        super()._require_encoder()
        if "encode" not in self.metadata["signatures"]:
            raise UserError("this file holds the decoder's step only: model.tflite encodes too")


def _inputs(z: np.ndarray | None, labels: np.ndarray | None, i: int) -> dict[str, np.ndarray]:
    """Returns what sketch i is drawn from, as a batch of one."""
    given = {"z": z, "label": labels}
    return {name: value[i : i + 1] for name, value in given.items() if value is not None}
