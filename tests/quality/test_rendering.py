"""The picture of a drawing: fitted, smooth, the same whatever the unit."""

from __future__ import annotations

import numpy as np

from sketch_rnn_tf import drawing
from sketch_rnn_tf.quality import rendering

SQUARE = np.float32([[0, 0, 0], [10, 0, 0], [0, 10, 0], [-10, 0, 0], [0, -10, 1]])


def test_the_longer_side_spans_60_pixels_in_the_middle():
    picture = rendering.render([SQUARE * [2, 1, 1]])[0]
    rows, columns = (np.flatnonzero(picture.max(axis=axis)) for axis in (1, 0))
    assert (columns[0], columns[-1]) == (1, 62)  # 60 and half a pen on either side
    assert (rows[0], rows[-1]) == (16, 47)


def test_place_and_unit_leave_no_trace():
    moved = SQUARE * np.float32([16, 16, 1])
    moved[0, :2] = 1000, -300
    first, second = rendering.render([SQUARE, moved])
    np.testing.assert_array_equal(first, second)


def test_the_ink_is_the_length_times_the_pen():
    line = np.float32([[0, 0, 0], [100, 0, 1]])
    ink = rendering.render([line])[0].sum() / 255
    assert abs(ink - (60 * 1.75 + np.pi * 0.875**2)) < 3  # with round ends


def test_slanted_lines_are_smooth():
    picture = rendering.render([np.float32([[0, 0, 0], [100, 37, 1]])])[0]
    assert len(np.unique(picture)) > 8


def test_a_lifted_pen_draws_nothing():
    apart = np.float32([[0, 0, 1], [0, 100, 1]])
    picture = rendering.render([apart])[0]
    assert picture[20:44].max() == 0
    assert min(picture[:4].max(), picture[-4:].max()) > 200


def test_a_point_is_a_dot_and_nothing_is_blank():
    dot, blank = rendering.render([np.float32([[5, 5, 1]]), np.zeros((0, 3))])
    assert np.argwhere(dot).mean(axis=0).round().tolist() == [32, 32]
    assert 1 < dot.sum() / 255 < 4
    assert not blank.any()


def test_sketches_and_arrays_are_drawn_alike():
    ticks = []
    pictures = rendering.render([SQUARE, drawing.Sketch(SQUARE)], ticks.append)
    assert pictures.shape == (2, 64, 64)
    assert pictures.dtype == np.uint8
    np.testing.assert_array_equal(*pictures)
    assert ticks == [1, 1]
