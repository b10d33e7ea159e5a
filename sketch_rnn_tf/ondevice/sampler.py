"""An exported model in the user's hands: the verbs of `Sketcher` without TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import config, drawing, files, strokes
from sketch_rnn_tf.ondevice import noise as random_numbers
from sketch_rnn_tf.ondevice import runtime
from sketch_rnn_tf.ondevice.drawer import Drawer
from sketch_rnn_tf.sampling import arguments, latent
from sketch_rnn_tf.sampling.arguments import DEFAULT_TEMPERATURE, Seed, Temperature

Drawings = Sequence[np.ndarray]  # stroke-3 arrays [N, 3] in source units
Labels = str | Sequence[str] | None


class Sampler:
    """Draws with a `.tflite` file.

    The verbs and their arguments are those of `sketch_rnn_tf.Sketcher`. Seeds give other drawings
    than there (see `ondevice.noise`); the same `noise` [num, T, 4] gives the same drawings.

    Args:
      path: a file of `sketch-rnn-export --format litert`.
      threads: threads of the interpreter; one is fastest for models of this size.
      xnnpack: whether the XNNPACK kernels are used.
      temperature_mode: how a temperature acts, instead of the model's own.

    Raises:
      ValueError: the file is not ours, damaged or of a newer version, or ai-edge-litert is missing.
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
            raise ValueError(f"there is no temperature mode {mode!r}; there are {known}")
        self._drawer = Drawer(self._model, mode)

    @property
    def metadata(self) -> dict[str, Any]:
        """What the file says of its model."""
        return self._model.metadata

    @property
    def config(self) -> config.RunConfig:
        """What is known of the run's configuration: enough to read drawings as it does."""
        facts = self.metadata
        model = config.ModelConfig(
            conditional=facts["conditional"],
            num_mixtures=facts["num_mixtures"],
            class_conditioned=bool(facts["classes"]),
        )
        names = ("scale_factor", "max_length", "temperature_mode", "drop_first_point")
        return config.RunConfig(
            **{name: facts[name] for name in names},
            classes=tuple(facts["classes"]),
            start_token=tuple(facts["start_token"]),
            simplification=facts["simplification"],
            model=model,
        )

    @property
    def classes(self) -> list[str]:
        """Class names by label; empty for a model without classes."""
        return self.metadata["classes"]

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
          temperature: above 0: low is careful, 1 is as learnt; see `Sketcher`.
          seed: sketch i of a seed is the same drawing whatever `num` is.
          label: class, for class-conditioned models.
          greedy: always the likeliest point.
          max_points: where to stop; the model's N_max when not given.
          z: latent vectors [num, Z]; from the prior N(0, 1) when not given.
          noise: random numbers [num, T, 4] instead of the seed's, T at least max_points.

        Raises:
          ValueError: an argument is out of range, an unknown class, z for a decoder alone.
        """
        num = arguments.count("num", num)
        seeds = arguments.seeds(seed, num)
        if z is not None:
            z = self._check_latents(z, num)
        elif self.metadata["conditional"]:
            z = np.stack([random_numbers.latent(row, self.metadata["z_size"]) for row in seeds])
        return self._draw(z, seeds, temperature, label, greedy, max_points, noise)

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
        seeds = arguments.seeds(seed, 1)
        if z is None and self.metadata["conditional"]:
            z = random_numbers.latent(seeds[0], self.metadata["z_size"])[None]
        z = None if z is None else self._check_latents(z, 1)
        tau = arguments.temperatures(temperature, 1)[0]
        noise = random_numbers.noise(seeds[0], self._limit(max_points))
        inputs = self._inputs(z, self._labels(label, 1), 0)
        scale = np.float32([self.metadata["scale_factor"]] * 2 + [1])
        for row in self._drawer.points(inputs, noise, tau, greedy):
            if row[4] < 0.5:
                yield row[[0, 1, 3]] * scale

    def encode(self, sketches: Drawings, *, label: Labels = None) -> np.ndarray:
        """Returns the z means of drawings, float32 [S, Z].

        Raises:
          ValueError: the file has no encoder, or a drawing is not stroke-3, empty or too long.
        """
        return self._encode(sketches, label, None)

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
        """Draws sketches again from their latent vectors; see `Sketcher.reconstruct`."""
        seeds = arguments.seeds(seed, len(sketches))
        z = self._encode(sketches, label, seeds if sample_z else None)
        return self._draw(z, seeds, temperature, label, greedy, max_points, noise)

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
        """Finishes drawings that were begun, `num` times each; see `Sketcher.complete`.

        Noise and max_points count the given points too.
        """
        num = arguments.count("num", num, arguments.MOST_COPIES)
        begun, limit = self._checked(sketches), self._limit(max_points)
        for i, points in enumerate(begun):
            if len(points) > limit:
                raise ValueError(
                    f"sketch {i} has {len(points)} points, more than the {limit} allowed"
                )
        copies = [arguments.seeds(seed, len(begun), copy) for copy in range(num)]
        seeds = np.stack(copies, axis=1).reshape(-1, 2)
        names = label if label is None or isinstance(label, str) else np.repeat(label, num).tolist()
        prefixes = [points for points in begun for _ in range(num)]
        if z is not None:
            z = np.repeat(self._check_latents(z, len(begun)), num, axis=0)
        elif self.metadata["conditional"]:
            z = self._encode(prefixes, names, seeds if sample_z else None)
        tau = np.repeat(arguments.temperatures(temperature, len(begun)), num, axis=0)
        drawn = self._draw(z, seeds, tau, names, greedy, max_points, noise, prefixes)
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
        """Draws the way between two drawings, or the square between four; see `Sketcher`."""
        self._require_encoder()
        path = latent.between(self._latents(ends, label), steps, interpolation)
        return self._draw_alike(path, steps, seed, temperature, label, greedy, max_points)

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
        """Draws mean z(start) - mean z(minus) + mean z(plus); see `Sketcher.analogy`."""
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
        """Draws strips along the latent vectors' principal directions; see `Sketcher.explore`."""
        walks, shares = latent.strips(self._latents(sketches, label), directions, steps, span)
        z = walks.reshape(-1, walks.shape[-1])
        drawn = self._draw_alike(z, steps, seed, temperature, label, greedy, max_points)
        drawn.layout["row_titles"] = [f"{i + 1}: {share:.0%}" for i, share in enumerate(shares)]
        return drawn

    def _draw(
        self, z, seeds, temperature, label, greedy, max_points, noise=None, prefixes=None
    ) -> drawing.Sketches:
        limit = self._limit(max_points)
        tau = temperature
        if not (isinstance(tau, np.ndarray) and tau.ndim == 2):
            tau = arguments.temperatures(temperature, len(seeds))
        labels = self._labels(label, len(seeds))
        noise = _check_noise(noise, len(seeds), limit)
        found = drawing.Sketches()
        for i, row in enumerate(seeds):
            numbers = random_numbers.noise(row, limit) if noise is None else noise[i, :limit]
            prefix = None if prefixes is None else prefixes[i]
            inputs = self._inputs(z, labels, i)
            points, ended = self._drawer.draw(inputs, numbers, tau[i], greedy, prefix)
            found.append(self._sketch(points, ended, labels, i, prefix))
        return found

    def _sketch(self, points, ended, labels, i, prefix) -> drawing.Sketch:
        given = 0 if prefix is None else len(prefix)
        if self.metadata["drop_first_point"]:  # put back
            points = np.concatenate([np.zeros((1, 3), np.float32), points])
            given += prefix is not None
        name = None if labels is None else self.classes[labels[i]]
        return drawing.Sketch(points, name, ended, given)

    def _inputs(self, z, labels, i) -> dict[str, np.ndarray]:
        inputs = {} if z is None else {"z": z[i : i + 1]}
        return inputs if labels is None else {**inputs, "label": labels[i : i + 1]}

    def _checked(self, sketches: Drawings) -> list[np.ndarray]:
        found = []
        for i, sketch in enumerate(sketches):
            points = strokes.check_stroke3(np.asarray(sketch), f"sketch {i}")
            if self.metadata["drop_first_point"] and len(points) and not points[0, :2].any():
                points = points[1:]
            if not len(points):
                raise ValueError(f"sketch {i} has no points")
            found.append(points)
        if not found:
            raise ValueError("there are no sketches")
        return found

    def _encode(self, sketches, label, seeds) -> np.ndarray:
        """Returns z means [S, Z], or with seeds samples of q(z|sketch)."""
        self._require_encoder()
        labels = self._labels(label, len(sketches))
        found = []
        for i, points in enumerate(self._checked(sketches)):
            latents = self._drawer.encode(points, self._inputs(None, labels, i))
            z = latents["z_mean"]
            if seeds is not None:
                normals = random_numbers.latent(seeds[i], len(z))
                z = z + np.exp(latents["z_log_var"] / 2) * normals
            found.append(z)
        return np.stack(found)

    def _latents(self, items: Sequence[np.ndarray], label: str | None) -> np.ndarray:
        if not len(items):
            raise ValueError("there are no sketches")
        self._require_encoder()
        return np.stack([self._latent(item, label) for item in items])

    def _draw_alike(self, z, columns, seed, temperature, label, greedy, max_points):
        """Draws a grid of latent vectors, all with the first sketch's seeds."""
        seeds = np.repeat(arguments.seeds(seed, 1), len(z), axis=0)
        drawn = self._draw(z, seeds, temperature, label, greedy, max_points)
        drawn.layout["columns"] = columns
        return drawn

    def _latent(self, end: np.ndarray, label: str | None) -> np.ndarray:
        array = np.asarray(end)
        if array.ndim == 1 and array.size:
            return self._check_latents(array[None], 1)[0]
        return self.encode([end], label=label)[0]

    def _check_latents(self, z: np.ndarray, num: int) -> np.ndarray:
        if not self.metadata["conditional"]:
            raise ValueError("this model is a decoder alone: it reads no latent vector")
        z = np.asarray(z, np.float32)
        expected = [num, self.metadata["z_size"]]
        if list(z.shape) != expected or not np.isfinite(z).all():
            raise ValueError(f"z has shape {list(z.shape)}, expected finite numbers {expected}")
        return z

    def _require_encoder(self) -> None:
        if not self.metadata["conditional"]:
            raise ValueError(
                "this model is a decoder alone: without an encoder it can generate and complete,"
                " not encode, reconstruct or interpolate"
            )
        if "encode" not in self.metadata["signatures"]:
            raise ValueError("this file holds the decoder's step only: model.tflite encodes too")

    def _limit(self, max_points: int | None) -> int:
        if max_points is None:
            return self.metadata["max_length"]
        return arguments.count("max_points", max_points)

    def _labels(self, label: Labels, num: int) -> np.ndarray | None:
        """Returns labels int32 [num], or None for a model without classes."""
        if not self.classes:
            if label is not None:
                raise ValueError(f"the model is not class-conditioned: it cannot draw {label!r}")
            return None
        names = [label] * num if label is None or isinstance(label, str) else list(label)
        if len(names) != num:
            raise ValueError(f"{len(names)} labels do not fit {num} sketches")
        for name in names:
            if name not in self.classes:
                raise ValueError(
                    f"the model has no class {name!r}; it has {', '.join(self.classes)}"
                )
        return np.array([self.classes.index(name) for name in names], np.int32)


def _check_noise(noise: np.ndarray | None, num: int, limit: int) -> np.ndarray | None:
    if noise is None:
        return None
    noise = np.asarray(noise, np.float32)
    size = random_numbers.NOISE
    if noise.ndim != 3 or len(noise) != num or noise.shape[1] < limit or noise.shape[2] != size:
        raise ValueError(f"noise has shape {list(noise.shape)}, expected {[num, limit, size]}")
    if not np.isfinite(noise).all():
        raise ValueError("noise has a value that is not finite")
    return noise
