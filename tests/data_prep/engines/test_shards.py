import errno
import json

import filelock
import numpy as np
import pytest
import tensorflow as tf

from data_prep.conversion import convert
from data_prep.engines import shards
from sketch_rnn_tf.data import dataset


def _sketch(points, seed=0):
    rows = np.random.default_rng(seed).normal(size=(points, 3)).astype(np.float32) * 10
    rows[:, 2] = np.arange(points) % 3 == 2
    return rows


def _sketches(count):
    return [(i % 2, f"key{i}".encode(), _sketch(i + 2, i)) for i in range(count)]


def _write(path, split, sketches):
    return shards.write_shard(path, split, *zip(*sketches, strict=True), ["a", "b"])


@pytest.fixture
def data_set(tmp_path):
    """A finished data set of two shards."""
    folder = tmp_path / "data"
    with shards.output_directory(folder, {}) as (workspace, _):
        written = [
            _write(workspace / f"{name}-00000-of-00001.tfrecord", name, _sketches(n))
            for name, n in (("train", 7), ("valid", 2))
        ]
        info = shards.describe(written, ["a", "b"], convert.Tally(), sources=[])
        shards.publish(folder, info)
    return folder


def test_shards_are_read_by_tensorflow_with_the_published_spec(data_set):
    path = str(data_set / "train-00000-of-00001.tfrecord")
    parsed = [
        tf.io.parse_single_example(serialized, dataset.feature_spec())
        for serialized in tf.data.TFRecordDataset(path)
    ]

    assert len(parsed) == 7
    for item, (label, key, strokes) in zip(parsed, _sketches(7), strict=True):
        np.testing.assert_array_equal(item["offsets"].numpy().reshape(-1, 2), strokes[:, :2])
        np.testing.assert_array_equal(item["pen_lifted"].numpy(), strokes[:, 2])
        assert (item["length"], item["label"], item["key"]) == (len(strokes), label, key)


def test_the_description_counts_what_is_there(data_set):
    info = dataset.read_info(data_set)

    assert info.splits["train"] == {"num_sketches": 7, "per_class": {"a": 4, "b": 3}}
    assert info.splits["test"] == {"num_sketches": 0, "per_class": {}}
    assert info.max_length == 8
    assert info.length_histogram["3"] == 2
    assert [shard["split"] for shard in info.shards] == ["train", "valid"]


def test_the_scale_factor_is_the_deviation_of_all_train_offsets_with_their_mean_kept(data_set):
    offsets = np.concatenate([strokes[:, :2] for *_, strokes in _sketches(7)])

    assert dataset.read_info(data_set).scale_factor == pytest.approx(np.std(offsets), rel=1e-6)


def test_deviations_of_parts_pool_to_that_of_the_whole():
    generator = np.random.default_rng(0)
    parts = [generator.normal(900, 0.05, (n, 3)) for n in (3, 1000, 1, 50)]

    pooled = shards.pooled_deviation(shards.moments([part]) for part in parts)

    assert pooled == pytest.approx(np.std(np.concatenate(parts)[:, :2]), rel=1e-9)


def test_deviations_are_those_of_clamped_offsets():
    rows = np.array([[0, 0, 0], [1e9, 3, 0], [-5, -1e7, 1]])

    pooled = shards.pooled_deviation([shards.moments([rows])])

    assert pooled == pytest.approx(np.std([0, 0, 1000, 3, -5, -1000]))


def test_a_data_set_without_any_movement_is_refused(tmp_path):
    still = [(0, b"k", np.array([[0, 0, 0], [0, 0, 1]], np.float32))] * 3
    shard = _write(tmp_path / "train-00000-of-00001.tfrecord", "train", still)

    with pytest.raises(ValueError, match="all offsets of the train split are the same"):
        shards.describe([shard], ["a"], convert.Tally())


def test_a_whole_data_set_is_verified_shard_by_shard(data_set):
    assert [count for _, count in shards.verify(data_set)] == [7, 2]


