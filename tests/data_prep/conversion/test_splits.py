import json

import numpy as np
import pytest

from data_prep.conversion import splits


def _places(count, start=0):
    return [splits.place(f"drawing {i}") for i in range(start, start + count)]


def test_hashes_are_the_same_today_and_on_every_machine():
    assert splits.stable_hash("04e00").hex() == "4f2098f699e88e4f6d1b63db3409862b"
    assert splits.place("04e00") == int.from_bytes(splits.stable_hash("04e00")[:8], "little")


@pytest.mark.parametrize("text", ["90,5,5", "0.9,0.05,0.05", "18, 1, 1"])
def test_shares_are_relative(text):
    np.testing.assert_allclose(splits.parse_fractions(text), (0.9, 0.05, 0.05))


@pytest.mark.parametrize("text", ["", "90,10", "a,b,c", "0,50,50", "-1,1,1", "nan,1,1", "1,inf,1"])
def test_senseless_shares_are_refused(text):
    with pytest.raises(ValueError, match="such as 90,5,5"):
        splits.parse_fractions(text)


def test_shares_are_met_in_the_mean():
    codes = splits.Splitter((0.8, 0.15, 0.05)).codes(np.array(_places(20_000), np.uint64))

    shares = np.bincount(codes) / 20_000
    np.testing.assert_allclose(shares, (0.8, 0.15, 0.05), atol=0.01)


def _groups(**classes):
    """Returns {hash: class} of so many groups of each class."""
    return {
        splits.place(f"{name} {i}"): name for name, count in classes.items() for i in range(count)
    }


def _counts(groups, fractions):
    """Returns {class: [train, valid, test]}."""
    splitter = splits.Splitter(fractions, groups)
    codes = splitter.codes(np.array(list(groups), np.uint64)).tolist()
    names = list(groups.values())
    return {
        name: [list(zip(names, codes, strict=True)).count((name, code)) for code in range(3)]
        for name in sorted(set(names))
    }


def test_a_drawing_stays_in_its_split_when_others_are_added_to_many():
    many = np.array(_places(3000), np.uint64)
    codes = splits.Splitter((0.9, 0.05, 0.05)).codes(many)

    np.testing.assert_array_equal(
        splits.Splitter((0.9, 0.05, 0.05)).codes(many[:1500]), codes[:1500]
    )


def test_each_class_of_few_drawings_is_in_every_split():
    assert _counts(_groups(fish=15, house=15), (0.9, 0.05, 0.05)) == {
        "fish": [9, 3, 3],
        "house": [9, 3, 3],
    }
    counts = _counts(_groups(a=100, b=40, c=10, d=5, e=3, f=2, g=1), (0.8, 0.1, 0.1))
    assert counts == {
        "a": [80, 10, 10],
        "b": [32, 4, 4],
        "c": [6, 2, 2],
        "d": [3, 1, 1],
        "e": [1, 1, 1],
        "f": [1, 1, 0],
        "g": [1, 0, 0],
    }


@pytest.mark.parametrize("groups", range(1, 60))
@pytest.mark.parametrize(
    "fractions", [(0.9, 0.05, 0.05), (0.1, 0.45, 0.45), (0.5, 0.5, 0), (0.5, 0, 0.5), (1, 0, 0)]
)
def test_counts_of_a_class_add_up_and_train_has_one(groups, fractions):
    counts = splits.class_counts(groups, fractions)
    assert sum(counts) == groups
    assert counts[0] >= 1
    assert min(counts) >= 0
    assert all(not count for count, share in zip(counts, fractions, strict=True) if not share)


def test_a_share_of_zero_gets_nothing():
    places = np.array(_places(2000), np.uint64)

    for fractions, expected in (((1, 0, 0), {0}), ((0.9, 0.1, 0), {0, 1}), ((0.9, 0, 0.1), {0, 2})):
        assert set(splits.Splitter(fractions).codes(places).tolist()) == expected


def test_a_splitter_goes_through_json():
    groups = _groups(a=30, b=7)
    splitter = splits.Splitter((0.8, 0.1, 0.1), groups)
    again = splits.Splitter.from_json(json.loads(json.dumps(splitter.to_json())))
    places = np.array([*groups, *_places(500)], np.uint64)

    np.testing.assert_array_equal(again.codes(places), splitter.codes(places))


def test_the_largest_hash_is_still_in_a_split():
    highest = np.array([2**64 - 1], np.uint64)

    assert splits.Splitter((0.7, 0.2, 0.1)).codes(highest).tolist() == [2]
    assert splits.Splitter((1, 0, 0)).codes(highest).tolist() == [0]
