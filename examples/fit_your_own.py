"""Trains Sketch-RNN with Keras's own `compile` and `fit` on drawings made here, and draws.

  python examples/fit_your_own.py --epochs 30

The model is an ordinary Keras model: a batch is a dict of `strokes` [B, T, 5] (stroke-5, offsets
divided by one scale for the whole data set), `lengths` [B] and, with classes, `labels` [B].
"""

from __future__ import annotations

import argparse

import keras
import numpy as np
import tensorflow as tf

import sketch_rnn_tf
from sketch_rnn_tf import drawing, strokes
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

CLASSES = ("ring", "zigzag")
MAX_LENGTH = 14


def ring(generator: np.random.Generator) -> np.ndarray:
    """Returns a polygon of twelve points, in one stroke, as stroke-3 rows."""
    angle = np.linspace(0, 2 * np.pi, 13) + generator.uniform(0, 0.3)
    points = generator.uniform(18, 24) * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return strokes.polylines_to_stroke3([points - points[0]])  # begins at the origin


def zigzag(generator: np.random.Generator) -> np.ndarray:
    """Returns a zigzag of eight points."""
    x = np.arange(8) * generator.uniform(6, 8)
    points = np.stack([x, 12 * (np.arange(8) % 2) + generator.normal(size=8)], axis=1)
    return strokes.polylines_to_stroke3([points - points[0]])  # begins at the origin


def make_data(count: int, seed: int = 0) -> tuple[dict[str, np.ndarray], float]:
    """Returns `count` drawings as the arrays of a batch, and their scale."""
    generator = np.random.default_rng(seed)
    labels = np.arange(count) % len(CLASSES)
    drawings = [(ring, zigzag)[label](generator) for label in labels]
    scale = float(np.concatenate(drawings)[:, :2].std())
    rows = np.stack([strokes.stroke3_to_stroke5(rows, MAX_LENGTH) for rows in drawings])
    rows[..., :2] /= scale
    lengths = np.array([len(rows) for rows in drawings], np.int32)
    data = {"strokes": rows.astype(np.float32), "lengths": lengths}
    return {**data, "labels": labels.astype(np.int32)}, scale


def make_model() -> SketchRNN:
    """Returns a small decoder that draws the class that it is told."""
    return SketchRNN(
        max_length=MAX_LENGTH,
        conditional=False,
        num_mixtures=5,
        decoder={"units": 64},
        num_classes=len(CLASSES),
        class_embedding=8,
    )


def batches(data: dict[str, np.ndarray]) -> tf.data.Dataset:
    """Returns shuffled batches, dicts as the model reads them."""
    return tf.data.Dataset.from_tensor_slices(data).shuffle(1000, seed=1).batch(50)


def train(
    epochs: int, path: str, count: int = 500
) -> tuple[SketchRNN, float, keras.callbacks.History]:
    """Trains with Keras's own callbacks and loads the best weights again.

    Args:
      epochs: at the most.
      path: the `.keras` file to write.
      count: drawings to make; a fifth of them is kept for validation.

    Returns:
      The model, its scale factor and Keras's history.
    """
    keras.utils.set_random_seed(1)
    data, scale = make_data(count)
    training = {name: values[count // 5 :] for name, values in data.items()}
    validation = {name: values[: count // 5] for name, values in data.items()}
    model = make_model()
    model.compile(keras.optimizers.Adam(5e-3, clipvalue=1.0))
    history = model.fit(
        batches(training),
        validation_data=batches(validation),
        epochs=epochs,
        shuffle=False,  # `batches` shuffles
        verbose=0,
        callbacks=[
            keras.callbacks.ModelCheckpoint(path, save_best_only=True),
            keras.callbacks.EarlyStopping(patience=10),
        ],
    )
    best = keras.saving.load_model(path)
    return best, scale, history


def main() -> None:
    """Trains and draws."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--model", default="fit_your_own.keras", help="where the model is saved")
    parser.add_argument("--output", default="fit_your_own.svg", help="where it draws")
    options = parser.parse_args()
    model, scale, history = train(options.epochs, options.model)
    model.summary()
    loss = history.history["val_loss"]
    print(f"validation loss {loss[0]:.3f} -> {min(loss):.3f}")
    sketcher = sketch_rnn_tf.Sketcher(model, scale_factor=scale, classes=CLASSES)
    drawn = [s for name in CLASSES for s in sketcher.generate(8, label=name, temperature=0.3)]
    drawing.save(options.output, drawn, columns=8, overwrite=True)
    print(options.output)


if __name__ == "__main__":
    main()
