"""Running a cell over a whole sequence.

`unroll` is the plain reference: a loop over `cell.step` that TensorFlow differentiates.
`sequence` computes the same, values and gradients, several times faster, for every cell that says
how it advances by one step: the products of the forward loop are kept, the backward loop
differentiates one step at a time and holds one matrix product for each of the forward loop's, and
the gradient of a recurrent matrix is one product over all steps instead of one a step.

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
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs a cell over time with the gradient of this module.

    Args:
      advance: (weights, product, projected [B, P], states, mask [B, H] or None) -> (output,
        states): one step, a pure function that calls `product` once for each name in `matrices`,
        in this order, and uses these weights in no other way.
      weights: every weight that `advance` uses, by name.
      matrices: the weights that are multiplied with vectors of every step, [n, m] or [K, n, m].
      joined: the matrix in whose product `projected` is the summand `plus`, if `advance` uses
        `projected` in no other way; their gradients are then one and are kept once.
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
        loop = _Loop(advance, given, matrices, joined, mask, dtype)
        return loop.forward(projected, rest[:count])

    outputs, *states = run(projected, *states, *weights.values())
    return outputs, states


class _Loop:
    """The forward loop of a sequence and its gradient."""

    def __init__(self, advance, weights, matrices, joined, mask, dtype):
        self.advance, self.weights, self.matrices, self.dtype = advance, weights, matrices, dtype
        self.joined = joined
        self.vectors = [name for name in weights if name not in matrices]
        self.masks = None if mask is None else _readable(mask)

    def forward(self, projected, states):
        """Returns (outputs [T, B, H], states...) and the function of their gradients."""
        length = tf.shape(projected)[0]
        inputs = _readable(projected)
        narrow = {name: tf.cast(self.weights[name], self.dtype) for name in self.matrices}

        def body(t, states, outputs, kept_states, kept_products):
            kept_states = [a.write(t, x) for a, x in zip(kept_states, states, strict=True)]
            products = []

            def multiply(x, name, plus=None):
                products.append(_plus(product(x, narrow[name], self.dtype), plus))
                return products[-1]

            output, states = self._advance(multiply, inputs.read(t), states, t)
            kept_products = [a.write(t, x) for a, x in zip(kept_products, products, strict=True)]
            return t + 1, states, outputs.write(t, output), kept_states, kept_products

        _, last, outputs, kept_states, kept_products = tf.while_loop(
            lambda t, *_: t < length,
            body,
            (
                0,
                list(states),
                _writable(length),
                [_writable(length) for _ in states],
                [_writable(length) for _ in self.matrices],
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

        def body(t, d_states, d_vectors, d_inputs, factors, d_products):
            step = _StepGradient(self, t, inputs, kept_states, kept_products, transposed)
            d_input, d_states, d_vector, d_product = step(d_outputs.read(t), d_states)
            return (
                t - 1,
                d_states,
                [total + d for total, d in zip(d_vectors, d_vector, strict=True)],
                d_inputs if self.joined else d_inputs.write(t, d_input),
                [a.write(t, x) for a, x in zip(factors, step.factors, strict=True)],
                [a.write(t, x) for a, x in zip(d_products, d_product, strict=True)],
            )

        _, d_states, d_vectors, d_inputs, factors, d_products = tf.while_loop(
            lambda t, *_: t >= 0,
            body,
            (
                length - 1,
                list(d_last),
                [tf.zeros_like(self.weights[name]) for name in self.vectors],
                _writable(length),
                [_writable(length) for _ in self.matrices],
                [_writable(length) for _ in self.matrices],
            ),
            maximum_iterations=length,
        )
        gradients = dict(zip(self.vectors, d_vectors, strict=True))
        d_projected = None if self.joined else d_inputs.stack()
        for name, factor, d_product in zip(self.matrices, factors, d_products, strict=True):
            stacked = d_product.stack()
            gradients[name] = _over_all_steps(factor.stack(), stacked, self.dtype)
            if name == self.joined:
                d_projected = stacked
        return (d_projected, *d_states, *(gradients[name] for name in self.weights))


class _StepGradient:
    """Differentiates one step; its products are read, not computed again."""

    def __init__(self, loop, t, inputs, kept_states, kept_products, transposed):
        self.loop, self.t, self.transposed = loop, t, transposed
        self.projected = None if inputs is None else inputs.read(t)
        self.states = [array.read(t) for array in kept_states]
        self.kept = [array.read(t) for array in kept_products]
        self.factors, self.products = [], []

    def __call__(self, d_output, d_states):
        """Returns gradients of projected, states, vectors and products."""
        vectors = [self.loop.weights[name] for name in self.loop.vectors]
        inputs = [] if self.projected is None else [self.projected]
        with tf.GradientTape() as tape:
            tape.watch([*inputs, *self.states, *vectors])
            output, states = self.loop._advance(self._multiply, self.projected, self.states, self.t)
        sources = [inputs, self.states, vectors, self.products]
        d_inputs, d_states, d_vectors, d_products = tape.gradient(
            [output, *states],
            sources,
            output_gradients=[d_output, *d_states],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return d_inputs[0] if inputs else None, d_states, d_vectors, d_products

    def _multiply(self, x, name, plus=None):
        """Returns the kept product; its gradient passes through the transposed matrix."""
        kept, transposed = self.kept[len(self.factors)], self.transposed[name]
        plus = None if name == self.loop.joined else plus

        @tf.custom_gradient
        def remembered(x, *plus):
            return tf.identity(kept), lambda d: (
                product(d, transposed, self.loop.dtype),
                *[d] * len(plus),
            )

        self.factors.append(x)
        self.products.append(remembered(x, *([] if plus is None else [plus])))
        return self.products[-1]


def _plus(x: tf.Tensor, plus: tf.Tensor | None) -> tf.Tensor:
    return x if plus is None else x + plus


def _over_all_steps(x: tf.Tensor, d: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    """Returns the gradient of a matrix: one product over steps and batch.

    Args:
      x: what was multiplied with the matrix, [T, B, n] (or [T, K, B, n]).
      d: gradients of the products, [T, B, m] (or [T, K, B, m]).
      dtype: type of the product's operands.

    Returns:
      [n, m] (or [K, n, m]).
    """
    if x.shape.rank == 4:
        x, d = tf.transpose(x, [1, 0, 2, 3]), tf.transpose(d, [1, 0, 2, 3])
    lead = x.shape[:-3].as_list()
    x = tf.reshape(x, [*lead, -1, x.shape[-1]])
    d = tf.reshape(d, [*lead, -1, d.shape[-1]])
    return product(x, d, dtype, transpose_a=True)


def _transposed(matrix: tf.Tensor, dtype: tf.DType) -> tf.Tensor:
    return tf.linalg.matrix_transpose(tf.cast(matrix, dtype))


def _readable(values: tf.Tensor) -> tf.TensorArray:
    """Returns [T, ...] as an array that both loops may read more than once."""
    array = tf.TensorArray(values.dtype, tf.shape(values)[0], clear_after_read=False)
    return array.unstack(values)


def _writable(length: tf.Tensor) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, length, clear_after_read=False)
