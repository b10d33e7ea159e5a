import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf import config
from sketch_rnn_tf.training import schedules

MAGENTA = config.preset("magenta").training
# Magenta's formulas at these steps, computed by hand to four digits.
RATES = {10_000: 3.742e-4, 20_000: 1.440e-4, 50_000: 1.667e-5, 100_000: 1.004e-5}
WEIGHTS = {10_000: 0.2028, 20_000: 0.3197, 50_000: 0.4598, 100_000: 0.4967}


@pytest.mark.parametrize(("step", "rate"), RATES.items())
def test_the_default_learning_rate_is_magentas(step, rate):
    assert float(schedules.learning_rate(MAGENTA)(step)) == pytest.approx(rate, rel=5e-4)


@pytest.mark.parametrize(("step", "weight"), WEIGHTS.items())
def test_the_default_kl_weight_is_magentas(step, weight):
    assert float(schedules.kl_weight(MAGENTA)(step)) == pytest.approx(weight, abs=5e-5)


def test_both_start_where_they_are_set_to():
    assert float(schedules.learning_rate(MAGENTA)(0)) == pytest.approx(1e-3)
    assert float(schedules.kl_weight(MAGENTA)(0)) == pytest.approx(0.01)


@pytest.mark.parametrize("step", [0, 1000, 70_000, 300_000])
def test_the_papers_kl_weight_is_its_equation(step):
    paper = schedules.kl_weight(config.preset("paper").training)
    assert float(paper(step)) == pytest.approx(1 - 0.99 * 0.99999**step, rel=1e-6)


def test_the_schedules_are_those_that_magentas_code_gave(vectors):
    numbers = vectors("data_pipeline")
    steps, rates, weights = (numbers[f"sched_{name}"] for name in ("steps", "lr", "klw"))
    rate, weight = schedules.learning_rate(MAGENTA), schedules.kl_weight(MAGENTA)
    found = [(float(rate(int(step))), float(weight(int(step)))) for step in steps]
    np.testing.assert_allclose(found, np.stack([rates, weights], 1), rtol=1e-5)


def test_the_warm_up_rises_linearly_and_the_cosine_ends_at_the_floor():
    training = config.preset("quickstart").training
    rate = schedules.learning_rate(training)
    half, whole = float(rate(50)), float(rate(100))
    assert half == pytest.approx(whole / 2, rel=1e-3)
    assert whole == pytest.approx(training.learning_rate, rel=1e-3)
    assert float(rate(training.train_steps)) == pytest.approx(1e-5, rel=1e-2)


LINEAR = dataclasses.replace(
    MAGENTA, learning_rate_schedule="linear", train_steps=1000, warmup_steps=100
)


def test_the_linear_rate_rises_in_the_warm_up_and_falls_evenly_to_the_floor():
    rate = schedules.learning_rate(LINEAR)
    floor, start = 1e-5, 1e-3
    assert float(rate(49)) == pytest.approx(start / 2, rel=1e-3)
    assert float(rate(100)) == pytest.approx(start, rel=1e-6)
    assert float(rate(550)) == pytest.approx((start + floor) / 2, rel=1e-6)
    assert float(rate(1000)) == pytest.approx(floor, rel=1e-6)
    assert float(rate(2000)) == pytest.approx(floor, rel=1e-6)


@pytest.mark.parametrize(
    "schedule",
    [
        schedules.learning_rate(MAGENTA),
        schedules.learning_rate(LINEAR),
        schedules.kl_weight(MAGENTA),
    ],
)
def test_a_schedule_survives_saving(schedule):
    content = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(content)
    assert float(again(1234)) == float(schedule(1234))


def test_a_cooldown_leaves_the_schedule_alone_and_then_falls_linearly_to_the_floor():
    training = config.preset("best").training
    schedule = schedules.learning_rate(training)
    cooling = schedules.Cooldown(schedule, training.min_learning_rate)
    asked = tf.function(lambda step: cooling(step))
    before = [float(asked(tf.constant(step, tf.int64))) for step in (0, 50, 3000, 14_999)]
    assert before == [float(schedule(step)) for step in (0, 50, 3000, 14_999)]
    cooling.begin(3000, 400)  # in the graph that is made already
    found = [float(asked(tf.constant(step, tf.int64))) for step in (2999, 3000, 3100, 3400, 9000)]
    assert found[:2] == [float(schedule(2999)), float(schedule(3000))]
    floor = training.min_learning_rate
    assert found[2] == pytest.approx(floor + (found[1] - floor) * 0.75, rel=1e-5)
    assert found[3:] == pytest.approx([floor, floor], rel=1e-5)
