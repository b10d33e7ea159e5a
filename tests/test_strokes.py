"""Polylines, stroke-3 and stroke-5 say the same, both ways."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sketch_rnn_tf import strokes

# Multiples of 2**-8 below 2**15: their sums are exact in float64 and their offsets in float32.
COORDINATES = st.integers(-(2**23), 2**23).map(lambda n: n / 256)
POLYLINES = st.lists(
    st.integers(1, 6).flatmap(lambda n: hnp.arrays(np.float64, (n, 2), elements=COORDINATES)),
    max_size=5,
)

SQUARE = np.array([[0, 0], [4, 0], [4, 4], [0, 4]])
SHAPES = {
    "empty": [],
    "one point": [np.array([[3.0, -2.0]])],
    "one stroke": [SQUARE],
    "all pen up": [np.array([[float(i), 2.0 * i]]) for i in range(5)],
    "two strokes": [SQUARE, SQUARE[::-1] + 7],
}


def _same(a, b):
    assert len(a) == len(b)
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("name", SHAPES)
def test_polylines_come_back_from_stroke3_and_stroke5(name):
    rows = strokes.polylines_to_stroke3(SHAPES[name])
    _same(strokes.stroke3_to_polylines(rows), SHAPES[name])
    back = strokes.stroke5_to_stroke3(strokes.stroke3_to_stroke5(rows, len(rows) + 3))
    _same(strokes.stroke3_to_polylines(back), SHAPES[name])


@hypothesis.given(POLYLINES)
def test_any_polylines_come_back_to_the_last_bit(polylines):
    rows = strokes.polylines_to_stroke3(polylines)
    assert rows.shape == (sum(map(len, polylines)), 3)
    assert rows[:, 2].sum() == len(polylines)
    _same(strokes.stroke3_to_polylines(rows), polylines)


@hypothesis.given(
    hnp.arrays(np.float32, st.integers(0, 9), elements=st.floats(width=32, allow_nan=False)),
    st.randoms(use_true_random=False),
)
def test_any_stroke3_comes_back_from_stroke5(numbers, random):
    pens = [random.randint(0, 1) for _ in numbers]
    rows = np.stack([numbers, numbers[::-1], np.array(pens, np.float32)], axis=1)
    big = strokes.stroke3_to_stroke5(rows, len(rows) + random.randint(0, 3))
    assert (big[:, 2:].sum(axis=1) == 1).all()
    np.testing.assert_array_equal(strokes.stroke5_to_stroke3(big), rows)


def test_offsets_by_hand():
    rows = strokes.polylines_to_stroke3([[[1, 2], [4, 6]], [[0, 0]]])
    np.testing.assert_array_equal(rows, [[1, 2, 0], [3, 4, 1], [-4, -6, 1]])


def test_float32_points_far_from_one_another_come_back():
    points = np.array([[2.0**24, 0.1], [0.1, 2.0**24]], np.float32)
    _same(strokes.stroke3_to_polylines(strokes.polylines_to_stroke3([points])), [points])


def test_strokes_without_points_are_left_out():
    rows = strokes.polylines_to_stroke3([np.zeros((0, 2)), SQUARE, []])
    np.testing.assert_array_equal(rows, strokes.polylines_to_stroke3([SQUARE]))


def test_a_last_stroke_whose_pen_stays_down_is_a_stroke():
    parts = strokes.stroke3_to_polylines([[0, 0, 1], [1, 1, 0], [1, 0, 0]])
    _same(parts, [[[0, 0]], [[1, 1], [2, 1]]])


def test_an_end_first_sketch_is_empty():
    ended = np.tile([0.0, 0, 0, 0, 1], (4, 1))
    assert strokes.stroke5_to_stroke3(ended).shape == (0, 3)
    np.testing.assert_array_equal(strokes.stroke3_to_stroke5(np.zeros((0, 3)), 4), ended)


def test_rows_after_the_end_are_not_read():
    rows = [[1, 2, 1, 0, 0], [3, 4, 0, 1, 0], [0, 0, 0, 0, 1], [9, 9, 1, 0, 0]]
    np.testing.assert_array_equal(strokes.stroke5_to_stroke3(rows), [[1, 2, 0], [3, 4, 1]])


def test_a_full_sketch_has_no_end_token():
    rows = np.array([[1.0, 2, 0], [3, 4, 1]], np.float32)
    assert strokes.stroke3_to_stroke5(rows).shape == (3, 5)
    full = strokes.stroke3_to_stroke5(rows, 2)
    assert not full[:, 4].any()
    np.testing.assert_array_equal(strokes.stroke5_to_stroke3(full), rows)


def test_stroke5_is_magentas(vectors):
    numbers = vectors("data_pipeline")
    big = strokes.stroke3_to_stroke5(numbers["to_big_in"], len(numbers["to_big_out"]))
    np.testing.assert_array_equal(big, numbers["to_big_out"])
    np.testing.assert_array_equal(
        strokes.stroke5_to_stroke3(numbers["to_big_out"]), numbers["to_normal_out"]
    )


def test_bounds_are_magentas(vectors):
    numbers = vectors("data_pipeline")
    x_min, y_min, x_max, y_max = strokes.bounds(numbers["to_big_in"])
    np.testing.assert_array_equal([x_min, x_max, y_min, y_max], numbers["bounds_factor1"])


def test_bounds_by_hand():
    assert strokes.bounds([[5, 5, 0], [-2, 3, 1]]) == (3, 5, 5, 8)
    assert strokes.bounds(np.zeros((0, 3))) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: strokes.polylines_to_stroke3([SQUARE, np.zeros((4, 3))]), "stroke 1 has shape"),
        (lambda: strokes.stroke3_to_polylines(np.zeros((4, 5))), r"\[4, 5\], expected \[N, 3\]"),
        (lambda: strokes.stroke5_to_stroke3(np.zeros((4, 3))), r"expected \[N, 5\]"),
        (lambda: strokes.stroke3_to_stroke5(np.zeros((4, 3)), 3), "4 points does not fit into 3"),
        (lambda: strokes.check_stroke3(np.zeros(3), "f: sketch 2"), r"f: sketch 2 has shape \[3\]"),
        (lambda: strokes.check_stroke3([[0, 0, 2]], "f"), "f has a pen state other than 0 and 1"),
        (lambda: strokes.check_stroke3([[0, np.nan, 1]], "f"), "f has a coordinate that is not"),
        (lambda: strokes.check_stroke3([[1e300, 0, 1]], "f"), "f has a coordinate that is not"),
        (lambda: strokes.check_stroke3([["a", "b", "c"]], "f"), "f has type .*expected numbers"),
        (lambda: strokes.check_stroke3([[1, 2, 0], [1, 2]], "f"), "f has rows of different len"),
    ],
)
def test_what_is_no_drawing_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_checking_copies_to_float32():
    rows = np.array([[1, 2, 1]], np.int16)
    checked = strokes.check_stroke3(rows, "f")
    assert checked.dtype == np.float32
    again = strokes.check_stroke3(checked, "f")
    again[0, 0] = 9
    assert checked[0, 0] == 1
