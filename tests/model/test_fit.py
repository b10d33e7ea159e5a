"""The model in the hands of people who use Keras's own compile, fit, evaluate and load_model."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf.model.sketch_rnn import METRICS, SketchRNN
from sketch_rnn_tf.training import schedules

pytestmark = pytest.mark.usefixtures("quick_graphs_here")

N, B, T, Z = 12, 4, 7, 3


def _data(classes=0):
    random = np.random.default_rng(0)
    lengths = random.integers(3, T, N).astype(np.int32)
    strokes = np.zeros((N, T, 5), np.float32)
    strokes[..., 4] = 1
    for row, points in zip(strokes, lengths, strict=True):
        row[:points, :2] = random.normal([1, 0], 0.1, (points, 2))
        row[:points, 2:] = (1, 0, 0)
    data = {"strokes": strokes, "lengths": lengths}
    return {**data, "labels": np.arange(N, dtype=np.int32) % classes} if classes else data


def _batches(classes=0):
    return tf.data.Dataset.from_tensor_slices(_data(classes)).batch(B)


def _model(eager=True, **changes):
    """Eager steps are slower than a graph's, but here it is the making of a graph that costs."""
    keras.utils.set_random_seed(changes.pop("weights_seed", 1))
    arguments = {
        "max_length": T,
        "z_size": Z,
        "num_mixtures": 2,
        "encoder": {"units": 5, "recurrent_dropout": 0.2},
        "decoder": {"units": 6, "recurrent_dropout": 0.2},
        "kl_weight": schedules.KLWeight(0.5, 0.1, 0.9),
        **changes,
    }
    model = SketchRNN(**arguments)
    optimizer = keras.optimizers.Adam(0.02, epsilon=1e-8, clipvalue=1.0)
    model.compile(optimizer, run_eagerly=eager)
    return model


def _fitted(epochs, **changes):
    model = _model(**changes)
    model.fit(_batches(model.num_classes), epochs=epochs, verbose=0)
    return model


def _assert_same_weights(a, b):
    for ours, theirs in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_fit_lowers_the_loss_under_keras_callbacks(tmp_path):
    model, path = _model(eager=False), tmp_path / "best.keras"
    callbacks = [
        keras.callbacks.ModelCheckpoint(path, monitor="val_loss", save_best_only=True),
        keras.callbacks.EarlyStopping("val_reconstruction_loss", patience=20, mode="min"),
        keras.callbacks.CSVLogger(tmp_path / "log.csv"),
    ]
    history = model.fit(
        _batches(), validation_data=_batches(), epochs=8, verbose=0, callbacks=callbacks
    ).history
    assert set(history) == {*METRICS, *(f"val_{name}" for name in METRICS)}
    assert history["reconstruction_loss"][-1] < history["reconstruction_loss"][0] - 0.5
    assert history["val_loss"][-1] < history["val_loss"][0] - 0.5
    best = keras.saving.load_model(path)
    found = best.evaluate(_batches(), verbose=0, return_dict=True)
    assert found["reconstruction_loss"] == pytest.approx(
        history["val_reconstruction_loss"][int(np.argmin(history["val_loss"]))], rel=1e-5
    )


@pytest.mark.parametrize("arguments", [{"conditional": False}, {"num_classes": 2}], ids=str)
def test_fit_works_without_encoder_and_with_classes(arguments):
    model = _model(**arguments)
    before = model.evaluate(_batches(model.num_classes), verbose=0, return_dict=True)
    model.fit(_batches(model.num_classes), epochs=3, verbose=0)
    after = model.evaluate(_batches(model.num_classes), verbose=0, return_dict=True)
    assert after["reconstruction_loss"] < before["reconstruction_loss"]
    assert (after["kl_raw"] == 0) == (not model.conditional)


