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
    inputs: tf.Tensor,
    own: tf.Tensor,
    share: tf.Tensor,
    states: Sequence[tf.Tensor],
    mask: tf.Tensor | None,
    dtype: tf.DType = tf.float32,
    joined: str | None = None,
    recomputed: Sequence[str] = (),
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs a cell over time with the gradient of this module.

    The projections of step t are `inputs[t] @ own + share`.

    Args:
      advance: (weights, product, projected [B, P], states, mask [B, H] or None) -> (output,
        states): one step, a pure function that calls `product` once for each name in `matrices`,
        in this order, and uses these weights in no other way.
      weights: every weight that `advance` uses, by name.
      matrices: the weights that are multiplied with vectors of every step, [n, m].
      inputs: [T, B, D].
      own: [D, P].
      share: [B, P].
      states: the initial state, [B, n] each.
      mask: [T, B, H] for the candidate, or None.
      dtype: type of the products; everything else is float32.
      joined: the matrix in whose product the projections are the summand `plus`, if `advance`
        uses them in no other way; one product then serves the inputs and what it is called with.
      recomputed: matrices, also [K, n, m], whose products are not kept but computed again by
        the backward loop, which also sums their gradients step by step: where that takes less time
        than the memory is worth. Their products have no summand.

    Returns:
      outputs [T, B, H] and the states after the last step.
    """
    weights = dict(weights)
    if joined:
        weights[joined] = tf.concat([own, weights[joined]], axis=0)
    else:
        weights[_OWN] = own
        matrices = (_OWN, *matrices)

    @tf.custom_gradient
    def run(inputs, share, *rest):
        given = dict(zip(weights, rest[len(states) :], strict=True))
        loop = _Loop(advance, given, matrices, joined, recomputed, inputs, share, mask, dtype)
        return loop.forward(rest[: len(states)])

    outputs, *last = run(inputs, share, *states, *weights.values())
    return outputs, last


_OWN = "own"  # the name of the inputs' own product, where no other reads them


class _Loop:
    """The forward loop of a sequence and its gradient."""

    def __init__(self, advance, weights, matrices, joined, recomputed, inputs, share, mask, dtype):
        self.advance, self.weights, self.matrices, self.dtype = advance, weights, matrices, dtype
        self.inputs, self.share, self.mask = inputs, share, mask
        self.source = joined or _OWN  # the matrix that reads the inputs
        self.kept = [name for name in matrices if name not in recomputed]
        self.vectors = [name for name in weights if name not in matrices]
        self.summed = [name for name in weights if name not in self.kept]  # step by step
        self.narrow = {name: tf.cast(weights[name], dtype) for name in matrices}

    def forward(self, states):
        """Returns (outputs [T, B, H], states...) and the function of their gradients."""
        length = tf.shape(self.inputs)[0]

        def body(t, states, outputs, kept_states, kept_products):
            kept_states = [a.write(t, x) for a, x in zip(kept_states, states, strict=True)]
            products = {}

            def multiply(vectors, name, plus=None):
                x = vectors[0] if len(vectors) == 1 else tf.concat(vectors, axis=1)
                products[name] = _plus(product(x, self.narrow[name], self.dtype), plus)
                return products[name]

            output, states = self.step(multiply, states, t)
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
            return self._backward(kept_states, kept_products, d_outputs, d_last)

        return (outputs.stack(), *last), gradient

    def step(self, multiply, states, t):
        """Runs `advance`; multiply(vectors, name, plus) gets the inputs as the first vector."""
        point = self.inputs[t]
        mask = None if self.mask is None else self.mask[t]
        projected = self.share
        if self.source == _OWN:
            projected = multiply([point], _OWN, self.share)

        def read(x, name, plus=None):
            return multiply([point, x] if name == self.source else [x], name, plus)

        output, states = self.advance(self.weights, read, projected, list(states), mask)
        return output, list(states)

    def _backward(self, kept_states, kept_products, d_outputs, d_last):
        """Returns the gradients of inputs, share, the initial states and the weights."""
        length = tf.shape(d_outputs)[0]
        own = self.weights[self.source][: self.inputs.shape[-1]]
        transposed = {name: self._transposed(name) for name in self.matrices if name != _OWN}

        def body(t, d_states, d_share, d_weights, factors, d_products):
            step = _StepGradient(self, t, kept_states, kept_products, transposed)
            d_states, d_weight = step(d_outputs[t], d_states)
            return (
                t - 1,
                d_states,
                d_share + step.d_products[self.source],
                {name: total + d_weight[name] for name, total in d_weights.items()},
                {name: a.write(t, step.factors[name]) for name, a in factors.items()},
                {name: a.write(t, step.d_products[name]) for name, a in d_products.items()},
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
            x, d = (_rows(array.stack()) for array in (factors[name], d_products[name]))
            gradients[name] = product(x, d, self.dtype, transpose_a=True)  # over all steps
            if name == self.source:
                d_inputs = product(d, own, self.dtype, transpose_b=True)
        d_inputs = tf.reshape(d_inputs, tf.shape(self.inputs))
        return (d_inputs, d_share, *d_states, *(gradients[name] for name in self.weights))

    def _transposed(self, name):
        """Returns a matrix transposed, without the rows of the inputs."""
        matrix = self.narrow[name]
        if name == self.source:
            matrix = matrix[self.inputs.shape[-1] :]
        return tf.linalg.matrix_transpose(matrix)


class _StepGradient:
    """Differentiates one step; its products are read, most of them, not computed again."""

    def __init__(self, loop, t, kept_states, kept_products, transposed):
        self.loop, self.t, self.transposed = loop, t, transposed
        self.states = [array.read(t) for array in kept_states]
        kept = [array.read(t) for array in kept_products]
        self.kept = dict(zip(loop.kept, kept, strict=True))
        self.factors, self.products, self.d_products = {}, {}, {}

    def __call__(self, d_output, d_states):
        """Returns gradients of the states and, by name, of the weights in `loop.summed`."""
        vectors = [self.loop.weights[name] for name in self.loop.vectors]
        with tf.GradientTape() as tape:
            tape.watch([*self.states, *vectors])
            output, states = self.loop.step(self._multiply(tape), self.states, self.t)
        d_states, d_vectors, self.d_products = tape.gradient(
            [output, *states],
            [self.states, vectors, self.products],
            output_gradients=[d_output, *d_states],
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        d_weights = dict(zip(self.loop.vectors, d_vectors, strict=True))
        for name in self.factors:
            if name not in self.kept:
                x, d = self.factors[name], self.d_products[name]
                d_weights[name] = product(x, d, self.loop.dtype, transpose_a=True)
        return d_states, d_weights

    def _multiply(self, tape):
        """Returns the products as they were; gradients pass through the transposed matrices."""

        def multiply(vectors, name, plus=None):
            x = vectors[-1]
            self.factors[name] = x if len(vectors) == 1 else tf.concat(vectors, axis=1)
            if name == _OWN:  # nothing that it is made of is differentiated in the loop
                self.products[name] = self.kept[name]
                tape.watch(self.kept[name])
            else:
                summand = [] if plus is None or name == self.loop.source else [plus]
                self.products[name] = self._remembered(name)(x, *summand)
            return self.products[name]

        return multiply

    def _remembered(self, name):
        dtype, transposed = self.loop.dtype, self.transposed[name]

        @tf.custom_gradient
        def remembered(x, *plus):
            if name in self.kept:
                value = tf.identity(self.kept[name])
            else:
                value = product(x, self.loop.narrow[name], dtype)
            return value, lambda d: (product(d, transposed, dtype), *[d] * len(plus))

        return remembered


def _plus(x: tf.Tensor, plus: tf.Tensor | None) -> tf.Tensor:
    return x if plus is None else x + plus


def _rows(values: tf.Tensor) -> tf.Tensor:
    """Returns [T, B, n] as [T B, n]."""
    return tf.reshape(values, [-1, values.shape[-1]])


def _writable(length: tf.Tensor) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, length, clear_after_read=False)
