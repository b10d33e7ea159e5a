"""sketch-rnn-score with --server, and the commands on an exported SavedModel's folder."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sketch_rnn_tf.commands import sample, score

pytestmark = pytest.mark.large


@pytest.fixture
def given(tmp_path):
    """Returns a file of four drawings."""
    steps = np.random.default_rng(1).integers(-9, 9, size=(4, 8, 2))
    drawings = [[walk[:5].tolist(), walk[5:].tolist()] for walk in steps.cumsum(axis=1)]
    path = tmp_path / "given.json"
    path.write_text(json.dumps(drawings))
    return path


def _scored(capsys, *arguments: object) -> list[dict]:
    capsys.readouterr()
    assert score.run([*map(str, arguments), "--json"]) == 0, capsys.readouterr().err
    return json.loads(capsys.readouterr().out)["sketches"]


def _expected(exported, capsys, given) -> list[dict]:
    from sketch_rnn_tf.commands import inputs

    drawings = inputs.load(given, exported.sketcher.config)
    return exported.sketcher.score([one.strokes for one in drawings], label="dog")


@pytest.mark.parametrize("kind", ["grpc", "rest", "folder"])
def test_a_server_scores_what_its_model_scores_at_home(server, exported, given, kind, capsys):
    where = ("--model", exported.base) if kind == "folder" else ("--server", server.addresses[kind])
    found = _scored(capsys, *where, "--input", given, "--class", "dog")
    for one, other in zip(found, _expected(exported, capsys, given), strict=True):
        for name in ("offset_nats", "pen_nats", "end_nats", "kl_nats"):
            assert one[name] == pytest.approx(other[name], abs=1e-3)


def test_a_server_scores_as_every_class(server, given, capsys):
    address = server.addresses["grpc"]
    for one in _scored(capsys, "--server", address, "--input", given, "--class", "all"):
        assert one["nats"] == min(one["by_class"].values())
        assert set(one["by_class"]) == {"cat", "dog"}


@pytest.mark.parametrize("path", ["", "1"])
def test_a_saved_model_in_its_folder_draws_what_its_model_draws(exported, tmp_path, path):
    arguments = [
        "--model",
        str(exported.base / path),
        "--num",
        "3",
        "--class",
        "cat",
        "--seed",
        "4",
    ]
    assert sample.run([*arguments, "--output", str(tmp_path / "drawn.json")]) == 0
    found = json.loads((tmp_path / "drawn.json").read_text())["sketches"]
    for one, other in zip(found, exported.sketcher.generate(3, label="cat", seed=4), strict=True):
        np.testing.assert_allclose(one["strokes"], np.asarray(other), atol=7e-3)
