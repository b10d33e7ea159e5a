"""Recurrent cells: they own the weights, their maths is in `cell_maths`.

Every cell splits its work in two: `project` does what depends on the input alone, `step` what
depends on the state. `call` does both and makes the cell an ordinary Keras RNN cell. Over a whole
sequence (`read`), what is the same at every step is computed once, and one product serves inputs
and state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import keras
import tensorflow as tf

from sketch_rnn_tf.model import seeds, sequence
from sketch_rnn_tf.model.cells import equations, steps

SEGMENTS = 3  # of a sequence in training, see `RecurrentCell.read`


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
    """What the cells share; a Keras RNN cell in its own right.

    Args:
      units: H, the size of the output.
      recurrent_dropout: drop rate of the candidate, with a fresh mask each step.
      seed: seed of the dropout masks when the cell is called on its own.
      **kwargs: of `keras.layers.Layer`; `dtype` may be a mixed precision policy, which sets the
        type of the matrix products only.
    """

    # See `steps.Steps`.
    matrices: tuple[str, ...] = ()
    joined: str | None = None
    recomputed: tuple[str, ...] = ()
    activations: ClassVar[Mapping[str, steps.Activation]] = {}

    vectors: tuple[str, ...] = ()  # the other weights of a step

    def __init__(
        self, units: int, recurrent_dropout: float = 0.0, seed: int | None = None, **kwargs
    ):
        super().__init__(autocast=False, **kwargs)
        self.units = int(units)
        self.recurrent_dropout = seeds.check_rate("recurrent_dropout", recurrent_dropout)
        self.seed = seed
        self._seeds = keras.random.SeedGenerator(seed)

    @property
    def state_size(self) -> list[int]:
        """Sizes of the states, h first."""
        return [self.units, self.units]

    @property
    def output_size(self) -> int:
        """H."""
        return self.units

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

    def input_weights(self) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Returns what makes projections of inputs and context: a matrix [D + C, P], a bias [P].

        The bias is None where a cell has none, or none at this place.
        """
        raise NotImplementedError

    def project(self, inputs: tf.Tensor, context: tf.Tensor | None = None) -> tf.Tensor:
        """Returns what the cell needs of its inputs, for any number of steps at once.

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
        return result if context is None else result + self.context_share(context, size)

    def affine(self, size: int, context: tf.Tensor | None, batch) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns what makes projections of inputs, inputs @ own [D, P] + share [B, P].

        The share is the context's and the bias: it can be computed once a sketch.

        Args:
          size: D.
          context: [B, C] or None.
          batch: B.
        """
        kernel, bias = self.input_weights()
        own = tf.cast(kernel[:size], tf.float32)
        share = self.context_share(context, size)
        if bias is None:
            return own, tf.zeros([batch, kernel.shape[-1]]) if share is None else share
        bias = tf.cast(bias, tf.float32)
        if share is None:
            return own, tf.broadcast_to(bias, [batch, kernel.shape[-1]])
        return own, tf.nn.bias_add(share, bias)

    def context_share(self, context: tf.Tensor | None, size: int) -> tf.Tensor | None:
        """Returns what a context adds to `project` at every step, [B, P]; None without one.

        Args:
          context: [B, C] or None.
          size: D, of the other inputs.
        """
        if context is None:
            return None
        return self._product(context, self.input_weights()[0][size:])

    def advance(self, weights, product, projected, states, mask):
        """One step as a pure function, see `steps.Steps`; `step` and `read` are made of it."""
        raise NotImplementedError

    def step_weights(self) -> dict[str, tf.Tensor]:
        """Returns the weights of `advance` by name."""
        names = (*self.matrices, *self.vectors)
        return {name: tf.cast(getattr(self, name), tf.float32) for name in names}

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
        dtype = tf.as_dtype(self.compute_dtype)
        product = steps.plain_product(weights, dtype, self.activations)
        return self.advance(weights, product, projected, list(states), mask)

    def read(
        self,
        inputs: tf.Tensor,
        context: tf.Tensor | None,
        states: Sequence[tf.Tensor],
        mask: tf.Tensor | None = None,
        training: bool = True,
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Runs over a whole sequence, in training a segment after the other.

        What the gradient needs of every step at once then exists for one segment at a time; the
        gradient of a recurrent matrix is one product a segment.

        Args:
          inputs: [T, B, D].
          context: see `project`.
          states: the initial state, [B, n] each.
          mask: [T, B, H] for the candidate, or None.
          training: whether in segments; gradients are the same either way.

        Returns:
          The outputs [T, B, H] and the last states.
        """
        own, share = self.affine(inputs.shape[-1], context, tf.shape(inputs)[1])
        dtype = tf.as_dtype(self.compute_dtype)
        segments = SEGMENTS if training else 1
        segments = min(segments, inputs.shape[0] or segments)  # none is empty where T is known
        return sequence.sequence(
            self, self.step_weights(), inputs, own, share, list(states), mask, dtype, segments
        )

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
            return steps.product(a, b, dtype)
        shape = tf.shape(a)
        result = steps.product(tf.reshape(a, [-1, a.shape[-1]]), b, dtype)
        return tf.reshape(result, tf.concat([shape[:-1], [b.shape[-1]]], 0))


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class LSTMCell(RecurrentCell):
    """The LSTM cell of Magenta's Sketch-RNN. States: [h, c].

    See `cell_maths.lstm` for the equations. Recurrent weights start orthogonal a gate, input
    weights Glorot uniform. Args: see RecurrentCell.
    """

    matrices = ("recurrent_kernel",)
    joined = "recurrent_kernel"
    activations: ClassVar = {"recurrent_kernel": equations.LSTMGates()}

    def build(self, input_shape):
        """Makes the weights for inputs [..., D]."""
        self.add_kernels(input_shape[-1])
        self.bias = self.add_weight(name="bias", shape=(4 * self.units,), initializer="zeros")
        self.built = True

    def input_weights(self):
        """Returns the gates' kernel and bias, P = 4H."""
        return tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)

    def advance(self, weights, product, projected, states, mask):
        """One step; see RecurrentCell."""
        h, c = states
        h, c = equations.lstm(product(h, "recurrent_kernel", projected), c, mask)
        return h, [h, c]


