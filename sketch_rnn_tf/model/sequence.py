"""Running a cell over time: whole sequences with a fast gradient, or forward only, or one point.

`run_sequence` is what layers call. In training it gives the values and gradients of a loop over
`CellStep` that TensorFlow would differentiate, several times faster: the products of the forward
loop are kept, the backward loop differentiates one step at a time and holds one matrix product for
each of the forward loop's, and the gradient of a recurrent matrix is one product over all steps of
a segment instead of one per step. (Matrices named as `recomputed` trade that for memory.) Outside
of training nothing is kept but the outputs.

Every cell works that states its equations as `RecurrentCell.equations` does. The projections of
step t are `inputs[t] @ input_matrix + constant_term`, the constant term being what context and bias
add to every step. Everything here is time-major: [T, B, ...].
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import tensorflow as tf

from sketch_rnn_tf.model.cells.base import RecurrentCell, multiplier, product

SEGMENTS = 3  # of a sequence in training, each with a gradient of its own
INPUTS = "inputs"  # the name of the input matrix, where no other reads the inputs


def run_sequence(
    cell: RecurrentCell,
    inputs: tf.Tensor,
    context: tf.Tensor | None,
    states: Sequence[tf.Tensor],
    mask: tf.Tensor | None = None,
    training: bool = True,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs a cell over whole sequences.

    Args:
      cell: the cell.
      inputs: [T, B, D].
      context: [B, C], further inputs that are the same at every step, or None.
      states: the initial state, [B, n] each.
      mask: [T, B, H] for the candidate, or None; in training only.
      training: whether with the fast gradient, a segment after the other: what the gradient needs
        of every step at once then exists for one segment at a time. Otherwise forward only, and a
        gradient would be TensorFlow's own, several times slower.

    Returns:
      The outputs [T, B, H] and the states after the last step.
    """
    if not training:
        return _run_forward(
            CellStep(cell, inputs.shape[-1], context, tf.shape(inputs)[1]), inputs, states
        )
    term = cell.constant_term(context, inputs.shape[-1], tf.shape(inputs)[1])
    weights, matrices = reading_weights(cell, inputs.shape[-1])
    dtype = tf.as_dtype(cell.compute_dtype)
    transposed = _transposed(weights, matrices, cell.joined, inputs.shape[-1], dtype)
    segments = min(SEGMENTS, inputs.shape[0] or SEGMENTS)  # none is empty where T is known
    states, count, outputs = list(states), len(states), []
    masks = [None] * segments if mask is None else _cut(mask, segments)
    for piece, piece_mask in zip(_cut(inputs, segments), masks, strict=True):

        @tf.custom_gradient
        def run(inputs, term, *rest, mask=piece_mask):
            given = dict(zip(weights, rest[count:], strict=True))
            segment = _Segment(cell, given, transposed, inputs, term, mask, dtype)
            return segment.forward(rest[:count])

        output, *states = run(piece, term, *states, *weights.values())
        outputs.append(output)
    return tf.concat(outputs, axis=0), states


def last_states(
    cell: RecurrentCell,
    inputs: tf.Tensor,
    context: tf.Tensor | None,
    states: Sequence[tf.Tensor],
    lengths: tf.Tensor,
) -> list[tf.Tensor]:
    """Runs forward only and keeps nothing but the states after each sequence's own last step.

    Args:
      cell: the cell.
      inputs: [T, B, D]; nothing beyond a sequence's length counts.
      context: [B, C] or None.
      states: the initial state, [B, n] each.
      lengths: int32 [B], at most T; where it is 0 the initial state stays.

    Returns:
      The states, [B, n] each.
    """
    step = CellStep(cell, inputs.shape[-1], context, tf.shape(inputs)[1])

    def body(t, states):
        _, new = step(inputs[t], states)
        going = (t < lengths)[:, None]
        return t + 1, [tf.where(going, a, b) for a, b in zip(new, states, strict=True)]

    longest = tf.minimum(tf.reduce_max(lengths), tf.shape(inputs)[0])
    _, states = tf.while_loop(lambda t, states: t < longest, body, (0, list(states)))
    return states


