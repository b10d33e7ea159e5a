import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf.model import cells, sequence
from sketch_rnn_tf.model.decoder import Decoder

B, T, C, H, M = 2, 7, 4, 5, 3
KINDS = list(cells.CELLS)


def _decoder(kind="lstm", context_size=C, **changes):
    keras.utils.set_random_seed(2)
    arguments = {"cell": kind, "hyper_units": 6, "hyper_embedding": 2, **changes}
    units = H + (kind == "stacked")  # two layers of the same size
    decoder = Decoder(units, M, context_size=context_size, **arguments)
    decoder.build()
    random = np.random.default_rng(1)
    for weight in decoder.trainable_variables:
        weight.assign(weight + random.normal(0, 0.3, weight.shape))
    return decoder


def _inputs(length=T, seed=0):
    random = np.random.default_rng(seed)
    pens = np.eye(3)[random.integers(0, 2, (B, length))]
    points = np.concatenate([random.normal(size=(B, length, 2)), pens], -1)
    return tf.constant(points, tf.float32)


def _context(decoder, seed=3):
    if not decoder.context_size:
        return None
    return tf.random.stateless_normal([B, decoder.context_size], [seed, 1])


CASES = list(itertools.product(KINDS, [0, C], [False, True]))


@pytest.mark.parametrize(("kind", "size", "absolute"), CASES)
def test_a_sequence_is_its_steps(kind, size, absolute):
    decoder = _decoder(kind, size, absolute_position=absolute)
    inputs, context = _inputs(), _context(decoder)
    whole = decoder(inputs, context=context)
    assert whole.shape == (B, T, 3 + 6 * M)
    read, states, steps = decoder.stepper(context, B), decoder.initial_state(B, context), []
    for t in range(T):
        alone, _ = decoder.step(inputs[:, t], states, context)
        raw, states = read(inputs[:, t], states)
        assert [state.shape[1] for state in states] == decoder.state_size
        np.testing.assert_array_equal(alone, raw)
        steps.append(raw)
    np.testing.assert_allclose(tf.stack(steps, 1), whole, atol=3e-6)


