import gzip
import io

import numpy as np
import pytest
import scipy.interpolate
import svgelements

from data_prep import readers
from data_prep.readers.source import ReadError


def save(folder, body, attributes='viewBox="0 0 100 100"', name="a.svg"):
    path = folder / name
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f" {attributes}>{body}</svg>"
    )
    return path


def strokes(folder, body, attributes='viewBox="0 0 100 100"', **options):
    (sketch,) = readers.read(save(folder, body, attributes), **options)
    return sketch.to_polylines()


def distance_to_polyline(points, polyline):
    """Returns each point's distance to the nearest segment of a polyline."""
    start, along = polyline[:-1], np.diff(polyline, axis=0)
    square = np.maximum((along**2).sum(axis=1), 1e-300)
    t = np.clip(((points[:, None] - start) * along).sum(axis=2) / square, 0, 1)
    return np.linalg.norm(points[:, None] - (start + t[..., None] * along), axis=2).min(axis=1)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ("M1 2L3 4L5,6", [[(1, 2), (3, 4), (5, 6)]]),
        ("m1 2l2 2 2 2", [[(1, 2), (3, 4), (5, 6)]]),
        ("M1 2 3 4-5-6", [[(1, 2), (3, 4), (-5, -6)]]),
        ("m1 2 2 2M9 9h-2v1H1V0", [[(1, 2), (3, 4)], [(9, 9), (7, 9), (7, 10), (1, 10), (1, 0)]]),
        ("M1 1L4 1L4 4z", [[(1, 1), (4, 1), (4, 4), (1, 1)]]),
        ("M1 1L4 1L4 4L1 1z", [[(1, 1), (4, 1), (4, 4), (1, 1)]]),
        ("M1 1h3v3zl5 0", [[(1, 1), (4, 1), (4, 4), (1, 1)], [(1, 1), (6, 1)]]),
        ("m1 1h3zm2 2h1", [[(1, 1), (4, 1), (1, 1)], [(3, 3), (4, 3)]]),
        ("M1.5.5l-.5.5.25e1-1E0", [[(1.5, 0.5), (1, 1), (3.5, 0)]]),
        ("M 10. 20. L 30.,40.", [[(10, 20), (30, 40)]]),
        ("M5 5z", [[(5, 5), (5, 5)]]),
        ("M5 5", []),
        ("M5 5M6 6L7 7", [[(6, 6), (7, 7)]]),
        ("", []),
        ("none", []),
        ("M1 1A0 5 0 0 1 8 1", [[(1, 1), (8, 1)]]),
        ("M1 1A5 5 0 0 1 1 1L2 2", [[(1, 1), (2, 2)]]),
    ],
)
def test_straight_path_commands_give_their_corners(tmp_path, data, expected):
    found = strokes(tmp_path, f'<path d="{data}"/>')
    assert len(found) == len(expected)
    for stroke, corners in zip(found, expected, strict=True):
        np.testing.assert_allclose(stroke, corners, atol=1e-12)


CURVES = {
    "M10 10C20 90 80 90 90 10": [(10, 10), (20, 90), (80, 90), (90, 10)],
    "m10 10c10 80 70 80 80 0": [(10, 10), (20, 90), (80, 90), (90, 10)],
    "M10 10S80 90 90 10": [(10, 10), (10, 10), (80, 90), (90, 10)],
    "M10 10Q50 90 90 10": [(10, 10), (50, 90), (90, 10)],
    "m10 10q40 80 80 0": [(10, 10), (50, 90), (90, 10)],
}


@pytest.mark.parametrize("tolerance", [1e-2, 1e-3, 1e-4])
@pytest.mark.parametrize("data", CURVES)
def test_flattened_curve_stays_within_the_tolerance(tmp_path, data, tolerance):
    (stroke,) = strokes(tmp_path, f'<path d="{data}"/>', curve_tolerance=tolerance)
    control = np.array(CURVES[data], float)[:, None]
    curve = scipy.interpolate.BPoly(control, [0, 1])(np.linspace(0, 1, 2001))
    np.testing.assert_array_equal(stroke[[0, -1]], curve[[0, -1]])
    assert distance_to_polyline(curve, stroke).max() <= tolerance * 80
    # Second differences inside a box of side s are at most 2 s along each axis.
    assert len(stroke) <= 2 + (0.75 * 8**0.5 / tolerance) ** 0.5


