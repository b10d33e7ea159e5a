"""The distribution of the next point: a mixture of bivariate normals and a pen state.

`NextPoint` reads the decoder's raw output; `BivariateNormal` is the mixture's component; `temper`
applies a temperature.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow_probability as tfp

from sketch_rnn_tf.config import TEMPERATURE_MODES
from sketch_rnn_tf.errors import UserError

tfd = tfp.distributions

PEN_STATES = 3  # down, up, end of sketch
PARAMETERS = 6  # per component: weight, mean x and y, sigma x and y, correlation
MAX_OFFSET = 1e9  # a normalized offset further out is no drawing; differences stay finite
MAX_LOG_SCALE = 20.0  # sigma stays within e^-20 and e^20; Google's models reach e^-12
MAX_FISHER_Z = 8.0  # |rho| stays below 1 - 2.3e-7, where float32 still tells 1 - rho^2 from 0
MAX_SHARPNESS = 1e30  # what multiplies logits: their products stay finite
MAX_LOGIT = 1e4  # differences of logits and their exponentials stay finite
MAX_STANDARDIZED = 1e6  # |x - mu| / sigma beyond this has density 0 in float32 in any case


def output_size(num_mixtures: int) -> int:
    """Returns the size of the decoder's output per step, 3 + 6M."""
    return PEN_STATES + PARAMETERS * num_mixtures


class Tempering(NamedTuple):
    """What a temperature does to the distribution of the next point; see `temper`.

    Attributes:
      sharpness: [B, 2, 1], the factors of mixture and pen logits.
      log_factor: [B, 1], the summand of log sigma.
    """

    sharpness: tf.Tensor
    log_factor: tf.Tensor


def temper(temperature: tf.Tensor, mode: str) -> Tempering:
    """Returns what sharpens or flattens the distribution of the next point.

    Args:
      temperature: tau [B], or [B, 3] for pen, mixture and offsets; above 0, and 1 leaves
        everything as it is.
      mode: `paper` divides the logits by tau and multiplies sigma by sqrt(tau) (equation 8);
        `magenta` divides by tau and multiplies by tau (its Python code); `javascript` divides by
        0.5 + 0.5 tau and multiplies by sqrt(tau) (sketch_rnn.js).

    Raises:
      UserError: an unknown mode.
    """
    if mode not in TEMPERATURE_MODES:
        known = ", ".join(TEMPERATURE_MODES)
        raise UserError(f"unknown temperature mode {mode!r}, expected one of {known}")
    if temperature.shape.rank == 1:
        temperature = tf.tile(temperature[:, None], [1, 3])
    pen, weights, offset = tf.split(temperature, 3, axis=1)
    divisors = tf.concat([weights, pen], axis=1)
    if mode == "javascript":
        divisors = 0.5 + 0.5 * divisors
    sharpness = tf.minimum(1.0 / divisors, MAX_SHARPNESS)[..., None]
    return Tempering(sharpness, tf.math.log(offset) * (1.0 if mode == "magenta" else 0.5))


