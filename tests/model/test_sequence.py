import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf.model import cells, sequence

B, T, D, C, H = 2, 7, 3, 4, 5


def _cell(kind, dtype="float32", units=H, size=D):
    keras.utils.set_random_seed(1)
    units += kind == "stacked" and units % 2  # two layers of the same size
    cell = cells.make(kind, units, dtype=dtype, hyper_units=units - 1, hyper_embedding=6)
    cell.build((None, size))
    random = np.random.default_rng(3)
    for weight in cell.trainable_variables:
        weight.assign(weight + random.normal(0, 0.3, weight.shape))
    return cell


def _given(cell, masked, length=T):
    """Returns inputs, states, the weights of the outputs in a loss and, where wanted, a mask."""
    random = np.random.default_rng(4)
    inputs = tf.constant(random.normal(size=(length, B, D)), tf.float32)
    states = [tf.constant(random.normal(size=(B, n)), tf.float32) for n in cell.state_size]
    kept = random.random((length, B, cell.units)) < 0.8
    mask = tf.constant(kept, tf.float32) / 0.8 if masked else None
    weights = tf.constant(random.normal(size=(length, B, cell.units)), tf.float32)
    return inputs, states, weights, *([mask] if masked else [])


def _open_sizes(cell):
    """Returns what `_given` is without a mask, of any length and batch."""
    states = [tf.TensorSpec([None, n]) for n in cell.state_size]
    return [tf.TensorSpec([None, None, D]), states, tf.TensorSpec([None, None, cell.units])]


def _compute(cell, read, context=None):
    """Returns a function of `_given` to values and every gradient of a loss over all of them."""
    watched = [] if context is None else [context]

    def compute(inputs, states, weights, mask=None):
        with tf.GradientTape() as tape:
            tape.watch([inputs, states, *watched])
            outputs, last = read(inputs, context, states, mask)
            loss = tf.reduce_sum(outputs * weights)
            loss += tf.add_n([tf.reduce_sum(tf.sin(state)) for state in last])
        gradients = tape.gradient(loss, [inputs, states, cell.trainable_variables, *watched])
        return outputs, last, gradients

    return compute


def _fast(cell):
    return functools.partial(sequence.run_sequence, cell)


def _run_fast(cell, masked, length=T, context=None, graph=False):
    """Without a graph, unless it is wanted: the making of one would take most of the time."""
    compute = _compute(cell, _fast(cell), context)
    compute = tf.function(compute, autograph=False) if graph else compute
    return tf.nest.flatten(compute(*_given(cell, masked, length)))


def _run_plain(cell, masked, length=T, context=None):
    return tf.nest.flatten(_compute(cell, _plain(cell), context)(*_given(cell, masked, length)))


def _plain(cell):
    """Returns a loop over the cell's own step, differentiated by TensorFlow."""

    def run(inputs, context, states, mask):
        projected = cell.project(inputs, context)
        length = tf.shape(projected)[0]

        def body(t, states, outputs):
            output, states = cell.step(projected[t], states, None if mask is None else mask[t])
            return t + 1, states, outputs.write(t, output)

        outputs = tf.TensorArray(tf.float32, length)
        _, states, outputs = tf.while_loop(
            lambda t, *_: t < length, body, (0, list(states), outputs), maximum_iterations=length
        )
        return outputs.stack(), states

    return run


def _assert_close(found, expected, tolerance):
    assert len(found) == len(expected) > 0
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_allclose(a, b, atol=tolerance * np.abs(b).max(), rtol=0)


@pytest.mark.parametrize("kind", list(cells.CELLS))
@pytest.mark.parametrize(("length", "masked"), [(1, False), (2, True), (T, False), (T, True)])
def test_the_fast_sequence_gives_the_values_and_gradients_of_the_plain_loop(kind, masked, length):
    cell = _cell(kind)
    found = _run_fast(cell, masked, length, graph=length == T)
    _assert_close(found, _run_plain(cell, masked, length), 3e-6)


