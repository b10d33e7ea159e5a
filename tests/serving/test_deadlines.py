"""Servers that are slow, silent or away: what the client does, and for how long."""

from __future__ import annotations

import concurrent.futures
import http.server
import json
import socket
import threading
import time

import pytest

from sketch_rnn_tf import serving

KINDS = ("grpc", "http")
SLACK = 1.5  # seconds that a busy machine may be late
STATUS = {"model_version_status": [{"version": "3", "state": "AVAILABLE"}]}


class Answers:
    """Answers status requests: `failures` times "unavailable" first, each after `seconds`."""

    def __init__(self, seconds: float = 0.0, failures: int = 0):
        self.seconds, self.failures = seconds, failures
        self.asked: list[str] = []  # which model, version and label each request was for

    def __call__(self, asked: str) -> bool:
        self.asked.append(asked)
        time.sleep(self.seconds)
        return len(self.asked) > self.failures


def _rest(answers, port=0):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            good = answers(self.path.removeprefix("/v1/models/"))
            content = json.dumps(STATUS if good else {"error": "not now"}).encode()
            self.send_response(200 if good else 503)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def stop():
        server.shutdown()
        server.server_close()

    return server.server_port, stop


def _grpc(answers, port=0):
    grpc = pytest.importorskip("grpc", reason="needs tensorflow-serving-api")
    apis = pytest.importorskip("tensorflow_serving.apis.get_model_status_pb2")

    def get_model_status(request, context):
        spec = request.model_spec
        version = f"/versions/{spec.version.value}" if spec.HasField("version") else ""
        label = f"/labels/{spec.version_label}" if spec.version_label else ""
        if not answers(spec.name + version + label):
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        response = apis.GetModelStatusResponse()
        response.model_version_status.add(version=3, state=apis.ModelVersionStatus.AVAILABLE)
        return response

    handler = grpc.unary_unary_rpc_method_handler(
        get_model_status, apis.GetModelStatusRequest.FromString,
        apis.GetModelStatusResponse.SerializeToString,
    )  # fmt: skip
    service = "tensorflow.serving.ModelService"
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler(service, {"GetModelStatus": handler})]
    )
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    return port, lambda: server.stop(None)


@pytest.fixture(params=KINDS)
def start(request):
    """Returns a function that starts a server and returns its address."""
    stops = []

    def make(answers, port=0) -> str:
        port, stop = {"grpc": _grpc, "http": _rest}[request.param](answers, port)
        stops.append(stop)
        return f"{request.param}://127.0.0.1:{port}"

    make.kind = request.param
    yield make
    for stop in stops:
        stop()


@pytest.fixture
def silent():
    """Returns the port of a server that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _seconds(call, error) -> float:
    """Returns after how many seconds a call raises an error."""
    begun = time.monotonic()
    with pytest.raises(error):
        call()
    return time.monotonic() - begun


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_never_answers_costs_the_timeout(kind, silent):
    pytest.importorskip("tensorflow_serving" if kind == "grpc" else "http")
    client = serving.connect(f"{kind}://127.0.0.1:{silent}", timeout=0.4)
    assert 0.35 < _seconds(client.backend.status, serving.DeadlineError) < 0.4 + SLACK


def test_a_slow_server_is_waited_for_as_long_as_the_timeout_says(start):
    answers = Answers(seconds=0.8)
    address = start(answers)
    assert serving.connect(address, timeout=20).backend.status() == {3: "AVAILABLE"}
    client = serving.connect(address, timeout=0.3)
    assert 0.25 < _seconds(client.backend.status, serving.DeadlineError) < 0.3 + SLACK
    assert len(answers.asked) <= 2  # after a deadline nothing is sent again


def test_the_deadline_is_for_the_whole_answer():
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip():
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
                try:
                    for _ in range(100):
                        connection.sendall(b" ")
                        time.sleep(0.05)
                except OSError:
                    pass

        thread = threading.Thread(target=drip)
        thread.start()
        client = serving.connect(f"http://127.0.0.1:{server.getsockname()[1]}", timeout=0.4)
        assert 0.35 < _seconds(client.backend.status, serving.DeadlineError) < 0.4 + SLACK
        thread.join()


def test_unavailable_servers_are_asked_again_until_they_answer(start):
    answers = Answers(failures=2)
    assert serving.connect(start(answers), retries=2).backend.status() == {3: "AVAILABLE"}
    assert len(answers.asked) == 3


def test_retries_end_with_their_number_and_with_the_deadline(start):
    answers = Answers(failures=1000)
    address = start(answers)
    _seconds(serving.connect(address, retries=1).backend.status, serving.UnavailableError)
    assert len(answers.asked) == 2
    client = serving.connect(address, retries=1000, timeout=0.6)
    late = (serving.UnavailableError, serving.DeadlineError)
    assert _seconds(client.backend.status, late) < 0.6 + SLACK
    assert len(answers.asked) < 12  # pauses grow


def test_a_server_that_comes_up_late_is_found(start):
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    client = serving.connect(f"{start.kind}://127.0.0.1:{port}", timeout=20, retries=30)
    timer = threading.Timer(0.5, start, [Answers(), port])
    timer.start()
    assert client.backend.status() == {3: "AVAILABLE"}
    timer.join()


def test_versions_and_labels_are_asked_for_by_name(start):
    answers = Answers()
    address = start(answers)
    for options in ({}, {"version": 7}, {"label": "stable"}):
        serving.connect(address, "sheep", **options).backend.status()
    assert answers.asked == ["sheep", "sheep/versions/7", "sheep/labels/stable"]


@pytest.mark.parametrize(
    "content", [b"[1]", b"null", b"{}", b"<html>", b'{"model_version_status": 1}']
)
def test_an_answer_of_another_server_is_an_error_of_the_server(content):
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        client = serving.connect(f"http://127.0.0.1:{server.server_port}")
        with pytest.raises(serving.ServerError, match="does not answer as TensorFlow Serving does"):
            client.backend.status()
        server.shutdown()


@pytest.mark.parametrize(
    ("kind", "other", "words"),
    [("grpc", _rest, "does not speak gRPC"), ("http", _grpc, "does not speak HTTP")],
)
def test_the_port_of_the_other_protocol_is_named_at_once(kind, other, words):
    pytest.importorskip("tensorflow_serving")
    port, stop = other(Answers())
    client = serving.connect(f"{kind}://127.0.0.1:{port}", retries=1000, timeout=20)
    with pytest.raises(serving.ServerError, match=rf"{words}; is this .*'s port\?"):
        client.backend.status()
    stop()


@pytest.mark.parametrize("timeout", [0, -1, float("nan"), float("inf")])
def test_a_timeout_is_a_number_of_seconds(timeout):
    with pytest.raises(ValueError, match=r"timeout is .*, expected seconds above 0"):
        serving.connect("http://localhost", timeout=timeout)
