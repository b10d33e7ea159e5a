"""Grids: what stands where, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from sketch_rnn_tf import drawing, strokes


def _texts(picture):
    return {text.text: text for text in picture.texts}


def test_cells_go_row_by_row_and_do_not_touch(house):
    picture = drawing.lay_out([house] * 5, columns=2, size=50, captions=list("abcde"))
    centers = [cell.center for cell in picture.cells]
    assert centers == sorted(centers, key=lambda center: (center[1], center[0]))
    assert len({y for _, y in centers}) == 3
    gaps = np.diff(sorted({x for x, _ in centers}))
    assert (gaps > 50).all()
    for x, y in centers:
        assert 25 <= x <= picture.width - 25
        assert 25 <= y <= picture.height - 25


@pytest.mark.parametrize(("count", "columns"), [(0, 1), (1, 1), (2, 2), (4, 2), (5, 3), (25, 5)])
def test_a_grid_is_about_square(count, columns):
    picture = drawing.lay_out([[[0, 0, 1]]] * count, size=92)
    assert picture.width == 100 * columns + 8


def test_a_blank_cell_keeps_its_place(house):
    with_blank = drawing.lay_out([None, house], columns=2)
    assert len(with_blank.cells) == 1
    assert with_blank.cells[0].center == drawing.lay_out([house] * 2, columns=2).cells[1].center


def test_nothing_leaves_its_cell(house, odd, long):
    sketches = [house, odd, long, house * [1000, 1000, 1]]
    picture = drawing.lay_out(sketches, columns=2, size=64)
    for cell in picture.cells:
        x0, y0, x1, y1 = strokes.bounds(cell.sketch.strokes)
        corners = (np.array([[x0, y0], [x1, y1]]) - cell.middle) * cell.scale
        assert (np.abs(corners) + picture.stroke_width / 2 <= 32).all()


def test_a_small_drawing_beside_large_ones_stays_small(house):
    dash = np.array([[0, 0, 0], [0.1, 0, 1]])
    scales = [cell.scale for cell in drawing.lay_out([house, house, dash]).cells]
    assert scales[2] == pytest.approx(2 * scales[0])
    assert drawing.lay_out([dash]).cells[0].scale > 100 * scales[0]


def test_words_stand_where_they_belong(house):
    picture = drawing.lay_out(
        [house] * 4,
        columns=2,
        title="Title",
        captions=["c0", "c1", None, "c3"],
        marks={1: "longest", 2: ""},
        row_titles=["r0", "r1"],
        column_titles=["k0", "k1"],
    )
    texts, cells = _texts(picture), picture.cells
    assert set(texts) == {"Title", "c0", "c1", "c3", "longest", "r0", "r1", "k0", "k1"}
    assert texts["Title"].y < texts["k0"].y < cells[0].center[1] - 64
    assert texts["k1"].x == cells[1].center[0]
    assert texts["r1"].x < cells[2].center[0] - 64
    assert abs(texts["r1"].y - cells[2].center[1]) < 10
    assert cells[1].center[1] + 64 < texts["c1"].y < texts["longest"].y < cells[3].center[1] - 64
    assert [(frame.x + 64, frame.y + 64) for frame in picture.frames] == [cells[1].center]


def test_words_too_long_for_their_place_are_cut(house):
    picture = drawing.lay_out([house], captions=["word " * 50], row_titles=["猫" * 50])
    caption, row = sorted(picture.texts, key=lambda text: text.text)
    assert caption.text.startswith("word word")
    assert caption.text.endswith("…")
    assert len(caption.text) < 30
    assert len(row.text) <= 14  # a wide character takes the room of about two
    assert row.x < picture.cells[0].center[0] - 64


def test_colors_are_taken_in_turn_by_the_strokes():
    rows = np.array([[0, 0, 0], [1, 1, 1], [1, 0, 1], [1, 1, 0], [2, 0, 0]])
    (cell,) = drawing.lay_out([rows], colors=["red", "blue"]).cells
    assert cell.runs == [(0, 2, "red"), (2, 3, "blue"), (3, 5, "red")]
    (cell,) = drawing.lay_out([drawing.Sketch(rows, given=4)], colors="red").cells
    assert [run[:2] for run in cell.runs] == [(0, 4), (4, 5)]
    assert cell.runs[1][2] == "red"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"columns": 0}, "columns is 0"),
        ({"size": 7}, "size is 7, expected 8 to 8192"),
        ({"size": 10_000}, "size is 10000"),
        ({"captions": ["a"]}, "1 captions do not fit a grid that has 3 places"),
        ({"row_titles": ["a", "b", "c"]}, "3 row titles"),
        ({"column_titles": ["a"], "columns": 3}, "1 column titles"),
        ({"marks": {3: "odd"}}, "a mark for cell 3"),
        ({"colors": ['"/><script>']}, "not a color"),
        ({"given_color": "url(x)"}, "not a color"),
        ({"background": "a b"}, "not a color"),
        ({"colors": "bluu"}, "'bluu' is not a color"),
        ({"stroke_width": 0}, "stroke_width is 0"),
        ({"stroke_width": float("nan")}, "stroke_width is nan"),
        ({"size": float("nan")}, "size is nan"),
    ],
)
def test_wrong_options_are_one_sentence(house, options, message):
    with pytest.raises(ValueError, match=message):
        drawing.lay_out([house] * 3, **options)


def test_a_misspelt_option_is_refused(house):
    with pytest.raises(TypeError, match="colour"):
        drawing.svg(house, colour="red")


def test_the_cell_of_an_empty_drawing_has_a_word_and_a_blank_one_has_none(house):
    picture = drawing.lay_out([house, np.zeros((0, 3)), None], columns=3)
    (text,) = picture.texts
    assert text.text == "empty"
    assert abs(text.x - picture.cells[1].center[0]) < 1
    assert abs(text.y - picture.cells[1].center[1]) < 10
