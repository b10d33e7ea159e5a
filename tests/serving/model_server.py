"""A server for tests that speaks TensorFlow Serving's protocols over TensorFlow's C++ session.

It is not TensorFlow Serving, and stands in for `tensorflow_model_server` where that is not to be
had: PredictionService (Predict, GetModelMetadata), ModelService (GetModelStatus), their REST
routes, batching along dimension 0 as BatchingSession does it, replay of the warm-up file, and new
versions taken from the watched folder.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import http.server
import json
import pathlib
import struct
import sys
import threading
import time

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import cpp_session

cpp_session.stand_in_for_tensorflow()
import grpc  # noqa: E402
from google.protobuf import json_format  # noqa: E402
from tensorflow.core.framework import tensor_pb2, types_pb2  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

INVALID_ARGUMENT, NOT_FOUND, FAILED_PRECONDITION, UNAVAILABLE = 3, 5, 9, 14
HTTP = {INVALID_ARGUMENT: 400, NOT_FOUND: 404, FAILED_PRECONDITION: 400, UNAVAILABLE: 503}
TYPES = {1: np.float32, 3: np.int32}
AVAILABLE = get_model_status_pb2.ModelVersionStatus.State.AVAILABLE


class RequestError(Exception):
    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


class Batcher:
    """Merges requests of one signature along dimension 0, as BatchingSession does."""

    def __init__(self, run, signature, max_rows: int, timeout: float, sizes: list[int]):
        self._run, self._signature, self._max_rows = run, signature, max_rows
        self._timeout, self._sizes = timeout, sizes
        self._tasks, self._ready = [], threading.Condition()
        self.largest = 0
        threading.Thread(target=self._work, daemon=True).start()

    def __call__(self, inputs):
        future = concurrent.futures.Future()
        with self._ready:
            self._tasks.append((inputs, future))
            self._ready.notify()
        return future.result()

    def _take(self):
        with self._ready:
            self._ready.wait_for(lambda: self._tasks)
            end = time.monotonic() + self._timeout
            while self._rows() < self._max_rows and time.monotonic() < end:
                self._ready.wait(max(end - time.monotonic(), 0))
            taken = [self._tasks.pop(0)]
            while self._tasks:
                rows = sum(_rows(inputs) for inputs, _ in [*taken, self._tasks[0]])
                if rows > self._max_rows:
                    break
                taken.append(self._tasks.pop(0))
            return taken

    def _rows(self) -> int:
        return sum(_rows(inputs) for inputs, _ in self._tasks)

    def _work(self):
        while True:
            tasks = self._take()
            try:
                results = self._process([inputs for inputs, _ in tasks])
            except (cpp_session.SessionError, RequestError) as error:
                for _, future in tasks:
                    future.set_exception(error)
            except Exception as error:
                for _, future in tasks:
                    future.set_exception(RequestError(13, repr(error)))
            else:
                for (_, future), result in zip(tasks, results, strict=True):
                    future.set_result(result)

    def _process(self, requests):
        counts = [_rows(inputs) for inputs in requests]
        self.largest = max(self.largest, len(requests))
        merged = {name: _merged([r[name] for r in requests]) for name in requests[0]}
        size = next((n for n in self._sizes if n >= sum(counts)), sum(counts))
        for name, value in merged.items():
            extra = np.repeat(value[:1], size - len(value), axis=0)
            merged[name] = np.concatenate([value, extra])
        outputs = self._run(self._signature, merged)
        ends = np.cumsum(counts)
        return [
            {name: value[end - count : end] for name, value in outputs.items()}
            for count, end in zip(counts, ends, strict=True)
        ]


def _rows(inputs) -> int:
    return len(next(iter(inputs.values())))


def _merged(arrays):
    """Concatenates; pads the other dimensions with a tensor's first element."""
    if len({array.ndim for array in arrays}) > 1:
        raise RequestError(INVALID_ARGUMENT, "tensors of different ranks cannot be merged")
    shape = np.max([array.shape[1:] for array in arrays], axis=0)
    padded = []
    for array in arrays:
        first = array.reshape(-1)[0] if array.size else 0
        whole = np.full([len(array), *shape.astype(int)], first, array.dtype)
        whole[tuple(slice(0, size) for size in array.shape)] = array
        padded.append(whole)
    return np.concatenate(padded)