def test_smooth_commands_mirror_the_last_control_point_of_their_own_kind(tmp_path):
    pairs = {
        "M0 0C0 10 10 10 10 0S20 -10 20 0": "M0 0C0 10 10 10 10 0C10 -10 20 -10 20 0",
        "M0 0Q5 9 10 0T20 0t10 0": "M0 0Q5 9 10 0Q15 -9 20 0Q25 9 30 0",
        "M0 0Q5 9 10 0S20 5 20 0": "M0 0Q5 9 10 0C10 0 20 5 20 0",
        "M0 0C0 10 10 10 10 0T20 5": "M0 0C0 10 10 10 10 0L20 5",
    }
    for smooth, explicit in pairs.items():
        found = strokes(tmp_path, f'<path d="{smooth}"/>')[0]
        expected = strokes(tmp_path, f'<path d="{explicit}"/>')[0]
        np.testing.assert_allclose(found[[0, -1]], expected[[0, -1]])
        assert distance_to_polyline(found, expected).max() < 0.05


@pytest.mark.parametrize(("large", "sweep"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_arc_is_the_asked_one_of_the_four(tmp_path, large, sweep):
    (stroke,) = strokes(tmp_path, f'<path d="M30 50A20 20 0 {large}{sweep}50 30"/>')
    center = (50, 50) if large == (sweep == 0) else (30, 30)
    np.testing.assert_allclose(np.hypot(*(stroke - center).T), 20, atol=0.05)
    np.testing.assert_allclose(stroke[[0, -1]], [(30, 50), (50, 30)])
    turn = np.unwrap(np.arctan2(*(stroke - center).T[::-1]))
    assert turn[-1] - turn[0] == pytest.approx((1 if sweep else -1) * np.pi / (2 - 4 / 3 * large))


def test_rotated_ellipse_arc_with_too_small_radii_is_scaled_up(tmp_path):
    (stroke,) = strokes(tmp_path, '<path d="M20 50A2 1 90 0 1 80 50"/>')
    centered = stroke - (50, 50)
    ellipse = (centered[:, 0] / 30) ** 2 + (centered[:, 1] / 60) ** 2
    np.testing.assert_allclose(ellipse, 1, atol=0.01)
    assert stroke[:, 1].min() == pytest.approx(-10, abs=0.1)


def test_basic_shapes_have_the_outlines_of_the_standard(tmp_path):
    body = """<line x1="1" y1="2" x2="3" y2="4" stroke="red"/><polyline points="0,0 10 0,10,10"/>
      <polygon points="0,0 10,0 10,10"/><rect x="1" y="2" width="3" height="4"/>
      <circle cx="50" cy="50" r="10"/><ellipse cx="50" cy="50" rx="20" ry="10"/>
      <rect x="10" y="10" width="40" height="20" rx="5"/>
      <rect width="0" height="5"/><circle r="0"/><polyline points=""/>"""
    line, polyline, polygon, rect, circle, ellipse, rounded = strokes(tmp_path, body)
    np.testing.assert_allclose(line, [(1, 2), (3, 4)])
    np.testing.assert_allclose(polyline, [(0, 0), (10, 0), (10, 10)])
    np.testing.assert_allclose(polygon, [(0, 0), (10, 0), (10, 10), (0, 0)])
    np.testing.assert_allclose(rect, [(1, 2), (4, 2), (4, 6), (1, 6), (1, 2)])
    np.testing.assert_allclose(np.hypot(*(circle - 50).T), 10, atol=0.05)
    np.testing.assert_allclose(np.hypot(*((ellipse - 50) / (20, 10)).T), 1, atol=0.01)
    np.testing.assert_allclose(rounded[[0, -1]], [(15, 10), (15, 10)])
    assert [*rounded.min(axis=0), *rounded.max(axis=0)] == pytest.approx([10, 10, 50, 30])
    corner = rounded[(rounded > (45, 25)).all(axis=1)]
    np.testing.assert_allclose(np.hypot(*(corner - (45, 25)).T), 5, atol=0.05)


def test_transforms_of_groups_apply_from_the_inside_out(tmp_path):
    body = """<g transform="translate(10,20)"><g transform="rotate(90)">
      <path transform="scale(2 3)" d="M0 0L1 0L1 1"/></g></g>"""
    np.testing.assert_allclose(
        strokes(tmp_path, body)[0], [(10, 20), (10, 22), (7, 22)], atol=1e-12
    )


DOCUMENTS = [
    ('viewBox="10 20 50 25" width="200" height="200"', ""),
    ('viewBox="0 0 50 25" width="200" height="300" preserveAspectRatio="none"', ""),
    ('viewBox="0 0 50 25" width="200" height="300" preserveAspectRatio="xMaxYMax slice"', ""),
    ('width="200" height="300"', "matrix(1 .5 -.5 2 3 4)"),
    ('viewBox="0 0 40 40" width="15pt" height="1in"', "skewX(30) translate(3)"),
    ('viewBox="0 0 40 40"', "rotate(30, 5, 6) scale(.5) skewY(10)"),
]


@pytest.mark.parametrize(("attributes", "transform"), DOCUMENTS)
def test_documents_lie_where_svgelements_puts_them(tmp_path, attributes, transform):
    body = f"""<g transform="{transform}"><path d="M1 2L30 4L5 26"/>
      <g transform="translate(2 3)"><polyline points="3 3 4 5 6 1"/></g></g>"""
    path = save(tmp_path, body, attributes)
    shapes = svgelements.SVG.parse(io.BytesIO(path.read_bytes())).elements(
        lambda element: isinstance(element, svgelements.Shape)
    )
    expected = [list(svgelements.Path(shape).as_points()) for shape in shapes]
    found = next(readers.read(path)).to_polylines()
    assert len(found) == len(expected) == 2
    for stroke, points in zip(found, expected, strict=True):
        corners = np.array([(point.x, point.y) for point in points])
        kept = np.r_[True, (np.diff(corners, axis=0) != 0).any(axis=1)]
        np.testing.assert_allclose(stroke, corners[kept], rtol=1e-6)


def test_sizes_relative_to_the_unknown_keep_the_coordinates_of_the_view_box(tmp_path):
    body = '<path d="M10 20L30 40"/>'
    for size in ("", 'width="100%" height="100%"', 'width="10em" height="100%"'):
        found = strokes(tmp_path, body, f'viewBox="5 5 160 160" {size}')
        np.testing.assert_allclose(found[0], [(5, 15), (25, 35)])


def test_nested_svg_use_and_symbol_are_drawn_in_their_places(tmp_path):
    body = """<defs><path id="p" d="M0 0L10 0"/>
        <symbol id="s" viewBox="0 0 10 10"><path d="M0 0L10 10"/></symbol></defs>
      <svg x="50" y="50" width="20" height="20" viewBox="0 0 10 10"><path d="M0 0L5 5"/></svg>
      <use href="#p" x="3" y="4"/><use xlink:href="#p" transform="scale(2)"/>
      <use href="#s" x="10" y="10" width="20" height="20"/><use href="#nowhere"/>"""
    expected = [
        [(50, 50), (60, 60)],
        [(3, 4), (13, 4)],
        [(0, 0), (20, 0)],
        [(10, 10), (30, 30)],
    ]
    np.testing.assert_allclose(strokes(tmp_path, body), expected)


def test_what_is_hidden_or_no_outline_is_left_out(tmp_path):
    line = '<path d="M0 0L9 9"/>'
    body = f"""<g display="none">{line}</g><g style="fill:red; display: none">{line}</g>
      <g visibility="hidden">{line}</g><g style="visibility:collapse;">{line}</g>
      <defs>{line}</defs><clipPath>{line}</clipPath><mask>{line}</mask><marker>{line}</marker>
      <pattern>{line}</pattern><symbol>{line}</symbol><text>{line}</text><title>x</title>
      <other xmlns="http://other">{line}</other><image href="data:image/png;base64,AAAA"/>
      <g style="display:inline"><a href="https://example.org/"><path d="M1 1L2 2"/></a></g>"""
    np.testing.assert_allclose(strokes(tmp_path, body), [[(1, 1), (2, 2)]])


def test_drawing_without_any_shape_is_valid_and_empty(tmp_path):
    assert strokes(tmp_path, "<text>nothing</text>") == []


def test_gzip_utf16_and_files_without_a_namespace_are_read(tmp_path):
    plain = save(tmp_path, '<path d="M0 0L9 9"/>').read_bytes()
    (tmp_path / "b.svgz").write_bytes(gzip.compress(plain))
    text = "<?xml version='1.0' encoding='UTF-16'?>" + plain.decode()
    (tmp_path / "c.svg").write_bytes(text.encode("utf-16"))
    (tmp_path / "d.svg").write_text('\ufeff<svg><path d="M0 0L9 9"/></svg>', encoding="utf-8")
    found = list(readers.read(tmp_path))
    assert [sketch.key for sketch in found] == ["a.svg", "b.svgz", "c.svg", "d.svg"]
    for sketch in found:
        np.testing.assert_allclose(sketch.to_polylines(), [[(0, 0), (9, 9)]])


def test_label_is_the_folder_of_a_file_given_alone_too(tmp_path):
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        save(tmp_path / name, '<path d="M0 0L9 9"/>', name="one.svg")
    found = list(readers.read(tmp_path))
    assert [(sketch.label, sketch.key) for sketch in found] == [
        ("cat", "cat/one.svg"),
        ("dog", "dog/one.svg"),
    ]
    assert next(readers.read(tmp_path / "cat")).label == "cat"
    assert next(readers.read(tmp_path / "cat" / "one.svg")).label == "cat"
    assert next(readers.read(tmp_path, label="pet")).label == "pet"


ENTITY_BOMB = (
    "<!DOCTYPE svg [<!ENTITY a0 'aaaaaaaaaa'>"
    + "".join(f"<!ENTITY a{i + 1} '{f'&a{i};' * 10}'>" for i in range(9))
    + "]><svg><text>&a9;</text></svg>"
)
REFUSED = {
    "an entity bomb": (ENTITY_BOMB, "entity 'a4', refused"),
    "a flat entity bomb": (
        f"<!DOCTYPE svg [<!ENTITY a '{'a' * 60_000}'>]><svg id='{'&a;' * 100}'/>",
        "expand to too much",
    ),
    "an entity in itself": (
        "<!DOCTYPE svg [<!ENTITY a '&b;'><!ENTITY b '&a;'>]><svg><text>&a;</text></svg>",
        "entity 'a', refused",
    ),
    "an external entity": (
        '<!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]><svg><text>&x;</text></svg>',
        "entity 'x', refused",
    ),
    "a parameter entity": (
        '<!DOCTYPE svg [<!ENTITY % x SYSTEM "http://example.org/x">%x;]><svg/>',
        "entity 'x', refused",
    ),
    "an unparsed entity": (
        '<!DOCTYPE svg [<!NOTATION n SYSTEM "n"><!ENTITY x SYSTEM "f" NDATA n>]><svg/>',
        "entity 'x', refused",
    ),
    "a use bomb": (
        "<svg>"
        + "".join(f'<g id="g{i}">{f"""<use href="#g{i + 1}"/>""" * 10}</g>' for i in range(12))
        + '<path id="g12" d="M0 0L1 1"/></svg>',
        "draws more than",
    ),
    "deep groups": ("<svg>" + "<g>" * 100_000 + "</g>" * 100_000 + "</svg>", "nested more than"),
    "unknown entity": ("<svg><text>&nbsp;</text></svg>", "not well-formed XML"),
    "truncation": ('<svg><path d="M0 0L1 1"/>', "not well-formed XML"),
    "an unknown encoding": ('<?xml version="1.0" encoding="klingon"?><svg/>', "not readable XML"),
    "infinite coordinates": ('<svg><path d="M0 0L1e999 1"/></svg>', "not finite"),
    "coordinates beyond reason": ('<svg><path d="M0 0L1e13 1"/></svg>', "beyond 1e"),
    "a transform beyond reason": (
        '<svg><g transform="scale(1e300)"><path transform="scale(1e300)" d="M0 0L1 1"/></g></svg>',
        "not finite",
    ),
    "an infinite circle": ('<svg><circle r="1e999"/></svg>', "not finite"),
    "a selector without end": (
        "<svg><style>no"
        + " g" * 12
        + " x, path {fill: red}</style>"
        + "<g>" * 90
        + "<x/>" * 50
        + "</g>" * 90
        + "</svg>",
        "take too long",
    ),
    "thousands of rules": (
        "<svg><style>" + "path{fill:red}" * 9_000 + "</style></svg>",
        "3000 CSS selectors",
    ),
    "a clip path without end": (
        '<svg><clipPath id="c"><path d="M0 0' + "q1 9 2 0" * 9_000 + '"/></clipPath>'
        '<path clip-path="url(#c)" stroke="red" d="M0 5' + "q1 9 2 0" * 9_000 + '"/></svg>',
        "take too long",
    ),
    "a web page": ("<!doctype html><html><svg/></html>", "web page"),
    "other XML": ("<html2/>", "first element is not <svg>"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_bad_file_is_refused_in_one_sentence_that_names_it(tmp_path, what):
    content, message = REFUSED[what]
    path = tmp_path / "bad.svg"
    path.write_text(content)
    with pytest.raises(ReadError, match=rf"bad\.svg: .*{message}") as caught:
        list(readers.read(path))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_document_type_is_accepted_and_not_fetched(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text(
        '<!DOCTYPE svg PUBLIC "-//W3C//DTD SVG 1.0//EN" "file:///nowhere/svg10.dtd" ['
        '<!ATTLIST path d CDATA "M0 0L1 1">]><svg><path/><path d="M0 0L2 2"/></svg>'
    )
    (sketch,) = readers.read(path)
    np.testing.assert_allclose(sketch.to_polylines(), [[(0, 0), (2, 2)]])


def test_many_closed_subpaths_and_long_strokes_take_linear_time(tmp_path):
    zigzag = " ".join(f"{i} {i % 2}" for i in range(100_000))
    body = f'<path d="M0 0{"l1 1" * 30_000}{"z" * 30_000}"/><polyline points="{zigzag}"/>'
    found = strokes(tmp_path, body)
    assert len(found) == 30_001
    assert len(found[-1]) == 100_000


def test_too_large_file_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "bomb.svgz"
    path.write_bytes(gzip.compress(b"<svg>" + bytes(40 << 20)))
    with pytest.raises(ReadError, match="more than the 16 MB"):
        list(readers.read(path))


def test_billion_sized_coordinates_are_kept(tmp_path):
    found = strokes(tmp_path, '<path d="M1e9 -1e9L1000000001 0"/>')
    np.testing.assert_array_equal(found[0], [(1e9, -1e9), (1000000001, 0)])


@pytest.mark.parametrize(
    ("attributes", "canvas"),
    [
        ('viewBox="0 0 100 80"', 100),
        ('viewBox="0 0 100 80" width="50" height="300"', 300),
        ('width="30" height="20"', 30),
        ('viewBox="0 0 100 80" width="100%"', 100),
        ("", None),
    ],
)
def test_the_canvas_is_the_outermost_viewport(tmp_path, attributes, canvas):
    path = tmp_path / "a.svg"
    path.write_text(
        f'<svg xmlns="http://www.w3.org/2000/svg" {attributes}>'
        '<svg width="7" height="7"><path d="M1 1L2 2"/></svg></svg>'
    )
    (found,) = readers.read(path)
    assert found.canvas == canvas


def test_drawings_of_our_own_sheet_come_back_one_by_one(tmp_path):
    from sketch_rnn_tf import drawing

    rows = [np.array([[3, 4, 0], [0.1, 0.2, 1]], np.float32), np.array([[0, 0, 0], [5, 6, 1]])]
    sheet = drawing.Sketches([drawing.Sketch(rows[0], "cat"), rows[1]])
    sheet.save(tmp_path / "sheet.svg", captions=["a", "b"], smooth=True)
    found = list(readers.read(tmp_path / "sheet.svg"))
    for one, ours in zip(found, rows, strict=True):
        np.testing.assert_array_equal(one.offsets, np.float32(ours))
    assert [one.label for one in found] == ["cat", tmp_path.name]
    assert len({one.key for one in found}) == 2
    (tmp_path / "sheet.svg").write_text((tmp_path / "sheet.svg").read_text().replace("m", "q"))
    with pytest.raises(readers.ReadError, match=r"sheet\.svg"):
        list(readers.read(tmp_path / "sheet.svg"))


def test_clipped_line_is_the_part_inside_and_nothing_else(tmp_path):
    body = """<clipPath id="c"><rect x="40" y="40" width="20" height="20"/></clipPath>
      <g clip-path="url(#c)"><path d="M0 50h100" stroke="#000"/></g>"""
    np.testing.assert_allclose(strokes(tmp_path, body), [[(40, 50), (60, 50)]])
