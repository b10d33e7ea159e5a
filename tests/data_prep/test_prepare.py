import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import time

import numpy as np
import pytest

from data_prep import prepare, readers
from data_prep.engines import shards
from sketch_rnn_tf.data import dataset


def _run(*arguments):
    """Runs the command in this process with one worker; returns its exit code."""
    return prepare.run(["--workers=1", *map(str, arguments)])


def _error(capsys):
    lines = capsys.readouterr().err.strip().splitlines()
    return [line for line in lines if "warning" not in line][-1]


@pytest.mark.parametrize(
    ("name", "counts", "scale"),
    [
        ("aaron_sheep", (7400, 300, 300), 18.5198),
        ("omniglot", (30000, 1000, 1000), 53.4370),
        ("short_kanji", (10000, 600, 500), 99.7125),
    ],
)
def test_published_files_keep_splits_rows_and_scale_factor(
    tmp_path, shared_data, name, counts, scale
):
    path = shared_data(f"sketchrnn/{name}.npz")

    assert _run("--input", path, "--output_dir", tmp_path / "x") == 0

    info = dataset.read_info(tmp_path / "x")
    assert tuple(info.num_sketches(split) for split in dataset.SPLITS) == counts
    assert round(info.scale_factor, 4) == scale
    assert (info.classes, info.simplification) == ([name], None)
    npz = np.load(path, allow_pickle=True, encoding="latin1")
    stored = sorted(r.strokes.tobytes() for r in dataset.read_split(tmp_path / "x", "test"))
    assert stored == sorted(rows.astype(np.float32).tobytes() for rows in npz["test"])


@pytest.mark.large
def test_kanjivg_becomes_short_drawings_whose_variants_share_a_split(tmp_path):
    if "kanjivg" not in {item.name for item in importlib.metadata.distributions()}:
        pytest.skip("the package kanjivg (extra [kanjivg]) is not installed")

    assert (
        prepare.run(
            ["--input=package:kanjivg", "--simplify_epsilon=1.5", f"--output_dir={tmp_path}/x"]
        )
        == 0
    )

    info = dataset.read_info(tmp_path / "x")
    lengths = np.repeat(*zip(*((int(n), k) for n, k in info.length_histogram.items()), strict=True))
    assert len(lengths) == 11371
    assert lengths.mean() == pytest.approx(34, abs=1)
    assert np.percentile(lengths, 95) == 52
    assert info.simplification == {"method": "rdp", "epsilon": 1.5}
    splits = {}
    for split in dataset.SPLITS:
        for record in dataset.read_split(tmp_path / "x", split):
            splits.setdefault(record.key[:5], set()).add(split)
    assert all(len(found) == 1 for found in splits.values())


def test_raw_drawings_go_through_the_chain_and_simplified_ones_do_not(tmp_path, write_ndjson):
    raw, simplified = write_ndjson("raw.ndjson", raw=True), write_ndjson("simple.ndjson")

    _run("--input", raw, "--output_dir", tmp_path / "raw")
    _run("--input", simplified, "--output_dir", tmp_path / "simple")

    first, second = (dataset.read_info(tmp_path / name) for name in ("raw", "simple"))
    assert first.simplification["method"] == "quickdraw"
    assert second.simplification is None
    record = next(dataset.read_split(tmp_path / "raw", "train"))
    assert np.abs(record.strokes - np.round(record.strokes)).max() == 0
    assert record.strokes[0, :2].tolist() == [0, 0]


def test_several_inputs_become_one_data_set_of_their_classes(tmp_path, write_ndjson, capsys):
    cat, dog = write_ndjson(), write_ndjson("dog.ndjson", 20, "dog", seed=1)

    assert _run("--input", cat, "--input", dog, "--output_dir", tmp_path / "x", "--json") == 0

    content = json.loads(capsys.readouterr().out)
    assert content["classes"] == ["cat", "dog"]
    assert [source["path"] for source in content["sources"]] == [str(cat), str(dog)]
    labels = [record.label for record in dataset.read_split(tmp_path / "x", "train")]
    assert labels.count(1) == content["splits"]["train"]["per_class"]["dog"]


