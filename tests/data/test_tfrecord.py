import os

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sketch_rnn_tf.data import tfrecord


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
    return tfrecord.Record(rows, label, draw(st.binary(max_size=300)))


@settings(max_examples=200, deadline=None)
@given(_records())
def test_a_record_has_the_bytes_of_tensorflows_deterministic_serialisation(record):
    assert tfrecord.serialize(record) == _example(record).SerializeToString(deterministic=True)


@settings(max_examples=200, deadline=None)
@given(_records())
def test_a_record_comes_back_whole_in_whatever_order_its_features_stand(record):
    for serialized in (tfrecord.serialize(record), _example(record).SerializeToString()):
        again = tfrecord.parse(serialized, "here")
        np.testing.assert_array_equal(again.strokes, record.strokes)
        assert (again.label, again.key) == (record.label, record.key)


def test_frames_are_those_of_tensorflows_own_writer(tmp_path):
    contents = [b"", b"a", os.urandom(5000)]
    with tf.io.TFRecordWriter(str(tmp_path / "x")) as writer:
        for content in contents:
            writer.write(content)

    assert (tmp_path / "x").read_bytes() == b"".join(map(tfrecord.frame, contents))
    assert list(tfrecord.read_frames(tmp_path / "x")) == contents


def _with(**features):
    example = _example(tfrecord.Record(np.zeros((2, 3), np.float32), 0, b"k"))
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
def test_a_message_of_something_else_is_named(serialized, words):
    with pytest.raises(ValueError, match=f"^x: record 0 .*{words}"):
        tfrecord.parse(serialized, "x: record 0")


@settings(max_examples=150, deadline=None)
@given(_records(), st.data())
def test_altered_bytes_are_a_record_or_a_clear_error(record, data):
    content = bytearray(tfrecord.serialize(record))
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))

    try:
        found, message = tfrecord.parse(bytes(content), "x: record 0"), None
    except ValueError as error:
        found, message = None, str(error)

    assert found.strokes.shape[1] == 3 if found else message.startswith("x: record 0 ")