class NextPoint:
    """The distribution of the next point, as the decoder's raw output states it (paper, eq. 3-6).

        p(dx, dy) = sum_j pi_j N(dx, dy | mu_x, mu_y, sigma_x, sigma_y, rho)_j,  p(pen) = softmax

    Losses, evaluation, sampling and exported graphs all read the output here. (The LiteRT graph,
    NumPy and JavaScript have twins of their own; docs/architecture.md lists them.)

    Args:
      raw: [..., 3 + 6M]: pen logits, then the blocks pi, mu_x, mu_y, sigma_x, sigma_y, rho; sigma
        is the exponential of its block, rho the tanh (Magenta's get_mixture_coef).
      bounded: limit every number to where float32 densities and their gradients are finite; False
        gives Magenta's own values.

    Attributes:
      num_mixtures: M.
    """

    def __init__(self, raw: tf.Tensor, bounded: bool = True):
        self._raw = tf.cast(raw, tf.float32)
        self._bounded = bounded
        self.num_mixtures = (self._raw.shape[-1] - PEN_STATES) // PARAMETERS

    @functools.cached_property
    def _blocks(self) -> list[tf.Tensor]:
        """Returns pen logits [..., 3] and the blocks pi, mu_x, mu_y, sigma_x, sigma_y, rho."""
        raw = self._raw
        if self._bounded:
            component = [MAX_LOGIT, *[MAX_OFFSET] * 2, *[MAX_LOG_SCALE] * 2, MAX_FISHER_Z]
            blocks = [bound for bound in component for _ in range(self.num_mixtures)]
            bounds = tf.constant([*[MAX_LOGIT] * PEN_STATES, *blocks])
            raw = tf.clip_by_value(raw, -bounds, bounds)  # one pass for all blocks
        return tf.split(raw, [PEN_STATES] + [self.num_mixtures] * PARAMETERS, axis=-1)

    @property
    def pen_logits(self) -> tf.Tensor:
        """[..., 3]: down, up, end of sketch."""
        return self._blocks[0]

    @property
    def mixture_logits(self) -> tf.Tensor:
        """[..., M]."""
        return self._blocks[1]

    @functools.cached_property
    def loc(self) -> tf.Tensor:
        """Mu, [..., M, 2], normalized units."""
        return tf.stack(self._blocks[2:4], axis=-1)

    @functools.cached_property
    def log_scale(self) -> tf.Tensor:
        """Log of sigma, [..., M, 2]."""
        return tf.stack(self._blocks[4:6], axis=-1)

    @property
    def scale(self) -> tf.Tensor:
        """Sigma, [..., M, 2]."""
        return tf.exp(self.log_scale)

    @property
    def fisher_z(self) -> tf.Tensor:
        """Fisher's z of the correlation, [..., M]."""
        return self._blocks[6]

    @property
    def corr(self) -> tf.Tensor:
        """Rho, [..., M]."""
        return tf.tanh(self.fisher_z)

    @functools.cached_property
    def offset(self) -> tfd.MixtureSameFamily:
        """The distribution of the offset (dx, dy): batch shape [...], event shape [2]."""
        return tfd.MixtureSameFamily(
            mixture_distribution=tfd.Categorical(logits=self.mixture_logits),
            components_distribution=BivariateNormal(self.loc, self.log_scale, self.fisher_z),
        )

    @functools.cached_property
    def pen(self) -> tfd.Categorical:
        """The distribution of the pen state: 0 down, 1 up, 2 end of sketch."""
        return tfd.Categorical(logits=self.pen_logits)

    def offset_log_prob(self, offsets: tf.Tensor) -> tf.Tensor:
        """Returns log p(dx, dy) of offsets [..., 2], finite for every finite offset if bounded."""
        if self._bounded:
            offsets = tf.clip_by_value(offsets, -MAX_OFFSET, MAX_OFFSET)
        return self.offset.log_prob(offsets)

    def pen_log_prob(self, states: tf.Tensor) -> tf.Tensor:
        """Returns log p(pen state) of states [..., 3], one-hot."""
        return -tf.nn.softmax_cross_entropy_with_logits(labels=states, logits=self.pen_logits)

    def log_prob(self, strokes: tf.Tensor) -> tf.Tensor:
        """Returns log p of whole points, stroke-5 [..., 5]: offset and pen state."""
        return self.offset_log_prob(strokes[..., :2]) + self.pen_log_prob(strokes[..., 2:])

    def sample(self, seed: tf.Tensor) -> tf.Tensor:
        """Draws points with TensorFlow Probability's own sampling, stroke-5 [..., 5].

        Args:
          seed: int32 [2].
        """
        seeds = tf.random.experimental.stateless_split(seed, 2)
        pen = tf.one_hot(self.pen.sample(seed=seeds[1]), PEN_STATES)
        return tf.concat([self.offset.sample(seed=seeds[0]), pen], axis=-1)

    def from_noise(
        self, noise: tf.Tensor, tempering: Tempering, greedy: bool = False
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Draws points from given random numbers: the same numbers are the same points everywhere.

        Drawing one sketch spends its time in the number of operations per point, not in their
        arithmetic. So component and pen state are chosen side by side, as rows of one [B, 2, W], W
        the larger of M and 3, and only the chosen component is read. The shorter row has
        impossible places in front, so that both end at W. A row is a function of its own inputs
        alone. The output has to be of one point per sketch, [B, 3 + 6M].

        Args:
          noise: [B, 4]: a uniform for the component, a uniform for the pen state, and standard
            normals for x and y.
          tempering: of `temper`.
          greedy: take the likeliest component, its mean, and the likeliest pen state; the noise is
            then ignored.

        Returns:
          stroke-5 rows [B, 5] and whether they end the sketch, bool [B].
        """
        places = _Places(self.num_mixtures)
        uniforms, x, y = tf.split(noise, [2, 1, 1], axis=1)
        logits = tf.reshape(tf.gather(self._raw, places.columns, axis=1), [-1, 2, places.width])
        logits = logits * tempering.sharpness + places.possible
        if greedy:
            chosen = tf.argmax(logits, axis=2, output_type=tf.int32)
        else:  # where the cumulated probabilities pass the uniforms
            passed = tf.cumsum(tf.nn.softmax(logits), axis=2) <= uniforms[..., None]
            count = tf.reduce_sum(tf.cast(passed, tf.int32), axis=2)
            chosen = tf.minimum(count, places.width - 1)
        component, pen = tf.unstack(chosen, axis=1)  # [B] each
        own = tf.gather(self._raw, component[:, None] + places.blocks, axis=1, batch_dims=1)
        bounds = tf.constant([MAX_OFFSET] * 2 + [MAX_LOG_SCALE] * 2 + [MAX_FISHER_Z])
        offset, log_scale, fisher_z = tf.split(
            tf.clip_by_value(own, -bounds, bounds), [2, 2, 1], axis=1
        )
        if not greedy:
            rho = tf.tanh(fisher_z)
            white = tf.concat([x, rho * x + tf.sqrt(1.0 - rho * rho) * y], axis=1)
            offset += tf.exp(log_scale + tempering.log_factor) * white
        point = tf.concat([offset, tf.gather(places.pens, pen)], axis=1)
        return point, tf.equal(pen, places.width - 1)  # the end of the sketch is the last state


class _Places:
    """Where `NextPoint.from_noise` finds things in the raw output, as constants.

    Attributes:
      width: W.
      columns: [2W], where the logits of components and pen states are.
      possible: [2, W], minus infinity where a row has no place.
      blocks: [5], from a component's place to the columns of its parameters.
      pens: [W, 3], the pen state of a place, one-hot.
    """

    def __init__(self, num_mixtures: int):
        self.width = max(num_mixtures, PEN_STATES)
        begins = PEN_STATES, 0
        missing = self.width - num_mixtures, self.width - PEN_STATES
        places = np.arange(self.width)
        columns = [np.maximum(places - m, 0) + b for m, b in zip(missing, begins, strict=True)]
        self.columns = tf.constant(np.concatenate(columns), tf.int32)
        possible = [np.where(places < m, -np.inf, 0.0) for m in missing]
        self.possible = tf.constant(np.stack(possible), tf.float32)
        blocks = begins[0] + num_mixtures * np.arange(1, PARAMETERS) - missing[0]
        self.blocks = tf.constant(blocks, tf.int32)
        self.pens = tf.constant(np.eye(self.width)[:, -PEN_STATES:], tf.float32)


class BivariateNormal(tfd.AutoCompositeTensorDistribution):
    """A normal distribution over the plane with a full covariance, in closed form.

    The same distribution as `MultivariateNormalTriL` with two dimensions, at a fraction of its
    time. It is parameterized by what a network gives, since log(sigma) and 1 - rho^2 are exact in
    these and not in sigma and rho:

        rho = tanh(fisher_z),  1 - rho^2 = sech(fisher_z)^2

    Args:
      loc: [..., 2] mean.
      log_scale: [..., 2] log of the standard deviations.
      fisher_z: [...] Fisher's z of the correlation, artanh(rho).
    """

    def __init__(
        self,
        loc,
        log_scale,
        fisher_z,
        validate_args=False,
        allow_nan_stats=True,
        name="BivariateNormal",
    ):
        parameters = dict(locals())
        with tf.name_scope(name) as name:
            self._loc = tf.convert_to_tensor(loc, name="loc")
            self._log_scale = tf.convert_to_tensor(log_scale, self._loc.dtype, name="log_scale")
            self._fisher_z = tf.convert_to_tensor(fisher_z, self._loc.dtype, name="fisher_z")
            super().__init__(
                dtype=self._loc.dtype,
                reparameterization_type=tfd.FULLY_REPARAMETERIZED,
                validate_args=validate_args,
                allow_nan_stats=allow_nan_stats,
                parameters=parameters,
                name=name,
            )

    @classmethod
    def _parameter_properties(cls, dtype, num_classes=None):
        properties = tfp.util.ParameterProperties
        return {
            "loc": properties(event_ndims=1),
            "log_scale": properties(event_ndims=1),
            "fisher_z": properties(event_ndims=0),
        }

    @property
    def loc(self) -> tf.Tensor:
        """Mean, [..., 2]."""
        return self._loc

    @property
    def log_scale(self) -> tf.Tensor:
        """Log of the standard deviations, [..., 2]."""
        return self._log_scale

    @property
    def fisher_z(self) -> tf.Tensor:
        """Fisher's z of the correlation, [...]."""
        return self._fisher_z

    @property
    def correlation(self) -> tf.Tensor:
        """Rho, [...]."""
        return tf.tanh(self._fisher_z)

    def _event_shape_tensor(self):
        return tf.constant([2], tf.int32)

    def _event_shape(self):
        return tf.TensorShape([2])

    def _log_prob(self, value):
        log_scale = self._log_scale
        standardized = (value - self._loc) * tf.exp(-log_scale)
        standardized = tf.clip_by_value(standardized, -MAX_STANDARDIZED, MAX_STANDARDIZED)
        x, y = tf.unstack(standardized, axis=-1)
        # (x^2 - 2 rho x y + y^2) / (1 - rho^2) without the cancellation between its terms.
        log_rest = _log_one_minus_rho_squared(self._fisher_z)
        residual = x - self.correlation * y
        square = residual * residual * tf.exp(-log_rest) + y * y
        return (
            -0.5 * (square + log_rest)
            - tf.reduce_sum(log_scale, axis=-1)
            - _log_two_pi(value.dtype)
        )

    def _sample_n(self, n, seed=None):
        shape = tf.concat([[n], self.batch_shape_tensor(), [2]], 0)
        seed = tfp.random.sanitize_seed(seed)
        return self.transform(tf.random.stateless_normal(shape, seed, dtype=self.dtype))

    def transform(self, white: tf.Tensor) -> tf.Tensor:
        """Turns standard normals [..., 2] into samples [..., 2]."""
        x, y = tf.unstack(white, axis=-1)
        rest = tf.exp(0.5 * _log_one_minus_rho_squared(self._fisher_z))
        y = self.correlation * x + rest * y
        return self._loc + tf.exp(self._log_scale) * tf.stack([x, y], axis=-1)

    def _mean(self):
        return tf.broadcast_to(self._loc, tf.concat([self.batch_shape_tensor(), [2]], 0))

    _mode = _mean

    def _stddev(self):
        scale = tf.exp(self._log_scale)
        return tf.broadcast_to(scale, tf.concat([self.batch_shape_tensor(), [2]], 0))

    def _variance(self):
        return tf.square(self._stddev())

    def _covariance(self):
        x, y = tf.unstack(self._stddev(), axis=-1)
        mixed = self.correlation * x * y
        rows = [tf.stack([x * x, mixed], -1), tf.stack([mixed, y * y], -1)]
        return tf.stack(rows, axis=-2)

    def _entropy(self):
        log_rest = _log_one_minus_rho_squared(self._fisher_z)
        entropy = (
            1.0 + _log_two_pi(self.dtype) + tf.reduce_sum(self._log_scale, -1) + 0.5 * log_rest
        )
        return tf.broadcast_to(entropy, self.batch_shape_tensor())


def _log_one_minus_rho_squared(fisher_z: tf.Tensor) -> tf.Tensor:
    """Returns log(1 - tanh(z)^2) = 2 log(2 / (e^z + e^-z)) without forming 1 - rho^2."""
    magnitude = tf.abs(fisher_z)
    log_two = tf.constant(0.6931471805599453, fisher_z.dtype)
    return 2.0 * (log_two - magnitude) - 2.0 * tf.math.log1p(tf.exp(-2.0 * magnitude))


def _log_two_pi(dtype: tf.DType) -> tf.Tensor:
    return tf.constant(1.8378770664093453, dtype)
