"""Drawing point by point: against the distribution, Magenta's own drawings and a known one."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.interop import magenta_names
from sketch_rnn_tf.model import next_point
from sketch_rnn_tf.model.decoder import Decoder
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import loop

DRAWS = 40_000
WEIGHTS = np.array([0.7, 0.3])
PEN = np.array([0.6, 0.3, 0.1])
LOC = np.array([[1.0, -2.0], [-3.0, 0.5]])
SCALE = np.array([[0.5, 1.5], [1.0, 0.25]])
RHO = np.array([0.8, -0.5])


def _raw(batch: int) -> tf.Tensor:
    """The same two components for every row."""
    blocks = [np.log(PEN), np.log(WEIGHTS), LOC[:, 0], LOC[:, 1]]
    blocks += [np.log(SCALE[:, 0]), np.log(SCALE[:, 1]), np.arctanh(RHO)]
    raw = np.concatenate(blocks).astype(np.float32)
    return tf.constant(np.tile(raw, (batch, 1)))


def _choose(raw, noise, temperature, mode="paper", greedy=False):
    tempering = next_point.temper(tf.constant(temperature), mode)
    return next_point.NextPoint(raw).from_noise(noise, tempering, greedy)


def _draw(temperature, mode: str) -> np.ndarray:
    rng = np.random.default_rng(11)
    uniforms, normals = rng.random((DRAWS, 2)), rng.normal(size=(DRAWS, 2))
    noise = tf.constant(np.concatenate([uniforms, normals], axis=1).astype(np.float32))
    tau = tf.constant(np.tile(np.float32(temperature), (DRAWS, *[1] * np.ndim(temperature))))
    return _choose(_raw(DRAWS), noise, tau, mode)[0].numpy()


def _expected(pen_divisor: float, divisor: float, factor: float):
    """Mean, covariance and pen frequencies by hand, for logits / divisor and sigma * factor."""
    weights = WEIGHTS ** (1 / divisor) / (WEIGHTS ** (1 / divisor)).sum()
    pen = PEN ** (1 / pen_divisor) / (PEN ** (1 / pen_divisor)).sum()
    mean = weights @ LOC
    second = np.zeros((2, 2))
    for weight, loc, scale, rho in zip(weights, LOC, SCALE * factor, RHO, strict=True):
        mixed = rho * scale[0] * scale[1]
        covariance = np.array([[scale[0] ** 2, mixed], [mixed, scale[1] ** 2]])
        second += weight * (covariance + np.outer(loc, loc))
    return mean, second - np.outer(mean, mean), pen


@pytest.mark.parametrize(
    ("temperature", "mode", "expected"),
    [
        (1.0, "paper", (1, 1, 1)),
        (0.4, "paper", (0.4, 0.4, 0.4**0.5)),
        (2.0, "paper", (2, 2, 2**0.5)),
        (0.4, "magenta", (0.4, 0.4, 0.4)),
        (0.4, "javascript", (0.7, 0.7, 0.4**0.5)),
        ([0.2, 0.5, 3.0], "paper", (0.2, 0.5, 3**0.5)),
    ],
)
def test_points_have_the_moments_of_their_distribution(temperature, mode, expected):
    drawn = _draw(temperature, mode)
    mean, covariance, pen = _expected(*expected)
    deviation = np.sqrt(np.diag(covariance))
    error = 4.5 / np.sqrt(DRAWS)  # of a mean, in standard deviations
    np.testing.assert_array_less(np.abs(drawn[:, :2].mean(0) - mean), error * deviation)
    found = np.cov(drawn[:, :2].T)
    np.testing.assert_array_less(
        np.abs(found - covariance), 2.5 * error * np.outer(deviation, deviation)
    )
    np.testing.assert_allclose(drawn[:, 2:].mean(0), pen, atol=error)


def test_samples_follow_the_mixtures_cumulative_distribution():
    stats = pytest.importorskip("scipy.stats")
    x = _draw(1.0, "paper")[:5000, 0]

    def distribution(value):
        parts = zip(WEIGHTS, LOC[:, 0], SCALE[:, 0], strict=True)
        return sum(weight * stats.norm.cdf(value, loc, scale) for weight, loc, scale in parts)

    assert stats.kstest(x, distribution).pvalue > 1e-3
    assert stats.kstest(x + 0.1, distribution).pvalue < 1e-3


def test_temperature_one_changes_nothing_in_any_mode():
    for mode in ("paper", "magenta", "javascript"):
        sharpness, log_factor = next_point.temper(tf.ones([3]), mode)
        np.testing.assert_array_equal(sharpness, np.ones((3, 2, 1)))
        np.testing.assert_array_equal(log_factor, np.zeros((3, 1)))


def test_an_unknown_mode_names_the_known_ones():
    with pytest.raises(ValueError, match="'hot', expected one of paper, magenta, javascript"):
        next_point.temper(tf.ones([1]), "hot")


def test_greedy_takes_the_likeliest_component_and_pen():
    point, ends = _choose(_raw(1), tf.fill([1, 4], np.nan), tf.ones([1]), greedy=True)
    np.testing.assert_allclose(point[0], [*LOC[0], 1, 0, 0], rtol=1e-6)
    assert not ends[0]


def test_the_lowest_temperature_takes_the_likeliest_component_and_pen():
    noise = tf.constant([[0.0, 0.0, 0.0, 0.0], [1 - 2**-24, 1 - 2**-24, 0.0, 0.0]])
    points, _ = _choose(_raw(2), noise, tf.fill([2], np.finfo(np.float32).tiny))
    np.testing.assert_allclose(points, [[*LOC[0], 1, 0, 0]] * 2, rtol=1e-6)


def test_uniform_numbers_at_the_ends_choose_a_component_that_is_there():
    noise = tf.constant([[0.0, 0.0, 0.0, 0.0], [1 - 2**-24, 1 - 2**-24, 0.0, 0.0]])
    points, ends = _choose(_raw(2), noise, tf.ones([2]))
    np.testing.assert_allclose(points[:, :2], LOC, rtol=1e-6)
    np.testing.assert_array_equal(points[:, 2:], [[1, 0, 0], [0, 0, 1]])
    np.testing.assert_array_equal(ends, [False, True])


@pytest.mark.parametrize("components", [1, 3, 20])
def test_points_are_those_of_numpy(components):
    random = np.random.default_rng(components)
    raw = random.normal(0, 3, [50, 3 + 6 * components]).astype(np.float32)
    numbers = np.concatenate([random.random([50, 2]), random.normal(size=[50, 2])], axis=1)
    tau = random.uniform(0.1, 2, [50, 3]).astype(np.float32)
    points, ends = _choose(tf.constant(raw), tf.constant(numbers, tf.float32), tau, "magenta")
    for point, end, *given in zip(points, ends, raw, numbers, tau, strict=True):
        expected, pen = _by_hand(*given)
        np.testing.assert_allclose(point[:2], expected, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(point[2:], np.eye(3)[pen])
        assert bool(end) == (pen == 2)


def _by_hand(raw, numbers, tau):
    """Offset and pen state in float64, Magenta's temperature."""
    blocks = raw[3:].astype(np.float64).reshape(6, -1)
    component = _passed(blocks[0] / tau[1], numbers[0])
    mu, log_sigma = blocks[1:3, component], blocks[3:5, component]
    rho = np.tanh(blocks[5, component])
    x, y = numbers[2:]
    white = np.array([x, rho * x + np.sqrt(1 - rho**2) * y])
    pen = _passed(raw[:3].astype(np.float64) / tau[0], numbers[1])
    return mu + np.exp(log_sigma) * tau[2] * white, pen


