"""The cells against NumPy and float64, written from their equations."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf.model import cells, seeds, sequence

B, T, D, H, HYPER, E = 2, 7, 3, 8, 4, 6
KINDS = list(cells.CELLS)


# A norm divides by as little as sqrt(1e-3), so it makes up to 32 times more of a rounding.
TOLERANCE = {"lstm": 2e-6, "layer_norm": 2e-5, "hyper": 2e-5, "stacked": 3e-6}


def _make(kind, **changes):
    keras.utils.set_random_seed(1)
    options = {"hyper_units": HYPER, "hyper_embedding": E, **changes}
    cell = cells.make(kind, H, **options)
    cell.build((None, D))
    return cell


def _shaken(cell, seed=3):
    """Moves every weight, so that gains, shifts and biases take part."""
    random = np.random.default_rng(seed)
    for weight in cell.trainable_variables:
        weight.assign(weight + random.normal(0, 0.3, weight.shape))
    return cell


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _norm(x, gain, shift):
    deviation = np.sqrt(((x - x.mean(-1, keepdims=True)) ** 2).mean(-1, keepdims=True) + 1e-3)
    return gain * (x - x.mean(-1, keepdims=True)) / deviation + shift


def _norms(w, gates, prefix=""):
    """Each gate's block on its own, and the function for c."""
    gain, shift = (np.split(w[f"{prefix}gate_{kind}"], 4) for kind in ("gain", "shift"))
    blocks = [_norm(*block) for block in zip(gates, gain, shift, strict=True)]
    return blocks, lambda c: _norm(c, w[f"{prefix}carry_gain"], w[f"{prefix}carry_shift"])


def _advance(gates, c, mask, norm=lambda c: c):
    i, j, f, o = gates
    c = c * _sigmoid(f + 1) + _sigmoid(i) * (np.tanh(j) * mask)
    return _sigmoid(o) * np.tanh(norm(c)), c


def _lstm(w, x, state, mask):
    h, c = state
    gates = x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"]
    h, c = _advance(np.split(gates, 4, 1), c, mask)
    return h, [h, c]


def _layer_norm(w, x, state, mask):
    h, c = state
    gates, norm = _norms(w, np.split(x @ w["kernel"] + h @ w["recurrent_kernel"], 4, 1))
    h, c = _advance(gates, c, mask, norm)
    return h, [h, c]


def _hyper(w, x, state, mask):
    h, c, small_h, small_c = state
    small = np.concatenate([x, h], 1) @ w["hyper_kernel"] + small_h @ w["hyper_recurrent_kernel"]
    gates, norm = _norms(w, np.split(small, 4, 1), "hyper_")
    small_h, small_c = _advance(gates, small_c, 1, norm)
    embeddings = np.split(small_h @ w["embedding_kernel"], 12, 1)  # 4 of x, 4 of h, 4 shifts
    biases = [*np.split(w["embedding_bias"], 8), 0, 0, 0, 0]
    made = [
        (embedding + bias) @ matrix
        for embedding, bias, matrix in zip(embeddings, biases, w["generator"], strict=True)
    ]
    from_x, from_h = np.split(x @ w["kernel"], 4, 1), np.split(h @ w["recurrent_kernel"], 4, 1)
    bias = np.split(w["bias"], 4)
    gates = [
        made[k] * from_x[k] + made[4 + k] * from_h[k] + made[8 + k] + bias[k] for k in range(4)
    ]
    gates, norm = _norms(w, gates)
    h, c = _advance(gates, c, mask, norm)
    return h, [h, c, small_h, small_c]


def _stacked(w, x, state, mask):
    h1, c1, h2, c2 = state
    lower, upper = np.split(x @ w["kernel"] + w["bias"], 2, 1)
    masks = np.split(mask, 2, 1)
    h1, c1 = _advance(np.split(lower + h1 @ w["first_kernel"], 4, 1), c1, masks[0])
    below, own = np.split(w["second_kernel"], 2)
    h2, c2 = _advance(np.split(upper + h1 @ below + h2 @ own, 4, 1), c2, masks[1])
    return np.concatenate([h1, h2], 1), [h1, c1, h2, c2]


BY_HAND = {"lstm": _lstm, "layer_norm": _layer_norm, "hyper": _hyper, "stacked": _stacked}