def _run_forward(step: CellStep, inputs, states) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs a step over [T, B, D]; returns the outputs [T, B, H] and the last states."""
    length = tf.shape(inputs)[0]

    def body(t, states, outputs):
        output, states = step(inputs[t], states)
        return t + 1, states, outputs.write(t, output)

    width = step.output_size
    outputs = tf.TensorArray(tf.float32, length, element_shape=[None, width])
    _, states, outputs = tf.while_loop(
        lambda t, *_: t < length, body, (0, list(states), outputs), maximum_iterations=length
    )
    return tf.ensure_shape(outputs.stack(), [None, None, width]), states


class CellStep:
    """One step of a cell whose inputs are [x, context], the context being the same throughout.

    The numbers are those of `cell.step(cell.project(x, context), states)`, in fewer operations:
    what is the same at every step is computed once, and one product serves inputs and state where
    the cell allows it.

    Args:
      cell: the cell.
      size: D, size of what changes from step to step.
      context: [B, C] or None.
      batch: B.

    Attributes:
      output_size: H.
    """

    def __init__(self, cell: RecurrentCell, size: int, context: tf.Tensor | None, batch):
        self._cell = cell
        self.output_size = cell.output_size
        self._constant_term = cell.constant_term(context, size, batch)  # [B, P]
        self._weights, matrices = reading_weights(cell, size)
        dtype = tf.as_dtype(cell.compute_dtype)
        narrow = {name: tf.cast(self._weights[name], dtype) for name in matrices}
        self._multiply = multiplier(narrow, dtype, cell.activations)

    def __call__(self, inputs: tf.Tensor, states: Sequence[tf.Tensor]):
        """Returns the output [B, H] and the new states after reading [B, D]."""
        return read_step(
            self._cell, self._weights, self._multiply, inputs, self._constant_term, states
        )


def reading_weights(cell: RecurrentCell, size: int) -> tuple[dict[str, tf.Tensor], tuple[str, ...]]:
    """Returns the weights of steps that read their inputs, see `read_step`, and the matrices.

    The input matrix stands on top of the cell's `joined` matrix, or is one of its own, `INPUTS`.

    Args:
      cell: the cell.
      size: D.
    """
    weights, matrix = cell.step_weights(), cell.input_matrix(size)
    if not cell.joined:
        return {**weights, INPUTS: matrix}, (INPUTS, *cell.matrices)
    joint = tf.concat([matrix, weights[cell.joined]], axis=0)
    return {**weights, cell.joined: joint}, tuple(cell.matrices)


def read_step(cell: RecurrentCell, weights, multiply, inputs, constant_term, states, mask=None):
    """Advances by one step, whose projections are inputs @ input_matrix + constant_term.

    Args:
      cell: the cell.
      weights: of `reading_weights`.
      multiply: (x, name, plus=None, inputs=None) -> [inputs, x] @ weights[name] + plus, or the
        values of its activation.
      inputs: [B, D].
      constant_term: [B, P].
      states: [B, n] each.
      mask: [B, H] for the candidate, or None.

    Returns:
      The output [B, H] and the new states.
    """
    projected = constant_term if cell.joined else multiply(inputs, INPUTS, constant_term)

    def multiply_joined(x, name, plus=None):
        return multiply(x, name, plus, inputs if name == cell.joined else None)

    return cell.equations(weights, multiply_joined, projected, list(states), mask)


def _transposed(weights, matrices, joined, size, dtype) -> dict[str, tf.Tensor]:
    """Returns what gradients are multiplied with, by name: matrices without the inputs' rows."""
    transposed = {}
    for name in matrices:
        matrix = weights[name][size if name == joined else 0 :]
        transposed[name] = tf.linalg.matrix_transpose(tf.cast(matrix, dtype))
    return transposed


