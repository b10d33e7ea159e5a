"""What is counted in a drawing, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from sketch_rnn_tf.quality import geometry

# A right angle of two lines (40 and 30), the pen lifted over 50 to a line of 10 at the origin.
CORNER = np.float32([[0, 0, 0], [40, 0, 0], [0, 30, 1], [-40, -30, 0], [0, 10, 1]])


def _named(rows):
    return dict(zip(geometry.NAMES, geometry.features([rows])[0], strict=True))


def test_a_drawing_is_measured():
    found = _named(CORNER)
    assert found["strokes"] == 2
    assert found["points"] == 5
    assert found["ink"] == pytest.approx(80 / 40)
    assert found["pen_up_travel"] == pytest.approx(50 / 40)
    assert found["aspect"] == pytest.approx(np.log(40 / 30))
    assert found["turning"] == pytest.approx(np.pi / 2)
    assert found["size"] == 40


def test_only_size_depends_on_the_unit_and_nothing_on_the_place():
    moved = CORNER * np.float32([3, 3, 1])
    moved[0, :2] = 70, 80
    expected = _named(CORNER) | {"size": 120.0}
    assert _named(moved) == pytest.approx(expected)


@pytest.mark.parametrize("rows", [np.zeros((0, 3)), [[3, 4, 1]], [[0, 0, 0], [0, 0, 1]]])
def test_drawings_without_lines_have_finite_numbers(rows):
    assert np.isfinite(geometry.features([np.float32(rows)])).all()


def test_a_line_has_a_bounded_aspect():
    assert _named(np.float32([[0, 0, 0], [9, 0, 1]]))["aspect"] == 3


def test_distances_are_in_units_and_deviations():
    random = np.random.default_rng(1)
    real = random.normal(size=(500, len(geometry.NAMES))) * 4
    found = geometry.compare(real, real + 2)["ink"]
    assert found["wasserstein"] == pytest.approx(2)
    assert found["in_deviations"] == pytest.approx(0.5, rel=0.1)
    assert found["mean"] - found["mean_real"] == pytest.approx(2)
