"""From latent vector to strokes: a pure core that every export shares, and its batched driver.

Randomness enters the core as numbers. For every point of every sketch there are four: a uniform
that chooses the mixture component, a uniform that chooses the pen state, and standard normals for
x and y. The same numbers give the same drawing in TensorFlow, LiteRT and JavaScript.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from sketch_rnn_tf import config
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
      temperature: tau [B], or [B, 3] for pen, mixture and offsets; above 0, and 1 leaves
        everything as it is.
      mode: `paper` divides the logits by tau and multiplies sigma by sqrt(tau) (equation 8);
        `magenta` divides by tau and multiplies by tau (its Python code); `javascript` divides by
        0.5 + 0.5 tau and multiplies by sqrt(tau) (sketch_rnn.js).

    Raises:
      ValueError: an unknown mode.
    """
    return _tempered(parameters, *_divisors_and_factor(temperature, mode))


def _tempered(parameters, pen, weights, offset) -> mixture.MixtureParameters:
    """Applies what `_divisors_and_factor` gives."""
    return parameters._replace(
        pen_logits=parameters.pen_logits / pen,
        mixture_logits=parameters.mixture_logits / weights,
        log_scale=parameters.log_scale + offset[..., None],
    )


def _divisors_and_factor(temperature, mode) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Returns the divisors of pen and mixture logits and the log factor of sigma, [B, 1] each."""
    if mode not in config.TEMPERATURE_MODES:
        known = ", ".join(config.TEMPERATURE_MODES)
        raise ValueError(f"there is no temperature mode {mode!r}; there are {known}")
    if temperature.shape.rank == 1:
        temperature = tf.tile(temperature[:, None], [1, 3])
    pen, weights, offset = tf.split(temperature, 3, axis=1)
    if mode == "javascript":
        pen, weights = 0.5 + 0.5 * pen, 0.5 + 0.5 * weights
    return pen, weights, tf.math.log(offset) * (1.0 if mode == "magenta" else 0.5)


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
    component_uniform, pen_uniform, x, y = tf.split(noise, NOISE, axis=1)  # [B, 1] each
    pen = _choose(parameters.pen_logits, pen_uniform, greedy)
    component = _choose(parameters.mixture_logits, component_uniform, greedy)
    chosen = tf.one_hot(component, parameters.mixture_logits.shape[-1])  # [B, M]
    offset = _of(chosen[..., None], parameters.loc)  # [B, 2]
    if not greedy:
        scale = tf.exp(_of(chosen[..., None], parameters.log_scale))
        rho = tf.tanh(tf.reduce_sum(chosen * parameters.fisher_z, axis=1, keepdims=True))
        correlated = rho * x + tf.sqrt(1.0 - rho * rho) * y
        offset += scale * tf.concat([x, correlated], axis=1)
    return tf.concat([offset, tf.one_hot(pen, mixture.PEN_STATES)], axis=-1)


def _of(chosen: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Returns the chosen component's values: a sum is faster than a gather in batches."""
    return tf.reduce_sum(chosen * values, axis=1)


def _choose(logits: tf.Tensor, uniform: tf.Tensor, greedy: bool) -> tf.Tensor:
    """Returns the index at which the cumulated probabilities pass the uniform number, int32 [B]."""
    if greedy:
        return tf.argmax(logits, axis=-1, output_type=tf.int32)
    passed = tf.cumsum(tf.nn.softmax(logits), axis=-1) <= uniform
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
    prefix: tf.Tensor | None = None,
    prefix_lengths: tf.Tensor | None = None,
) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws until every sketch has ended or the noise is used up.

    Args:
      decoder: the decoder.
      context: [B, C] or None.
      states: the decoder's states before `first`.
      first: [B, 5], the row that it reads first: the start token, or a prefix's last point.
      noise: [B, T, 4].
      temperature: [B], or [B, 3] for pen, mixture and offsets.
      mode: see `apply_temperature`.
      greedy: see `point_from_noise`.
      prefix: stroke-5 [B, P, 5], points that are given and not drawn, or None.
      prefix_lengths: int32 [B], how many of them a sketch has, at most P and T.

    Returns:
      stroke-5 [B, T, 5], padding after a sketch's end, normalised units; and int32 [B], the points
      of each sketch: T where it did not end.
    """
    length = tf.shape(noise)[1]
    noise = tf.transpose(noise, [1, 0, 2])  # [T, B, 4]
    padding = tf.constant([stroke_forms.PADDING])
    share = decoder.context_share(context)
    tempering = _divisors_and_factor(temperature, mode)
    given = None if prefix is None else tf.transpose(prefix, [1, 0, 2])  # [P, B, 5]

    def body(t, stroke, states, ended, drawn):
        raw, states = decoder.step(stroke, states, context_share=share)
        parameters = _tempered(mixture.split_parameters(raw), *tempering)
        stroke = point_from_noise(parameters, tf.gather(noise, t), greedy)
        if given is not None:
            row = tf.gather(given, tf.minimum(t, tf.shape(given)[0] - 1))
            stroke = tf.where((t < prefix_lengths)[:, None], row, stroke)
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
    return _padded(drawn.gather(tf.range(count)), length)


def _padded(rows: tf.Tensor, length: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns rows [t, B, 5] as [B, length, 5] and the number of points of each sketch [B]."""
    rest = [length - tf.shape(rows)[0], tf.shape(rows)[1], 1]
    padding = tf.tile(tf.constant([[stroke_forms.PADDING]]), rest)
    drawn = tf.transpose(tf.concat([rows, padding], axis=0), [1, 0, 2])
    return drawn, tf.reduce_sum(tf.cast(drawn[..., 4] < 0.5, tf.int32), axis=1)


def noise_from_seeds(seeds: tf.Tensor, length: int | tf.Tensor) -> tf.Tensor:
    """Returns the noise of sketches, [B, T, 4], each row a function of its own seed alone.

    A shorter noise is the beginning of a longer one.

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
