"""Style sheets and values, by hand: where browsers agree and resvg knows less."""

import numpy as np
import pytest

from data_prep.readers import svg

SHOWN = [[(10.0, 10.0), (40.0, 20.0)]]


def strokes(content):
    document = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100">{content}</svg>'
    return [list(map(tuple, np.round(s, 6).tolist())) for s in svg.polylines_of(document)[0]]


def line(attributes):
    return f'<path d="M10 10L40 20" {attributes}/>'


@pytest.mark.parametrize(
    "content",
    [
        f'<g stroke="#000">{line("stroke=" + chr(34) + "bogus" + chr(34))}</g>',
        line('style="stroke:#000;stroke:bogus"'),
        line('style="STROKE : Black"'),
        line('style="stroke:#000!important;stroke:none"'),
        line('style="stroke:var(--ink, #000)"'),
        line('style="stroke: oklch(40% 0.1 20)"'),
        line('stroke="#CD853F icc-color(acmecmyk, 0.1, 0.2)"'),
        "<style>@media screen{path{stroke:red}} @media print{path{stroke:none}}</style>" + line(""),
        "<style>@import 'a.css'; path{stroke:red}</style>" + line(""),
        "<style>path:hover{display:none} path{stroke:red}</style>" + line(""),
        "<style>path::before{display:none} ?{} path{stroke:red}</style>" + line(""),
        "<style>svg path{stroke:red}</style><style>g path{stroke:none}</style>" + line(""),
        "<style media='print'>path{stroke:none}</style>" + line('stroke="red"'),
        f'<g style="opacity:50%">{line("stroke=" + chr(34) + "red" + chr(34))}</g>',
    ],
)
def test_line_is_painted(content):
    assert strokes(content + line('transform="translate(50)" stroke="#000"'))[:-1] == SHOWN


@pytest.mark.parametrize(
    "content",
    [
        line('style="stroke:none!important;stroke:#000"'),
        line('stroke="#000" style="stroke: rgb(0 0 0 / 0%)"'),
        line('stroke="#000" style="opacity:0%"'),
        line('stroke="#000" stroke-width="0px"'),
        "<style>.a{visibility:collapse}</style>" + line('class="b a" stroke="#000"'),
        "<style>#a{display:none!important}</style>"
        + line('id="a" stroke="#000" style="display:inline"'),
        "<style>:not(.k):is(path){stroke:none}</style>" + line('stroke="#000"'),
    ],
)
def test_line_is_not_painted(content):
    shown = '<rect x="50" width="9" height="9" class="k"/>'
    assert len(strokes(content + shown)) == 1


def test_root_that_is_not_displayed_shows_nothing():
    assert svg.polylines_of('<svg display="none"><path d="M0 0L1 1"/></svg>')[0] == []
    assert svg.polylines_of('<svg style="display:none"><path d="M0 0L1 1"/></svg>')[0] == []


@pytest.mark.parametrize(
    ("transform", "expected"),
    [
        ("transform: translate(10px, 20px)", [(20, 30), (50, 40)]),
        ("transform: translateX(10%)", [(20, 10), (50, 20)]),
        ("transform: rotate(0.25turn)", [(-10, 10), (-20, 40)]),
        ("transform: rotate(90deg); transform-origin: 50px 50px", [(90, 10), (80, 40)]),
        ("transform: rotate(100grad); transform-origin: center", [(90, 10), (80, 40)]),
        ("transform: scale(2); transform-origin: left top", [(20, 20), (80, 40)]),
        ("transform: scale(2); transform-origin: top left", [(20, 20), (80, 40)]),
        ("transform: matrix3d(1,0,0,0,0,1,0,0,0,0,1,0,3,4,0,1)", [(13, 14), (43, 24)]),
        ("transform: scaleX(-1); transform-box: fill-box; transform-origin: center",
         [(40, 10), (10, 20)]),
        ("transform: rotate(1deg) nonsense(2)", [(10, 10), (40, 20)]),
    ],
)  # fmt: skip
def test_transform_of_css(transform, expected):
    (found,) = strokes(line(f'stroke="#000" style="{transform}"'))
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_geometry_in_css_counts():
    (found,) = strokes('<style>circle{r:5px;cx:50px}</style><circle cy="50" r="1" stroke="#000"/>')
    np.testing.assert_allclose(np.hypot(*(np.array(found) - 50).T), 5, atol=0.02)


def test_namespace_prefix_and_entities_and_encodings_make_no_difference():
    body = '<s:g><s:path d="M10 10L40 20" stroke="#000"/></s:g>'
    text = f'<s:svg xmlns:s="http://www.w3.org/2000/svg">{body}</s:svg>'
    declared = '<!DOCTYPE s:svg [<!ENTITY p "M10 10"><!ENTITY q "&p;L40 20">]>' + text.replace(
        "M10 10L40 20", "&q;"
    )
    latin = '<?xml version="1.0" encoding="ISO-8859-1"?><!-- \xe9 -->' + text
    for data in (
        text,
        declared,
        latin.encode("latin-1"),
        ("\ufeff" + declared).encode("utf-16-le"),
        b"\xef\xbb\xbf" + text.encode(),
    ):
        (found,), _ = svg.polylines_of(data)
        np.testing.assert_allclose(found, SHOWN[0])
