import numpy as np
import pytest

from data_prep import readers
from data_prep.readers import svg
from data_prep.readers.source import Options

LINE = '<path d="M30 30L70 70" fill="none" stroke="#000"/>'
KEPT = [(30, 30), (70, 70)]


def strokes(body, **options):
    document = f'<svg xmlns="http://www.w3.org/2000/svg" width="100" height="100">{body}</svg>'
    found, left_out = svg.polylines_of(document, Options(**options))
    return [np.round(stroke, 6).tolist() for stroke in found], left_out


def ink(body, **options):
    return [list(map(tuple, stroke)) for stroke in strokes(body, **options)[0]]


@pytest.mark.parametrize(
    "paper",
    [
        '<rect width="100" height="100" fill="white"/>',
        '<rect width="100%" height="100%" fill="#fdf6e3"/>',
        '<path d="M0 0h100v100H0z" fill="#ffffff"/>',
        '<polygon points="-5,-5 105,-5 105,105 -5,105" style="fill:rgb(255,255,255)"/>',
        '<rect width="100" height="100" fill="#888"/><rect width="100" height="100" fill="#fff"/>',
        '<g transform="scale(10)"><rect width="10" height="10" fill="#eee" stroke="#eee"/></g>',
        '<linearGradient id="g"><stop/></linearGradient><rect width="100" height="100"'
        ' fill="url(#g)"/>',
    ],
)
def test_rectangle_below_all_that_covers_the_picture_is_paper(paper):
    assert ink(paper + LINE) == [KEPT]
    assert strokes(paper + LINE)[1]["paper rectangles"] == paper.count("<") - 3 * (
        "gradient" in paper.lower()
    ) - 2 * ("<g " in paper)
    assert len(ink(paper + LINE, keep_all=True)) > 1
    assert len(ink(paper + LINE, paper="none")) > 1


@pytest.mark.parametrize(
    "shape",
    [
        '<rect x="5" y="5" width="90" height="90" fill="#888"/>',  # does not cover
        '<rect width="100" height="100" rx="30" fill="#888"/>',  # nor does this
        '<rect width="100" height="100" fill="none" stroke="#000"/>',  # a frame
        '<rect width="100" height="100" fill="#fff" stroke="#000"/>',
        '<circle cx="50" cy="50" r="50" fill="#888"/>',
    ],
)
def test_other_shapes_below_all_are_ink(shape):
    assert len(ink(shape + LINE)) == 2


def test_frame_of_paper_is_ink_and_its_inside_paper():
    frame = '<rect width="100" height="100" fill="#222" stroke="#f00"/>'
    white = LINE.replace("#000", "#fff")
    assert len(ink(frame + white + LINE.replace("#000", "#222"))) == 2


@pytest.mark.parametrize("color", ["#fff", "white", "rgb(100%,100%,100%)", "#fffe", "#fefefe"])
def test_strokes_in_the_color_of_the_paper_are_erasers(color):
    eraser = f'<path d="M30 70L70 30" fill="none" stroke="{color}" stroke-width="9"/>'
    assert ink(LINE + eraser) == [KEPT]
    assert strokes(LINE + eraser)[1] == {"shapes in the paper's color": 1}
    assert len(ink(LINE + eraser, keep_all=True)) == 2
    assert len(ink(LINE + eraser, paper="none")) == 2
    assert len(ink(LINE + eraser, paper="#00f")) == 2


def test_paper_of_another_color_has_erasers_of_that_color():
    board = '<rect width="100" height="100" fill="#000"/>'
    chalk = LINE.replace("#000", "#fff")
    assert ink(board + chalk + LINE.replace("30L", "31L")) == [KEPT]
    assert ink(chalk + LINE.replace("30L", "31L"), paper="black") == [KEPT]


def test_white_on_a_black_disc_is_seen():
    disc = '<circle cx="50" cy="50" r="48"/>'
    tick = '<path d="M30 50L45 65L70 30" fill="none" stroke="#fff"/>'
    assert len(ink(disc + tick)) == 2
    assert len(ink(disc + '<circle cx="50" cy="50" r="40" fill="#fff"/>' + tick)) == 2
    assert len(ink(disc + tick.replace("M30 50L45 65L70 30", "M0 0L100 0L99 5"))) == 1


def test_picture_that_is_white_altogether_is_ink():
    assert len(ink(LINE.replace("#000", "#fff") * 2)) == 2
    assert ink(LINE.replace("#000", "#fff"), paper="#fff") == []


def test_one_full_rectangle_alone_is_a_square():
    assert len(ink('<rect width="100" height="100"/>')) == 1
    assert ink('<rect width="100" height="100" fill="#fff"/>') == []


def test_lines_without_stroke_count_only_where_nothing_is_painted():
    bare = '<path d="M0 0L9 9"/>'
    assert ink(bare) == [[(0, 0), (9, 9)]]
    assert ink(bare + LINE) == [KEPT]
    assert ink('<line x2="9" y2="9"/>') == []
    assert ink('<line x2="9" y2="9"/>', keep_all=True) == [[(0, 0), (9, 9)]]


def test_what_is_shown_and_is_no_outline_is_counted():
    body = (
        LINE
        + '<text>a</text><image href="a.png"/><foreignObject/><use href="b.svg#c"/>'
        + '<path d="M0 0L5 5L" stroke="#000"/><g visibility="hidden"><text>b</text></g>'
        + '<g display="none"><image/></g><path d="M1 1L2 2" fill="none"/>'
    )
    found, left_out = strokes(body)
    assert len(found) == 2
    assert left_out == {
        "texts": 1,
        "images": 1,
        "foreign objects": 1,
        "uses of other files": 1,
        "broken paths": 1,
        "unpainted shapes": 1,
    }


def test_paper_that_is_no_color_is_refused(tmp_path):
    (tmp_path / "a.svg").write_text("<svg/>")
    with pytest.raises(readers.ReadError, match="paper is 'whitish', expected a color"):
        list(readers.read(tmp_path / "a.svg", paper="whitish"))
