"""What the recurrent cells share: weights, single steps, and what `model.sequence` asks of them.

A cell states its equations once, as a pure function of matrix products that others may compute
together, keep or compute again (`RecurrentCell.equations`). Everything else is made of it: the
step of an ordinary Keras RNN cell here, whole sequences and single points in `model.sequence`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, Protocol

import keras
import tensorflow as tf

from sketch_rnn_tf.model import seeds

Values = tf.Tensor | list[tf.Tensor]
Multiply = Callable[..., Values]  # (x, name of a matrix, plus=None), see `RecurrentCell.equations`


class Activation(Protocol):
    """A function of a product whose gradient needs its values only; see `lstm.LSTMGates`."""

    count: int  # number of values

    def values(self, x: tf.Tensor) -> list[tf.Tensor]:
        """Returns the values for x [B, m]."""

    def gradient(self, values: Sequence[tf.Tensor], d_values: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the gradient of x, [B, m]."""


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class GateOrthogonal(keras.initializers.Initializer):
    """An orthogonal matrix for each of the four gate blocks, as Magenta starts recurrent weights.

    Args:
      seed: int, or None for a new one.
    """

    def __init__(self, seed: int | None = None):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        """Returns [H, 4H] (Keras calls it with the variable's shape)."""
        block = keras.initializers.Orthogonal(seed=keras.random.SeedGenerator(self.seed))
        blocks = [block((shape[0], shape[1] // 4), dtype=dtype) for _ in range(4)]
        return tf.concat(blocks, axis=1)

    def get_config(self) -> dict:
        """Returns the arguments."""
        return {"seed": self.seed}


class RecurrentCell(keras.layers.Layer):
    """The base of all cells; a Keras RNN cell in its own right.

    A subclass has `build`, `input_weights` and `equations`, and names its weights:

    Attributes:
      matrices: names of the weights that are multiplied with vectors of every step, [n, m].
      vectors: names of the other weights of a step.
      joined: the matrix in whose product the projections are the summand `plus`, if `equations`
        uses them in no other way, else None; one product then serves inputs and state.
      recomputed: matrices, also [K, n, m], whose products are not kept but computed again by
        the backward loop, which also sums their gradients step by step: where that takes less time
        than the memory is worth. Their products have no summand.
      activations: what becomes of a matrix's product; its values are then kept instead.
      options: names of the arguments beside `units` that `cells.make` passes on.

    Args:
      units: H, the size of the output.
      recurrent_dropout: drop rate of the candidate, with a fresh mask each step.
      seed: seed of the dropout masks when the cell is called on its own.
      **kwargs: of `keras.layers.Layer`; `dtype` may be a mixed precision policy, which sets the
        type of the matrix products only.
    """

    matrices: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    joined: str | None = None
    recomputed: tuple[str, ...] = ()
    activations: ClassVar[Mapping[str, Activation]] = {}
    options: tuple[str, ...] = ("recurrent_dropout",)

    def __init__(
        self, units: int, recurrent_dropout: float = 0.0, seed: int | None = None, **kwargs
    ):
        super().__init__(autocast=False, **kwargs)
        self.units = int(units)
        self.recurrent_dropout = seeds.check_rate("recurrent_dropout", recurrent_dropout)
        self.seed = seed
        self._seeds = keras.random.SeedGenerator(seed)

    def input_weights(self) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns what makes projections of inputs and context: a matrix [D + C, P], a bias [P].

        The bias is None where a cell has none, or none at this place.
        """
        raise NotImplementedError

    def equations(self, weights, multiply, projected, states, mask):
        """One step as a pure function.

        Args:
          weights: every weight of a step, by name.
          multiply: (x, name, plus=None) -> x @ weights[name] + plus, or the values of its
            activation; called once for each name in `matrices`, in their order, which are used in
            no other way.
          projected: [B, P], see `project`.
          states: [B, n] each, as in `state_size`.
          mask: [B, H] to multiply the candidate with, or None.

        Returns:
          The output [B, H] and the new states.
        """
        raise NotImplementedError

    @property
    def state_size(self) -> list[int]:
        """Sizes of the states, h first."""
        return [self.units, self.units]

    @property
    def output_size(self) -> int:
        """H."""
        return self.units

    def output_of(self, states: Sequence[tf.Tensor]) -> tf.Tensor:
        """Returns the output [B, H] of the step that left these states."""
        return states[0]

    def get_initial_state(self, batch_size=None) -> list[tf.Tensor]:
        """Returns zeros, [B, n] for each state."""
        return [tf.zeros([batch_size, size]) for size in self.state_size]

    def add_kernels(self, size: int) -> None:
        """Makes `kernel` and `recurrent_kernel` of the four gates for inputs of this size."""
        width = 4 * self.units
        self.kernel = self.add_weight(
            name="kernel", shape=(size, width), initializer="glorot_uniform"
        )
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, width), initializer=GateOrthogonal()
        )

    def step_weights(self) -> dict[str, tf.Tensor]:
        """Returns the weights of `equations` by name, float32."""
        names = (*self.matrices, *self.vectors)
        return {name: tf.cast(getattr(self, name), tf.float32) for name in names}

    def input_matrix(self, size: int) -> tf.Tensor:
        """Returns the part [D, P] of the input weights for inputs of size D."""
        return tf.cast(self.input_weights()[0][:size], tf.float32)

    def context_term(self, context: tf.Tensor | None, size: int) -> tf.Tensor | None:
        """Returns what a context adds to the projections at every step, [B, P]; None without one.

        Args:
          context: [B, C] or None.
          size: D, of the other inputs.
        """
        return None if context is None else self._product(context, self.input_weights()[0][size:])

    def constant_term(self, context: tf.Tensor | None, size: int, batch) -> tf.Tensor:
        """Returns what is the same in the projections of every step, [B, P]: context and bias.

        Args:
          context: [B, C] or None.
          size: D, of the other inputs.
          batch: B.
        """
        kernel, bias = self.input_weights()
        term = self.context_term(context, size)
        if bias is None:
            return tf.zeros([batch, kernel.shape[-1]]) if term is None else term
        bias = tf.cast(bias, tf.float32)
        if term is None:
            return tf.broadcast_to(bias, [batch, kernel.shape[-1]])
        return tf.nn.bias_add(term, bias)

    def project(self, inputs: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Returns what the equations need of the inputs, for any number of steps at once.

        Args:
          inputs: [B, D] or [T, B, D].
          context: [B, C], further inputs that are the same at every step; D + C is the input size
            that the cell was built with.

        Returns:
          [B, P] or [T, B, P].
        """
        kernel, bias = self.input_weights()
        size = inputs.shape[-1]
        result = self._product(inputs, kernel[:size])
        if bias is not None:
            result = tf.nn.bias_add(result, tf.cast(bias, tf.float32))
        return result if context is None else result + self.context_term(context, size)

    def step(
        self, projected: tf.Tensor, states: Sequence[tf.Tensor], mask: tf.Tensor | None = None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Advances by one step.

        Args:
          projected: [B, P] of `project`.
          states: [B, n] each, as in `state_size`.
          mask: [B, H] for the candidate, or None.

        Returns:
          The output [B, H] and the new states.
        """
        weights = self.step_weights()
        multiply = multiplier(weights, tf.as_dtype(self.compute_dtype), self.activations)
        return self.equations(weights, multiply, projected, list(states), mask)

    def call(self, inputs, states, training=False):
        """One step of a Keras RNN: inputs [B, D], states -> output [B, H], states."""
        mask = None
        if training:
            shape = [tf.shape(inputs)[0], self.units]
            mask = seeds.mask(shape, self.recurrent_dropout, tf.cast(self._seeds.next(), tf.int32))
        return self.step(self.project(tf.cast(inputs, tf.float32)), list(states), mask)

    def get_config(self) -> dict:
        """Returns the arguments."""
        own = {
            "units": self.units,
            "recurrent_dropout": self.recurrent_dropout,
            "seed": self.seed,
        }
        return {**super().get_config(), **own}

    def _product(self, a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
        """Returns a @ b in float32; [T, B, n] is multiplied as [T B, n]."""
        dtype = tf.as_dtype(self.compute_dtype)
        if a.shape.rank == 2:
            return product(a, b, dtype)
        shape = tf.shape(a)
        result = product(tf.reshape(a, [-1, a.shape[-1]]), b, dtype)
        return tf.reshape(result, tf.concat([shape[:-1], [b.shape[-1]]], 0))


def product(
    a: tf.Tensor, b: tf.Tensor, dtype: tf.DType, plus: tf.Tensor | None = None, **transposed: bool
) -> tf.Tensor:
    """Returns a @ b (+ plus) as float32, the product computed on operands of `dtype`."""
    result = tf.cast(tf.matmul(tf.cast(a, dtype), tf.cast(b, dtype), **transposed), tf.float32)
    return result if plus is None else result + plus


def multiplier(
    weights: Mapping[str, tf.Tensor], dtype: tf.DType, activations: Mapping[str, Activation]
) -> Multiply:
    """Returns the plain `multiply` of `RecurrentCell.equations`, for given weights.

    It also takes `inputs`, which then stand in front of x.
    """

    def multiply(x, name, plus=None, inputs=None):
        x = x if inputs is None else tf.concat([inputs, x], axis=1)
        result = product(x, weights[name], dtype, plus)
        return activations[name].values(result) if name in activations else result

    return multiply
