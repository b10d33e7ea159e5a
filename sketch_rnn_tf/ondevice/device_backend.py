"""A `.tflite` file as the backend of a `Sketcher`, without TensorFlow."""

from __future__ import annotations

import dataclasses
import functools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np

from sketch_rnn_tf import config, files, latent_prior
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.ondevice import noise as random_numbers
from sketch_rnn_tf.ondevice import runtime
from sketch_rnn_tf.ondevice.drawer import Drawer
from sketch_rnn_tf.sketcher import arguments, backend
from sketch_rnn_tf.sketcher.sketcher import Sketcher


def open(path: files.PathLike, **options: Any) -> Sketcher:
    """Returns a Sketcher of a `.tflite` file; arguments as of `DeviceBackend`."""
    return Sketcher(DeviceBackend(path, **options))


def Sampler(*args: Any, **options: Any) -> Sketcher:  # noqa: N802 (it was a class)
    """Deprecated: `open` with its arguments."""
    warnings.warn(
        "ondevice.Sampler(...) is deprecated: use ondevice.open(...)",
        DeprecationWarning,
        stacklevel=2,
    )
    return open(*args, **options)


class DeviceBackend:
    """Draws with a `.tflite` file, see `sketcher.backend.Backend`.

    A seed draws the sketches that the Keras model draws with it (see `ondevice.noise`), quantized
    files those of their own weights.

    Args:
      path: a file of `sketch-rnn-export --format litert`.
      threads: threads of the interpreter; one is fastest for models of this size.
      xnnpack: whether the XNNPACK kernels are used.
      temperature_mode: how a temperature acts, instead of the model's own.
      fitted_prior: whether new drawings start from the prior that was fitted to the model, if any.

    Attributes:
      file: the opened file, whose signatures can be run by themselves.
      drawer: draws and scores one sketch at a time.

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
        fitted_prior: bool = True,
    ):
        self._options: dict[str, Any] = {
            "threads": arguments.count("threads", threads),
            "xnnpack": xnnpack,
        }
        self._path = path
        self.file = runtime.Model(path, threads, xnnpack)
        mode = temperature_mode or self.metadata["temperature_mode"]
        if mode not in config.TEMPERATURE_MODES:
            known = ", ".join(config.TEMPERATURE_MODES)
            raise UserError(f"there is no temperature mode {mode!r}; there are {known}")
        self._mode = mode
        self._fitted_prior = fitted_prior
        self._prior = latent_prior.of(self.config)
        self.drawer = Drawer(self.file, mode)

    def with_config(self, configuration: config.RunConfig) -> DeviceBackend:
        """Returns a backend of the same file with another temperature mode or the prior N(0, 1).

        Raises:
          UserError: something else differs: the rest is in the graph.
        """
        mode, prior = configuration.temperature_mode, configuration.latent_prior
        own = dataclasses.replace(self.config, temperature_mode=mode, latent_prior=prior)
        if own != configuration or prior not in (None, self.config.latent_prior):
            raise UserError(f"{self._path}: only the temperature mode and the prior can be changed")
        return DeviceBackend(
            self._path, temperature_mode=mode, fitted_prior=prior is not None, **self._options
        )

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says of its model."""
        return self.file.metadata

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
        names = ("scale_factor", "max_length", "drop_first_point")
        return config.RunConfig(
            temperature_mode=self._mode,
            **{name: facts[name] for name in names},
            classes=tuple(facts["classes"]),
            start_token=tuple(facts["start_token"]),
            simplification=facts["simplification"],
            canvas=facts.get("canvas"),
            latent_prior=facts.get("latent_prior") if self._fitted_prior else None,
            model=model,
        )

    def points(self, request: backend.Request) -> Iterator[np.ndarray]:
        """Yields (dx, dy, pen_lifted) of one sketch, source units, as soon as each is drawn."""
        scale = np.array([self.metadata["scale_factor"]] * 2 + [1], np.float32)
        inputs = _inputs(self._latents(request), request.labels, 0)
        noise = random_numbers.noise(request.seeds[0], request.limit)
        rows = self.drawer.points(inputs, noise, request.temperature[0], request.greedy)
        return (row[[0, 1, 3]] * scale for row in rows if row[4] < 0.5)

    def draw(self, request: backend.Request) -> list[tuple[np.ndarray, bool]]:
        """Returns stroke-3 rows in source units, prefix included, and whether the sketch ended."""
        z, found = self._latents(request), []
        for i, seeds in enumerate(request.seeds):
            given = request.noise
            noise = random_numbers.noise(seeds, request.limit) if given is None else given[i]
            prefix = None if request.prefixes is None else request.prefixes[i]
            inputs = _inputs(z, request.labels, i)
            tau = request.temperature[i]
            found.append(self.drawer.draw(inputs, noise, tau, request.greedy, prefix))
        return found

    def encode(self, rows, labels=None, seeds=None) -> np.ndarray:
        """Returns z means [S, Z] of stroke-3 rows in source units, or with seeds [S, 2] samples.

        Raises:
          UserError: the file has no encoder.
        """
        self._require_encoder()
        found = [self.drawer.encode(rows[i], _inputs(None, labels, i)) for i in range(len(rows))]
        z = np.stack([latents["z_mean"] for latents in found])
        if seeds is None:
            return z
        log_var = np.stack([latents["z_log_var"] for latents in found])
        return z + np.exp(log_var / 2) * self._normals(seeds)

    def score(self, rows, labels=None) -> dict[str, list[float]]:
        """Returns the `backend.NATS` of stroke-3 rows in source units, each [S]."""
        if self.config.model.conditional:
            self._require_encoder()
        found = []
        for i, points in enumerate(rows):
            inputs, kl_nats = _inputs(None, labels, i), 0.0
            if self.config.model.conditional:
                latents = self.drawer.encode(points, inputs)
                mean, log_var = (
                    latents[name].astype(np.float64) for name in ("z_mean", "z_log_var")
                )
                kl_nats = float((mean**2 + np.exp(log_var) - log_var - 1).sum() / 2)
                inputs = {**inputs, "z": latents["z_mean"][None]}
            nats = self.drawer.nats(points, inputs)
            found.append({**nats, "nats": sum(nats.values()), "kl_nats": kl_nats})
        return {name: [one[name] for one in found] for name in backend.NATS}

    def _normals(self, seeds: np.ndarray) -> np.ndarray:
        return random_numbers.latents(seeds, self.config.model.z_size)

    def _latents(self, request: backend.Request) -> np.ndarray | None:
        normals = self._normals if self.config.model.conditional else None
        return request.latents(self.encode, normals, self._prior)

    def _require_encoder(self) -> None:
        if not self.config.model.conditional:
            raise UserError(backend.NO_ENCODER)
        if "encode" not in self.metadata["signatures"]:
            raise UserError("this file holds the decoder's step only: model.tflite encodes too")


def _inputs(z: np.ndarray | None, labels: np.ndarray | None, i: int) -> dict[str, np.ndarray]:
    """Returns what sketch i is drawn from, as a batch of one."""
    given = {"z": z, "label": labels}
    return {name: value[i : i + 1] for name, value in given.items() if value is not None}
