"""From a data set to a trained run."""

from __future__ import annotations

import contextlib
import pathlib
import signal
from collections.abc import Callable, Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sketch_rnn_tf import config, evaluation, files, runs
from sketch_rnn_tf.data import dataset, pipeline
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.training import callbacks as watching
from sketch_rnn_tf.training import (
    checkpoints,
    distribution,
    loop,
    pictures,
    run_directory,
    step,
    stopping,
)


def train(
    data_dir: files.PathLike,
    run_dir: files.PathLike,
    model: config.ModelConfig,
    training: config.TrainingConfig,
    *,
    preset: str | None = None,
    init_from: files.PathLike | None = None,
    strategy: str = "default",
    overwrite: bool = False,
    callbacks: Sequence[watching.Callback] | None = None,
    say: Callable[[str], None] = lambda message: None,
) -> runs.Run:
    """Trains a model, or goes on where an earlier call with the same arguments stopped.

    SIGTERM and Ctrl-C save and end it at the next step.

    Args:
      data_dir: a prepared data set.
      run_dir: the run directory to make or to go on with.
      model: what to train.
      training: how.
      preset: name of the preset the configuration came from, for the record.
      init_from: a run, trained or imported, whose weights this one starts from.
      strategy: see `strategies.make`.
      overwrite: remove the run that is there first.
      callbacks: what watches the run; metrics.jsonl, TensorBoard, pictures/ and the progress line
        when not given.
      say: takes messages for people.

    Returns:
      The run, with `last.keras` and, where there is a valid split, `best.keras`.

    Raises:
      UserError: the data set or the run directory cannot be used, or training diverged.
    """
    place = distribution.make(strategy)
    info = dataset.read_info(data_dir)
    # What cannot be is told before a run directory is made.
    run_directory.refuse_pretrained(run_dir)
    distribution.compiles(place, training.jit_compile)
    distribution.rows_of_replica(place, training.batch_size)
    pipeline.check_batch_size(data_dir, info, training.batch_size)
    dataset.verify(data_dir, info, "train", "valid", "test")
    initial = None if init_from is None else runs.open_run(init_from)
    wanted = run_directory.describe(info, data_dir, model, training, preset, initial)
    if callbacks is None:
        callbacks = default_callbacks(training)
    with (
        distribution.complain_of_lost_workers(place),
        _opened(place, run_dir, wanted, overwrite, say) as run,
        stopping.Signals() as signals,
    ):
        trainer = Trainer(run, data_dir, info, say, place, signals)
        trainer.start_from(initial)
        trainer.run_loop(trainer.restore(), callbacks)
    if signals.received == signal.SIGINT:
        raise KeyboardInterrupt
    return run


def default_callbacks(training: config.TrainingConfig) -> list[watching.Callback]:
    """Returns what watches a run when nothing else is asked for."""
    return [
        watching.MetricsFile(),
        watching.TensorBoard(),
        watching.PictureFiles(),
        watching.Progress(training.train_steps),
    ]


@contextlib.contextmanager
def _opened(place, run_dir, wanted, overwrite, say):
    """Opens the run and locks it; a worker that is not the chief leaves the directory alone."""
    if not distribution.is_chief(place):
        yield runs.Run(pathlib.Path(run_dir), wanted)
        return
    with run_directory.locked(run_dir):
        yield run_directory.open_or_create(run_dir, wanted, overwrite, say)


class Trainer:
    """Trains the model of one run.

    Args:
      run: the run.
      data_dir: its data set.
      info: the data set's description.
      say: takes messages for people.
      strategy: where to train; one device when not given.
      signals: says when to stop; never when not given.
    """

    def __init__(
        self,
        run: runs.Run,
        data_dir: files.PathLike,
        info: dataset.DatasetInfo,
        say: Callable[[str], None] = lambda message: None,
        strategy: tf.distribute.Strategy | None = None,
        signals: stopping.Signals | None = None,
    ):
        self.run, self.data_dir, self.info, self._say = run, data_dir, info, say
        self.training = run.config.training
        self.strategy = strategy or tf.distribute.get_strategy()
        self.chief = distribution.is_chief(self.strategy)
        self.signals = signals or stopping.Signals()
        self.any_worker = distribution.any_of(self.strategy)
        keras.utils.set_random_seed(self.training.seed)  # of initial weights, and nothing else
        with self.strategy.scope():
            self.model = sketch_rnn.build_model(run.config)
            self.optimizer = step.make_optimizer(self.training)
            self.optimizer.build(self.model.trainable_variables)
        self.step = step.TrainingStep(self.model, self.optimizer, self.training, self.strategy)
        self._artist = None

    def start_from(self, initial: runs.Run | None) -> None:
        """Takes the weights of another run, if there is one.

        Raises:
          UserError: they are of another shape.
        """
        if initial is None:
            return
        weights = initial.load_model("best").get_weights()
        shapes = [tuple(variable.shape) for variable in self.model.weights]
        if [weight.shape for weight in weights] != shapes:
            raise UserError(f"{initial.path}: its weights do not fit this model's configuration")
        self.model.set_weights(weights)

    def restore(self) -> checkpoints.State:
        """Takes the newest undamaged checkpoint, if there is one; workers get it from the chief."""
        state = checkpoints.State()
        if self.chief:
            state = checkpoints.restore(self.run, self.model, self.optimizer, self._say)
        if distribution.is_multi_worker(self.strategy):
            variables = [*self.model.variables, *self.optimizer.variables]
            values = [variable.numpy() for variable in variables]
            state.step, *values = distribution.from_chief(
                self.strategy, [np.int64(state.step), *values]
            )
            state.step = int(state.step)
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
        return state

    def batches(self) -> pipeline.TrainingBatches:
        """Returns the stream of training batches."""
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
            drop_first_point=pipeline.drops_first_point(
                self.info, self.run.config.drop_first_point
            ),
        )

    def run_loop(
        self, state: checkpoints.State, callbacks: Sequence[watching.Callback]
    ) -> checkpoints.State:
        """Trains up to `train_steps`, evaluating and saving on the way, and writes the report."""
        watchers = watching.Watchers(callbacks if self.chief else [], self._say)
        session = loop.Loop(self, state, watchers, self._say)
        if self.any_worker(self.chief and session.is_complete() and self._has_report()):
            if self.chief:
                self._say(f"{self.run.path}: has its {state.step} steps already")
            return state
        if self.chief:
            (self.run.path / runs.REPORT).unlink(missing_ok=True)  # it was of fewer steps
        watchers.on_start(self.run, state.step)
        try:
            session.run()
        finally:
            watchers.on_end(state.step)
        return state

    def _has_report(self) -> bool:
        return (self.run.path / runs.REPORT).exists()

    def draw(self) -> pictures.Pictures:
        """Returns what the model draws now; a signal ends it."""
        if self._artist is None:
            self._artist = pictures.Artist(self.model, self.run.config, self.data_dir, self.info)
        return self._artist.draw(self.signals.check)

    def evaluate(self, model, split: str) -> dict[str, Any]:
        """Returns the losses of a split; a signal ends it."""
        return evaluation.evaluate(
            model,
            self.run.config,
            self.data_dir,
            split,
            batch_size=self.training.batch_size,
            info=self.info,
            check=self.signals.check,
        )
