"""Dropout masks that are functions of a seed, so that a resumed run draws the same ones."""

from __future__ import annotations

import tensorflow as tf

from sketch_rnn_tf.errors import UserError

_VALUES = 65_536  # of sixteen random bits


def mask(shape, rate: float, seed: tf.Tensor) -> tf.Tensor | None:
    """Returns a mask to multiply with: 0 with probability `rate`, else 1 / (1 - rate).

    Sixteen random bits decide, which halves the time of the random numbers; `rate` is rounded to
    1/65536 (and the factor follows the rounded rate).

    Args:
      shape: shape of the mask; its last dimension is static.
      rate: probability of a zero; 0 gives None, so that callers can leave the product out.
      seed: int32 [2].

    Returns:
      float32 tensor of `shape`, or None.
    """
    dropped = round(rate * _VALUES)
    if not dropped:
        return None
    *lead, width = shape
    drawn = [*lead, (width + 1) // 2]
    bits = tf.random.stateless_uniform(drawn, seed, minval=None, maxval=None, dtype=tf.int32)
    halves = tf.reshape(tf.bitcast(bits, tf.int16), [*lead, 2 * drawn[-1]])[..., :width]
    kept = halves >= tf.constant(dropped - _VALUES // 2, tf.int16)
    return tf.cast(kept, tf.float32) * (_VALUES / (_VALUES - dropped))


def fold(seed: tf.Tensor, stream: int) -> tf.Tensor:
    """Returns the seed of one named stream, int32 [2]; different streams are independent."""
    return tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int32), stream)


def check_rate(name: str, rate: float) -> float:
    """Returns a drop rate as a float.

    Raises:
      UserError: it is not in [0, 1).
    """
    if not 0 <= float(rate) < 1:
        raise UserError(f"{name} is {rate}, expected a drop rate in [0, 1)")
    return float(rate)
