import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf.model import cells
from sketch_rnn_tf.model.encoder import Encoder

B, T, Z, H, C = 3, 7, 4, 5, 2
LENGTHS = np.array([4, 7, 1], np.int32)
KINDS = list(cells.CELLS)


def _encoder(kind="lstm", **changes):
    keras.utils.set_random_seed(2)
    arguments = {"cell": kind, "hyper_units": 6, "hyper_embedding": 3, **changes}
    units = H + (kind == "stacked")  # two layers of the same size
    encoder = Encoder(units, Z, **arguments)
    encoder.build()
    random = np.random.default_rng(1)
    for weight in encoder.trainable_variables:
        weight.assign(weight + random.normal(0, 0.3, weight.shape))
    return encoder


def _strokes(length=T, lengths=LENGTHS, seed=0):
    random = np.random.default_rng(seed)
    strokes = np.zeros((len(lengths), length, 5), np.float32)
    strokes[..., 4] = 1
    for row, points in zip(strokes, lengths, strict=True):
        row[:points, :2] = random.normal(size=(points, 2))
        row[:points, 2:] = np.eye(3)[random.integers(0, 2, points)]
    return strokes


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_beyond_the_length_is_never_read(kind):
    encoder, strokes = _encoder(kind), _strokes()
    expected = encoder(strokes, LENGTHS)
    for garbage in (0.0, 77.0, -1e30, np.nan, np.inf):
        dirty = strokes.copy()
        for row, points in zip(dirty, LENGTHS, strict=True):
            row[points:] = garbage
        for found, clean in zip(encoder(dirty, LENGTHS), expected, strict=True):
            np.testing.assert_array_equal(found, clean)


@pytest.mark.parametrize("kind", KINDS)
def test_padding_and_company_do_not_change_a_sketchs_latent_distribution(kind):
    encoder, strokes = _encoder(kind), _strokes()
    together = encoder(strokes, LENGTHS)
    longer = encoder(_strokes(T + 6), LENGTHS)
    for a, b in zip(together, longer, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-6)
    for row, points in enumerate(LENGTHS):
        alone = encoder(strokes[row : row + 1, :points], np.int32([points]))
        for a, b in zip(alone, together, strict=True):
            np.testing.assert_allclose(a[0], b[row], atol=2e-6)


def test_both_directions_are_read_from_zero_states_to_the_last_and_the_first_point():
    """One step at a time, by the cells themselves."""
    encoder, strokes = _encoder(), _strokes()
    mean, log_var = encoder(strokes, LENGTHS)
    for row, points in enumerate(LENGTHS):
        ends = []
        for cell, order in ((encoder.forward_cell, 1), (encoder.backward_cell, -1)):
            states = cell.get_initial_state(1)
            for point in strokes[row, :points][::order]:
                output, states = cell.step(cell.project(tf.constant(point[None])), states)
            ends.append(output)
        summary = tf.concat(ends, -1)
        np.testing.assert_allclose(mean[row], encoder.mean(summary)[0], atol=2e-6)
        np.testing.assert_allclose(log_var[row], encoder.log_var(summary)[0], atol=2e-6)


def test_a_sketch_without_points_has_the_latent_distribution_of_zero_states():
    encoder = _encoder()
    mean, log_var = encoder(_strokes(T, (0, 5)), np.int32([0, 5]))
    np.testing.assert_allclose(mean[0], encoder.mean.bias, atol=1e-7)
    np.testing.assert_allclose(log_var[0], encoder.log_var.bias, atol=1e-7)
    with tf.GradientTape() as tape:
        mean, _ = encoder(_strokes(T, (0, 0)), np.int32([0, 0]), training=True)
        loss = tf.reduce_sum(mean)
    for gradient in tape.gradient(loss, encoder.forward_cell.trainable_variables):
        np.testing.assert_array_equal(gradient, np.zeros(gradient.shape))


def test_the_context_is_read_at_every_step():
    encoder, strokes = _encoder(context_size=C), _strokes()
    one = encoder(strokes, LENGTHS, context=tf.zeros([B, C]))[0]
    other = encoder(strokes, LENGTHS, context=tf.one_hot([0, 1, 0], C))[0]
    assert (np.abs(one - other).max(axis=1) > 1e-3).all()


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_in_training_only_and_follows_its_seed(kind):
    encoder, strokes = _encoder(kind, recurrent_dropout=0.5), _strokes()

    def run(*seed, training=True):
        return encoder(strokes, LENGTHS, training=training, seed=tf.constant(seed))[0].numpy()

    np.testing.assert_array_equal(run(1, 2), run(1, 2))
    assert (np.abs(run(1, 2) - run(1, 3)).max(axis=1) > 1e-4).all()
    expected = _encoder(kind)(strokes, LENGTHS)[0]
    np.testing.assert_array_equal(run(1, 2, training=False), expected)


def test_the_directions_have_masks_of_their_own():
    """With equal weights and sketches that read the same both ways, only the masks differ."""
    encoder = _encoder(recurrent_dropout=0.5)
    encoder.backward_cell.set_weights(encoder.forward_cell.get_weights())
    half = np.concatenate([np.eye(H), -np.eye(H)])[:, :Z]  # mean = forward - backward
    encoder.mean.set_weights([half, np.zeros(Z)])
    strokes = np.ones((B, T, 5), np.float32)
    still = encoder(strokes, np.full(B, T, np.int32))[0]
    np.testing.assert_allclose(still, np.zeros((B, Z)), atol=1e-7)
    moved = encoder(strokes, np.full(B, T, np.int32), training=True, seed=tf.constant([1, 2]))[0]
    assert np.abs(moved).max() > 1e-3


def test_new_linear_layers_start_small_and_each_on_its_own():
    keras.utils.set_random_seed(2)
    encoder = Encoder(150, 64)
    encoder.build()
    kernels = [layer.kernel.numpy() for layer in (encoder.mean, encoder.log_var)]
    for kernel in kernels:
        assert kernel.std() == pytest.approx(0.001, rel=0.05)
    assert np.corrcoef(kernels[0].ravel(), kernels[1].ravel())[0, 1] < 0.05


def test_an_encoder_comes_back_from_its_config():
    encoder = _encoder("hyper", recurrent_dropout=0.2, context_size=C)
    again = Encoder.from_config(encoder.get_config())
    again.build()
    assert again.get_config() == encoder.get_config()
    again.set_weights(encoder.get_weights())
    context = tf.ones([B, C])
    np.testing.assert_array_equal(
        again(_strokes(), LENGTHS, context=context)[0],
        encoder(_strokes(), LENGTHS, context=context)[0],
    )


def test_narrow_products_work_outside_of_a_models_call():
    layer = Encoder(units=5, z_size=3, dtype="mixed_bfloat16")
    layer.build()
    z_mean, z_log_var = layer(tf.zeros([2, 4, 5]), tf.constant([4, 2]))
    assert z_mean.dtype == z_log_var.dtype == tf.float32
    again = Encoder.from_config(layer.get_config())
    assert again.forward_cell.compute_dtype == "bfloat16"