def _passed(logits, uniform) -> int:
    weights = np.exp(logits - logits.max())
    return int(np.searchsorted(np.cumsum(weights) / weights.sum(), uniform, side="right"))


@pytest.mark.parametrize(
    "name",
    ["conditional", "conditional_layer_norm", "conditional_hyper", "decoder_only_lstm"],
)
def test_greedy_drawings_are_magentas(vectors, name):
    theirs = vectors(name)
    model = _model_of(theirs, name)
    z = tf.constant(theirs["z"][:1]) if model.conditional else None
    context = model.context(z)
    length = len(theirs["greedy_strokes"])
    step = model.decoder.stepper(context, 1)
    drawn, lengths = loop.sample_from_noise(
        step,
        step.initial_states,
        tf.constant([model.start_token]),
        tf.zeros([1, length, 4]),
        next_point.temper(tf.ones([1]), "magenta"),
        greedy=True,
    )
    expected = theirs["greedy_strokes"].copy()
    expected[int(lengths[0]) :] = stroke_forms.PADDING
    np.testing.assert_array_equal(drawn[0, :, 2:], expected[:, 2:])
    np.testing.assert_allclose(drawn[0, :, :2], expected[:, :2], atol=1e-4)


def _model_of(theirs, name: str) -> SketchRNN:
    cell = "lstm" if name == "conditional" else name.removeprefix("conditional_")
    cell = "lstm" if name == "decoder_only_lstm" else cell
    hyper = {"hyper_units": 6, "hyper_embedding": 4}
    model = SketchRNN(
        max_length=24,
        conditional=name != "decoder_only_lstm",
        z_size=8,
        num_mixtures=3,
        encoder={"units": 7, **hyper},
        decoder={"units": 12, "cell": cell, **hyper},
    )
    magenta_names.assign(
        model, {key[2:]: value for key, value in theirs.items() if key.startswith("W/")}
    )
    return model


