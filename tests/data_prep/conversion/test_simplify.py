import itertools
import json

import numpy as np
import pytest
import scipy.spatial.distance
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data_prep.conversion import simplify, simplify_numpy
from data_prep.readers.source import Polylines, RawSketch

QUICKDRAW = simplify.Simplification()
NAMES = [
    *("alarm clock", "apple", "bear", "bicycle", "bird", "butterfly", "cat", "face", "fish"),
    *("flower", "hot air balloon", "house", "sheep", "star"),
]


def _drawings(path):
    lines = path.read_text().splitlines()
    return {item["key_id"]: item["drawing"] for item in map(json.loads, filter(None, lines))}


@pytest.fixture(scope="module")
def pairs(shared_data):
    """(raw stroke's drawing, index of the stroke, Google's points of it), of all strokes."""
    found = []
    for name in NAMES:
        raw = _drawings(shared_data(f"quickdraw_raw/{name}.ndjson"))
        for key, google in _drawings(shared_data(f"quickdraw_simplified/{name}.ndjson")).items():
            found += [(raw[key], i, stroke) for i, stroke in enumerate(google)]
    return found


def test_quickdraw_strokes_become_googles_own_points(pairs):
    equal = sum(simplify.quickdraw_simplify(raw)[i] == google for raw, i, google in pairs)

    assert len(pairs) == 710
    assert equal >= 704


def test_strokes_that_differ_from_googles_are_ties_in_the_last_bits(pairs):
    """Where several points are equally far from the chord, rounding decides which one is kept."""
    generator = np.random.default_rng(0)
    for raw, i, google in pairs:
        if simplify.quickdraw_simplify(raw)[i] == google:
            continue
        strokes = [np.asarray(stroke[:2], float).T for stroke in raw]
        stroke = simplify.prepared(strokes, QUICKDRAW)[i]
        shaken = (stroke + 1e-12 * generator.normal(size=stroke.shape) for _ in range(1000))
        points = (simplify.finished([points], QUICKDRAW)[0].T.tolist() for points in shaken)
        assert google in points


def test_a_mere_dot_becomes_two_equal_points_as_in_googles_files():
    assert simplify.quickdraw_simplify([[[675], [158], [0]]]) == [[[0, 0], [0, 0]]]


def test_a_drawing_is_aligned_to_the_top_left_and_its_longer_side_becomes_255():
    strokes = simplify.align_and_scale([np.array([[10.0, 20], [30, 25]])], 255.0)

    np.testing.assert_allclose(strokes[0], [[0, 0], [255, 63.75]])


def test_resampled_points_lie_one_unit_apart_along_the_stroke_and_the_last_is_kept():
    points = simplify.resample(np.array([[0.0, 0], [3, 0], [3, 1.5]]), 1.0)

    np.testing.assert_allclose(points, [[0, 0], [1, 0], [2, 0], [3, 0], [3, 1], [3, 1.5]])


def test_resampling_agrees_with_interpolation_along_the_length():
    stroke = np.random.default_rng(1).normal(size=(40, 2)).cumsum(axis=0)
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(stroke, axis=0), axis=1))])

    points = simplify.resample(stroke, 0.3)

    places = np.arange(len(points) - 1) * 0.3
    expected = np.stack([np.interp(places, along, stroke[:, axis]) for axis in (0, 1)], axis=1)
    np.testing.assert_allclose(points[:-1], expected, atol=1e-12)


def test_distance_is_to_the_infinite_line_only_where_google_did_so():
    out_and_back = np.array([[0.0, 0], [100, 0], [50, 0]])

    assert simplify.simplified_mask(out_and_back, 2.0, whole_line=True).tolist() == [1, 0, 1]
    assert simplify.simplified_mask(out_and_back, 2.0).tolist() == [1, 1, 1]


def test_a_closed_stroke_keeps_its_farthest_point():
    square = np.array([[0.0, 0], [9, 0], [9, 9], [0, 9], [0, 0]])

    assert simplify.simplified_mask(square, 7.0).tolist() == [1, 0, 1, 0, 1]


_STROKES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 40), st.just(2)),
    elements=st.one_of(st.integers(-20, 20).map(float), st.floats(-1e4, 1e4)),
)


@settings(max_examples=200, deadline=None)
@given(_STROKES, st.floats(0, 50))
def test_no_point_ends_up_farther_than_epsilon_from_the_simplified_stroke(stroke, epsilon):
    kept = stroke[simplify.simplified_mask(stroke, epsilon)]

    dense = np.concatenate([np.linspace(a, b, 2000) for a, b in itertools.pairwise(kept)] or [kept])
    distances = scipy.spatial.distance.cdist(stroke, dense).min(axis=1)
    step = max((np.linalg.norm(b - a) for a, b in itertools.pairwise(kept)), default=0)
    assert distances.max() <= epsilon + step / 2000 + 1e-6


