"""What a step of a cell is to those who run it: over a sequence, while drawing, on a device.

A cell says how it advances by one step in terms of matrix products, which others may compute
together, keep or compute again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import tensorflow as tf

Values = tf.Tensor | list[tf.Tensor]
Product = Callable[..., Values]  # (x, name of a matrix, plus=None), see `Steps.advance`


class Activation(Protocol):
    """A function of a product whose gradient needs its values only; see `cell_maths.LSTMGates`."""

    count: int  # of the values

    def values(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Returns the values for x [B, m]."""

    def gradient(self, values: Sequence[tf.Tensor], d_values: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the gradient of x, [B, m]."""


class Steps(Protocol):
    """How a cell advances: what `sequence` needs of `cells.RecurrentCell`.

    Attributes:
      matrices: names of the weights that are multiplied with vectors of every step, [n, m].
      joined: the matrix in whose product the projections are the summand `plus`, if `advance`
        uses them in no other way, else None; one product then serves inputs and state.
      recomputed: matrices, also [K, n, m], whose products are not kept but computed again by
        the backward loop, which also sums their gradients step by step: where that takes less time
        than the memory is worth. Their products have no summand.
      activations: what becomes of a matrix's product; its values are then kept instead.
    """

    matrices: Sequence[str]
    joined: str | None
    recomputed: Sequence[str]
    activations: Mapping[str, Activation]

    def advance(self, weights, product, projected, states, mask):
        """One step, a pure function.

        Args:
          weights: every weight of a step, by name.
          product: (x, name, plus=None) -> x @ weights[name] + plus, or the values of its
            activation; called once for each name in `matrices`, in their order, which are used in
            no other way.
          projected: [B, P].
          states: [B, n] each.
          mask: [B, H] for the candidate, or None.

        Returns:
          The output [B, H] and the new states.
        """


def product(
    a: tf.Tensor, b: tf.Tensor, dtype: tf.DType, plus: tf.Tensor | None = None, **transposed: bool
) -> tf.Tensor:
    """Returns a @ b (+ plus) as float32, the product computed on operands of `dtype`."""
    result = tf.cast(tf.matmul(tf.cast(a, dtype), tf.cast(b, dtype), **transposed), tf.float32)
    return result if plus is None else result + plus


def plain_product(
    weights: Mapping[str, tf.Tensor], dtype: tf.DType, activations: Mapping[str, Activation]
) -> Product:
    """Returns the product of `Steps.advance`, which also is the `multiply` of `read`."""

    def multiply(x, name, plus=None, inputs=None):
        result = product(after(inputs, x), weights[name], dtype, plus)
        return activated(result, activations.get(name))

    return multiply


def after(inputs: tf.Tensor | None, x: tf.Tensor) -> tf.Tensor:
    """Returns [inputs, x], or x alone."""
    return x if inputs is None else tf.concat([inputs, x], axis=1)


def activated(x: tf.Tensor, activation: Activation | None) -> Values:
    """Returns x, or the values of its activation."""
    return x if activation is None else activation.values(x)


OWN = "own"  # the name of the inputs' own matrix, where no other reads them


def reading(
    cell: Steps, weights: Mapping[str, tf.Tensor], own: tf.Tensor
) -> tuple[dict[str, tf.Tensor], tuple[str, ...]]:
    """Returns the weights of steps that read their inputs, see `read`, and which are matrices.

    Args:
      cell: how to advance.
      weights: every weight of a step, by name.
      own: [D, P], what makes projections of inputs.
    """
    if not cell.joined:
        return {**weights, OWN: own}, (OWN, *cell.matrices)
    joint = tf.concat([own, weights[cell.joined]], axis=0)
    return {**weights, cell.joined: joint}, tuple(cell.matrices)


def read(cell: Steps, weights, multiply: Callable[..., Values], inputs, share, states, mask=None):
    """Advances by one step, whose projections are inputs @ own + share.

    Args:
      cell: how to advance.
      weights: of `reading`.
      multiply: (x, name, plus=None, inputs=None) -> [inputs, x] @ weights[name] + plus, or the
        values of its activation.
      inputs: [B, D].
      share: [B, P].
      states: [B, n] each.
      mask: [B, H] for the candidate, or None.

    Returns:
      The output [B, H] and the new states.
    """
    projected = share if cell.joined else multiply(inputs, OWN, share)

    def joined_product(x, name, plus=None):
        return multiply(x, name, plus, inputs if name == cell.joined else None)

    return cell.advance(weights, joined_product, projected, list(states), mask)