def _cut(values: tf.Tensor, count: int) -> list[tf.Tensor]:
    """Returns [T, ...] in `count` pieces of nearly the same length."""
    length = tf.shape(values)[0]
    ends = [length * k // count for k in range(count + 1)]
    return [values[begin:end] for begin, end in itertools.pairwise(ends)]


class _Segment:
    """One segment of a sequence in training: the loop over its steps, and that loop's gradient."""

    def __init__(self, cell, weights, transposed, inputs, constant_term, mask, dtype):
        self.cell, self.weights, self.transposed, self.dtype = cell, weights, transposed, dtype
        matrices = list(transposed)
        self.inputs, self.constant_term, self.mask = inputs, constant_term, mask
        self.reader = cell.joined or INPUTS  # the matrix that reads the inputs
        self.kept = [name for name in matrices if name not in cell.recomputed]
        self.vectors = [name for name in weights if name not in matrices]
        self.summed = [name for name in weights if name not in self.kept]  # step by step
        self.narrow = {name: tf.cast(weights[name], dtype) for name in matrices}

    def forward(self, states):
        """Returns (outputs [T, B, H], states...) and the function of their gradients."""
        length = tf.shape(self.inputs)[0]
        multiply = multiplier(self.narrow, self.dtype, self.cell.activations)

        def body(t, states, outputs, kept_states, kept):
            kept_states = _write(kept_states, t, states)
            products = {}

            def remember(x, name, *rest):
                products[name] = multiply(x, name, *rest)
                return products[name]

            output, states = self.step(remember, states, t)
            kept = _write(kept, t, {name: products[name] for name in self.kept})
            return t + 1, states, outputs.write(t, output), kept_states, kept

        kept = {name: self._places(name, length) for name in self.kept}
        _, last, outputs, kept_states, kept = tf.while_loop(
            lambda t, *_: t < length,
            body,
            (0, list(states), _writable(length), [_writable(length) for _ in states], kept),
            maximum_iterations=length,
        )

        def gradient(d_outputs, *d_last):
            return self._backward(kept_states, kept, d_outputs, d_last)

        return (self._stack(outputs, self.cell.output_size), *last), gradient

    def _places(self, name, length):
        """Returns where the products with a matrix, or their activations, are kept."""
        if name not in self.cell.activations:
            return _writable(length)
        return [_writable(length) for _ in range(self.cell.activations[name].count)]

    def _stack(self, array, width):
        """Returns [T, B, width]; TensorFlow needs to know the rest where T is 0."""
        if tf.executing_eagerly():
            return array.stack()
        shape = [tf.shape(self.constant_term)[0], width]
        return tf.raw_ops.TensorListStack(
            input_handle=array.flow, element_shape=shape, element_dtype=tf.float32
        )

    def step(self, multiply, states, t):
        """Reads the inputs of step t."""
        mask = None if self.mask is None else self.mask[t]
        return read_step(
            self.cell, self.weights, multiply, self.inputs[t], self.constant_term, states, mask
        )

    def _backward(self, kept_states, kept, d_outputs, d_last):
        """Returns the gradients of inputs, constant term, the initial states and the weights."""
        length = tf.shape(d_outputs)[0]
        input_matrix = self.weights[self.reader][: self.inputs.shape[-1]]

        def body(t, d_states, d_term, d_weights, factors, d_products):
            step = _StepGradient(self, t, kept_states, kept)
            d_states, d_weight = step(d_outputs[t], d_states)
            return (
                t - 1,
                d_states,
                d_term + step.d_products[self.reader],
                {name: total + d_weight[name] for name, total in d_weights.items()},
                _write(factors, t, {name: step.factors[name] for name in self.kept}),
                _write(d_products, t, {name: step.d_products[name] for name in self.kept}),
            )

        _, d_states, d_term, gradients, factors, d_products = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            (
                length - 1,
                list(d_last),
                tf.zeros_like(self.constant_term),
                {name: tf.zeros_like(self.weights[name]) for name in self.summed},
                {name: _writable(length) for name in self.kept},
                {name: _writable(length) for name in self.kept},
            ),
            maximum_iterations=length,
        )
        for name in self.kept:
            arrays = zip((factors[name], d_products[name]), self.weights[name].shape, strict=True)
            x, d = (tf.reshape(self._stack(array, n), [-1, n]) for array, n in arrays)
            gradients[name] = product(x, d, self.dtype, transpose_a=True)  # over all steps
            if name == self.reader:
                d_inputs = product(d, input_matrix, self.dtype, transpose_b=True)
        d_inputs = tf.reshape(d_inputs, tf.shape(self.inputs))
        return (d_inputs, d_term, *d_states, *(gradients[name] for name in self.weights))


class _StepGradient:
    """Differentiates one step; its products are read, most of them, not computed again."""

    def __init__(self, segment, t, kept_states, kept):
        self.segment, self.t = segment, t
        self.states = [array.read(t) for array in kept_states]
        self.kept = tf.nest.map_structure(lambda array: array.read(t), kept)
        self.factors, self.d_products = {}, {}

    def __call__(self, d_output, d_states):
        """Returns gradients of the states and, by name, of the weights in `segment.summed`."""
        weights = {name: self.segment.weights[name] for name in self.segment.vectors}
        projected = self.kept.get(INPUTS, [])  # made of nothing that is differentiated in the loop
        with tf.GradientTape() as tape:
            tape.watch([self.states, weights, projected])
            output, states = self.segment.step(self._multiply, self.states, self.t)
        d_states, d_weights, d_projected = tape.gradient(
            [output, *states],
            [self.states, weights, projected],
            output_gradients=[d_output, *d_states],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        if INPUTS in self.kept:
            self.d_products[INPUTS] = d_projected
        for name in self.segment.cell.recomputed:
            x, d = self.factors[name], self.d_products[name]
            d_weights[name] = product(x, d, self.segment.dtype, transpose_a=True)
        return d_states, d_weights

    def _multiply(self, x, name, plus=None, inputs=None):
        """Returns a product as it was; its gradient passes through the transposed matrix."""
        self.factors[name] = x if inputs is None else tf.concat([inputs, x], axis=1)
        if name == INPUTS:
            return self.kept[INPUTS]
        dtype, activation = self.segment.dtype, self.segment.cell.activations.get(name)

        @tf.custom_gradient
        def remembered(x, *plus):
            value = self.kept.get(name)
            if value is None:
                value = product(x, self.segment.narrow[name], dtype)
                value = value if activation is None else activation.values(value)

            def gradient(*d):
                d = d[0] if activation is None else activation.gradient(value, d)
                self.d_products[name] = d
                return product(d, self.segment.transposed[name], dtype), *[d] * len(plus)

            return tf.nest.map_structure(tf.identity, value), gradient

        # The summand of the matrix that reads the inputs is the same at every step.
        return remembered(x, *([] if plus is None or name == self.segment.reader else [plus]))


def _write(arrays: Any, t: tf.Tensor, values: Any) -> Any:
    """Writes values, a structure like that of the arrays, as step t."""
    return tf.nest.map_structure(lambda array, value: array.write(t, value), arrays, values)


def _writable(length: tf.Tensor) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, length, clear_after_read=False)
