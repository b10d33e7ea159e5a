import hypothesis
import hypothesis.extra.numpy as arrays
import hypothesis.strategies as some
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp

from sketch_rnn_tf.model import losses, mixture

B, T, M = 2, 7, 4


def _parameters(seed=0, shape=(3, 4), dtype=np.float64):
    generator = np.random.default_rng(seed)
    loc = generator.normal(size=(*shape, 2))
    log_scale = generator.normal(scale=0.7, size=(*shape, 2))
    fisher_z = generator.normal(size=shape)
    return [np.asarray(value, dtype) for value in (loc, log_scale, fisher_z)]


def _covariance(log_scale, fisher_z):
    x, y, rho = *np.exp(log_scale), np.tanh(fisher_z)
    return [[x * x, rho * x * y], [rho * x * y, y * y]]


def _tril(loc, log_scale, fisher_z):
    x, y = tf.unstack(tf.exp(log_scale), axis=-1)
    rho = tf.tanh(fisher_z)
    rows = [[x, tf.zeros_like(x)], [rho * y, tf.sqrt(1 - rho * rho) * y]]
    scale = tf.stack([tf.stack(row, -1) for row in rows], -2)
    return tfp.distributions.MultivariateNormalTriL(loc, scale)


def test_log_prob_is_scipys():
    loc, log_scale, fisher_z = _parameters()
    points = np.random.default_rng(1).normal(size=(3, 4, 2))
    found = mixture.BivariateNormal(loc, log_scale, fisher_z).log_prob(points).numpy()
    for at in np.ndindex(3, 4):
        covariance = _covariance(log_scale[at], fisher_z[at])
        expected = scipy.stats.multivariate_normal(loc[at], covariance).logpdf(points[at])
        assert found[at] == pytest.approx(expected, rel=1e-12)


def test_log_prob_and_its_gradients_are_those_of_the_general_normal():
    parameters = [tf.constant(value) for value in _parameters()]
    points = tf.constant(np.random.default_rng(1).normal(size=(3, 4, 2)))
    found = tfp.math.value_and_gradient(
        lambda *p: mixture.BivariateNormal(*p[:3]).log_prob(p[3]), (*parameters, points)
    )
    expected = tfp.math.value_and_gradient(
        lambda *p: _tril(*p[:3]).log_prob(p[3]), (*parameters, points)
    )
    for ours, theirs in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-11)


def test_float32_is_as_good_as_its_digits():
    parameters = _parameters(dtype=np.float32)
    points = np.random.default_rng(1).normal(size=(3, 4, 2)).astype(np.float32)
    found = mixture.BivariateNormal(*parameters).log_prob(points)
    wide = [np.float64(value) for value in parameters]
    expected = mixture.BivariateNormal(*wide).log_prob(np.float64(points))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_moments_and_entropy_are_those_of_the_general_normal():
    parameters = [tf.constant(value) for value in _parameters()]
    ours, theirs = mixture.BivariateNormal(*parameters), _tril(*parameters)
    for name in ("mean", "mode", "stddev", "variance", "covariance", "entropy"):
        found, expected = getattr(ours, name)(), getattr(theirs, name)()
        np.testing.assert_allclose(found, expected, rtol=1e-10, err_msg=name)


def test_samples_have_the_moments_that_it_claims():
    loc, log_scale, fisher_z = _parameters(shape=(2,))
    distribution = mixture.BivariateNormal(loc, log_scale, fisher_z)
    samples = distribution.sample(100_000, seed=3).numpy()
    assert samples.shape == (100_000, 2, 2)
    for i in range(2):
        covariance = np.array(_covariance(log_scale[i], fisher_z[i]))
        error = 5 * np.sqrt(np.diag(covariance) / len(samples))
        assert (np.abs(samples[:, i].mean(0) - loc[i]) < error).all()
        np.testing.assert_allclose(
            np.cov(samples[:, i].T), covariance, atol=0.03 * covariance.diagonal().max()
        )


def test_samples_pass_a_test_of_normality_when_whitened():
    loc, log_scale, fisher_z = _parameters(shape=())
    samples = mixture.BivariateNormal(loc, log_scale, fisher_z).sample(20_000, seed=5).numpy()
    root = np.linalg.cholesky(_covariance(log_scale, fisher_z))
    white = np.linalg.solve(root, (samples - loc).T)
    for axis in white:
        assert scipy.stats.kstest(axis, "norm").pvalue > 1e-3
    squares = (white**2).sum(0)
    assert scipy.stats.kstest(squares, scipy.stats.chi2(2).cdf).pvalue > 1e-3


def test_a_sample_is_differentiable_in_its_parameters():
    parameters = [tf.constant(value) for value in _parameters(shape=())]
    white = tf.constant([0.7, -1.1], tf.float64)
    found = tfp.math.value_and_gradient(
        lambda *p: tf.reduce_sum(mixture.BivariateNormal(*p).transform(white)), parameters
    )
    expected = tfp.math.value_and_gradient(
        lambda *p: tf.reduce_sum(_tril(*p).bijector.forward(white)), parameters
    )
    for ours, theirs in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9)


