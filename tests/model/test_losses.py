"""The losses against NumPy and float64, written from the paper's equations."""

import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf.model import losses, next_point

B, T, Z, M = 3, 7, 5, 4
LENGTHS = (4, 7, 0)


def _raw(seed=0):
    return np.random.default_rng(seed).normal(0, 1, (B, T, 3 + 6 * M)).astype(np.float32)


def _strokes(seed=1):
    random = np.random.default_rng(seed)
    strokes = np.zeros((B, T, 5), np.float32)
    strokes[..., 4] = 1
    for row, points in zip(strokes, LENGTHS, strict=True):
        row[:points, :2] = random.normal(0, 2, (points, 2))
        row[:points, 2:] = np.eye(3)[random.integers(0, 2, points)]
    return strokes


def _softmax(x):
    return np.exp(x) / np.exp(x).sum(-1, keepdims=True)


def _density(raw, strokes):
    """Graves's bivariate density (arXiv 1308.0850, equation 24), which the paper refers to."""
    pi, mu_x, mu_y, sigma_x, sigma_y, rho = np.split(np.float64(raw)[..., 3:], 6, -1)
    sigma_x, sigma_y, rho = np.exp(sigma_x), np.exp(sigma_y), np.tanh(rho)
    x = (np.float64(strokes)[..., 0:1] - mu_x) / sigma_x
    y = (np.float64(strokes)[..., 1:2] - mu_y) / sigma_y
    square = x**2 + y**2 - 2 * rho * x * y
    normal = np.exp(-square / (2 * (1 - rho**2)))
    normal /= 2 * np.pi * sigma_x * sigma_y * np.sqrt(1 - rho**2)
    return (_softmax(pi) * normal).sum(-1)


def test_the_offset_loss_is_the_papers():
    found = losses.offset_nats(next_point.NextPoint(_raw()), _strokes())
    expected = -np.log(_density(_raw(), _strokes()))
    assert found.shape == (B, T)
    np.testing.assert_allclose(found, expected, rtol=2e-6, atol=5e-6)


def test_the_reference_adds_a_millionth_inside_the_logarithm():
    parameters = next_point.NextPoint(_raw(), bounded=False)
    strokes = _strokes() * np.float32([3, 3, 1, 1, 1])  # some densities are far below 1e-6
    found = losses.offset_nats(parameters, strokes, reference=True)
    density = _density(_raw(), strokes)
    assert density.min() < 1e-7
    np.testing.assert_allclose(found, -np.log(density + 1e-6), rtol=2e-6, atol=5e-6)
    stable = losses.offset_nats(next_point.NextPoint(_raw()), strokes)
    assert (stable >= found).numpy().all()


def test_the_reference_cannot_exceed_the_logarithm_of_a_million():
    parameters = next_point.NextPoint(_raw(), bounded=False)
    far = tf.constant(_strokes() + np.float32(1e4))
    found = losses.offset_nats(parameters, far, reference=True)
    np.testing.assert_allclose(found, np.full((B, T), np.log(1e6)), rtol=1e-6)


def test_the_pen_loss_is_the_papers_at_every_position():
    found = losses.pen_nats(next_point.NextPoint(_raw()), _strokes())
    probabilities = _softmax(np.float64(_raw())[..., :3])
    expected = -(np.log(probabilities) * _strokes()[..., 2:]).sum(-1)
    assert found.shape == (B, T)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


def test_the_gradients_are_the_float64_slopes():
    """Central differences of the equations above, number by number."""
    raw, strokes, step = _raw(), _strokes(), 1e-5

    def total(raw):
        probabilities = _softmax(raw[..., :3])
        pen = -(np.log(probabilities) * strokes[..., 2:]).sum()
        return pen - np.log(_density(raw, strokes)).sum()

    variable = tf.constant(raw)
    with tf.GradientTape() as tape:
        tape.watch(variable)
        parameters = next_point.NextPoint(variable)
        loss = tf.reduce_sum(losses.offset_nats(parameters, strokes))
        loss += tf.reduce_sum(losses.pen_nats(parameters, strokes))
    found = tape.gradient(loss, variable).numpy()
    wide = raw.astype(np.float64)
    for place in [(0, 2, i) for i in range(raw.shape[-1])]:
        up, down = wide.copy(), wide.copy()
        up[place] += step
        down[place] -= step
        slope = (total(up) - total(down)) / (2 * step)
        assert found[place] == pytest.approx(slope, rel=2e-5, abs=2e-5)


def test_the_kl_divergence_is_that_of_two_normals():
    """The closed form against the average of log q(z) - log p(z) over a fine grid."""
    random = np.random.default_rng(0)
    mean = random.normal(0, 1, (B, Z)).astype(np.float32)
    log_var = random.normal(0, 1, (B, Z)).astype(np.float32)
    found = losses.kl_nats(mean, log_var).numpy()
    assert found.shape == (B, Z)
    white = np.linspace(-12, 12, 20_001)
    weights = np.exp(-(white**2) / 2)
    weights /= weights.sum()
    for place in np.ndindex(B, Z):
        deviation = np.exp(np.float64(log_var[place]) / 2)
        z = mean[place] + deviation * white
        log_ratio = -(white**2) / 2 - np.log(deviation) + z**2 / 2
        assert found[place] == pytest.approx(weights @ log_ratio, rel=1e-5, abs=1e-6)


def test_the_kl_divergence_of_the_prior_is_zero():
    np.testing.assert_array_equal(losses.kl_nats(tf.zeros([B, Z]), tf.zeros([B, Z])), 0)


def _slope_of_floored_kl(scale, tolerance):
    mean = tf.fill([B, Z], scale)
    with tf.GradientTape() as tape:
        tape.watch(mean)
        value = losses.floored_kl(tf.reduce_mean(losses.kl_nats(mean, tf.zeros([B, Z]))), tolerance)
    return float(value), tape.gradient(value, mean).numpy()


def test_below_its_floor_the_kl_loss_is_the_floor_and_pulls_on_nothing():
    value, slope = _slope_of_floored_kl(0.1, 0.2)  # raw: 0.005
    assert value == pytest.approx(0.2)
    np.testing.assert_array_equal(slope, 0)


def test_above_its_floor_the_kl_loss_is_the_mean_over_batch_and_dimensions():
    value, slope = _slope_of_floored_kl(1.0, 0.2)
    assert value == pytest.approx(0.5)
    np.testing.assert_allclose(slope, np.full((B, Z), 1 / (B * Z)), rtol=1e-6)


def test_the_floor_acts_on_the_mean_and_not_on_each_dimension():
    kl = tf.constant([[0.0, 1.0]])
    assert float(losses.floored_kl(tf.reduce_mean(kl), 0.2)) == pytest.approx(0.5)


def test_real_points_are_those_within_the_length():
    found = losses.real_points(tf.constant(LENGTHS), T)
    np.testing.assert_array_equal(found, np.arange(T) < np.array(LENGTHS)[:, None])
