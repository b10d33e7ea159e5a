"""SVG that other programs read as we mean it, and that we read back without loss."""

from __future__ import annotations

import io
import warnings
from xml.etree import ElementTree

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st

from sketch_rnn_tf import drawing, strokes

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
ROWS = st.lists(st.tuples(FLOATS, FLOATS, st.integers(0, 1)), max_size=12)


def _polylines(text):
    """Returns what svgelements, which knows nothing of us, sees: absolute strokes in pixels."""
    import svgelements

    lines = []
    for path in svgelements.SVG.parse(io.StringIO(text)).elements():
        if isinstance(path, svgelements.Path) and not isinstance(path, svgelements.Rect):
            for segment in path:  # its subpaths cannot be iterated from Python 3.13 on
                if isinstance(segment, svgelements.Move):
                    lines.append([])
                if segment.end is not None:
                    lines[-1].append([segment.end.x, segment.end.y])
    return [np.array(line) for line in lines]


def _is_similar(seen, meant):
    """Whether points are others scaled by one positive factor and moved."""
    seen, meant = np.concatenate(seen), np.concatenate(meant)
    seen, meant = seen - seen.mean(axis=0), meant - meant.mean(axis=0)
    factor = (seen * meant).sum() / (meant * meant).sum()
    return factor > 0 and np.allclose(seen, factor * meant, atol=1e-4)


def test_another_program_sees_the_same_drawing_with_y_down(house):
    seen = _polylines(drawing.svg(house))
    meant = strokes.stroke3_to_polylines(house)
    assert [len(line) for line in seen] == [len(line) for line in meant]
    assert _is_similar(seen, meant)


def test_a_drawing_is_centred_and_fills_its_cell(house):
    points = np.concatenate(_polylines(drawing.svg(house, size=200)))
    np.testing.assert_allclose((points.min(axis=0) + points.max(axis=0)) / 2, 108, atol=1e-3)
    assert 0.8 * 200 < np.ptp(points, axis=0).max() < 0.9 * 200


def test_a_given_part_does_not_move_the_rest(house):
    plain = np.unique(np.concatenate(_polylines(drawing.svg(house))).round(3), axis=0)
    for given in range(1, len(house)):
        text = drawing.svg(drawing.Sketch(house, given=given))
        seen = np.unique(np.concatenate(_polylines(text)).round(3), axis=0)
        np.testing.assert_allclose(seen, plain, atol=0.002)


def test_odd_drawings_come_back(odd):
    text = drawing.svg(odd)
    ElementTree.fromstring(text)
    back = drawing.parse_svg(text)
    assert len(back) == 1
    np.testing.assert_array_equal(back[0].strokes, odd.astype(np.float32))


@hypothesis.given(
    ROWS, st.booleans(), st.sampled_from([None, "strokes"]), st.booleans(), st.randoms()
)
def test_any_float32_comes_back_to_the_last_bit(rows, ended, colors, smooth, random):
    array = np.array(rows, np.float32).reshape(-1, 3)
    sketch = drawing.Sketch(array, "a", ended, given=random.randint(0, len(array)))
    hypothesis.assume(np.isfinite(np.cumsum(array[:, :2].astype(np.float64), axis=0)).all())
    assert drawing.parse_svg(drawing.svg(sketch, colors=colors, smooth=smooth)) == [sketch]


def test_a_long_drawing_comes_back(long):
    text = drawing.svg(long, colors="strokes")
    np.testing.assert_array_equal(drawing.parse_svg(text)[0].strokes, long.astype(np.float32))


def test_a_labelled_grid_comes_back_from_a_file(tmp_path, house):
    sketches = [
        drawing.Sketch(house, label="a\"b' <c> & é猫\n\t", given=3),
        drawing.Sketch(house[:4], ended=False),
        drawing.Sketch(np.zeros((0, 3)), label=""),
    ]
    options = {"captions": ["<&>", None, "c", ""], "title": "]]>", "marks": {1: "longest"}}
    drawing.save(tmp_path / "a.svg", [*sketches, None], columns=3, **options)
    assert drawing.read_svg(tmp_path / "a.svg") == sketches


def test_words_are_escaped_and_control_characters_replaced(house):
    words = "<b> & \"q\" 'q' ]]> \x00\x1b[0m\ud800 \ufffe"
    shown = "<b> & \"q\" 'q' ]]> \ufffd\ufffd[0m\ufffd \ufffd"
    text = drawing.grid(
        [drawing.Sketch(house, label=words)],
        size=400,
        title=words,
        captions=[words],
        marks={0: words},
        row_titles=[words],
        column_titles=[words],
    )
    root = ElementTree.fromstring(text.encode())
    ns = "{http://www.w3.org/2000/svg}"
    texts = [element.text for element in root.iter(f"{ns}text")]
    assert len(texts) == 5
    assert texts.count(shown) >= 4  # the row's title may be cut
    assert root.find(f"{ns}title").text == shown
    assert root.find(f"{ns}g").get("data-label") == shown


