import hypothesis
import numpy as np
import pytest
import scipy.integrate
import scipy.stats
import tensorflow as tf
import tensorflow_probability as tfp
from hypothesis import strategies as st

from sketch_rnn_tf.model import losses, next_point

tfd = tfp.distributions
B, T, M = 2, 7, 4
FLOAT_MAX = float(np.finfo(np.float32).max)


def _numbers(shape=(3, 5), dtype=np.float64, seed=0):
    """Returns loc, log_scale, fisher_z and points to evaluate at."""
    random = np.random.default_rng(seed)
    loc = random.normal(0, 2, (*shape, 2))
    log_scale = random.normal(0, 1, (*shape, 2))
    fisher_z = random.normal(0, 1.5, shape)
    points = loc + random.normal(0, 2, (*shape, 2)) * np.exp(log_scale)
    return [a.astype(dtype) for a in (loc, log_scale, fisher_z, points)]


def _covariance(log_scale, fisher_z):
    x, y = np.exp(log_scale)
    mixed = np.tanh(fisher_z) * x * y
    return np.array([[x * x, mixed], [mixed, y * y]])


def _triangular(loc, log_scale, fisher_z):
    """Returns TFP's own distribution, differentiable in the same parameters."""
    scale, corr = tf.exp(log_scale), tf.tanh(fisher_z)
    x, y = tf.unstack(scale, axis=-1)
    rows = [
        tf.stack([x, tf.zeros_like(x)], -1),
        tf.stack([corr * y, y * tf.sqrt(1 - corr * corr)], -1),
    ]
    return tfd.MultivariateNormalTriL(loc, tf.stack(rows, -2))


