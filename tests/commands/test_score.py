import json

import numpy as np
import pytest

from sketch_rnn_tf import evaluation, load_model, runs
from sketch_rnn_tf.commands import inputs, score


def _json(capsys, *arguments):
    assert score.run([*map(str, arguments), "--json"]) == 0
    return json.loads(capsys.readouterr().out)["sketches"]


def test_json_holds_the_scores_in_input_order(tiny_run, drawings, capsys):
    path = tiny_run()
    found = _json(capsys, "--model", path, "--input", drawings)
    run = runs.open_run(path)
    rows = [drawing.strokes for drawing in inputs.load(drawings, run.config)]
    expected = load_model(path).score(rows)
    assert [s["index"] for s in found] == [0, 1, 2]
    assert [s["label"] for s in found] == ["cat"] * 3
    for ours, theirs in zip(found, expected, strict=True):
        assert set(ours) == {*theirs, "key"}
        for name in ("points", "offset_nats", "pen_nats", "end_nats", "nats", "kl_nats"):
            assert ours[name] == pytest.approx(theirs[name], rel=1e-6)


def test_sorted_the_worst_come_first(tiny_run, drawings, capsys):
    found = _json(capsys, "--model", tiny_run(), "--input", drawings, "--sort", "nats")
    nats = [s["nats"] for s in found]
    assert nats == sorted(nats, reverse=True)
    assert sorted(s["index"] for s in found) == [0, 1, 2]


def test_the_worst_are_drawn(tiny_run, drawings, capsys, tmp_path):
    arguments = ["--model", tiny_run(), "--input", drawings, "--worst", "2", "--sort", "nats"]
    picture = tmp_path / "worst.svg"
    found = _json(capsys, *arguments, "--output", picture)
    everything = _json(capsys, "--model", tiny_run(), "--input", drawings, "--sort", "nats")
    assert [s["index"] for s in found] == [s["index"] for s in everything[:2]]
    from sketch_rnn_tf import drawing

    drawn = drawing.read_svg(picture)
    run = runs.open_run(tiny_run())
    rows = [d.strokes for d in inputs.load(drawings, run.config)]
    for sketch, one in zip(drawn, found, strict=True):
        np.testing.assert_array_equal(sketch.strokes, rows[one["index"]])


def test_an_existing_picture_is_not_overwritten(tiny_run, drawings, capsys, tmp_path):
    picture = tmp_path / "worst.svg"
    picture.write_text("mine")
    arguments = ["--model", tiny_run(), "--input", drawings, "--output", picture]
    assert score.run(list(map(str, arguments))) == 1
    assert "exists already" in capsys.readouterr().err
    assert picture.read_text() == "mine"


def test_scores_are_not_lost_with_a_picture(tiny_run, drawings, capsys, tmp_path):
    (tmp_path / "file").write_text("x")
    picture = tmp_path / "file" / "worst.svg"
    arguments = ["--model", tiny_run(), "--input", drawings, "--json", "--output", picture]
    assert score.run(list(map(str, arguments))) == 1
    assert len(json.loads(capsys.readouterr().out)["sketches"]) == 3


def test_a_picture_of_no_known_form_is_a_usage_error(tiny_run, drawings, capsys):
    arguments = ["--model", tiny_run(), "--input", drawings, "--output", "x.foo"]
    assert score.run(list(map(str, arguments))) == 2
    assert "x.foo" in capsys.readouterr().err


def test_a_model_that_was_cut_off_is_called_damaged(tiny_run, drawings, capsys):
    path = tiny_run()
    weights = path / runs.BEST
    weights.write_bytes(weights.read_bytes()[:-100])
    assert score.run(["--model", str(path), "--input", str(drawings)]) == 1
    assert f"{weights}: is damaged" in capsys.readouterr().err


@pytest.mark.parametrize(("key", "value"), [("scale_factor", 0), ("max_length", -5)])
def test_a_configuration_that_cannot_be_is_refused(tiny_run, drawings, capsys, key, value):
    path = tiny_run()
    content = json.loads((path / runs.CONFIG).read_text())
    (path / runs.CONFIG).write_text(json.dumps({**content, key: value}))
    assert score.run(["--model", str(path), "--input", str(drawings)]) == 1
    error = capsys.readouterr().err
    assert key in error
    assert "above 0" in error


