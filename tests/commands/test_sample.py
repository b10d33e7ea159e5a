"""sketch-rnn-sample with tiny untrained models: files, tasks, mistakes."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from sketch_rnn_tf import config, drawing, runs
from sketch_rnn_tf.model import sketch_rnn

LENGTH = 30


def _make_run(path, conditional: bool) -> str:
    keras.utils.set_random_seed(4)
    parts = config.ModelConfig(
        conditional=conditional,
        z_size=6,
        num_mixtures=3,
        encoder=config.EncoderConfig(units=8),
        decoder=config.DecoderConfig(units=16),
    )
    configuration = config.RunConfig(20.0, LENGTH, ("cat",), model=parts)
    run = runs.create(path, configuration)
    sketch_rnn.build_model(configuration).save(run.path / runs.BEST)
    return str(run.path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns a folder with two runs and a file of five drawings."""
    folder = tmp_path_factory.mktemp("sample")
    _make_run(folder / "vae", True)
    _make_run(folder / "decoder", False)
    rng = np.random.default_rng(1)
    drawings = []
    for i in range(5):
        points = np.cumsum(rng.integers(-20, 20, size=(6 + i, 2)), axis=0)
        drawings.append([points[:4].tolist(), points[4:].tolist()])
    (folder / "given.json").write_text(json.dumps(drawings))
    return folder


@pytest.fixture
def sample(made, monkeypatch):
    """Returns a function that runs the command in the folder."""
    monkeypatch.chdir(made)
    from sketch_rnn_tf.commands import sample as command

    monkeypatch.setattr(command, "_use_threads", lambda: None)  # TensorFlow runs already
    return lambda *arguments: command.run(list(map(str, arguments)))


@pytest.mark.parametrize("suffix", [".svg", ".png", ".gif", ".json", ".npz"])
def test_the_same_command_writes_the_same_bytes(sample, tmp_path, suffix):
    paths = [tmp_path / f"{name}{suffix}" for name in "ab"]
    for path in paths:
        arguments = ["--model", "decoder", "--num", 4, "--seed", 3, "--output", path]
        assert sample(*arguments) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_the_json_file_holds_what_was_drawn(sample, tmp_path, capsys):
    paths = [tmp_path / "x.json", tmp_path / "x.npz", tmp_path / "x.svg"]
    outputs = [word for path in paths for word in ("--output", path)]
    assert sample("--model", "vae", "--num", 3, "--json", *outputs) == 0
    report = json.loads(capsys.readouterr().out)
    content = json.loads(paths[0].read_text())["sketches"]
    assert report["num"] == len(content) == 3
    assert report["ended"] == sum(sketch["ended"] for sketch in content)
    with np.load(paths[1], allow_pickle=False) as arrays:
        np.testing.assert_array_equal(arrays["lengths"], [len(s["strokes"]) for s in content])
        rows = np.concatenate([sketch["strokes"] for sketch in content])
        np.testing.assert_allclose(arrays["strokes"], rows, rtol=1e-6)
    for one, other in zip(drawing.read_svg(paths[2]), content, strict=True):
        np.testing.assert_allclose(one.strokes, np.float32(other["strokes"]))


def test_svg_goes_to_stdout_alone(sample, capsys):
    assert sample("--model", "decoder", "--num", 2, "--output", "-") == 0
    captured = capsys.readouterr()
    assert len(drawing.parse_svg(captured.out)) == 2
    assert "ended" in captured.err


def _pictured(sample, capsys, *arguments) -> drawing.Sketches:
    assert sample(*arguments, "--output", "-") == 0
    return drawing.parse_svg(capsys.readouterr().out)


def test_reconstructions_stand_beside_the_originals(sample, capsys):
    shown = _pictured(
        sample, capsys, "--model", "vae", "--task", "reconstruct", "--input", "given.json",
        "--index", "4,1",
    )  # fmt: skip
    assert len(shown) == 4
    assert [len(sketch) for sketch in shown[::2]] != [len(sketch) for sketch in shown[1::2]]


