"""The HyperLSTM cell: an LSTM whose gates are scaled by a smaller LSTM."""

from __future__ import annotations

import keras
import tensorflow as tf

from sketch_rnn_tf.model.cells import base, layer_norm_lstm

_HYPER_NORMS = tuple(f"hyper_{name}" for name in layer_norm_lstm.NORMS)


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class HyperLSTMCell(base.RecurrentCell):
    """The HyperLSTM cell (arXiv 1609.09106) of Magenta's Sketch-RNN.

    A small layer-norm LSTM reads [x, h]; its output h_hyper makes the scales of the eight paths
    into the gates (from x and from h, each for i, j, f, o) and the shifts of the four from h:

        scale = A (W h_hyper + b),  shift = B (V h_hyper)
        gates = scale_x (W_x x) + scale_h (W_h h) + shift_h + bias

    and the gates go through `layer_norm_lstm_step`. At the start every scale is 0.1 and every
    shift 0. Recurrent dropout acts on the cell's own candidate, not on the small LSTM's (as in
    Magenta's code).
    States: [h, c, h_hyper, c_hyper].

    Args:
      units: H.
      hyper_units: units of the small LSTM.
      hyper_embedding: size of the embedding that each scale and shift is made from.
      **kwargs: see RecurrentCell.
    """

    matrices = (
        "hyper_state_kernel",
        "embedding_kernel",
        "generator",
        "recurrent_kernel",
    )
    options = ("recurrent_dropout", "hyper_units", "hyper_embedding")
    recomputed = ("generator",)  # [12, B, H], more than all the others together
    vectors = ("bias", "embedding_bias", *layer_norm_lstm.NORMS, *_HYPER_NORMS)

    def __init__(self, units: int, hyper_units: int = 256, hyper_embedding: int = 32, **kwargs):
        super().__init__(units, **kwargs)
        self.hyper_units = int(hyper_units)
        self.hyper_embedding = int(hyper_embedding)

    @property
    def state_size(self) -> list[int]:
        """Sizes of the states, h first."""
        return [self.units, self.units, self.hyper_units, self.hyper_units]

    def build(self, input_shape):
        """Makes the weights for inputs [..., D]."""
        size, units, hyper, embedding = (
            input_shape[-1],
            self.units,
            self.hyper_units,
            self.hyper_embedding,
        )
        add = self.add_weight
        self.add_kernels(size)
        self.bias = add(name="bias", shape=(4 * units,), initializer="zeros")
        self.hyper_kernel = add(
            name="hyper_kernel", shape=(size + units, 4 * hyper), initializer="glorot_uniform"
        )
        self.hyper_recurrent_kernel = add(
            name="hyper_recurrent_kernel",
            shape=(hyper, 4 * hyper),
            initializer=base.GateOrthogonal(),
        )
        self.embedding_kernel = add(
            name="embedding_kernel", shape=(hyper, 12 * embedding), initializer=_start_embeddings
        )
        self.embedding_bias = add(name="embedding_bias", shape=(8 * embedding,), initializer="ones")
        self.generator = add(
            name="generator", shape=(12, embedding, units), initializer=_start_generator
        )
        layer_norm_lstm.add_norm_weights(self, units)
        layer_norm_lstm.add_norm_weights(self, hyper, "hyper_")
        self.input_size = size
        self.built = True

    def input_weights(self):
        """Returns W_x and the small LSTM's weights for x, P = 4H + 4 hyper_units."""
        return tf.concat([self.kernel, self.hyper_kernel[: self.input_size]], axis=1), None

    def step_weights(self):
        """Returns the weights of `equations` by name.

        `hyper_state_kernel` [H + hyper_units, 4 hyper_units] is what the small LSTM multiplies
        [h, h_hyper] with.
        """
        names = [name for name in (*self.matrices, *self.vectors) if name != "hyper_state_kernel"]
        weights = {name: tf.cast(getattr(self, name), tf.float32) for name in names}
        kernels = [
            tf.cast(self.hyper_kernel, tf.float32)[self.input_size :],
            tf.cast(self.hyper_recurrent_kernel, tf.float32),
        ]
        return {"hyper_state_kernel": tf.concat(kernels, axis=0), **weights}

    def equations(self, weights, multiply, projected, states, mask):
        """One step; see RecurrentCell."""
        h, c, hyper_h, hyper_c = states
        inputs, hyper_inputs = tf.split(projected, [4 * self.units, 4 * self.hyper_units], -1)
        small_state = tf.concat([h, hyper_h], axis=1)
        hyper_gates = multiply(small_state, "hyper_state_kernel", hyper_inputs)
        norms = [weights[name] for name in _HYPER_NORMS]
        hyper_h, hyper_c = layer_norm_lstm.layer_norm_lstm_step(hyper_gates, hyper_c, None, norms)
        scale_x, scale_h, shift = self._scales_and_shifts(weights, multiply, hyper_h)
        recurrent = multiply(h, "recurrent_kernel")
        gates = scale_x * inputs + scale_h * recurrent + shift + weights["bias"]
        h, c = layer_norm_lstm.layer_norm_lstm_step(
            gates, c, mask, [weights[name] for name in layer_norm_lstm.NORMS]
        )
        return h, [h, c, hyper_h, hyper_c]

    def _scales_and_shifts(self, weights, multiply, hyper_h):
        """Returns the scales of the x paths and the h paths and the shifts, [B, 4H] each."""
        embedding = multiply(hyper_h, "embedding_kernel")  # [B, 12E]
        size = self.hyper_embedding
        scales = tf.nn.bias_add(embedding[:, : 8 * size], weights["embedding_bias"])
        embedding = tf.concat([scales, embedding[:, 8 * size :]], axis=1)
        paths = tf.transpose(tf.reshape(embedding, [-1, 12, size]), [1, 0, 2])  # [12, B, E]
        made = multiply(paths, "generator")  # [12, B, H]
        made = tf.reshape(tf.transpose(made, [1, 0, 2]), [-1, 12 * self.units])
        return tf.split(made, 3, axis=1)

    def get_config(self) -> dict:
        """Returns the arguments."""
        own = {"hyper_units": self.hyper_units, "hyper_embedding": self.hyper_embedding}
        return {**super().get_config(), **own}


def _start_embeddings(shape, dtype=None):
    """W = 0 for the eight scales, V ~ N(0, 0.01) for the four shifts."""
    normal = keras.random.normal((shape[0], shape[1] // 3), stddev=0.01, dtype=dtype)
    return tf.concat([tf.zeros((shape[0], 2 * shape[1] // 3), dtype), normal], axis=1)


def _start_generator(shape, dtype=None):
    """A = 0.1 / E for the eight scales, B = 0 for the four shifts."""
    scales = tf.fill((8, *shape[1:]), tf.cast(0.1 / shape[1], dtype))
    return tf.concat([scales, tf.zeros((4, *shape[1:]), dtype)], axis=0)
