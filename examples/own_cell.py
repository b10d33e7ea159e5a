"""Trains Sketch-RNN with a recurrent cell of one's own, registered without a change to the package.

python examples/own_cell.py --epochs 20

The cell is an LSTM whose forget gate is what its input gate leaves: a quarter fewer weights.
docs/extending.md explains it line by line.
"""

from __future__ import annotations

import argparse

import fit_your_own
import keras
import tensorflow as tf

import sketch_rnn_tf
from sketch_rnn_tf import drawing
from sketch_rnn_tf.model import cells


@cells.register("coupled")
@keras.saving.register_keras_serializable(package="examples")
class CoupledLSTMCell(cells.RecurrentCell):
    """An LSTM with coupled gates. States: [h, c].

    i, j, o = [x, h] W + b
    c' = (1 - sigmoid(i)) c + sigmoid(i) dropout(tanh j)
    h' = sigmoid(o) tanh c'
    """

    matrices = ("recurrent_kernel",)  # what is multiplied with the state at every step
    joined = "recurrent_kernel"  # ... in the same product as the inputs

    def build(self, input_shape):
        """Makes the weights for inputs [..., D]."""
        width = 3 * self.units
        self.kernel = self.add_weight(name="kernel", shape=(input_shape[-1], width))
        self.recurrent_kernel = self.add_weight(
            name="recurrent_kernel", shape=(self.units, width), initializer="orthogonal"
        )
        self.bias = self.add_weight(name="bias", shape=(width,), initializer="zeros")
        self.built = True

    def input_weights(self):
        """Returns what the inputs are multiplied with, [D, 3H], and what is added, [3H]."""
        return tf.convert_to_tensor(self.kernel), tf.convert_to_tensor(self.bias)

    def equations(self, weights, multiply, projected, states, mask):
        """One step: projections [B, 3H] and states [B, H] -> output and new states."""
        h, c = states
        i, j, o = tf.split(multiply(h, "recurrent_kernel", projected), 3, axis=-1)
        candidate = tf.tanh(j) if mask is None else tf.tanh(j) * mask
        c += tf.sigmoid(i) * (candidate - c)
        h = tf.sigmoid(o) * tf.tanh(c)
        return h, [h, c]


def train(epochs: int):
    """Returns a trained model with the cell in its decoder, and the scale of its data."""
    keras.utils.set_random_seed(0)
    data, scale = fit_your_own.make_data(500)
    model = sketch_rnn_tf.SketchRNN(
        max_length=fit_your_own.MAX_LENGTH,
        conditional=False,
        num_mixtures=5,
        decoder={"cell": "coupled", "units": 64},
        num_classes=len(fit_your_own.CLASSES),
        class_embedding=8,
    )
    model.compile(keras.optimizers.Adam(5e-3, clipvalue=1.0))
    history = model.fit(fit_your_own.batches(data), epochs=epochs, shuffle=False, verbose=0)
    print("loss {:.2f} -> {:.2f}".format(*[history.history["loss"][i] for i in (0, -1)]))
    return model, scale


def main() -> None:
    """Trains and draws."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", default="own_cell.svg", help="where it draws")
    options = parser.parse_args()
    model, scale = train(options.epochs)
    classes = fit_your_own.CLASSES
    sketcher = sketch_rnn_tf.Sketcher(model, scale_factor=scale, classes=classes)
    drawn = [
        sketch
        for name in classes
        for sketch in sketcher.generate(8, label=name, temperature=0.3, seed=0)
    ]
    drawing.save(options.output, drawn, columns=8, overwrite=True)
    print(options.output)


if __name__ == "__main__":
    main()
