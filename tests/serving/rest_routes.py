"""The REST routes of the test server: predict, metadata, status."""

from __future__ import annotations

import http.server
import json
import re

import cpp_session
from batching import FAILED_PRECONDITION, INVALID_ARGUMENT, UNAVAILABLE, RequestError
from google.protobuf import json_format
from messages import from_json, to_json
from tensorflow_serving.apis import get_model_metadata_pb2, get_model_status_pb2, predict_pb2

NOT_FOUND = 5
HTTP = {INVALID_ARGUMENT: 400, NOT_FOUND: 404, FAILED_PRECONDITION: 400, UNAVAILABLE: 503}
PATH = re.compile(
    r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(/metadata|:predict)?", re.ASCII
)


def handler(model, services):
    """Returns a handler's class; `services` counts requests, delays and refuses them as asked."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(self._get)

        def do_POST(self):
            content = self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(lambda: self._predict(content))

        def _get(self):
            metadata = self.path.endswith("/metadata")
            kind = get_model_metadata_pb2.GetModelMetadataRequest
            request = kind() if metadata else get_model_status_pb2.GetModelStatusRequest()
            _name(request.model_spec, self.path)
            answer = services.call(model.metadata if metadata else model.status, request)
            if not metadata:
                return _plain(answer)
            described = get_model_metadata_pb2.SignatureDefMap()
            answer.metadata["signature_def"].Unpack(described)
            return {"metadata": {"signature_def": _plain(described)}}

        def _predict(self, content):
            request = predict_pb2.PredictRequest()
            _name(request.model_spec, self.path)
            try:
                body = json.loads(content)
                name, values = body.get("signature_name", ""), dict(body["inputs"])
            except (ValueError, KeyError, TypeError, AttributeError):
                raise RequestError(INVALID_ARGUMENT, "JSON Parse error") from None

            def run(request):
                _, version = model.find(request.model_spec)
                expected = version.signature(name).inputs
                codes = {key: expected[key].dtype if key in expected else None for key in values}
                inputs = {key: from_json(key, values[key], codes[key]) for key in values}
                return version.run(name, inputs)

            outputs = services.call(run, request)
            return {"outputs": {key: to_json(value) for key, value in outputs.items()}}

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


def _plain(message):
    return json.loads(json_format.MessageToJson(message, preserving_proto_field_name=True))


def _name(spec, path: str) -> None:
    """Reads v1/models/NAME[/versions/N|/labels/L][/metadata|:predict]."""
    match = PATH.fullmatch(path)
    if not match:
        raise RequestError(INVALID_ARGUMENT, f"Malformed request: {path}")
    spec.name = match[1]
    if match[2]:
        spec.version.value = int(match[2])
    elif match[3]:
        spec.version_label = match[3]
