"""sketch-rnn-evaluate: losses, and with --samples how good the drawings are."""

from __future__ import annotations

import json

import numpy as np
import pytest

from data_prep import prepare
from sketch_rnn_tf.commands import evaluate
from sketch_rnn_tf.data import dataset


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    """A data set of 30 train, 20 valid and 25 test corners of one class."""
    random = np.random.default_rng(2)
    folder = tmp_path_factory.mktemp("evaluate")

    def corner():
        rows = np.zeros((int(random.integers(3, 8)), 3), np.float32)
        rows[:, :2] = random.normal(size=(len(rows), 2)) * 10
        rows[-1, 2] = 1
        return rows

    splits = {}
    for name, count in {"train": 30, "valid": 20, "test": 25}.items():
        splits[name] = np.empty(count, object)
        splits[name][:] = [corner() for _ in range(count)]
    np.savez(folder / "cat.npz", **splits)
    assert prepare.run(["--input", str(folder / "cat.npz"), "--output_dir", f"{folder}/data"]) == 0
    return folder / "data"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature=0.4"], "--temperature needs --samples"),
        (["--output=a.html"], "--output needs --samples"),
        (["--with_valid"], "--with_valid needs --samples"),
        (["--samples=0"], "--samples is 0, expected a number above 0"),
        (["--samples=20", "--temperature=warm"], "--temperature is 'warm', expected numbers"),
        (["--samples=20", "--split=train"], "--split test"),
        (["--samples=20", "--output=a.png"], "expected a name that ends with .html"),
        (["--sample=20"], "did you mean --samples"),
    ],
)
def test_wrong_flags_are_usage_errors(arguments, message, capsys):
    assert evaluate.run(["--model=run", "--data_dir=data", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_an_existing_page_is_not_overwritten(tmp_path, capsys):
    (tmp_path / "quality.html").write_text("mine")
    arguments = ["--samples=20", f"--output={tmp_path}/quality.html"]
    assert evaluate.run(["--model=run", "--data_dir=data", *arguments]) == 1
    assert "--overwrite" in capsys.readouterr().err
    assert (tmp_path / "quality.html").read_text() == "mine"


def test_too_few_drawings_are_one_sentence_before_any_work(tiny_run, data_dir, capsys):
    arguments = ["--model", str(tiny_run()), "--data_dir", str(data_dir), "--samples", "26"]
    assert evaluate.run(arguments) == 1
    out, err = capsys.readouterr()
    assert not out
    assert "test has 25 drawings of what the model draws, fewer than the 26 asked for" in err
    assert not (data_dir / "quality.npz").exists()


@pytest.mark.parametrize("own", [True, False])
def test_data_that_the_model_was_not_trained_on_is_told(tiny_run, data_dir, capsys, own):
    trained_on = dataset.fingerprint(data_dir) if own else "f" * 64
    run = str(tiny_run(data_fingerprint=trained_on))
    assert evaluate.run(["--model", run, "--data_dir", str(data_dir), "--json"]) == 0
    told = f"{data_dir} is not the data set that {run} was trained on" in capsys.readouterr().err
    assert told != own


@pytest.mark.large
def test_quality_is_added_to_the_losses_and_written_as_a_page(
    tiny_run, data_dir, tmp_path, capsys, monkeypatch
):
    from sketch_rnn_tf.quality import networks

    page = tmp_path / "quality.html"
    arguments = ["--model", str(tiny_run()), "--data_dir", str(data_dir), "--samples", "20"]
    arguments += ["--temperature", "0.3,0.6", "--output", str(page), "--json"]
    assert evaluate.run(arguments) == 0
    out, err = capsys.readouterr()
    found = json.loads(out)
    assert found["nats_per_point"] is not None
    assert list(found["quality"]["temperatures"]) == ["0.3", "0.6"]
    assert found["quality"]["features"]["network"] == "copies"
    assert f"{page}: written" in err
    assert page.read_text("utf-8").startswith("<!doctype html>")
    assert (data_dir / "quality.npz").exists()
    # Again, from what is kept: the same numbers.
    monkeypatch.setattr(networks, "train", None)
    assert evaluate.run([*arguments, "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out) == found
