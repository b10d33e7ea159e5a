import types

import numpy as np
import pytest
import tensorflow as tf
from magenta import NAMES, batch_of, model_of, relative_error

from sketch_rnn_tf import config
from sketch_rnn_tf.data import dataset, pipeline
from sketch_rnn_tf.interop import magenta_names
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.training import distribution
from sketch_rnn_tf.training import step as step_lib
from tests.model.quick_graphs import usual_graphs

pytestmark = pytest.mark.usefixtures("quick_graphs_here")


@pytest.fixture
def usual():
    """Graphs as they are made outside of tests."""
    with usual_graphs():
        yield


def _training(**settings):
    settings = {"parallel_parts": 1, **settings}
    return config.override(config.ModelConfig(), config.TrainingConfig(), settings)[1]


def _step(model, training):
    optimizer = step_lib.make_optimizer(training)
    optimizer.build(model.trainable_variables)
    strategy = tf.distribute.get_strategy()
    return step_lib.TrainingStep(model, optimizer, training, strategy)


def _magenta_step(numbers, **settings):
    """Returns the step of a model with Magenta's weights, noise and settings."""
    model = model_of(numbers)
    if model.conditional:
        model._sample_z = lambda mean, log_var, seed: mean + tf.exp(log_var / 2) * numbers["eps"]
    rate, weight = float(numbers["lr"]), float(numbers.get("kl_weight", 0.0))
    training = _training(
        learning_rate=rate,
        min_learning_rate=rate,
        kl_weight=weight,
        kl_weight_start=weight,
        gradient_clip=float(numbers["grad_clip"]),
        **settings,
    )
    return _step(model, training)


def _weights(model):
    values = {path: v.numpy() for path, v in magenta_names.variables(model).items()}
    return magenta_names.to_magenta(model, values)


@pytest.mark.parametrize("name", ["conditional", "decoder_only_lstm"])
def test_a_step_fed_magentas_gradients_gives_magentas_weights(vectors, name):
    numbers = vectors(name)
    step = _magenta_step(numbers)
    given = {key[2:]: value for key, value in numbers.items() if key.startswith("G/")}
    sources = magenta_names.origins(step.model)
    gradients = [
        tf.constant(sources[magenta_names.relative(variable.path)].to_ours(given))
        for variable in step.model.trainable_variables
    ]
    clipped, _ = step_lib.clip(gradients, float(numbers["grad_clip"]))
    step._update(clipped)
    for key, value in _weights(step.model).items():
        assert relative_error(value, numbers[f"W_after1/{key}"]) < 1e-6, key


@pytest.mark.parametrize(
    ("name", "jit_compile"),
    [
        *((name, "off") for name in NAMES if "enc" not in name),
        *((name, "on") for name in ("conditional", "conditional_hyper")),
    ],
)
@pytest.mark.usefixtures("usual")
def test_three_steps_give_magentas_weights_and_costs(vectors, name, jit_compile):
    numbers = vectors(name)
    step = _magenta_step(numbers, jit_compile=jit_compile)
    assert step.compiled == (jit_compile == "on")
    batch = batch_of(numbers)
    for position in range(3):
        assert step(batch, position) == 0
        cost = step.take_means()["loss"]
        assert cost == pytest.approx(float(numbers["train_costs"][position]), rel=1e-5)
    for key, value in _weights(step.model).items():
        expected, gradient = numbers[f"W_after3/{key}"], np.abs(numbers[f"G/{key}"])
        # Adam divides by the gradient's own size: where it is nearly zero, its rounding decides.
        assert relative_error(value, expected) < 1e-4, key
        clear = gradient > 1e-3 * gradient.max()
        if clear.any():
            assert np.abs(value - expected)[clear].max() < 1e-5 * np.abs(expected).max(), key


@pytest.fixture(scope="module")
def small_step():
    arguments = {
        "max_length": 9,
        "z_size": 3,
        "num_mixtures": 4,
        "encoder": {"units": 5, "recurrent_dropout": 0.1},
        "decoder": {"units": 6, "recurrent_dropout": 0.1},
        "num_classes": 2,
        "class_embedding": 7,
    }
    return _step(SketchRNN(**arguments), _training(parallel_parts=2))


def _batch(value=None):
    random = np.random.default_rng(5)
    strokes = np.zeros((4, 8, 5), np.float32)
    strokes[..., :2] = random.normal(size=(4, 8, 2))
    strokes[..., 2] = 1
    strokes[:, -1] = [0, 0, 0, 0, 1]
    if value is not None:
        strokes[1, 2, 0] = value
    return {
        "strokes": tf.constant(strokes),
        "lengths": tf.constant([7, 7, 7, 7]),
        "labels": tf.constant([0, 1, 0, 1]),
    }


def _state(step):
    variables = [*step.model.variables, *step.optimizer.variables]
    return [variable.numpy() for variable in variables]


def test_one_step_changes_every_weight(small_step):
    before = [weight.numpy() for weight in small_step.model.trainable_variables]
    small_step(_batch(), 0)
    for old, new in zip(before, small_step.model.trainable_variables, strict=True):
        assert not np.array_equal(old, new.numpy()), new.path


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_no_number_skips_the_step_and_touches_nothing(small_step, value):
    small_step(_batch(), 0)
    small_step.take_means()
    before = _state(small_step)
    assert [small_step(_batch(value), 1), small_step(_batch(value), 2)] == [1, 2]
    for old, new in zip(before, _state(small_step), strict=True):
        np.testing.assert_array_equal(old, new)
    assert small_step(_batch(), 3) == 0
    values = small_step.take_means()
    assert values["skipped_steps"] == 2
    assert np.isfinite(values["loss"])


