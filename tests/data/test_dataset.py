import struct

import numpy as np
import pytest

from sketch_rnn_tf.data import dataset, tfrecord


@pytest.fixture
def data_set(tmp_path):
    rows = np.array([[0, 0, 0], [3, 4, 0], [5, 6, 1]], np.float32)
    framed = [
        tfrecord.frame(tfrecord.serialize(tfrecord.Record(rows, 0, b"%d" % i))) for i in range(3)
    ]
    name = dataset.shard_name("train", 0, 1)
    (tmp_path / name).write_bytes(b"".join(framed))
    dataset.write_info(
        tmp_path,
        dataset.DatasetInfo(
            classes=["cat"],
            splits={"train": {"num_sketches": 3, "per_class": {"cat": 3}}},
            max_length=3,
            scale_factor=2.0,
            shards=[{"file": name, "split": "train", "num_records": 3, "sha256": "x"}],
        ),
    )
    return tmp_path


def test_a_split_is_read_in_stored_order(data_set):
    assert [record.key for record in dataset.read_split(data_set, "train")] == [b"0", b"1", b"2"]


def test_an_empty_split_names_those_that_are_there(data_set):
    with pytest.raises(ValueError, match="split 'valid' is empty; there are train"):
        list(dataset.read_split(data_set, "valid"))


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
        (lambda content: tfrecord.frame(b"hello"), "record 0 is not a tf.train.Example"),
    ],
)
def test_a_shard_that_is_short_or_altered_is_an_error_that_names_it(data_set, damage, words):
    path = data_set / dataset.shard_name("train", 0, 1)
    path.write_bytes(damage(path.read_bytes()))

    with pytest.raises(ValueError, match=words) as caught:
        list(dataset.read_split(data_set, "train"))

    assert path.name in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema_version": 2}, "schema version 2, expected 1"),
        ({"classes": 3}, "'classes' is missing or of the wrong type"),
        (
            {"shards": [{"file": "../x", "split": "train", "num_records": 1}]},
            "outside the data set",
        ),
        ({"scale_factor": float("inf")}, "'scale_factor' is inf, expected a number above 0"),
        ({"max_length": 0}, "'max_length' is 0, expected a number above 0"),
        ({"splits": {"train": 5}}, "split 'train' and its shards differ"),
        ({"splits": {"train": {"num_sketches": 4}}}, "split 'train' and its shards differ"),
        ({"shards": []}, "split 'train' and its shards differ"),
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
        dataset.read_info(data_set)
