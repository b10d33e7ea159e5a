"""A client for models in TensorFlow Serving, with the verbs of `sketch_rnn_tf.load_model`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import config, drawing, strokes
from sketch_rnn_tf.sampling import arguments, latent
from sketch_rnn_tf.sampling.arguments import DEFAULT_TEMPERATURE, Seed, Temperature
from sketch_rnn_tf.serving import errors, transport
from sketch_rnn_tf.serving.transport import Arrays, ModelName, Transport

MODEL_NAME = "sketch_rnn"
ROWS = 64  # of one request; more are sent one after the other
_NATS = ("offset_nats", "pen_nats", "end_nats", "nats", "kl_nats")

Drawings = Sequence[np.ndarray]  # stroke-3 arrays [N, 3] in source units, or `drawing.Sketch`
Labels = str | Sequence[str] | None


def connect(address: str, model_name: str = MODEL_NAME, **options: Any) -> Client:
    """Returns a Client; arguments as there."""
    return Client(address, model_name, **options)


class Client:
    """A model on a server: draws what the model at home draws for the same seeds.

    Verbs and arguments are those of `sketch_rnn_tf.api.Sketcher`. A server has no greedy drawing,
    no latent vectors drawn from q(z|sketch) and one temperature for pen, mixture and offsets.

    Every verb may raise ValueError (a wrong argument, or the server finds one), ServerError (the
    server cannot be reached or is at fault) and DeadlineError.

    Args:
      address: `grpc://host:8500`, `grpcs://...`, `http://host:8501` or `https://...`.
      model_name: the model's name on the server.
      version: a version; the newest when neither it nor a label is given.
      label: a version label such as `stable`.
      timeout: seconds for a request, all attempts together.
      retries: how often a request is sent again while the server is not available.
    """

    def __init__(
        self,
        address: str,
        model_name: str = MODEL_NAME,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout: float = 30.0,
        retries: int = 4,
    ):
        if version is not None and label is not None:
            raise ValueError("a version and a version label exclude each other")
        self.name = ModelName(model_name, version, label)
        self.timeout, self.retries = timeout, retries
        self._transport = _transport(address)

    def __enter__(self) -> Client:
        """Returns itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Ends the connection."""
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    def status(self) -> dict[int, str]:
        """Returns {version: state}, such as {1: "AVAILABLE"}."""
        return self._ask(lambda left: self._transport.status(self.name, left))

    def metadata(self) -> dict[str, dict]:
        """Returns {signature: {"inputs": {name: (type, shape)}, "outputs": ...}}."""
        return self._ask(lambda left: self._transport.metadata(self.name, left))

    def predict(self, signature: str, **inputs: Any) -> Arrays:
        """Runs a signature with arrays as they are; `error` is not looked at."""
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        return self._ask(lambda left: self._transport.predict(self.name, signature, arrays, left))

    @functools.cached_property
    def config(self) -> config.RunConfig:
        """The run's configuration, from the server."""
        answer = self.predict("describe", label=np.zeros([1], np.int32))
        content = json.loads(str(answer["config"][0]))
        return config.from_json(config.RunConfig, content, "the server's model")

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
        """Draws new sketches."""
        num = arguments.count("num", num)
        inputs = self._drawing_inputs(num, temperature, seed, label, greedy)
        if z is None:
            return self._draw("generate", inputs, label, max_points)
        return self._draw("decode", {"z": self._latent_rows(z, num), **inputs}, label, max_points)

    def encode(self, sketches: Drawings, *, label: Labels = None) -> np.ndarray:
        """Returns the z means of drawings, float32 [S, Z]."""
        self._require_encoder()
        inputs = {**_padded(self._checked(sketches)), **self._labels(label, len(sketches))}
        return self._run("encode", inputs)["z_mean"]

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
        """Draws sketches again from their z means."""
        self._require_encoder()
        _refuse("sample_z", sample_z)
        inputs = self._drawing_inputs(len(sketches), temperature, seed, label, greedy)
        padded = _padded(self._checked(sketches))
        return self._draw("reconstruct", {**padded, **inputs}, label, max_points)

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
        """Finishes drawings that were begun, `num` times each."""
        _refuse("sample_z", sample_z)
        _refuse("z", z is not None)
        num = arguments.count("num", num, arguments.MOST_COPIES)
        begun = self._checked(sketches)
        copies = [arguments.seeds(seed, len(begun), copy) for copy in range(num)]
        seeds = np.stack(copies, axis=1).reshape(-1, 2)
        tau = np.repeat(_temperatures(temperature, len(begun)), num)
        names = label if label is None or isinstance(label, str) else _repeated(label, num)
        given = _repeated(begun, num)
        inputs = self._drawing_inputs(len(given), tau, seeds, names, greedy)
        padded = _padded(given, "prefix", "prefix_length")
        drawn = self._draw("complete", {**padded, **inputs}, names, max_points, given)
        return drawing.Sketches(drawn, columns=num if num > 1 else None)

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
        """Draws the way between two drawings or latent vectors, or the square between four."""
        z = latent.between(self._latents(ends, label), steps, interpolation)
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
        """Draws mean z(start) - mean z(minus) + mean z(plus)."""
        num = arguments.count("num", num)
        z = latent.analogy(*(self._latents(part, label) for part in (start, minus, plus)))
        return self.generate(
            num, temperature=temperature, seed=seed, label=label, greedy=greedy,
            max_points=max_points, z=np.tile(z, (num, 1)),
        )  # fmt: skip

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
        """Draws a strip along each direction in which the drawings' latent vectors differ most."""
        walks, shares = latent.strips(self._latents(sketches, label), directions, steps, span)
        z = walks.reshape(-1, walks.shape[-1])
        drawn = self._draw_alike(z, steps, temperature, seed, label, greedy, max_points)
        drawn.layout["row_titles"] = [f"{i + 1}: {share:.0%}" for i, share in enumerate(shares)]
        return drawn

    def score(self, sketches: Drawings, *, label: Labels = None) -> list[dict[str, Any]]:
        """Returns what drawings cost in nats, one dict a drawing."""
        checked = [
            strokes.check_stroke3(np.asarray(s), f"sketch {i}") for i, s in enumerate(sketches)
        ]
        if not checked:
            return []
        names = self._names(label, len(checked))
        nats = self._run("score", {**_padded(checked), **self._labels(label, len(checked))})
        return [
            {"index": i, "label": names[i], "points": len(rows)}
            | {name: float(nats[name][i]) for name in _NATS}
            for i, rows in enumerate(checked)
        ]

    def _draw_alike(self, z, columns, temperature, seed, label, greedy, max_points):
        """Draws a grid of latent vectors, all with the first sketch's seeds."""
        seeds = np.repeat(arguments.seeds(seed, 1), len(z), axis=0)
        drawn = self.generate(
            len(z), temperature=temperature, seed=seeds, label=label, greedy=greedy,
            max_points=max_points, z=z,
        )  # fmt: skip
        drawn.layout["columns"] = columns
        return drawn

    def _draw(self, signature, inputs, label, max_points, given=None) -> drawing.Sketches:
        """Runs a signature that draws and cuts what it gives at `max_points`."""
        limit = self._limit(max_points, given) + self.config.drop_first_point
        outputs = self._run(signature, inputs)
        names = self._names(label, len(outputs["lengths"]))
        sketches = drawing.Sketches()
        for i, length in enumerate(outputs["lengths"].tolist()):
            rows, count = outputs["strokes"][i, : min(length, limit)], 0
            if given is not None:  # as they were sent: the model clamps, scales and may drop a row
                count = len(given[i])
                rows = np.concatenate([given[i], rows[outputs["given"][i] :]])
            sketches.append(drawing.Sketch(rows, names[i], length < limit, count))
        return sketches

    def _limit(self, max_points: int | None, given) -> int:
        most = self.config.max_length
        limit = most if max_points is None else arguments.count("max_points", max_points)
        if limit > most:
            raise ValueError(f"max_points is {limit}, but the server draws at most {most}")
        for i, rows in enumerate(given or []):
            points = len(rows) - bool(self.config.drop_first_point and not rows[0, :2].any())
            if points > limit:
                raise ValueError(f"sketch {i} has {points} points, more than the {limit} allowed")
        return limit

    def _run(self, signature: str, inputs: Arrays) -> Arrays:
        """Runs a signature in requests of `ROWS` rows; a bad row is a ValueError."""
        parts = [self.predict(signature, **part) for part in _parts(inputs)]
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for i, code in enumerate(outputs["error"].tolist()):
            if code:
                raise ValueError(f"sketch {i}: {errors.meaning(code)}")
        return outputs

    def _drawing_inputs(self, num, temperature, seed, label, greedy) -> dict[str, np.ndarray]:
        _refuse("greedy", greedy)
        return {
            "temperature": _temperatures(temperature, num),
            "seed": arguments.seeds(seed, num),
            **self._labels(label, num),
        }

    def _labels(self, label: Labels, num: int) -> dict[str, np.ndarray]:
        names = self._names(label, num)
        if not self.config.model.class_conditioned:
            return {}
        return {"label": np.array([self.config.classes.index(name) for name in names], np.int32)}

    def _names(self, label: Labels, num: int) -> list[str | None]:
        """Returns the class of each sketch."""
        if not self.config.model.class_conditioned:
            if label is not None:
                raise ValueError(f"the model is not class-conditioned: it cannot draw {label!r}")
            return [None] * num
        names = [label] * num if label is None or isinstance(label, str) else list(label)
        if len(names) != num:
            raise ValueError(f"{len(names)} labels do not fit {num} sketches")
        for name in names:
            if name not in self.config.classes:
                known = ", ".join(self.config.classes)
                raise ValueError(f"the model has no class {name!r}; it has {known}")
        return names

    def _latents(self, items: Sequence[np.ndarray], label: str | None) -> np.ndarray:
        """Returns latent vectors [S, Z] of drawings and latent vectors."""
        self._require_encoder()
        if not len(items):
            raise ValueError("there are no sketches")
        arrays = [np.asarray(item) for item in items]
        return np.concatenate(
            [
                self._latent_rows(array[None], 1)
                if array.ndim == 1 and array.size
                else self.encode([array], label=label)
                for array in arrays
            ]
        )

    def _latent_rows(self, z: np.ndarray, num: int) -> np.ndarray:
        self._require_encoder()
        z, size = np.asarray(z, np.float32), self.config.model.z_size
        if z.shape != (num, size) or not np.isfinite(z).all():
            raise ValueError(f"z has shape {list(z.shape)}, expected finite numbers {[num, size]}")
        return z

    def _checked(self, sketches: Drawings) -> list[np.ndarray]:
        checked = [
            strokes.check_stroke3(np.asarray(s), f"sketch {i}") for i, s in enumerate(sketches)
        ]
        for i, rows in enumerate(checked):
            if not len(rows):
                raise ValueError(f"sketch {i} has no points")
        if not checked:
            raise ValueError("there are no sketches")
        return checked

    def _require_encoder(self) -> None:
        if not self.config.model.conditional:
            raise ValueError(
                "this model is a decoder alone: without an encoder it can generate and complete,"
                " not encode, reconstruct or interpolate"
            )

    def _ask(self, attempt):
        return transport.with_retries(attempt, self.timeout, self.retries)


