import dataclasses
import itertools
import pathlib

import numpy as np
import pytest
import tensorflow as tf
import written

from sketch_rnn_tf.data import dataset, pipeline


def _dataset(folder: pathlib.Path, sizes: dict[str, int], shards: int = 3) -> dataset.DatasetInfo:
    """Writes a data set whose sketch k has points that spell k, of lengths 1 to 40."""
    random = np.random.default_rng(1)

    def spelled(k):
        rows = np.zeros((int(random.integers(1, 41)), 3), np.float32)
        rows[:, 0], rows[:, 1] = k, np.arange(len(rows))
        rows[-1, 2] = 1
        return rows

    sketches = {
        split: [(spelled(k), k % 2) for k in range(count)] for split, count in sizes.items()
    }
    return written.write(folder, sketches, scale_factor=2.0, shards=shards)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    return folder, _dataset(folder, {"train": 250, "valid": 7, "test": 0})


def _batches(data, **changes):
    folder, info = data
    arguments = {"batch_size": 12, "scale_factor": 2.0, "seed": 3, "buckets": 4, **changes}
    return pipeline.training_batches(folder, info, **arguments)


def _take(batches, count, start=0):
    return [
        {name: value.numpy() for name, value in batch.items()}
        for batch in batches.dataset(start).take(count)
    ]


def _assert_same(a, b):
    for left, right in itertools.zip_longest(a, b):
        for name in left:
            np.testing.assert_array_equal(left[name], right[name])


def _ids(batch):
    """The sketches of a batch: their k, which every dx spells (times 1/scale factor)."""
    return np.rint(batch["strokes"][:, 0, 0] * 2).astype(int).tolist()


def test_an_epoch_holds_every_sketch_and_full_batches_only(data):
    batches = _batches(data)
    assert batches.batches_per_epoch == 21
    epoch = _take(batches, 21)
    seen = list(itertools.chain.from_iterable(_ids(batch) for batch in epoch))
    assert [len(batch["lengths"]) for batch in epoch] == [12] * 21
    assert set(seen) == set(range(250))


def test_batches_are_the_same_every_time_and_differ_between_epochs_and_seeds(data):
    noise = {"random_scale": 0.1, "random_slant": 0.2, "point_dropout": 0.3}
    first = _take(_batches(data, **noise), 24)
    _assert_same(first, _take(_batches(data, **noise), 24))
    straight = _take(_batches(data, **{**noise, "random_slant": 0.0}), 1)[0]
    assert np.abs(straight["strokes"] - first[0]["strokes"]).max() > 0
    plain = _take(_batches(data), 42)
    assert [_ids(b) for b in plain[:21]] != [_ids(b) for b in plain[21:]]
    assert [_ids(b) for b in plain[:5]] != [_ids(b) for b in _take(_batches(data, seed=4), 5)]


def test_the_global_seed_does_not_change_the_batches(data):
    tf.random.set_seed(0)
    first = _take(_batches(data, random_scale=0.1), 5)
    tf.random.set_seed(99)
    _assert_same(first, _take(_batches(data, random_scale=0.1), 5))


@pytest.mark.parametrize("start", [1, 20, 21, 30])
def test_a_stream_that_starts_later_goes_on_as_the_whole_one(data, start, monkeypatch):
    monkeypatch.setattr(pipeline, "WINDOW_BATCHES", 4)
    whole = _take(_batches(data, random_scale=0.1, point_dropout=0.3), start + 3)
    _assert_same(
        whole[start:], _take(_batches(data, random_scale=0.1, point_dropout=0.3), 3, start)
    )


def test_batches_are_padded_to_a_bucket_that_leaves_room_for_the_end(data):
    batches = _batches(data)
    lengths = batches.bucket_lengths
    assert len(lengths) <= 4
    assert lengths[-1] == data[1].max_length
    shapes = set()
    for batch in _take(batches, 42):
        rows = batch["strokes"].shape[1]
        shapes.add(rows)
        longest = batch["lengths"].max()
        assert rows == min(size for size in lengths if size >= min(longest + 1, lengths[-1]))
    assert shapes == set(lengths)


