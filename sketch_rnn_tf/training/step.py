"""One training step: gradients, the guard against non-finite numbers, the update, the tally."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from sketch_rnn_tf import config, evaluation
from sketch_rnn_tf.model import graphs, seeds
from sketch_rnn_tf.model.sketch_rnn import METRICS, SketchRNN
from sketch_rnn_tf.training import averaging, distribution, schedules

_MEANS = (*METRICS, "gradient_norm", "clip_fraction")


def make_optimizer(training: config.TrainingConfig) -> keras.optimizers.Optimizer:
    """Returns Adam as Magenta configures it: elementwise clipping, epsilon 1e-8.

    Weight decay is the step's own: Keras would apply it at a place that this step does not pass.
    """
    return keras.optimizers.Adam(
        schedules.learning_rate(training),
        beta_1=training.adam_beta_1,
        beta_2=training.adam_beta_2,
        epsilon=training.adam_epsilon,
        clipvalue=training.gradient_clip or None,
    )


class TrainingStep:
    """Takes optimizer steps on any strategy.

    A batch is divided between the replicas. The loss is the one of the whole batch: the KL floor
    acts on the mean over all replicas, and gradients are clipped after they have been summed.
    `jit_compile` decides whether XLA compiles what computes the gradients, once for each length.

    Attributes:
      cooldown: the learning rate, where early stopping may bring its end forward; else None.

    Args:
      model: the model, made in the strategy's scope.
      optimizer: its optimizer, built in the strategy's scope.
      training: how to train.
      strategy: where the replicas are.
      average: of the weights, which follows them; None: there is none.

    Raises:
      UserError: XLA is wanted for several replicas.
    """

    def __init__(
        self,
        model: SketchRNN,
        optimizer: keras.optimizers.Optimizer,
        training: config.TrainingConfig,
        strategy: tf.distribute.Strategy,
        average: averaging.Average | None = None,
    ):
        self.model, self.optimizer, self.training = model, optimizer, training
        self.average = average
        self.strategy = strategy
        self._replicas = strategy.num_replicas_in_sync
        self._learning_rate = schedules.learning_rate(training)
        self.cooldown = None
        if training.early_stopping_patience:
            floor = training.min_learning_rate
            self._learning_rate = self.cooldown = schedules.Cooldown(self._learning_rate, floor)
        self._kl_weight = schedules.kl_weight(training)
        self.compiled = distribution.compiles(strategy, training.jit_compile)
        # What XLA fuses gains nothing from parts that run side by side.
        self._parts = 1 if self.compiled else training.parallel_parts
        self._compute = self._gradients
        if self.compiled:
            self._compute = tf.function(self._gradients, jit_compile=True, autograph=False)
        self._bad_in_a_row = tf.Variable(0, dtype=tf.int32, trainable=False)
        self._tally = _Tally(model.z_size)
        self._function = None
        graphs.keep_order_of_additions()

    def __call__(self, batch: dict[str, tf.Tensor], position: int) -> int:
        """Takes a step, or skips it where loss or gradient are not finite.

        Weights that the step itself drives beyond all numbers cannot be brought back: they count
        as skipped too, so that nobody keeps them.

        Args:
          batch: `strokes`, `lengths` and `labels`; a value for each replica.
          position: of the batch in the stream; dropout and latent noise depend on it.

        Returns:
          How many steps in a row have been skipped; 0 when this one was taken.
        """
        if self._function is None:
            self._function = self._traced_once(batch)
        return int(self._function(batch, tf.constant(position, tf.int32)))

    @property
    def traces(self) -> int:
        """How many times the step has been traced so far."""
        return 0 if self._function is None else self._function.experimental_get_tracing_count()

    def _traced_once(self, batch):
        """Returns the step as a graph that takes batches of any length T.

        Values of several replicas have no such signature: their second length is traced again.
        """
        if self._replicas > 1:
            return tf.function(self._step, reduce_retracing=True, autograph=False)
        size, _, width = batch["strokes"].shape
        strokes = tf.TensorSpec([size, None, width], batch["strokes"].dtype)
        rest = {name: tf.TensorSpec(value.shape, value.dtype) for name, value in batch.items()}
        signature = [{**rest, "strokes": strokes}, tf.TensorSpec([], tf.int32)]
        return tf.function(self._step, input_signature=signature, autograph=False)

    def take_means(self) -> dict[str, float]:
        """Returns means since the last call, and where the schedules stand; starts new means."""
        step = tf.maximum(self.optimizer.iterations - 1, 0)
        return {
            **self._tally.take(),
            "learning_rate": float(self._learning_rate(step)),
            "kl_weight": float(self._kl_weight(step)),
        }

    def _step(self, batch, position):
        given = (batch, position, self._kl_weight(self.optimizer.iterations))
        gradients, values, z_sums = self.strategy.run(self._compute, given)
        values, z_sums = self._local(values), self._local(z_sums)
        good = tf.math.is_finite(values["loss"]) & tf.math.is_finite(values["gradient_norm"])
        good = tf.cond(good, lambda: self._update(gradients), lambda: False)
        self._tally.add(values, z_sums, good)
        self._bad_in_a_row.assign(tf.where(good, 0, self._bad_in_a_row + 1))
        return self._bad_in_a_row.read_value()

    def _local(self, values):
        """Returns what this worker's first replica returned; it is the same on all of them."""
        return tf.nest.map_structure(
            lambda value: self.strategy.experimental_local_results(value)[0], values
        )

    def _gradients(self, batch, position, kl_weight):
        """Returns gradients, losses and sums of z of the whole batch; runs on every replica."""
        variables = self.model.trainable_variables
        terms = self.model.terms_in_parts(batch, self._seed(position), self._parts)
        values = self.model.reduce(terms, kl_weight, self._mean if self._replicas > 1 else None)
        gradients = gradients_in_order(values["loss"], variables)
        gradients = self._sum([tf.convert_to_tensor(g) / self._replicas for g in gradients])
        values = self._sum({name: value / self._replicas for name, value in values.items()})
        gradients, measured = clip(
            gradients, self.training.gradient_clip, self.training.gradient_clip_norm
        )
        return gradients, {**values, **measured}, self._sum(self._z_sums(terms))

    def _seed(self, position):
        """Returns the seed of this step on this replica, int32 [2]."""
        seed = tf.stack([tf.constant(self.training.seed, tf.int32), position])
        if self._replicas == 1:
            return seed
        replica = tf.distribute.get_replica_context().replica_id_in_sync_group
        return seeds.fold(seed, replica)

    def _z_sums(self, terms) -> tf.Tensor:
        """Returns the number of sketches, sums of z_mean and sums of its squares, [1 + 2Z]."""
        if not self.model.conditional:
            return tf.zeros([1])
        z = terms["z_mean"]
        count = tf.cast(tf.shape(z)[:1], tf.float32)
        return tf.concat([count, tf.reduce_sum(z, 0), tf.reduce_sum(tf.square(z), 0)], 0)

    def _sum(self, values):
        """Returns sums over all replicas."""
        if self._replicas == 1:
            return values
        context = tf.distribute.get_replica_context()
        return context.all_reduce(tf.distribute.ReduceOp.SUM, values)

    def _mean(self, value):
        """Returns a mean over all replicas."""
        return self._sum(value) / self._replicas

    def _update(self, gradients):
        """Updates weights and optimizer, and returns whether the weights are finite.

        The gradients are the same on all replicas.

        Not `optimizer.apply`: it clips before it sums over replicas, and sums again.
        """
        rate = self._learning_rate(self.optimizer.iterations)
        for gradient, variable in zip(gradients, self.model.trainable_variables, strict=True):
            self.strategy.extended.update(
                variable.value,
                lambda variable, gradient: self.optimizer.update_step(gradient, variable, rate),
                args=(gradient,),
                group=False,
            )
        if self.training.weight_decay:
            self._decay(rate)
        self.optimizer.iterations.assign_add(1)
        if self.average is not None:
            self.average.update(self.optimizer.iterations)
        weights = [variable.value for variable in self.model.trainable_variables]
        return tf.reduce_all([tf.reduce_all(tf.math.is_finite(weight)) for weight in weights])

    def _decay(self, rate) -> None:
        """Shrinks the matrices, as AdamW does: w -= rate decay w (arXiv 1711.05101)."""
        factor = 1.0 - rate * self.training.weight_decay
        for variable in self.model.trainable_variables:
            if len(variable.shape) > 1:
                self.strategy.extended.update(
                    variable.value,
                    lambda variable: variable.assign(variable * factor),
                    group=False,
                )


