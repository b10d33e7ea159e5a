"""The page on localhost: it is there, for this computer only, until Ctrl-C."""

from __future__ import annotations

import http.client
import os
import pathlib
import signal
import socket
import subprocess
import sys

import pytest

from sketch_rnn_tf import cli
from sketch_rnn_tf.commands import play
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.web import model_file

ROOT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def exported(tmp_path):
    """Returns a folder with a model.bin that holds no weights: the page alone looks at them."""
    data = model_file.pack({"name": "none", "num_mixtures": 1}, {}, "float32")
    (tmp_path / "model.bin").write_bytes(data)
    return tmp_path


@pytest.fixture
def served(exported):
    """Starts the command; returns its process and the port that it says."""
    command = [sys.executable, "-m", "sketch_rnn_tf.commands.play", "--noopen"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [*command, "--model", str(exported)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_hear_interrupts,
    ) as process:
        url = process.stdout.readline().strip()
        assert url.startswith("http://127.0.0.1:")
        yield process, int(url.rstrip("/").rpartition(":")[2])
        process.kill()


def _hear_interrupts():
    """What runs in a shell's background is started deaf to Ctrl-C, and so are its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def _get(port, path, method="GET"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(method, path)
    answer = connection.getresponse()
    return answer.status, answer.getheader("Content-Type"), answer.read()


def test_the_page_is_served_and_nothing_else(served):
    process, port = served
    status, kind, content = _get(port, "/")
    assert (status, kind) == (200, "text/html; charset=utf-8")
    assert content.startswith(b"<!doctype html>")
    assert _get(port, "/index.html?x=1")[0] == 200
    assert _get(port, "/", "HEAD")[2] == b""
    assert _get(port, "/../../etc/passwd")[0] == 404
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 0
    says = process.stderr.read()
    assert "until Ctrl-C" in says
    assert says.endswith("ended\n")


def test_the_models_in_the_box_need_no_tensorflow(monkeypatch):
    def heavy():
        raise AssertionError("imports TensorFlow")

    def serve(port, page):
        pages.append(page)
        raise UserError("seen")

    pages: list[bytes] = []
    monkeypatch.setattr(cli, "quiet_tensorflow", heavy)
    monkeypatch.setattr(play, "_server", serve)
    assert play.run(["--model=pretrained:kanji"]) == 1
    assert len(pages) == 1
    with pytest.raises(AssertionError, match="imports TensorFlow"):
        play.run(["--model=pretrained:kanji", "--web_weights=float16"])


def test_a_port_in_use_has_a_sentence(exported, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = ["--model", str(exported), "--noopen", "--port", str(port)]
        assert play.run(arguments) == 1
    assert f"port {port} is in use; without --port a free one is taken" in capsys.readouterr().err


def test_a_bad_model_has_a_sentence(exported, tmp_path, capsys):
    path = tmp_path / "other.bin"
    path.write_bytes(b"hello, this is no model at all")
    assert play.run(["--model", str(path)]) == 1
    assert "is not a model file of sketch-rnn-export --format web" in capsys.readouterr().err
    data = (exported / "model.bin").read_bytes()
    path.write_bytes(data[:-2])
    assert play.run(["--model", str(path)]) == 1
    assert "is damaged: its checksum is wrong" in capsys.readouterr().err
    assert play.run(["--model", str(tmp_path / "nothing")]) == 1
    assert "there is no such file or folder" in capsys.readouterr().err
    assert play.run(["--modle", "x"]) == 2
    assert "did you mean --model?" in capsys.readouterr().err
