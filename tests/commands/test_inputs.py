import json

import numpy as np
import pytest

from sketch_rnn_tf import config, files
from sketch_rnn_tf.commands import inputs
from sketch_rnn_tf.data import dataset, tfrecord

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
    for drawing, index in zip(chosen, (2, 0, 2), strict=True):
        np.testing.assert_array_equal(drawing.strokes, everything[index].strokes)


@pytest.mark.parametrize("index", [3, -1])
def test_an_index_that_is_not_there_is_named(drawings, index):
    with pytest.raises(ValueError, match=rf"cat\.json.* {index}"):
        inputs.load(drawings, _run(), indices=[0, index])


@pytest.fixture
def data_dir(tmp_path):
    shards = []
    for split, count in (("train", 2), ("test", 1)):
        name = dataset.shard_name(split, 0, 1)
        rows = np.array([[count, 1, 0], [0, 2, 1]], np.float32)
        frame = tfrecord.frame(tfrecord.serialize(tfrecord.Record(rows, 1, b"k")))
        (tmp_path / name).write_bytes(frame * count)
        sha256 = files.sha256_of_file(tmp_path / name)
        shards.append({"file": name, "split": split, "num_records": count, "sha256": sha256})
    splits = {"train": {"num_sketches": 2}, "valid": {"num_sketches": 0}}
    info = dataset.DatasetInfo(
        classes=["cat", "dog"],
        splits={**splits, "test": {"num_sketches": 1}},
        max_length=2,
        scale_factor=1.0,
        shards=shards,
        length_histogram={"2": 3},
    )
    dataset.write_info(tmp_path, info)
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
