"""Ways through latent space against their definitions and Magenta's own slerp."""

from __future__ import annotations

import numpy as np
import pytest

from sketch_rnn_tf.sketcher import latent_space

RNG = np.random.default_rng(3)


def test_spherical_is_magentas_slerp(vectors):
    theirs = vectors("data_pipeline")
    for fraction, expected in zip(theirs["slerp_t"], theirs["slerp_out"], strict=True):
        ours = latent_space.interpolate(theirs["slerp_p0"], theirs["slerp_p1"], float(fraction))
        np.testing.assert_allclose(ours, expected, rtol=1e-5, atol=1e-6)


def test_spherical_keeps_the_length_and_divides_the_angle_evenly():
    a, b = np.array([2.0, 0.0, 0.0]), np.array([0.0, 2.0, 0.0])
    third = latent_space.interpolate(a, b, 1 / 3)
    expected = [2 * np.cos(np.pi / 6), 2 * np.sin(np.pi / 6), 0.0]
    np.testing.assert_allclose(third, expected, atol=1e-6)


def test_linear_is_the_straight_line():
    a, b = RNG.normal(size=(2, 5))
    np.testing.assert_allclose(
        latent_space.interpolate(a, b, 0.25, "linear"), 0.75 * a + 0.25 * b, rtol=1e-6
    )


@pytest.mark.parametrize("interpolation", latent_space.INTERPOLATIONS)
def test_the_ends_are_exact(interpolation):
    a, b = RNG.normal(size=(2, 5)).astype(np.float32)
    ends = latent_space.row(a, b, 7, interpolation)[[0, -1]]
    np.testing.assert_array_equal(ends, [a, b])


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 2.0], [1.0, 2.0]),  # the same
        ([1.0, 2.0], [3.0, 6.0]),  # parallel
        ([1.0, 2.0], [-1.0, -2.0]),  # opposite: no arc is shorter than the others
        ([0.0, 0.0], [3.0, 1.0]),  # no direction
        ([0.0, 0.0], [0.0, 0.0]),
        ([1e-30, 2e-30], [3e-30, 6e-30]),
    ],
)
def test_spherical_is_straight_where_there_is_no_arc(a, b):
    a, b = np.array(a), np.array(b)
    expected = 0.7 * a + 0.3 * b
    np.testing.assert_allclose(latent_space.interpolate(a, b, 0.3), expected, rtol=1e-5, atol=1e-12)


def test_nearly_parallel_vectors_keep_their_digits():
    a = np.array([1.0, 0.0])
    b = np.array([np.cos(1e-5), np.sin(1e-5)])
    half = latent_space.interpolate(a, b, 0.5)
    np.testing.assert_allclose(half, [1.0, 0.5e-5], rtol=1e-5)


def test_a_grid_has_its_corners_in_place():
    corners = RNG.normal(size=(4, 6)).astype(np.float32)
    grid = latent_space.grid(corners, 3).reshape(3, 3, 6)
    np.testing.assert_array_equal(grid[[0, 0, -1, -1], [0, -1, 0, -1]], corners)
    np.testing.assert_array_equal(grid[:, 0], latent_space.row(corners[0], corners[2], 3))


def test_an_analogy_adds_the_difference_of_means():
    start, minus, plus = RNG.normal(size=(3, 4)), RNG.normal(size=(2, 4)), RNG.normal(size=(5, 4))
    expected = start.sum(0) / 3 - minus.sum(0) / 2 + plus.sum(0) / 5
    np.testing.assert_allclose(latent_space.analogy(start, minus, plus), expected, rtol=1e-5)


def test_principal_directions_are_the_eigenvectors_of_the_covariance():
    latents = RNG.normal(size=(200, 4)) * [5.0, 2.0, 1.0, 0.5]
    directions, shares = latent_space.principal_directions(latents, 2)
    values, vectors = np.linalg.eigh(np.cov(latents.T, bias=True))
    for i in range(2):
        expected = vectors[:, -1 - i] * np.sqrt(values[-1 - i])
        expected *= np.sign(expected[np.abs(expected).argmax()])
        np.testing.assert_allclose(directions[i], expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(shares, values[[-1, -2]] / values.sum(), rtol=1e-4)


def test_a_strip_goes_through_the_mean():
    latents = RNG.normal(size=(20, 4))
    walks, _ = latent_space.strips(latents, 2, 5, span=1.5)
    assert walks.shape == (2, 5, 4)
    np.testing.assert_allclose(walks[:, 2], np.tile(latents.mean(0), (2, 1)), atol=1e-6)
    directions, _ = latent_space.principal_directions(latents, 2)
    np.testing.assert_allclose(walks[:, 4] - walks[:, 2], 1.5 * directions, atol=1e-6)


def test_mistakes_are_named():
    a = np.ones(3)
    with pytest.raises(ValueError, match="no interpolation 'cubic'; there are spherical, linear"):
        latent_space.interpolate(a, a, 0.5, "cubic")
    with pytest.raises(ValueError, match="1 steps cannot be drawn"):
        latent_space.row(a, a, 1)
    with pytest.raises(ValueError, match="3 directions of 3 drawings"):
        latent_space.principal_directions(np.eye(3), 3)
    with pytest.raises(ValueError, match="span is 0"):
        latent_space.strips(np.eye(3), 1, 3, 0)
