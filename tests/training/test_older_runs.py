"""A run directory written by an earlier version of this code is still a run."""

from __future__ import annotations

import json
import pathlib
import shutil

import pytest

from sketch_rnn_tf import config, runs
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.training import trainer

OLDER = pathlib.Path(__file__).parents[1] / "testdata" / "older_run"


@pytest.fixture(scope="module")
def older(tmp_path_factory):
    """A copy of six steps of a class-conditioned LSTM with absolute positions."""
    folder = tmp_path_factory.mktemp("older") / "run"
    shutil.copytree(OLDER / "run", folder)
    return runs.open_run(folder)


def test_it_evaluates_to_the_numbers_that_it_recorded(older):
    lines = (older.path / runs.METRICS).read_text().splitlines()
    recorded = next(v for v in map(json.loads, lines) if v["split"] == "test")
    info = dataset.read_info(OLDER / "data")
    found = trainer.Trainer(older, OLDER / "data", info).evaluate(older.load_model("best"), "test")
    for name in ("cost", "reconstruction_loss", "kl_raw", "nats_per_point"):
        assert found[name] == pytest.approx(recorded[name], rel=1e-5, abs=1e-6), name


def test_it_goes_on_from_its_last_step(older):
    model, training = config.override(
        older.config.model, older.config.training, {"train_steps": 7, "evaluate_every": 7}
    )
    run = trainer.train(OLDER / "data", older.path, model, training, callbacks=[])
    assert list(run.checkpoints()) == [6, 7]
