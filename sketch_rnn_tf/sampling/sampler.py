"""From latent vector to strokes: a pure core that every export shares, and its batched driver.

Randomness enters the core as numbers. For every point of every sketch there are four: a uniform
that chooses the mixture component, a uniform that chooses the pen state, and standard normals for
x and y. The same numbers give the same drawing in TensorFlow, LiteRT and JavaScript.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.model import mixture
from sketch_rnn_tf.model.decoder import Decoder

NOISE = 4  # numbers a point: component, pen, x, y


def apply_temperature(
    parameters: mixture.MixtureParameters, temperature: tf.Tensor, mode: str
) -> mixture.MixtureParameters:
    """Sharpens or flattens the distribution of the next point.

    Args:
      parameters: [B, ...].
      temperature: tau [B], above 0; 1 leaves everything as it is.
      mode: `paper` divides the logits by tau and multiplies sigma by sqrt(tau) (equation 8);
        `magenta` divides by tau and multiplies by tau (its Python code); `javascript` divides by
        0.5 + 0.5 tau and multiplies by sqrt(tau) (sketch_rnn.js).

    Raises:
      ValueError: an unknown mode.
    """
    tau = temperature[:, None]
    divisors = {"paper": tau, "magenta": tau, "javascript": 0.5 + 0.5 * tau}
    if mode not in divisors:
        raise ValueError(f"there is no temperature mode {mode!r}; there are {', '.join(divisors)}")
    log_factor = tf.math.log(tau) * (1.0 if mode == "magenta" else 0.5)
    return parameters._replace(
        pen_logits=parameters.pen_logits / divisors[mode],
        mixture_logits=parameters.mixture_logits / divisors[mode],
        log_scale=parameters.log_scale + log_factor[..., None],
    )


def point_from_noise(
    parameters: mixture.MixtureParameters, noise: tf.Tensor, greedy: bool = False
) -> tf.Tensor:
    """Chooses the next point.

    Args:
      parameters: [B, ...], temperature applied.
      noise: [B, 4]; not looked at when greedy.
      greedy: take the likeliest component, its mean, and the likeliest pen state.

    Returns:
      stroke-5 rows [B, 5].
    """
    if greedy:
        component = tf.argmax(parameters.mixture_logits, axis=-1, output_type=tf.int32)
        pen = tf.argmax(parameters.pen_logits, axis=-1, output_type=tf.int32)
    else:
        component = _choose(parameters.mixture_logits, noise[:, 0])
        pen = _choose(parameters.pen_logits, noise[:, 1])
    loc = tf.gather(parameters.loc, component, batch_dims=1)  # [B, 2]
    offset = loc
    if not greedy:
        scale = tf.exp(tf.gather(parameters.log_scale, component, batch_dims=1))
        rho = tf.tanh(tf.gather(parameters.fisher_z, component, batch_dims=1))
        x, y = noise[:, 2], noise[:, 3]
        correlated = rho * x + tf.sqrt(1.0 - rho * rho) * y
        offset = loc + scale * tf.stack([x, correlated], axis=-1)
    return tf.concat([offset, tf.one_hot(pen, mixture.PEN_STATES)], axis=-1)


def _choose(logits: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Returns the index at which the cumulated probabilities pass the uniform number, int32 [B]."""
    passed = tf.cumsum(tf.nn.softmax(logits), axis=-1) <= uniform[:, None]
    index = tf.reduce_sum(tf.cast(passed, tf.int32), axis=-1)
    return tf.minimum(index, logits.shape[-1] - 1)