def gradients_in_order(loss: tf.Tensor, variables) -> list[tf.Tensor]:
    """Returns the gradients of a loss, the same bits whatever finishes first; for graphs only.

    A weight that is used several times (by parts of a batch, by segments of a sequence) gets a
    gradient of as many summands. `GradientTape` adds three and more with one AddN, which begins
    with whichever summand's buffer happens to be free; here they are added two at a time, in the
    order of the graph. See also `graphs.keep_order_of_additions`.
    """
    return tf.gradients(
        loss,
        [variable.value for variable in variables],
        unconnected_gradients=tf.UnconnectedGradients.ZERO,
        aggregation_method=tf.AggregationMethod.EXPERIMENTAL_TREE,
    )


def clip(
    gradients, limit: float, norm_limit: float = 0.0
) -> tuple[list[tf.Tensor], dict[str, tf.Tensor]]:
    """Clips gradients by their norm, then elementwise, as Magenta does.

    Args:
      gradients: tensors.
      limit: they end within +- this; 0 for no clipping.
      norm_limit: the global norm is at most this before; 0 for no such clipping.

    Returns:
      The clipped gradients; `gradient_norm` before clipping, over all of them, and
      `clip_fraction`, the share of elements that were clipped.
    """
    norm = tf.linalg.global_norm(gradients)
    if norm_limit:
        gradients, _ = tf.clip_by_global_norm(gradients, norm_limit, use_norm=norm)
    if not limit:
        return gradients, {"gradient_norm": norm, "clip_fraction": tf.constant(0.0)}
    clipped = [
        tf.math.count_nonzero(tf.abs(gradient) > limit, dtype=tf.int32) for gradient in gradients
    ]
    size = tf.add_n([tf.size(gradient) for gradient in gradients])
    fraction = tf.cast(tf.add_n(clipped) / size, tf.float32)
    gradients = [tf.clip_by_value(gradient, -limit, limit) for gradient in gradients]
    return gradients, {"gradient_norm": norm, "clip_fraction": fraction}


