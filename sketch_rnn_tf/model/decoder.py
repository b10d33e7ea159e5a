"""The autoregressive decoder: points so far to the distribution of the next one."""

from __future__ import annotations

import keras
import tensorflow as tf

from sketch_rnn_tf.model import next_point, seeds
from sketch_rnn_tf.model.cells import kinds

_RECURRENT, _INPUT, _OUTPUT = 0, 1, 2  # dropout streams


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class Decoder(keras.layers.Layer):
    """Draws: reads a point and what holds for the whole sketch, says what comes next.

    The context (latent vector and class embedding) joins every input; with a context the initial
    state is tanh(W context + b), without it is zero (paper, section 3.2). One cell serves whole
    sequences (`call`) and single points (`step`).

    Args:
      units: H.
      num_mixtures: M.
      cell: name of the cell, see `cell_kinds.CELLS`.
      context_size: size of the context; 0 for a decoder that stands alone.
      absolute_position: also read the pen's position, which is then the last state.
      recurrent_dropout: drop rate of the candidate.
      input_dropout: drop rate of the cell's inputs, context included.
      output_dropout: drop rate of the cell's output.
      hyper_units: units of the hyper network, for the hyper cell.
      hyper_embedding: size of the hyper network's embeddings.
      tanh_of_z: make the initial state from tanh(context) (sketch_rnn.js below version 6).
      dtype: policy of the cells' matrix products; the rest is float32.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        units: int,
        num_mixtures: int,
        cell: str = "lstm",
        context_size: int = 0,
        absolute_position: bool = False,
        recurrent_dropout: float = 0.0,
        input_dropout: float = 0.0,
        output_dropout: float = 0.0,
        hyper_units: int = 256,
        hyper_embedding: int = 32,
        tanh_of_z: bool = False,
        dtype=None,
        **kwargs,
    ):
        # float32 for the reason that the encoder gives; the cell narrows its products itself.
        super().__init__(autocast=False, dtype="float32", **kwargs)
        self._products = keras.dtype_policies.get(dtype)
        self.num_mixtures = int(num_mixtures)
        self.context_size = int(context_size)
        self.absolute_position = bool(absolute_position)
        self.tanh_of_z = bool(tanh_of_z)
        self.input_dropout = seeds.check_rate("input_dropout", input_dropout)
        self.output_dropout = seeds.check_rate("output_dropout", output_dropout)
        self._arguments = {
            "units": units,
            "cell": cell,
            "recurrent_dropout": recurrent_dropout,
            "hyper_units": hyper_units,
            "hyper_embedding": hyper_embedding,
        }
        options = kinds.options(cell, recurrent_dropout, hyper_units, hyper_embedding)
        self.cell = kinds.make(cell, units, name="cell", dtype=self._products, **options)
        self.output_layer = keras.layers.Dense(
            next_point.output_size(self.num_mixtures),
            name="output",
            bias_initializer=_glorot_bias(next_point.output_size(self.num_mixtures)),
            dtype="float32",  # densities are sensitive to the last digits of log sigma
        )
        self.state_layer = None
        if self.context_size:
            self.state_layer = keras.layers.Dense(
                sum(self.cell.state_size),
                name="initial_state",
                activation="tanh",
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.001),
                dtype="float32",
            )

    @property
    def input_size(self) -> int:
        """Size of the cell's input: a point, its position where it is read, the context."""
        return 5 + 2 * self.absolute_position + self.context_size

    @property
    def state_size(self) -> list[int]:
        """Sizes of the states that `step` takes and gives."""
        return [*self.cell.state_size, *([2] if self.absolute_position else [])]

    def build(self, input_shape=None):
        """Makes the weights; the input's last dimension is always 5."""
        self.cell.build((None, self.input_size))
        self.output_layer.build((None, self.cell.units))
        if self.state_layer is not None:
            self.state_layer.build((None, self.context_size))
        self.built = True

    def initial_state(self, batch_size, context: tf.Tensor | None = None) -> list[tf.Tensor]:
        """Returns the states before the first point, [B, n] each.

        Args:
          batch_size: B.
          context: [B, context_size]; needed where the decoder has a context.
        """
        if self.state_layer is None:
            states = self.cell.get_initial_state(batch_size)
        else:
            given = tf.tanh(context) if self.tanh_of_z else context
            states = tf.split(self.state_layer(given), self.cell.state_size, axis=-1)
        return [*states, *([tf.zeros([batch_size, 2])] if self.absolute_position else [])]

    def context_share(self, context: tf.Tensor | None) -> tf.Tensor | None:
        """Returns what a context adds to the cell's projections at every step, [B, P] or None."""
        return self.cell.context_share(context, self.input_size - self.context_size)

    def step(
        self, stroke, states, context=None, context_share=None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Reads one point.

        Args:
          stroke: [B, 5], the last point or the start token, normalised units.
          states: of `initial_state` or of the step before.
          context: [B, context_size] or None.
          context_share: of `context_share`, instead of `context`: faster in a loop.

        Returns:
          The raw mixture parameters [B, 3 + 6M] of the next point, and the new states.
        """
        states = list(states)
        inputs, position = stroke, []
        if self.absolute_position:
            position = [states.pop() + stroke[:, :2]]
            inputs = tf.concat([stroke, *position], axis=-1)
        projected = self.cell.project(inputs, None if context_share is not None else context)
        if context_share is not None:
            projected += context_share
        output, states = self.cell.step(projected, states)
        return self.output_layer(output), [*states, *position]

    def call(self, inputs, context=None, states=None, training=False, seed=None):
        """Reads whole sequences.

        Args:
          inputs: [B, T, 5], start token first, normalised units.
          context: [B, context_size] or None.
          states: where to start; the initial state when not given.
          training: whether dropout is on.
          seed: int32 [2] of the dropout masks; needed when training with dropout.

        Returns:
          Raw mixture parameters [B, T, 3 + 6M], float32.
        """
        states = list(
            self.initial_state(tf.shape(inputs)[0], context) if states is None else states
        )
        inputs = tf.transpose(inputs, [1, 0, 2])  # [T, B, 5]
        if self.absolute_position:
            inputs = tf.concat([inputs, states.pop() + tf.cumsum(inputs[..., :2], axis=0)], axis=-1)
        inputs, context = self._drop(inputs, context, training, seed)
        mask = self._mask(
            inputs, self.cell.units, self.cell.recurrent_dropout, training, seed, _RECURRENT
        )
        outputs, _ = self.cell.read(inputs, context, states, mask, training)  # [T, B, H]
        drop = self._mask(inputs, self.cell.units, self.output_dropout, training, seed, _OUTPUT)
        raw = self.output_layer(outputs if drop is None else outputs * drop)
        return tf.transpose(raw, [1, 0, 2])

    def _drop(self, inputs, context, training, seed):
        """Returns inputs and context as the cell reads them, after input dropout.

        With input dropout every step has a context of its own, which then is part of the inputs.
        """
        drop = self._mask(inputs, self.input_size, self.input_dropout, training, seed, _INPUT)
        if drop is None:
            return inputs, context
        if context is not None:
            repeated = tf.repeat(context[None], tf.shape(inputs)[0], axis=0)
            inputs = tf.concat([inputs, repeated], axis=-1)
        return inputs * drop, None

    def _mask(self, inputs, width, rate, training, seed, stream):
        if not (training and rate):
            return None
        shape = [tf.shape(inputs)[0], tf.shape(inputs)[1], width]
        return seeds.mask(shape, rate, seeds.fold(seed, stream))

    def compute_output_shape(self, input_shape):
        """Returns the shape of the raw mixture parameters, for `model.summary`."""
        return (*input_shape[:2], next_point.output_size(self.num_mixtures))

    def get_config(self) -> dict:
        """Returns the arguments."""
        own = {
            "dtype": keras.dtype_policies.serialize(self._products),
            "num_mixtures": self.num_mixtures,
            "context_size": self.context_size,
            "absolute_position": self.absolute_position,
            "tanh_of_z": self.tanh_of_z,
            "input_dropout": self.input_dropout,
            "output_dropout": self.output_dropout,
            **self._arguments,
        }
        return {**super().get_config(), **own}


def _glorot_bias(size: int) -> keras.initializers.Initializer:
    """Magenta draws the output bias Glorot uniform as well; TF1 takes fan_in = fan_out = size."""
    limit = (6.0 / (size + size)) ** 0.5
    return keras.initializers.RandomUniform(-limit, limit)
