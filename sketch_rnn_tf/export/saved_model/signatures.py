"""The named functions of an exported model: stroke-3 in the user's units in and out.

Every input and output has a batch dimension, a row is a function of its own inputs alone, and
`error` [B] says which rows were not what they should be (see `serving.errors`).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from sketch_rnn_tf import config, latent_prior
from sketch_rnn_tf.data import augment
from sketch_rnn_tf.export.saved_model import rows as row_checks
from sketch_rnn_tf.model import losses, next_point
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import loop
from sketch_rnn_tf.serving.server_errors import RowError

PARALLEL = 1e-6  # sine of an angle below which an arc is taken for a straight line
READ_FACTOR = 4  # drawings that are read may be so many times longer than those that are drawn
READ_LEAST = 1000  # or so long


class Signature(NamedTuple):
    """One function of the exported model.

    Attributes:
      function: of tensors, in the order of `inputs`.
      inputs: their specifications, with names.
      text: what it does, one line.
    """

    function: Callable[..., dict[str, tf.Tensor]]
    inputs: tuple[tf.TensorSpec, ...]
    text: str


class Signatures:
    """Makes the signatures of a model.

    Args:
      model: the model.
      configuration: of its run.
    """

    def __init__(self, model: SketchRNN, configuration: config.RunConfig):
        self.model = model
        self.config = configuration
        self.max_points = configuration.max_length
        self.max_read = max(READ_LEAST, READ_FACTOR * configuration.max_length)

    def all(self) -> dict[str, Signature]:
        """Returns the signatures that make sense for the model; the first is the default."""
        strokes = (_spec("strokes", [None, None, 3]), _spec("lengths", [None], tf.int32))
        prefix = (_spec("prefix", [None, None, 3]), _spec("prefix_length", [None], tf.int32))
        draw = (_spec("temperature", [None]), _spec("seed", [None, 2], tf.int32))
        z = self._latent("z")
        state = _spec("state", [None, 1 + sum(self.model.decoder.state_size)])
        made = {
            "generate": (self.generate, draw),
            "complete": (self.complete, prefix + draw),
            "step": (self.step, (_spec("stroke", [None, 3]), *z, state)),
            "score": (self.score, strokes),
        }
        if self.model.conditional:
            ends = (*self._latent("z_a"), *self._latent("z_b"), _spec("fraction", [None]))
            made |= {
                "encode": (self.encode, strokes),
                "decode": (self.decode, z + draw),
                "reconstruct": (self.reconstruct, strokes + draw),
                "interpolate": (self.interpolate, ends + draw),
            }
        label = (_spec("label", [None], tf.int32),)
        own = label if self.model.num_classes else ()
        result = {
            name: self._signature(function, inputs + own)
            for name, (function, inputs) in made.items()
        }
        return {**result, "describe": self._signature(self.describe, label)}

    def _signature(self, function, specs) -> Signature:
        """Returns a function of positional tensors that checks shapes and adds `error`."""

        def call(*tensors):
            inputs = {
                spec.name: tf.ensure_shape(tensor, spec.shape)
                for spec, tensor in zip(specs, tensors, strict=True)
            }
            rows = row_checks.Rows(inputs)
            outputs = function(rows, inputs)
            return {**outputs, "error": rows.error}

        return Signature(call, specs, function.__doc__.partition("\n")[0].rstrip("."))

    def generate(self, rows: row_checks.Rows, inputs) -> dict[str, tf.Tensor]:
        """temperature, seed [, label] -> strokes, lengths."""
        z = None
        if self.model.conditional:
            z = self._from_prior(rows, inputs)
        return self._draw(rows, inputs, z)

    def _from_prior(self, rows: row_checks.Rows, inputs) -> tf.Tensor:
        """Returns latent vectors [B, Z] of the seeds from the run's prior, see `latent_prior`."""
        normals = loop.latents_from_seeds(inputs["seed"], self.model.z_size)
        prior = latent_prior.of(self.config)
        if prior is None:
            return normals
        label = self._label(rows, inputs)
        label = tf.zeros([rows.size], tf.int32) if label is None else label
        axes = tf.cast(tf.gather(prior.axes, label), tf.float64)
        moves = tf.cast(normals[:, : axes.shape[1]], tf.float64)
        moved = tf.einsum("sk,skz->sz", moves, axes)
        return tf.cast(tf.cast(tf.gather(prior.means, label), tf.float64) + moved, tf.float32)

    def decode(self, rows, inputs) -> dict[str, tf.Tensor]:
        """z, temperature, seed [, label] -> strokes, lengths."""
        return self._draw(rows, inputs, rows.finite(inputs["z"], RowError.LATENT))

    def reconstruct(self, rows, inputs) -> dict[str, tf.Tensor]:
        """strokes, lengths, temperature, seed [, label] -> strokes, lengths; from z's mean."""
        points, lengths = self._drawing(rows, inputs["strokes"], inputs["lengths"])
        z, _ = self.model.encode(points, lengths, self._label(rows, inputs))
        return self._draw(rows, inputs, z)

    def complete(self, rows, inputs) -> dict[str, tf.Tensor]:
        """prefix, prefix_length, temperature, seed [, label] -> strokes, lengths, given."""
        names = inputs["prefix"], inputs["prefix_length"]
        points, lengths = self._drawing(rows, *names, self.max_points)
        z = None
        if self.model.conditional:
            z, _ = self.model.encode(points, lengths, self._label(rows, inputs))
        drawn = self._draw(rows, inputs, z, (points, lengths))
        given = lengths + int(self.config.drop_first_point)
        return {**drawn, "given": tf.where(rows.good, given, 0)}

    def interpolate(self, rows, inputs) -> dict[str, tf.Tensor]:
        """z_a, z_b, fraction, temperature, seed [, label] -> strokes, lengths; along the arc."""
        ends = [rows.finite(inputs[name], RowError.LATENT) for name in ("z_a", "z_b")]
        fraction = rows.finite(inputs["fraction"], RowError.FRACTION)
        rows.reject((fraction < 0.0) | (fraction > 1.0), RowError.FRACTION)
        return self._draw(rows, inputs, spherical(*ends, fraction))

    def encode(self, rows, inputs) -> dict[str, tf.Tensor]:
        """strokes, lengths [, label] -> z_mean, z_log_var."""
        points, lengths = self._drawing(rows, inputs["strokes"], inputs["lengths"])
        label = self._label(rows, inputs)
        mean, log_var = self.model.encode(points, lengths, label)
        return {"z_mean": _or_nan(rows, mean), "z_log_var": _or_nan(rows, log_var)}

    def score(self, rows, inputs) -> dict[str, tf.Tensor]:
        """strokes, lengths [, label] -> offset_nats, pen_nats, end_nats, nats, kl_nats."""
        strokes, lengths = rows.strokes(inputs["strokes"], inputs["lengths"], 0, self.max_read)
        strokes = tf.pad(strokes, [[0, 0], [0, 1], [0, 0]])[:, : tf.reduce_max(lengths) + 1]
        points = self._normalized(strokes, lengths)
        label, kl, z = self._label(rows, inputs), tf.zeros([rows.size]), None
        if self.model.conditional:
            z, log_var = self.model.encode(points, lengths, label)
            kl = tf.reduce_sum(losses.kl_nats(z, log_var), axis=1)
        context = self.model.context(z, label)
        raw = self.model.decoder(self.model.decoder_inputs(points), context=context)
        nats = _nats(raw, points, lengths)
        nats["nats"] = nats["offset_nats"] + nats["pen_nats"] + nats["end_nats"]
        return {name: _or_nan(rows, value) for name, value in {**nats, "kl_nats": kl}.items()}

    def step(self, rows, inputs) -> dict[str, tf.Tensor]:
        """stroke, [z,] state [, label] -> parameters of the next point's distribution, state.

        state [B, S] holds the number of points read, then the decoder's states. A state of zeros
        begins a sketch: the start token is read and the stroke is not looked at.
        """
        z = rows.finite(inputs["z"], RowError.LATENT) if self.model.conditional else None
        state = rows.finite(inputs["state"], RowError.STATE)
        rows.reject(state[:, 0] < 0.0, RowError.STATE)
        begins = tf.equal(state[:, :1], 0.0)
        stroke, lengths = rows.strokes(
            inputs["stroke"][:, None], tf.ones([rows.size], tf.int32), 1, 1
        )
        point = self._normalized(stroke, lengths)[:, 0]
        point = tf.where(begins, self._start(rows.size), point)
        context = self.model.context(z, self._label(rows, inputs))
        decoder = self.model.decoder
        first = tf.concat(decoder.initial_state(rows.size, context), axis=1)
        kept = tf.where(begins, first, state[:, 1:])
        raw, new = decoder.step(point, tf.split(kept, decoder.state_size, axis=1), context)
        new = tf.concat([state[:, :1] + 1.0, *new], axis=1)
        outputs = {**self._parameters(raw), "state": new}
        return {name: _or_nan(rows, value) for name, value in outputs.items()}

    def describe(self, rows, inputs) -> dict[str, tf.Tensor]:
        """Gives a class's name, and the run's configuration as JSON in every row."""
        names = tf.constant(self.config.classes or ("",))
        label = rows.label(inputs["label"], max(len(self.config.classes), 1))
        content = json.dumps(config.to_json(self.config), ensure_ascii=False)
        return {"name": tf.gather(names, label), "config": tf.fill([rows.size], content)}

    def _draw(self, rows, inputs, z, prefix=(None, None)) -> dict[str, tf.Tensor]:
        """Draws rows that have no error; strokes [B, max_points (+ 1), 3] and lengths [B]."""
        temperature = rows.temperature(inputs["temperature"])
        context = self.model.context(z, self._label(rows, inputs))
        step = self.model.decoder.stepper(context, rows.size)
        drawn, lengths = loop.sample_from_noise(
            step,
            step.initial_states,
            self._start(rows.size),
            loop.noise_from_seeds(inputs["seed"], self.max_points),
            next_point.temper(temperature, self.config.temperature_mode),
            *prefix,
            skipped=~rows.good,
        )
        offsets = drawn[..., :2] * tf.constant(self.config.scale_factor, tf.float32)
        strokes = tf.concat([offsets, drawn[..., 3:4]], axis=-1)
        strokes = tf.ensure_shape(strokes, [None, self.max_points, 3])
        if self.config.drop_first_point:  # row 0 is put back
            strokes = tf.pad(strokes, [[0, 0], [1, 0], [0, 0]])
            lengths = tf.where(rows.good, lengths + 1, 0)
        return {"strokes": strokes, "lengths": lengths}

    def _drawing(self, rows, strokes, lengths, most: int | None = None):
        """Returns drawings as the model reads them: stroke-5 [B, T, 5], normalized, and lengths."""
        most = self.max_read if most is None else most
        if not self.config.drop_first_point:
            strokes, lengths = rows.strokes(strokes, lengths, 1, most)
            return self._normalized(strokes, lengths), lengths
        strokes, lengths = rows.strokes(strokes, lengths, 1, most + 1)
        strokes = tf.pad(strokes, [[0, 0], [0, 1], [0, 0]])
        drop = (lengths > 0) & tf.reduce_all(tf.equal(strokes[:, 0, :2], 0.0), axis=1)
        lengths = lengths - tf.cast(drop, tf.int32)
        rows.reject((lengths < 1) | (lengths > most), RowError.LENGTH)
        lengths = tf.where(rows.good, lengths, 0)
        strokes = tf.where(drop[:, None, None], strokes[:, 1:], strokes[:, :-1])
        return self._normalized(strokes, lengths), lengths

    def _normalized(self, strokes, lengths) -> tf.Tensor:
        offsets = augment.normalize(strokes[..., :2], self.config.scale_factor)
        return row_checks.stroke5(tf.concat([offsets, strokes[..., 2:]], axis=-1), lengths)

    def _label(self, rows, inputs):
        if not self.model.num_classes:
            return None
        return rows.label(inputs["label"], self.model.num_classes)

    def _start(self, size) -> tf.Tensor:
        return tf.tile(tf.constant([self.config.start_token], tf.float32), [size, 1])

    def _parameters(self, raw) -> dict[str, tf.Tensor]:
        """Returns the parameters of the next point in source units."""
        scale = tf.constant(self.config.scale_factor, tf.float32)
        distribution = next_point.NextPoint(raw)
        return {
            "pen_logits": distribution.pen_logits,
            "mixture_logits": distribution.mixture_logits,
            "loc": distribution.loc * scale,
            "scale": distribution.scale * scale,
            "corr": distribution.corr,
        }

    def _latent(self, name: str) -> tuple[tf.TensorSpec, ...]:
        return (_spec(name, [None, self.model.z_size]),) if self.model.conditional else ()


