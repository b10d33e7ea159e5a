import base64
import json

import numpy as np
import pytest

from sketch_rnn_tf import evaluation, runs
from sketch_rnn_tf.commands import import_model
from sketch_rnn_tf.interop import magenta_checkpoint, magenta_js


@pytest.fixture
def model_file(tmp_path):
    generator = np.random.default_rng(0)
    shapes = [[4, 123], [123], [5, 16], [4, 16], [16]]
    raw = [generator.integers(-3000, 3000, shape).astype("<i2").tobytes() for shape in shapes]
    info = {"name": "cat", "mode": 2, "version": 6, "max_seq_len": 9, "scale_factor": 40.0}
    path = tmp_path / "cat.gen.json"
    path.write_text(json.dumps([info, shapes, [base64.b64encode(r).decode() for r in raw]]))
    return path


def _import(*arguments):
    return import_model.run(list(map(str, arguments)))


def test_a_folder_of_javascript_models_is_told_to_give_one(model_file, tmp_path, capsys):
    assert _import("--input", model_file.parent, "--output_dir", tmp_path / "run") == 1
    assert "holds no checkpoint, but cat.gen.json: give one file" in capsys.readouterr().err


def test_a_javascript_model_becomes_a_run_that_scores_like_it(model_file, tmp_path, capsys):
    assert _import("--input", model_file, "--output_dir", tmp_path / "run", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["scale_factor"] == 20
    assert found["parameters"] == 4 * 123 + 123 + 5 * 16 + 4 * 16 + 16
    run = runs.open_run(tmp_path / "run")
    configuration, model = magenta_js.read_model(model_file)
    sketch = [np.array([[3, 4, 0], [-5, 2, 1]], np.float32)]
    expected = evaluation.score(model, configuration.scale_factor, sketch)
    found = evaluation.score(run.load_model(), run.config.scale_factor, sketch)
    for name, nats in expected.items():
        np.testing.assert_array_equal(found[name], nats)


def test_an_existing_output_is_kept(model_file, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine").write_text("x")
    assert _import("--input", model_file, "--output_dir", tmp_path / "run") == 1
    assert "exists already" in capsys.readouterr().err
    assert _import("--input", model_file, "--output_dir", tmp_path / "run", "--overwrite") == 1
    assert "is not a run directory" in capsys.readouterr().err
    assert (tmp_path / "run" / "mine").read_text() == "x"


def test_a_run_is_replaced_when_asked_to(model_file, tmp_path):
    target = tmp_path / "run"
    assert _import("--input", model_file, "--output_dir", target) == 0
    again = ["--input", model_file, "--output_dir", target, "--overwrite", "--scale_factor", "7"]
    assert _import(*again) == 0
    assert runs.open_run(target).config.scale_factor == 7


def test_a_checkpoint_without_scale_factor_asks_for_it(shared_data, tmp_path, capsys):
    path = shared_data("magenta_checkpoints/conditional_hyper")
    assert _import("--input", path, "--output_dir", tmp_path / "run") == 1
    error = capsys.readouterr().err
    assert "--scale_factor" in error
    assert "--data_dir" in error
    assert not (tmp_path / "run").exists()


def test_a_checkpoint_becomes_a_run_with_its_weights(shared_data, tmp_path):
    path = shared_data("magenta_checkpoints/conditional_hyper")
    arguments = ["--input", path, "--output_dir", tmp_path / "run", "--scale_factor", "18.5"]
    assert _import(*arguments) == 0
    run = runs.open_run(tmp_path / "run")
    assert run.config.scale_factor == 18.5
    _, model = magenta_checkpoint.read_model(path, scale_factor=18.5)
    for ours, theirs in zip(run.load_model().get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--input", "nowhere"], 1, "no such file"),
        ([], 2, "--input is required"),
        (["--scale_factor", "-1"], 2, "--scale_factor is -1"),
    ],
)
def test_mistakes_are_said_in_one_sentence(model_file, tmp_path, capsys, arguments, code, message):
    given = (
        arguments
        if not arguments or "--input" in arguments
        else ["--input", model_file, *arguments]
    )
    assert _import("--output_dir", tmp_path / "run", *given) == code
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
