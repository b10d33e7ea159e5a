"""The small convolutional networks whose features the measures compare.

Three kinds, with one shape (four convolutions of stride 2, then 128 numbers):

- `classes`: trained to tell the data's classes apart and, beside it, what `copies` does;
- `copies`: trained to tell the two altered copies of each drawing from those of all others
  (arXiv 2002.05709), for data of one class;
- `random`: the weights that training begins with; costs nothing.

Copies are altered by small turns, shears, stretches and shifts only: what the network learns to
overlook must be nothing that makes a drawing bad. The same data, seed and versions give the same
weights, bit for bit, in every process of one machine.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence

import keras
import numpy as np
import tensorflow as tf

from sketch_rnn_tf import progress
from sketch_rnn_tf.quality import rendering

FEATURES = 128
CHANNELS = (16, 32, 64, 128)
PROJECTION = 64  # numbers of which copies are told apart; what is measured lies before
STEPS = 300
BATCH_SIZE = 128
LEARNING_RATE = 1e-3
SHARPNESS = 10.0  # of the similarities among copies: 1 / temperature of the contrastive loss
TURN, STRETCH, SHEAR, SHIFT = 0.15, 0.1, 0.1, 2.5  # radians, share, share, pixels
VERSION = 1  # grows with every change of what a network computes
_PICTURES = 256  # at once; every call has this shape, so that a picture's features do not depend
# on which others are beside it


@dataclasses.dataclass(frozen=True)
class Network:
    """A network with the shift and scale of its features.

    Attributes:
      kind: `classes`, `copies` or `random`.
      model: pictures float32 [B, 64, 64, 1] to features [B, 128], logits of classes [B, C] and
        projections [B, 64].
      mean: float32 [128], of the features of training drawings.
      scale: what features are divided by: one number, so that their mean square is 1.
      run: `forward` of the model.
    """

    kind: str
    model: keras.Model
    mean: np.ndarray
    scale: float
    run: Callable

    def look(
        self, pictures: np.ndarray, tick: Callable[[int], None] = lambda count: None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the features, float32 [S, 128], and the likeliest class, int64 [S].

        Args:
          pictures: uint8 [S, 64, 64].
          tick: called with the number of pictures that were looked at.
        """
        features = np.zeros((len(pictures), FEATURES), np.float32)
        recognized = np.zeros(len(pictures), np.int64)
        for start, raw, logits in _outputs(self.run, pictures):
            features[start : start + len(raw)] = (raw - self.mean) / np.float32(self.scale)
            recognized[start : start + len(raw)] = logits.argmax(axis=1)
            tick(len(raw))
        return features, recognized


def forward(model: keras.Model) -> Callable:
    """Returns a graph from pictures uint8 [256, 64, 64] to features and logits."""
    shape = [_PICTURES, rendering.SIZE, rendering.SIZE]

    @tf.function(input_signature=[tf.TensorSpec(shape, tf.uint8)])
    def run(pictures):
        return model(_as_input(pictures), training=False)[:2]

    return run


def _outputs(run: Callable, pictures: np.ndarray) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Yields where a batch begins, its features before shift and scale, and its logits."""
    for start in range(0, len(pictures), _PICTURES):
        batch = pictures[start : start + _PICTURES]
        blank = np.zeros((_PICTURES - len(batch), *batch.shape[1:]), np.uint8)
        features, logits = run(tf.constant(np.concatenate([batch, blank])))
        yield start, features.numpy()[: len(batch)], logits.numpy()[: len(batch)]


def random(pictures: np.ndarray, seed: int = 0) -> Network:
    """Returns a network with random weights; some pictures give its features' mean and scale."""
    return _scaled("random", build(1, seed), pictures)


def train(
    pictures: np.ndarray, labels: np.ndarray, num_classes: int, *, steps: int = STEPS, seed: int = 0
) -> Network:
    """Trains a network on the pictures of training drawings.

    Args:
      pictures: uint8 [S, 64, 64].
      labels: int32 [S], below `num_classes`.
      num_classes: with one class the network tells copies apart.
      steps: of 128 drawings each.
      seed: of weights, order and alterations.
    """
    model = build(num_classes, seed)
    optimizer = keras.optimizers.Adam(
        keras.optimizers.schedules.CosineDecay(LEARNING_RATE, steps), epsilon=1e-8
    )
    optimizer.build(model.trainable_variables)
    step = training_step(model, optimizer, seed)
    with progress.Progress("training the network of the measures", steps) as shown:
        for number, members in enumerate(_batches(len(pictures), steps, seed)):
            step(
                tf.constant(pictures[members]),
                tf.constant(labels[members], tf.int32),
                tf.constant(number),
            )
            shown.update(1)
    return _scaled("classes" if num_classes > 1 else "copies", model, pictures)


