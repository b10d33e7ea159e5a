import os
import struct

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sketch_rnn_tf.data import records


def _example(record):
    """The record as TensorFlow itself puts it together."""
    features = tf.train.Features()
    offsets = record.strokes[:, :2].astype(np.float32).ravel().tolist()
    features.feature["offsets"].float_list.value.extend(offsets)
    pen = record.strokes[:, 2].astype(np.int64).tolist()
    features.feature["pen_lifted"].int64_list.value.extend(pen)
    features.feature["length"].int64_list.value.append(len(record.strokes))
    features.feature["label"].int64_list.value.append(record.label)
    features.feature["key"].bytes_list.value.append(record.key)
    return tf.train.Example(features=features)


@st.composite
def _records(draw):
    rows = draw(
        hnp.arrays(
            np.float32,
            st.tuples(st.integers(1, 300), st.just(3)),
            elements=st.floats(-1e9, 1e9, width=32),
        )
    )
    rows[:, 2] = rows[:, 2] > 0
    label = draw(st.one_of(st.integers(0, 400), st.integers(0, 2**40)))
    return records.Record(rows, label, draw(st.binary(max_size=300)))


@settings(max_examples=200, deadline=None)
@given(_records())
def test_a_record_has_the_bytes_of_tensorflows_deterministic_serialisation(record):
    assert records.serialize(record) == _example(record).SerializeToString(deterministic=True)


@settings(max_examples=200, deadline=None)
@given(_records())
def test_a_record_comes_back_whole_in_whatever_order_its_features_stand(record):
    for serialized in (records.serialize(record), _example(record).SerializeToString()):
        again = records.parse(serialized, "here")
        np.testing.assert_array_equal(again.strokes, record.strokes)
        assert (again.label, again.key) == (record.label, record.key)


def test_frames_are_those_of_tensorflows_own_writer(tmp_path):
    contents = [b"", b"a", os.urandom(5000)]
    with tf.io.TFRecordWriter(str(tmp_path / "x")) as writer:
        for content in contents:
            writer.write(content)

    assert (tmp_path / "x").read_bytes() == b"".join(map(records.frame, contents))
    assert list(records.read_frames(tmp_path / "x")) == contents


@pytest.fixture
def data_set(tmp_path):
    rows = np.array([[0, 0, 0], [3, 4, 0], [5, 6, 1]], np.float32)
    framed = [
        records.frame(records.serialize(records.Record(rows, 0, b"%d" % i))) for i in range(3)
    ]
    name = records.shard_name("train", 0, 1)
    (tmp_path / name).write_bytes(b"".join(framed))
    records.write_info(
        tmp_path,
        records.DatasetInfo(
            classes=["cat"],
            splits={"train": {"num_sketches": 3, "per_class": {"cat": 3}}},
            max_length=3,
            scale_factor=2.0,
            shards=[{"file": name, "split": "train", "num_records": 3, "sha256": "x"}],
        ),
    )
    return tmp_path


def test_a_split_is_read_in_stored_order(data_set):
    assert [record.key for record in records.read_split(data_set, "train")] == [b"0", b"1", b"2"]


def test_an_empty_split_names_those_that_are_there(data_set):
    with pytest.raises(ValueError, match="split 'valid' is empty; there are train"):
        list(records.read_split(data_set, "valid"))


def _without_last(content):
    (length,) = struct.unpack_from("<Q", content)
    return content[: 2 * (length + 16)]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (_without_last, "holds 2 records, dataset.json says 3"),
        (lambda content: content + content, "holds 6 records"),
        (lambda content: content[:-1], "record 2 is truncated"),
        (lambda content: content[:40] + b"?" + content[41:], "record 0 is damaged"),
        (lambda content: b"\xff" * 8 + content[8:], "record 0 is damaged"),
    ],
)
def test_a_shard_that_is_short_or_altered_is_an_error_that_names_it(data_set, damage, words):
    path = data_set / records.shard_name("train", 0, 1)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(ValueError, match=words) as caught:
        list(records.read_split(data_set, "train"))

    assert path.name in str(caught.value)


def _with(**features):
    example = _example(records.Record(np.zeros((2, 3), np.float32), 0, b"k"))
    for name, values in features.items():
        example.features.feature[name].CopyFrom(values)
    return example.SerializeToString(deterministic=True)  # it is part of the test's name


def _floats(*values):
    return tf.train.Feature(float_list=tf.train.FloatList(value=values))


def _ints(*values):
    return tf.train.Feature(int64_list=tf.train.Int64List(value=values))


@pytest.mark.parametrize(
    ("serialized", "words"),
    [
        (b"hello", "is not a tf.train.Example"),
        (b"", "has no feature 'offsets'"),
        (b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "is not a tf.train.Example"),
        (_with(offsets=_floats(1, 2, 3)), "lengths that do not fit together"),
        (_with(offsets=_ints(1, 2)), "not of one packed list"),
        (_with(offsets=_floats(1, 2, 3, float("nan"))), "not finite"),
        (_with(pen_lifted=_ints(0, 7)), "pen state other than 0 and 1"),
        (_with(pen_lifted=_ints(0, 300)), "lengths that do not fit together"),
    ],
)
def test_a_record_of_something_else_is_named(data_set, serialized, words):
    path = data_set / records.shard_name("train", 0, 1)
    path.write_bytes(records.frame(serialized))

    with pytest.raises(ValueError, match=words) as caught:
        list(records.read_split(data_set, "train"))

    assert f"{path.name}: record 0" in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(_records(), st.data())
def test_altered_bytes_are_a_record_or_a_clear_error(record, data):
    content = bytearray(records.serialize(record))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    try:
        found, message = records.parse(bytes(content), "x: record 0"), None
    except ValueError as error:
        found, message = None, str(error)

    assert found.strokes.shape[1] == 3 if found else message.startswith("x: record 0 ")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 2}, "schema version 2, expected 1"),
        ({"classes": 3}, "'classes' is missing or of the wrong type"),
        (
            {"shards": [{"file": "../x", "split": "train", "num_records": 1}]},
            "outside the data set",
        ),
        (
            {"shards": [{"file": "gone", "split": "train", "num_records": 1}]},
            "gone, which is missing",
        ),
        ({"shards": [{"split": "train"}]}, "shard 0 lacks"),
    ],
)
def test_a_wrong_description_is_refused(data_set, change, words):
    import json

    path = data_set / "dataset.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))

    with pytest.raises(ValueError, match=words):
        records.read_info(data_set)