def add_norm_weights(cell: RecurrentCell, units: int, prefix: str = "") -> None:
    """Makes the gains and shifts of `cell_maths.layer_norm_lstm` as attributes of a cell."""
    for name, size in (("gate", 4 * units), ("carry", units)):
        for kind, start in (("gain", "ones"), ("shift", "zeros")):
            full = f"{prefix}{name}_{kind}"
            setattr(cell, full, cell.add_weight(name=full, shape=(size,), initializer=start))


NORMS = ("gate_gain", "gate_shift", "carry_gain", "carry_shift")


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class LayerNormLSTMCell(RecurrentCell):
    """The LSTM cell with layer normalisation of Magenta's Sketch-RNN. States: [h, c].

    See `cell_maths.layer_norm_lstm` for the equations; there is no bias. Args: see RecurrentCell.
    """

    matrices = ("recurrent_kernel",)
    vectors = NORMS
    joined = "recurrent_kernel"

    def build(self, input_shape):
        """Makes the weights for inputs [..., D]."""
        self.add_kernels(input_shape[-1])
        add_norm_weights(self, self.units)
        self.built = True

    def input_weights(self):
        """Returns the gates' kernel, P = 4H."""
        return tf.convert_to_tensor(self.kernel), None

    def advance(self, weights, product, projected, states, mask):
        """One step; see RecurrentCell."""
        h, c = states
        gates = product(h, "recurrent_kernel", projected)
        h, c = equations.layer_norm_lstm(gates, c, mask, [weights[name] for name in NORMS])
        return h, [h, c]