def _flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-3]), "record 6 is truncated"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9000]), "holds 0 records"),
        (lambda path: _flip(path, 2), "record 0 is damaged .its length"),
        (lambda path: _flip(path, 20), "record 0 is damaged .its content"),
        (lambda path: _flip(path, -1), "record 6 is damaged"),
        (lambda path: path.unlink(), "which is missing"),
        (lambda path: path.write_bytes(path.read_bytes() * 2), "holds 14 records"),
    ],
)
def test_a_damaged_shard_is_named(data_set, damage, words):
    path = data_set / "train-00000-of-00001.tfrecord"
    damage(path)

    with pytest.raises(ValueError, match=words) as caught:
        list(shards.verify(data_set))

    assert path.name in str(caught.value)


def test_a_shard_exchanged_for_another_whole_one_is_noticed(data_set):
    path = data_set / "train-00000-of-00001.tfrecord"
    _write(path, "train", _sketches(7)[::-1])

    with pytest.raises(ValueError, match="checksum differs"):
        list(shards.verify(data_set))


def test_an_unfinished_folder_is_no_data_set(data_set):
    (data_set / "dataset.json").unlink()

    with pytest.raises(ValueError, match="not a finished data set"):
        list(shards.verify(data_set))


def test_a_finished_data_set_is_replaced_only_when_asked(data_set):
    with (
        pytest.raises(ValueError, match="exists already; --overwrite"),
        shards.output_directory(data_set, {}),
    ):
        pass
    with shards.output_directory(data_set, {}, overwrite=True):
        assert dataset.read_info(data_set).num_sketches("train") == 7  # until the new one is whole


def test_a_folder_with_other_files_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("x")

    with (
        pytest.raises(ValueError, match=r"holds other files, such as thesis.txt"),
        shards.output_directory(tmp_path, {}),
    ):
        pass

    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_two_runs_cannot_write_into_one_folder(tmp_path):
    with (
        shards.output_directory(tmp_path / "x", {}),
        pytest.raises(ValueError, match="another run is writing"),
        shards.output_directory(tmp_path / "x", {}),
    ):
        pass


def test_a_refused_run_does_not_take_the_lock_of_the_one_at_work(tmp_path):
    with shards.output_directory(tmp_path / "x", {}):
        for _ in range(2):
            with (
                pytest.raises(ValueError, match="another"),
                shards.output_directory(tmp_path / "x", {}),
            ):
                pass
        lock = filelock.FileLock(tmp_path / "x" / shards.LOCK, timeout=0)
        with pytest.raises(filelock.Timeout):
            lock.acquire()


def test_work_of_an_interrupted_run_is_kept_only_for_the_same_job(tmp_path):
    with shards.output_directory(tmp_path / "x", {"seed": 1}) as (workspace, resumed):
        assert not resumed
        (workspace / "work").write_text("x")
    with shards.output_directory(tmp_path / "x", {"seed": 1}) as (workspace, resumed):
        assert resumed
        assert (workspace / "work").exists()
    with shards.output_directory(tmp_path / "x", {"seed": 2}) as (workspace, resumed):
        assert not resumed
        assert not (workspace / "work").exists()


def test_a_run_killed_while_publishing_leaves_no_data_set_and_can_go_on(data_set, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    def again():
        with shards.output_directory(data_set, {"seed": 2}, overwrite=True) as (workspace, _):
            path = workspace / "train-00000-of-00001.tfrecord"
            shard = _write(path, "train", _sketches(9))
            shards.publish(data_set, shards.describe([shard], ["a", "b"], convert.Tally()))

    with monkeypatch.context() as patch:
        patch.setattr(dataset, "write_info", fail)
        with pytest.raises(OSError, match="No space"):
            again()
    with pytest.raises(ValueError, match="not a finished data set"):
        dataset.read_info(data_set)

    again()

    assert [count for _, count in shards.verify(data_set)] == [9]
    assert sorted(path.name for path in data_set.iterdir()) == [
        "dataset.json",
        "train-00000-of-00001.tfrecord",
    ]


def test_a_shards_facts_survive_json(tmp_path):
    shard = _write(tmp_path / "train-00000-of-00001.tfrecord", "train", _sketches(5))

    assert shards.Shard.from_json(json.loads(json.dumps(shard.to_json()))) == shard
