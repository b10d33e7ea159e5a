"""The moving average of the weights: what is evaluated and saved in place of the weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from sketch_rnn_tf.model.sketch_rnn import SketchRNN

_WARM_UP = 10  # the average of the first t steps weighs them about equally, as of 9 t / (10 + t)


class Average:
    """An exponential moving average of a model's trainable weights.

        a' = a + (1 - d) (w - a),  d = min(decay, t / (10 + t))  after step t

    It belongs to what a run resumes from; see `checkpoints`.

    Args:
      model: whose weights are averaged.
      decay: of the average per step, in (0, 1).
      strategy: where the weights live.
    """

    def __init__(self, model: SketchRNN, decay: float, strategy: tf.distribute.Strategy):
        self.decay = decay
        self._strategy = strategy
        self._weights = [variable.value for variable in model.trainable_variables]
        with strategy.scope():
            self._averages = [
                tf.Variable(tf.convert_to_tensor(weight), trainable=False)
                for weight in self._weights
            ]

    def update(self, steps: tf.Tensor) -> None:
        """Follows the weights after a step; `steps` have been taken so far."""
        steps = tf.cast(steps, tf.float32)
        share = 1.0 - tf.minimum(self.decay, steps / (_WARM_UP + steps))
        for average, weight in zip(self._averages, self._weights, strict=True):
            self._strategy.extended.update(
                average,
                lambda average, weight: average.assign_add(share * (weight - average)),
                args=(weight,),
                group=False,
            )

    @contextlib.contextmanager
    def in_place(self) -> Iterator[None]:
        """Puts the averages into the model for a while; then the weights are back, exactly."""
        kept = [weight.numpy() for weight in self._weights]
        _assign(self._weights, self.values())
        try:
            yield
        finally:
            _assign(self._weights, kept)

    def values(self) -> list[np.ndarray]:
        """Returns the averages in the order of the model's trainable weights."""
        return [average.numpy() for average in self._averages]

    def assign(self, values: list[np.ndarray]) -> None:
        """Takes averages, such as those of a checkpoint."""
        _assign(self._averages, values)

    def restart(self) -> None:
        """Takes the weights as they are now as their average."""
        self.assign([weight.numpy() for weight in self._weights])


def in_place(average: Average | None) -> contextlib.AbstractContextManager[None]:
    """Returns `Average.in_place`, or what changes nothing where there is no average."""
    return contextlib.nullcontext() if average is None else average.in_place()


def _assign(variables, values) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
