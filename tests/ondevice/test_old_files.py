"""Files that were exported by earlier versions still open, draw the same and score the same."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")

from sketch_rnn_tf import ondevice

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "testdata" / "artifacts"
WANTED = json.loads((FOLDER / "v1_int8.json").read_text())


@pytest.fixture(scope="module")
def old():
    return ondevice.open(FOLDER / "v1_int8.tflite")


@pytest.mark.parametrize("name", WANTED["drawings"])
def test_an_old_file_draws_what_it_drew(old, name):
    found = old.generate(2, temperature=0.7, seed=[[5, 10], [5, 11]], label=name, keep_empty=True)
    for ours, theirs in zip(found, WANTED["drawings"][name], strict=True):
        np.testing.assert_allclose(np.asarray(ours), theirs, atol=1e-3 * old.config.scale_factor)


@pytest.mark.parametrize("name", WANTED["drawings"])
def test_an_old_file_scores_as_it_scored(old, name):
    drawings = [np.float32(rows) for rows in WANTED["drawings"][name]]
    found = [score["nats"] for score in old.score(drawings, label=name)]
    np.testing.assert_allclose(found, WANTED["nats"][name], rtol=1e-3)


def test_a_folder_of_exports_opens_by_its_whole_model(litert_files):
    assert "sample" in ondevice.open(litert_files).backend.metadata["signatures"]
