"""The tests' server (model_server.py) as a process, for tests, benchmarks and experiments."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).parent


class ServerProcess:
    """The server of a model's folder of versions; it ends when its stdin does.

    Args:
      base: the folder of versions.
      *options: of model_server.py.
    """

    def __init__(self, base: str | os.PathLike, *options: object):
        self._process = subprocess.Popen(
            [sys.executable, HERE / "model_server.py", base, *map(str, options)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        )  # fmt: skip
        self.ready = json.loads(self._process.stdout.readline())
        self.addresses = addresses(self.ready["grpc"], self.ready["rest"])

    def __enter__(self) -> ServerProcess:
        return self

    def __exit__(self, *_) -> None:
        self.stop()

    def poll(self) -> dict:
        """Lets the server look for new versions; returns what it holds."""
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def memory(self) -> float:
        """Returns its resident memory in MiB; Linux only."""
        if self._process.poll() is not None:
            raise RuntimeError(f"the server ended with code {self._process.returncode}")
        text = pathlib.Path(f"/proc/{self._process.pid}/status").read_text()
        return int(text.partition("VmRSS:")[2].split()[0]) / 1024

    def stop(self) -> None:
        self._process.stdin.close()
        self._process.wait(30)


def addresses(grpc_port: int, rest_port: int) -> dict[str, str]:
    """Returns what `serving.connect` takes for each of two ports of this machine."""
    return {"grpc": f"grpc://127.0.0.1:{grpc_port}", "rest": f"http://127.0.0.1:{rest_port}"}