@pytest.mark.parametrize("kind", list(cells.CELLS))
def test_it_does_so_in_one_graph_where_neither_length_nor_batch_is_known(kind):
    cell = _cell(kind)
    compute = _compute(cell, _fast(cell))
    graph = tf.function(compute, input_signature=_open_sizes(cell), autograph=False)
    for length in (1, 2, T):
        found = tf.nest.flatten(graph(*_given(cell, False, length)))
        _assert_close(found, _run_plain(cell, False, length), 3e-6)
    assert graph.experimental_get_tracing_count() == 1


@pytest.mark.parametrize("kind", list(cells.CELLS))
def test_it_does_so_with_a_context_at_every_step(kind):
    cell = _cell(kind, size=D + C)
    context = tf.random.stateless_normal([B, C], [5, 6])
    found = _run_fast(cell, True, T, context, graph=True)
    _assert_close(found, _run_plain(cell, True, T, context), 3e-6)


@pytest.mark.parametrize("kind", list(cells.CELLS))
def test_narrow_products_stay_near_the_wide_ones(kind):
    # Norms over a handful of units can divide by next to nothing, which magnifies any rounding.
    wide, narrow = _cell(kind, units=40), _cell(kind, "mixed_bfloat16", units=40)
    narrow.set_weights(wide.get_weights())
    found, expected = _run_fast(narrow, True), _run_fast(wide, True)
    assert all(tensor.dtype == tf.float32 for tensor in found)
    _assert_close(found, expected, 0.1)
    assert any(np.abs(a - b).max() > 1e-5 for a, b in zip(found, expected, strict=True))


@pytest.mark.parametrize("kind", list(cells.CELLS))
def test_each_step_of_a_sequence_is_the_single_step(kind):
    cell = _cell(kind)
    inputs = tf.random.stateless_normal([T, B, D], [1, 2])
    states = cell.get_initial_state(B)
    outputs, last = sequence.run_sequence(cell, inputs, None, states)
    for t in range(T):
        output, states = cell.step(cell.project(inputs[t]), states)
        np.testing.assert_allclose(output, outputs[t], atol=2e-6)
    for state, expected in zip(states, last, strict=True):
        np.testing.assert_allclose(state, expected, atol=2e-6)


@pytest.mark.parametrize("kind", list(cells.CELLS))
def test_forward_only_gives_the_outputs_of_training(kind):
    cell = _cell(kind, size=D + C)
    inputs = tf.random.stateless_normal([T, B, D], [1, 2])
    context = tf.random.stateless_normal([B, C], [5, 6])
    states = cell.get_initial_state(B)
    expected, last = sequence.run_sequence(cell, inputs, context, states)
    found, states = sequence.run_sequence(cell, inputs, context, states, training=False)
    np.testing.assert_allclose(found, expected, atol=2e-6)
    for a, b in zip(states, last, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)


@pytest.mark.parametrize("kind", list(cells.CELLS))
def test_last_states_are_those_of_each_sequences_own_length(kind):
    cell = _cell(kind)
    inputs = np.random.default_rng(2).normal(size=(T, 3, D)).astype(np.float32)
    lengths = [T, 0, 4]
    padded = inputs.copy()
    padded[4:, 2], padded[:, 1] = np.nan, np.nan  # nothing beyond a length may count
    start = [tf.fill([3, n], 0.25) for n in cell.state_size]
    found = sequence.last_states(cell, tf.constant(padded), None, start, tf.constant(lengths))
    for row, length in enumerate(lengths):
        one = [state[row : row + 1] for state in start]
        if length:
            own = tf.constant(inputs[:length, row : row + 1])
            _, one = sequence.run_sequence(cell, own, None, one)
        for a, b in zip(found, one, strict=True):
            np.testing.assert_allclose(a[row : row + 1], b, atol=2e-6)


def test_a_context_is_an_input_that_is_the_same_at_every_step():
    cell = cells.LSTMCell(H)
    cell.build((None, D + 4))
    inputs = tf.random.stateless_normal([T, B, D], [1, 2])
    context = tf.random.stateless_normal([B, 4], [3, 4])
    joined = tf.concat([inputs, tf.repeat(context[None], T, axis=0)], axis=-1)
    np.testing.assert_allclose(
        cell.project(inputs, context), cell.project(joined), rtol=1e-5, atol=1e-6
    )
