"""The autoregressive decoder: points so far to the distribution of the next one."""

from __future__ import annotations

import keras
import tensorflow as tf

from sketch_rnn_tf.model import cells, next_point, seeds, sequence

_RECURRENT, _INPUT, _OUTPUT = 0, 1, 2  # dropout streams


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class Decoder(keras.layers.Layer):
    """Predicts the next point from the points so far and the context of the whole sketch.

    The context (latent vector and class embedding) joins every input; with a context the initial
    state is tanh(W context + b), without it is zero (paper, section 3.2). One cell serves whole
    sequences (`call`) and single points (`stepper`).

    Args:
      units: H.
      num_mixtures: M.
      cell: name of the cell, see `cells.CELLS`.
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
        self.units = int(units)
        self.cell_kind = cell
        self.recurrent_dropout = float(recurrent_dropout)
        self.hyper_units = int(hyper_units)
        self.hyper_embedding = int(hyper_embedding)
        self.cell = cells.make(
            cell,
            units,
            name="cell",
            dtype=self._products,
            recurrent_dropout=recurrent_dropout,
            hyper_units=hyper_units,
            hyper_embedding=hyper_embedding,
        )
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

    def stepper(self, context: tf.Tensor | None, batch) -> Stepper:
        """Returns the decoder, ready to read the points of a batch of sketches one at a time.

        Args:
          context: [B, context_size] or None.
          batch: B.
        """
        return Stepper(self, context, batch)

    def step(self, stroke, states, context=None) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Reads one point; for many, `stepper` computes what they have in common once.

        Args:
          stroke: [B, 5], the last point or the start token, normalized units.
          states: of `initial_state` or of the step before.
          context: [B, context_size] or None.

        Returns:
          The raw output [B, 3 + 6M], see `next_point.NextPoint`, and the new states.
        """
        return self.stepper(context, tf.shape(stroke)[0])(stroke, states)

    def call(self, inputs, context=None, states=None, training=False, seed=None):
        """Reads whole sequences.

        Args:
          inputs: [B, T, 5], start token first, normalized units.
          context: [B, context_size] or None.
          states: where to start; the initial state when not given.
          training: whether dropout is on.
          seed: int32 [2] of the dropout masks; needed when training with dropout.

        Returns:
          The raw outputs [B, T, 3 + 6M], float32; see `next_point.NextPoint`.
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
        outputs, _ = sequence.run_sequence(
            self.cell, inputs, context, states, mask, training
        )  # [T, B, H]
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
            "units": self.units,
            "cell": self.cell_kind,
            "recurrent_dropout": self.recurrent_dropout,
            "hyper_units": self.hyper_units,
            "hyper_embedding": self.hyper_embedding,
        }
        return {**super().get_config(), **own}


class Stepper:
    """A decoder that reads the points of a batch of sketches one at a time.

    What is the same at every point is computed once, when it is made.

    Args:
      decoder: the decoder.
      context: [B, C] or None.
      batch: B.

    Attributes:
      initial_states: the states before the first point.
    """

    def __init__(self, decoder: Decoder, context: tf.Tensor | None, batch):
        self._position = decoder.absolute_position
        size = 5 + 2 * self._position
        self._cell_step = sequence.CellStep(decoder.cell, size, context, batch)
        self._kernel = tf.convert_to_tensor(decoder.output_layer.kernel)
        self._bias = tf.convert_to_tensor(decoder.output_layer.bias)
        self.initial_states = decoder.initial_state(batch, context)

    def __call__(self, stroke: tf.Tensor, states) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Reads a point [B, 5]: the raw output [B, 3 + 6M] and the new states."""
        states, position = list(states), []
        if self._position:
            position = [states.pop() + stroke[:, :2]]
            stroke = tf.concat([stroke, *position], axis=-1)
        output, states = self._cell_step(stroke, states)
        raw = tf.nn.bias_add(tf.matmul(output, self._kernel), self._bias)
        return raw, [*states, *position]


def _glorot_bias(size: int) -> keras.initializers.Initializer:
    """Magenta draws the output bias Glorot uniform as well; TF1 takes fan_in = fan_out = size."""
    limit = (6.0 / (size + size)) ** 0.5
    return keras.initializers.RandomUniform(-limit, limit)
