"""The graphs of a LiteRT file: batch 1, built-in operations only, randomness as numbers.

Loops are written for LiteRT: tensors of a fixed length are filled row by row, what does not depend
on the step is computed before the loop, and a loop ends with the sketch.
"""

from __future__ import annotations

from collections.abc import Callable

import tensorflow as tf

from sketch_rnn_tf.model import next_point
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sketcher import arguments

POINT = 5  # a stroke-5 row


class Graphs(tf.Module):
    """A model's LiteRT signatures.

    The decoder's whole state is one tensor, `state` [1, S]: the cell's states, the pen's position
    where the model reads it, and the context's share of the cell's input projection, which is the
    same at every step and computed once.

    Args:
      model: the model, float32.
      scale_factor: source units per normalized unit.
      start_token: the stroke-5 row that the decoder reads first.
      mode: temperature mode, see `next_point.temper`.
    """

    def __init__(self, model: SketchRNN, scale_factor: float, start_token, mode: str):
        super().__init__()
        self.model = model
        # Keras variables hide the ones of TensorFlow, which a SavedModel has to see.
        self.weights = [weight.value for weight in model.weights]
        self.scale_factor = float(scale_factor)
        self.start_token = tuple(float(value) for value in start_token)
        self.mode = mode
        self.length = model.max_length
        decoder = model.decoder
        sizes = [*decoder.state_size]
        if decoder.context_size:  # with the context's share of the projections
            inputs = tf.zeros([1, decoder.input_size - decoder.context_size])
            sizes.append(decoder.cell.project(inputs).shape[-1])
        self.state_sizes = sizes

    def signatures(self) -> dict[str, Callable]:
        """Returns {name: concrete function} of all signatures of this model."""
        given = {**self._latent_specs()}
        shared = {
            "noise": tf.TensorSpec([1, self.length, arguments.NOISE]),
            "temperature": tf.TensorSpec([1]),
            "max_points": tf.TensorSpec([1], tf.int32),
        }
        drawing = {
            "strokes": tf.TensorSpec([1, self.length, 3]),
            "lengths": tf.TensorSpec([1], tf.int32),
        }
        found = {
            **self.step_signatures(),
            "sample": _concrete(self.sample, {**given, **shared}),
            "complete": _concrete(self.complete, {**given, **drawing, **shared}),
        }
        if self.model.conditional:
            label = {name: spec for name, spec in given.items() if name == "label"}
            found["encode"] = _concrete(self.encode, {**drawing, **label})
        return found

    def step_signatures(self) -> dict[str, Callable]:
        """Returns the signatures that drawing point by point needs."""
        step = {
            "stroke": tf.TensorSpec([1, POINT]),
            "state": tf.TensorSpec([1, sum(self.state_sizes)]),
        }
        found = {"step": _concrete(self.step, step)}
        if self._latent_specs():  # without, the initial state is zero
            found["init_state"] = _concrete(self.init_state, self._latent_specs())
        return found

    def encode(self, strokes, lengths, label=None) -> dict[str, tf.Tensor]:
        """Reads a drawing in source units: z_mean and z_log_var [1, Z]."""
        encoder = self.model.encoder
        context = None if label is None else self.model.embedding(label)
        rows = _stroke5(strokes[0], self.scale_factor)  # [T, 5]
        cells = (encoder.forward_cell, encoder.backward_cell)
        shares = [cell.context_term(context, POINT) for cell in cells]
        last = lengths[0] - 1

        def body(t, forward, backward):
            forward = _cell_step(cells[0], tf.gather(rows, [t]), forward, shares[0])
            backward = _cell_step(cells[1], tf.gather(rows, [last - t]), backward, shares[1])
            return t + 1, forward[1], backward[1]

        states = [[tf.zeros([1, size]) for size in cell.state_size] for cell in cells]
        _, forward, backward = tf.while_loop(lambda t, *_: t <= last, body, (0, *states))
        last = [cells[0].output_of(forward), cells[1].output_of(backward)]  # zero without points
        summary = tf.concat(last, axis=-1)
        return {"z_mean": encoder.mean(summary), "z_log_var": encoder.log_var(summary)}

    def init_state(self, z=None, label=None) -> dict[str, tf.Tensor]:
        """Returns the `state` before the first point."""
        return {"state": tf.concat(self._initial(z, label), axis=-1)}

    def step(self, stroke, state) -> dict[str, tf.Tensor]:
        """Reads a point in normalized units: the next one's raw `parameters` and `state`."""
        states = tf.split(state, self.state_sizes, axis=-1)
        raw, states = self._step(stroke, states)
        return {"parameters": raw, "state": tf.concat(states, axis=-1)}

    def sample(self, noise, temperature, max_points, z=None, label=None) -> dict[str, tf.Tensor]:
        """Draws a sketch.

        Gives `strokes` [1, T, 3] in source units, zero beyond `lengths` [1], its number of points,
        and whether it `ended` [1] before max_points.
        """
        start = tf.constant([self.start_token])
        return self._draw(self._initial(z, label), start, noise, temperature, max_points[0])

    def complete(
        self, strokes, lengths, noise, temperature, max_points, z=None, label=None
    ) -> dict[str, tf.Tensor]:
        """Draws the rest of a sketch; gives the given points and the new ones, as `sample` does.

        Noise and max_points count the given points too.
        """
        given = _stroke5(strokes[0], self.scale_factor)  # [T, 5]
        rows = tf.concat([tf.constant([self.start_token]), given], axis=0)

        def read(t, states):
            return t + 1, self._step(tf.gather(rows, [t]), states)[1]

        states = self._initial(z, label)
        count = lengths[0]
        _, states = tf.while_loop(lambda t, _: t < count, read, (0, states))
        return self._draw(
            states, tf.gather(rows, [count]), noise, temperature, max_points[0], count, given
        )

    def _draw(self, states, first, noise, temperature, max_points, begin=0, drawn=None):
        """Draws from point `begin` on; the loop ends with the sketch or at max_points."""
        most = tf.minimum(max_points, self.length)
        if drawn is None:
            drawn = tf.zeros([self.length, POINT])
        else:  # what stands beyond may be anything, not a number too
            drawn = tf.where((tf.range(self.length) < begin)[:, None], drawn, 0.0)
        rows = tf.TensorArray(tf.float32, self.length, element_shape=[POINT]).unstack(drawn)
        choose = _PointChooser(self.model.num_mixtures, noise[0], temperature, self.mode)

        def body(t, going_on, stroke, states, rows):
            raw, states = self._step(stroke, states)
            point, going_on = choose(raw, t)
            return t + 1, going_on, tf.reshape(point, [1, POINT]), states, rows.write(t, point)

        count, going_on, _, _, rows = tf.while_loop(
            lambda t, going_on, *_: (t < most) & going_on,
            body,
            (begin, tf.constant(True), first, states, rows),
        )
        drawn, ended = rows.stack(), ~going_on
        lengths = count - tf.cast(ended, tf.int32)
        real = tf.cast(tf.range(self.length) < lengths, tf.float32)[:, None]
        strokes = tf.concat([drawn[:, :2] * self.scale_factor, drawn[:, 3:4]], axis=-1) * real
        return {"strokes": strokes[None], "lengths": lengths[None], "ended": ended[None]}

    def _initial(self, z, label) -> list[tf.Tensor]:
        context = self.model.context(z, label)
        states = self.model.decoder.initial_state(1, context)
        decoder = self.model.decoder
        size = decoder.input_size - decoder.context_size
        term = decoder.cell.context_term(context, size)
        return [*states, *([] if term is None else [term])]

    def _step(self, stroke, states) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """As `Decoder.step`, with the context's share as the last state."""
        decoder, states, term, position = self.model.decoder, list(states), [], []
        if decoder.context_size:
            term = [states.pop()]
        if decoder.absolute_position:
            position = [states.pop() + stroke[:, :2]]
            stroke = tf.concat([stroke, *position], axis=-1)
        output, states = _cell_step(decoder.cell, stroke, states, term[0] if term else None)
        return decoder.output_layer(output), [*states, *position, *term]

    def _latent_specs(self) -> dict[str, tf.TensorSpec]:
        specs = {}
        if self.model.conditional:
            specs["z"] = tf.TensorSpec([1, self.model.z_size])
        if self.model.num_classes:
            specs["label"] = tf.TensorSpec([1], tf.int32)
        return specs