def _transport(address: str) -> Transport:
    scheme = address.partition("://")[0]
    if scheme in ("http", "https"):
        from sketch_rnn_tf.serving import rest

        return rest.RestTransport(address)
    from sketch_rnn_tf.serving import grpc

    return grpc.GrpcTransport(address)


def _temperatures(temperature: Temperature, num: int) -> np.ndarray:
    parts = arguments.temperatures(temperature, num)
    if (parts != parts[:, :1]).any():
        raise ValueError("a server has one temperature for pen, mixture and offsets")
    return parts[:, 0].copy()


def _refuse(name: str, given: bool) -> None:
    if given:
        raise ValueError(f"a server's model does not take {name}")


def _repeated(items: Sequence[Any], num: int) -> list[Any]:
    return [item for item in items for _ in range(num)]


def _padded(
    sketches: Sequence[np.ndarray], name: str = "strokes", length_name: str = "lengths"
) -> dict[str, np.ndarray]:
    lengths = np.array([len(rows) for rows in sketches], np.int32)
    padded = np.zeros([len(sketches), max(int(lengths.max()), 1), 3], np.float32)
    for row, sketch in zip(padded, sketches, strict=True):
        row[: len(sketch)] = sketch
    return {name: padded, length_name: lengths}


def _parts(inputs: Arrays) -> Iterator[dict[str, np.ndarray]]:
    count = len(next(iter(inputs.values())))
    for start in range(0, count, ROWS):
        yield {name: value[start : start + ROWS] for name, value in inputs.items()}
