"""sketch-rnn-sample with tiny untrained models: files, tasks, mistakes."""

from __future__ import annotations

import json

import keras
import numpy as np
import pytest

from sketch_rnn_tf import cli, config, drawing, progress, runs
from sketch_rnn_tf.commands import sample as commands_sample
from sketch_rnn_tf.model import sketch_rnn

LENGTH = 30


def _make_run(path, conditional: bool, classes=("cat",)) -> str:
    keras.utils.set_random_seed(4)
    parts = config.ModelConfig(
        conditional=conditional,
        class_conditioned=len(classes) > 1,
        z_size=6,
        num_mixtures=3,
        encoder=config.EncoderConfig(units=8),
        decoder=config.DecoderConfig(units=16),
    )
    configuration = config.RunConfig(20.0, LENGTH, classes, model=parts)
    run = runs.create(path, configuration)
    sketch_rnn.build_model(configuration).save(run.path / runs.BEST)
    return str(run.path)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns a folder with two runs and a file of five drawings."""
    folder = tmp_path_factory.mktemp("sample")
    _make_run(folder / "vae", True)
    _make_run(folder / "decoder", False)
    _make_run(folder / "pets", False, ("cat", "fish", "鱼"))
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
    from sketch_rnn_tf.commands import opening
    from sketch_rnn_tf.commands import sample as command

    monkeypatch.setattr(opening, "use_threads", lambda: None)  # TensorFlow runs already
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
        ("--model kanji.tflite --output - --checkpoint last", 2, "be used with a .tflite file"),
        ("--model x.tflite --output -", 1, "x.tflite: there is no such file"),
        ("--model vae --output - --json", 2, "choose one"),
        ("--model vae --output - --temperature 0", 2, "--temperature is 0, expected"),
        ("--model vae --output - --temperature nan", 2, "--temperature is nan"),
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
        (
            "--model vae --output - --task explore --input given.json --index a",
            2,
            "received 'a'",
        ),
        (
            "--model vae --output - --task complete --input given.json --index 1 --units source"
            " --max_points 3",
            1,
            "given.json: drawing 1: has 7 points, more than the 3 allowed",
        ),
        (
            "--model decoder --output - --task reconstruct --input given.json",
            1,
            "needs a model with an encoder",
        ),
    ],
)
def test_a_mistake_is_one_clear_sentence(sample, capsys, arguments, code, message):
    assert sample(*arguments.split()) == code
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--model vae --task interpolate --index 0-2", "needs 2 or 4 drawings: --index 0,5"),
        ("--model vae --task explore --index 0-3", "more drawings than --directions: received 4"),
        ("--model decoder --task interpolate --index 0,1", "needs a model with an encoder"),
        ("--model pets --task complete --class dog", "no class 'dog'; it has cat, fish, 鱼"),
        ("--model pets --task complete --class all", "several classes make sense with"),
        ("--model pets --task complete --index 7", "has no drawing 7, it holds 5"),
        ("--model pets --task complete", "the model has no class 'given': name one with --class"),
        ("--model pets --num 4000000", "--num: expected"),
        ("--model pets", "the model draws by class: --class all, or some of cat, fish, 鱼"),
        ("--model decoder --num 20000 --output x.png", "pixels is too large"),
        ("--model decoder --pen_temperature 0", "--pen_temperature is 0, expected a finite"),
        ("--model decoder --num abc", "--num: expected a"),
        ("--model decoder --size 4", "--size: expected"),
        ("--model vae --prior fitted", "vae: has no fitted prior"),
        ("--model decoder --task complete --input given.json --units x", "--units: units is 'x'"),
    ],
)
def test_what_needs_no_tensorflow_is_refused_before_it_is_imported(
    sample, monkeypatch, capsys, arguments, message
):
    monkeypatch.setattr(cli, "quiet_tensorflow", lambda: pytest.fail("TensorFlow is imported"))
    words = arguments.split()
    words += [] if "--task" not in words or "--input" in words else ["--input", "given.json"]
    words += [] if "--output" in words else ["--output", "-"]
    assert sample(*words) > 0
    assert message in capsys.readouterr().err


def test_every_class_has_its_row(sample, tmp_path, capsys):
    picture = tmp_path / "pets.svg"
    assert sample("--model", "pets", "--class", "all", "--num", 2, "--output", picture) == 0
    labels = [one.label for one in drawing.read_svg(picture)]
    assert labels == ["cat", "cat", "fish", "fish", "鱼", "鱼"]
    assert ">fish</text>" in picture.read_text()
    capsys.readouterr()
    pets = ("--model", "pets", "--num", 2)
    named = _pictured(sample, capsys, *pets, "--class", "鱼", "--class", "cat,fish")
    assert [one.label for one in named[::2]] == ["鱼", "cat", "fish"]
    alone = _pictured(sample, capsys, *pets, "--class", "fish")
    for one, other in zip(alone, drawing.read_svg(picture)[2:4], strict=True):
        np.testing.assert_allclose(one.strokes, other.strokes, atol=0.02)


def test_all_classes_of_a_model_that_knows_none_are_its_drawings(sample, capsys):
    every = _pictured(sample, capsys, "--model", "decoder", "--class", "all", "--num", 2)
    assert every == _pictured(sample, capsys, "--model", "decoder", "--num", 2)


def test_every_drawing_may_have_a_file_of_its_own(sample, tmp_path, capsys):
    path = tmp_path / "cat_{i}.svg"
    arguments = ["--model", "decoder", "--num", 3, "--smooth", "--output", path]
    assert sample(*arguments) == 0
    names = [str(tmp_path / f"cat_{i}.svg") for i in range(3)]
    assert capsys.readouterr().out.split() == names
    assert [drawing.read_svg(name)[0] for name in names] == list(
        _pictured(sample, capsys, *arguments[:4])
    )
    assert sample(*arguments) == 1
    assert "cat_0.svg: exists already; --overwrite replaces it" in capsys.readouterr().err


def test_pictures_look_as_the_flags_say(sample, tmp_path):
    looks = "--columns 1 --size 40 --stroke_width 3 --colors red,blue --background none --title T"
    path = tmp_path / "x.svg"
    assert sample("--model", "decoder", "--num", 3, *looks.split(), "--output", path) == 0
    text = path.read_text()
    assert 'width="56" height="175"' in text  # three cells of 40 in a column, and a title
    assert 'stroke="red"' in text
    assert "<rect" not in text
    assert "<title>T</title>" in text


def test_greedy_drawings_of_a_decoder_are_said_to_be_the_same(sample, capsys):
    assert sample("--model", "decoder", "--num", 4, "--greedy", "--output", "-") == 0
    captured = capsys.readouterr()
    assert "all 4 are the same" in captured.err
    assert len({one.strokes.tobytes() for one in drawing.parse_svg(captured.out)}) == 1


def test_many_drawings_are_those_of_one_batch(sample, tmp_path, monkeypatch):
    from sketch_rnn_tf.commands import sample as command

    paths = [tmp_path / f"{name}.json" for name in "ab"]
    assert sample("--model", "decoder", "--num", 7, "--output", paths[0]) == 0
    monkeypatch.setattr(command, "_AT_ONCE", 3)
    assert sample("--model", "decoder", "--num", 7, "--output", paths[1]) == 0
    one, other = (json.loads(path.read_text())["sketches"] for path in paths)
    for ours, theirs in zip(one, other, strict=True):
        np.testing.assert_allclose(ours["strokes"], theirs["strokes"], atol=0.02)


def test_beginnings_of_two_sizes_keep_them(sample, tmp_path, capsys):
    sides = []
    for radius in (6, 60):
        path = tmp_path / f"{radius}.svg"
        path.write_text(
            '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200">'
            f'<circle cx="100" cy="100" r="{radius}"/></svg>'
        )
        (shown,) = _pictured(
            sample, capsys, "--model", "decoder", "--task", "complete", "--input", path, "--num", 1
        )
        begun = np.cumsum(shown.strokes[: shown.given, :2], axis=0)
        sides.append(np.ptp(begun, axis=0).max())
    np.testing.assert_allclose(sides, [12 * 1.275, 120 * 1.275], atol=1.1)


def test_empty_drawings_are_drawn_again_or_kept_and_counted(sample, tmp_path, capsys):
    arguments = ["--model", "decoder", "--num", 20, "--json", "--temperature", 1]
    found = {}
    for extra in ([], ["--keep_empty"]):
        path = tmp_path / f"{len(extra)}.json"
        assert sample(*arguments, *extra, "--output", path) == 0
        captured = capsys.readouterr()
        report = json.loads(captured.out)
        lengths = [len(one["strokes"]) for one in json.loads(path.read_text())["sketches"]]
        assert report["empty"] == sum(length < 2 for length in lengths)
        assert (f"{report['empty']} of 20 are empty" in captured.err) == (report["empty"] > 0)
        found[len(extra)] = report["empty"]
    assert found[1] > found[0] == 0


def test_many_drawings_show_how_far_they_are(sample, monkeypatch, capfd, tmp_path):
    monkeypatch.setattr(commands_sample, "_AT_ONCE", 2)
    monkeypatch.setattr(progress.Progress, "update", lambda bar, n, note: bar.say(note))
    output = tmp_path / "many.npz"
    assert sample("--model", "decoder", "--num", 5, "--output", output) == 0
    told = capfd.readouterr().err.splitlines()
    assert told[:3] == ["2 drawings", "4 drawings", "5 drawings"]