@pytest.mark.usefixtures("usual")
def test_the_step_is_traced_once_for_batches_of_every_length(data_dir, tiny):
    _, training = tiny(buckets=4, batch_size=4)
    info = dataset.read_info(data_dir)
    arguments = {"max_length": info.max_length, "z_size": 3, "num_mixtures": 4}
    cells = {"encoder": {"units": 5}, "decoder": {"units": 6}}
    step = _step(SketchRNN(**arguments, **cells), training)
    batches = pipeline.training_batches(
        data_dir, info, buckets=training.buckets, batch_size=training.batch_size, scale_factor=1.0
    )
    lengths = set()
    for position, batch in enumerate(batches.dataset().take(2 * batches.batches_per_epoch)):
        lengths.add(batch["strokes"].shape[1])
        step(batch, position)
    assert len(lengths) == 4
    assert step.traces == 1


def test_the_position_decides_the_noise(small_step):
    losses, gradients = [], tf.function(small_step._gradients, autograph=False)
    for position in (1, 2, 1):
        values = gradients(_batch(), tf.constant(position), 0.5)[1]
        losses.append(float(values["loss"]))
    assert losses[0] == losses[2] != losses[1]


def test_gradients_are_clipped_elementwise_and_measured_before():
    gradients = [tf.constant([[3.0, -0.5]]), tf.constant([-4.0, 0.0, 1.0])]
    clipped, measured = step_lib.clip(gradients, 1.0)
    np.testing.assert_array_equal(clipped[0], [[1.0, -0.5]])
    np.testing.assert_array_equal(clipped[1], [-1.0, 0.0, 1.0])
    assert float(measured["gradient_norm"]) == pytest.approx(np.sqrt(9 + 0.25 + 16 + 1))
    assert float(measured["clip_fraction"]) == pytest.approx(2 / 5)


def test_gradients_are_scaled_to_a_global_norm_before_they_are_clipped():
    gradients = [tf.constant([[3.0, 0.0]]), tf.constant([-4.0])]  # of norm 5
    clipped, measured = step_lib.clip(gradients, 1.5, norm_limit=2.5)
    np.testing.assert_allclose(clipped[0], [[1.5, 0.0]], rtol=1e-6)
    np.testing.assert_allclose(clipped[1], [-1.5], rtol=1e-6)  # of -2, clipped
    assert float(measured["gradient_norm"]) == pytest.approx(5.0)
    unclipped, _ = step_lib.clip(gradients, 0.0, norm_limit=7.0)
    np.testing.assert_allclose(unclipped[0], gradients[0], rtol=1e-6)


def test_weight_decay_shrinks_matrices_only_and_by_rate_times_decay():
    settings = {"learning_rate": 0.01, "min_learning_rate": 0.01, "gradient_clip": 0.0}
    model = {"max_length": 9, "conditional": False, "num_mixtures": 3, "decoder": {"units": 6}}
    found = {}
    for decay in (0.0, 0.5):
        tf.keras.utils.set_random_seed(4)
        step = _step(SketchRNN(**model), _training(weight_decay=decay, **settings))
        before = [weight.numpy() for weight in step.model.trainable_variables]
        step({**_batch(), "labels": tf.zeros([4], tf.int32)}, 0)
        found[decay] = [weight.numpy() for weight in step.model.trainable_variables]
    for start, plain, decayed in zip(before, found[0.0], found[0.5], strict=True):
        expected = plain * (1 - 0.01 * 0.5) if start.ndim > 1 else plain
        np.testing.assert_allclose(decayed, expected, rtol=1e-6, atol=1e-9)


def test_a_limit_of_zero_clips_nothing():
    clipped, measured = step_lib.clip([tf.constant([3.0])], 0.0)
    assert (float(clipped[0][0]), float(measured["clip_fraction"])) == (3.0, 0.0)


def test_active_latents_are_those_that_vary_over_the_sketches_of_several_steps():
    tally = step_lib._Tally(3)
    random = np.random.default_rng(0)
    z = np.stack([random.normal(size=50), np.full(50, 2.0), 0.05 * random.normal(size=50)], 1)
    zero = {name: tf.constant(0.0) for name in step_lib._MEANS}
    for rows in np.split(z.astype(np.float32), 5):
        sums = np.concatenate([[10], rows.sum(0), (rows**2).sum(0)]).astype(np.float32)
        tally.add(zero, tf.constant(sums), tf.constant(True))
    assert tally.take()["active_latents"] == int((z.var(0) > 0.01).sum()) == 1


@pytest.mark.parametrize(
    ("choice", "gpus", "replicas", "compiles"),
    [
        ("auto", 0, 1, False),
        ("auto", 1, 1, True),
        ("auto", 2, 2, False),
        ("on", 0, 1, True),
        ("off", 1, 1, False),
    ],
)
def test_xla_is_chosen_for_one_gpu(monkeypatch, choice, gpus, replicas, compiles):
    monkeypatch.setattr(
        tf.config, "list_logical_devices", lambda kind: ["a GPU"] * gpus if kind == "GPU" else []
    )
    strategy = types.SimpleNamespace(num_replicas_in_sync=replicas)
    assert distribution.compiles(strategy, choice) == compiles


def test_xla_for_several_replicas_is_refused():
    strategy = types.SimpleNamespace(num_replicas_in_sync=2)
    with pytest.raises(ValueError, match="jit_compile=on is for one replica, not 2"):
        distribution.compiles(strategy, "on")
