"""Running a cell over a whole sequence.

`unroll` is the plain reference: a loop over `cell.step` that TensorFlow differentiates.
`sequence` computes the same, values and gradients, several times faster, for every cell that says
how it advances by one step: the products of the forward loop are kept, the backward loop
differentiates one step at a time and holds one matrix product for each of the forward loop's, and
the gradient of a recurrent matrix is one product over all steps instead of one a step. (Matrices
named as `recomputed` trade that for memory.)

Everything here is time-major: [T, B, ...].
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from sketch_rnn_tf.model.cells import steps
from sketch_rnn_tf.model.cells.steps import OWN, activated, product


def unroll(
    step: Callable,
    projected: tf.Tensor,
    states: Sequence[tf.Tensor],
    mask: tf.Tensor | None,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs `step` over time, differentiated by TensorFlow.

    Args:
      step: (projected [B, P], states, mask [B, H] or None) -> (output [B, H], states).
      projected: [T, B, P], the cell's input projections.
      states: the initial state, [B, n] each.
      mask: [T, B, H] for the candidate, or None.

    Returns:
      outputs [T, B, H] and the states after the last step.
    """
    length = tf.shape(projected)[0]

    def body(t, states, outputs):
        output, states = step(projected[t], states, None if mask is None else mask[t])
        return t + 1, states, outputs.write(t, output)

    outputs = tf.TensorArray(tf.float32, length)
    _, states, outputs = tf.while_loop(
        lambda t, *_: t < length, body, (0, list(states), outputs), maximum_iterations=length
    )
    return outputs.stack(), states