def test_the_mixture_integrates_to_one():
    raw = np.random.default_rng(2).normal(scale=0.5, size=3 + 6 * M).astype(np.float32)
    distribution = mixture.offset_distribution(mixture.split_parameters(tf.constant(raw)))
    axis = np.linspace(-12, 12, 481, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), -1)
    density = np.exp(distribution.log_prob(grid).numpy().astype(np.float64))
    total = scipy.integrate.simpson(scipy.integrate.simpson(density, x=axis), x=axis)
    assert total == pytest.approx(1, abs=1e-3)


def test_the_blocks_of_the_output_are_magentas():
    raw = np.arange(3 + 6 * M, dtype=np.float32) / 100
    found = mixture.split_parameters(tf.constant(raw))
    blocks = raw[3:].reshape(6, M)
    np.testing.assert_array_equal(found.pen_logits, raw[:3])
    np.testing.assert_array_equal(found.mixture_logits, blocks[0])
    np.testing.assert_array_equal(found.loc, blocks[1:3].T)
    np.testing.assert_allclose(found.scale, np.exp(blocks[3:5].T), rtol=1e-6)
    np.testing.assert_allclose(found.corr, np.tanh(blocks[5]), rtol=1e-6)


def test_a_distribution_comes_out_of_a_graph():
    @tf.function
    def make(loc):
        return mixture.BivariateNormal(loc, tf.zeros([2]), tf.constant(0.0))

    assert make(tf.zeros([2])).log_prob([0.0, 0.0]).numpy() == pytest.approx(-np.log(2 * np.pi))


# Any finite float32 number, with the awkward ones more often than chance gives them.
_AWKWARD = (0.0, -0.0, 1e-45, 8.0, -8.0, 9.02, 20.0, -20.0, 88.8, 1e4, -1e4, 1e19, 3.4e38, -3.4e38)
_NUMBERS = some.one_of(
    some.sampled_from([float(np.float32(x)) for x in _AWKWARD]),
    some.floats(width=32, allow_nan=False, allow_infinity=False),
    some.floats(-30, 30, width=32),
)


@tf.function(reduce_retracing=True)
def _losses_and_gradients(raw, strokes):
    with tf.GradientTape() as tape:
        tape.watch(raw)
        parameters = mixture.split_parameters(raw)
        offset = losses.offset_nats(parameters, strokes)
        pen = losses.pen_nats(parameters, strokes)
        loss = tf.reduce_sum(offset) + tf.reduce_sum(pen)
    return offset, pen, tape.gradient(loss, raw)


@hypothesis.settings(max_examples=300, deadline=None)
@hypothesis.given(
    arrays.arrays(np.float32, (3 + 6 * M,), elements=_NUMBERS),
    arrays.arrays(np.float32, (2,), elements=_NUMBERS),
    some.integers(0, 2),
)
def test_no_output_and_no_offset_gives_a_loss_or_gradient_that_is_no_number(raw, offset, pen):
    row = np.concatenate([offset, np.eye(3, dtype=np.float32)[pen]])
    given = tf.constant(raw[None, None]), tf.constant(row[None, None])
    for value in _losses_and_gradients(*given):
        assert np.isfinite(value).all(), value


def test_all_awkward_numbers_together_give_finite_losses_and_gradients():
    generator = np.random.default_rng(0)
    numbers = np.array([*_AWKWARD, *generator.normal(scale=30, size=20)], np.float32)
    raw = generator.choice(numbers, (20_000, 3 + 6 * M))
    offsets = generator.choice(numbers, (20_000, 2))
    pens = np.eye(3, dtype=np.float32)[generator.integers(0, 3, 20_000)]
    rows = np.concatenate([offsets, pens], axis=1)
    for value in _losses_and_gradients(tf.constant(raw[None]), tf.constant(rows[None])):
        assert np.isfinite(value).all()


def test_within_its_bounds_the_stable_form_is_the_exact_density():
    """Against float64 in the naive form, sigma and rho far from moderate."""
    generator = np.random.default_rng(1)
    pi, loc = generator.normal(size=M), generator.normal(size=(M, 2))
    log_scale, fisher_z = generator.uniform(-6, 3, (M, 2)), generator.uniform(-4, 4, M)
    raw = np.concatenate([np.zeros(3), pi, *loc.T, *log_scale.T, fisher_z]).astype(np.float32)
    offset = np.float32(loc[0] + np.exp(log_scale[0]))
    found = mixture.offset_distribution(mixture.split_parameters(raw)).log_prob(offset)
    parts = [
        np.log(np.exp(p) / np.exp(np.float64(pi)).sum())
        + scipy.stats.multivariate_normal(mean, _covariance(ls, z)).logpdf(np.float64(offset))
        for p, mean, ls, z in zip(pi, loc, log_scale, fisher_z, strict=True)
    ]
    assert float(found) == pytest.approx(np.logaddexp.reduce(parts), rel=1e-3)


def test_the_stable_form_and_magentas_differ_by_the_millionth_in_the_logarithm_only():
    generator = np.random.default_rng(4)
    raw = generator.normal(size=(B, T, 3 + 6 * M)).astype(np.float32)
    strokes = generator.normal(size=(B, T, 5)).astype(np.float32)
    stable = losses.offset_nats(mixture.split_parameters(raw), strokes).numpy()
    magenta = losses.offset_nats(mixture.split_parameters(raw, False), strokes, True).numpy()
    np.testing.assert_allclose(magenta, -np.log(np.exp(-np.float64(stable)) + 1e-6), rtol=1e-4)
    assert (stable >= magenta).all()
