"""The next point from the decoder's raw output and noise.

Drawing one sketch spends its time in the number of operations a point, not in their arithmetic. So
component and pen state are chosen side by side, and only the chosen component is looked at.
"""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import config
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model import next_point

MAX_SHARPNESS = 1e30  # what multiplies logits: their products stay finite
_END_OF_SKETCH = 2  # pen state


def tempering(temperature: tf.Tensor, mode: str) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns what sharpens or flattens the distribution of the next point.

    Args:
      temperature: tau [B], or [B, 3] for pen, mixture and offsets; above 0, and 1 leaves
        everything as it is.
      mode: `paper` divides the logits by tau and multiplies sigma by sqrt(tau) (equation 8);
        `magenta` divides by tau and multiplies by tau (its Python code); `javascript` divides by
        0.5 + 0.5 tau and multiplies by sqrt(tau) (sketch_rnn.js).

    Returns:
      The factors of mixture and pen logits, [B, 2], and the summand of log sigma, [B, 1].

    Raises:
      UserError: an unknown mode.
    """
    if mode not in config.TEMPERATURE_MODES:
        known = ", ".join(config.TEMPERATURE_MODES)
        raise UserError(f"there is no temperature mode {mode!r}; there are {known}")
    if temperature.shape.rank == 1:
        temperature = tf.tile(temperature[:, None], [1, 3])
    pen, weights, offset = tf.split(temperature, 3, axis=1)
    divisors = tf.concat([weights, pen], axis=1)
    if mode == "javascript":
        divisors = 0.5 + 0.5 * divisors
    sharpness = tf.minimum(1.0 / divisors, MAX_SHARPNESS)
    return sharpness, tf.math.log(offset) * (1.0 if mode == "magenta" else 0.5)


class PointChooser:
    """Chooses points; a row is a function of its own inputs alone.

    Component and pen state are rows of one [B, 2, W], W the larger of M and 3. The shorter row has
    impossible places in front, so that both end at W.

    Args:
      num_mixtures: M.
      temperature: see `tempering`.
      mode: see `tempering`.
      greedy: take the likeliest component, its mean, and the likeliest pen state; noise is then
        not looked at.
    """

    def __init__(self, num_mixtures: int, temperature: tf.Tensor, mode: str, greedy: bool = False):
        sharpness, self._log_factor = tempering(temperature, mode)
        self._sharpness = sharpness[..., None]  # [B, 2, 1]
        self._greedy = greedy
        self._width = width = max(num_mixtures, next_point.PEN_STATES)
        begins = next_point.PEN_STATES, 0  # where the logits of components and pen states are
        missing = width - num_mixtures, width - next_point.PEN_STATES
        places = np.arange(width)
        columns = [np.maximum(places - m, 0) + b for m, b in zip(missing, begins, strict=True)]
        self._columns = tf.constant(np.concatenate(columns), tf.int32)  # [2W]
        possible = [np.where(places < m, -np.inf, 0.0) for m in missing]
        self._possible = tf.constant(np.stack(possible), tf.float32)  # [2, W]
        # From a component's place to the columns of its parameters.
        blocks = begins[0] + num_mixtures * np.arange(1, next_point.PARAMETERS) - missing[0]
        self._blocks = tf.constant(blocks, tf.int32)  # [5]
        self._pens = tf.constant(np.eye(width)[:, -next_point.PEN_STATES :], tf.float32)  # [W, 3]
        bounds = (
            [next_point.MAX_OFFSET] * 2 + [next_point.MAX_LOG_SCALE] * 2 + [next_point.MAX_FISHER_Z]
        )
        self._bounds = tf.constant(bounds)

    def __call__(self, raw: tf.Tensor, noise: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Chooses the next point.

        Args:
          raw: [B, 3 + 6M].
          noise: [B, 4]: a uniform for the component, a uniform for the pen state, and standard
            normals for x and y.

        Returns:
          stroke-5 rows [B, 5] and whether they end the sketch, bool [B].
        """
        uniforms, x, y = tf.split(noise, [2, 1, 1], axis=1)
        component, pen = tf.unstack(self._places(raw, uniforms), axis=1)  # [B] each
        chosen = tf.gather(raw, component[:, None] + self._blocks, axis=1, batch_dims=1)  # [B, 5]
        chosen = tf.clip_by_value(chosen, -self._bounds, self._bounds)
        offset, log_scale, fisher_z = tf.split(chosen, [2, 2, 1], axis=1)
        if not self._greedy:
            rho = tf.tanh(fisher_z)
            white = tf.concat([x, rho * x + tf.sqrt(1.0 - rho * rho) * y], axis=1)
            offset += tf.exp(log_scale + self._log_factor) * white
        point = tf.concat([offset, tf.gather(self._pens, pen)], axis=1)
        return point, tf.equal(pen, self._width - next_point.PEN_STATES + _END_OF_SKETCH)

    def _places(self, raw: tf.Tensor, uniforms: tf.Tensor) -> tf.Tensor:
        """Returns where the cumulated probabilities pass the uniform numbers, int32 [B, 2]."""
        logits = tf.reshape(tf.gather(raw, self._columns, axis=1), [-1, 2, self._width])
        logits = logits * self._sharpness + self._possible
        if self._greedy:
            return tf.argmax(logits, axis=2, output_type=tf.int32)
        passed = tf.cumsum(tf.nn.softmax(logits), axis=2) <= uniforms[..., None]
        return tf.minimum(tf.reduce_sum(tf.cast(passed, tf.int32), axis=2), self._width - 1)
