import json

import numpy as np
import pytest
from PIL import Image

from data_prep import inspect_dataset, prepare
from sketch_rnn_tf import drawing
from sketch_rnn_tf.data import dataset


@pytest.fixture
def data_set(tmp_path, write_ndjson):
    cat, dog = write_ndjson(), write_ndjson("dog.ndjson", 30, "dog", seed=1, points=3)
    flags = [f"--input={cat}", f"--input={dog}", "--workers=1", f"--output_dir={tmp_path}/x"]
    assert prepare.run(flags) == 0
    return tmp_path / "x"


def test_the_table_has_classes_counts_lengths_and_scale(data_set, capsys):
    capsys.readouterr()

    assert inspect_dataset.run([f"--data_dir={data_set}"]) == 0

    out = capsys.readouterr().out
    lines = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.strip()}
    assert sum(map(int, lines["cat"])) == 40
    assert sum(map(int, lines["all"])) == 70
    for words in ("scale factor", "longest 24", "points per stroke 5.9", "#", "warning: the"):
        assert words in out


def test_the_histogram_counts_every_drawing_once(data_set, capsys):
    features = np.zeros(500, inspect_dataset.FEATURES)
    features["points"] = np.random.default_rng(0).integers(2, 251, 500)

    bars = inspect_dataset.histogram(features)[1:]

    assert sum(int(line.split()[-2]) for line in bars) == 500
    assert 5 <= len(bars) <= 2 * inspect_dataset.BARS


def test_json_is_one_object_with_what_was_measured(data_set, capsys):
    capsys.readouterr()

    inspect_dataset.run([f"--data_dir={data_set}", "--json"])

    content = json.loads(capsys.readouterr().out)
    assert content["measured"]["strokes"] == 3
    assert content["measured"]["points_a_stroke"] == pytest.approx((40 * 8 + 30 * 3) / 70)


def test_the_sheet_is_written_as_svg_and_png_and_marks_the_extremes(data_set, tmp_path, capsys):
    assert inspect_dataset.run([f"--data_dir={data_set}", f"--output={tmp_path}/sheet.png"]) == 0

    sketches = drawing.read_svg(tmp_path / "sheet.svg")
    assert len(sketches) == inspect_dataset.COLUMNS * (inspect_dataset.ROWS + 3)
    text = (tmp_path / "sheet.svg").read_text()
    for word in ("longest", "shortest", "odd: ", "70 drawings"):
        assert word in text
    assert Image.open(tmp_path / "sheet.png").size[0] > 900


def test_extreme_drawings_are_named_in_print_in_json_and_on_the_sheet(data_set, tmp_path, capsys):
    capsys.readouterr()
    flags = [f"--data_dir={data_set}", f"--output={tmp_path}/sheet"]

    assert inspect_dataset.run([*flags, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert inspect_dataset.run([*flags, "--overwrite"]) == 0
    printed = capsys.readouterr().out

    records = [r for name in dataset.SPLITS for r in dataset.read_split(data_set, name)]
    captions = (tmp_path / "sheet.svg").read_text()
    for kind in ("longest", "shortest", "odd"):
        assert len(found[kind]) == inspect_dataset.COLUMNS
        for one in found[kind]:
            record = records[one["index"]]
            assert (one["key"], one["points"]) == (record.key.decode(), len(record.strokes))
        first = found[kind][0]
        (line,) = [x for x in printed.splitlines() if x.startswith(kind) and first["key"] in x]
        assert line.split()[1] == str(first["index"])
        assert first["key"] in captions


def test_an_existing_sheet_is_kept_without_overwrite(data_set, tmp_path, capsys):
    inspect_dataset.run([f"--data_dir={data_set}"])
    sheet = data_set / "contact_sheet.svg"
    sheet.write_text("mine")

    assert inspect_dataset.run([f"--data_dir={data_set}"]) == 0
    assert inspect_dataset.run([f"--data_dir={data_set}", f"--output={sheet}"]) == 1
    assert sheet.read_text() == "mine"
    assert inspect_dataset.run([f"--data_dir={data_set}", "--overwrite"]) == 0
    assert sheet.read_text() != "mine"


def test_a_sheet_of_another_kind_is_refused(data_set, capsys):
    assert inspect_dataset.run([f"--data_dir={data_set}", "--output=a.gif"]) == 2
    assert "sheets are written as .svg and .png" in capsys.readouterr().err


def test_one_drawing_unlike_the_others_is_the_oddest():
    generator = np.random.default_rng(0)
    ordinary = []
    for _ in range(60):
        rows = generator.normal(size=(20, 3)) * 10
        rows[:, 2] = np.arange(20) % 5 == 4
        ordinary.append(rows)
    changes = {"strokes": (2, 1.0), "size": (slice(0, 2), 500.0), "shape": (1, 0.001)}
    for name, (columns, value) in changes.items():
        strange = ordinary[0].copy()
        strange[:, columns] = value if name == "strokes" else strange[:, columns] * value
        features = [inspect_dataset.measured(rows) for rows in [*ordinary[1:], strange]]

        ratings, words = inspect_dataset.oddness(np.array(features, inspect_dataset.FEATURES))

        assert ratings.argmax() == 59
        assert words[59].startswith(name)


def test_a_sheet_shows_every_class_in_turn():
    labels = np.array([0] * 50 + [1] * 3 + [2])

    chosen = inspect_dataset.from_all_over(labels, 8)

    assert sorted(labels[chosen].tolist()) == [0, 0, 0, 0, 1, 1, 1, 2]


def test_the_longest_and_shortest_are_chosen_by_their_points():
    features = np.ones(100, inspect_dataset.FEATURES)
    features["points"] = np.random.default_rng(0).permutation(100) + 2

    chosen, marks = inspect_dataset.choose(features, np.zeros(100, int))

    words = {
        word: [features["points"][chosen[i]] for i in marks if marks[i] == word]
        for word in marks.values()
    }
    assert words["longest"] == list(range(101, 91, -1))
    assert words["shortest"] == list(range(2, 12))


@pytest.mark.parametrize(
    ("flags", "words", "code"),
    [
        ([], "--data_dir is required", 2),
        (["--data_dir=no/such"], "there is no such folder", 1),
    ],
)
def test_a_wrong_command_is_one_clear_sentence(capsys, flags, words, code):
    assert inspect_dataset.run(flags) == code
    assert words in capsys.readouterr().err
