import numpy as np
import pytest

from data_prep.conversion import convert
from data_prep.engines import job, plan


def _rows(**columns):
    rows = np.zeros(len(next(iter(columns.values()))), convert.ROW)
    for name, values in columns.items():
        rows[name] = values
    return rows


def _result(near=0, leaking=0, by_hash=True):
    return job.Result([], [], convert.Tally(), near, leaking, by_hash)


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 880])
def test_shards_are_equal_ranges_of_the_order_without_gap_or_overlap(shards):
    orders = np.random.default_rng(0).integers(0, 2**64, 4000, np.uint64, endpoint=False)
    borders = [plan.first_order(i, shards) for i in range(shards + 1)]
    edges = [border + d for border in borders for d in (-1, 0) if 0 <= border + d < 2**64]
    orders = np.concatenate([orders, np.array(edges, np.uint64)])

    found = plan.shard_of(orders, shards)

    expected = np.searchsorted(np.array(borders[1:-1], np.uint64), orders, side="right")
    np.testing.assert_array_equal(found, expected)
    assert (borders[0], borders[-1]) == (0, 2**64)


@pytest.mark.parametrize(("stored", "count"), [(0, 0), (1, 1), (100, 1), (101, 2)])
def test_an_empty_split_has_no_shard(stored, count):
    assert plan.shard_count(stored, 100) == count


def test_of_duplicates_the_one_of_the_test_split_stays_then_valid_then_the_first():
    rows = _rows(signature=[5, 5, 5, 6, 6, 7, 7], order=[1, 2, 3, 9, 8, 4, 4], unit=[0] * 6 + [1])
    codes = np.array([0, 2, 1, 0, 1, 0, 0])

    again = plan.duplicates(rows, codes)

    assert again.tolist() == [1, 0, 1, 1, 0, 0, 1]
    assert plan.leaks(rows, codes) == 2


def test_a_files_split_goes_before_the_hash():
    from data_prep.conversion import splits

    rows = _rows(split=[-1, 0, 1, 2], place=[2**64 - 1] * 4)

    codes = plan.split_codes(rows, splits.Splitter((0.9, 0.05, 0.05)))

    assert codes.tolist() == [2, 0, 1, 2]


@pytest.mark.parametrize(
    ("sketches", "words"),
    [
        ((0, 0, 0), "no drawing is left .3 too_long, 2 too_short"),
        ((5, 0, 1), "valid split would be empty"),
        ((5, 1, 0), "test split would be empty"),
        ((0, 1, 1), "train split would be empty"),
    ],
)
def test_an_empty_split_is_refused(sketches, words):
    tally = convert.Tally()
    tally.dropped.update({("too_long", "a"): 1, ("too_long", "b"): 2, ("too_short", "a"): 2})

    with pytest.raises(ValueError, match=words):
        plan.check_splits(sketches, (0.9, 0.05, 0.05), tally)


def test_the_first_drawing_that_was_left_out_is_named_where_none_is_left():
    tally = convert.Tally()
    tally.dropped["empty", "a"] = 1
    tally.messages.append("a.svg: is empty")

    with pytest.raises(ValueError, match=r"no drawing is left \(1 empty; a\.svg: is empty\)"):
        plan.check_splits((0, 0, 0), (1, 0, 0), tally)


def test_a_split_that_nobody_asked_for_may_be_empty():
    plan.check_splits((5, 0, 0), (1, 0, 0), convert.Tally())


def test_warnings_name_what_is_wrong():
    tally = convert.Tally()
    tally.largest = 5000.0
    tally.moments = np.array([[100, 3e4, 1e7, 1e4], [100, 3e4, 1e7, 1e4]], float)

    counts = {"train": {"a": 9, "b": 1}, "valid": {"a": 1}}
    found = plan.warnings(tally, _result(near=4, leaking=2, by_hash=False), False, counts)

    text = "\n".join(found)
    for words in (
        "look like absolute coordinates",
        "clamps offsets to 1000",
        "near-duplicates: 4, 2 of the train split",
        "valid split has no drawing of 1 of 2 classes: b",
        "train split has 10 drawings",
        "the files put no drawing into test",
        "fewer than 3 drawings to evaluate with (a 1 in valid)",
    ):
        assert words in text
    assert len(found) == 7


def test_a_good_data_set_gives_no_warning():
    counts = {"train": {"a": 900}, "valid": {"a": 50}, "test": {"a": 50}}

    assert plan.warnings(convert.Tally(), _result(near=4, leaking=2), True, counts) == []
