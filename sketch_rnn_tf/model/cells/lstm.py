"""The LSTM cell of Magenta's Sketch-RNN."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import keras
import tensorflow as tf

from sketch_rnn_tf.model.cells import base

FORGET_BIAS = 1.0  # added when the cell runs; stored biases do not contain it


class LSTMGates:
    """The activations of an LSTM's gates; their gradient needs their values only."""

    count = 4

    def values(self, gates: tf.Tensor) -> list[tf.Tensor]:
        """Returns sigmoid(i), tanh(j), sigmoid(f + 1) and sigmoid(o), [B, H] each.

        Args:
          gates: pre-activations [B, 4H] in the order i, j, f, o (Magenta's).
        """
        i, j, f, o = tf.split(gates, 4, axis=-1)
        return [tf.sigmoid(i), tf.tanh(j), tf.sigmoid(f + FORGET_BIAS), tf.sigmoid(o)]

    def gradient(self, values: Sequence[tf.Tensor], d_values: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the gradient of the pre-activations, [B, 4H], from values and their gradients."""
        kinds = (tf.raw_ops.SigmoidGrad, tf.raw_ops.TanhGrad) + 2 * (tf.raw_ops.SigmoidGrad,)
        parts = [kind(y=y, dy=dy) for kind, y, dy in zip(kinds, values, d_values, strict=True)]
        return tf.concat(parts, axis=-1)


def lstm_step(
    gates: Sequence[tf.Tensor],
    c: tf.Tensor,
    mask: tf.Tensor | None,
    norm: Callable[[tf.Tensor], tf.Tensor] = lambda c: c,
) -> tuple[tf.Tensor, tf.Tensor]:
    """One LSTM step from the activated gates.

        c' = c sigmoid(f + 1) + sigmoid(i) dropout(tanh j)
        h' = sigmoid(o) tanh norm(c')

    Args:
      gates: of `LSTMGates`, [B, H] each.
      c: [B, H].
      mask: [B, H] multiplied with the candidate, or None.
      norm: of c' as it goes into h'.

    Returns:
      h' and c', [B, H] each.
    """
    i, j, f, o = gates
    candidate = j if mask is None else j * mask
    c = c * f + i * candidate
    return o * tf.tanh(norm(c)), c


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class LSTMCell(base.RecurrentCell):
    """The LSTM cell of Magenta's Sketch-RNN. States: [h, c].

        i, j, f, o = [x, h] W + b
        c' = c sigmoid(f + 1) + sigmoid(i) dropout(tanh j)
        h' = sigmoid(o) tanh c'

    Recurrent weights start orthogonal per gate, input weights Glorot uniform. Args: see
    RecurrentCell.
    """

    matrices = ("recurrent_kernel",)
    joined = "recurrent_kernel"
    activations: ClassVar = {"recurrent_kernel": LSTMGates()}

    def build(self, input_shape):
        """Makes the weights for inputs [..., D]."""
        self.add_kernels(input_shape[-1])
        self.bias = self.add_weight(name="bias", shape=(4 * self.units,), initializer="zeros")
        self.built = True

    def input_weights(self):
        """Returns the gates' kernel and bias, P = 4H."""
        return tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)

    def equations(self, weights, multiply, projected, states, mask):
        """One step; see RecurrentCell."""
        h, c = states
        h, c = lstm_step(multiply(h, "recurrent_kernel", projected), c, mask)
        return h, [h, c]
