"""The training loop: one loop of our own for every strategy."""

from __future__ import annotations

import dataclasses
import hashlib
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from sketch_rnn_tf import config, evaluation, files, runs
from sketch_rnn_tf.data import pipeline, records
from sketch_rnn_tf.model import build
from sketch_rnn_tf.model.sketch_rnn import METRICS
from sketch_rnn_tf.training import callbacks as watching
from sketch_rnn_tf.training import checkpoints, schedules

LOG_EVERY = 20  # steps between two looks at the training values; each look waits for the device


def train(
    data_dir: files.PathLike,
    run_dir: files.PathLike,
    model: config.ModelConfig,
    training: config.TrainingConfig,
    *,
    preset: str | None = None,
    callbacks: Sequence[watching.Callback] | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> runs.Run:
    """Trains a model, or goes on where an earlier call with the same arguments stopped.

    Args:
      data_dir: a prepared data set.
      run_dir: the run directory to make or to go on with.
      model: what to train.
      training: how.
      preset: name of the preset the configuration came from, for the record.
      callbacks: what watches the run; by default metrics.jsonl, TensorBoard and the progress line.
      say: takes messages for people.

    Returns:
      The run, with `last.keras` and, where there is a valid split, `best.keras`.

    Raises:
      ValueError: the data set or the run directory cannot be used.
    """
    info = records.read_info(data_dir)
    run = _open_run(run_dir, describe(info, data_dir, model, training, preset))
    trainer = Trainer(run, data_dir, info, say)
    state = trainer.restore()
    if callbacks is None:
        callbacks = [
            watching.MetricsFile(),
            watching.TensorBoard(),
            watching.Progress(training.train_steps),
        ]
    trainer.run_loop(state, callbacks)
    return run


def describe(
    info: records.DatasetInfo,
    data_dir: files.PathLike,
    model: config.ModelConfig,
    training: config.TrainingConfig,
    preset: str | None,
) -> config.RunConfig:
    """Returns the configuration of a new run on a data set."""
    config.check(model, training)
    return config.RunConfig(
        scale_factor=info.scale_factor,
        max_length=info.max_length,
        classes=tuple(info.classes),
        simplification=info.simplification,
        data_fingerprint=fingerprint(data_dir),
        preset=preset,
        versions=runs.versions(),
        model=model,
        training=training,
    )


def fingerprint(data_dir: files.PathLike) -> str:
    """Returns the identity of a data set: the SHA-256 of its description, checksums included."""
    content = (pathlib.Path(data_dir) / records.DESCRIPTION).read_bytes()
    return hashlib.sha256(content).hexdigest()


def _open_run(run_dir: files.PathLike, wanted: config.RunConfig) -> runs.Run:
    """Makes the run, or opens it when it is the same one.

    Raises:
      ValueError: the directory holds a run of another configuration or data; names the key.
    """
    if not (pathlib.Path(run_dir) / runs.CONFIG).exists():
        return runs.create(run_dir, wanted)
    run = runs.open_run(run_dir)
    difference = _first_difference(config.to_json(run.config), config.to_json(wanted))
    if difference:
        raise ValueError(
            f"{run_dir}: holds a run with another {difference}; take another directory or"
            " --overwrite"
        )
    changed = dataclasses.replace(run.config, training=wanted.training)
    files.write_json(run.path / runs.CONFIG, config.to_json(changed))
    return runs.Run(run.path, changed)


def _first_difference(old: dict, new: dict, prefix: str = "") -> str | None:
    """Names the first key that differs; steps and versions may."""
    for key in old:
        name = f"{prefix}{key}"
        if name in ("versions", "preset", "training.train_steps") or old[key] == new[key]:
            continue
        if isinstance(old[key], dict) and isinstance(new[key], dict):
            inner = _first_difference(old[key], new[key], f"{name}.")
            if inner:
                return inner
        else:
            return f"{name} ({old[key]}, now {new[key]})"
    return None


def make_optimizer(training: config.TrainingConfig) -> keras.optimizers.Optimizer:
    """Returns Adam as Magenta configures it: elementwise clipping, epsilon 1e-8."""
    return keras.optimizers.Adam(
        schedules.learning_rate(training),
        beta_1=training.adam_beta_1,
        beta_2=training.adam_beta_2,
        epsilon=training.adam_epsilon,
        clipvalue=training.gradient_clip or None,
    )


class Trainer:
    """Trains the model of one run.

    Args:
      run: the run.
      data_dir: its data set.
      info: the data set's description.
      say: takes messages for people.
    """

    def __init__(
        self,
        run: runs.Run,
        data_dir: files.PathLike,
        info: records.DatasetInfo,
        say: Callable[[str], None],
    ):
        self.run, self.data_dir, self.info, self._say = run, data_dir, info, say
        self.training = run.config.training
        keras.utils.set_random_seed(self.training.seed)
        self.model = build.build_model(run.config)
        self.optimizer = make_optimizer(self.training)
        self.optimizer.build(self.model.trainable_variables)
        self.kl_weight = schedules.kl_weight(self.training)
        self._compiled_step = tf.function(self._step, reduce_retracing=True)
        self._sums = {name: tf.Variable(0.0) for name in METRICS}

    def restore(self) -> checkpoints.State:
        """Takes the newest undamaged checkpoint, if there is one."""
        return checkpoints.restore(self.run, self.model, self.optimizer, self._say)

    def run_loop(
        self, state: checkpoints.State, callbacks: Sequence[watching.Callback]
    ) -> checkpoints.State:
        """Trains up to `train_steps`, evaluating and saving on the way."""
        if state.step >= self.training.train_steps:
            self._say(f"{self.run.path}: has its {state.step} steps already")
            return state
        for callback in callbacks:
            callback.on_start(self.run, state.step)
        try:
            self._loop(state, callbacks)
        finally:
            for callback in callbacks:
                callback.on_end(state.step)
        return state

    def _loop(self, state, callbacks):
        batches = iter(self._batches().dataset(state.step))
        begin = logged = time.monotonic()
        before = state.seconds
        last_logged = state.step
        while state.step < self.training.train_steps:
            self._compiled_step(next(batches))
            state.step += 1
            done = state.step == self.training.train_steps
            if state.step % LOG_EVERY == 0 or done:
                steps = state.step - last_logged
                values = self._training_values(steps)
                now = time.monotonic()
                values["sketches_per_second"] = steps * self.training.batch_size / (now - logged)
                state.seconds = before + now - begin
                _tell(callbacks, "on_log", state.step, values)
                logged, last_logged = now, state.step
            if state.step % self.training.evaluate_every == 0 or done:
                self._evaluate(state, callbacks)
                logged = time.monotonic()
            if state.step % self.training.checkpoint_every == 0 or done:
                state.seconds = before + time.monotonic() - begin
                self._save(state)
                logged = time.monotonic()

    def _batches(self) -> pipeline.TrainingBatches:
        training = self.training
        return pipeline.training_batches(
            self.data_dir,
            self.info,
            buckets=training.buckets,
            loss_length=training.loss_length,
            batch_size=training.batch_size,
            scale_factor=self.run.config.scale_factor,
            seed=training.seed,
            random_scale=training.random_scale,
            point_dropout=training.point_dropout,
        )

    def _step(self, batch: dict[str, tf.Tensor]) -> None:
        """One optimiser step; its losses are added to the running sums."""
        step = self.optimizer.iterations
        seed = tf.stack([tf.constant(self.training.seed, tf.int32), tf.cast(step, tf.int32)])
        with tf.GradientTape() as tape:
            terms = self.model.terms_in_parts(batch, seed, self.training.parallel_parts)
            values = self.model.reduce(terms, self.kl_weight(step))
        variables = self.model.trainable_variables
        self.optimizer.apply_gradients(
            zip(tape.gradient(values["loss"], variables), variables, strict=True)
        )
        for name, total in self._sums.items():
            total.assign_add(values[name])

    def _training_values(self, steps: int) -> dict[str, Any]:
        """Returns the means over the last steps and starts new ones."""
        values = {name: float(total) / steps for name, total in self._sums.items()}
        for total in self._sums.values():
            total.assign(0.0)
        step = self.optimizer.iterations - 1
        values["learning_rate"] = float(schedules.learning_rate(self.training)(step))
        values["kl_weight"] = float(self.kl_weight(step))
        return values

    def _evaluate(self, state, callbacks):
        """Evaluates the valid split, if there is one, and keeps the best weights."""
        if not self.info.num_sketches("valid"):
            return
        values = evaluation.evaluate(
            self.model,
            self.data_dir,
            "valid",
            scale_factor=self.run.config.scale_factor,
            kl_weight=self.training.kl_weight,
            batch_size=self.training.batch_size,
            info=self.info,
        )
        _tell(callbacks, "on_evaluation", state.step, values)
        if state.best_cost is None or values["cost"] < state.best_cost:
            state.best_cost, state.best_step = values["cost"], state.step
            with files.atomic_path(self.run.path / runs.BEST) as temporary:
                self.model.save(temporary)

    def _save(self, state):
        checkpoints.save(
            self.run, self.model, self.optimizer, state, self.training.keep_checkpoints
        )


def _tell(callbacks, event: str, *arguments) -> None:
    for callback in callbacks:
        getattr(callback, event)(*arguments)
