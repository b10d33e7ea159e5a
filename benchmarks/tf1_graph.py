"""A training step as the original TF1 code makes it, for `train_step.py` to compare with.

The same operations per step, written anew: `dynamic_rnn` with swapped memory over sequences padded
to N_max, z joined to every input, input and state in one product of weights concatenated at every
step, layer norms and dropout as there, densities with 1e-6 inside the log, clipped gradients, Adam.
Parameter counts are those of the original (2,186,107 with the lstm decoder, 3,477,627 with hyper).
Only times and memory are looked at: weights start otherwise, and the drawings are made up.
"""

from __future__ import annotations

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"  # TF1's cells are Keras 2 layers

import numpy as np
import tensorflow.compat.v1 as tf

BATCH, N_MAX, ENCODER, DECODER, Z, MIXTURES = 100, 250, 256, 512, 128, 20
DROPPED, EPSILON = 0.1, 1e-3
HYPER, EMBEDDING = 256, 32


def make_step(decoder: str):
    """Returns a function that trains one step; `decoder` is lstm, layer_norm or hyper."""
    tf.disable_v2_behavior()
    strokes = tf.placeholder(tf.float32, [BATCH, N_MAX + 1, 5])
    lengths = tf.placeholder(tf.int32, [BATCH])
    cell = {"lstm": LSTM, "layer_norm": LayerNormLSTM, "hyper": HyperLSTM}[decoder](DECODER)
    update = _update(_cost(strokes, lengths, cell))
    session, random = tf.Session(), np.random.default_rng(0)
    session.run(tf.global_variables_initializer())

    def step() -> int:
        rows, counts = _drawings(random)
        session.run(update, {strokes: rows, lengths: counts})
        return N_MAX

    return step


def _drawings(random) -> tuple[np.ndarray, np.ndarray]:
    """Returns made-up strokes of the sheep's lengths, padded, start token first."""
    counts = np.clip(random.normal(125, 55, BATCH), 10, N_MAX).astype(np.int32)
    counts[0] = N_MAX
    rows = np.zeros([BATCH, N_MAX + 1, 5], np.float32)
    rows[..., :2] = random.normal(size=[BATCH, N_MAX + 1, 2])
    rows[..., 2] = 1
    rows[np.arange(N_MAX + 1) > counts[:, None]] = 0, 0, 0, 0, 1
    rows[:, 0] = 0, 0, 1, 0, 0
    return rows, counts


def _cost(strokes, lengths, cell):
    targets, inputs = strokes[:, 1:], strokes[:, :N_MAX]
    _, states = tf.nn.bidirectional_dynamic_rnn(
        LSTM(ENCODER),
        LSTM(ENCODER),
        targets,
        sequence_length=lengths,
        swap_memory=True,
        dtype=tf.float32,
    )
    last = tf.concat([state[:, ENCODER:] for state in states], 1)
    mean, log_var = _linear(last, Z, "mean"), _linear(last, Z, "log_var")
    z = mean + tf.exp(log_var / 2.0) * tf.random_normal([BATCH, Z])
    kl = -0.5 * tf.reduce_mean(1 + log_var - tf.square(mean) - tf.exp(log_var))
    outputs, _ = tf.nn.dynamic_rnn(
        cell,
        tf.concat([inputs, tf.tile(tf.reshape(z, [BATCH, 1, Z]), [1, N_MAX, 1])], 2),
        initial_state=tf.tanh(_linear(z, cell.state_size, "initial_state")),
        swap_memory=True,
        dtype=tf.float32,
    )
    raw = _linear(tf.reshape(outputs, [-1, DECODER]), 3 + 6 * MIXTURES, "output")
    return _reconstruction(raw, tf.reshape(targets, [-1, 5])) + 0.01 * tf.maximum(kl, 0.2)


def _reconstruction(raw, targets):
    pen, (pi, mu_x, mu_y, sigma_x, sigma_y, rho) = raw[:, :3], tf.split(raw[:, 3:], 6, 1)
    pi, rho = tf.nn.softmax(pi), tf.tanh(rho)
    sigma_x, sigma_y = tf.exp(sigma_x), tf.exp(sigma_y)
    x, y, states = tf.split(targets, [1, 1, 3], 1)
    x, y, area, rest = x - mu_x, y - mu_y, sigma_x * sigma_y, 1 - tf.square(rho)
    distance = tf.square(x / sigma_x) + tf.square(y / sigma_y) - 2 * (rho * (x * y)) / area
    density = tf.exp(-distance / (2 * rest)) / (2 * np.pi * (area * tf.sqrt(rest)))
    offset = -tf.log(tf.reduce_sum(density * pi, 1, keepdims=True) + 1e-6) * (1 - states[:, 2:])
    crossed = tf.nn.softmax_cross_entropy_with_logits_v2(states, pen)
    return tf.reduce_mean(offset + crossed[:, None])