def test_fit_takes_arrays_in_place_of_a_dataset_and_a_number_as_kl_weight():
    model = _model(kl_weight=0.25, kl_tolerance=0.3)
    history = model.fit(_data(), batch_size=B, epochs=1, verbose=0).history
    difference = history["loss"][0] - history["reconstruction_loss"][0]
    assert difference == pytest.approx(0.25 * 0.3, rel=1e-4)  # the KL loss is on its floor


def test_what_evaluate_says_is_what_the_terms_say():
    model = _fitted(1)
    found = model.evaluate(_data(), batch_size=N, verbose=0, return_dict=True)
    data = {name: tf.constant(value) for name, value in _data().items()}
    values = model.reduce(model.terms(data, model(data)), model.current_kl_weight())
    for name in METRICS:
        assert found[name] == pytest.approx(float(values[name]), rel=1e-5), name


@pytest.fixture(scope="module")
def two_epochs():
    """Returns a model after two epochs without a pause."""
    return _fitted(2, seed=3)


def test_the_same_seeds_give_the_same_weights_after_fit(two_epochs):
    _assert_same_weights(_fitted(2, seed=3), two_epochs)


def test_another_seed_of_latent_noise_and_dropout_gives_other_weights(two_epochs):
    pairs = zip(_fitted(2, seed=4).get_weights(), two_epochs.get_weights(), strict=True)
    assert max(np.abs(a - b).max() for a, b in pairs) > 1e-4


def test_a_loaded_model_goes_on_as_if_it_had_never_been_saved(tmp_path, two_epochs):
    """Weights, optimizer, dropout, latent noise and the KL weight's schedule."""
    model = _fitted(1, seed=3)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert isinstance(again.kl_weight, schedules.KLWeight)
    assert again.kl_weight.get_config() == model.kl_weight.get_config()
    assert float(again.current_kl_weight()) == float(model.current_kl_weight())
    again.fit(_batches(), epochs=1, verbose=0)
    _assert_same_weights(again, two_epochs)


def test_the_weight_of_the_kl_loss_follows_its_schedule():
    model = _model(kl_tolerance=0.3)
    weights = []

    class Watch(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            weights.append(float(model.current_kl_weight()))

    history = model.fit(_batches(), epochs=2, verbose=0, callbacks=[Watch()]).history
    expected = 0.5 - 0.4 * 0.9 ** np.arange(2 * N // B)
    np.testing.assert_allclose(weights, expected, rtol=1e-6)
    # A metric is the mean of its batches, as is the product while the KL loss stays on its floor.
    assert history["kl_loss"] == pytest.approx([0.3, 0.3])
    difference = np.array(history["loss"]) - history["reconstruction_loss"]
    np.testing.assert_allclose(difference, 0.3 * expected.reshape(2, -1).mean(1), rtol=1e-4)


def test_mixed_precision_trains_float32_weights():
    model = _fitted(3, dtype="mixed_bfloat16")
    assert {variable.dtype for variable in model.trainable_variables} == {"float32"}
    found = model.evaluate(_batches(), verbose=0, return_dict=True)["reconstruction_loss"]
    fresh = _model(dtype="mixed_bfloat16").evaluate(_batches(), verbose=0, return_dict=True)
    assert found < fresh["reconstruction_loss"] - 0.3


def test_predict_gives_the_raw_outputs_of_all_batches():
    model = _model()
    found = model.predict(_batches(), verbose=0)
    assert {name: value.shape for name, value in found.items()} == {
        "raw": (N, T, 3 + 6 * 2),
        **dict.fromkeys(("z_mean", "z_log_var", "z"), (N, Z)),
    }
    np.testing.assert_array_equal(found["z"], found["z_mean"])


def test_batches_of_any_length_share_one_graph():
    model, data = _model(eager=False), _data()
    for length in (6, T, T + 4):
        strokes = np.pad(data["strokes"], [(0, 0), (0, 4), (0, 0)])[:, :length]
        batches = tf.data.Dataset.from_tensors({**data, "strokes": strokes})
        assert model.predict(batches, verbose=0)["raw"].shape == (N, length, 3 + 6 * 2)
    assert model.predict_function.experimental_get_tracing_count() <= 2
