"""Temperatures, seeds and counts as users give them."""

from __future__ import annotations

import numpy as np
import pytest

from sketch_rnn_tf.sketcher import arguments


def test_one_temperature_is_for_all_sketches_and_parts():
    np.testing.assert_array_equal(arguments.temperatures(0.5, 2), np.full((2, 3), 0.5))


def test_temperatures_by_sketch_and_part():
    given = {"pen": 0.2, "offset": [0.1, 0.9]}
    default = arguments.DEFAULT_TEMPERATURE
    np.testing.assert_allclose(
        arguments.temperatures(given, 2), [[0.2, default, 0.1], [0.2, default, 0.9]], rtol=1e-6
    )
    np.testing.assert_allclose(arguments.temperatures([0.1, 0.2], 2)[:, 1], [0.1, 0.2], rtol=1e-6)


@pytest.mark.parametrize(
    "value", [0, -1, float("nan"), float("inf"), 1e-50, "warm", None, [0.1, 0]]
)
def test_temperatures_are_finite_and_above_zero(value):
    with pytest.raises(ValueError, match=r"expected a.* number above 0"):
        arguments.temperatures(value, 2)


def test_wrong_counts_and_parts_of_temperatures_are_named():
    with pytest.raises(ValueError, match="3 values of temperature do not fit 2 sketches"):
        arguments.temperatures([1, 2, 3], 2)
    with pytest.raises(ValueError, match="no temperature of 'ink'; there are pen, mixture, offset"):
        arguments.temperatures({"ink": 1}, 2)


def test_an_integer_seeds_sketches_by_number():
    np.testing.assert_array_equal(arguments.seeds(7, 3), [[7, 0], [7, 1], [7, 2]])
    np.testing.assert_array_equal(arguments.seeds([[7, 2]], 1), [[7, 2]])


def test_copies_of_sketches_have_seeds_of_their_own():
    rows = np.concatenate([arguments.seeds(7, 100, copy) for copy in range(5)])
    assert len(np.unique(rows, axis=0)) == 500


@pytest.mark.parametrize("seed", [1.5, "a", 2**31, [[1, 2], [3, 4]], [1, 2], None])
def test_seeds_are_integers_of_32_bits(seed):
    with pytest.raises(ValueError, match="seed is"):
        arguments.seeds(seed, 3)


@pytest.mark.parametrize("value", [0, -2, 1.5, "3", True, None])
def test_counts_are_whole_and_positive(value):
    with pytest.raises(ValueError, match=r"num is .*expected a whole number of at least 1"):
        arguments.count("num", value)


def test_counts_have_an_upper_end():
    assert arguments.count("num", np.int64(5), 5) == 5
    with pytest.raises(ValueError, match="num is 6, expected at most 5"):
        arguments.count("num", 6, 5)
