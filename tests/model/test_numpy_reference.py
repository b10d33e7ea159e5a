import numpy as np
import pytest
from magenta import NAMES, model_of, outputs_of, relative_error
from numpy_magenta import run

from sketch_rnn_tf.model import losses, next_point


@pytest.mark.parametrize("name", NAMES)
def test_what_remains_between_the_model_and_float64_is_rounding(vectors, name):
    numbers = vectors(name)
    reference = run(numbers)
    outputs = outputs_of(model_of(numbers), numbers)
    ours = {"mu": "z_mean", "presig": "z_log_var", "z": "z", "out": "raw"}
    for key, expected in reference.items():
        assert relative_error(outputs[ours[key]], expected) < 1e-6, key


@pytest.mark.parametrize("name", NAMES)
def test_the_reference_is_magentas_graph(vectors, name):
    numbers = vectors(name)
    for key, expected in run(numbers).items():
        assert relative_error(np.reshape(numbers[key], expected.shape), expected) < 1e-6, key


def _nats(numbers, found):
    """Returns offset and pen loss at every position, float64, with Magenta's 1e-6."""
    out, target = found["out"].reshape(4, 24, -1), np.float64(numbers["x"])[:, 1:]
    pi, mu_x, mu_y, sigma_x, sigma_y, rho = np.split(out[..., 3:], 6, -1)
    sigma_x, sigma_y, rho = np.exp(sigma_x), np.exp(sigma_y), np.tanh(rho)
    x, y = (target[..., :1] - mu_x) / sigma_x, (target[..., 1:2] - mu_y) / sigma_y
    normal = np.exp(-(x * x + y * y - 2 * rho * x * y) / (2 * (1 - rho**2)))
    normal /= 2 * np.pi * sigma_x * sigma_y * np.sqrt(1 - rho**2)
    real = np.arange(24) < numbers["seq_len"][:, None]
    offset = -np.log((_softmax(pi) * normal).sum(-1) + 1e-6) * real
    return offset, -(np.log(_softmax(out[..., :3])) * target[..., 2:]).sum(-1), real


def _softmax(x):
    shifted = np.exp(x - x.max(-1, keepdims=True))
    return shifted / shifted.sum(-1, keepdims=True)


def _cost(numbers):
    found = run(numbers)
    offset, pen, _ = _nats(numbers, found)
    cost = (offset + pen).mean()
    if "mu" in found:
        kl = -0.5 * (1 + found["presig"] - found["mu"] ** 2 - np.exp(found["presig"])).mean()
        cost += float(numbers["kl_weight"]) * max(kl, float(numbers["kl_tolerance"]))
    return cost


@pytest.mark.parametrize("name", NAMES)
def test_the_losses_of_every_step_are_the_float64_ones_to_rounding(vectors, name):
    numbers = vectors(name)
    offset, pen, real = _nats(numbers, run(numbers))
    parameters = next_point.NextPoint(outputs_of(model_of(numbers), numbers)["raw"], False)
    targets = numbers["x"][:, 1:]
    ours = losses.offset_nats(parameters, targets, reference=True) * real
    assert relative_error(ours, offset) < 1e-6
    assert relative_error(losses.pen_nats(parameters, targets), pen) < 1e-6
    assert relative_error(numbers["loss_steps_train"][..., 0], offset + pen) < 1e-6
    assert relative_error(numbers["loss_steps_eval"][..., 0], offset + pen * real) < 1e-6
    assert float(numbers["cost_train"]) == pytest.approx(_cost(numbers), rel=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_the_gradients_are_slopes_of_the_float64_loss(vectors, name):
    """One random direction a weight, by central differences; float32 sums keep five digits."""
    numbers, random, step = vectors(name), np.random.default_rng(0), 1e-4
    for key in [key for key in numbers if key.startswith("W/")]:
        gradient = np.float64(numbers["G/" + key[2:]])
        direction = random.choice([-1.0, 1.0], gradient.shape)
        up, down = (
            _cost({**numbers, key: numbers[key] + sign * step * direction}) for sign in (1, -1)
        )
        slope, scale = (gradient * direction).sum(), np.abs(gradient).sum()
        assert slope == pytest.approx((up - down) / (2 * step), rel=0, abs=1e-5 * scale + 1e-9), key
