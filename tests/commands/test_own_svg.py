"""A drawing that sketch-rnn-sample wrote as SVG is that very drawing wherever it is given."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data_prep import prepare
from sketch_rnn_tf.commands import sample, score
from sketch_rnn_tf.data import dataset

DRAWN = 4


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Returns a folder with the same drawings as kanji.svg and kanji.json."""
    folder = tmp_path_factory.mktemp("drawn")
    names = [f"--output={folder}/kanji.{form}" for form in ("svg", "json")]
    arguments = ["--model=pretrained:kanji", f"--num={DRAWN}", "--seed=1", *names]
    assert sample.run(arguments) == 0
    return folder


def _rows(folder):
    sketches = json.loads((folder / "kanji.json").read_text())["sketches"]
    return [np.asarray(one["strokes"], np.float32) for one in sketches]


def test_prepare_takes_its_rows_as_they_are(drawn, tmp_path):
    arguments = [f"--input={drawn}/kanji.svg", "--splits=100,0,0", "--workers=1"]
    assert prepare.run([*arguments, f"--output_dir={tmp_path}/data"]) == 0
    found = sorted(one.strokes.tolist() for one in dataset.read_split(tmp_path / "data", "train"))
    assert found == sorted(rows.tolist() for rows in _rows(drawn))


def test_score_gives_the_nats_of_its_rows(drawn, capsys):
    answers = []
    for form in ("svg", "json"):
        capsys.readouterr()
        arguments = ["--model=pretrained:kanji", f"--input={drawn}/kanji.{form}", "--json"]
        assert score.run(arguments) == 0
        answers.append(json.loads(capsys.readouterr().out)["sketches"])
    svg, rows = ([(one["points"], one["nats"]) for one in found] for found in answers)
    assert svg == rows
    assert [points for points, _ in svg] == [len(rows) for rows in _rows(drawn)]


def test_complete_begins_with_its_rows(drawn, tmp_path):
    arguments = ["--model=pretrained:kanji", "--task=complete", "--points=7", "--num=1"]
    given = [f"--input={drawn}/kanji.svg", f"--output={tmp_path}/done.json"]
    assert sample.run([*arguments, *given]) == 0
    done = json.loads((tmp_path / "done.json").read_text())["sketches"]
    for one, rows in zip(done, _rows(drawn), strict=True):
        np.testing.assert_array_equal(np.asarray(one["strokes"], np.float32)[:7, :2], rows[:7, :2])
