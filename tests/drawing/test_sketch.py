"""A Sketch is its strokes with a label, and shows itself."""

from __future__ import annotations

import copy
import pickle
from xml.etree import ElementTree

import numpy as np
import pytest

from sketch_rnn_tf import drawing


def test_numpy_sees_the_strokes(house):
    sketch = drawing.Sketch(house, label="house")
    np.testing.assert_array_equal(np.asarray(sketch), house)
    assert np.asarray(sketch).dtype == np.float32
    assert np.asarray(sketch, np.float64).dtype == np.float64
    np.testing.assert_array_equal(sketch[:, 2], house[:, 2])
    np.testing.assert_array_equal(np.concatenate([sketch, sketch]), np.concatenate([house] * 2))
    assert len(sketch) == len(house)
    assert sketch.shape == house.shape


def test_a_sketch_keeps_its_own_numbers(house):
    sketch = drawing.Sketch(house)
    house[0, 0] = 99
    assert sketch.strokes[0, 0] == 5
    with pytest.raises(ValueError, match="read-only"):
        sketch.strokes[0, 0] = 1
    np.array(sketch)[0, 0] = 1  # a copy may be written
    assert sketch.strokes[0, 0] == 5


def test_equal_sketches_are_equal(house):
    a = drawing.Sketch(house, "house")
    assert a == drawing.Sketch(house.astype(np.float64), "house")
    assert hash(a) == hash(drawing.Sketch(house, "house"))
    assert a != drawing.Sketch(house, "barn")
    assert a != drawing.Sketch(house, "house", ended=False)
    assert a != drawing.Sketch(house[:-1], "house")
    assert a != "house"
    assert pickle.loads(pickle.dumps(a)) == copy.deepcopy(a) == a


def test_repr_counts_strokes_and_points(house):
    assert repr(drawing.Sketch(house, "house")) == "Sketch('house', 2 strokes, 8 points)"
    assert repr(drawing.Sketch([[1, 2, 1]], ended=False)) == (
        "Sketch(1 stroke, 1 point, not ended)"
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0, 0, 0], [np.inf, 0, 1]], "not finite"),
        ([[0, 0, 0], [np.nan, 0, 1]], "not finite"),
        ([[0, 0], [1, 1]], r"shape \[2, 2\], expected \[N, 3\]"),
        ([[0, 0, 0.5]], "pen state"),
        ([["0", "0", "1"]], "expected numbers"),
    ],
)
def test_what_is_no_drawing_is_refused(rows, message):
    with pytest.raises(ValueError, match=message):
        drawing.Sketch(rows)
    with pytest.raises(ValueError, match=f"^sketch 1 has .*{message}"):
        drawing.Sketches([[[0, 0, 1]], np.array(rows)])


def test_more_points_than_there_are_cannot_be_given(house):
    assert drawing.Sketch(house, given=len(house)).given == len(house)
    for given in (-1, len(house) + 1):
        with pytest.raises(ValueError, match="cannot be given"):
            drawing.Sketch(house, given=given)


def test_jupyter_shows_a_drawing_and_a_list(house):
    sketches = drawing.Sketches([house, None, drawing.Sketch(house, "b")], columns=3)
    assert sketches[2]._repr_svg_() == drawing.svg(house).replace(
        'class="sketch"', 'class="sketch" data-label="b"'
    )
    assert sketches._repr_svg_() == drawing.grid([house, None, sketches[2]], columns=3)
    ElementTree.fromstring(drawing.Sketches()._repr_svg_())


def test_jupyter_shows_the_first_of_a_long_list_and_counts_them():
    sketches = drawing.Sketches([[[0, 0, 1]]] * 1234, columns=2)
    shown = sketches._repr_svg_()
    assert len(drawing.parse_svg(shown)) == 100
    assert "the first 100 of 1,234" in shown


def test_lists_stay_lists_of_sketches_when_sliced(house):
    sketches = drawing.Sketches([house, house[:3]], row_titles=["a", "b"], columns=1)
    assert isinstance(sketches[0], drawing.Sketch)
    assert isinstance(sketches[:1], drawing.Sketches)
    assert sketches[:1].svg() == drawing.grid([house])
    assert sketches.svg(columns=1, row_titles=()) == drawing.grid([house, house[:3]], columns=1)


def test_a_list_of_numbers_is_a_drawing(house):
    assert drawing.svg(house.tolist()) == drawing.svg(house)
    assert drawing.grid([house.tolist(), []]) == drawing.grid([house, np.zeros((0, 3))])
