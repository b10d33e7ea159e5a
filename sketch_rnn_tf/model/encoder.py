"""The bidirectional encoder: a sketch to the distribution of its latent vector."""

from __future__ import annotations

import keras
import tensorflow as tf

from sketch_rnn_tf.model import cells, seeds, sequence

_FORWARD, _BACKWARD = 0, 1  # dropout streams


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class Encoder(keras.layers.Layer):
    """Reads a sketch's points in both directions (paper, section 3.2).

        h = [h_forward; h_backward],  z_mean = W_mu h + b_mu,  z_log_var = W_sigma h + b_sigma

    Only the points are read: neither start token nor end token nor padding.

    Args:
      units: H of each direction.
      z_size: Z.
      cell: name of the cell, see `cells.CELLS`.
      recurrent_dropout: drop rate of the candidate.
      context_size: size of a further input that is the same at every step (a class embedding).
      hyper_units: units of the hyper network, for the hyper cell.
      hyper_embedding: size of the hyper network's embeddings.
      dtype: policy of the cells' matrix products; the rest is float32.
      **kwargs: of `keras.layers.Layer`.
    """

    def __init__(
        self,
        units: int,
        z_size: int,
        cell: str = "lstm",
        recurrent_dropout: float = 0.0,
        context_size: int = 0,
        hyper_units: int = 256,
        hyper_embedding: int = 32,
        dtype=None,
        **kwargs,
    ):
        # Keras casts the variables of a mixed layer that is called outside of a model, whatever
        # `autocast` says: this layer is float32, and its cells narrow their products themselves.
        super().__init__(autocast=False, dtype="float32", **kwargs)
        self._products = keras.dtype_policies.get(dtype)
        self.z_size = int(z_size)
        self.context_size = int(context_size)
        self.units = int(units)
        self.cell_kind = cell
        self.recurrent_dropout = float(recurrent_dropout)
        self.hyper_units = int(hyper_units)
        self.hyper_embedding = int(hyper_embedding)
        self.forward_cell, self.backward_cell = (
            cells.make(
                cell,
                units,
                name=name,
                dtype=self._products,
                recurrent_dropout=recurrent_dropout,
                hyper_units=hyper_units,
                hyper_embedding=hyper_embedding,
            )
            for name in ("forward", "backward")
        )
        normal = keras.initializers.RandomNormal(stddev=0.001, seed=keras.random.SeedGenerator())
        self.mean = _linear("z_mean", self.z_size, normal)
        self.log_var = _linear("z_log_var", self.z_size, normal)

    def build(self, input_shape=None):
        """Makes the weights; the input's last dimension is always 5."""
        for cell in (self.forward_cell, self.backward_cell):
            cell.build((None, 5 + self.context_size))
        for layer in (self.mean, self.log_var):
            layer.build((None, 2 * self.forward_cell.units))
        self.built = True

    def call(self, strokes, lengths, context=None, training=False, seed=None):
        """Returns z_mean and z_log_var, [B, Z] each.

        Args:
          strokes: [B, T, 5] without start token, normalized units.
          lengths: int32 [B], number of points.
          context: [B, context_size] or None.
          training: whether recurrent dropout is on.
          seed: int32 [2] of the dropout masks; needed when training with dropout.
        """
        lengths = tf.cast(lengths, tf.int32)
        backward = tf.reverse_sequence(strokes, lengths, seq_axis=1, batch_axis=0)
        last = [
            self._last_output(cell, points, lengths, context, training, seed, stream)
            for cell, points, stream in (
                (self.forward_cell, strokes, _FORWARD),
                (self.backward_cell, backward, _BACKWARD),
            )
        ]
        summary = tf.concat(last, axis=-1)  # [B, 2H]
        return self.mean(summary), self.log_var(summary)

    def _last_output(self, cell, strokes, lengths, context, training, seed, stream):
        """Returns the cell's output after each sketch's last point, [B, H].

        In training, steps beyond it run on padding; their outputs are not used.
        """
        strokes = tf.transpose(strokes, [1, 0, 2])  # [T, B, 5]
        length, batch = tf.shape(strokes)[0], tf.shape(strokes)[1]
        states = cell.get_initial_state(batch)
        if not training:  # zero where there is no point
            last = sequence.last_states(cell, strokes, context, states, lengths)
            return cell.output_of(last)
        mask = None
        if cell.recurrent_dropout:
            shape = [length, batch, cell.units]
            mask = seeds.mask(shape, cell.recurrent_dropout, seeds.fold(seed, stream))
        outputs, _ = sequence.run_sequence(cell, strokes, context, states, mask)  # [T, B, H]
        last = tf.stack([tf.maximum(lengths - 1, 0), tf.range(batch)], axis=1)
        summary = tf.gather_nd(outputs, last)
        return tf.where(lengths[:, None] > 0, summary, tf.zeros_like(summary))

    def compute_output_shape(self, input_shape):
        """Returns the shapes of z_mean and z_log_var, for `model.summary`."""
        return [(input_shape[0], self.z_size)] * 2

    def get_config(self) -> dict:
        """Returns the arguments."""
        own = {
            "dtype": keras.dtype_policies.serialize(self._products),
            "z_size": self.z_size,
            "context_size": self.context_size,
            "units": self.units,
            "cell": self.cell_kind,
            "recurrent_dropout": self.recurrent_dropout,
            "hyper_units": self.hyper_units,
            "hyper_embedding": self.hyper_embedding,
        }
        return {**super().get_config(), **own}


def _linear(name: str, units: int, initializer) -> keras.layers.Dense:
    """A float32 linear layer: the latent distribution is not computed in a narrower type."""
    return keras.layers.Dense(units, name=name, kernel_initializer=initializer, dtype="float32")
