"""Dropout masks that are functions of a seed, so that a resumed run draws the same ones."""

from __future__ import annotations

import tensorflow as tf


def mask(shape, rate: float, seed: tf.Tensor) -> tf.Tensor | None:
    """Returns a mask to multiply with: 0 with probability `rate`, else 1 / (1 - rate).

    Args:
      shape: shape of the mask.
      rate: probability of a zero; 0 gives None, so that callers can leave the product out.
      seed: int32 [2].

    Returns:
      float32 tensor of `shape`, or None.
    """
    if not rate:
        return None
    keep = 1.0 - rate
    kept = tf.random.stateless_uniform(shape, seed) < keep
    return tf.cast(kept, tf.float32) / keep


def fold(seed: tf.Tensor, stream: int) -> tf.Tensor:
    """Returns the seed of one named stream, int32 [2]; different streams are independent."""
    return tf.random.experimental.stateless_fold_in(tf.cast(seed, tf.int32), stream)


def check_rate(name: str, rate: float) -> float:
    """Returns a drop rate as a float.

    Raises:
      ValueError: it is not in [0, 1).
    """
    if not 0 <= float(rate) < 1:
        raise ValueError(f"{name} is {rate}, expected a drop rate in [0, 1)")
    return float(rate)
