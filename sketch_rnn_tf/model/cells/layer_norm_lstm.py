"""The LSTM cell with layer normalization of Magenta's Sketch-RNN."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf

from sketch_rnn_tf.model.cells import base, lstm

NORM_EPSILON = 1e-3


def layer_norm(x: tf.Tensor, gain: tf.Tensor, shift: tf.Tensor, blocks: int = 1) -> tf.Tensor:
    """Normalizes each block of the last axis on its own (arXiv 1607.06450).

    Args:
      x: [B, n].
      gain: [n].
      shift: [n].
      blocks: into how many equal blocks n is cut.

    Returns:
      [B, n]; the variance is the biased one, epsilon 1e-3 (Magenta's).
    """
    size = x.shape[-1]
    x = tf.reshape(x, [-1, blocks, size // blocks])
    centered = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centered), axis=-1, keepdims=True)
    normal = tf.reshape(centered * tf.math.rsqrt(variance + NORM_EPSILON), [-1, size])
    return normal * gain + shift


def layer_norm_lstm_step(
    gates: tf.Tensor, c: tf.Tensor, mask: tf.Tensor | None, norms: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """One LSTM step with layer normalization from the gates' pre-activations.

        i, j, f, o = LN(gates), each block on its own
        c' = c sigmoid(f + 1) + sigmoid(i) dropout(tanh j)
        h' = sigmoid(o) tanh LN(c'); the carried c' is not normalized

    Args:
      gates: [B, 4H] in the order i, j, f, o.
      c: [B, H].
      mask: [B, H] multiplied with the candidate, or None.
      norms: gain and shift of the gates [4H], gain and shift of c' [H].

    Returns:
      h' and c', [B, H] each.
    """
    gate_gain, gate_shift, carry_gain, carry_shift = norms
    gates = lstm.LSTMGates().values(layer_norm(gates, gate_gain, gate_shift, 4))
    return lstm.lstm_step(gates, c, mask, lambda c: layer_norm(c, carry_gain, carry_shift))


def add_norm_weights(cell: base.RecurrentCell, units: int, prefix: str = "") -> None:
    """Makes the gains and shifts of `layer_norm_lstm_step` as attributes of a cell."""
    for name, size in (("gate", 4 * units), ("carry", units)):
        for kind, start in (("gain", "ones"), ("shift", "zeros")):
            full = f"{prefix}{name}_{kind}"
            setattr(cell, full, cell.add_weight(name=full, shape=(size,), initializer=start))


NORMS = ("gate_gain", "gate_shift", "carry_gain", "carry_shift")


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class LayerNormLSTMCell(base.RecurrentCell):
    """The LSTM cell with layer normalization of Magenta's Sketch-RNN. States: [h, c].

    See `layer_norm_lstm_step` for the equations; there is no bias. Args: see RecurrentCell.
    """

    matrices = ("recurrent_kernel",)
    vectors = NORMS
    joined = "recurrent_kernel"

    def build(self, input_shape):
        """Makes the weights for inputs [..., D]."""
        self.add_kernels(input_shape[-1])
        add_norm_weights(self, self.units)
        self.built = True

    def input_weights(self):
        """Returns the gates' kernel, P = 4H."""
        return tf.convert_to_tensor(self.kernel), None

    def equations(self, weights, multiply, projected, states, mask):
        """One step; see RecurrentCell."""
        h, c = states
        gates = multiply(h, "recurrent_kernel", projected)
        h, c = layer_norm_lstm_step(gates, c, mask, [weights[name] for name in NORMS])
        return h, [h, c]
