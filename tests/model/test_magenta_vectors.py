import keras
import numpy as np
import pytest
import tensorflow as tf
from magenta import NAMES, batch_of, model_of, outputs_of, relative_error

from sketch_rnn_tf.interop import magenta_names
from sketch_rnn_tf.model import losses, next_point, sequence

CONDITIONAL = [name for name in NAMES if name.startswith("conditional")]


@pytest.mark.parametrize("name", CONDITIONAL)
def test_the_latent_distribution_and_the_initial_state_are_magentas(vectors, name):
    numbers = vectors(name)
    model = model_of(numbers)
    outputs = outputs_of(model, numbers)
    assert relative_error(outputs["z_mean"], numbers["mu"]) < 1e-5
    assert relative_error(outputs["z_log_var"], numbers["presig"]) < 1e-5
    assert relative_error(outputs["z"], numbers["z"]) < 1e-5
    states = model.decoder.initial_state(4, outputs["z"])
    flat = [states[place] for _, place in magenta_names.state_order(model.decoder.cell)]
    assert relative_error(tf.concat(flat, -1), numbers["initial_state"]) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_the_decoder_gives_magentas_outputs_and_last_state(vectors, name):
    numbers = vectors(name)
    model = model_of(numbers)
    outputs = outputs_of(model, numbers)
    raw = outputs["raw"]
    assert relative_error(raw, numbers["out"]) < 1e-5
    parameters = next_point.NextPoint(raw, bounded=False)
    found = {
        "pen_logits": parameters.pen_logits,
        "pen": tf.nn.softmax(parameters.pen_logits),
        "pi": tf.nn.softmax(parameters.mixture_logits),
        "mu1": parameters.loc[..., 0],
        "mu2": parameters.loc[..., 1],
        "sigma1": parameters.scale[..., 0],
        "sigma2": parameters.scale[..., 1],
        "corr": parameters.corr,
    }
    for key, value in found.items():
        assert relative_error(value, numbers[key]) < 1e-5, key
    cell, context = model.decoder.cell, model.context(outputs.get("z"))
    inputs = tf.transpose(tf.constant(numbers["x"][:, :-1]), [1, 0, 2])
    states = model.decoder.initial_state(4, context)
    hidden, states = sequence.run_sequence(cell, inputs, context, states)
    assert relative_error(tf.transpose(hidden, [1, 0, 2]), numbers["dec_h"]) < 1e-5
    flat = [states[place] for _, place in magenta_names.state_order(cell)]
    assert relative_error(tf.concat(flat, -1), numbers["final_state"]) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_the_losses_of_every_step_are_magentas_in_both_maskings(vectors, name):
    numbers = vectors(name)
    model = model_of(numbers)
    batch = batch_of(numbers)
    parameters = next_point.NextPoint(outputs_of(model, numbers)["raw"], bounded=False)
    real = losses.real_points(batch["lengths"], 24)
    offset = losses.offset_nats(parameters, batch["strokes"], reference=True) * real
    pen = losses.pen_nats(parameters, batch["strokes"])
    assert relative_error((offset + pen)[..., None], numbers["loss_steps_train"]) < 1e-5
    assert relative_error((offset + pen * real)[..., None], numbers["loss_steps_eval"]) < 1e-5


@pytest.mark.parametrize("name", NAMES)
def test_the_losses_of_the_batch_are_magentas(vectors, name):
    numbers = vectors(name)
    model = model_of(numbers)
    terms = model.terms(batch_of(numbers), outputs_of(model, numbers))
    values = model.reduce(terms, float(numbers.get("kl_weight", 0.0)))
    expected = {"reconstruction_loss": "r_cost_train", "loss": "cost_train"}
    if model.conditional:
        expected |= {"kl_raw": "kl_raw", "kl_loss": "kl_cost"}
    for ours, theirs in expected.items():
        assert float(values[ours]) == pytest.approx(float(numbers[theirs]), rel=1e-5), ours
    masked = tf.reduce_sum(terms["offset"] + terms["pen_masked"]) / (4 * 24)
    assert float(masked) == pytest.approx(float(numbers["r_cost_eval"]), rel=1e-5)