def sample_from_noise(
    decoder: Decoder,
    context: tf.Tensor | None,
    states: Sequence[tf.Tensor],
    first: tf.Tensor,
    noise: tf.Tensor,
    temperature: tf.Tensor,
    mode: str,
    greedy: bool = False,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws until every sketch has ended or the noise is used up.

    Args:
      decoder: the decoder.
      context: [B, C] or None.
      states: the decoder's states before `first`.
      first: [B, 5], the row that it reads first: the start token, or a prefix's last point.
      noise: [B, T, 4].
      temperature: [B].
      mode: see `apply_temperature`.
      greedy: see `point_from_noise`.

    Returns:
      stroke-5 [B, T, 5], padding after a sketch's end, normalised units; and int32 [B], the points
      of each sketch: T where it did not end.
    """
    length = tf.shape(noise)[1]
    noise = tf.transpose(noise, [1, 0, 2])  # [T, B, 4]
    padding = tf.constant([stroke_forms.PADDING])

    def body(t, stroke, states, ended, drawn):
        raw, states = decoder.step(stroke, states, context)
        parameters = apply_temperature(mixture.split_parameters(raw), temperature, mode)
        stroke = point_from_noise(parameters, noise[t], greedy)
        ended |= stroke[:, 4] > 0.5
        stroke = tf.where(ended[:, None], padding, stroke)
        return t + 1, stroke, states, ended, drawn.write(t, stroke)

    def going(t, stroke, states, ended, drawn):
        return (t < length) & ~tf.reduce_all(ended)

    batch = tf.shape(first)[0]
    drawn = tf.TensorArray(tf.float32, length, element_shape=[None, 5])
    count, _, _, _, drawn = tf.while_loop(
        going, body, (0, first, list(states), tf.zeros([batch], tf.bool), drawn)
    )
    rows = drawn.gather(tf.range(count))  # [t, B, 5]
    rest = tf.tile(padding[None], [length - count, batch, 1])
    drawn = tf.transpose(tf.concat([rows, rest], axis=0), [1, 0, 2])
    lengths = tf.reduce_sum(tf.cast(drawn[..., 4] < 0.5, tf.int32), axis=1)
    return drawn, lengths


def noise_from_seeds(seeds: tf.Tensor, length: int | tf.Tensor) -> tf.Tensor:
    """Returns the noise of sketches, [B, T, 4], each row a function of its own seed alone.

    Args:
      seeds: int32 [B, 2].
      length: T.
    """

    def row(seed):
        uniforms = tf.random.stateless_uniform([length, 2], seed)
        normals = tf.random.stateless_normal([length, 2], tf.add(seed, [0, 1]))
        return tf.concat([uniforms, normals], axis=1)

    return tf.map_fn(row, seeds * [1, 4], fn_output_signature=tf.float32)


def latents_from_seeds(seeds: tf.Tensor, z_size: int) -> tf.Tensor:
    """Returns latent vectors from the prior N(0, 1), [B, Z], one for each seed [B, 2]."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal([z_size], seed),
        seeds * [1, 4] + [0, 2],
        fn_output_signature=tf.float32,
    )


class Sampler:
    """Draws batches with a model; traced once and used again for any batch and length.

    Args:
      model: the model, a `SketchRNN`.
      mode: temperature mode, see `apply_temperature`.
    """

    def __init__(self, model, mode: str = "paper"):
        self.model = model
        self.mode = mode
        self._draw = tf.function(self._draw_rows, reduce_retracing=True)

    def draw(
        self,
        z: tf.Tensor | None,
        labels: tf.Tensor | None,
        noise: tf.Tensor,
        temperature: tf.Tensor,
        greedy: bool = False,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws from the start token on.

        Args:
          z: [B, Z] for conditional models, else None.
          labels: int32 [B] for class-conditioned models, else None.
          noise: [B, T, 4].
          temperature: [B].
          greedy: see `point_from_noise`.

        Returns:
          stroke-5 [B, T, 5] in normalised units and the number of points, int32 [B].
        """
        return self._draw(z, labels, noise, temperature, greedy)

    def _draw_rows(self, z, labels, noise, temperature, greedy):
        batch = tf.shape(noise)[0]
        context = self.model.context(z, labels)
        states = self.model.decoder.initial_state(batch, context)
        first = tf.tile(tf.constant([self.model.start_token]), [batch, 1])
        return sample_from_noise(
            self.model.decoder, context, states, first, noise, temperature, self.mode, greedy
        )