def sequence(
    cell: steps.Steps,
    weights: Mapping[str, tf.Tensor],
    inputs: tf.Tensor,
    own: tf.Tensor,
    share: tf.Tensor,
    states: Sequence[tf.Tensor],
    mask: tf.Tensor | None,
    dtype: tf.DType = tf.float32,
    segments: int = 1,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs a cell over time with the gradient of this module.

    The projections of step t are `inputs[t] @ own + share`.

    Args:
      cell: how to advance.
      weights: every weight of a step, by name.
      inputs: [T, B, D].
      own: [D, P].
      share: [B, P].
      states: the initial state, [B, n] each.
      mask: [T, B, H] for the candidate, or None.
      dtype: type of the products; everything else is float32.
      segments: of nearly the same length, each with a gradient of its own. What the gradient
        needs of every step at once then exists for one segment at a time.

    Returns:
      outputs [T, B, H] and the states after the last step.
    """
    weights, matrices = steps.reading(cell, weights, own)
    transposed = _transposed(weights, matrices, cell.joined, inputs.shape[-1], dtype)
    count, outputs = len(states), []
    masks = [None] * segments if mask is None else _cut(mask, segments)
    for piece, piece_mask in zip(_cut(inputs, segments), masks, strict=True):

        @tf.custom_gradient
        def run(inputs, share, *rest, mask=piece_mask):
            given = dict(zip(weights, rest[count:], strict=True))
            loop = _Loop(cell, given, transposed, inputs, share, mask, dtype)
            return loop.forward(rest[:count])

        output, *states = run(piece, share, *states, *weights.values())
        outputs.append(output)
    return tf.concat(outputs, axis=0), states


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


class _Loop:
    """The forward loop of a sequence and its gradient."""

    def __init__(self, cell, weights, transposed, inputs, share, mask, dtype):
        self.cell, self.weights, self.transposed, self.dtype = cell, weights, transposed, dtype
        matrices = list(transposed)
        self.inputs, self.share, self.mask = inputs, share, mask
        self.source = cell.joined or OWN  # the matrix that reads the inputs
        self.kept = [name for name in matrices if name not in cell.recomputed]
        self.vectors = [name for name in weights if name not in matrices]
        self.summed = [name for name in weights if name not in self.kept]  # step by step
        self.narrow = {name: tf.cast(weights[name], dtype) for name in matrices}

    def forward(self, states):
        """Returns (outputs [T, B, H], states...) and the function of their gradients."""
        length = tf.shape(self.inputs)[0]
        multiply = steps.plain_product(self.narrow, self.dtype, self.cell.activations)

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

        return (self._stack(outputs, states[0].shape[-1]), *last), gradient

    def _places(self, name, length):
        """Returns where the products with a matrix, or their activations, are kept."""
        if name not in self.cell.activations:
            return _writable(length)
        return [_writable(length) for _ in range(self.cell.activations[name].count)]

    def _stack(self, array, width):
        """Returns [T, B, width]; TensorFlow needs to know the rest where T is 0."""
        if tf.executing_eagerly():
            return array.stack()
        shape = [tf.shape(self.share)[0], width]
        return tf.raw_ops.TensorListStack(
            input_handle=array.flow, element_shape=shape, element_dtype=tf.float32
        )

    def step(self, multiply, states, t):
        """Reads the inputs of step t."""
        mask = None if self.mask is None else self.mask[t]
        return steps.read(
            self.cell, self.weights, multiply, self.inputs[t], self.share, states, mask
        )

    def _backward(self, kept_states, kept, d_outputs, d_last):
        """Returns the gradients of inputs, share, the initial states and the weights."""
        length = tf.shape(d_outputs)[0]
        own = self.weights[self.source][: self.inputs.shape[-1]]

        def body(t, d_states, d_share, d_weights, factors, d_products):
            step = _StepGradient(self, t, kept_states, kept)
            d_states, d_weight = step(d_outputs[t], d_states)
            return (
                t - 1,
                d_states,
                d_share + step.d_products[self.source],
                {name: total + d_weight[name] for name, total in d_weights.items()},
                _write(factors, t, {name: step.factors[name] for name in self.kept}),
                _write(d_products, t, {name: step.d_products[name] for name in self.kept}),
            )

        _, d_states, d_share, gradients, factors, d_products = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            (
                length - 1,
                list(d_last),
                tf.zeros_like(self.share),
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
            if name == self.source:
                d_inputs = product(d, own, self.dtype, transpose_b=True)
        d_inputs = tf.reshape(d_inputs, tf.shape(self.inputs))
        return (d_inputs, d_share, *d_states, *(gradients[name] for name in self.weights))


class _StepGradient:
    """Differentiates one step; its products are read, most of them, not computed again."""

    def __init__(self, loop, t, kept_states, kept):
        self.loop, self.t = loop, t
        self.states = [array.read(t) for array in kept_states]
        self.kept = tf.nest.map_structure(lambda array: array.read(t), kept)
        self.factors, self.d_products = {}, {}

    def __call__(self, d_output, d_states):
        """Returns gradients of the states and, by name, of the weights in `loop.summed`."""
        weights = {name: self.loop.weights[name] for name in self.loop.vectors}
        projected = self.kept.get(OWN, [])  # made of nothing that is differentiated in the loop
        with tf.GradientTape() as tape:
            tape.watch([self.states, weights, projected])
            output, states = self.loop.step(self._multiply, self.states, self.t)
        d_states, d_weights, d_projected = tape.gradient(
            [output, *states],
            [self.states, weights, projected],
            output_gradients=[d_output, *d_states],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        if OWN in self.kept:
            self.d_products[OWN] = d_projected
        for name in self.loop.cell.recomputed:
            x, d = self.factors[name], self.d_products[name]
            d_weights[name] = product(x, d, self.loop.dtype, transpose_a=True)
        return d_states, d_weights

    def _multiply(self, x, name, plus=None, inputs=None):
        """Returns a product as it was; its gradient passes through the transposed matrix."""
        self.factors[name] = steps.after(inputs, x)
        if name == OWN:
            return self.kept[OWN]
        dtype, activation = self.loop.dtype, self.loop.cell.activations.get(name)

        @tf.custom_gradient
        def remembered(x, *plus):
            value = self.kept.get(name)
            if value is None:
                value = activated(product(x, self.loop.narrow[name], dtype), activation)

            def gradient(*d):
                d = d[0] if activation is None else activation.gradient(value, d)
                self.d_products[name] = d
                return product(d, self.loop.transposed[name], dtype), *[d] * len(plus)

            return tf.nest.map_structure(tf.identity, value), gradient

        # The summand of the matrix that reads the inputs is the same at every step.
        return remembered(x, *([] if plus is None or name == self.loop.source else [plus]))


def _write(arrays: Any, t: tf.Tensor, values: Any) -> Any:
    """Writes values, a structure like that of the arrays, as step t."""
    return tf.nest.map_structure(lambda array, value: array.write(t, value), arrays, values)


def _writable(length: tf.Tensor) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, length, clear_after_read=False)