def test_the_floor_holds_where_the_raw_value_is_below_it(vectors):
    numbers = vectors("conditional_kl_floor")
    model = model_of(numbers)
    values = model.reduce(model.terms(batch_of(numbers), outputs_of(model, numbers)), 0.5)
    assert float(values["kl_loss"]) == pytest.approx(0.2)
    assert float(values["kl_raw"]) < 0.2


def _gradients(model, numbers):
    with tf.GradientTape() as tape:
        terms = model.terms(batch_of(numbers), outputs_of(model, numbers))
        loss = model.reduce(terms, float(numbers.get("kl_weight", 0.0)))["loss"]
    variables = magenta_names.variables(model)
    found = tape.gradient(loss, list(variables.values()))
    by_path = {
        path: np.zeros(variable.shape, np.float32) if gradient is None else gradient.numpy()
        for (path, variable), gradient in zip(variables.items(), found, strict=True)
    }
    return magenta_names.to_magenta(model, by_path)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradients_are_magentas(vectors, name):
    numbers = vectors(name)
    found = _gradients(model_of(numbers), numbers)
    expected = {key[2:]: value for key, value in numbers.items() if key.startswith("G/")}
    assert set(found) == set(expected)
    for key, value in expected.items():
        if np.abs(value).max() == 0:
            assert np.abs(found[key]).max() == 0
        else:
            assert relative_error(found[key], value) < 1e-5, key


@pytest.mark.parametrize("name", NAMES)
def test_every_weight_is_magentas_and_goes_back_to_its_names(vectors, name):
    numbers = vectors(name)
    model = model_of(numbers)
    values = {path: v.numpy() for path, v in magenta_names.variables(model).items()}
    back = magenta_names.to_magenta(model, values)
    assert set(back) == {key[2:] for key in numbers if key.startswith("W/")}
    for key, value in back.items():
        np.testing.assert_array_equal(value, numbers[f"W/{key}"])


def _optimizer(numbers, model):
    clip = float(numbers["grad_clip"])
    optimizer = keras.optimizers.Adam(float(numbers["lr"]), epsilon=1e-8, clipvalue=clip)
    optimizer.build(model.trainable_variables)
    return optimizer


def _weights(model):
    values = {path: v.numpy() for path, v in magenta_names.variables(model).items()}
    return magenta_names.to_magenta(model, values)


def _apply(model, optimizer, gradients):
    own = magenta_names.variables(model)
    sources = magenta_names.origins(model)
    pairs = [(tf.constant(sources[path].to_ours(gradients)), v) for path, v in own.items()]
    optimizer.apply_gradients(pairs)


@pytest.mark.parametrize("name", NAMES)
def test_one_optimiser_step_from_magentas_gradients_gives_magentas_weights(vectors, name):
    numbers = vectors(name)
    model = model_of(numbers)
    gradients = {key[2:]: value for key, value in numbers.items() if key.startswith("G/")}
    _apply(model, _optimizer(numbers, model), gradients)
    for key, value in _weights(model).items():
        assert relative_error(value, numbers[f"W_after1/{key}"]) < 1e-6, key


@pytest.mark.parametrize("name", NAMES)
def test_three_steps_end_to_end_give_magentas_weights_and_costs(vectors, name):
    numbers = vectors(name)
    model = model_of(numbers)
    optimizer = _optimizer(numbers, model)
    for step in range(3):
        terms = model.terms(batch_of(numbers), outputs_of(model, numbers))
        cost = float(model.reduce(terms, float(numbers.get("kl_weight", 0.0)))["loss"])
        assert cost == pytest.approx(float(numbers["train_costs"][step]), rel=1e-5)
        _apply(model, optimizer, _gradients(model, numbers))
    for key, value in _weights(model).items():
        expected, gradient = numbers[f"W_after3/{key}"], np.abs(numbers[f"G/{key}"])
        # Adam divides by the gradient's own size: where it is nearly zero, its rounding decides.
        assert relative_error(value, expected) < 1e-4, key
        clear = gradient > 1e-3 * gradient.max()
        if clear.any():
            assert np.abs(value - expected)[clear].max() < 1e-5 * np.abs(expected).max(), key