def test_what_is_dropped_and_cut_is_counted_on_screen_and_in_the_description(
    tmp_path, write_ndjson, capsys
):
    first = write_ndjson("a.ndjson", 30, "cat")  # of 24 points
    second = write_ndjson("b.ndjson", 10, "dog", points=2)  # of 6 points

    flags = ("--input", first, "--input", second, "--min_points=7", "--recognized_only")
    _run(*flags, "--output_dir", tmp_path / "x", "--max_seq_len=20", "--too_long=cut")

    info = dataset.read_info(tmp_path / "x")
    assert info.dropped == {"not_recognized": {"cat": 6, "dog": 2}, "too_short": {"dog": 8}}
    assert info.cut == {"cat": 24}
    assert info.max_length == 20
    assert info.classes == ["cat"]
    out = capsys.readouterr().out
    for line in ("dropped, not_recognized: 8 (cat 6, dog 2)", "too_short: 8 (dog 8)", "cut: 24"):
        assert line in out


def test_a_target_length_is_met_by_a_searched_epsilon(tmp_path, write_ndjson):
    path = write_ndjson(count=60, raw=True, points=60)

    assert _run("--input", path, "--output_dir", tmp_path / "x", "--target_length=40") == 0

    info = dataset.read_info(tmp_path / "x")
    lengths = {int(points): n for points, n in info.length_histogram.items()}
    assert 30 < prepare.percentile(lengths, 95) <= 40
    assert info.simplification["epsilon"] > 2


def test_a_broken_line_stops_with_file_and_line_or_is_skipped_and_counted(
    tmp_path, write_ndjson, capsys
):
    path = write_ndjson(count=40)
    lines = path.read_text().splitlines()
    lines[17] = lines[17][:30]
    path.write_text("\n".join(lines))

    assert _run("--input", path, "--output_dir", tmp_path / "x") == 1
    assert "cat.ndjson" in (message := _error(capsys))
    assert "18" in message
    assert not (tmp_path / "x" / "dataset.json").exists()
    assert _run("--input", path, "--output_dir", tmp_path / "x", "--on_error=skip") == 0
    dropped = dataset.read_info(tmp_path / "x").dropped
    assert sum(dropped["unreadable"].values()) == 1


def _empty(write_npz, rows):
    return write_npz(train=[], valid=[rows()], test=[rows()])


def _still(write_npz, rows):
    still = np.zeros((5, 3), np.int16)
    return write_npz(train=[still], valid=[rows()], test=[rows()])


@pytest.mark.parametrize(
    ("make", "words"),
    [(_empty, "the train split would be empty"), (_still, "all offsets of the train split")],
)
def test_a_data_set_that_cannot_be_learnt_is_refused(
    tmp_path, write_npz, rows, capsys, make, words
):
    assert _run("--input", make(write_npz, rows), "--output_dir", tmp_path / "x") == 1

    assert words in _error(capsys)
    assert not (tmp_path / "x" / "dataset.json").exists()


def test_a_class_with_one_drawing_is_possible_and_told(tmp_path, write_ndjson, capsys):
    cat, dog = write_ndjson(), write_ndjson("dog.ndjson", 1, "dog")

    assert _run("--input", cat, "--input", dog, "--output_dir", tmp_path / "x") == 0

    assert "has no drawing of 1 of 2 classes: dog" in capsys.readouterr().err
    assert dataset.read_info(tmp_path / "x").classes == ["cat", "dog"]


def test_files_with_splits_can_be_split_anew(tmp_path, write_npz, rows):
    path = write_npz(train=[rows(9, i) for i in range(200)], valid=[], test=[])

    assert _run("--input", path, "--output_dir", tmp_path / "x", "--resplit") == 0

    assert dataset.read_info(tmp_path / "x").num_sketches("valid") > 0