class Version:
    """One loaded version: warmed up before anyone may use it."""

    def __init__(self, path: pathlib.Path, batching: dict | None, threads: int):
        config = bytes([0x10, threads]) if threads else b""  # intra_op_parallelism_threads
        self.session = cpp_session.Session(path, config)
        self.signatures = self.session.signatures
        self.warmed_up = self._replay(path / "assets.extra" / "tf_serving_warmup_requests")
        self._batchers = {
            name: Batcher(self.session.run, name, **batching) for name in self.signatures
        } if batching else {}  # fmt: skip

    def run(self, name: str, inputs):
        name = name or "serving_default"
        if name not in self.signatures:
            raise RequestError(FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        expected = self.signatures[name].inputs
        if set(inputs) != set(expected):
            message = f"input keys {sorted(inputs)} are not {sorted(expected)}"
            raise RequestError(INVALID_ARGUMENT, message)
        for key, value in inputs.items():
            if TYPES.get(expected[key].dtype) != value.dtype:
                raise RequestError(INVALID_ARGUMENT, f"{key} has type {value.dtype}")
        if name not in self._batchers:
            return self.session.run(name, inputs)
        if len({value.shape[:1] for value in inputs.values()}) != 1 or value.ndim == 0:
            message = "Batching session Run() input tensors must have equal 0th-dimension size"
            raise RequestError(INVALID_ARGUMENT, message)
        return self._batchers[name](inputs)

    def largest(self) -> int:
        return max((batcher.largest for batcher in self._batchers.values()), default=0)

    def _replay(self, path: pathlib.Path) -> int:
        count, content = 0, path.read_bytes() if path.exists() else b""
        while content:
            (size,) = struct.unpack("<Q", content[:8])
            log = prediction_log_pb2.PredictionLog.FromString(content[12 : 12 + size])
            request = log.predict_log.request
            inputs = {name: to_numpy(tensor) for name, tensor in request.inputs.items()}
            self.session.run(request.model_spec.signature_name, inputs)
            content, count = content[16 + size :], count + 1
        return count


class Model:
    """Watches a folder and serves its newest version."""

    def __init__(self, name, base, batching, threads):
        self.name, self.base = name, pathlib.Path(base)
        self._batching, self._threads = batching, threads
        self.versions: dict[int, Version] = {}
        self.failed: dict[int, str] = {}
        self.poll()

    def poll(self):
        names = {int(p.name): p for p in self.base.iterdir() if p.name.isdigit()}
        for number in sorted(names)[-2:]:
            if number not in self.versions and number not in self.failed:
                try:
                    version = Version(names[number], self._batching, self._threads)
                    self.versions = {**self.versions, number: version}
                except cpp_session.SessionError as error:
                    self.failed[number] = str(error)

    def find(self, spec) -> tuple[int, Version]:
        if spec.name != self.name:
            raise RequestError(NOT_FOUND, f"Servable not found for request: Latest({spec.name})")
        if spec.version_label:
            raise RequestError(NOT_FOUND, f"no version label {spec.version_label}")
        number = spec.version.value if spec.HasField("version") else max(self.versions)
        if number not in self.versions:
            raise RequestError(NOT_FOUND, f"Servable not found: {spec.name} version {number}")
        return number, self.versions[number]

    def predict(self, request):
        number, version = self.find(request.model_spec)
        inputs = {name: to_numpy(tensor) for name, tensor in request.inputs.items()}
        outputs = version.run(request.model_spec.signature_name, inputs)
        response = predict_pb2.PredictResponse()
        response.model_spec.name, response.model_spec.version.value = self.name, number
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(to_proto(value))
        return response

    def metadata(self, request):
        number, version = self.find(request.model_spec)
        response = get_model_metadata_pb2.GetModelMetadataResponse()
        response.model_spec.name, response.model_spec.version.value = self.name, number
        described = get_model_metadata_pb2.SignatureDefMap()
        for name, signature in version.signatures.items():
            described.signature_def[name].CopyFrom(signature)
        response.metadata["signature_def"].Pack(described)
        return response

    def status(self, request):
        self.find(request.model_spec)
        response = get_model_status_pb2.GetModelStatusResponse()
        for number in self.versions:
            response.model_version_status.add(version=number, state=AVAILABLE)
        return response


def to_numpy(tensor) -> np.ndarray:
    shape = [dim.size for dim in tensor.tensor_shape.dim]
    if tensor.dtype not in TYPES:
        return np.zeros(shape, np.float64)  # of a type that no signature takes
    values = np.frombuffer(tensor.tensor_content, TYPES[tensor.dtype])
    if not len(values):
        field = tensor.float_val if tensor.dtype == types_pb2.DT_FLOAT else tensor.int_val
        values = np.array(field, TYPES[tensor.dtype])
    count = int(np.prod(shape))
    if len(values) < count and len(values):
        values = np.concatenate([values, np.repeat(values[-1:], count - len(values))])
    if len(values) != count:
        raise RequestError(INVALID_ARGUMENT, "tensor parsing error")
    return values.reshape(shape)


def to_proto(value: np.ndarray):
    """As TensorFlow Serving answers: values in the field of their type."""
    tensor = tensor_pb2.TensorProto()
    for size in value.shape:
        tensor.tensor_shape.dim.add(size=size)
    if value.dtype == object:
        tensor.dtype = types_pb2.DT_STRING
        tensor.string_val.extend(value.reshape(-1).tolist())
    elif value.dtype == np.float32:
        tensor.dtype = types_pb2.DT_FLOAT
        tensor.float_val.extend(value.reshape(-1).tolist())
    else:
        tensor.dtype = types_pb2.DT_INT32
        tensor.int_val.extend(value.reshape(-1).tolist())
    return tensor


class Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """The gRPC services; `unavailable` answers so many requests with UNAVAILABLE first."""

    def __init__(self, model: Model, unavailable: int):
        self._model, self._unavailable, self._lock = model, unavailable, threading.Lock()

    def Predict(self, request, context):  # noqa: N802
        return self._answer(self._model.predict, request, context)

    def GetModelMetadata(self, request, context):  # noqa: N802
        return self._answer(self._model.metadata, request, context)

    def GetModelStatus(self, request, context):  # noqa: N802
        return self._answer(self._model.status, request, context)

    def _answer(self, function, request, context):
        try:
            return self.call(function, request)
        except (RequestError, cpp_session.SessionError) as error:
            code = next(c for c in grpc.StatusCode if c.value[0] == error.code)
            context.abort(code, str(error))

    def call(self, function, request):
        with self._lock:
            self._unavailable -= 1
            if self._unavailable >= 0:
                raise RequestError(UNAVAILABLE, "not now")
        return function(request)


def rest_handler(model: Model, services: Services):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            parts = self.path.strip("/").split("/")
            metadata = parts[-1] == "metadata"
            kind = get_model_metadata_pb2.GetModelMetadataRequest
            request = kind() if metadata else get_model_status_pb2.GetModelStatusRequest()
            self._answer(lambda: self._get(request, parts, metadata))

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(lambda: self._predict(content))

        def _get(self, request, parts, metadata):
            _name(request.model_spec, parts)
            answer = services.call(model.metadata if metadata else model.status, request)
            if not metadata:
                return json.loads(
                    json_format.MessageToJson(answer, preserving_proto_field_name=True)
                )
            described = get_model_metadata_pb2.SignatureDefMap()
            answer.metadata["signature_def"].Unpack(described)
            text = json_format.MessageToJson(described, preserving_proto_field_name=True)
            return {"metadata": {"signature_def": json.loads(text)}}

        def _predict(self, content):
            request = predict_pb2.PredictRequest()
            _name(request.model_spec, self.path.removesuffix(":predict").strip("/").split("/"))
            try:
                body = json.loads(content)
                name, values = body.get("signature_name", ""), body["inputs"]
            except (ValueError, KeyError, AttributeError):
                raise RequestError(INVALID_ARGUMENT, "JSON Parse error") from None
            _, version = services.call(model.find, request.model_spec)
            signature = version.signatures.get(name or "serving_default")
            expected = signature.inputs if signature else {}
            try:
                inputs = {
                    key: np.array(value, TYPES[expected[key].dtype] if key in expected else float)
                    for key, value in values.items()
                }
            except (ValueError, TypeError, OverflowError, AttributeError) as error:
                raise RequestError(INVALID_ARGUMENT, f"JSON Value: {error}") from None
            outputs = version.run(name, inputs)
            return {"outputs": {key: _plain(value) for key, value in outputs.items()}}

        def _answer(self, function):
            try:
                status, answer = 200, function()
            except (RequestError, cpp_session.SessionError) as error:
                status, answer = HTTP.get(error.code, 500), {"error": str(error)}
            content = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    return Handler


def _plain(value: np.ndarray):
    if value.dtype == object:
        return [item.decode() for item in value]
    return value.tolist()


def _name(spec, parts: list[str]) -> None:
    """Reads v1/models/NAME[/versions/N|/labels/L][/metadata]."""
    spec.name = parts[2]
    if len(parts) > 4 and parts[3] == "versions":
        spec.version.value = int(parts[4])
    elif len(parts) > 4 and parts[3] == "labels":
        spec.version_label = parts[4]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base")
    parser.add_argument("--name", default="sketch_rnn")
    parser.add_argument("--max_batch_size", type=int, default=0)
    parser.add_argument("--batch_timeout", type=float, default=0.001)
    parser.add_argument("--allowed_batch_sizes", type=int, nargs="*", default=[])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--unavailable", type=int, default=0)
    args = parser.parse_args()
    batching = None
    if args.max_batch_size:
        batching = {
            "max_rows": args.max_batch_size,
            "timeout": args.batch_timeout,
            "sizes": args.allowed_batch_sizes,
        }
    model = Model(args.name, args.base, batching, args.threads)
    services = Services(model, args.unavailable)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=32))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    rest = http.server.ThreadingHTTPServer(("127.0.0.1", 0), rest_handler(model, services))
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    first = next(iter(model.versions.values()), None)
    ready = {"grpc": port, "rest": rest.server_port, "warmed_up": first and first.warmed_up}
    print(json.dumps({**ready, "failed": model.failed}), flush=True)
    while True:  # until stdin is closed, so that no server outlives its test
        line = sys.stdin.readline()
        if not line:
            break
        model.poll()
        largest = max((version.largest() for version in model.versions.values()), default=0)
        state = {"versions": sorted(model.versions), "largest": largest, "failed": model.failed}
        print(json.dumps(state), flush=True)
    server.stop(None)


if __name__ == "__main__":
    main()