def test_svg_is_compact():
    square = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [-10, 0, 0], [0, -10, 1], [2.5, -0.5, 1]])
    assert '<path d="m0 0l10 0 0 10-10 0 0-10m2.5-.5h0"/>' in drawing.svg(square)


def test_a_stroke_has_its_color(house):
    text = drawing.svg(house, colors=["red", "#00f"])
    assert text.count("<path") == 2
    assert text.index('stroke="red"') < text.index('stroke="#00f"')


def test_svg_has_a_view_box_and_a_title(house):
    root = ElementTree.fromstring(drawing.svg(house, size=100, title="A house"))
    width, height = int(root.get("width")), int(root.get("height"))
    assert root.get("viewBox") == f"0 0 {width} {height}"
    assert root[0].tag.endswith("title")
    assert root[0].text == "A house"


def test_without_background_there_is_no_rectangle(house):
    assert "<rect" in drawing.svg(house)
    assert "<rect" not in drawing.svg(house, background=None)


def test_the_same_drawing_gives_the_same_text(house, long):
    for rows in (house, long):
        assert drawing.svg(rows, colors="strokes") == drawing.svg(rows.copy(), colors="strokes")


OURS = '<svg xmlns="http://www.w3.org/2000/svg" class="sketches"><g class="sketch"{}>{}</g></svg>'
BOMB = (
    '<!DOCTYPE s [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>'
    '<svg xmlns="http://www.w3.org/2000/svg" class="sketches">&b;</svg>'
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is not XML"),
        ("<svg", "is not XML"),
        (BOMB, "is not XML that can be read"),
        ("<html/>", "is not an SVG that sketch_rnn_tf wrote"),
        ('<svg xmlns="http://www.w3.org/2000/svg"/>', "is not an SVG that sketch_rnn_tf wrote"),
        (OURS.format("", '<path d="m0 0c1 2 3 4 5"/>'), "sketch 0 has path data"),
        (OURS.format("", '<path d="m0 0q1 2 3 4"/>'), "sketch 0 has path data"),
        (OURS.format("", '<path d="m0 0l1 2 3"/>'), "sketch 0 has path data"),
        (OURS.format("", '<path d="m0 0h4"/>'), "sketch 0 has path data"),
        (OURS.format("", '<path d="m0 0 1 1"/>'), "sketch 0 has path data"),
        (OURS.format("", '<path d="m0 1e999"/>'), "sketch 0 has a coordinate that is not finite"),
        (OURS.format("", '<path d="mnan 0"/>'), "sketch 0 has path data"),
        (OURS.format(' data-given="2"', '<path d="m0 0"/>'), "sketch 0 has data-given '2'"),
        (OURS.format(' data-given="-1"', '<path d="m0 0"/>'), "sketch 0 has data-given '-1'"),
        (OURS.format(' data-given="²"', '<path d="m0 0"/>'), "sketch 0 has data-given"),
    ],
)
def test_other_files_are_refused_by_name(tmp_path, text, message):
    path = tmp_path / "a.svg"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=rf"a\.svg: {message}"):
        drawing.read_svg(path)


def test_binary_files_are_refused_by_name(tmp_path):
    (tmp_path / "a.svg").write_bytes(b"\x89PNG\xff")
    with pytest.raises(ValueError, match=r"a\.svg: is not UTF-8"):
        drawing.read_svg(tmp_path / "a.svg")


def test_reading_warns_of_nothing(house):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        drawing.parse_svg(drawing.svg(house))


def _bezier(path) -> np.ndarray:
    """Returns points along the curves that svgelements sees."""
    return np.array([[p.x, p.y] for p in (path.point(t) for t in np.linspace(0, 1, 400))])


def test_a_smooth_stroke_goes_through_its_points_and_keeps_corners(house):
    import svgelements

    text = drawing.svg([[0, 0, 0], [10, 0, 0], [8, 6, 0], [0, 10, 0], [-30, 0, 1]], smooth=True)
    assert "<path" in text
    (path,) = (
        e
        for e in svgelements.SVG.parse(io.StringIO(text)).elements()
        if type(e) is svgelements.Path
    )
    kinds = [type(segment).__name__ for segment in path]
    assert kinds == ["Move", *["CubicBezier"] * 4]
    before, after = path[3], path[4]
    incoming = np.array([before.end.x - before.control2.x, before.end.y - before.control2.y])
    leaving = np.array([after.control1.x - after.start.x, after.control1.y - after.start.y])
    assert abs(incoming @ leaving) < 1e-3 * np.linalg.norm(incoming) * np.linalg.norm(leaving)
    for one, other in ((path[1], path[2]), (path[2], path[3])):  # no corner elsewhere
        a = np.array([one.end.x - one.control2.x, one.end.y - one.control2.y])
        b = np.array([other.control1.x - other.start.x, other.control1.y - other.start.y])
        assert a @ b > 0.999 * np.linalg.norm(a) * np.linalg.norm(b)
    box = _bezier(path)
    assert np.ptp(box[:, 0]) < 1.05 * np.ptp([p.end.x for p in path])