def test_absolute_coordinates_in_rows_are_warned_of(tmp_path, write_npz, capsys):
    generator = np.random.default_rng(0)
    walks = generator.integers(-5, 6, (60, 30, 2)).cumsum(axis=1) + 200
    sketches = [np.c_[walk, np.arange(30) == 29].astype(np.int16) for walk in walks]
    path = write_npz(train=sketches, valid=sketches[:2], test=sketches[:2])

    _run("--input", path, "--output_dir", tmp_path / "x")

    assert "look like absolute coordinates" in capsys.readouterr().err
    assert "look like absolute" in dataset.read_info(tmp_path / "x").warnings[0]


def test_an_existing_data_set_stays_without_overwrite(tmp_path, write_ndjson, capsys):
    cat, dog = write_ndjson(), write_ndjson("dog.ndjson", 50, "dog")
    _run("--input", cat, "--output_dir", tmp_path / "x")

    assert _run("--input", dog, "--output_dir", tmp_path / "x") == 1
    assert "exists already; --overwrite (overwrite=True) replaces it" in _error(capsys)
    assert dataset.read_info(tmp_path / "x").classes == ["cat"]
    assert _run("--input", dog, "--output_dir", tmp_path / "x", "--overwrite") == 0
    assert dataset.read_info(tmp_path / "x").classes == ["dog"]
    assert len(list(shards.verify(tmp_path / "x"))) == 3


@pytest.mark.parametrize(
    ("flags", "words", "code"),
    [
        ((), "--input is required", 2),
        (("--input=x",), "--output_dir is required", 2),
        (("--input=no/such", "--output_dir=OUT"), "no such file", 1),
        (("--input=CAT", "--output_dir=OUT", "--runner=X"), "--runner is for --engine beam", 2),
        (("--input=CAT", "--output_dir=OUT", "--splits=1,2"), "such as 90,5,5", 1),
        (("--input=CAT", "--output_dir=OUT", "--simplfy_epsilon=1"), "--simplify_epsilon", 2),
        (("--input=CAT", "--output_dir=OUT", "--max_seq_len=1"), "no drawing fits", 1),
        (("--input=CAT", "--output_dir=OUT", "--max_seq_len=3"), "is left (40 too_long)", 1),
        (("--input=CAT", "--output_dir=OUT", "--simplify_epsilon=-1"), "epsilon is -1", 1),
        (("--input=gs://b/x", "--output_dir=OUT"), "needs --engine beam", 1),
        (("--input=CAT", "--output_dir=gs://b/x"), "needs --engine beam", 1),
        (("--input=CAT", "--output_dir=CAT/out"), "Not a directory", 1),
        (("--verify=OUT",), "there is no such folder", 1),
        (("--input=CAT", "--output_dir=OUT", "--target_length=9", "--simplify_epsilon=1"), "or", 2),
    ],
)
def test_a_wrong_command_is_one_clear_sentence(
    tmp_path, write_ndjson, capsys, monkeypatch, flags, words, code
):
    cat = write_ndjson()
    names = {"CAT": str(cat), "OUT": str(tmp_path / "out")}
    for name, value in names.items():
        flags = [flag.replace(name, value) for flag in flags]

    assert prepare.run(list(flags)) == code

    captured = capsys.readouterr()
    assert words in captured.err
    assert "Traceback" not in captured.err
    assert not captured.out