@pytest.mark.parametrize(("kind", "absolute"), list(itertools.product(KINDS, [False, True])))
def test_a_sequence_can_go_on_from_the_state_of_a_step(kind, absolute):
    decoder = _decoder(kind, absolute_position=absolute)
    inputs, context = _inputs(), _context(decoder)
    states = decoder.initial_state(B, context)
    for t in range(3):
        _, states = decoder.step(inputs[:, t], states, context)
    rest = decoder(inputs[:, 3:], context=context, states=states)
    np.testing.assert_allclose(rest, decoder(inputs, context=context)[:, 3:], atol=3e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_point_is_told_by_the_points_before_it_alone(kind):
    decoder = _decoder(kind, absolute_position=True)
    inputs, context = _inputs(), _context(decoder)
    changed = tf.concat([inputs[:, :4], inputs[:, 4:] + 1.0], axis=1)
    before, after = (decoder(given, context=context).numpy() for given in (inputs, changed))
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert np.abs(before[:, 4:] - after[:, 4:]).max(axis=(0, 2)).min() > 1e-4


def test_the_initial_state_is_the_tanh_of_a_linear_function_of_the_context():
    decoder = _decoder()
    context = _context(decoder)
    weights, bias = (v.numpy() for v in decoder.state_layer.trainable_variables)
    expected = np.tanh(context.numpy() @ weights + bias)
    np.testing.assert_allclose(
        tf.concat(decoder.initial_state(B, context), -1), expected, rtol=1e-5
    )
    older = _decoder(tanh_of_z=True)
    expected = np.tanh(np.tanh(context.numpy()) @ weights + bias)
    np.testing.assert_allclose(tf.concat(older.initial_state(B, context), -1), expected, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_alone_starts_from_zero(kind):
    decoder = _decoder(kind, 0, absolute_position=True)
    states = decoder.initial_state(B)
    assert [tuple(state.shape) for state in states] == [(B, n) for n in decoder.state_size]
    assert not any(np.any(state) for state in states)
    assert decoder.state_layer is None


def test_the_context_is_an_input_at_every_step():
    """Not only in the initial state."""
    decoder = _decoder()
    inputs, context = _inputs(), _context(decoder)
    states = decoder.initial_state(B, context)
    one = decoder(inputs, context=context, states=states).numpy()
    other = decoder(inputs, context=-context, states=states).numpy()
    assert np.abs(one - other).max(axis=(0, 2)).min() > 1e-3


def test_the_absolute_position_is_the_sum_of_the_offsets_read():
    decoder = _decoder(absolute_position=True)
    inputs, context = _inputs(), _context(decoder)
    states = decoder.initial_state(B, context)
    for t in range(T):
        _, states = decoder.step(inputs[:, t], states, context)
    np.testing.assert_allclose(states[-1], inputs.numpy()[..., :2].sum(axis=1), atol=1e-6)


# --- dropout ---------------------------------------------------------------------------------

STEPS = 8000  # in all sketches together
RATES = ("recurrent_dropout", "input_dropout", "output_dropout")


@pytest.mark.parametrize("rate", RATES)
def test_each_dropout_acts_in_training_only_and_follows_its_seed(rate):
    decoder = _decoder(**{rate: 0.5})
    inputs, context = _inputs(), _context(decoder)

    def run(*seed, training=True):
        return decoder(inputs, context=context, training=training, seed=tf.constant(seed)).numpy()

    np.testing.assert_array_equal(run(1, 2), run(1, 2))
    assert np.abs(run(1, 2) - run(1, 3)).max() > 1e-3
    plain = _decoder()(inputs, context=context)
    np.testing.assert_array_equal(run(1, 2, training=False), plain)
    assert np.abs(run(1, 2) - plain).max() > 1e-3
    states = decoder.initial_state(B, context)
    first, _ = decoder.step(inputs[:, 0], states, context)
    np.testing.assert_allclose(first, plain[:, 0], atol=3e-6)  # stepping never drops


def _reaching(layer, method, decoder, monkeypatch, position=0):
    """Returns what a training pass over equal points gives a layer to read, [T, B, n]."""
    seen, original = [], getattr(layer, method)

    def record(*given, **named):
        seen.append(given[position])
        return original(*given, **named)

    monkeypatch.setattr(layer, method, record)
    inputs = tf.ones([STEPS // 40, 40, 5])
    context = tf.ones([STEPS // 40, C])
    states = decoder.initial_state(STEPS // 40, context)
    seen.clear()
    decoder(inputs, context=context, states=states, training=True, seed=tf.constant([1, 2]))
    return seen[0].numpy()


@pytest.mark.parametrize("rate", [0.1, 0.4])
def test_input_dropout_hides_points_and_context_at_its_rate_and_scales_the_rest(rate, monkeypatch):
    decoder = _decoder(input_dropout=rate)
    seen = _reaching(sequence, "run_sequence", decoder, monkeypatch, 1)
    assert seen.shape == (40, STEPS // 40, 5 + C)
    assert set(np.unique(seen)) == {0, seen.max()}
    assert seen.max() == pytest.approx(1 / (1 - rate), rel=1e-4)
    assert np.abs((seen == 0).mean(axis=(0, 1)) - rate).max() < 5 * np.sqrt(rate / STEPS)
    assert (seen[0] != seen[1]).any()


def test_output_dropout_hides_outputs_at_its_rate_and_scales_the_rest(monkeypatch):
    rate = 0.3
    dropping, whole = _decoder(output_dropout=rate), _decoder()
    seen, expected = (
        _reaching(decoder.output_layer, "call", decoder, monkeypatch)
        for decoder in (dropping, whole)
    )
    assert np.abs((seen == 0).mean(axis=(0, 1)) - rate).max() < 5 * np.sqrt(rate / STEPS)
    kept = seen != 0
    np.testing.assert_allclose(seen[kept], expected[kept] / (1 - rate), rtol=1e-4)


def test_the_three_masks_are_independent():
    """The same rate and seed, the same unit: one mask says nothing of another."""
    seed, shape = tf.constant([1, 2]), [300, B, 40]
    decoder = _decoder(input_dropout=0.5)
    masks = [
        decoder._mask(tf.zeros([*shape[:2], 5]), 40, 0.5, True, seed, stream).numpy() > 0
        for stream in range(3)
    ]
    for a, b in itertools.combinations(masks, 2):
        assert abs((a == b).mean() - 0.5) < 4 * 0.5 / np.sqrt(a.size)


@pytest.mark.parametrize("kind", KINDS)
def test_a_decoder_comes_back_from_its_config(kind):
    changes = {"absolute_position": True, "tanh_of_z": True, **dict.fromkeys(RATES, 0.25)}
    decoder = _decoder(kind, **changes)
    again = Decoder.from_config(decoder.get_config())
    again.build()
    assert again.get_config() == decoder.get_config()
    again.set_weights(decoder.get_weights())
    context, seed = _context(decoder), tf.constant([1, 2])
    found, expected = (
        one(_inputs(), context=context, training=True, seed=seed) for one in (again, decoder)
    )
    np.testing.assert_array_equal(found, expected)


def test_new_output_and_state_layers_start_as_magentas():
    keras.utils.set_random_seed(1)
    decoder = Decoder(40, 20, context_size=50)
    decoder.build()
    kernel, bias = (v.numpy() for v in decoder.output_layer.trainable_variables)
    for value, fans in ((kernel, 40 + 123), (bias, 123 + 123)):
        limit = np.sqrt(6 / fans)
        assert limit * 0.9 < np.abs(value).max() <= limit
    state_kernel, state_bias = (v.numpy() for v in decoder.state_layer.trainable_variables)
    assert state_kernel.std() == pytest.approx(0.001, rel=0.05)
    assert not state_bias.any()
