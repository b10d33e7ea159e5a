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


def test_a_drawing_stays_in_its_split_when_others_are_added():
    fractions = (0.9, 0.05, 0.05)
    few, many = _places(400), _places(900)

    before = splits.Splitter(fractions, few).codes(np.array(few, np.uint64))
    after = splits.Splitter(fractions, many).codes(np.array(few, np.uint64))

    np.testing.assert_array_equal(before, after)


@pytest.mark.parametrize("count", [3, 4, 10, 30])
def test_no_split_is_left_empty_by_chance(count):
    places = _places(count)

    codes = splits.Splitter((0.98, 0.01, 0.01), places).codes(np.array(places, np.uint64))

    assert set(codes.tolist()) == {0, 1, 2}


def test_a_share_of_zero_gets_nothing():
    places = _places(2000)

    for fractions, expected in (((1, 0, 0), {0}), ((0.9, 0.1, 0), {0, 1}), ((0.9, 0, 0.1), {0, 2})):
        codes = splits.Splitter(fractions, places).codes(np.array(places, np.uint64))
        assert set(codes.tolist()) == expected


def test_the_largest_hash_is_still_in_a_split():
    highest = np.array([2**64 - 1], np.uint64)

    assert splits.Splitter((0.7, 0.2, 0.1)).codes(highest).tolist() == [2]
    assert splits.Splitter((1, 0, 0)).codes(highest).tolist() == [0]