def _run_by_hand(cell, kind, inputs, states, masks):
    weights = {v.name: v.numpy().astype(np.float64) for v in cell.trainable_variables}
    outputs, states = [], [np.float64(state) for state in states]
    for x, mask in zip(np.float64(inputs), np.float64(masks), strict=True):
        output, states = BY_HAND[kind](weights, x, states, mask)
        outputs.append(output)
    return np.stack(outputs), states


def _sequence(cell, seed=4):
    random = np.random.default_rng(seed)
    inputs = random.normal(size=(T, B, D)).astype(np.float32)
    states = [random.normal(size=(B, n)).astype(np.float32) for n in cell.state_size]
    masks = (random.random((T, B, cell.units)) < 0.7).astype(np.float32) / np.float32(0.7)
    return inputs, states, masks


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("masked", [False, True])
def test_cells_follow_their_equations_to_the_rounding_of_float32(kind, masked):
    cell = _shaken(_make(kind))
    inputs, states, masks = _sequence(cell)
    masks = masks if masked else np.ones_like(masks)
    expected = _run_by_hand(cell, kind, inputs, states, masks)
    given = tf.constant(masks) if masked else None
    found = sequence.run_sequence(cell, tf.constant(inputs), None, states, given)
    for ours, theirs in zip(tf.nest.flatten(found), tf.nest.flatten(expected), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_cell_works_alone_in_a_keras_rnn(kind):
    cell = _shaken(_make(kind, recurrent_dropout=0.4))
    inputs, _, _ = _sequence(cell)
    layer = keras.layers.RNN(cell, return_sequences=True, return_state=True)
    found, *last = layer(tf.transpose(tf.constant(inputs), [1, 0, 2]))
    zeros = [np.zeros((B, n)) for n in cell.state_size]
    expected, states = _run_by_hand(cell, kind, inputs, zeros, np.ones((T, B, cell.units)))
    np.testing.assert_allclose(tf.transpose(found, [1, 0, 2]), expected, atol=TOLERANCE[kind])
    for ours, theirs in zip(last, states, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=TOLERANCE[kind])


@pytest.mark.parametrize("kind", KINDS)
def test_a_keras_rnn_of_a_cell_comes_back_from_its_config(kind):
    cell = _make(kind, recurrent_dropout=0.4, seed=7)
    layer = keras.layers.RNN(cell, return_sequences=True)
    again = keras.layers.RNN.from_config(layer.get_config())
    assert type(again.cell) is type(cell)
    assert again.cell.get_config() == cell.get_config()
    inputs = tf.random.stateless_normal([B, T, D], [1, 2])
    expected = layer(inputs)
    again.build(inputs.shape)
    again.set_weights(layer.get_weights())
    np.testing.assert_array_equal(again(inputs), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_in_a_keras_rnn_dropout_acts_in_training_only_with_a_fresh_mask_each_call(kind):
    layer = keras.layers.RNN(_make(kind, recurrent_dropout=0.5, seed=7), return_sequences=True)
    inputs = tf.random.stateless_normal([B, T, D], [1, 2])
    still = [layer(inputs, training=False) for _ in range(2)]
    np.testing.assert_array_equal(*still)
    first, second = (layer(inputs, training=True).numpy() for _ in range(2))
    assert np.abs(first - second).max() > 1e-3
    assert np.abs(first - still[0]).max() > 1e-3


def test_a_dropped_candidate_leaves_the_memory_to_fade():
    """In c' = c sigmoid(f + 1) nothing is added, and h is not masked."""
    cell = _shaken(_make("lstm"))
    inputs, (h, c), _ = _sequence(cell)
    projected = cell.project(tf.constant(inputs[0]))
    output, (_, dropped) = cell.step(projected, [h, c], tf.zeros([B, H]))
    gates = projected + h @ cell.recurrent_kernel.numpy()
    forget = _sigmoid(gates.numpy()[:, 2 * H : 3 * H] + 1)
    np.testing.assert_allclose(dropped, c * forget, rtol=1e-5)
    assert np.abs(output).min() > 0


def test_new_recurrent_weights_are_orthogonal_a_gate_and_input_weights_glorot_uniform():
    keras.utils.set_random_seed(1)
    cell = cells.LSTMCell(40)
    cell.build((None, 60))
    for block in np.split(cell.recurrent_kernel.numpy(), 4, axis=1):
        np.testing.assert_allclose(block @ block.T, np.eye(40), atol=1e-5)
    limit = np.sqrt(6 / (60 + 160))
    kernel = cell.kernel.numpy()
    assert limit * 0.99 < np.abs(kernel).max() <= limit
    assert kernel.std() == pytest.approx(limit / np.sqrt(3), rel=0.05)
    assert not cell.bias.numpy().any()
    blocks = np.split(cell.recurrent_kernel.numpy(), 4, axis=1)
    assert np.abs(blocks[0] - blocks[1]).max() > 0.1  # not four times the same


def test_new_scales_of_the_hyper_cell_are_a_tenth_and_its_shifts_nothing():
    keras.utils.set_random_seed(1)
    cell = cells.make("hyper", H, hyper_units=64, hyper_embedding=8)
    cell.build((None, D))
    kernel = cell.embedding_kernel.numpy()
    assert not kernel[:, : 8 * 8].any()
    assert kernel[:, 8 * 8 :].std() == pytest.approx(0.01, rel=0.1)
    np.testing.assert_array_equal(cell.embedding_bias, np.ones(8 * 8))
    np.testing.assert_allclose(cell.generator[:8], np.full((8, 8, H), 0.1 / 8))
    assert not cell.generator[8:].numpy().any()
    weights = cell.step_weights()
    small = tf.random.stateless_normal([B, 64], [1, 2])
    scale_x, scale_h, shift = cell._scales_and_shifts(weights, lambda x, n: x @ weights[n], small)
    np.testing.assert_allclose(scale_x, np.full((B, 4 * H), 0.1), rtol=1e-6)
    np.testing.assert_allclose(scale_h, np.full((B, 4 * H), 0.1), rtol=1e-6)
    np.testing.assert_allclose(shift, np.zeros((B, 4 * H)), atol=1e-7)


@pytest.mark.parametrize("kind", ["layer_norm", "hyper"])
def test_new_norms_have_gain_one_and_shift_zero(kind):
    for variable in _make(kind).trainable_variables:
        if "_gain" in variable.name:
            np.testing.assert_array_equal(variable, np.ones(variable.shape))
        if "_shift" in variable.name:
            np.testing.assert_array_equal(variable, np.zeros(variable.shape))


def test_a_layer_norm_cell_has_no_bias():
    assert not [v.name for v in _make("layer_norm").trainable_variables if v.name == "bias"]


def test_an_unknown_cell_is_refused_by_naming_the_known_ones():
    with pytest.raises(
        ValueError, match="no cell 'gru', expected one of lstm, layer_norm, hyper, stacked"
    ):
        cells.make("gru", H)


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5])
def test_a_drop_rate_outside_zero_to_one_is_refused(rate):
    with pytest.raises(
        ValueError, match=r"recurrent_dropout is .*expected a drop rate in \[0, 1\)"
    ):
        cells.LSTMCell(H, recurrent_dropout=rate)


