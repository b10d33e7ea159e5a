"""Two LSTM layers on each other, with a path past each."""

from __future__ import annotations

from typing import ClassVar

import keras
import tensorflow as tf

from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model.cells import base, lstm


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class StackedLSTMCell(base.RecurrentCell):
    """Two LSTM layers on each other, with a path past each (arXiv 1308.0850, section 2).

    The inputs reach both layers, and the output is that of both, so `units` H are H / 2 per layer.
    States: [h1, c1, h2, c2], each [B, H / 2].

        h1', c1' = LSTM([x, h1])
        h2', c2' = LSTM([x, h1', h2])
        output = [h1', h2']

    Each LSTM is that of `LSTMCell`. Args: see RecurrentCell; `units` is even.
    """

    matrices = ("first_kernel", "second_kernel")
    activations: ClassVar = {"first_kernel": lstm.LSTMGates(), "second_kernel": lstm.LSTMGates()}

    def __init__(self, units: int, **kwargs):
        super().__init__(units, **kwargs)
        if self.units % 2:
            raise UserError(
                f"units of a stacked cell are {units}, expected an even number: half of them are"
                " of each layer"
            )

    @property
    def state_size(self) -> list[int]:
        """Sizes of h1, c1, h2, c2."""
        return [self.units // 2] * 4

    def output_of(self, states):
        """Returns h1 and h2, [B, H]."""
        return tf.concat([states[0], states[2]], axis=-1)

    def build(self, input_shape):
        """Makes the weights for inputs [..., D]."""
        size, width = self.units // 2, 2 * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(input_shape[-1], 2 * width), initializer=GlorotPerLayer()
        )
        self.first_kernel = self.add_weight(
            name="first_kernel", shape=(size, width), initializer=base.GateOrthogonal()
        )
        self.second_kernel = self.add_weight(
            name="second_kernel", shape=(2 * size, width), initializer=StackedKernel()
        )
        self.bias = self.add_weight(name="bias", shape=(2 * width,), initializer="zeros")
        self.built = True

    def input_weights(self):
        """Returns the kernel and bias of both layers' gates, P = 4H."""
        return tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)

    def equations(self, weights, multiply, projected, states, mask):
        """One step; see RecurrentCell."""
        h1, c1, h2, c2 = states
        to_first, to_second = tf.split(projected, 2, axis=-1)
        masks = (None, None) if mask is None else tf.split(mask, 2, axis=-1)
        h1, c1 = lstm.lstm_step(multiply(h1, "first_kernel", to_first), c1, masks[0])
        # A name of its own for two of the three uses: gradients of three summands would be added in
        # an order of TensorFlow's choice, see `training.step.gradients_in_order`.
        up = tf.identity(h1)
        below = tf.concat([up, h2], axis=-1)
        h2, c2 = lstm.lstm_step(multiply(below, "second_kernel", to_second), c2, masks[1])
        return tf.concat([up, h2], axis=-1), [h1, c1, h2, c2]


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class GlorotPerLayer(keras.initializers.Initializer):
    """Glorot uniform for the kernel of each layer."""

    def __call__(self, shape, dtype=None):
        """Returns [D, 2 n]."""
        half = (shape[0], shape[1] // 2)
        return tf.concat([keras.initializers.GlorotUniform()(half, dtype) for _ in range(2)], 1)


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class StackedKernel(keras.initializers.Initializer):
    """Glorot uniform for what comes from the layer below, orthogonal for a layer's own state."""

    def __call__(self, shape, dtype=None):
        """Returns [2 n, m]."""
        half = (shape[0] // 2, shape[1])
        below = keras.initializers.GlorotUniform()(half, dtype)
        return tf.concat([below, base.GateOrthogonal()(half, dtype)], axis=0)
