"""What the page does without a model: points of a pen to points of the data, strokes to links."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

from data_prep.conversion import simplify

PARTS = pathlib.Path(__file__).parent / "page_parts.mjs"


@pytest.fixture(scope="module")
def parts(node):
    """Returns a function that has Node answer [name, arguments ...] requests."""

    def ask(requests):
        return json.loads(node(PARTS, stdin=json.dumps(requests)))

    return ask


def _strokes():
    generator = np.random.default_rng(3)
    walks = [generator.normal(0, 4, (n, 2)).cumsum(axis=0) for n in (2, 3, 40, 200)]
    closed = np.concatenate([walks[2], walks[2][:1]])
    return [*walks, closed, np.full((5, 2), 7.0)]


@pytest.mark.parametrize("epsilon", [0.0, 1.5, 8.0])
@pytest.mark.parametrize("whole_line", [False, True])
def test_the_same_points_are_kept_as_in_a_data_set(parts, epsilon, whole_line):
    strokes = _strokes()
    found = parts([["kept", stroke.tolist(), epsilon, whole_line] for stroke in strokes])
    for stroke, points in zip(strokes, found, strict=True):
        expected = stroke[simplify.simplified_mask(stroke, epsilon, whole_line)]
        np.testing.assert_array_equal(points, expected)


def test_strokes_are_resampled_as_in_a_data_set(parts):
    strokes = _strokes()
    found = parts([["resample", stroke.tolist(), 1.0] for stroke in strokes])
    for stroke, points in zip(strokes, found, strict=True):
        np.testing.assert_allclose(points, simplify.resample(stroke, 1.0), rtol=0, atol=1e-9)


def test_a_pen_goes_through_the_simplification_of_the_run(parts):
    stroke = _strokes()[3]
    chain = {"method": "quickdraw", "epsilon": 2.0, "size": 255.0, "spacing": 1.0}
    quickdraw, rdp, none = parts(
        [
            ["simplify", stroke.tolist(), chain, 255],
            ["simplify", stroke.tolist(), {"method": "rdp", "epsilon": 3.0}, 255],
            ["simplify", stroke.tolist(), None, 510],
        ]
    )
    points = simplify.resample(stroke, 1.0)
    expected = np.round(points[simplify.simplified_mask(points, 2.0, whole_line=True)])
    np.testing.assert_array_equal(quickdraw, expected)
    np.testing.assert_array_equal(rdp, stroke[simplify.simplified_mask(stroke, 3.0)])
    np.testing.assert_array_equal(none, stroke[simplify.simplified_mask(stroke, 4.0)])


def test_a_link_keeps_strokes_and_their_colors(parts):
    strokes = [
        {"points": [[0, 0], [250.5, 3], [-1000, 12.5]], "hue": 0},
        {"points": [[88.5, 1e4]], "hue": 6},
        {"points": [[1, 1]] * 300, "hue": 3},
    ]
    (text,) = parts([["packStrokes", strokes, 500]])
    assert set(text) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    whole, cut, foreign, none = parts(
        [
            ["unpackStrokes", text, 500],
            ["unpackStrokes", text[:-30], 500],
            ["unpackStrokes", "%%%", 500],
            ["unpackStrokes", None, 500],
        ]
    )
    assert whole == strokes
    assert cut == foreign == none == []
