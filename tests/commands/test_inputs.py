import json
import pathlib

import numpy as np
import pytest
import written

import sketch_rnn_tf
from sketch_rnn_tf import config, drawing, files
from sketch_rnn_tf.commands import input_flags, inputs
from sketch_rnn_tf.data import dataset

RDP = {"method": "rdp", "epsilon": 1.0}


def _run(**fields):
    return config.RunConfig(10.0, 12, **fields)


def test_absolute_coordinates_go_through_the_simplification_of_the_run(drawings):
    found = inputs.load(drawings, _run(simplification=RDP))
    np.testing.assert_array_equal(found[0].strokes, [[0, 0, 0], [0, 40, 0], [40, 0, 1]])
    np.testing.assert_array_equal(found[1].strokes, [[0, 0, 0], [100, 0, 1]])
    every_point = inputs.load(drawings, _run(simplification={"method": "none"}))
    assert len(every_point[1].strokes) == 51
    assert [drawing.label for drawing in found] == ["cat"] * 3


def test_without_a_word_in_the_run_the_simplification_is_quick_draws(drawings):
    found = inputs.load(drawings, _run())[0].strokes
    np.testing.assert_array_equal(found, [[0, 0, 0], [0, 255, 0], [255, 0, 1]])


def test_a_model_that_drops_the_first_point_does_not_see_where_a_drawing_starts(drawings):
    found = inputs.load(drawings, _run(simplification=RDP, drop_first_point=True))
    np.testing.assert_array_equal(found[0].strokes, [[0, 40, 0], [40, 0, 1]])


def test_rows_are_taken_as_they_are(tmp_path):
    rows = [[7, 7, 0], [1, 2, 0], [1, 2, 1]]
    path = tmp_path / "dog.json"
    path.write_text(json.dumps({"sketches": [{"strokes": rows, "label": "dog"}]}))
    found = inputs.load(path, _run(simplification=RDP, drop_first_point=True))
    np.testing.assert_array_equal(found[0].strokes, rows)
    assert found[0].label == "dog"


def test_drawings_are_chosen_by_index_in_the_order_asked_for(drawings):
    everything = inputs.load(drawings, _run())
    chosen = inputs.load(drawings, _run(), indices=[2, 0, 2])
    for one, index in zip(chosen, (2, 0, 2), strict=True):
        np.testing.assert_array_equal(one.strokes, everything[index].strokes)


@pytest.mark.parametrize("index", [3, -1])
def test_an_index_that_is_not_there_is_named(drawings, index):
    with pytest.raises(ValueError, match=rf"cat\.json.* {index}"):
        inputs.load(drawings, _run(), indices=[0, index])


@pytest.fixture
def data_dir(tmp_path):
    rows = {n: np.array([[n, 1, 0], [0, 2, 1]], np.float32) for n in (1, 2)}
    sketches = {"train": [(rows[2], 1)] * 2, "test": [(rows[1], 1)]}
    written.write(tmp_path, sketches, classes=["cat", "dog"])
    return tmp_path


def test_prepared_data_sets_and_their_shards_are_read(data_dir):
    run = _run(drop_first_point=True)
    found = inputs.load(data_dir, run)
    assert [(d.strokes[0, 0], d.label) for d in found] == [(2, "dog"), (2, "dog"), (1, "dog")]
    assert len(inputs.load(data_dir, run, split="test")) == 1
    shard = inputs.load(data_dir / dataset.shard_name("test", 0, 1), run)
    np.testing.assert_array_equal(shard[0].strokes, found[2].strokes)
    assert shard[0].label == "dog"


def test_an_input_without_drawings_is_refused(tmp_path):
    path = tmp_path / "none.json"
    path.write_text("[]")
    with pytest.raises(ValueError, match="none"):
        inputs.load(path, _run())


def test_a_first_row_that_is_no_step_is_not_seen_by_a_model_that_drops_it(tmp_path):
    rows = [[0, 0, 0], [1, 2, 0], [0, 0, 1]]
    path = tmp_path / "dog.json"
    path.write_text(json.dumps({"sketches": [{"strokes": rows, "label": "dog"}]}))
    np.testing.assert_array_equal(inputs.load(path, _run())[0].strokes, rows)
    found = inputs.load(path, _run(drop_first_point=True))
    np.testing.assert_array_equal(found[0].strokes, rows[1:])


def test_a_data_set_of_absolute_drawings_is_read_without_their_first_rows(data_dir):
    description = data_dir / dataset.DESCRIPTION
    content = files.read_json(description)
    files.write_json(description, {**content, "simplification": RDP})
    shard = data_dir / dataset.shard_name("test", 0, 1)
    for path in (data_dir, shard):
        found = inputs.load(path, _run(drop_first_point=True), split="test")
        np.testing.assert_array_equal(found[0].strokes, [[0, 2, 1]])


def test_a_shard_that_is_short_or_of_another_split_is_refused(data_dir):
    shard = data_dir / dataset.shard_name("train", 0, 1)
    with pytest.raises(ValueError, match=r"is of split 'train', not 'test'"):
        inputs.load(shard, _run(), split="test")
    content = shard.read_bytes()
    shard.write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"holds 1 records, dataset\.json says 2"):
        inputs.load(shard, _run())


QUICKDRAW = {"method": "quickdraw", "epsilon": 2.0, "size": 255.0, "spacing": 1.0}


