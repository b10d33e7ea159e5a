"""Learning rate and KL weight as functions of the step."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from sketch_rnn_tf import config


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class FlooredExponential(keras.optimizers.schedules.LearningRateSchedule):
    """Magenta's learning rate: (start - floor) decay^t + floor, after a linear warm-up.

    Args:
      start: rate at step 0.
      floor: rate that it falls to.
      decay: factor per step.
      warmup_steps: the rate is multiplied by min(1, (t + 1) / warmup_steps).
    """

    def __init__(self, start: float, floor: float, decay: float, warmup_steps: int = 0):
        self.start, self.floor, self.decay = start, floor, decay
        self.warmup_steps = warmup_steps

    def __call__(self, step):
        """Returns the rate at a step, a float32 scalar."""
        rate = (self.start - self.floor) * _power(self.decay, step) + self.floor
        return _warmed_up(rate, step, self.warmup_steps)

    def get_config(self) -> dict:
        """Returns the arguments."""
        return {
            "start": self.start,
            "floor": self.floor,
            "decay": self.decay,
            "warmup_steps": self.warmup_steps,
        }


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class LinearDecay(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises linearly in the warm-up and then falls linearly to the end.

    Args:
      start: rate at the end of the warm-up.
      floor: rate at the last step.
      steps: of the whole run.
      warmup_steps: steps of the warm-up.
    """

    def __init__(self, start: float, floor: float, steps: int, warmup_steps: int = 0):
        self.start, self.floor, self.steps, self.warmup_steps = start, floor, steps, warmup_steps

    def __call__(self, step):
        """Returns the rate at a step, a float32 scalar."""
        left = (self.steps - tf.cast(step, tf.float32)) / max(1, self.steps - self.warmup_steps)
        rate = self.floor + (self.start - self.floor) * tf.clip_by_value(left, 0.0, 1.0)
        return _warmed_up(rate, step, self.warmup_steps)

    def get_config(self) -> dict:
        """Returns the arguments."""
        return {
            "start": self.start,
            "floor": self.floor,
            "steps": self.steps,
            "warmup_steps": self.warmup_steps,
        }


class Cooldown:
    """A schedule whose end can be brought forward: from then on the rate falls linearly.

    Args:
      schedule: the rate until then.
      floor: what it falls to.
    """

    def __init__(self, schedule: keras.optimizers.schedules.LearningRateSchedule, floor: float):
        self._schedule, self._floor = schedule, floor
        # Variables, which a graph that is made already follows.
        self._begin = tf.Variable(tf.int64.max, trainable=False)
        self._steps = tf.Variable(1.0, trainable=False)

    def begin(self, step: int, steps: int) -> None:
        """Lets the rate fall from where it is at a step, in so many steps."""
        self._begin.assign(step)
        self._steps.assign(steps)

    def __call__(self, step):
        """Returns the rate at a step, a float32 scalar."""
        step = tf.cast(step, tf.int64)
        rate = self._schedule(tf.minimum(step, self._begin))
        past = tf.cast(tf.maximum(step - self._begin, 0), tf.float32) / self._steps
        fallen = self._floor + (rate - self._floor) * tf.maximum(1.0 - past, 0.0)
        return tf.where(step < self._begin, rate, fallen)


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class KLWeight(keras.optimizers.schedules.LearningRateSchedule):
    """The annealed weight of the KL loss: w - (w - start) R^t.

    With w = 1 and start = 0.01 this is the paper's w (1 - 0.99 R^t).

    Args:
      weight: w, what it rises to.
      start: weight at step 0.
      decay: R.
    """

    def __init__(self, weight: float = 0.5, start: float = 0.01, decay: float = 0.99995):
        self.weight, self.start, self.decay = weight, start, decay

    def __call__(self, step):
        """Returns the weight at a step, a float32 scalar."""
        return self.weight - (self.weight - self.start) * _power(self.decay, step)

    def get_config(self) -> dict:
        """Returns the arguments."""
        return {"weight": self.weight, "start": self.start, "decay": self.decay}


def _warmed_up(rate: tf.Tensor, step: tf.Tensor, warmup_steps: int) -> tf.Tensor:
    """Returns a rate times min(1, (t + 1) / warmup_steps)."""
    if not warmup_steps:
        return rate
    return rate * tf.minimum(1.0, (tf.cast(step, tf.float32) + 1.0) / warmup_steps)


def _power(base: float, step: tf.Tensor) -> tf.Tensor:
    """Returns base^step in float32.

    Not `tf.pow`: a base just below 1 has few digits in float32, and the power multiplies its
    rounding by the step (2e-4 off at 0.99999^70000). The logarithm keeps all digits.
    """
    return tf.exp(tf.cast(step, tf.float32) * math.log(max(base, 1e-30)))


def learning_rate(training: config.TrainingConfig):
    """Returns the learning rate schedule of a configuration."""
    if training.learning_rate_schedule == "exponential":
        return FlooredExponential(
            training.learning_rate,
            training.min_learning_rate,
            training.learning_rate_decay,
            training.warmup_steps,
        )
    if training.learning_rate_schedule == "linear":
        return LinearDecay(
            training.learning_rate,
            training.min_learning_rate,
            training.train_steps,
            training.warmup_steps,
        )
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0 if training.warmup_steps else training.learning_rate,
        decay_steps=max(1, training.train_steps - training.warmup_steps),
        alpha=training.min_learning_rate / training.learning_rate,
        warmup_target=training.learning_rate if training.warmup_steps else None,
        warmup_steps=training.warmup_steps,
    )


def kl_weight(training: config.TrainingConfig) -> KLWeight:
    """Returns the KL weight schedule of a configuration."""
    return KLWeight(training.kl_weight, training.kl_weight_start, training.kl_weight_decay)
