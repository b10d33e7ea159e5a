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

from collections.abc import Callable, Mapping, Sequence

import tensorflow as tf

Product = Callable[..., tf.Tensor]  # (vectors, name of a matrix, plus=None) -> product + plus
Advance = Callable[..., tuple[tf.Tensor, list[tf.Tensor]]]


def product(a: tf.Tensor, b: tf.Tensor, dtype: tf.DType, **transposed: bool) -> tf.Tensor:
    """Returns a @ b as float32, computed on operands of `dtype`."""
    return tf.cast(tf.matmul(tf.cast(a, dtype), tf.cast(b, dtype), **transposed), tf.float32)


def plain_product(weights: Mapping[str, tf.Tensor], dtype: tf.DType) -> Product:
    """Returns the product with one of `weights` by name."""
    return lambda x, name, plus=None: _plus(product(x, weights[name], dtype), plus)


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
    advance: Advance,
    weights: Mapping[str, tf.Tensor],
    matrices: Sequence[str],
    projected: tf.Tensor,
    states: Sequence[tf.Tensor],
    mask: tf.Tensor | None,
    dtype: tf.DType = tf.float32,
    joined: str | None = None,
    recomputed: Sequence[str] = (),
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs a cell over time with the gradient of this module.

    Args:
      advance: (weights, product, projected [B, P], states, mask [B, H] or None) -> (output,
        states): one step, a pure function that calls `product` once for each name in `matrices`,
        in this order, and uses these weights in no other way.
      weights: every weight that `advance` uses, by name.
      matrices: the weights that are multiplied with vectors of every step, [n, m].
      joined: the matrix in whose product `projected` is the summand `plus`, if `advance` uses
        `projected` in no other way; their gradients are then one and are kept once.
      recomputed: matrices, also [K, n, m], whose products are not kept but computed again by
        the backward loop, which also sums their gradients step by step: where that takes less time
        than the memory is worth. Their products have no summand.
      projected: [T, B, P], the cell's input projections.
      states: the initial state, [B, n] each.
      mask: [T, B, H] for the candidate, or None.
      dtype: type of the products; everything else is float32.

    Returns:
      outputs [T, B, H] and the states after the last step.
    """
    count = len(states)

    @tf.custom_gradient
    def run(projected, *rest):
        given = dict(zip(weights, rest[count:], strict=True))
        loop = _Loop(advance, given, matrices, joined, recomputed, mask, dtype)
        return loop.forward(projected, rest[:count])

    outputs, *states = run(projected, *states, *weights.values())
    return outputs, states


class _Loop:
    """The forward loop of a sequence and its gradient."""

    def __init__(self, advance, weights, matrices, joined, recomputed, mask, dtype):
        self.advance, self.weights, self.matrices, self.dtype = advance, weights, matrices, dtype
        self.joined = joined
        self.kept = [name for name in matrices if name not in recomputed]
        self.vectors = [name for name in weights if name not in matrices]
        self.summed = [name for name in weights if name not in self.kept]  # step by step
        self.narrow = {name: tf.cast(weights[name], dtype) for name in matrices}
        self.masks = None if mask is None else _readable(mask)

    def forward(self, projected, states):
        """Returns (outputs [T, B, H], states...) and the function of their gradients."""
        length = tf.shape(projected)[0]
        inputs = _readable(projected)

        def body(t, states, outputs, kept_states, kept_products):
            kept_states = [a.write(t, x) for a, x in zip(kept_states, states, strict=True)]
            products = {}

            def multiply(x, name, plus=None):
                products[name] = _plus(product(x, self.narrow[name], self.dtype), plus)
                return products[name]

            output, states = self._advance(multiply, inputs.read(t), states, t)
            kept_products = [
                a.write(t, products[name]) for a, name in zip(kept_products, self.kept, strict=True)
            ]
            return t + 1, states, outputs.write(t, output), kept_states, kept_products

        _, last, outputs, kept_states, kept_products = tf.while_loop(
            lambda t, *_: t < length,
            body,
            (
                0,
                list(states),
                _writable(length),
                [_writable(length) for _ in states],
                [_writable(length) for _ in self.kept],
            ),
            maximum_iterations=length,
        )

        def gradient(d_outputs, *d_last):
            # A joined product holds the projections already: they need not be kept as well.
            kept_inputs = None if self.joined else inputs
            return self._backward(kept_inputs, kept_states, kept_products, d_outputs, d_last)

        return (outputs.stack(), *last), gradient

    def _advance(self, multiply, projected, states, t):
        mask = None if self.masks is None else self.masks.read(t)
        output, states = self.advance(self.weights, multiply, projected, list(states), mask)
        return output, list(states)

    def _backward(self, inputs, kept_states, kept_products, d_outputs, d_last):
        """Returns the gradients of projected, of the initial states and of the weights."""
        length = tf.shape(d_outputs)[0]
        d_outputs = _readable(d_outputs)
        transposed = {name: _transposed(self.weights[name], self.dtype) for name in self.matrices}

        def body(t, d_states, d_weights, d_inputs, factors, d_products):
            step = _StepGradient(self, t, inputs, kept_states, kept_products, transposed)
            d_input, d_states, d_weight = step(d_outputs.read(t), d_states)
            return (
                t - 1,
                d_states,
                {name: total + d_weight[name] for name, total in d_weights.items()},
                d_inputs if self.joined else d_inputs.write(t, d_input),
                {name: a.write(t, step.factors[name]) for name, a in factors.items()},
                {name: a.write(t, step.d_products[name]) for name, a in d_products.items()},
            )

        _, d_states, gradients, d_inputs, factors, d_products = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            (
                length - 1,
                list(d_last),
                {name: tf.zeros_like(self.weights[name]) for name in self.summed},
                _writable(length),
                {name: _writable(length) for name in self.kept},
                {name: _writable(length) for name in self.kept},
            ),
            maximum_iterations=length,
        )
        d_projected = None if self.joined else d_inputs.stack()
        for name in self.kept:
            stacked = d_products[name].stack()
            gradients[name] = _over_all_steps(factors[name].stack(), stacked, self.dtype)
            if name == self.joined:
                d_projected = stacked
        return (d_projected, *d_states, *(gradients[name] for name in self.weights))


class _StepGradient:
    """Differentiates one step; its products are read, most of them, not computed again."""

    def __init__(self, loop, t, inputs, kept_states, kept_products, transposed):
        self.loop, self.t, self.transposed = loop, t, transposed
        self.projected = None if inputs is None else inputs.read(t)
        self.states = [array.read(t) for array in kept_states]
        kept = [array.read(t) for array in kept_products]
        self.kept = dict(zip(loop.kept, kept, strict=True))
        self.factors, self.products, self.d_products = {}, {}, {}

    def __call__(self, d_output, d_states):
        """Returns gradients of projected, states and, by name, the weights in `loop.summed`."""
        vectors = [self.loop.weights[name] for name in self.loop.vectors]
        inputs = [] if self.projected is None else [self.projected]
        with tf.GradientTape() as tape:
            tape.watch([*inputs, *self.states, *vectors])
            output, states = self.loop._advance(self._multiply, self.projected, self.states, self.t)
        sources = [inputs, self.states, vectors, self.products]
        d_inputs, d_states, d_vectors, self.d_products = tape.gradient(
            [output, *states],
            sources,
            output_gradients=[d_output, *d_states],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        d_weights = dict(zip(self.loop.vectors, d_vectors, strict=True))
        for name in self.factors:
            if name not in self.kept:
                x, d = self.factors[name], self.d_products[name]
                d_weights[name] = product(x, d, self.loop.dtype, transpose_a=True)
        return d_inputs[0] if inputs else None, d_states, d_weights

    def _multiply(self, x, name, plus=None):
        """Returns the product as it was; its gradient passes through the transposed matrix."""
        dtype, transposed = self.loop.dtype, self.transposed[name]
        plus = None if name == self.loop.joined else plus

        @tf.custom_gradient
        def remembered(x, *plus):
            if name in self.kept:
                value = tf.identity(self.kept[name])
            else:
                value = product(x, self.loop.narrow[name], dtype)
            return value, lambda d: (product(d, transposed, dtype), *[d] * len(plus))

        self.factors[name] = x
        self.products[name] = remembered(x, *([] if plus is None else [plus]))
        return self.products[name]


def _plus(x: tf.Tensor, plus: tf.Tensor | None) -> tf.Tensor:
    return x if plus is None else x + plus


def _over_all_steps(x: tf.Tensor, d: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns the gradient of a matrix: one product over steps and batch.

    Args:
      x: what was multiplied with the matrix, [T, B, n].
      d: gradients of the products, [T, B, m].
      dtype: type of the product's operands.

    Returns:
      [n, m].
    """
    x, d = (tf.reshape(values, [-1, values.shape[-1]]) for values in (x, d))
    return product(x, d, dtype, transpose_a=True)


def _transposed(matrix: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.linalg.matrix_transpose(tf.cast(matrix, dtype))


def _readable(values: tf.Tensor) -> tf.TensorArray:
    """Returns [T, ...] as an array that both loops may read more than once."""
    array = tf.TensorArray(values.dtype, tf.shape(values)[0], clear_after_read=False)
    return array.unstack(values)


def _writable(length: tf.Tensor) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, length, clear_after_read=False)
