"""A server for tests that speaks TensorFlow Serving's protocols over TensorFlow's C++ session.

It is not TensorFlow Serving, and stands in for `tensorflow_model_server` where that is not to be
had: PredictionService (Predict, GetModelMetadata), ModelService (GetModelStatus), their REST
routes, version labels, batching as BatchingSession does it, replay of the warm-up file, and new
versions taken from the watched folder. For tests of clients it can be slow or unavailable.
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

import cpp_session

cpp_session.stand_in_for_tensorflow()
import batching  # noqa: E402
import grpc  # noqa: E402
import messages  # noqa: E402
import rest_routes  # noqa: E402
from batching import (  # noqa: E402
    FAILED_PRECONDITION,
    INVALID_ARGUMENT,
    UNAVAILABLE,
    RequestError,
)
from google.protobuf import text_format  # noqa: E402
from tensorflow_serving.apis import (  # noqa: E402
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

AVAILABLE = get_model_status_pb2.ModelVersionStatus.State.AVAILABLE
KEPT_VERSIONS = 2  # as in models.config


class Version:
    """One loaded version: warmed up before anyone may use it."""

    def __init__(self, path: pathlib.Path, parameters: batching.Parameters | None, config: bytes):
        self.session = cpp_session.Session(path, config)
        self.signatures = self.session.signatures
        self.warmed_up = self._replay(path / "assets.extra" / "tf_serving_warmup_requests")
        self._scheduler = parameters and batching.Scheduler(self.session.run, parameters)

    def signature(self, name: str):
        name = name or "serving_default"
        if name not in self.signatures:
            raise RequestError(FAILED_PRECONDITION, f'Serving signature key "{name}" not found.')
        return self.signatures[name]

    def run(self, name: str, inputs):
        """Checks names, and nothing else, as PreProcessPrediction does."""
        expected = self.signature(name).inputs
        if set(inputs) != set(expected):
            message = f"input size does not match signature: {sorted(inputs)} {sorted(expected)}"
            raise RequestError(INVALID_ARGUMENT, message)
        return (self._scheduler or self.session.run)(name or "serving_default", inputs)

    def largest(self) -> int:
        return self._scheduler.largest if self._scheduler else 0

    def _replay(self, path: pathlib.Path) -> int:
        count, content = 0, path.read_bytes() if path.exists() else b""
        while content:
            (size,) = struct.unpack("<Q", content[:8])
            log = prediction_log_pb2.PredictionLog.FromString(content[12 : 12 + size])
            request = log.predict_log.request
            inputs = {name: messages.to_numpy(tensor) for name, tensor in request.inputs.items()}
            self.session.run(request.model_spec.signature_name, inputs)
            content, count = content[16 + size :], count + 1
        return count


class Model:
    """Watches a folder and serves its newest versions."""

    def __init__(self, name, base, parameters, config, labels):
        self.name, self.base, self.labels = name, pathlib.Path(base), labels
        self._parameters, self._config = parameters, config
        self.versions: dict[int, Version] = {}
        self.failed: dict[int, str] = {}
        self.poll()

    def poll(self):
        names = {int(p.name): p for p in self.base.iterdir() if p.name.isdigit()}
        for number in sorted(names)[-KEPT_VERSIONS:]:
            if number not in self.versions and number not in self.failed:
                try:
                    version = Version(names[number], self._parameters, self._config)
                    self.versions = {**self.versions, number: version}
                except (cpp_session.SessionError, RequestError) as error:
                    self.failed[number] = str(error)
        kept = sorted(self.versions)[-KEPT_VERSIONS:]
        self.versions = {number: self.versions[number] for number in kept}

    def find(self, spec) -> tuple[int, Version]:
        missing = f"Servable not found for request: {spec.name} {spec.version.value or 'latest'}"
        if spec.name != self.name or not self.versions:
            raise RequestError(rest_routes.NOT_FOUND, missing)
        if spec.version_label and spec.version_label not in self.labels:
            message = f"Unrecognized servable version label: {spec.version_label}"
            raise RequestError(INVALID_ARGUMENT, message)
        number = self.labels.get(spec.version_label) or spec.version.value or max(self.versions)
        if number not in self.versions:
            raise RequestError(rest_routes.NOT_FOUND, missing)
        return number, self.versions[number]

    def predict(self, request):
        number, version = self.find(request.model_spec)
        inputs = {name: messages.to_numpy(tensor) for name, tensor in request.inputs.items()}
        outputs = version.run(request.model_spec.signature_name, inputs)
        response = predict_pb2.PredictResponse()
        response.model_spec.name, response.model_spec.version.value = self.name, number
        for name, value in outputs.items():
            response.outputs[name].CopyFrom(messages.to_proto(value))
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
        number, _ = self.find(request.model_spec)
        spec = request.model_spec
        asked = [number] if spec.version_label or spec.version.value else self.versions
        response = get_model_status_pb2.GetModelStatusResponse()
        for number in asked:
            response.model_version_status.add(version=number, state=AVAILABLE)
        return response


class Services(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """The gRPC services.

    Args:
      model: what is served.
      unavailable: so many requests are answered with UNAVAILABLE first.
      delay: seconds before every answer.
    """

    def __init__(self, model: Model, unavailable: int, delay: float):
        self._model, self._unavailable, self._delay = model, unavailable, delay
        self._lock, self.requests = threading.Lock(), 0

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
            self.requests += 1
            refused = self.requests <= self._unavailable
        if refused:
            raise RequestError(UNAVAILABLE, "not now")
        time.sleep(self._delay)
        return function(request)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("base", help="the folder that holds the versions")
    parser.add_argument("--name", default="sketch_rnn")
    parser.add_argument("--batching_parameters_file", type=pathlib.Path)
    parser.add_argument("--label", action="append", default=[], help="LABEL=VERSION")
    parser.add_argument("--session_config_file", type=pathlib.Path)
    parser.add_argument("--unavailable", type=int, default=0, help="requests to refuse first")
    parser.add_argument("--delay", type=float, default=0.0, help="seconds before an answer")
    return parser.parse_args()


class _HTTPServer(http.server.ThreadingHTTPServer):
    """Lets as many connections wait as servers do; Python's own five refuse some of a storm."""

    request_queue_size = 128


