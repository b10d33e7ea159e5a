"""The loops of exported graphs: what does not change from point to point is computed before them.

A batch of one spends its time in the number of operations a point, not in their arithmetic. So the
context's share of the gates is computed once a sketch, one product serves point and state where
the cell allows it, and a component is chosen before its parameters are looked at. The numbers are
those of `Decoder.step` and `sampler.point_from_noise`.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.model import mixture, recurrence
from sketch_rnn_tf.model.cells import RecurrentCell
from sketch_rnn_tf.model.decoder import Decoder
from sketch_rnn_tf.sampling import sampler

END_OF_SKETCH = 2  # pen state


class Advance:
    """One step of a cell whose inputs are [point, context], the context being the same throughout.

    Args:
      cell: the cell; its projections are affine in the inputs.
      size: D, size of what changes from step to step.
      context: [B, C] or None.
      batch: B.
    """

    def __init__(self, cell: RecurrentCell, size: int, context: tf.Tensor | None, batch):
        self._cell = cell
        self._dtype = tf.as_dtype(cell.compute_dtype)
        self._share = cell.project(tf.zeros([batch, size]), context)  # [B, P]
        own = cell.project(tf.eye(size)) - cell.project(tf.zeros([1, size]))  # [D, P]
        self._weights = cell.step_weights()
        self._own = tf.cast(own, self._dtype)
        if cell.joined:
            parts = [own, self._weights[cell.joined]]
            self._own = tf.cast(tf.concat(parts, axis=0), self._dtype)  # [D + H, P]

    def __call__(self, point: tf.Tensor, states: Sequence[tf.Tensor]):
        """Returns the output [B, H] and the new states after reading a point [B, D]."""
        plain = recurrence.plain_product(self._weights, self._dtype)

        def joined(x, name, plus=None):
            if name != self._cell.joined:
                return plain(x, name, plus)
            return recurrence.product(tf.concat([point, x], 1), self._own, self._dtype) + plus

        share = self._share
        if not self._cell.joined:
            share = share + recurrence.product(point, self._own, self._dtype)
        return self._cell.advance(self._weights, joined, share, list(states), None)


class Decoding:
    """A decoder, ready to run over the points of a batch of sketches.

    Args:
      decoder: the decoder.
      context: [B, C] or None.
      batch: B.
    """

    def __init__(self, decoder: Decoder, context: tf.Tensor | None, batch):
        self._position = decoder.absolute_position
        self._advance = Advance(decoder.cell, 5 + 2 * self._position, context, batch)
        self._kernel = tf.convert_to_tensor(decoder.output_layer.kernel)
        self._bias = tf.convert_to_tensor(decoder.output_layer.bias)
        self.initial_states = decoder.initial_state(batch, context)

    def step(self, stroke: tf.Tensor, states) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """As `Decoder.step`: a point [B, 5] to raw mixture parameters and new states."""
        states, position = list(states), []
        if self._position:
            position = [states.pop() + stroke[:, :2]]
            stroke = tf.concat([stroke, *position], axis=-1)
        output, states = self._advance(stroke, states)
        raw = tf.nn.bias_add(tf.matmul(output, self._kernel), self._bias)
        return raw, [*states, *position]


class PointChooser:
    """Chooses points from raw mixture parameters and noise.

    Args:
      temperature: [B].
      mode: see `sampler.apply_temperature`.
    """

    def __init__(self, temperature: tf.Tensor, mode: str):
        # What a temperature does to logits of 1 and log sigmas of 0 says what it does to any.
        one, zero = tf.ones([tf.shape(temperature)[0], 1]), tf.zeros([tf.shape(temperature)[0], 1])
        neutral = mixture.MixtureParameters(one, one, zero[..., None], zero[..., None], zero)
        changed = sampler.apply_temperature(neutral, temperature, mode)
        self._sharpness = changed.mixture_logits  # [B, 1]
        self._log_factor = changed.log_scale[:, 0]  # [B, 1]

    def __call__(self, raw: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns a point [B, 5] and whether it ends the sketch [B]."""
        count = (raw.shape[-1] - mixture.PEN_STATES) // mixture.PARAMETERS
        logits = tf.clip_by_value(
            raw[:, : mixture.PEN_STATES + count], -mixture.MAX_LOGIT, mixture.MAX_LOGIT
        )
        logits = logits * self._sharpness
        pen = _choose(logits[:, : mixture.PEN_STATES], noise[:, 1:2])
        component = _choose(logits[:, mixture.PEN_STATES :], noise[:, 0:1])
        blocks = tf.reshape(raw[:, mixture.PEN_STATES + count :], [-1, 5, count])
        chosen = tf.gather(blocks, component, axis=2, batch_dims=1)  # [B, 5]
        bound = mixture.MAX_LOG_SCALE
        scale = tf.exp(tf.clip_by_value(chosen[:, 2:4], -bound, bound) + self._log_factor)
        bound = mixture.MAX_FISHER_Z
        rho = tf.tanh(tf.clip_by_value(chosen[:, 4:], -bound, bound))  # [B, 1]
        x, y = noise[:, 2:3], noise[:, 3:4]
        white = tf.concat([x, rho * x + tf.sqrt(1.0 - rho * rho) * y], axis=1)
        offset = chosen[:, :2] + scale * white
        point = tf.concat([offset, tf.one_hot(pen, mixture.PEN_STATES)], axis=-1)
        return point, tf.equal(pen, END_OF_SKETCH)