class _Speller:
    """A decoder whose only possible next point is the next one of a known drawing."""

    def __init__(self, rows: np.ndarray):
        self.rows = tf.constant(rows, tf.float32)  # [B, N, 5]

    def __call__(self, stroke, states):
        """Counts in its state, so that what comes next depends on the steps made."""
        (t,) = states
        row = tf.gather(self.rows, tf.minimum(t[:, 0], self.rows.shape[1] - 1), batch_dims=1)
        pen = 200.0 * row[:, 2:] - 100.0
        sure = tf.fill([tf.shape(row)[0], 2], -9.5)  # log sigma
        raw = tf.concat([pen, tf.zeros_like(row[:, :1]), row[:, :2], sure], axis=1)
        return tf.concat([raw, tf.zeros_like(row[:, :1])], axis=1), [t + 1]


def _spell(rows: np.ndarray, length: int, **options):
    batch = len(rows)
    noise = np.random.default_rng(5).random((batch, length, 4)).astype(np.float32)
    return loop.sample_from_noise(
        _Speller(rows),
        [tf.zeros([batch, 1], tf.int32)],
        tf.tile(tf.constant([stroke_forms.START_TOKEN]), [batch, 1]),
        tf.constant(noise),
        next_point.temper(tf.ones([batch]), "paper"),
        **options,
    )


def _known(length: int) -> np.ndarray:
    """Two drawings, of 3 and 5 points, as stroke-5 [2, length, 5]."""
    rng = np.random.default_rng(6)
    drawings = []
    for points in (3, 5):
        rows = rng.normal(size=(points, 3))
        rows[:, 2] = np.arange(points) % 2
        drawings.append(stroke_forms.stroke3_to_stroke5(rows, length))
    return np.stack(drawings)


def test_a_decoder_that_spells_a_drawing_draws_it():
    known = _known(9)
    drawn, lengths = _spell(known, 9)
    np.testing.assert_array_equal(lengths, [3, 5])
    np.testing.assert_allclose(drawn, known, atol=1e-3)
    np.testing.assert_array_equal(drawn[..., 2:], known[..., 2:])


def test_a_sketch_that_does_not_end_has_the_full_length():
    drawn, lengths = _spell(_known(9), 4)
    np.testing.assert_array_equal(lengths, [3, 4])
    np.testing.assert_array_equal(drawn[1, :, 4], np.zeros(4))


