"""From latent vector to strokes: a pure core that the exports share.

Randomness enters the core as numbers. For every point of every sketch there are four: a uniform
that chooses the mixture component, a uniform that chooses the pen state, and standard normals for
x and y. The same numbers give the same drawing in TensorFlow, LiteRT and JavaScript.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf

from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.model.next_point import NextPoint, Tempering


def sample_from_noise(
    step: Callable[[tf.Tensor, list[tf.Tensor]], tuple[tf.Tensor, list[tf.Tensor]]],
    states: Sequence[tf.Tensor],
    first: tf.Tensor,
    noise: tf.Tensor,
    tempering: Tempering,
    prefix: tf.Tensor | None = None,
    prefix_lengths: tf.Tensor | None = None,
    skipped: tf.Tensor | None = None,
    greedy: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws until every sketch has ended or the noise is used up.

    Args:
      step: reads a point [B, 5]: (point, states) -> the raw output [B, 3 + 6M] and new
        states, such as `decoder.Stepper`.
      states: the states before `first`.
      first: [B, 5], the row that is read first: the start token.
      noise: [B, T, 4].
      tempering: of `next_point.temper`.
      prefix: stroke-5 [B, P, 5], points that are given and not drawn, or None.
      prefix_lengths: int32 [B], how many of them a sketch has, at most P and T.
      skipped: bool [B], rows that are not drawn and have no points, or None.
      greedy: see `NextPoint.from_noise`.

    Returns:
      stroke-5 [B, T, 5], padding after a sketch's end, normalized units; and int32 [B], the points
      of each sketch: T where it did not end.
    """
    length = tf.shape(noise)[1]
    noise = tf.transpose(noise, [1, 0, 2])  # [T, B, 4]
    padding = tf.constant([stroke_forms.PADDING])
    given = None if prefix is None else tf.transpose(prefix, [1, 0, 2])  # [P, B, 5]

    def body(t, going, stroke, states, ended, drawn):
        raw, states = step(stroke, states)
        stroke, ends = NextPoint(raw).from_noise(tf.gather(noise, t), tempering, greedy)
        if given is not None:
            own = t >= prefix_lengths
            row = tf.gather(given, tf.minimum(t, tf.shape(given)[0] - 1))
            stroke, ends = tf.where(own[:, None], stroke, row), ends & own
        ended |= ends
        stroke = tf.where(ended[:, None], padding, stroke)
        return t + 1, ~tf.reduce_all(ended), stroke, states, ended, drawn.write(t, stroke)

    ended = tf.zeros([tf.shape(first)[0]], tf.bool) if skipped is None else skipped
    drawn = tf.TensorArray(tf.float32, length, element_shape=[None, 5])
    # The first turn is made in any case: an empty array would not know its batch.
    start = (0, tf.constant(True), first, list(states), ended, drawn)
    count, *_, drawn = tf.while_loop(lambda t, going, *_: going & (t < length), body, start)
    return _padded(drawn.gather(tf.range(count)), length)


def _padded(rows: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns rows [t, B, 5] as [B, length, 5] and the number of points of each sketch [B]."""
    rest = [length - tf.shape(rows)[0], tf.shape(rows)[1], 1]
    padding = tf.tile(tf.constant([[stroke_forms.PADDING]]), rest)
    drawn = tf.transpose(tf.concat([rows, padding], axis=0), [1, 0, 2])
    return drawn, tf.reduce_sum(tf.cast(drawn[..., 4] < 0.5, tf.int32), axis=1)


def noise_from_seeds(seeds: tf.Tensor, length: int | tf.Tensor) -> tf.Tensor:
    """Returns the noise of sketches, [B, T, 4], each row a function of its own seed alone.

    A shorter noise is the beginning of a longer one.

    Args:
      seeds: int32 [B, 2].
      length: T.
    """

    def row(seed):
        uniforms = tf.random.stateless_uniform([length, 2], seed)
        normals = tf.random.stateless_normal([length, 2], tf.add(seed, [0, 1]))
        return tf.concat([uniforms, normals], axis=1)

    return tf.map_fn(row, seeds * [1, 4], fn_output_signature=tf.float32)


def latents_from_seeds(seeds: tf.Tensor, z_size: int) -> tf.Tensor:
    """Returns standard normals for latent vectors, [B, Z], a row for each seed [B, 2]."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal([z_size], seed),
        seeds * [1, 4] + [0, 2],
        fn_output_signature=tf.float32,
    )
