"""Path data against svgelements, which is independent of this project."""

import numpy as np
import pytest
import svgelements

from data_prep.readers import svg_paths


def evaluate(rows, t):
    """Returns the points of curves at the parameters t. [S, T, 2]."""
    p = np.array(rows, float).reshape(-1, 4, 1, 2)
    t = t[:, None]
    s = 1 - t
    return s**3 * p[:, 0] + 3 * s**2 * t * p[:, 1] + 3 * s * t**2 * p[:, 2] + t**3 * p[:, 3]


def random_path(generator):
    """Returns path data; a smooth command only after its own kind, where svgelements is right."""
    sizes = {"M": 2, "L": 2, "H": 1, "V": 1, "C": 6, "S": 4, "Q": 4, "T": 2, "A": 7, "Z": 0}
    parts, last = ["M 5 6L"], "L"
    for _ in range(generator.integers(1, 12)):
        letter = generator.choice(list(sizes))
        if (letter == "S" and last in "QT") or (letter == "T" and last in "CS"):
            continue
        last = letter
        numbers = [f"{v:.3f}" for v in generator.uniform(-50, 50, sizes[letter])]
        if letter == "A":
            numbers[0], numbers[1] = (f"{abs(float(v)) + 1:.3f}" for v in numbers[:2])
            numbers[3], numbers[4] = generator.choice(["0", "1"], 2)
        parts.append((letter if generator.random() < 0.5 else letter.lower()) + " ".join(numbers))
    return "M 5 6" + "".join(parts[1:])


def test_random_paths_are_those_of_svgelements():
    generator = np.random.default_rng(0)
    compared = 0
    for _ in range(60):
        data = random_path(generator)
        outline, broken = svg_paths.path(data)
        assert not broken
        expected = []
        for segment in svgelements.Path(data):
            if not isinstance(segment, svgelements.Move):
                expected += [segment.point(t) for t in np.linspace(0, 1, 40)]
        if not expected:
            continue
        compared += 1
        expected = np.array([(point.x, point.y) for point in expected])
        found = evaluate(outline.rows, np.linspace(0, 1, 500)).reshape(-1, 2)
        apart = np.linalg.norm(expected[::9, None] - found, axis=2)
        assert apart.min(axis=1).max() < 0.6
        box = [[points.min(axis=0), points.max(axis=0)] for points in (found, expected)]
        np.testing.assert_allclose(*box, atol=0.02 * np.ptp(box[0], axis=0).max())
        np.testing.assert_allclose(found[-1], expected[-1], atol=1e-6)
    assert compared > 40


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ("M0 0L1 1 garbage", 1),
        ("M0 0L1", 0),
        ("M0 0L1 1 2", 1),
        ("M0 0L1 1L", 1),
        ("L1 1", 0),
        ("M", 0),
        ("M1", 0),
        ("M0 0,,L1 1", 0),
        ("M0 0L1 1z3 4L5 5", 2),
        ("M0 0A5 5 0 2 1 9 9", 0),
        ("M0 0A5 5 0 1 1 9", 0),
        ("M0 0LNaN 1", 0),
        ("M0 0L1 1 1e 2", 1),
        ("M0 0H1 2 x", 2),
        ("xM0 0L1 1", 0),
        ("M0 0L1 1\N{NO-BREAK SPACE}L2 2", 1),
    ],
)
def test_path_is_drawn_up_to_its_first_error(data, rows):
    outline, broken = svg_paths.path(data)
    assert broken
    assert len(outline.rows) == rows


@pytest.mark.parametrize("data", ["M0,0,L1,1,", "M0 0L1 1\n\t\f\r", "M0 0+1+1", "M0 0L1.e0 1."])
def test_odd_but_whole_path_data(data):
    outline, broken = svg_paths.path(data)
    assert not broken
    assert outline.rows[0][6:] == (1.0, 1.0)


def test_inverse_of_a_matrix_undoes_it():
    matrix = (2.0, 0.3, -0.4, 1.5, 7.0, -8.0)
    both = svg_paths.product(svg_paths.inverse(matrix), matrix)
    np.testing.assert_allclose(both, (1, 0, 0, 1, 0, 0), atol=1e-12)
    assert svg_paths.inverse((1.0, 2.0, 2.0, 4.0, 0.0, 0.0)) is None


def test_an_arc_whose_center_overflows_is_an_error_of_its_own():
    with pytest.raises(svg_paths.GeometryError, match="too large or too small"):
        svg_paths.path("M20 20A5 1e9995 0 0 1 30 30z")