def test_a_skipped_row_has_no_points_and_changes_no_other():
    known = _known(9)
    for skipped in ([True, False], [True, True]):
        drawn, lengths = _spell(known, 9, skipped=tf.constant(skipped))
        np.testing.assert_array_equal(lengths, np.where(skipped, 0, [3, 5]))
        expected = np.where(np.array(skipped)[:, None, None], stroke_forms.PADDING, known)
        np.testing.assert_allclose(drawn, expected, atol=1e-3)


@pytest.mark.parametrize("cell", ["lstm", "layer_norm", "hyper", "stacked"])
@pytest.mark.parametrize("context_size", [0, 3])
@pytest.mark.parametrize("position", [False, True])
def test_a_stepper_says_what_the_decoder_says_of_the_whole_sketch(cell, context_size, position):
    hyper = {"hyper_units": 6, "hyper_embedding": 4}
    options = {"context_size": context_size, "absolute_position": position, **hyper}
    decoder = Decoder(units=8, num_mixtures=4, cell=cell, **options)
    decoder.build()
    random = np.random.default_rng(8)
    for weight in decoder.weights:  # nothing that is zero or one at the start stays so
        weight.assign(random.normal(0, 0.3, weight.shape))
    strokes = tf.constant(random.normal(size=(2, 7, 5)), tf.float32)
    context = tf.constant(random.normal(size=(2, 3)), tf.float32) if context_size else None
    expected = decoder(strokes, context)
    step = decoder.stepper(context, 2)
    states = step.initial_states
    for t in range(7):
        raw, states = step(strokes[:, t], states)
        np.testing.assert_allclose(raw, expected[:, t], atol=1e-5)


def test_a_given_beginning_is_read_and_not_drawn():
    known = _known(9)
    prefix = np.random.default_rng(7).normal(size=(2, 4, 5)).astype(np.float32)
    prefix[..., 2:] = [1, 0, 0]
    drawn, lengths = _spell(
        known, 9, prefix=tf.constant(prefix), prefix_lengths=tf.constant([2, 4])
    )
    np.testing.assert_array_equal(lengths, [3, 5])
    np.testing.assert_array_equal(drawn[0, :2], prefix[0, :2])
    np.testing.assert_array_equal(drawn[1, :4], prefix[1])
    np.testing.assert_allclose(drawn[0, 2:], known[0, 2:], atol=1e-3)
    np.testing.assert_allclose(drawn[1, 4:], known[1, 4:], atol=1e-3)


def test_noise_is_a_function_of_its_own_seed():
    rows = loop.noise_from_seeds(tf.constant([[0, 0], [0, 1], [1, 0]]), 7).numpy()
    alone = loop.noise_from_seeds(tf.constant([[0, 1]]), 5).numpy()
    np.testing.assert_array_equal(alone[0], rows[1, :5])
    assert len(np.unique(rows)) == rows.size


def test_noise_is_uniform_and_normal():
    stats = pytest.importorskip("scipy.stats")
    noise = loop.noise_from_seeds(tf.constant([[3, i] for i in range(20)]), 200).numpy()
    for column, name in enumerate(["uniform", "uniform", "norm", "norm"]):
        assert stats.kstest(noise[..., column].ravel(), name).pvalue > 1e-3
    correlations = np.corrcoef(noise.reshape(-1, 4).T) - np.eye(4)
    assert np.abs(correlations).max() < 4.5 / np.sqrt(4000)


def test_latents_are_standard_normal_and_not_the_noise():
    stats = pytest.importorskip("scipy.stats")
    seeds = tf.constant([[3, i] for i in range(20)])
    z = loop.latents_from_seeds(seeds, 200).numpy()
    assert stats.kstest(z.ravel(), "norm").pvalue > 1e-3
    noise = loop.noise_from_seeds(seeds, 200).numpy()
    assert np.intersect1d(z, noise).size < 0.01 * z.size  # float32 normals do coincide