@pytest.mark.parametrize("count", [50, 47, 10, 7, 1])
def test_steps_in_a_row_see_short_and_long_batches(count):
    order = pipeline._alternate(tf.constant(count), tf.constant([1, 2])).numpy()
    assert sorted(order) == list(range(count))
    tenths = order * 10 // count
    for begin in range(0, count - count % 10, 10):
        assert set(tenths[begin : begin + 10]) == set(range(10))


def test_full_loss_length_pads_every_batch_to_n_max(data):
    batches = _batches(data, loss_length="full")
    assert {batch["strokes"].shape[1] for batch in _take(batches, 5)} == {data[1].max_length}


def test_rows_are_stroke5_with_the_labels_and_lengths_of_their_sketches(data):
    for batch in _take(_batches(data), 3):
        for row, k in enumerate(_ids(batch)):
            length = batch["lengths"][row]
            strokes = batch["strokes"][row]
            assert batch["labels"][row] == k % 2
            np.testing.assert_allclose(strokes[:length, 0], k / 2)
            np.testing.assert_allclose(strokes[:length, 1], np.arange(length) / 2)
            assert strokes[:length, 2:].argmax(1).tolist() == [0] * (length - 1) + [1]
            assert (strokes[length:] == [0, 0, 0, 0, 1]).all()


def test_a_model_that_never_saw_the_first_point_does_not_get_it(data):
    folder, info = data
    absolute = dataclasses.replace(info, simplification={"epsilon": 2.0})
    assert pipeline.drops_first_point(absolute, True)
    assert not pipeline.drops_first_point(absolute, False)
    assert not pipeline.drops_first_point(info, True)
    arguments = {"batch_size": 7, "scale_factor": 2.0}
    (whole,) = pipeline.evaluation_batches(folder, info, "valid", **arguments)
    (cut,) = pipeline.evaluation_batches(folder, info, "valid", drop_first_point=True, **arguments)
    np.testing.assert_array_equal(cut["lengths"], whole["lengths"] - 1)
    np.testing.assert_array_equal(cut["strokes"], whole["strokes"][:, 1:])


def test_evaluation_sees_every_sketch_once_in_order(data):
    folder, info = data
    batches = list(
        pipeline.evaluation_batches(folder, info, "valid", batch_size=3, scale_factor=2.0)
    )
    assert [len(batch["lengths"]) for batch in batches] == [3, 3, 1]
    ids = [k for batch in batches for k in _ids({"strokes": batch["strokes"].numpy()})]
    assert ids == list(range(7))
    for batch in batches:
        assert batch["strokes"].shape[1] == int(tf.reduce_max(batch["lengths"])) + 1


def test_fewer_sketches_than_a_batch_are_refused_with_both_numbers(data):
    with pytest.raises(ValueError, match=r"250 sketches, fewer than a batch of 300"):
        _batches(data, batch_size=300).dataset()


def test_an_empty_split_is_refused_by_name(data):
    folder, info = data
    with pytest.raises(ValueError, match="split 'test' is empty; there are train, valid"):
        pipeline.evaluation_batches(folder, info, "test", batch_size=3, scale_factor=2.0)
    empty = dataclasses.replace(info, splits={"train": {"num_sketches": 0}})
    with pytest.raises(ValueError, match="split 'train' is empty"):
        _batches((folder, empty)).dataset()


def _padding(histogram, lengths, longest):
    rows = [min(int(n) + 1, longest) for n, count in histogram.items() for _ in range(count)]
    return sum(min(size for size in lengths if size >= row) for row in rows)


def test_no_other_choice_of_buckets_pads_less():
    random = np.random.default_rng(2)
    histogram = {str(n): int(random.integers(1, 20)) for n in (3, 4, 7, 8, 12, 13, 19)}
    chosen = pipeline.choose_buckets(histogram, 3, 19)
    candidates = [min(int(n) + 1, 19) for n in histogram]
    best = min(
        _padding(histogram, [*pair, 19], 19) for pair in itertools.combinations(candidates, 2)
    )
    assert _padding(histogram, chosen, 19) == best
    assert pipeline.choose_buckets(histogram, 50, 19)[-1] == 19
