"""One step of each kind of cell as bare functions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

FORGET_BIAS = 1.0  # added when the cell runs; stored biases do not contain it
NORM_EPSILON = 1e-3


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


def lstm(
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


def layer_norm(x: tf.Tensor, gain: tf.Tensor, shift: tf.Tensor, blocks: int = 1) -> tf.Tensor:
    """Normalises each block of the last axis on its own (arXiv 1607.06450).

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
    centred = x - tf.reduce_mean(x, axis=-1, keepdims=True)
    variance = tf.reduce_mean(tf.square(centred), axis=-1, keepdims=True)
    normal = tf.reshape(centred * tf.math.rsqrt(variance + NORM_EPSILON), [-1, size])
    return normal * gain + shift


def layer_norm_lstm(
    gates: tf.Tensor, c: tf.Tensor, mask: tf.Tensor | None, norms: Sequence[tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """One LSTM step with layer normalisation from the gates' pre-activations.

        i, j, f, o = LN(gates), each block on its own
        c' = c sigmoid(f + 1) + sigmoid(i) dropout(tanh j)
        h' = sigmoid(o) tanh LN(c'); the carried c' is not normalised

    Args:
      gates: [B, 4H] in the order i, j, f, o.
      c: [B, H].
      mask: [B, H] multiplied with the candidate, or None.
      norms: gain and shift of the gates [4H], gain and shift of c' [H].

    Returns:
      h' and c', [B, H] each.
    """
    gate_gain, gate_shift, carry_gain, carry_shift = norms
    gates = LSTMGates().values(layer_norm(gates, gate_gain, gate_shift, 4))
    return lstm(gates, c, mask, lambda c: layer_norm(c, carry_gain, carry_shift))
