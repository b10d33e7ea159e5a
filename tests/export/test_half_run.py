"""A run to pass on has the same weights, rounded to float16, and opens as any run."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import yaml

from sketch_rnn_tf import card, config, runs
from sketch_rnn_tf.export import half_run
from sketch_rnn_tf.model import sketch_rnn


@pytest.fixture
def run(tmp_path):
    """A conditional run with classes, so that every part has weights."""
    keras.utils.set_random_seed(2)
    model = config.ModelConfig(
        z_size=3,
        class_conditioned=True,
        encoder=config.EncoderConfig(units=20),
        decoder=config.DecoderConfig(units=50),
    )
    configuration = config.RunConfig(7.0, 11, classes=("a", "b"), model=model)
    made = runs.create(tmp_path / "trained", configuration)
    sketch_rnn.build_model(configuration).save(made.path / runs.BEST)
    return made


def test_weights_are_rounded_to_float16_and_load_as_float32(run, tmp_path):
    model = run.load_model()
    again = runs.open_run(half_run.write(run, model, tmp_path / "out"))
    assert again.config == run.config
    found = again.load_model()
    assert [w.path for w in found.weights] == [w.path for w in model.weights]
    for new, old in zip(found.get_weights(), model.get_weights(), strict=True):
        assert new.dtype == np.float32
        np.testing.assert_array_equal(new, np.float32(np.float16(old)))


def test_the_file_takes_two_bytes_a_weight(run, tmp_path):
    model = run.load_model()
    folder = half_run.write(run, model, tmp_path / "out")
    half, whole = (path.stat().st_size for path in (folder / runs.BEST, run.weights()))
    assert half < whole - 2 * model.count_params()
    assert sorted(path.name for path in folder.iterdir()) == [
        half_run.CARD,
        runs.BEST,
        runs.CONFIG,
    ]


def test_rounded_weights_are_multiples_of_a_step_and_smaller(run, tmp_path):
    model = run.load_model()
    folder = half_run.write(run, model, tmp_path / "rounded", precision="rounded")
    for new, old in zip(runs.open_run(folder).load_model().weights, model.weights, strict=True):
        matrix = len(old.shape) > 1 and "output" not in old.path
        expected = np.round(old.numpy() * 256) / 256 if matrix else np.float16(old.numpy())
        np.testing.assert_array_equal(new.numpy(), np.float32(expected))
    nearest = half_run.write(run, model, tmp_path / "nearest")
    small, whole = ((path / runs.BEST).stat().st_size for path in (folder, nearest))
    assert small < whole - model.count_params() / 4


@pytest.mark.parametrize("value", [1e5, np.nan, np.inf])
def test_weights_that_float16_cannot_hold_are_refused(run, tmp_path, value):
    model = run.load_model()
    weights = model.get_weights()
    weights[0][0, 0] = value
    model.set_weights(weights)
    with pytest.raises(ValueError, match="float16"):
        half_run.write(run, model, tmp_path / "out")
    assert not (tmp_path / "out" / half_run.FOLDER).exists()


def test_an_existing_folder_stays_unless_told(run, tmp_path):
    folder = half_run.write(run, run.load_model(), tmp_path)
    with pytest.raises(ValueError, match="exists already"):
        half_run.write(run, run.load_model(), tmp_path)
    assert half_run.write(run, run.load_model(), tmp_path, overwrite=True) == folder


def test_the_card_is_the_runs_own_with_a_head(run, tmp_path):
    model = run.load_model()
    first = half_run.write(run, model, tmp_path / "without")
    head, text = _parts(first / "README.md")
    assert head["library_name"] == "keras"
    assert "license" not in head  # nobody knows
    assert "# trained\n" in text
    (run.path / runs.MODEL_CARD).write_text(card.head("trained", ["MIT"]) + "# Mine\n")
    head, text = _parts(half_run.write(run, model, tmp_path / "with") / "README.md")
    assert head["license"] == "mit"
    assert text.strip() == "# Mine"


def _parts(path) -> tuple[dict, str]:
    _, head, text = path.read_text("utf-8").split("---\n", 2)
    return yaml.safe_load(head), text
