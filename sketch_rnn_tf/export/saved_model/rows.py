"""What exported graphs check in their inputs, row by row.

A server merges requests of strangers into one batch, so a bad value must concern its own row only:
the row gets a code, harmless values replace its own, and its neighbors notice nothing.
"""

from __future__ import annotations

import tensorflow as tf

from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.serving import server_errors

TINY = 1.1754944e-38  # the smallest normal float32; the processor takes less for zero


class Rows:
    """The rows of one batch and what is wrong with them.

    Args:
      inputs: {name: tensor [B, ...]}.
    """

    def __init__(self, inputs: dict[str, tf.Tensor]):
        sizes = [tf.shape(value)[0] for value in inputs.values()]
        same = tf.reduce_all([tf.equal(size, sizes[0]) for size in sizes])
        message = f"{', '.join(inputs)} have different numbers of rows"
        with tf.control_dependencies([tf.debugging.Assert(same, [message])]):
            self.error = tf.zeros([sizes[0]], tf.int32)
        self.size = tf.shape(self.error)[0]

    def reject(self, bad: tf.Tensor, code: server_errors.RowError) -> None:
        """Gives rows [B] a code, unless they have one."""
        fresh = bad & tf.equal(self.error, 0)
        self.error = tf.where(fresh, int(code), self.error)

    @property
    def good(self) -> tf.Tensor:
        """Rows without an error, bool [B]."""
        return tf.equal(self.error, 0)

    def temperature(self, value: tf.Tensor) -> tf.Tensor:
        """Returns [B] with 1 in place of what is not a finite number above 0."""
        good = tf.math.is_finite(value) & (value >= TINY)
        self.reject(~good, server_errors.RowError.TEMPERATURE)
        return tf.where(good, value, 1.0)

    def finite(self, value: tf.Tensor, code: server_errors.RowError) -> tf.Tensor:
        """Returns [B, ...] with 0 in place of what is not finite."""
        good = tf.math.is_finite(value)
        axes = list(range(1, value.shape.rank))
        self.reject(~tf.reduce_all(good, axis=axes), code)
        return tf.where(good, value, tf.zeros_like(value))

    def label(self, value: tf.Tensor, num_classes: int) -> tf.Tensor:
        """Returns [B] with 0 in place of what is not a class."""
        good = (value >= 0) & (value < num_classes)
        self.reject(~good, server_errors.RowError.LABEL)
        return tf.where(good, value, 0)

    def strokes(self, strokes: tf.Tensor, lengths: tf.Tensor, least: int, most: int):
        """Checks drawings, and reads nothing beyond their lengths.

        Args:
          strokes: stroke-3 [B, T, 3], source units.
          lengths: int32 [B].
          least: fewest points of a drawing.
          most: most points of a drawing.

        Returns:
          strokes [B, min(T, most), 3] with zeros beyond the lengths, and the lengths, 0 for bad
          rows.
        """
        places = tf.shape(strokes)[1]
        good = (lengths >= least) & (lengths <= most) & (lengths <= places)
        self.reject(~good, server_errors.RowError.LENGTH)
        lengths = tf.where(good, lengths, 0)
        strokes = strokes[:, :most]
        real = tf.sequence_mask(lengths, tf.shape(strokes)[1])[..., None]
        strokes = tf.where(real, strokes, tf.zeros_like(strokes))
        pen = strokes[..., 2]
        bad = ~tf.reduce_all(tf.math.is_finite(strokes), axis=[1, 2])
        bad |= ~tf.reduce_all(tf.equal(pen, 0.0) | tf.equal(pen, 1.0), axis=1)
        self.reject(bad, server_errors.RowError.STROKES)
        strokes = tf.where(bad[:, None, None], tf.zeros_like(strokes), strokes)
        return strokes, tf.where(bad, 0, lengths)


def stroke5(strokes: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """Returns stroke-3 [B, T, 3] as stroke-5 [B, T, 5], padding beyond the lengths."""
    pen = strokes[..., 2:]
    rows = tf.concat([strokes[..., :2], 1.0 - pen, pen, tf.zeros_like(pen)], axis=-1)
    real = tf.sequence_mask(lengths, tf.shape(strokes)[1])[..., None]
    return tf.where(real, rows, tf.constant(stroke_forms.PADDING))
