"""What the decoder says of the next point: a mixture of bivariate normals and a pen state."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf
import tensorflow_probability as tfp

tfd = tfp.distributions

PEN_STATES = 3  # down, up, end of sketch
PARAMETERS = 6  # a component: weight, mean x and y, sigma x and y, correlation
MAX_OFFSET = 1e9  # a normalised offset further out is no drawing; differences stay finite
MAX_LOG_SCALE = 20.0  # sigma stays within e^-20 and e^20; Google's models reach e^-12
MAX_FISHER_Z = 8.0  # |rho| stays below 1 - 2.3e-7, where float32 still tells 1 - rho^2 from 0
MAX_LOGIT = 1e4  # differences of logits and their exponentials stay finite
MAX_STANDARDISED = 1e6  # |x - mu| / sigma beyond this has density 0 in float32 in any case


class MixtureParameters(NamedTuple):
    """The decoder's output, one field a block; M components.

    Attributes:
      pen_logits: [..., 3].
      mixture_logits: [..., M].
      loc: [..., M, 2], normalised units.
      log_scale: [..., M, 2].
      fisher_z: [..., M]; the correlation is its tanh.
    """

    pen_logits: tf.Tensor
    mixture_logits: tf.Tensor
    loc: tf.Tensor
    log_scale: tf.Tensor
    fisher_z: tf.Tensor

    @property
    def scale(self) -> tf.Tensor:
        """Sigma, [..., M, 2]."""
        return tf.exp(self.log_scale)

    @property
    def corr(self) -> tf.Tensor:
        """Rho, [..., M]."""
        return tf.tanh(self.fisher_z)


def output_size(num_mixtures: int) -> int:
    """Returns the size of the decoder's output a step, 3 + 6M."""
    return PEN_STATES + PARAMETERS * num_mixtures


def split_parameters(raw: tf.Tensor, bounded: bool = True) -> MixtureParameters:
    """Reads the decoder's raw output.

    Args:
      raw: [..., 3 + 6M]: pen logits, then the blocks pi, mu_x, mu_y, sigma_x, sigma_y, rho; sigma
        is the exponential of its block, rho the tanh (Magenta's get_mixture_coef).
      bounded: limit every number to where float32 densities and their gradients are finite; False
        gives Magenta's own values.

    Returns:
      The parameters as float32.
    """
    raw = tf.cast(raw, tf.float32)
    num_mixtures = (raw.shape[-1] - PEN_STATES) // PARAMETERS
    if bounded:
        bounds = _bounds(num_mixtures)
        raw = tf.clip_by_value(raw, -bounds, bounds)  # one pass for all blocks
    sizes = [PEN_STATES] + [num_mixtures] * PARAMETERS
    pen, pi, mu_x, mu_y, sigma_x, sigma_y, rho = tf.split(raw, sizes, axis=-1)
    loc = tf.stack([mu_x, mu_y], axis=-1)
    log_scale = tf.stack([sigma_x, sigma_y], axis=-1)
    return MixtureParameters(pen, pi, loc, log_scale, rho)


def _bounds(num_mixtures: int) -> tf.Tensor:
    """Returns the largest magnitude of each raw number, [3 + 6M]."""
    component = [MAX_LOGIT, *[MAX_OFFSET] * 2, *[MAX_LOG_SCALE] * 2, MAX_FISHER_Z]
    blocks = [bound for bound in component for _ in range(num_mixtures)]
    return tf.constant([*[MAX_LOGIT] * PEN_STATES, *blocks])


def offset_distribution(parameters: MixtureParameters) -> tfd.MixtureSameFamily:
    """Returns the distribution of the offset (dx, dy): batch shape [...], event shape [2]."""
    return tfd.MixtureSameFamily(
        mixture_distribution=tfd.Categorical(logits=parameters.mixture_logits),
        components_distribution=BivariateNormal(
            parameters.loc, parameters.log_scale, parameters.fisher_z
        ),
    )


def pen_distribution(parameters: MixtureParameters) -> tfd.Categorical:
    """Returns the distribution of the pen state: 0 down, 1 up, 2 end of sketch."""
    return tfd.Categorical(logits=parameters.pen_logits)


class BivariateNormal(tfd.AutoCompositeTensorDistribution):
    """A normal distribution over the plane with a full covariance, in closed form.

    The same distribution as `MultivariateNormalTriL` with two dimensions, at a fraction of its
    time. It is parameterised by what a network gives, since log(sigma) and 1 - rho^2 are exact in
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
        standardised = (value - self._loc) * tf.exp(-log_scale)
        standardised = tf.clip_by_value(standardised, -MAX_STANDARDISED, MAX_STANDARDISED)
        x, y = tf.unstack(standardised, axis=-1)
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