def _choose(logits: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Returns where cumulated probabilities [B, n] pass a uniform number [B, 1], int32 [B]."""
    passed = tf.cumsum(tf.nn.softmax(logits), axis=-1) <= uniform
    index = tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1)
    return tf.minimum(index, logits.shape[-1] - 1)


def draw(decoding: Decoding, first, noise, chooser: PointChooser, limits, prefix=None):
    """Draws until every sketch has ended or reached its limit, as `sampler.sample_from_noise`.

    Args:
      decoding: the decoder.
      first: [B, 5], the start token.
      noise: [B, T, 4].
      chooser: chooses the points.
      limits: int32 [B], at most T: how many points a sketch may get; 0 for rows that are not drawn.
      prefix: (stroke-5 [B, P, 5], lengths int32 [B]) of given points, or None.

    Returns:
      stroke-5 [B, T, 5], padding after a sketch's end, and the number of points, int32 [B].
    """
    noise = tf.transpose(noise, [1, 0, 2])  # [T, B, 4]
    length = tf.shape(noise)[0]
    padding = tf.constant([stroke_forms.PADDING])
    given = None if prefix is None else _padded_to(prefix[0], length)  # [T, B, 5]

    def body(t, stroke, states, ended, drawn):
        raw, states = decoding.step(stroke, states)
        stroke, ends = chooser(raw, noise[t])
        if given is not None:
            own = t >= prefix[1]
            stroke, ends = tf.where(own[:, None], stroke, given[t]), ends & own
        ended |= ends | (t >= limits)
        stroke = tf.where(ended[:, None], padding, stroke)
        return t + 1, stroke, states, ended, drawn.write(t, stroke)

    drawn = tf.TensorArray(tf.float32, length, element_shape=[None, 5])
    count, _, _, _, drawn = tf.while_loop(
        # One turn even where every row is bad: an empty array would not know its batch.
        lambda t, stroke, states, ended, drawn: (t < 1) | (t < length) & ~tf.reduce_all(ended),
        body,
        (0, first, list(decoding.initial_states), limits <= 0, drawn),
        maximum_iterations=length,
    )
    rows = _padded_to(tf.transpose(drawn.gather(tf.range(count)), [1, 0, 2]), length)
    drawn = tf.transpose(rows, [1, 0, 2])  # [B, T, 5]
    return drawn, tf.reduce_sum(tf.cast(drawn[..., 4] < 0.5, tf.int32), axis=1)


def _padded_to(rows: tf.Tensor, length) -> tf.Tensor:
    """Returns stroke-5 rows [B, t, 5] cut or padded to [length, B, 5]."""
    rows = tf.transpose(rows[:, :length], [1, 0, 2])
    rest = [length - tf.shape(rows)[0], tf.shape(rows)[1], 1]
    return tf.concat([rows, tf.tile(tf.constant([[stroke_forms.PADDING]]), rest)], axis=0)


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


def read_all(decoding: Decoding, points: tf.Tensor) -> tf.Tensor:
    """Returns the raw mixture parameters after every point [B, T, 5], [B, T, 3 + 6M]."""
    points = tf.transpose(points, [1, 0, 2])
    length = tf.shape(points)[0]

    def body(t, states, outputs):
        raw, states = decoding.step(points[t], states)
        return t + 1, states, outputs.write(t, raw)

    outputs = tf.TensorArray(tf.float32, length)
    _, _, outputs = tf.while_loop(
        lambda t, *_: t < length,
        body,
        (0, list(decoding.initial_states), outputs),
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
        states = cell.get_initial_state(batch)
        summaries.append(read(Advance(cell, 5, context, batch), points, states, lengths)[0])
    summary = tf.concat(summaries, axis=-1)  # h is the first state; it is 0 where nothing is read
    return encoder.mean(summary), encoder.log_var(summary)


def _where(condition: tf.Tensor, new, old) -> list[tf.Tensor]:
    return [tf.where(condition[:, None], a, b) for a, b in zip(new, old, strict=True)]
