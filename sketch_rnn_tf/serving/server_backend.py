"""A model in TensorFlow Serving as the backend of a `Sketcher`."""

from __future__ import annotations

import functools
import json
import pathlib
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import config, files, latent_prior, model_paths
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.ondevice import noise as random_numbers
from sketch_rnn_tf.serving import server_errors, transport
from sketch_rnn_tf.serving.transport import Arrays, ModelName, Transport
from sketch_rnn_tf.sketcher import backend
from sketch_rnn_tf.sketcher.sketcher import Sketcher

MODEL_NAME = "sketch_rnn"
ROWS = 64  # of one request; more are sent one after the other


def connect(address: str, model_name: str = MODEL_NAME, **options: Any) -> Sketcher:
    """Returns a Sketcher of a model on a server; arguments as of `ServerBackend`."""
    return Sketcher(ServerBackend(address, model_name, **options))


def Client(*args: Any, **options: Any) -> Sketcher:  # noqa: N802 (it was a class)
    """Deprecated: `connect` with its arguments."""
    warnings.warn(
        "serving.Client(...) is deprecated: use serving.connect(...)",
        DeprecationWarning,
        stacklevel=2,
    )
    return connect(*args, **options)


class ServerBackend:
    """A model on a server: draws what the Keras model draws for the same seeds.

    See `sketcher.backend.Backend`. The exported graph has no greedy drawing, takes no noise, draws
    no z from q(z|sketch), completes with the z of the beginnings only, has one temperature for pen,
    mixture and offsets and one temperature mode, and draws at most N_max points; a verb that is
    asked for more raises UserError.

    Every verb may raise UserError (a wrong argument, or the server finds one), ServerError (the
    server cannot be reached or is at fault) and DeadlineError.

    Args:
      address: `grpc://host:8500`, `grpcs://...`, `http://host:8501`, `https://...`, or a folder
        with an exported SavedModel, which is then run in this process.
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
            raise UserError("a version and a version label exclude each other")
        if not 0 < timeout < float("inf"):
            raise UserError(f"timeout is {timeout}, expected seconds above 0")
        self.name = ModelName(model_name, version, label)
        self.timeout, self.retries = timeout, retries
        self._transport = _transport(address)

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

    def draw(self, request: backend.Request) -> list[tuple[np.ndarray, bool]]:
        """Draws to N_max, as the graph does, and cuts at the request's limit."""
        if request.limit > self.config.max_length:
            raise UserError(
                f"max_points is {request.limit}, but the server draws at most"
                f" {self.config.max_length}"
            )
        signature, inputs = self._signature(request)
        tau = request.temperature[:, 0].copy()
        inputs |= {"temperature": tau, "seed": request.seeds, **_labeled(request.labels)}
        outputs = self._run(signature, inputs)
        first, limit = int(self.config.drop_first_point), request.limit
        counts = outputs["lengths"] - first
        return [
            (rows[first : first + min(count, limit)], bool(count < limit))
            for rows, count in zip(outputs["strokes"], counts.tolist(), strict=True)
        ]

    def _signature(self, request: backend.Request) -> tuple[str, dict[str, np.ndarray]]:
        """Returns the signature that draws a request, and its inputs beside the common ones."""
        refused = {
            "greedy": request.greedy,
            "noise": request.noise is not None,
            "sample_z": request.sample_z,
            "z to complete with": request.z is not None and request.prefixes is not None,
        }
        for name, given in refused.items():
            if given:
                raise UserError(f"a server's model does not take {name}")
        if (request.temperature != request.temperature[:, :1]).any():
            raise UserError("a server's model has one temperature for pen, mixture and offsets")
        if request.prefixes is not None:
            return "complete", self._padded(request.prefixes, "prefix", "prefix_length")
        if request.sources is not None:
            return "reconstruct", self._padded(request.sources)
        z = request.z
        if request.latent_seeds is not None and self.config.model.conditional:
            normals = functools.partial(random_numbers.latents, z_size=self.config.model.z_size)
            z = request.latents(self.encode, normals, latent_prior.of(self.config))
        return ("generate", {}) if z is None else ("decode", {"z": z})

    def encode(self, rows, labels, seeds=None) -> np.ndarray:
        """Returns z means [S, Z] of stroke-3 rows in source units."""
        return self._run("encode", {**self._padded(rows), **_labeled(labels)})["z_mean"]

    def score(self, rows, labels) -> dict[str, np.ndarray]:
        """Returns the `backend.NATS` of stroke-3 rows in source units, each [S]."""
        found = self._run("score", {**_padded(rows), **_labeled(labels)})
        return {name: found[name] for name in backend.NATS}

    def _padded(self, rows, *names: str) -> dict[str, np.ndarray]:
        """Returns drawings as the graph reads them: with the row 0 that it drops, if it does."""
        first = np.zeros((int(self.config.drop_first_point), 3), np.float32)
        return _padded([np.concatenate([first, points]) for points in rows], *names)

    def _run(self, signature: str, inputs: Arrays) -> Arrays:
        """Runs a signature in requests of at most `ROWS` rows; a bad row is a UserError."""
        parts = []
        try:
            for start in range(0, len(next(iter(inputs.values()))), ROWS):
                part = {name: value[start : start + ROWS] for name, value in inputs.items()}
                parts.append(self.predict(signature, **part))
        except UserError as error:
            if signature in self.metadata():
                raise
            raise UserError(
                f"the served model has no signature {signature!r}, which exports of this version"
                f" have: export it again with sketch-rnn-export ({error})"
            ) from None
        outputs = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
        for i, code in enumerate(outputs["error"].tolist()):
            if code:
                raise UserError(f"sketch {i}: {server_errors.meaning(code)}")
        return outputs

    def _ask(self, attempt):
        return transport.with_retries(attempt, self.timeout, self.retries)


def _transport(address: files.PathLike) -> Transport:
    if pathlib.Path(address).exists():
        kind, folder = model_paths.find(address)
        if kind is not model_paths.Kind.SAVED_MODEL:
            raise UserError(f"{address}: is {kind.value}, expected a server or a SavedModel")
        from sketch_rnn_tf.serving import folder_transport

        return folder_transport.FolderTransport(folder)
    address = str(address)
    if address.partition("://")[0] in ("http", "https"):
        from sketch_rnn_tf.serving import rest_transport

        return rest_transport.RestTransport(address)
    from sketch_rnn_tf.serving import grpc_transport

    return grpc_transport.GrpcTransport(address)


def _labeled(labels: np.ndarray | None) -> dict[str, np.ndarray]:
    return {} if labels is None else {"label": labels}


def _padded(
    sketches: Sequence[np.ndarray], name: str = "strokes", length_name: str = "lengths"
) -> dict[str, np.ndarray]:
    lengths = np.array([len(rows) for rows in sketches], np.int32)
    padded = np.zeros([len(sketches), max(int(lengths.max()), 1), 3], np.float32)
    for row, sketch in zip(padded, sketches, strict=True):
        row[: len(sketch)] = sketch
    return {name: padded, length_name: lengths}