@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-12), (np.float32, 2e-5)])
def test_the_density_is_scipys(dtype, tolerance):
    loc, log_scale, fisher_z, points = _numbers(dtype=dtype)
    found = next_point.BivariateNormal(loc, log_scale, fisher_z).log_prob(points)
    assert found.dtype == dtype
    assert found.shape == (3, 5)
    wide = [a.astype(np.float64) for a in (loc, log_scale, fisher_z, points)]
    for place in np.ndindex(3, 5):
        mean, deviation, z, point = (a[place] for a in wide)
        expected = scipy.stats.multivariate_normal(mean, _covariance(deviation, z)).logpdf(point)
        np.testing.assert_allclose(found[place], expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("distance", [1.0, 30.0])
def test_the_density_of_nearly_straight_components_is_exact(distance):
    """With rho near 1 the textbook form cancels; here float32 agrees with exact arithmetic."""
    fisher_z = np.array([6.0, -7.0, 7.9], np.float32)
    residual = 1 / np.cosh(fisher_z)  # one standard deviation off the line
    points = np.stack([np.tanh(fisher_z) * distance + residual, [distance] * 3], -1)
    points = points.astype(np.float32)
    found = next_point.BivariateNormal(tf.zeros(2), tf.zeros(2), fisher_z).log_prob(points)
    z, (x, y) = fisher_z.astype(np.longdouble), points.astype(np.longdouble).T
    rest = 1 / np.cosh(z) ** 2
    square = (x - np.tanh(z) * y) ** 2 / rest + y * y
    expected = -square / 2 - np.log(rest) / 2 - np.log(2 * np.longdouble(np.pi))
    # x and rho have 24 bits: the residual cannot be better than that.
    slack = distance * 2.0**-24 * np.cosh(fisher_z.max()) * 4
    np.testing.assert_allclose(found, expected.astype(np.float64), rtol=slack + 1e-6)


def test_the_gradients_of_the_density_are_those_of_tfps_triangular_normal():
    parameters = [tf.constant(a) for a in _numbers()]

    def gradients(make):
        with tf.GradientTape() as tape:
            tape.watch(parameters)
            values = make(*parameters[:3]).log_prob(parameters[3])
        return tape.gradient(values, parameters)

    for ours, theirs in zip(
        gradients(next_point.BivariateNormal), gradients(_triangular), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9)


def test_moments_and_entropy_are_those_of_tfps_triangular_normal():
    loc, log_scale, fisher_z, _ = _numbers()
    ours = next_point.BivariateNormal(loc, log_scale, fisher_z)
    theirs = _triangular(loc, log_scale, fisher_z)
    for name in ("mean", "mode", "stddev", "variance", "covariance", "entropy"):
        found, expected = getattr(ours, name)(), getattr(theirs, name)()
        assert found.shape == expected.shape, name
        np.testing.assert_allclose(found, expected, rtol=1e-10, err_msg=name)


def test_samples_have_the_mean_the_covariance_and_the_marginals_of_the_distribution():
    loc, log_scale, fisher_z = np.array([1.0, -2.0]), np.array([0.5, -1.0]), -1.2
    ours = next_point.BivariateNormal(loc, log_scale, fisher_z)
    drawn = ours.sample(40_000, seed=[3, 4]).numpy()
    covariance = _covariance(log_scale, fisher_z)
    deviation = np.sqrt(np.diag(covariance))
    assert (np.abs(drawn.mean(0) - loc) < 4 * deviation / 200).all()  # four standard errors
    np.testing.assert_allclose(np.cov(drawn.T), covariance, rtol=0.03)
    for axis in range(2):
        marginal = scipy.stats.norm(loc[axis], deviation[axis])
        assert scipy.stats.kstest(drawn[:, axis], marginal.cdf).pvalue > 1e-3
    white = np.linalg.solve(np.linalg.cholesky(covariance), (drawn - loc).T)
    assert scipy.stats.kstest((white**2).sum(0), scipy.stats.chi2(2).cdf).pvalue > 1e-3


def test_the_same_seed_draws_the_same_samples_and_another_others():
    ours = next_point.BivariateNormal(tf.zeros(2), tf.zeros(2), 0.3)
    np.testing.assert_array_equal(ours.sample(5, seed=[1, 2]), ours.sample(5, seed=[1, 2]))
    assert np.abs(ours.sample(5, seed=[1, 2]) - ours.sample(5, seed=[1, 3])).min() > 0


def test_samples_are_differentiable_in_the_parameters():
    loc, log_scale, fisher_z, _ = (tf.constant(a) for a in _numbers())
    with tf.GradientTape() as tape:
        tape.watch([loc, log_scale, fisher_z])
        drawn = next_point.BivariateNormal(loc, log_scale, fisher_z).sample(seed=[1, 2])
    d_loc, d_log_scale, d_fisher_z = tape.gradient(drawn, [loc, log_scale, fisher_z])
    np.testing.assert_array_equal(d_loc, np.ones((3, 5, 2)))
    np.testing.assert_allclose(d_log_scale, drawn - loc, rtol=1e-12)
    assert np.abs(d_fisher_z).min() > 0


def test_standard_normals_are_transformed_as_by_tfps_triangular_normal():
    loc, log_scale, fisher_z, white = _numbers()
    found = next_point.BivariateNormal(loc, log_scale, fisher_z).transform(white)
    expected = _triangular(loc, log_scale, fisher_z).bijector.forward(white)
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_batch_and_event_shapes_follow_the_parameters_by_broadcasting():
    ours = next_point.BivariateNormal(tf.zeros([3, 1, 2]), tf.zeros([2]), tf.zeros([5]))
    assert ours.batch_shape == ours.batch_shape_tensor().numpy().tolist() == [3, 5]
    assert ours.event_shape == ours.event_shape_tensor().numpy().tolist() == [2]
    assert ours.sample(4, seed=[1, 2]).shape == (4, 3, 5, 2)
    assert ours.log_prob(tf.zeros([4, 3, 5, 2])).shape == (4, 3, 5)
    assert ours.mean().shape == (3, 5, 2)
    assert ours.covariance().shape == (3, 5, 2, 2)
    assert ours.entropy().shape == (3, 5)
    assert ours[1].batch_shape == [5]


def test_distributions_pass_in_and_out_of_a_graph():
    loc, log_scale, fisher_z, points = _numbers(dtype=np.float32)

    @tf.function
    def make(loc):
        return next_point.BivariateNormal(loc, log_scale, fisher_z)

    @tf.function
    def evaluate(given, points):
        return given.log_prob(points)

    made = make(loc)
    assert isinstance(made, next_point.BivariateNormal)
    expected = next_point.BivariateNormal(loc, log_scale, fisher_z).log_prob(points)
    np.testing.assert_allclose(made.log_prob(points), expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(evaluate(made, points), expected, rtol=1e-5, atol=1e-5)


def _raw(shape=(B, T), seed=0):
    return np.random.default_rng(seed).normal(0, 1, (*shape, 3 + 6 * M)).astype(np.float32)


def _fields(point):
    return point.pen_logits, point.mixture_logits, point.loc, point.log_scale, point.fisher_z


def test_the_blocks_of_the_output_are_read_in_magentas_order():
    raw = np.arange(3 + 6 * M, dtype=np.float32) / 100
    parameters = next_point.NextPoint(tf.constant(raw))
    blocks = raw[3:].reshape(6, M)
    np.testing.assert_array_equal(parameters.pen_logits, raw[:3])
    np.testing.assert_array_equal(parameters.mixture_logits, blocks[0])
    np.testing.assert_array_equal(parameters.loc, blocks[1:3].T)
    np.testing.assert_allclose(parameters.scale, np.exp(blocks[3:5].T), rtol=1e-6)
    np.testing.assert_allclose(parameters.corr, np.tanh(blocks[5]), rtol=1e-6)
    assert next_point.output_size(M) == raw.size


def test_bounds_leave_ordinary_outputs_as_they_are():
    raw = tf.constant(_raw() * [[[2.5]]], tf.float32)
    bounded, free = (
        next_point.NextPoint(raw),
        next_point.NextPoint(raw, bounded=False),
    )
    for a, b in zip(_fields(bounded), _fields(free), strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_mixtures_density_is_scipys():
    raw = _raw()
    parameters = next_point.NextPoint(raw)
    points = np.random.default_rng(1).normal(0, 2, (B, T, 2)).astype(np.float32)
    distribution = parameters.offset
    assert distribution.batch_shape == [B, T]
    assert distribution.event_shape == [2]
    found = distribution.log_prob(points)
    wide = [np.asarray(a, np.float64) for a in _fields(parameters)]
    for place in np.ndindex(B, T):
        _, logits, loc, log_scale, fisher_z = (a[place] for a in wide)
        weights = np.exp(logits) / np.exp(logits).sum()
        densities = [
            scipy.stats.multivariate_normal(loc[m], _covariance(log_scale[m], fisher_z[m])).pdf(
                points[place]
            )
            for m in range(M)
        ]
        np.testing.assert_allclose(found[place], np.log(weights @ densities), rtol=1e-5, atol=1e-5)


def test_the_mixtures_density_and_gradients_are_those_with_tfps_triangular_normal():
    raw = tf.constant(_raw())
    points = tf.random.stateless_normal([B, T, 2], [1, 2])

    def run(components):
        with tf.GradientTape() as tape:
            tape.watch(raw)
            _, logits, *rest = _fields(next_point.NextPoint(raw))
            given = tfd.MixtureSameFamily(tfd.Categorical(logits=logits), components(*rest))
            values = given.log_prob(points)
        return values, tape.gradient(values, raw)

    for ours, theirs in zip(run(next_point.BivariateNormal), run(_triangular), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_samples_of_the_mixture_have_its_mean_and_covariance():
    parameters = next_point.NextPoint(tf.constant(_raw(())))
    distribution = parameters.offset
    drawn = distribution.sample(40_000, seed=[1, 2]).numpy()
    weights = tf.nn.softmax(parameters.mixture_logits).numpy().astype(np.float64)
    loc, log_scale, fisher_z = (np.asarray(a, np.float64) for a in _fields(parameters)[2:])
    mean = weights @ loc
    second = sum(
        w * (_covariance(*c[1:]) + np.outer(c[0], c[0]))
        for w, c in zip(weights, zip(loc, log_scale, fisher_z, strict=True), strict=True)
    )
    covariance = second - np.outer(mean, mean)
    assert (np.abs(drawn.mean(0) - mean) < 4 * np.sqrt(np.diag(covariance)) / 200).all()
    assert np.abs(np.cov(drawn.T) - covariance).max() < 0.05 * np.abs(covariance).max()
    np.testing.assert_allclose(distribution.mean(), mean, rtol=1e-5)
    np.testing.assert_allclose(distribution.covariance(), covariance, rtol=1e-4)


def test_the_mixture_integrates_to_one():
    parameters = next_point.NextPoint(tf.constant(_raw(()) * np.float32(0.5)))
    axis = np.linspace(-12, 12, 481, dtype=np.float32)
    grid = np.stack(np.meshgrid(axis, axis), -1)
    density = tf.exp(parameters.offset.log_prob(grid)).numpy()
    total = scipy.integrate.simpson(scipy.integrate.simpson(density, x=axis), x=axis)
    assert total == pytest.approx(1, abs=1e-3)


def test_sigma_and_rho_far_from_moderate_still_give_the_exact_density():
    random = np.random.default_rng(1)
    raw = _raw(())
    raw[3 + 3 * M : 3 + 5 * M] = random.uniform(-12, 5, 2 * M)  # Google's models go down to -12
    raw[3 + 5 * M :] = random.uniform(-4, 4, M)
    _, logits, loc, log_scale, fisher_z = _fields(next_point.NextPoint(tf.constant(raw)))
    points = (loc + 0.7 * tf.exp(log_scale)).numpy()  # one near each component
    found = next_point.NextPoint(raw).offset.log_prob(points)
    logits, *wide = (tf.cast(a, tf.float64) for a in (logits, loc, log_scale, fisher_z))
    exact = tfd.MixtureSameFamily(tfd.Categorical(logits=logits), _triangular(*wide))
    expected = [exact.log_prob(point) for point in points.astype(np.float64)]
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-3)


def test_the_pen_distribution_is_the_softmax_of_its_logits():
    parameters = next_point.NextPoint(tf.constant(_raw()))
    logits = np.asarray(parameters.pen_logits, np.float64)
    expected = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    found = parameters.pen.probs_parameter()
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_log_prob_is_that_of_offset_and_pen_together():
    point = next_point.NextPoint(tf.constant(_raw()))
    strokes = np.random.default_rng(2).normal(0, 2, (B, T, 5)).astype(np.float32)
    states = np.random.default_rng(3).integers(0, 3, (B, T))
    strokes[..., 2:] = np.eye(3)[states]
    expected = point.offset.log_prob(strokes[..., :2]) + point.pen.log_prob(states)
    np.testing.assert_allclose(point.log_prob(strokes), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("way", ["sample", "from_noise"])
def test_points_follow_tfps_own_samples(way):
    """Kolmogorov and Smirnov on projections of the offset, chi squared on the pen."""
    count = 20_000
    raw = tf.constant(np.tile(_raw(()), (count, 1)).astype(np.float32))
    point = next_point.NextPoint(raw)
    if way == "sample":
        drawn = point.sample(tf.constant([3, 4])).numpy()
    else:
        uniforms = tf.random.stateless_uniform([count, 2], [5, 6])
        noise = tf.concat([uniforms, tf.random.stateless_normal([count, 2], [7, 8])], axis=1)
        tempering = next_point.temper(tf.ones([count]), "paper")
        drawn = point.from_noise(noise, tempering)[0].numpy()
    theirs = next_point.NextPoint(raw[0]).offset.sample(count, seed=[1, 2]).numpy()
    for axis in ([1, 0], [0, 1], [0.6, 0.8], [0.6, -0.8]):
        found = scipy.stats.ks_2samp(drawn[:, :2] @ axis, theirs @ axis)
        assert found.pvalue > 1e-3, axis
        assert scipy.stats.ks_2samp(drawn[:, :2] @ axis + 0.2, theirs @ axis).pvalue < 1e-3
    expected = tf.nn.softmax(point.pen_logits[0]).numpy().astype(np.float64)
    counts = drawn[:, 2:].sum(axis=0)
    assert scipy.stats.chisquare(counts, expected / expected.sum() * count).pvalue > 1e-3


# --- no output in float32 range gives a loss or a gradient that is not finite ----------------

SIZE = 3 + 6 * 2  # of a mixture of two
_EXTREMES = [
    *(0.0, -0.0, 1.0, -1.0, 7.99, -8.0, 8.01, 19.9, -19.9, 20.1, -20.1, 16.7, 30.0, -30.0),
    *(88.7, -88.7, 89.0, -103.9, 1e3, 1e4, -1e4, 1e9, -1e9, 1.8e19, -1.9e19, 1e30, -1e30),
    *(FLOAT_MAX, -FLOAT_MAX, 1.2e-38, 1e-45, -1e-45),
]
_any_float = st.one_of(st.sampled_from(_EXTREMES), st.floats(width=32, allow_nan=False))
_finite = _any_float.filter(np.isfinite)
_targets = st.one_of(_finite, st.floats(-5, 5, width=32))


@tf.function(
    input_signature=[
        tf.TensorSpec([None, None, SIZE]),
        tf.TensorSpec([None, None, 5]),
    ]
)
def _nats_and_gradient(raw, strokes):
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(raw)
        parameters = next_point.NextPoint(raw)
        offset = losses.offset_nats(parameters, strokes)
        pen = losses.pen_nats(parameters, strokes)
        total = tf.reduce_sum(offset) + tf.reduce_sum(pen)
    gradients = [tape.gradient(values, raw) for values in (offset, pen, total)]
    return [offset, pen, total, *gradients]


def _assert_finite(raw, strokes):
    for value in _nats_and_gradient(tf.constant(raw), tf.constant(strokes)):
        assert np.isfinite(value).all()


def _strokes(offsets):
    """Returns points of a given offset, the pen going through its three states."""
    offsets = np.asarray(offsets, np.float32)
    pens = np.eye(3, dtype=np.float32)[np.arange(len(offsets)) % 3]
    return np.concatenate([offsets, pens], axis=-1)[None]


@hypothesis.settings(max_examples=300, deadline=None, derandomize=True)
@hypothesis.given(st.lists(_finite, min_size=SIZE, max_size=SIZE), st.tuples(_targets, _targets))
def test_no_output_gives_a_loss_or_a_gradient_that_is_not_finite(raw, target):
    _assert_finite(np.tile(np.array(raw, np.float32), (1, 3, 1)), _strokes([target] * 3))


def test_a_hundred_thousand_extreme_outputs_give_finite_losses_and_gradients():
    random = np.random.default_rng(0)
    shape = (400, 250)
    raw = random.choice(np.array(_EXTREMES, np.float32), (*shape, SIZE))
    ordinary = random.normal(0, 3, raw.shape).astype(np.float32)
    raw = np.where(random.random((*shape, 1)) < 0.5, raw, ordinary)
    anywhere = random.integers(0, 2**32, raw.shape, np.uint32).view(np.float32)
    chosen = (random.random(raw.shape) < 0.1) & np.isfinite(anywhere)
    raw = np.where(chosen, anywhere, raw)
    offsets = random.choice(np.array(_EXTREMES, np.float32), (*shape, 2))
    offsets = np.where(random.random((*shape, 1)) < 0.5, offsets, raw[..., 5:7])
    strokes = np.concatenate([_strokes(row) for row in offsets])
    _assert_finite(raw, strokes)


@pytest.mark.parametrize("extreme", [FLOAT_MAX, -FLOAT_MAX])
@pytest.mark.parametrize("place", range(SIZE))
def test_one_extreme_number_among_ordinary_ones_does_no_harm(place, extreme):
    raw = np.random.default_rng(place).normal(0, 1, (1, 4, SIZE)).astype(np.float32)
    raw[..., place] = extreme
    _assert_finite(raw, _strokes([(0, 0), (3, -2), (FLOAT_MAX, 0), (-FLOAT_MAX, FLOAT_MAX)]))


def test_the_free_form_does_not_survive_what_the_bounds_are_for():
    """Shows that the tests above can fail."""
    raw = np.zeros((1, 1, SIZE), np.float32)
    raw[..., 9:13] = -100.0  # log sigma
    parameters = next_point.NextPoint(tf.constant(raw), bounded=False)
    assert not np.isfinite(losses.offset_nats(parameters, _strokes([(0, 0)]))).all()
