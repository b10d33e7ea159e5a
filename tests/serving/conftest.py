"""A server over gRPC and REST that holds two small models' exports."""

from __future__ import annotations

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import types

import keras
import pytest

from sketch_rnn_tf import api, config, runs, serving
from sketch_rnn_tf.export import saved_model
from sketch_rnn_tf.model import build

SERVER = pathlib.Path(__file__).with_name("model_server.py")


class Server:
    """The test server as a process; it ends when its stdin does."""

    def __init__(self, base, *options: str):
        self._process = subprocess.Popen(
            [sys.executable, SERVER, base, *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        self.ready = json.loads(self._process.stdout.readline())
        self.addresses = {
            "grpc": f"grpc://127.0.0.1:{self.ready['grpc']}",
            "rest": f"http://127.0.0.1:{self.ready['rest']}",
        }
        self.pid = self._process.pid

    def poll(self) -> dict:
        """Lets the server look for new versions; returns what it holds."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait(20)


class RealServer:
    """`tensorflow_model_server`, where it is on PATH."""

    def __init__(self, binary: str, base: pathlib.Path):
        grpc_port, rest_port = _free_ports(2)
        beside = base.parent / "serving"
        self._process = subprocess.Popen(
            [binary, f"--port={grpc_port}", f"--rest_api_port={rest_port}",
             "--model_name=sketch_rnn", f"--model_base_path={base}", "--enable_batching=true",
             f"--batching_parameters_file={beside / 'batching_parameters.txt'}"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.addresses = {
            "grpc": f"grpc://127.0.0.1:{grpc_port}",
            "rest": f"http://127.0.0.1:{rest_port}",
        }
        for address in self.addresses.values():
            serving.Client(address, timeout=60, retries=60).status()

    def poll(self) -> dict:
        return {"largest": None}  # it does not say

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [made.getsockname()[1] for made in sockets]
    for made in sockets:
        made.close()
    return ports


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Returns a class-conditioned run's Sketcher, its export and how to export it again."""
    pytest.importorskip("tensorflow_serving", reason="needs tensorflow-serving-api")
    folder = tmp_path_factory.mktemp("exported")
    keras.utils.set_random_seed(3)
    run_config = config.RunConfig(
        scale_factor=7.0, max_length=20, classes=("cat", "dog"),
        model=config.ModelConfig(
            z_size=3, num_mixtures=4, class_conditioned=True, class_embedding=2,
            encoder=config.EncoderConfig(units=6), decoder=config.DecoderConfig(units=5),
        ),
    )  # fmt: skip
    model = build.build_model(run_config)
    run = runs.Run(folder / "run", run_config)
    path = saved_model.write(run, model, folder)
    return types.SimpleNamespace(
        base=path.parent,
        sketcher=api.Sketcher(model, run_config),
        again=lambda: saved_model.write(run, model, folder),
    )


@pytest.fixture(scope="session")
def start():
    """Returns a function that starts a server and stops it after the tests."""
    servers = []

    def make(base, *options: str) -> Server:
        servers.append(Server(base, *options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(exported, start):
    """Returns a server with batching: the real one where `tensorflow_model_server` is on PATH."""
    binary = shutil.which("tensorflow_model_server")
    if binary:
        real = RealServer(binary, exported.base)
        yield real
        real.stop()
        return
    yield start(
        exported.base, "--max_batch_size", "16", "--batch_timeout", "0.02",
        "--allowed_batch_sizes", "1", "4", "16",
    )  # fmt: skip