def test_beginnings_are_cut_and_completed(sample, capsys):
    given = ["--model", "decoder", "--task", "complete", "--input", "given.json", "--points", 3]
    shown = _pictured(sample, capsys, *given, "--num", 2, "--pen", "up")
    assert [sketch.given for sketch in shown] == [3] * 10
    assert all(sketch[2, 2] == 1 for sketch in shown)
    down = _pictured(sample, capsys, *given, "--num", 2)
    assert not any(sketch[2, 2] for sketch in down)


@pytest.mark.parametrize(
    ("arguments", "cells"),
    [
        ("--task interpolate --input given.json --index 0,1 --steps 4", 4),
        ("--task interpolate --input given.json --index 0,1,2,3 --steps 3", 9),
        ("--task analogy --num 2 --from given.json --minus given.json --plus given.json", 5),
        ("--task explore --input given.json --directions 2 --steps 3", 6),
        ("--num 3 --temperature 0.2,0.9 --pen_temperature 0.1", 6),
    ],
)
def test_tasks_fill_their_grids(sample, capsys, arguments, cells):
    assert len(_pictured(sample, capsys, "--model", "vae", *arguments.split())) == cells


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ("", 2, "one of --model and --server is required"),
        ("--model vae", 2, "--output is required"),
        ("--model vae --server grpc://x --output -", 2, "one of --model and --server"),
        ("--server x:1 --output -", 2, "expected grpc://... or http://..."),
        ("--server http://x --output - --greedy", 2, "--greedy cannot be used with --server"),
        ("--server http://x --output - --pen_temperature 0.2", 2, "--pen_temperature cannot be"),
        ("--server http://x --output - --checkpoint last", 2, "--checkpoint cannot be used with"),
        ("--model vae --output - --model_name m", 2, "--model_name cannot be used with --model"),
        ("--model x.tflite --output - --checkpoint last", 2, "be used with a .tflite file"),
        ("--model x.tflite --output -", 1, "x.tflite: there is no such file"),
        ("--model vae --output - --json", 2, "choose one"),
        ("--model vae --output - --temperature 0", 2, "temperature is 0.0"),
        ("--model vae --output - --temperature nan", 2, "temperature is nan"),
        ("--model vae --output - --temperature warm", 2, "expected numbers such as"),
        ("--model vae --output - --temperature_mode x", 2, "there are paper, magenta, javascript"),
        ("--model vae --output - --task complete", 2, "--input is required"),
        ("--model vae --output - --input given.json", 2, "--input is for --task reconstruct or"),
        ("--model vae --output - --steps 3", 2, "--steps is for --task interpolate or explore"),
        ("--model vae --output - --max_points 1000000000", 2, "max_points"),
        ("--model vae --output - --task analogy", 2, "--from is required"),
        ("--model vae --output x.bmp", 2, "--output x.bmp: ends in .bmp, expected .svg"),
        ("--model vae --output given.json", 1, "--overwrite replaces it"),
        ("--model nowhere --output -", 1, "nowhere: there is no such file or folder"),
        ("--model vae --output - --class cat", 1, "not class-conditioned"),
        ("--model vae --output - --task explore --input given.json --index 9", 1, "no drawing 9"),
        ("--model vae --output - --task explore --input given.json --index a", 2, "--index is 'a'"),
        (
            "--model vae --output - --task complete --input given.json --index 1 --max_points 3",
            1,
            "given.json: drawing 1: has 7 points, more than the 3 allowed",
        ),
        (
            "--model decoder --output - --task reconstruct --input given.json",
            1,
            "without an encoder",
        ),
    ],
)
def test_a_mistake_is_one_clear_sentence(sample, capsys, arguments, code, message):
    assert sample(*arguments.split()) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out
