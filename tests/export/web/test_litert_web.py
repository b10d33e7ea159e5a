"""LiteRT.js runs an exported .tflite in a real browser, with Python's numbers."""

from __future__ import annotations

import functools
import http.server
import json
import pathlib
import shutil
import subprocess
import threading

import numpy as np
import pytest

from sketch_rnn_tf import ondevice
from sketch_rnn_tf.export.litert import exporter as litert
from sketch_rnn_tf.export.litert.graphs import Graphs

EXAMPLE = pathlib.Path(__file__).resolve().parents[3] / "examples" / "litert_web"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def example(tmp_path_factory, make_run, web_folder):
    """Returns the example with LiteRT.js from npm and a small model, as its first lines say."""
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("needs npm (Node.js)")
    folder = tmp_path_factory.mktemp("litert") / "example"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules", "exported"))
    command = [npm, "install", "--no-audit", "--no-fund", "--ignore-scripts"]
    done = subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    if done.returncode:
        pytest.skip("needs @litertjs/core from npm, which cannot be had here")
    run = make_run("latent")
    graphs = Graphs(run.load_model(), run.config.scale_factor, run.config.start_token, "magenta")
    facts = litert.describe(run, graphs)
    exported = folder / "exported"
    shutil.copytree(web_folder("latent"), exported / "web")
    (exported / "litert").mkdir()
    data = litert.convert(graphs, "float32", facts, step_only=True)
    (exported / "litert" / "step.tflite").write_bytes(data)
    (exported / "litert" / "model.json").write_text(json.dumps(facts))
    return folder


@pytest.mark.large
def test_litert_js_draws_what_python_draws(chromium, example):
    handler = functools.partial(_Quiet, directory=str(example))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        chromium.open(f"http://127.0.0.1:{server.server_address[1]}/?seed=5&temperature=0.7")
        chromium.wait(lambda: chromium.text("#status") != "Loading LiteRT.js …", "LiteRT.js", 60)
        assert " points in " in chromium.text("#status")
        found = chromium.run("return window.sketches")
        server.shutdown()
    python = ondevice.open(example / "exported" / "litert" / "step.tflite")
    expected = python.generate(9, seed=5, temperature=0.7)
    assert sum(len(sketch["strokes"]) for sketch in found) > 50
    for ours, theirs in zip(found, expected, strict=True):
        rows = np.asarray(theirs)
        assert np.shape(ours["strokes"]) == rows.shape
        assert ours["ended"] == theirs.ended
        np.testing.assert_allclose(ours["strokes"], rows, rtol=0, atol=1e-3 * 12.5)
