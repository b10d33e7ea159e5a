"""Augmentation of many sketches at once, in the graph, as Magenta augments one.

Sketches lie end to end in one flat tensor; random numbers come in as arguments.
"""

from __future__ import annotations

import tensorflow as tf

MAX_OFFSET = 1000.0  # Magenta clamps offsets to this before anything else, source units


def normalize(offsets: tf.Tensor, scale_factor: float) -> tf.Tensor:
    """Returns offsets [N, 2] clamped to +-1000 source units and divided by the scale factor."""
    return tf.clip_by_value(offsets, -MAX_OFFSET, MAX_OFFSET) / scale_factor


def random_scale(
    offsets: tf.Tensor, sketch: tf.Tensor, uniforms: tf.Tensor, amount: float
) -> tf.Tensor:
    """Stretches each axis of each sketch by its own factor in [1 - amount, 1 + amount].

    Args:
      offsets: [N, 2].
      sketch: int [N], which sketch a point belongs to.
      uniforms: [S, 2] in [0, 1), one for each sketch and axis.
      amount: Magenta's random_scale_factor.
    """
    factors = 1.0 + _centered(uniforms, amount)
    return offsets * tf.gather(factors, sketch)


def random_slant(
    offsets: tf.Tensor, sketch: tf.Tensor, uniforms: tf.Tensor, amount: float
) -> tf.Tensor:
    """Slants and turns each sketch a little: x' = x + a y, y' = y + b x.

    Args:
      offsets: [N, 2].
      sketch: int [N], which sketch a point belongs to.
      uniforms: [S, 2] in [0, 1), one for each sketch and axis.
      amount: a and b are each uniform in [-amount, amount].
    """
    return offsets + offsets[:, ::-1] * tf.gather(_centered(uniforms, amount), sketch)


def _centered(uniforms: tf.Tensor, amount: float) -> tf.Tensor:
    """Returns numbers in [0, 1) spread over [-amount, amount)."""
    return (uniforms - 0.5) * 2.0 * amount


def drop_points(
    offsets: tf.Tensor,
    pen: tf.Tensor,
    sketch: tf.Tensor,
    uniforms: tf.Tensor,
    probability: float,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Drops points from the inside of strokes; what they moved is added to the point kept before.

    Magenta walks a sketch with a counter that restarts where this point lifts the pen or the last
    kept one did, and drops a point when the counter is above 2 and u < p. A dropped point never
    lifts the pen, so the last kept point's pen is the previous point's, and the counter is above 2
    exactly where this point and the two before it do not restart it: no walk is needed.

    Args:
      offsets: [N, 2].
      pen: [N], 1 where the pen is lifted.
      sketch: int [N], rising; which sketch a point belongs to.
      uniforms: [N] in [0, 1).
      probability: p, Magenta's augment_stroke_prob.

    Returns:
      offsets, pen and sketch of the points that stay. The first three points and the last point
      of every stroke always do.
    """
    before = tf.concat([[-1], sketch[:-1]], 0)
    lifted = pen > 0.5
    lifted_before = tf.concat([[True], lifted[:-1]], 0) | tf.not_equal(sketch, before)
    steady = ~(lifted | lifted_before)
    counted = steady & _earlier(steady, 1) & _earlier(steady, 2)
    kept = ~(counted & (uniforms < probability))
    target = tf.cumsum(tf.cast(kept, tf.int32)) - 1
    return (
        tf.math.segment_sum(offsets, target),
        tf.boolean_mask(pen, kept),
        tf.boolean_mask(sketch, kept),
    )


def _earlier(flags: tf.Tensor, steps: int) -> tf.Tensor:
    """Returns flags [N] moved back by some steps, False coming in."""
    return tf.concat([tf.zeros([steps], tf.bool), flags], 0)[: tf.shape(flags)[0]]