@pytest.fixture
def circle(tmp_path):
    """Returns a function that writes a circle of a radius, on a canvas of 200, as SVG."""

    def write(radius, attributes='viewBox="0 0 200 200"'):
        path = tmp_path / f"circle{radius}.svg"
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>'
            f'<circle cx="100" cy="90" r="{radius}"/></svg>'
        )
        return path

    return write


def _side(rows) -> float:
    return float(np.ptp(np.cumsum(np.asarray(rows)[:, :2], axis=0), axis=0).max())


def test_a_beginning_keeps_its_size_on_the_models_canvas(circle):
    run = _run(simplification=QUICKDRAW)
    for radius in (3, 12, 60):
        (begun,) = inputs.load(circle(radius), run, units="fit")
        assert _side(begun.strokes) == pytest.approx(2 * radius * 255 / 200, abs=1.1)  # rounded
        (whole,) = inputs.load(circle(radius), run)
        assert _side(whole.strokes) == 255


def test_a_whole_drawing_that_fills_its_canvas_is_the_same_either_way(circle):
    run = _run(simplification=QUICKDRAW)
    path = circle(50, 'viewBox="50 40 100 100"')
    whole, fit = (inputs.load(path, run, units=units)[0].strokes for units in ("whole", "fit"))
    np.testing.assert_array_equal(whole, fit)


@pytest.mark.parametrize(
    ("fields", "units", "side"),
    [
        ({"simplification": RDP, "canvas": 50.0}, "fit", 120 / 4),
        ({"simplification": RDP, "canvas": 50.0}, "source", 120),
        ({"simplification": RDP, "canvas": 50.0}, "100", 60),
        ({"simplification": RDP, "canvas": 50.0}, 400, 15),
        ({"simplification": RDP, "canvas": 50.0}, "whole", 120),
        ({"simplification": RDP}, "fit", 120),  # the model's canvas is not known
        ({"simplification": {"method": "rdp", "epsilon": 0.1}, "classes": ("kanji",)}, "fit", 65.4),
        ({"simplification": QUICKDRAW, "canvas": 300.0}, "fit", 180),
        ({"simplification": QUICKDRAW}, "source", 120),
        ({}, "fit", 153),
    ],
)
def test_units_say_how_large_coordinates_are(circle, fields, units, side):
    (begun,) = inputs.load(circle(60), _run(**fields), units=units)
    assert _side(begun.strokes) == pytest.approx(side, abs=2.5)


@pytest.mark.parametrize("units", ["tiny", "0", "-3", "nan", None])
def test_units_that_mean_nothing_are_refused(circle, units):
    with pytest.raises(ValueError, match=r"units is .*, expected whole, fit, source or the side"):
        inputs.load(circle(5), _run(), units=units)


def test_rows_and_our_own_drawings_have_their_units_already(tmp_path):
    rows = np.array([[0, 0, 0], [7, 9, 0], [1, 2, 1]], np.float32)
    drawing.save(tmp_path / "a.svg", [rows, rows * [2, 2, 1]])
    drawing.save(tmp_path / "a.json", [rows, rows * [2, 2, 1]])
    for name in ("a.svg", "a.json"):
        for units in ("fit", "whole", "source"):
            found = inputs.load(tmp_path / name, _run(simplification=QUICKDRAW), units=units)
            np.testing.assert_array_equal(found[0].strokes, rows)
            np.testing.assert_array_equal(found[1].strokes, rows * [2, 2, 1])


def test_python_reads_what_the_commands_read(drawings, circle, tiny_run):
    configuration = _run(simplification=RDP)
    found = sketch_rnn_tf.read(drawings, configuration)
    for one, other in zip(found, inputs.load(drawings, configuration), strict=True):
        np.testing.assert_array_equal(one.strokes, other.strokes)
        assert one.label == other.label
    run = tiny_run(simplification=QUICKDRAW)
    begun = sketch_rnn_tf.read(circle(60), run, units="fit")
    assert _side(begun[0].strokes) == pytest.approx(153, abs=1.1)
    as_is = sketch_rnn_tf.read(drawings)  # no model: the file's own points
    assert len(as_is[1]) == 51
    assert _side(as_is[1].strokes) == 100


def test_a_pattern_names_many_files(circle, tmp_path):
    for radius in (30, 10, 20):
        circle(radius)
    pattern = str(tmp_path / "circle*.svg")
    found = inputs.load(pattern, _run(simplification=RDP))
    assert [pathlib.Path(one.where).name for one in found] == [
        f"circle{radius}.svg" for radius in (10, 20, 30)
    ]
    with pytest.raises(ValueError, match="no file matches"):
        inputs.load(tmp_path / "square*.svg", _run())


@pytest.mark.parametrize(
    ("text", "indices"),
    [("0,5", [0, 5]), ("0-3", [0, 1, 2, 3]), ("7,1-2", [7, 1, 2]), ("all", None), (" 4 ", [4])],
)
def test_indices_are_numbers_and_ranges(text, indices):
    assert input_flags.parse_indices(text) == indices


@pytest.mark.parametrize("text", ["a", "1-", "-1", "1.5", "", "0,,1", "0-9999999", "3-1"])
def test_other_indices_are_refused(text):
    with pytest.raises(ValueError, match=f"received {text!r}, expected"):
        input_flags.parse_indices(text)


def test_every_drawing_is_named(drawings, data_dir):
    found = inputs.load(drawings, _run())
    assert [one.key for one in found] == [f"cat.json:{i}" for i in range(3)]
    keys = {one.key for one in inputs.load(data_dir, _run())}
    assert keys == {"train0", "train1", "test0"}