def _session_config(file: pathlib.Path | None) -> bytes:
    """Returns the ConfigProto of a file, with the threads that deployment's options set."""
    from tensorflow.core.protobuf import config_pb2

    config = text_format.Parse(file.read_text() if file else "", config_pb2.ConfigProto())
    config.intra_op_parallelism_threads, config.inter_op_parallelism_threads = 1, -1
    return config.SerializeToString()


def main() -> None:
    args = _arguments()
    file = args.batching_parameters_file
    labels = {label: int(version) for label, _, version in (x.partition("=") for x in args.label)}
    parameters = file and batching.read_parameters(file)
    config = _session_config(args.session_config_file)
    model = Model(args.name, args.base, parameters, config, labels)
    services = Services(model, args.unavailable, args.delay)
    options = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=64), options=options)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(services, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(services, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    handler = rest_routes.handler(model, services)
    rest = _HTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=rest.serve_forever, daemon=True).start()
    first = next(iter(model.versions.values()), None)
    ready = {"grpc": port, "rest": rest.server_port, "warmed_up": first and first.warmed_up}
    print(json.dumps({**ready, "failed": model.failed}), flush=True)
    for _ in sys.stdin:  # until it is closed, so that no server outlives its test
        model.poll()
        largest = max((version.largest() for version in model.versions.values()), default=0)
        state = {"versions": sorted(model.versions), "failed": model.failed}
        print(json.dumps({**state, "largest": largest, "requests": services.requests}), flush=True)
    server.stop(None)


if __name__ == "__main__":
    main()