def test_a_class_that_the_model_has_not_is_named(tiny_run, drawings, capsys):
    path = tiny_run(classes=("dog", "fish"), class_conditioned=True)
    assert score.run(["--model", str(path), "--input", str(drawings)]) == 1
    error = capsys.readouterr().err
    assert "no class 'cat'" in error
    assert "dog, fish" in error


def test_a_class_conditioned_model_scores_each_drawing_as_its_class(tiny_run, drawings, capsys):
    path = tiny_run(classes=("dog", "cat"), class_conditioned=True)
    found = _json(capsys, "--model", path, "--input", drawings)
    run = runs.open_run(path)
    rows = [d.strokes for d in inputs.load(drawings, run.config)]
    expected = evaluation.score(run.load_model(), run.config.scale_factor, rows, [1, 1, 1])
    for ours, theirs in zip(found, expected["nats"], strict=True):
        assert ours["nats"] == pytest.approx(theirs, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--model=a"], "--input is required"),
        (["--input=b"], "one of --model and --server is required"),
        (["--model=a", "--input=b", "--index=x"], "--index: received 'x'"),
    ],
)
def test_a_missing_or_wrong_flag_is_a_usage_error(arguments, message, capsys):
    assert score.run(arguments) == 2
    assert message in capsys.readouterr().err


def test_every_drawing_is_scored_as_every_class_and_the_best_is_named(
    tiny_run, drawings, capsys, tmp_path
):
    path = tiny_run(classes=("dog", "fish", "cat"), class_conditioned=True)
    picture = tmp_path / "scored.svg"
    found = _json(
        capsys, "--model", path, "--input", drawings, "--class", "all", "--output", picture
    )
    for name in ("dog", "fish", "cat"):
        alone = _json(capsys, "--model", path, "--input", drawings, "--class", name)
        for one, other in zip(found, alone, strict=True):
            assert one["by_class"][name] == pytest.approx(other["nats"], rel=1e-5)
    for one in found:
        assert one["best_class"] == min(one["by_class"], key=one["by_class"].get)
        assert one["nats"] == min(one["by_class"].values())
        assert one["label"] == "cat"
    assert f">{found[0]['index']}: " in picture.read_text()
    two = _json(
        capsys, "--model", path, "--input", drawings, "--class", "dog,cat", "--index", "1-2"
    )
    assert [set(one["by_class"]) for one in two] == [{"dog", "cat"}] * 2


def test_lists_and_pictures_name_each_drawing(tiny_run, drawings, capsys, tmp_path):
    arguments = ["--model", tiny_run(), "--input", drawings, "--worst", 2]
    picture = tmp_path / "worst.svg"
    assert score.run([*map(str, arguments), "--output", str(picture)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 3
    for line in lines[1:]:
        index, name = line.split()[0], line.split()[-1]
        assert name == f"cat.json:{index}"
        assert name in picture.read_text()


def test_indices_are_those_of_the_input_and_what_is_empty_is_left_out(tiny_run, tmp_path, capsys):
    lines = [[[[5, 5], [5, 45], [45, 45]]], [], [[[0, 0], [60, 60]]]]
    path = tmp_path / "cat.json"
    path.write_text(json.dumps(lines))
    run = tiny_run()
    assert score.run([f"--model={run}", f"--input={path}", "--json"]) == 0
    shown = capsys.readouterr()
    assert [one["index"] for one in json.loads(shown.out)["sketches"]] == [0, 2]
    assert "is left out: it has no points" in shown.err
    chosen = _json(capsys, "--model", run, "--input", path, "--index", "2,0")
    assert [one["index"] for one in chosen] == [2, 0]
    (tmp_path / "junk").mkdir()
    path.rename(tmp_path / "junk" / "cat.json")
    (tmp_path / "junk" / "notes.docx").write_text("of mine")
    assert score.run([f"--model={run}", f"--input={tmp_path}/junk", "--index=1"]) == 1
    assert "junk: holds no drawing with points" in (told := capsys.readouterr().err)
    assert "ignored beside the drawings: 1 .docx" in told
