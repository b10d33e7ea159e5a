"""TensorFlow Serving's REST interface, with NumPy and the standard library."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
import urllib.parse
from collections.abc import Iterator
from typing import Any

import numpy as np

from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.serving.server_errors import (
    DeadlineError,
    ServerError,
    UnavailableError,
    not_found,
)
from sketch_rnn_tf.serving.transport import Arrays, ModelName

_UNAVAILABLE = (502, 503)
_DEADLINE, _NOT_FOUND = 504, 404


class RestTransport:
    """Talks to a server over HTTP.

    Args:
      address: `http://host:8501` or `https://host/path`.
    """

    def __init__(self, address: str):
        parts = urllib.parse.urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"{address!r} is not an address such as http://localhost:8501")
        self._address = address
        self._secure = parts.scheme == "https"
        self._host, self._port = parts.hostname, parts.port
        self._prefix = parts.path.rstrip("/")

    def predict(self, model: ModelName, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        """Runs a signature."""
        values = {name: value.tolist() for name, value in inputs.items()}
        body = {"signature_name": signature, "inputs": values}
        answer = self._ask("POST", f"{_path(model)}:predict", timeout, body)
        with self._reading():
            outputs = {}
            for name, value in answer["outputs"].items():
                array = np.asarray(value)
                kind = {"f": np.float32, "i": np.int32}.get(array.dtype.kind)
                outputs[name] = array if kind is None else array.astype(kind)
            return outputs

    def metadata(self, model: ModelName, timeout: float) -> dict[str, dict]:
        """Returns the signatures."""
        answer = self._ask("GET", f"{_path(model)}/metadata", timeout)
        with self._reading():
            signatures = answer["metadata"]["signature_def"]["signature_def"]
            return {
                name: {side: _described(described.get(side, {})) for side in ("inputs", "outputs")}
                for name, described in signatures.items()
                if not name.startswith("__")
            }

    def status(self, model: ModelName, timeout: float) -> dict[int, str]:
        """Returns the states of the versions."""
        answer = self._ask("GET", _path(model), timeout)
        with self._reading():
            return {int(v["version"]): v["state"] for v in answer["model_version_status"]}

    def close(self) -> None:
        """Does nothing: every request has a connection of its own."""

    def _ask(self, method: str, path: str, timeout: float, body: Any = None) -> dict[str, Any]:
        end = time.monotonic() + timeout
        content = None if body is None else json.dumps(body).encode()
        kind = http.client.HTTPSConnection if self._secure else http.client.HTTPConnection
        connection = kind(self._host, self._port, timeout=timeout)
        headers = {"Content-Type": "application/json"}
        try:
            connection.connect()
            with _ended_at(end, connection.sock):
                connection.request(method, self._prefix + path, content, headers)
                response = connection.getresponse()
                answer = response.read()
            if time.monotonic() >= end:  # what came may be cut off
                raise TimeoutError
        except (OSError, http.client.HTTPException) as error:
            raise self._translated(error, end, timeout) from error
        finally:
            connection.close()
        return self._read(response.status, answer)

    def _translated(self, error: Exception, end: float, timeout: float) -> Exception:
        if isinstance(error, TimeoutError) or time.monotonic() >= end:
            return DeadlineError(f"{self._address}: no answer within {timeout:.3g} s")
        if isinstance(error, http.client.HTTPException) and not isinstance(error, OSError):
            return ServerError(f"{self._address}: does not speak HTTP; is this gRPC's port?")
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        kind = ServerError if isinstance(error, ssl.SSLError) else UnavailableError
        return kind(f"{self._address}: cannot be reached ({reason})")

    @contextlib.contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what goes wrong with an answer of another form into an error of the server."""
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            text = f"{self._address}: does not answer as TensorFlow Serving does"
            raise ServerError(text) from error

    def _read(self, status: int, content: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(content)
        except ValueError:
            answer = None
        if status == 200:
            with self._reading():
                return dict(answer)
        message = answer.get("error") if isinstance(answer, dict) else None
        words = " ".join(str(message or f"answers {status}").split())
        text = f"{self._address}: {words}"
        if status in _UNAVAILABLE:
            raise UnavailableError(text)
        if status == _DEADLINE:
            raise DeadlineError(text)
        if status == _NOT_FOUND:
            raise not_found(self._address, words)
        if 400 <= status < 500:
            raise UserError(text)
        raise ServerError(text)


@contextlib.contextmanager
def _ended_at(end: float, connected: socket.socket) -> Iterator[None]:
    """Ends a connection at a time. Its own timeout is for each piece that comes, not for all."""

    def stop() -> None:
        with contextlib.suppress(OSError):
            connected.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(end - time.monotonic(), 0.0), stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _path(model: ModelName) -> str:
    path = f"/v1/models/{urllib.parse.quote(model.name, safe='')}"
    if model.version is not None:
        return f"{path}/versions/{model.version}"
    if model.label is not None:
        return f"{path}/labels/{urllib.parse.quote(model.label, safe='')}"
    return path


def _described(tensors: dict[str, Any]) -> dict[str, tuple[str, list[int]]]:
    return {
        name: (
            tensor["dtype"].removeprefix("DT_"),
            [int(size["size"]) for size in tensor["tensor_shape"].get("dim", [])],
        )
        for name, tensor in tensors.items()
    }
