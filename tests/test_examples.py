import importlib.util
import os
import pathlib
import subprocess
import sys

import keras
import numpy as np
import pytest
import scipy.special

import sketch_rnn_tf
from sketch_rnn_tf import config, drawing
from tests.model.quick_graphs import quick_graphs

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / "examples"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """Returns the example's module and what its `train` gives after 30 epochs of `fit`."""
    spec = importlib.util.spec_from_file_location("fit", EXAMPLES / "fit_your_own.py")
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    with quick_graphs():
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


@pytest.fixture
def own(monkeypatch):
    """Returns a function that imports an example as the example beside it would."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module


def test_a_cell_of_ones_own_learns_draws_and_is_saved(own, tmp_path):
    example, fit = own("own_cell"), own("fit_your_own")
    model, scale = example.train(3)
    assert type(model.decoder.cell).__name__ == "CoupledLSTMCell"
    size, units = model.decoder.input_size, 64
    assert model.decoder.cell.count_params() == 3 * units * (size + units + 1)
    data, _ = fit.make_data(40, seed=9)
    batch = {name: value[:20] for name, value in data.items()}
    loss = model.evaluate(batch, verbose=0, return_dict=True)["loss"]
    assert loss < 1.5  # 3.0 at the start
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.evaluate(batch, verbose=0, return_dict=True)["loss"] == pytest.approx(
        loss, rel=1e-5
    )
    settings = {"decoder.cell": "coupled"}
    parts, _ = config.override(config.ModelConfig(), config.TrainingConfig(), settings)
    assert parts.decoder.cell == "coupled"
    sketcher = sketch_rnn_tf.Sketcher(again, scale_factor=scale, classes=fit.CLASSES)
    assert len(sketcher.generate(2, label="ring")) == 2


def test_one_step_of_the_example_is_its_equations_in_numpy(own):
    cell = own("own_cell").CoupledLSTMCell(5)
    cell.build((None, 3))
    rng = np.random.default_rng(0)
    x, h, c = rng.normal(size=(2, 3)), rng.normal(size=(2, 5)), rng.normal(size=(2, 5))
    weights = [np.asarray(w) for w in (cell.kernel, cell.recurrent_kernel, cell.bias)]
    i, j, o = np.split(x @ weights[0] + h @ weights[1] + weights[2], 3, axis=1)
    taken = scipy.special.expit(i)
    expected_c = (1 - taken) * c + taken * np.tanh(j)
    output, (new_h, new_c) = cell(np.float32(x), [np.float32(h), np.float32(c)])
    np.testing.assert_allclose(new_c, expected_c, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(
        output, scipy.special.expit(o) * np.tanh(expected_c), rtol=1e-5, atol=1e-6
    )
    np.testing.assert_array_equal(new_h, output)


@pytest.mark.usefixtures("quick_graphs")
def test_a_loss_of_ones_own_is_minimized_and_saved(own, tmp_path):
    example = own("own_loss")
    model, _, history = example.train(1, pen_weight=5.0)
    data, _ = own("fit_your_own").make_data(40, seed=9)
    batch = {name: value[:20] for name, value in data.items()}
    found = model.evaluate(batch, verbose=0, return_dict=True)
    expected = found["reconstruction_loss"] + 4 * found["pen_loss"]
    assert found["loss"] == pytest.approx(expected, rel=1e-5)
    assert "pen_loss" in history.history
    model.save(tmp_path / "model.keras")
    assert keras.saving.load_model(tmp_path / "model.keras").pen_weight == 5.0
