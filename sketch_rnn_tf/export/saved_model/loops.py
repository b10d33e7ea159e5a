"""The loops of exported graphs that read drawings, without a gradient of their own.

A drawing is read to the longest length in its batch, a point at a time.
"""

from __future__ import annotations

import tensorflow as tf

from sketch_rnn_tf.sampling import stepping


def read(step, points: tf.Tensor, states, lengths: tf.Tensor):
    """Runs a step over the first points of each row and keeps the states after its last one.

    Args:
      step: (point [B, D], states) -> (output, states).
      points: [B, T, D].
      states: the first states, [B, n] each.
      lengths: int32 [B], at most T.

    Returns:
      The states.
    """
    points = tf.transpose(points, [1, 0, 2])

    def body(t, states):
        _, new = step(points[t], states)
        return t + 1, _where(t < lengths, new, states)

    longest = tf.minimum(tf.reduce_max(lengths), tf.shape(points)[0])
    _, states = tf.while_loop(lambda t, states: t < longest, body, (0, list(states)))
    return states


def read_all(step: stepping.Stepper, points: tf.Tensor) -> tf.Tensor:
    """Returns the raw mixture parameters after every point [B, T, 5], [B, T, 3 + 6M]."""
    points = tf.transpose(points, [1, 0, 2])
    length = tf.shape(points)[0]

    def body(t, states, outputs):
        raw, states = step(points[t], states)
        return t + 1, states, outputs.write(t, raw)

    outputs = tf.TensorArray(tf.float32, length)
    _, _, outputs = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (0, list(step.initial_states), outputs),
        maximum_iterations=length,
    )
    return tf.transpose(outputs.stack(), [1, 0, 2])


def encode(model, strokes: tf.Tensor, lengths: tf.Tensor, labels: tf.Tensor | None):
    """Returns z_mean and z_log_var [B, Z], as `model.encode`, without a gradient of its own."""
    context = None if model.embedding is None else model.embedding(labels)
    encoder, batch = model.encoder, tf.shape(strokes)[0]
    backward = tf.reverse_sequence(strokes, lengths, seq_axis=1, batch_axis=0)
    summaries = []
    for cell, points in ((encoder.forward_cell, strokes), (encoder.backward_cell, backward)):
        step = stepping.CellStepper(cell, 5, context, batch)
        summaries.append(read(step, points, cell.get_initial_state(batch), lengths)[0])
    summary = tf.concat(summaries, axis=-1)  # h is the first state; it is 0 where nothing is read
    return encoder.mean(summary), encoder.log_var(summary)


def _where(condition: tf.Tensor, new, old) -> list[tf.Tensor]:
    return [tf.where(condition[:, None], a, b) for a, b in zip(new, old, strict=True)]