def _update(cost):
    optimizer = tf.train.AdamOptimizer(1e-3)
    gradients = optimizer.compute_gradients(cost)
    return optimizer.apply_gradients(
        [(tf.clip_by_value(gradient, -1.0, 1.0), weight) for gradient, weight in gradients]
    )


def _linear(x, size: int, name: str, bias: bool = True):
    with tf.variable_scope(name):
        product = tf.matmul(x, tf.get_variable("w", [x.shape[1], size]))
        return product + _vector("b", size, 0.0) if bias else product


def _vector(name: str, size: int, start: float):
    return tf.get_variable(name, [size], initializer=tf.constant_initializer(start))


def _norm(x, name: str, blocks: int = 1):
    """Layer norm of each of the blocks of the last axis."""
    size = int(x.shape[1])
    rows = tf.reshape(x, [BATCH, blocks, size // blocks])
    rows -= tf.reduce_mean(rows, 2, keepdims=True)
    rows *= tf.rsqrt(tf.reduce_mean(tf.square(rows), 2, keepdims=True) + EPSILON)
    with tf.variable_scope(name):
        return _vector("gain", size, 1.0) * tf.reshape(rows, [BATCH, size]) + _vector(
            "shift", size, 0.0
        )


class LSTM(tf.nn.rnn_cell.RNNCell):
    """The original's LSTM; its state is [c, h]."""

    def __init__(self, units: int, dropout: bool = True):
        self.units, self.dropout = units, dropout

    @property
    def state_size(self):
        return 2 * self.units

    @property
    def output_size(self):
        return self.units

    def __call__(self, x, state, scope=None):
        with tf.variable_scope(scope or "lstm"):
            c, h = tf.split(state, 2, 1)
            gates = self.gates(x, h) + _vector("b", 4 * self.units, 0.0)
            h, c = self.advance(gates, c, lambda c: c)
            return h, tf.concat([c, h], 1)

    def gates(self, x, h):
        weights = [
            tf.get_variable("w_x", [x.shape[1], 4 * self.units]),
            tf.get_variable("w_h", [self.units, 4 * self.units]),
        ]
        return tf.matmul(tf.concat([x, h], 1), tf.concat(weights, 0))

    def advance(self, gates, c, norm):
        i, j, f, o = tf.split(gates, 4, 1)
        candidate = tf.tanh(j)
        if self.dropout:
            candidate = tf.nn.dropout(candidate, rate=DROPPED)
        c = c * tf.sigmoid(f + 1.0) + tf.sigmoid(i) * candidate
        return tf.tanh(norm(c)) * tf.sigmoid(o), c


class LayerNormLSTM(LSTM):
    """With layer norm; its state is [h, c]."""

    def __call__(self, x, state, scope=None):
        with tf.variable_scope(scope or "layer_norm"):
            h, c = tf.split(state, 2, 1)
            gates = _norm(self.gates(x, h), "gates", 4)
            h, c = self.advance(gates, c, lambda c: _norm(c, "carry"))
            return h, tf.concat([h, c], 1)


class HyperLSTM(LSTM):
    """Its state is [h, h_hyper, c, c_hyper]."""

    def __init__(self, units: int):
        super().__init__(units)
        self.small = LayerNormLSTM(HYPER, dropout=False)

    @property
    def state_size(self):
        return 2 * (self.units + HYPER)

    def __call__(self, x, state, scope=None):
        with tf.variable_scope(scope or "hyper"):
            h, h_small, c, c_small = tf.split(state, 2 * [self.units, HYPER], 1)
            made, small = self.small(tf.concat([x, h], 1), tf.concat([h_small, c_small], 1))
            from_x = tf.matmul(x, tf.get_variable("w_x", [x.shape[1], 4 * self.units]))
            from_h = tf.matmul(h, tf.get_variable("w_h", [self.units, 4 * self.units]))
            biases = tf.split(_vector("b", 4 * self.units, 0.0), 4, 0)
            paths = zip("ijfo", tf.split(from_x, 4, 1), tf.split(from_h, 4, 1), biases, strict=True)
            gates = [
                self.scaled(made, x, f"x_{name}") + self.scaled(made, h, f"h_{name}", True) + b
                for name, x, h, b in paths
            ]
            gates = _norm(tf.concat(gates, 1), "gates", 4)
            h, c = self.advance(gates, c, lambda c: _norm(c, "carry"))
            h_small, c_small = tf.split(small, 2, 1)
            return h, tf.concat([h, h_small, c, c_small], 1)

    def scaled(self, made, path, name: str, shifted: bool = False):
        with tf.variable_scope(name):
            embedding = _linear(made, EMBEDDING, "scale_embedding")
            path = _linear(embedding, self.units, "scale", bias=False) * path
            if not shifted:
                return path
            embedding = _linear(made, EMBEDDING, "shift_embedding", bias=False)
            return path + _linear(embedding, self.units, "shift", bias=False)
