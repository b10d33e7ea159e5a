"""A server over gRPC and REST that holds a small model's export.

It is the tests' own, or `tensorflow_model_server` where that is on PATH, or the one that
TF_SERVING_ADDRESS names (see small_model.py).
"""

from __future__ import annotations

import os
import pathlib
import re
import shutil
import socket
import subprocess
import types

import pytest
from server_process import ServerProcess, addresses

from sketch_rnn_tf import serving


class OtherServer:
    """A server that is not the tests' own: it does not say what it merges."""

    def __init__(self, addresses: dict[str, str]):
        self.addresses = addresses

    def poll(self) -> dict:
        return {"largest": None}

    def stop(self) -> None:
        pass


class RealServer(OtherServer):
    """`tensorflow_model_server`, where it is on PATH."""

    def __init__(self, binary: str, base: pathlib.Path):
        ports = _free_ports(2)
        beside = base.parent / "serving"
        models = (beside / "models.config").read_text().replace("/models/sketch_rnn", str(base))
        (beside / "local.config").write_text(models)
        self._process = subprocess.Popen(
            [binary, f"--port={ports[0]}", f"--rest_api_port={ports[1]}",
             f"--model_config_file={beside / 'local.config'}", "--enable_batching=true",
             f"--batching_parameters_file={beside / 'batching_parameters.txt'}",
             f"--tensorflow_session_config_file={beside / 'session_config.txt'}",
             "--tensorflow_intra_op_parallelism=1", "--tensorflow_inter_op_parallelism=-1",
             "--allow_version_labels_for_unavailable_models=true"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        super().__init__(addresses(*ports))
        for address in self.addresses.values():
            serving.connect(address, timeout=60, retries=60).backend.status()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(20)


class _Named(dict):
    """Addresses of TF_SERVING_ADDRESS; a test that needs another is skipped."""

    def __missing__(self, kind: str) -> str:
        pytest.skip(f"TF_SERVING_ADDRESS names no {kind} address")


def _named_server(value: str, expected) -> OtherServer:
    """Returns the server of TF_SERVING_ADDRESS; it is an error when it serves something else."""
    addresses = _Named()
    for address in value.split(","):
        addresses["rest" if address.startswith("http") else "grpc"] = address.strip()
    for address in addresses.values():
        with serving.connect(address, timeout=30, retries=10) as client:
            if client.config != expected:
                pytest.fail(f"{address} serves another model than tests/serving/small_model.py")
    return OtherServer(addresses)


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
    import small_model

    folder = tmp_path_factory.mktemp("exported")
    sketcher = small_model.sketcher()
    base = small_model.write(sketcher, folder).parent
    return types.SimpleNamespace(
        base=base,
        batching=folder / "serving" / "batching_parameters.txt",
        session=folder / "serving" / "session_config.txt",
        sketcher=sketcher,
        again=lambda: small_model.write(sketcher, folder),
    )


@pytest.fixture(scope="session")
def start():
    """Returns a function that starts a server and stops it after the tests."""
    servers = []

    def make(base, *options: object) -> ServerProcess:
        servers.append(ServerProcess(base, *options))
        return servers[-1]

    yield make
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def named_server():
    """Returns the function that checks a server's model and takes it for the tests."""
    return _named_server


@pytest.fixture(scope="session")
def server(exported, start, named_server, tmp_path_factory):
    """Returns a server with batching, a real one where there is one."""
    named, binary = os.environ.get("TF_SERVING_ADDRESS"), shutil.which("tensorflow_model_server")
    if named:
        yield named_server(named, exported.sketcher.config)
        return
    if binary:
        real = RealServer(binary, exported.base)
        yield real
        real.stop()
        return
    slow = tmp_path_factory.mktemp("batching") / "parameters.txt"  # so that requests do meet
    given = exported.batching.read_text()
    slow.write_text(re.sub("(batch_timeout_micros.*:) [0-9]+", r"\1 20000", given))
    yield start(
        exported.base, "--batching_parameters_file", slow, "--label", "stable=1",
        "--session_config_file", exported.session,
    )  # fmt: skip
