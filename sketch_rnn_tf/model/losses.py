"""The losses of the paper (section 3.2) a sketch and a point; reductions are the caller's.

Everything is in nats and normalised units, float32.
"""

from __future__ import annotations

import tensorflow as tf

from sketch_rnn_tf.model import next_point

REFERENCE_EPSILON = 1e-6  # what Magenta adds to densities and probabilities inside the logarithm


def offset_nats(
    parameters: next_point.MixtureParameters, strokes: tf.Tensor, reference: bool = False
) -> tf.Tensor:
    """Returns -log p(dx, dy) at every position, [B, T]; positions beyond a sketch included.

    Args:
      parameters: of `split_parameters`, [B, T, ...].
      strokes: targets [B, T, 5].
      reference: Magenta's numerics, -log(density + 1e-6), which cannot exceed 13.8 nats.
    """
    offsets = strokes[..., :2]
    if not reference:
        offsets = tf.clip_by_value(offsets, -next_point.MAX_OFFSET, next_point.MAX_OFFSET)
    log_density = next_point.offset_distribution(parameters).log_prob(offsets)
    if reference:
        return -tf.math.log(tf.exp(log_density) + REFERENCE_EPSILON)
    return -log_density


def pen_nats(parameters: next_point.MixtureParameters, strokes: tf.Tensor) -> tf.Tensor:
    """Returns -log p(pen state) at every position, [B, T], end tokens and padding included."""
    return tf.nn.softmax_cross_entropy_with_logits(
        labels=strokes[..., 2:], logits=parameters.pen_logits
    )


def kl_nats(z_mean: tf.Tensor, z_log_var: tf.Tensor) -> tf.Tensor:
    """Returns the KL divergence of q(z|sketch) from N(0, 1) a sketch and dimension, [B, Z]."""
    return -0.5 * (1.0 + z_log_var - tf.square(z_mean) - tf.exp(z_log_var))


def floored_kl(kl: tf.Tensor, tolerance: float) -> tf.Tensor:
    """Returns max(mean over batch and dimensions, tolerance).

    Below the tolerance the gradient is exactly zero (paper, section 3.2; Magenta).
    """
    return tf.maximum(tf.reduce_mean(kl), tolerance)


def real_points(lengths: tf.Tensor, length: tf.Tensor) -> tf.Tensor:
    """Returns 1 where a position is a point of the sketch, else 0: [B, T]."""
    return tf.sequence_mask(lengths, length, dtype=tf.float32)