class _Tally:
    """Sums over steps, kept on the device until they are logged."""

    def __init__(self, z_size: int):
        self._z_size = z_size
        self._sums = {name: _zero([]) for name in (*_MEANS, "steps", "skipped_steps")}
        self._z_sums = _zero([1 + 2 * z_size])

    def add(self, values, z_sums, good) -> None:
        """Adds a step; of a skipped one only that it was skipped."""
        for name in _MEANS:
            self._sums[name].assign_add(tf.where(good, values[name], 0.0))
        self._z_sums.assign_add(tf.where(good, z_sums, tf.zeros_like(z_sums)))
        self._sums["steps"].assign_add(tf.cast(good, tf.float32))
        self._sums["skipped_steps"].assign_add(tf.cast(~good, tf.float32))

    def take(self) -> dict[str, float]:
        """Returns the means and starts new ones; NaN where every step was skipped."""
        steps = float(self._sums["steps"])
        values = {name: float(self._sums[name]) / steps if steps else math.nan for name in _MEANS}
        sums = self._z_sums.numpy().astype("float64")
        count, means, squares = (
            max(sums[0], 1.0),
            sums[1 : 1 + self._z_size],
            sums[1 + self._z_size :],
        )
        variance = squares / count - (means / count) ** 2  # from sketch to sketch, arXiv 1509.00519
        values["active_latents"] = int((variance > evaluation.ACTIVE_VARIANCE).sum())
        values["skipped_steps"] = int(self._sums["skipped_steps"])
        for variable in (*self._sums.values(), self._z_sums):
            variable.assign(tf.zeros_like(variable))
        return values


def _zero(shape) -> tf.Variable:
    return tf.Variable(tf.zeros(shape), trainable=False)
