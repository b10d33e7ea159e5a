import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest

import sketch_rnn_tf
from sketch_rnn_tf import drawing

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Returns the example's module and what its `train` gives after 30 epochs of `fit`."""
    spec = importlib.util.spec_from_file_location("fit", EXAMPLES / "fit_your_own.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    return example, *example.train(30, str(tmp_path_factory.mktemp("fit") / "best.keras"))


def test_kerass_own_fit_learns(fitted):
    _, model, _, history = fitted
    loss = history.history["loss"]
    assert loss[-1] < loss[0] - 3
    assert {"offset_loss", "pen_loss", "reconstruction_loss"} <= set(history.history)
    data, _ = fitted[0].make_data(40, seed=9)
    batch = {name: value[:20] for name, value in data.items()}
    assert model.evaluate(batch, verbose=0, return_dict=True)["loss"] < 0


def _looks_like_a_ring(strokes) -> bool:
    """Whether a drawing turns one way all round; a zigzag turns back at every corner."""
    a, b = strokes[:-1, :2], strokes[1:, :2]
    turns = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    return bool((turns > 0).mean() > 0.8)


def test_a_class_conditioned_model_draws_what_it_is_told(fitted):
    example, model, scale, _ = fitted
    sketcher = sketch_rnn_tf.Sketcher(model, scale_factor=scale, classes=example.CLASSES)
    for name, is_ring in (("ring", True), ("zigzag", False)):
        drawn = sketcher.generate(16, label=name, temperature=0.3, seed=2)
        right = sum(_looks_like_a_ring(np.asarray(sketch)) == is_ring for sketch in drawn)
        assert right >= 15, name
        assert {sketch.label for sketch in drawn} == {name}


def test_a_class_conditioned_model_explains_a_drawing_best_by_its_own_class(fitted):
    example, model, scale, _ = fitted
    sketcher = sketch_rnn_tf.Sketcher(model, scale_factor=scale, classes=example.CLASSES)
    generator = np.random.default_rng(7)
    for name, make in (("ring", example.ring), ("zigzag", example.zigzag)):
        drawings = [make(generator) for _ in range(8)]
        nats = {c: [s["nats"] for s in sketcher.score(drawings, label=c)] for c in example.CLASSES}
        other = next(c for c in example.CLASSES if c != name)
        assert (np.array(nats[name]) < np.array(nats[other])).all()


def test_a_fitted_model_is_saved_and_loaded_with_its_schedule(fitted, tmp_path):
    _, model, _, _ = fitted
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert again.optimizer.iterations == model.optimizer.iterations


@pytest.mark.large
def test_the_example_runs_as_its_first_lines_say(tmp_path):
    command = [sys.executable, str(EXAMPLES / "fit_your_own.py"), "--epochs", "2"]
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "fit_your_own.svg"
    assert len(drawing.read_svg(tmp_path / "fit_your_own.svg")) == 16
    assert isinstance(keras.saving.load_model(tmp_path / "fit_your_own.keras"), keras.Model)