def build(num_classes: int, seed: int = 0) -> keras.Model:
    """Returns the network's model; see `Network.model`."""
    seeds = iter(range(100 * seed, 100 * seed + 100))

    def dense(size: int, name: str) -> keras.layers.Layer:
        initializer = keras.initializers.GlorotUniform(seed=next(seeds))
        return keras.layers.Dense(size, kernel_initializer=initializer, name=name)

    inputs = outputs = keras.Input((rendering.SIZE, rendering.SIZE, 1))
    for channels in CHANNELS:
        outputs = keras.layers.Conv2D(
            channels,
            3,
            2,
            "same",
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
        )(outputs)
    features = dense(FEATURES, "features")(keras.layers.Flatten()(outputs))
    active = keras.layers.ReLU()(features)
    heads = [dense(num_classes, "classes")(active), dense(PROJECTION, "copies")(active)]
    return keras.Model(inputs, [features, *heads])


def weights(network: Network) -> list[np.ndarray]:
    """Returns what `restore` needs beside the kind, arrays in order."""
    return [*network.model.get_weights(), network.mean, np.float64(network.scale)]


def restore(kind: str, num_classes: int, arrays: Sequence[np.ndarray]) -> Network:
    """Returns the network of `weights`.

    Raises:
      ValueError: the arrays are not those of such a network.
    """
    model = build(num_classes)
    model.set_weights(arrays[:-2])
    if arrays[-2].shape != (FEATURES,) or not float(arrays[-1]) > 0:
        raise ValueError("shift or scale of the features are of the wrong shape")
    return Network(kind, model, arrays[-2], float(arrays[-1]), forward(model))


def _scaled(kind: str, model: keras.Model, pictures: np.ndarray) -> Network:
    run = forward(model)
    raw = np.concatenate([features for _, features, _ in _outputs(run, pictures)])
    mean = raw.astype(np.float64).mean(axis=0)
    scale = float(np.sqrt(((raw - mean) ** 2).mean()))
    return Network(kind, model, mean.astype(np.float32), scale if scale > 0 else 1.0, run)


def _batches(count: int, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Yields the members of each batch; every drawing once per epoch, in random order."""
    generator = np.random.default_rng(seed)
    size = min(BATCH_SIZE, count)
    left = np.zeros(0, np.int64)
    for _ in range(steps):
        if len(left) < size:
            left = np.concatenate([left, generator.permutation(count)])
        members, left = left[:size], left[size:]
        yield members


def training_step(model: keras.Model, optimizer: keras.optimizers.Optimizer, seed: int) -> Callable:
    """Returns a function of pictures, labels and the step's number that trains the model."""

    @tf.function(reduce_retracing=True)
    def step(pictures, labels, number):
        images = _as_input(pictures)
        copies = [altered(images, tf.stack([number, 2 * seed + i])) for i in range(2)]
        with tf.GradientTape() as tape:
            _, logits, projections = model(tf.concat(copies, 0), training=True)
            loss = copies_loss(projections)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(tf.tile(labels, [2]), logits)
            loss += tf.reduce_mean(losses)  # zero where there is one class
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))

    return step


def copies_loss(projections: tf.Tensor) -> tf.Tensor:
    """Returns the cost of finding each copy's partner among all others; rows i and B + i match."""
    unit = tf.math.l2_normalize(projections, axis=1)
    count = tf.shape(unit)[0]
    similarity = SHARPNESS * tf.matmul(unit, unit, transpose_b=True)
    similarity -= 1e9 * tf.eye(count)  # no copy is its own partner
    partner = tf.roll(tf.range(count), count // 2, axis=0)
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(partner, similarity)
    return tf.reduce_mean(losses)


def _as_input(pictures: tf.Tensor) -> tf.Tensor:
    return tf.cast(pictures, tf.float32)[..., None] / 255.0


def altered(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns images [B, 64, 64, 1], each turned, stretched, sheared and shifted at random."""
    turn, stretch_x, stretch_y, shear, shift_x, shift_y = tf.unstack(
        tf.random.stateless_uniform([6, tf.shape(images)[0]], seed, -1.0, 1.0)
    )
    sine, cosine = tf.sin(TURN * turn), tf.cos(TURN * turn)
    a, b = cosine * (1 + STRETCH * stretch_x), SHEAR * shear - sine
    c, d = sine * (1 + STRETCH * stretch_x), cosine * (1 + STRETCH * stretch_y)
    middle = (rendering.SIZE - 1) / 2
    x = middle - middle * (a + b) + SHIFT * shift_x
    y = middle - middle * (c + d) + SHIFT * shift_y
    none = tf.zeros_like(a)
    return tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=tf.stack([a, b, x, c, d, y, none, none], axis=1),
        output_shape=[rendering.SIZE, rendering.SIZE],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )
