"""Trains Sketch-RNN with a loss of one's own.

python examples/own_loss.py --epochs 20

Here errors of the pen count more: drawings of many short strokes depend on it, and to the usual
loss it is a small part. docs/extending.md explains it.
"""

from __future__ import annotations

import argparse

import fit_your_own
import keras

import sketch_rnn_tf
from sketch_rnn_tf import drawing


@keras.saving.register_keras_serializable(package="examples")
class PenSketchRNN(sketch_rnn_tf.SketchRNN):
    """A Sketch-RNN whose pen loss counts `pen_weight` times.

    Args:
      pen_weight: 1 is the usual loss.
      **settings: of SketchRNN.
    """

    def __init__(self, pen_weight: float = 3.0, **settings):
        super().__init__(**settings)
        self.pen_weight = pen_weight

    def reduce(self, terms, kl_weight):
        """Returns the losses of a batch; `loss` is what training minimizes."""
        losses = super().reduce(terms, kl_weight)
        extra = (self.pen_weight - 1) * losses["pen_loss"]
        return {**losses, "loss": losses["loss"] + extra}

    def get_config(self) -> dict:
        """Returns the arguments, so that a saved model comes back with its weight."""
        return {**super().get_config(), "pen_weight": self.pen_weight}


def train(epochs: int, pen_weight: float = 3.0):
    """Returns a trained model, the scale of its data and Keras's history."""
    keras.utils.set_random_seed(0)
    data, scale = fit_your_own.make_data(500)
    model = PenSketchRNN(
        pen_weight,
        max_length=fit_your_own.MAX_LENGTH,
        conditional=False,
        num_mixtures=5,
        decoder={"units": 64},
        num_classes=len(fit_your_own.CLASSES),
        class_embedding=8,
    )
    model.compile(keras.optimizers.Adam(5e-3, clipvalue=1.0))
    history = model.fit(fit_your_own.batches(data), epochs=epochs, shuffle=False, verbose=0)
    return model, scale, history


def main() -> None:
    """Trains and draws."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", default="own_loss.svg", help="where it draws")
    options = parser.parse_args()
    model, scale, history = train(options.epochs)
    for name in ("offset_loss", "pen_loss"):
        print(f"{name} {history.history[name][0]:.3f} -> {history.history[name][-1]:.3f}")
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