class _PointChooser:
    """As `NextPoint.from_noise` for one sketch, in fewer operations.

    Every operation costs as much as a thousand multiplications here: component and pen are chosen
    side by side, and only the chosen component's parameters are worked with. A row is fetched with
    `gather`: a slice at a variable place has no fixed shape for LiteRT, which then prepares the
    whole loop anew at every step.

    Args:
      num_mixtures: M.
      noise: [T, 4].
      temperature: [1].
      mode: temperature mode.
    """

    def __init__(self, num_mixtures: int, noise, temperature, mode: str):
        self._mixtures = num_mixtures
        self._width = max(num_mixtures, next_point.PEN_STATES)
        self._uniforms, self._normals = noise[:, :2, None], noise[:, 2:]  # [T, 2, 1], [T, 2]
        sharpness, log_factor = next_point.temper(temperature, mode)
        self._sharpness = sharpness[0]  # [2, 1]
        self._factor = tf.exp(log_factor[0])  # [1]

    def __call__(self, raw, t) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns point t [5] and whether the sketch goes on, from raw parameters."""
        pen, pi, rest = tf.split(raw, [next_point.PEN_STATES, self._mixtures, -1], axis=1)
        component, pen = self._choose(pi, pen, tf.gather(self._uniforms, t))
        blocks = tf.reshape(rest, [5, self._mixtures])
        loc, shape = tf.split(tf.gather(blocks, component, axis=1), [2, 3])
        bounds = tf.constant([next_point.MAX_LOG_SCALE] * 2 + [next_point.MAX_FISHER_Z])
        log_scale, fisher_z = tf.split(tf.clip_by_value(shape, -bounds, bounds), [2, 1])
        scale = tf.exp(log_scale) * self._factor
        rho = tf.tanh(fisher_z)
        x, y = tf.split(tf.gather(self._normals, t), 2)  # [1] each
        white = tf.concat([x, rho * x + tf.sqrt(1.0 - rho * rho) * y], axis=0)
        states = tf.one_hot(pen, next_point.PEN_STATES)
        return tf.concat([loc + scale * white, states], axis=0), tf.not_equal(pen, 2)

    def _choose(self, pi, pen, uniforms) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the component and the pen state that two uniform numbers [2, 1] choose."""
        rows = []
        for logits in (pi, pen):
            missing = self._width - logits.shape[1]
            rows += [
                logits,
                *([tf.constant(-2.0 * next_point.MAX_LOGIT, shape=[1, missing])] * bool(missing)),
            ]
        logits = tf.reshape(tf.concat(rows, axis=1), [2, self._width])
        passed = tf.cumsum(tf.nn.softmax(logits * self._sharpness), axis=1) <= uniforms
        index = tf.reduce_sum(tf.cast(passed, tf.int32), axis=1)
        last = tf.constant([self._mixtures - 1, next_point.PEN_STATES - 1])
        return tf.unstack(tf.minimum(index, last))


def _cell_step(cell, inputs, states, share):
    projected = cell.project(inputs)
    return cell.step(projected if share is None else projected + share, states)


def _stroke5(strokes, scale_factor: float):
    """Returns stroke-3 [T, 3] in source units as stroke-5 [T, 5] in normalized units.

    Offsets are clamped as in training; rows beyond a sketch's length are not read.
    """
    offsets = tf.clip_by_value(strokes[:, :2], -1000.0, 1000.0) / scale_factor
    lifted = strokes[:, 2:]
    return tf.concat([offsets, 1.0 - lifted, lifted, tf.zeros_like(lifted)], axis=-1)


def _concrete(function: Callable, specs: dict[str, tf.TensorSpec]):
    """Traces a method for named inputs."""
    named = {name: tf.TensorSpec(spec.shape, spec.dtype, name) for name, spec in specs.items()}
    return tf.function(lambda **inputs: function(**inputs)).get_concrete_function(**named)
