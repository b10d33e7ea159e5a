"""The losses of the paper (section 3.2) per sketch and point, and their reduction over a batch.

Everything is in nats and normalized units, float32.
"""

from __future__ import annotations

import tensorflow as tf

from sketch_rnn_tf.model.next_point import NextPoint

REFERENCE_EPSILON = 1e-6  # what Magenta adds to densities and probabilities inside the logarithm


def offset_nats(distribution: NextPoint, strokes: tf.Tensor, reference: bool = False) -> tf.Tensor:
    """Returns -log p(dx, dy) at every position, [B, T]; positions beyond a sketch included.

    Args:
      distribution: of every position, [B, T].
      strokes: targets [B, T, 5].
      reference: Magenta's numerics, -log(density + 1e-6), which cannot exceed 13.8 nats; the
        distribution is then unbounded.
    """
    log_density = distribution.offset_log_prob(strokes[..., :2])
    if reference:
        return -tf.math.log(tf.exp(log_density) + REFERENCE_EPSILON)
    return -log_density


def pen_nats(distribution: NextPoint, strokes: tf.Tensor) -> tf.Tensor:
    """Returns -log p(pen state) at every position, [B, T], end tokens and padding included."""
    return -distribution.pen_log_prob(strokes[..., 2:])


def kl_nats(z_mean: tf.Tensor, z_log_var: tf.Tensor) -> tf.Tensor:
    """Returns the KL divergence of q(z|sketch) from N(0, 1) per sketch and dimension, [B, Z]."""
    return -0.5 * (1.0 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var))


def floored_kl(kl_raw: tf.Tensor, tolerance: float, mean: tf.Tensor | None = None) -> tf.Tensor:
    """Returns max(KL, tolerance), the one place where the KL loss is floored.

    Below the tolerance the gradient is exactly zero (paper, section 3.2; Magenta).

    Args:
      kl_raw: the KL loss, averaged over batch and dimensions.
      tolerance: its floor.
      mean: where `kl_raw` is of one replica's share of a batch, that of the whole batch, which
        decides; the mean over replicas of what is returned is then the floored whole.
    """
    return tf.where((kl_raw if mean is None else mean) < tolerance, tolerance, kl_raw)


def real_points(lengths: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Returns 1 where a position is a point of the sketch, else 0: [B, T]."""
    return tf.sequence_mask(lengths, length, dtype=tf.float32)