def test_verify_tells_whole_from_damaged(tmp_path, write_ndjson, capsys):
    _run("--input", write_ndjson(), "--output_dir", tmp_path / "x")
    capsys.readouterr()

    assert prepare.run(["--verify", str(tmp_path / "x"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["sketches"] == 40
    shard = next((tmp_path / "x").glob("train*"))
    shard.write_bytes(shard.read_bytes()[:-1])
    assert prepare.run(["--verify", str(tmp_path / "x")]) == 1
    assert "is truncated" in _error(capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_named(tmp_path, write_ndjson, capsys):
    cat = write_ndjson()
    (tmp_path / "locked").mkdir(mode=0o500)

    assert _run("--input", cat, "--output_dir", tmp_path / "locked" / "x") == 1
    assert "locked/x: Permission denied" in _error(capsys)


def _limit_files():
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))


@pytest.mark.large
def test_a_disk_that_is_full_is_told_and_the_run_goes_on_when_there_is_room(
    tmp_path, write_ndjson, capsys
):
    """The operating system refuses to let a file grow, as it does on a full disk."""
    path = write_ndjson(count=300)
    command = [sys.executable, "-m", "data_prep.prepare", "--workers=1"]
    command += ["--input", str(path), "--output_dir", str(tmp_path / "x")]

    full = subprocess.run(command, capture_output=True, text=True, preexec_fn=_limit_files)

    assert full.returncode == 1
    assert "x/.unfinished/" in full.stderr
    assert "File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert not (tmp_path / "x" / "dataset.json").exists()
    subprocess.run(command, check=True, capture_output=True)
    assert dataset.read_info(tmp_path / "x").num_sketches("train") > 200


@pytest.mark.large
def test_a_killed_run_leaves_nothing_that_looks_finished_and_is_continued(tmp_path, write_ndjson):
    folder = tmp_path / "in"
    folder.mkdir()
    for i in range(30):
        write_ndjson(f"in/{i:02}.ndjson", 40, f"class{i % 2}", raw=True, seed=i, points=30)
    command = [sys.executable, "-m", "data_prep.prepare", "--workers=1"]
    command += ["--input", str(folder), "--output_dir", str(tmp_path / "x")]
    environment = {**os.environ, "PYTHONPATH": os.getcwd()}
    killed = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=environment)
    workspace = tmp_path / "x" / shards.WORKSPACE
    deadline = time.monotonic() + 60
    while not list(workspace.glob("*.spool")) and time.monotonic() < deadline:
        time.sleep(0.01)
    killed.kill()
    killed.wait()

    assert not (tmp_path / "x" / "dataset.json").exists()
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    assert "continuing where an interrupted run ended" in again.stderr
    assert sum(count for _, count in shards.verify(tmp_path / "x")) == 1200
    assert not workspace.exists()
    prepare.prepare([str(folder)], tmp_path / "y", workers=1)
    assert dataset.read_info(tmp_path / "x").shards == dataset.read_info(tmp_path / "y").shards


def test_a_workspace_that_is_half_removed_is_nobodys(tmp_path, write_ndjson, monkeypatch):
    command = ([str(write_ndjson())], tmp_path / "x")
    with monkeypatch.context() as patch:
        patch.setattr(shards.shutil, "rmtree", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            prepare.prepare(*command, workers=1)
    workspace = tmp_path / "x" / shards.WORKSPACE
    assert not (workspace / shards.JOB).exists()
    for path in workspace.glob("*.spool"):
        path.unlink()
    prepare.prepare(*command, workers=1, overwrite=True)
    assert sum(count for _, count in shards.verify(tmp_path / "x")) == 40
    assert not workspace.exists()


def test_a_new_data_set_has_no_contact_sheet_of_the_old_one(tmp_path, write_ndjson):
    command = ([str(write_ndjson())], tmp_path / "x")
    prepare.prepare(*command, workers=1)
    for suffix in (".svg", ".png"):
        (tmp_path / "x" / f"{dataset.CONTACT_SHEET}{suffix}").write_text("of the old one")
    prepare.prepare(*command, workers=1, overwrite=True)
    assert not list((tmp_path / "x").glob("contact_sheet*"))


@pytest.mark.skipif(sys.platform == "darwin", reason="file names are UTF-8 on macOS")
@pytest.mark.parametrize("alone", [False, True])
def test_a_file_whose_name_is_no_utf8_is_read_like_any_other(tmp_path, write_ndjson, alone):
    name = os.fsdecode(b"a\xe9.ndjson")
    (tmp_path / "in").mkdir()
    os.rename(write_ndjson(), tmp_path / "in" / name)
    write_ndjson("in/b.ndjson", word="dog", seed=1)
    prepare.prepare([str(tmp_path / "in" / (name if alone else ""))], tmp_path / "x", workers=1)
    info = dataset.read_info(tmp_path / "x")
    assert info.classes == (["cat"] if alone else ["cat", "dog"])


def test_help_names_the_flags():
    shown = subprocess.run(
        [sys.executable, "-m", "data_prep.prepare", "--help"], capture_output=True, text=True
    )

    assert shown.returncode == 0
    assert "--simplify_epsilon" in shown.stdout


def test_a_data_set_inside_its_input_is_not_read_as_drawings(tmp_path, write_ndjson):
    write_ndjson("a.ndjson", 30)
    first = prepare.prepare([str(tmp_path)], tmp_path / "out", workers=1)

    again = prepare.prepare([str(tmp_path)], tmp_path / "out", workers=1, overwrite=True)

    assert again == first


def test_percentiles_of_a_histogram_are_numpys():
    values = np.random.default_rng(0).integers(2, 90, 777)
    lengths = dict(
        zip(*(part.tolist() for part in np.unique(values, return_counts=True)), strict=True)
    )

    for percent in (5, 50, 95, 100):
        expected = np.percentile(values, percent, method="inverted_cdf")
        assert prepare.percentile(lengths, percent) == expected


def test_flags_for_a_beam_runner_are_told_from_the_commands_own():
    own, rest = prepare.split_runner_flags(
        ["--input=x", "--engine=beam", "--runner", "FlinkRunner", "--parallelism=8", "--seed=1"]
    )

    assert own == ["--input=x", "--engine=beam", "--runner", "FlinkRunner", "--seed=1"]
    assert rest == ["--parallelism=8"]
    assert prepare.split_runner_flags(["--parallelism=8"]) == (["--parallelism=8"], [])
    words = ["--label", "us", "--engine=beam", "--region", "us"]
    assert prepare.split_runner_flags(words) == (
        ["--label", "us", "--engine=beam", "us"],
        ["--region"],
    )


def test_score_and_a_data_set_convert_a_drawing_alike(tmp_path, write_ndjson):
    """`simplify.convert` with the recorded simplification gives a data set's very rows."""
    from data_prep.conversion import simplify

    path = write_ndjson(raw=True)
    _run("--input", path, "--output_dir", tmp_path / "x", "--simplify_epsilon=9")

    how = simplify.Simplification.from_json(dataset.read_info(tmp_path / "x").simplification)
    rows = {s.key.encode(): simplify.convert(s, how) for s in readers.read(path)}
    for record in dataset.read_split(tmp_path / "x", "train"):
        np.testing.assert_array_equal(record.strokes, rows[record.key].astype(np.float32))


@pytest.mark.parametrize(("epsilon", "canvas"), [(1.0, 200.0), (None, 510.0)])
def test_the_canvas_of_svg_files_is_recorded(tmp_path, epsilon, canvas):
    for i in range(12):
        body = f'<path d="M10 10L{110 if i else 30} 10L30 {30 + i}"/>'
        svg = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 150">{body}</svg>'
        (tmp_path / f"{i}.svg").write_text(svg)
    info = prepare.prepare([str(tmp_path)], tmp_path / "data", simplify_epsilon=epsilon, workers=1)
    assert info.canvas == canvas  # 200 of the file, or 255 for the usual 100 units of ink
    assert dataset.read_info(tmp_path / "data").canvas == canvas


def test_files_without_some_splits_are_prepared_and_told(tmp_path, write_npz, rows, capsys):
    path = write_npz(train=[rows(seed=i) for i in range(40)])

    assert _run("--input", path, "--output_dir", tmp_path / "x") == 0
    assert "the files put no drawing into valid and test; --resplit" in capsys.readouterr().err
    info = dataset.read_info(tmp_path / "x")
    assert [info.num_sketches(name) for name in dataset.SPLITS] == [40, 0, 0]
    assert _run("--input", path, "--output_dir", tmp_path / "y", "--resplit") == 0
    info = dataset.read_info(tmp_path / "y")
    assert [info.num_sketches(name) for name in dataset.SPLITS] == [34, 3, 3]


def test_published_rows_are_simplified_where_that_is_asked_for(tmp_path, write_npz):
    wave = np.array([[0, 0, 0], *[[10, (-1) ** i, 0] for i in range(8)], [10, 0, 1]], np.int16)
    path = write_npz(train=[wave], valid=[wave], test=[wave])

    assert _run("--input", path, "--output_dir", tmp_path / "x", "--simplify_epsilon=2") == 0
    assert _run("--input", path, "--output_dir", tmp_path / "y") == 0

    (simplified,) = dataset.read_split(tmp_path / "x", "train")
    np.testing.assert_array_equal(simplified.strokes, [[0, 0, 0], [90, 0, 1]])
    (kept,) = dataset.read_split(tmp_path / "y", "train")
    np.testing.assert_array_equal(kept.strokes, wave)
    info = dataset.read_info(tmp_path / "x")
    assert info.simplification == {"method": "rdp", "epsilon": 2.0, "published": True}
    assert not info.from_absolute
    assert dataset.read_info(tmp_path / "y").simplification is None


def test_a_target_length_is_met_on_simplified_drawings_too(tmp_path, write_ndjson):
    path = write_ndjson(count=60, points=60)

    assert _run("--input", path, "--output_dir", tmp_path / "x", "--target_length=40") == 0

    info = dataset.read_info(tmp_path / "x")
    lengths = {int(points): n for points, n in info.length_histogram.items()}
    assert 30 < prepare.percentile(lengths, 95) <= 40


def test_thirty_drawings_of_two_classes_have_each_class_in_each_split(tmp_path, capsys):
    for name in ("fish", "house"):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for i in range(15):
            (tmp_path / "mine" / name / f"{i}.svg").write_text(
                f'<svg><path fill="none" stroke="black" d="M0 0L{i} 9L30 {i * i}"/></svg>'
            )
    (tmp_path / "mine" / "notes.txt").write_text("")
    (tmp_path / "mine" / "meta.json").write_text("{}")
    (tmp_path / "mine" / "fish" / "empty.svg").write_text("<svg/>")

    assert _run("--input", tmp_path / "mine", "--output_dir", tmp_path / "x") == 0

    told = capsys.readouterr()
    assert "fish: 9 / 3 / 3" in told.out
    assert "house: 9 / 3 / 3" in told.out
    assert "ignored: 1 file without drawings" in told.out
    assert "ignored beside the drawings: 1 .txt" in told.err
    assert "fish/empty.svg: is empty" in told.err
    (source,) = dataset.read_info(tmp_path / "x").sources
    assert source["ignored"] == {".txt": 1}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--too_long=cut"], "--too_long needs --max_seq_len"),
        (["--simplify_epsilon=2", "--target_length=40"], "give either --simplify_epsilon or"),
        (
            ["--like=pretrained:kanji", "--target_length=40"],
            "give either --target_length or --like",
        ),
        (["--runner=FlinkRunner"], "--runner is for --engine beam"),
        (["--verify=data"], "--verify checks a data set"),
    ],
)
def test_flags_that_would_have_no_effect_are_refused(
    tmp_path, write_ndjson, capsys, flags, message
):
    assert _run("--input", write_ndjson(), "--output_dir", tmp_path / "x", *flags) == 2
    assert message in capsys.readouterr().err


def test_drawings_can_be_simplified_as_those_of_a_model_were(tmp_path, write_ndjson, capsys):
    raw = write_ndjson("raw.ndjson", raw=True)
    assert _run("--input", raw, "--output_dir", tmp_path / "like", "--like=pretrained:kanji") == 0
    simplification = dataset.read_info(tmp_path / "like").simplification
    assert simplification == {"method": "rdp", "epsilon": 1.5}  # what its MODEL.md tells
    assert _run("--input", write_ndjson(), "--output_dir", tmp_path / "x", "--like=nowhere") == 1
    assert "nowhere: " in _error(capsys)


def test_splits_that_have_no_effect_are_told(tmp_path, write_npz, rows):
    path = write_npz(train=[rows()], valid=[rows()], test=[rows()])

    assert _run("--input", path, "--output_dir", tmp_path / "x", "--splits=80,10,10") == 0

    assert any(
        "--splits had no effect" in text for text in dataset.read_info(tmp_path / "x").warnings
    )