@settings(max_examples=200, deadline=None)
@given(_STROKES, st.floats(0, 50), st.booleans(), st.floats(0.5, 5))
def test_numba_and_numpy_give_the_same_points(stroke, epsilon, whole_line, spacing):
    fast = pytest.importorskip(
        "data_prep.conversion.simplify_numba", reason="numba (extra [fast]) is not installed"
    )
    slow = simplify_numpy

    np.testing.assert_array_equal(fast.resample(stroke, spacing), slow.resample(stroke, spacing))
    limit = simplify.MAX_WORK
    kept, work = fast.simplified_mask(stroke, epsilon, whole_line, limit)
    expected, expected_work = slow.simplified_mask(stroke, epsilon, whole_line, limit)
    np.testing.assert_array_equal(kept, expected)
    assert work == expected_work


def test_numba_and_numpy_agree_on_real_drawings(pairs, monkeypatch):
    pytest.importorskip("numba", reason="numba (extra [fast]) is not installed")
    drawings = [raw for raw, i, _ in pairs if i == 0]
    fast = [simplify.quickdraw_simplify(drawing) for drawing in drawings]
    monkeypatch.setattr(simplify, "_kernels", lambda: simplify_numpy)

    assert [simplify.quickdraw_simplify(drawing) for drawing in drawings] == fast


def test_a_stroke_of_100000_points_is_simplified_in_a_loop_not_by_recursion():
    angles = np.linspace(0, 200 * np.pi, 100_000)
    spiral = np.stack([angles * np.cos(angles), angles * np.sin(angles)], axis=1)

    kept = simplify.simplify(Polylines.of([spiral]), simplify.Simplification("rdp", 1.0))

    assert 1000 < len(kept.points) < 20_000


def test_a_stroke_that_makes_the_algorithm_quadratic_is_given_up(monkeypatch):
    monkeypatch.setattr(simplify, "MAX_WORK", 10_000)
    zigzag = np.stack([np.arange(500.0), np.arange(500) % 2 * 9.0], axis=1)

    with pytest.raises(simplify.TooComplexError, match="500 points is too complex"):
        simplify.simplify(Polylines.of([zigzag]), simplify.Simplification("rdp", 0.1))


def test_a_drawing_whose_resampled_length_is_absurd_is_given_up():
    scribble = np.random.default_rng(0).uniform(size=(100_000, 2))

    with pytest.raises(simplify.TooComplexError, match="too complex to resample"):
        simplify.simplify(Polylines.of([scribble]))


@pytest.mark.parametrize("value", [1e-300, 1e12, -1e12])
def test_extreme_coordinates_stay_finite(value):
    stroke = np.array([[value, 0.0], [0, value], [value, value]])

    assert np.isfinite(simplify.simplify(Polylines.of([stroke])).points).all()


@pytest.mark.parametrize("target", [10, 25, 60])
def test_searched_epsilon_is_the_smallest_that_fits(target):
    generator = np.random.default_rng(2)
    drawings = [Polylines.of([generator.normal(size=(200, 2)).cumsum(axis=0)]) for _ in range(40)]
    base = simplify.Simplification("rdp")

    found = simplify.search_epsilon(drawings, target, base)

    def upper(epsilon):
        chosen = simplify.Simplification("rdp", epsilon)
        lengths = sorted(len(simplify.simplify(d, chosen).points) for d in drawings)
        return lengths[37]  # 95 % of 40 have at most this many points

    assert upper(found.epsilon) <= target < upper(found.epsilon * 0.97)


def test_a_target_that_the_number_of_strokes_forbids_is_refused():
    dashes = [np.array([[i, 0.0], [i, 1]]) for i in range(30)]

    with pytest.raises(ValueError, match="two points per stroke"):
        simplify.search_epsilon([Polylines.of(dashes)], 20, simplify.Simplification("rdp"))


@pytest.mark.parametrize(
    "fields", [{"method": "magic"}, {"epsilon": -1}, {"epsilon": float("nan")}, {"size": 0}]
)
def test_a_senseless_simplification_is_refused(fields):
    with pytest.raises(ValueError, match="simplification"):
        simplify.Simplification(**fields)


@pytest.mark.parametrize("method", ["quickdraw", "rdp", "none"])
def test_a_simplification_survives_json(method):
    simplification = simplify.Simplification(method)

    content = json.loads(json.dumps(simplification.to_json()))

    assert simplify.Simplification.from_json(content) == simplification


def test_published_rows_are_taken_as_they_are():
    rows = np.array([[7, 8, 0], [1, 1, 1]], np.float32)
    sketch = RawSketch("k", "cat", "w", offsets=rows)

    np.testing.assert_array_equal(simplify.convert(sketch, QUICKDRAW), rows)


def test_absolute_drawings_start_at_the_origin_and_simplified_ones_keep_their_points():
    points = [np.array([[5.0, 5], [6, 6], [7, 7.1]])]
    sketch = RawSketch("k", "cat", "w", polylines=Polylines.of(points), simplified=True)

    rows = simplify.convert(sketch, QUICKDRAW)

    np.testing.assert_allclose(rows, [[0, 0, 0], [1, 1, 0], [1, 1.1, 1]])