def spherical(a: tf.Tensor, b: tf.Tensor, fraction: tf.Tensor) -> tf.Tensor:
    """Returns vectors on the arc from a to b [B, Z], as `sampling.latent.interpolate`.

        (sin((1 - f) w) a + sin(f w) b) / sin w,  w the angle between a and b

    Where no arc is defined the way is the straight line.
    """
    fraction = fraction[:, None]
    unit_a, unit_b = tf.math.l2_normalize(a, 1, 1e-30), tf.math.l2_normalize(b, 1, 1e-30)
    half_sine, half_cosine = tf.norm(unit_a - unit_b, axis=1), tf.norm(unit_a + unit_b, axis=1)
    angle = 2.0 * tf.math.atan2(half_sine, half_cosine)[:, None]
    sine = tf.sin(angle)
    zero = ~(tf.reduce_any(a != 0.0, axis=1) & tf.reduce_any(b != 0.0, axis=1))
    straight = zero[:, None] | (sine < PARALLEL) | (fraction <= 0.0) | (fraction >= 1.0)
    sine = tf.where(straight, 1.0, sine)
    weight_a = tf.where(straight, 1.0 - fraction, tf.sin((1.0 - fraction) * angle) / sine)
    weight_b = tf.where(straight, fraction, tf.sin(fraction * angle) / sine)
    return weight_a * a + weight_b * b


def _nats(raw, points, lengths) -> dict[str, tf.Tensor]:
    """Returns the nats of drawings, each [B]; `points` has a place for the end token."""
    distribution = next_point.NextPoint(raw)
    length = tf.shape(points)[1]
    real = losses.real_points(lengths, length)
    pen = losses.pen_nats(distribution, points)
    return {
        "offset_nats": tf.reduce_sum(losses.offset_nats(distribution, points) * real, axis=1),
        "pen_nats": tf.reduce_sum(pen * real, axis=1),
        "end_nats": tf.reduce_sum(pen * tf.one_hot(lengths, length), axis=1),
    }


def _or_nan(rows: row_checks.Rows, value: tf.Tensor) -> tf.Tensor:
    """Returns a result with NaN in rows that have an error."""
    good = tf.reshape(rows.good, [-1] + [1] * (value.shape.rank - 1))
    return tf.where(good, value, float("nan"))


def _spec(name: str, shape, dtype: tf.DType = tf.float32) -> tf.TensorSpec:
    return tf.TensorSpec(shape, dtype, name)