@pytest.mark.parametrize("rate", [0.1, 0.37])
def test_masks_drop_at_their_rate_and_keep_the_mean(rate):
    mask = seeds.mask([40, 50, 101], rate, tf.constant([1, 2])).numpy()
    count = mask.size
    assert set(np.unique(mask)) == {0, mask.max()}
    assert mask.max() == pytest.approx(1 / (1 - rate), rel=1e-4)
    spread = 4 * np.sqrt(rate * (1 - rate) / count)
    assert abs((mask == 0).mean() - rate) < spread
    dropped = mask == 0
    for a, b in (
        (dropped[1:], dropped[:-1]),
        (dropped[:, 1:], dropped[:, :-1]),
        (dropped[..., 1:], dropped[..., :-1]),
    ):  # neighbors in time, batch and units do not depend on each other
        assert abs((a & b).mean() - rate * rate) < 4 * rate * np.sqrt(2 / a.size)


def test_masks_are_functions_of_their_seed_and_stream():
    seed = tf.constant([1, 2])
    masks = [
        seeds.mask([8, 9], 0.5, given).numpy()
        for given in (seed, seed, tf.constant([1, 3]), seeds.fold(seed, 0), seeds.fold(seed, 1))
    ]
    np.testing.assert_array_equal(masks[0], masks[1])
    for other in masks[2:]:
        assert (masks[0] != other).any()
    assert (masks[3] != masks[4]).any()


def test_a_rate_of_zero_makes_no_mask():
    assert seeds.mask([8, 9], 0.0, tf.constant([1, 2])) is None
