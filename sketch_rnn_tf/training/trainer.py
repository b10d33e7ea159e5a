"""From a data set to a trained run: the trainer, its loop, and every way in which it can end."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import signal
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from absl import logging

from sketch_rnn_tf import config, evaluation, files, pretrained, quality, runs
from sketch_rnn_tf.data import dataset, pipeline
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.sketcher.sketcher import Sketcher
from sketch_rnn_tf.training import (
    averaging,
    checkpoints,
    distribution,
    early_stopping,
    model_card,
    pictures,
    prior,
    report,
    run_directory,
    step,
    stopping,
)
from sketch_rnn_tf.training import callbacks as watching

LOG_EVERY = 20  # steps between two looks at the training values
SAME_COMMAND = "the same command goes on"


class DivergedError(UserError):
    """Loss, gradient or weights were not finite too often in a row."""


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
) -> runs.Run:
    """Trains a model, or goes on where an earlier call with the same arguments stopped.

    SIGTERM and Ctrl-C save and end it at the next step.

    Args:
      data_dir: a prepared data set.
      run_dir: the run directory to make or to go on with.
      model: what to train.
      training: how. A batch larger than the train split is lowered to it.
      preset: name of the preset the configuration came from, for the record.
      init_from: a run, trained or imported, whose weights this one starts from.
      strategy: see `distribution.make`.
      overwrite: remove the run that is there first.
      callbacks: what watches the run; metrics.jsonl, TensorBoard, pictures/ and the progress line
        when not given.

    Returns:
      The run, with `last.keras` and, where there is a valid split, `best.keras`.

    Raises:
      UserError: the data set or the run directory cannot be used, or training diverged.
    """
    place = distribution.make(strategy)
    info = dataset.read_info(data_dir)
    # What cannot work is refused before a run directory is made.
    run_directory.refuse_pretrained(run_dir)
    distribution.compiles(place, training.jit_compile)
    training = _fitted(training, info, place)
    distribution.rows_of_replica(place, training.batch_size)
    dataset.verify(data_dir, info, "train", "valid", "test")
    initial = None if init_from is None else runs.open_run(init_from)
    wanted = run_directory.describe(info, data_dir, model, training, preset, initial)
    if callbacks is None:
        callbacks = default_callbacks(training)
    with (
        distribution.complain_of_lost_workers(place),
        _opened(place, run_dir, wanted, overwrite) as run,
        stopping.Signals() as signals,
    ):
        trainer = Trainer(run, data_dir, info, place, signals)
        trainer.start_from(initial)
        trainer.train(callbacks)
    if signals.received == signal.SIGINT:
        raise KeyboardInterrupt
    return trainer.run


def _fitted(
    training: config.TrainingConfig, info: dataset.DatasetInfo, place: tf.distribute.Strategy
) -> config.TrainingConfig:
    """Returns a configuration that fits the data set; logs what was changed or looks wrong."""
    if training.dtype == "auto":
        training = dataclasses.replace(training, dtype=distribution.fastest_dtype())
    replicas = place.num_replicas_in_sync
    largest = info.num_sketches("train") // replicas * replicas
    if training.batch_size > largest > 0:
        logging.warning(
            "batch_size %d is lowered to %d: the train split has %d sketches",
            *(training.batch_size, largest, info.num_sketches("train")),
        )
        training = dataclasses.replace(training, batch_size=largest)
    if training.warmup_steps >= training.train_steps:
        logging.warning(
            "the warm-up of %d steps is longer than the run of %d, so the learning rate never"
            " reaches %g; --set warmup_steps=%d would suit it",
            *(training.warmup_steps, training.train_steps, training.learning_rate),
            training.train_steps // 10,
        )
    return training


def default_callbacks(training: config.TrainingConfig) -> list[watching.Callback]:
    """Returns what watches a run when nothing else is asked for."""
    return [
        watching.MetricsFile(),
        watching.TensorBoard(),
        watching.PictureFiles(),
        watching.Progress(training),
    ]


@contextlib.contextmanager
def _opened(place, run_dir, wanted, overwrite):
    """Opens the run and locks it; a worker that is not the chief leaves the directory alone."""
    if not distribution.is_chief(place):
        yield runs.Run(pathlib.Path(run_dir), wanted)
        return
    with run_directory.locked(run_dir):
        yield run_directory.open_or_create(run_dir, wanted, overwrite)


class Trainer:
    """Trains the model of one run.

    Attributes:
      model: what is trained.
      optimizer: its optimizer.
      step: takes one training step, see `TrainingStep`.
      state: where training stands.

    Args:
      run: the run.
      data_dir: its data set.
      info: the data set's description.
      strategy: where to train; one device when not given.
      signals: tells when to stop; never when not given.
    """

    def __init__(
        self,
        run: runs.Run,
        data_dir: files.PathLike,
        info: dataset.DatasetInfo,
        strategy: tf.distribute.Strategy | None = None,
        signals: stopping.Signals | None = None,
    ):
        self.run, self.data_dir, self.info = run, data_dir, info
        self.initial: runs.Run | None = None
        self.training = run.config.training
        self.strategy = strategy or tf.distribute.get_strategy()
        self.chief = distribution.is_chief(self.strategy)
        self.signals = signals or stopping.Signals()
        self._any_worker = distribution.any_of(self.strategy)
        keras.utils.set_random_seed(self.training.seed)  # of initial weights, and nothing else
        with self.strategy.scope():
            self.model = sketch_rnn.build_model(run.config)
            self.optimizer = step.make_optimizer(self.training)
            self.optimizer.build(self.model.trainable_variables)
        self.average = None
        if self.training.average_decay:
            decay = self.training.average_decay
            self.average = averaging.Average(self.model, decay, self.strategy)
        self.step = step.TrainingStep(
            self.model, self.optimizer, self.training, self.strategy, self.average
        )
        self.state = checkpoints.State()
        self._artist = None
        self._bad_in_a_row = 0

    def start_from(self, initial: runs.Run | None) -> None:
        """Takes the weights of another run, if there is one.

        Where the classes differ, the embeddings of those that both have are taken by name; a class
        that is new starts at the mean of the other run's.

        Raises:
          UserError: the weights are of another shape.
        """
        self.initial = initial
        if initial is None:
            return
        model = initial.load_model("best")
        given = {variable.path: variable.numpy() for variable in model.weights}
        if self.model.num_classes and model.num_classes:
            given[model.embedding.embeddings.path] = self._embeddings_from(initial, model)
        shapes = {variable.path: tuple(variable.shape) for variable in self.model.weights}
        if {path: value.shape for path, value in given.items()} != shapes:
            name = pretrained.called(initial.path)
            raise UserError(f"{name}: its weights do not fit this model's configuration")
        for variable in self.model.weights:
            variable.assign(given[variable.path])
        if self.average is not None:
            self.average.restart()

    def _embeddings_from(self, initial: runs.Run, given: sketch_rnn.SketchRNN) -> np.ndarray:
        """Returns embeddings of this run's classes [C, E], made of those of another run's model."""
        rows = given.embedding.embeddings.numpy()
        known, wanted = initial.config.classes, self.run.config.classes
        new = [name for name in wanted if name not in known]
        if new and self.chief:
            logging.info(
                "%s does not know %s: their embeddings start at the mean of its %d classes",
                *(pretrained.called(initial.path), ", ".join(new), len(known)),
            )
        return np.stack(
            [rows[known.index(name)] if name in known else rows.mean(axis=0) for name in wanted]
        )

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
            random_slant=training.random_slant,
            point_dropout=training.point_dropout,
            drop_first_point=pipeline.drops_first_point(
                self.info, self.run.config.drop_first_point
            ),
        )

    def train(self, callbacks: Sequence[watching.Callback] = ()) -> checkpoints.State:
        """Trains from where the run stands to its end, or to a signal.

        Evaluates and saves on the way; a run that has all its steps ends with a report.

        Returns:
          Where training stands then.

        Raises:
          UserError: the data set is damaged, or training diverged.
          OSError: the last checkpoint could not be written.
        """
        self._restore()
        report_path = self.run.path / runs.REPORT
        if self._agree(self.chief and self._is_complete() and report_path.exists()):
            if self.chief:
                early = self.state.step < self.training.train_steps
                told = "; it stopped early, --early_stopping_patience=0 goes on" if early else ""
                logging.info("%s: has its %d steps already%s", self.run.path, self.state.step, told)
            return self.state
        if self.chief:
            report_path.unlink(missing_ok=True)  # it was of fewer steps
        self._watchers = watching.Watchers(callbacks if self.chief else [])
        self._watchers.on_start(self.run, self.state.step)
        if self.state.end_step is not None:
            self._watchers.on_early_stop(self.state.step, self._end)
        try:
            self._loop()
        except tf.errors.OpError as error:
            self._explain_data(error)
            raise
        finally:
            self._watchers.on_end(self.state.step)
        return self.state

    def _restore(self) -> None:
        """Takes the newest undamaged checkpoint, if there is one; workers get it from the chief."""
        if self.chief:
            self.state = checkpoints.restore(self.run, self.model, self.optimizer, self.average)
            if not self.training.early_stopping_patience:  # it may have been given up
                early_stopping.forget(self.state)
        self._share()
        self._saved_step = self._logged_step = self.state.step
        self._begin = time.monotonic() - self.state.seconds
        self._restart_clock()

    def _share(self) -> None:
        """Gives workers what the chief has come to: weights, optimizer and state; all cool down."""
        if distribution.is_multi_worker(self.strategy):
            variables = [*self.model.variables, *self.optimizer.variables]
            values = [self.state.shared(), *(variable.numpy() for variable in variables)]
            shared, *values = distribution.from_chief(self.strategy, values)
            self.state.take_shared(shared)
            for variable, value in zip(variables, values, strict=True):
                variable.assign(value)
            if self.average is not None:
                values = distribution.from_chief(self.strategy, self.average.values())
                self.average.assign(values)
        if self.state.cooldown_begin is not None:
            self.step.cooldown.begin(self.state.cooldown_begin, self.state.cooldown_steps)

    def _loop(self) -> None:
        over = self._agree(self._is_complete())
        if not over:
            batches = iter(distribution.distribute(self.strategy, self.batches(), self.state.step))
            self._evaluate_if_due()  # a signal may have come before this step's evaluation
            self._stop_early_if_due()
            over = self._agree(self._wants_to_stop())
            if over:
                self._save(must=True)
        while not over:
            self._take_step(next(batches))
            # At fixed steps, so that a run that was killed gives the lines of one that was not; one
            # that saved on a signal has one line more, where it stopped.
            if any(self._is_due(every) for every in (LOG_EVERY, self.training.checkpoint_every)):
                self._log()
            self._evaluate_if_due()
            self._stop_early_if_due()
            over = self._agree(self._wants_to_stop())
            kept = early_stopping.kept_step(self.state, self.training)
            if over or self._is_due(self.training.checkpoint_every) or kept == self.state.step:
                self._save(must=over)
        if self._is_complete():
            self._finish()
        elif self.signals.received and self.chief:
            how = f"and saved; {SAME_COMMAND}"
            if self._saved_step != self.state.step:
                how = f"and not saved; {SAME_COMMAND} from the last checkpoint: {self._newest()}"
            logging.info("%s: stopped at step %d %s", self.run.path, self.state.step, how)

    def _agree(self, flag: bool) -> bool:
        """Returns whether any worker wants it: all of them end at the same step."""
        return self._any_worker(flag)

    def _is_complete(self) -> bool:
        """Whether the run has all its steps, or has stopped early."""
        return self.state.step >= self._end and not self._evaluation_due()

    def _wants_to_stop(self) -> bool:
        return self.signals.received is not None or self.state.step >= self._end

    @property
    def _end(self) -> int:
        return early_stopping.end(self.state, self.training)

    def _is_due(self, every: int) -> bool:
        return self.state.step % every == 0 or self.state.step >= self._end

    def _stop_early_if_due(self) -> None:
        """Where patience ran out: goes back to the best weights and lets the learning rate fall."""
        if not self.training.early_stopping_patience or self.state.step >= self._end:
            return
        if not self._is_due(self.training.evaluate_every):  # all workers ask at the same steps
            return
        if not self._agree(early_stopping.is_out_of_patience(self.state, self.training)):
            return
        if self.chief:
            steps = early_stopping.cooldown_steps(self.state, self.training)
            if steps and not checkpoints.go_back(
                self.run, self.state.best_step, self.model, self.optimizer, self.average
            ):
                steps = 0
            taken = int(self.optimizer.iterations.numpy())
            early_stopping.end_in(steps, self.state, taken)
        self._share()
        if self.chief:
            self._watchers.on_early_stop(self.state.step, self._end)

    def _take_step(self, batch) -> None:
        self._bad_in_a_row = self.step(batch, self.state.step)
        self.state.step += 1
        if self._bad_in_a_row:
            self.state.skipped_steps += 1
            if self._bad_in_a_row >= self.training.max_bad_steps:
                self._diverged()

    def _log(self) -> None:
        steps = self.state.step - self._logged_step
        if steps:
            values = self.step.take_means()
            seconds = max(time.monotonic() - self._logged_time, 1e-9)
            values["sketches_per_second"] = steps * self.training.batch_size / seconds
            self._watchers.on_log(self.state.step, values)
        self._logged_step = self.state.step
        self._restart_clock()

    def _restart_clock(self) -> None:
        """Leaves what is not training out of the sketches per second."""
        self._logged_time = time.monotonic()

    def _evaluation_due(self) -> bool:
        due = self.state.step and self._is_due(self.training.evaluate_every)
        return bool(due) and self.state.evaluated_step != self.state.step

    def _evaluate_if_due(self) -> None:
        """Evaluates and draws on the chief; a signal leaves it for the next time."""
        if not self._evaluation_due() or not self.chief:
            return
        self._check_places()
        self._log()
        with averaging.in_place(self.average):
            values = None
            try:
                if self.info.num_sketches("valid"):
                    values = self.evaluate(self.model, "valid")
                drawn = self.draw()
            except stopping.StopRequestedError:
                return
            self._check_places()  # it may have taken minutes
            self.state.evaluated_step = self.state.step
            if values is not None:
                self._watchers.on_evaluation(self.state.step, values)
                self._keep_best(values["cost"])
        self._watchers.on_pictures(self.state.step, drawn)
        self._restart_clock()

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

    def draw(self) -> pictures.Pictures:
        """Returns what the model draws now; a signal ends it."""
        if self._artist is None:
            self._artist = pictures.Artist(self.model, self.run.config, self.data_dir, self.info)
        return self._artist.draw(self.signals.check)

    def _keep_best(self, cost: float) -> None:
        best = self.state.best_cost
        if not (np.isfinite(cost) and (best is None or cost < best)):
            self.state.evaluations_since_best += 1
            return
        self.state.evaluations_since_best = 0
        try:
            with files.atomic_path(self.run.path / runs.BEST) as temporary:
                checkpoints.save_weights(self.model, temporary)
        except OSError as error:
            self._tell_unwritten(f"{runs.BEST} could not be written", error, "the one before stays")
        else:
            self.state.best_cost, self.state.best_step = cost, self.state.step

    def _save(self, must: bool) -> None:
        """Writes a checkpoint, if there is something to save and the weights are known to be good.

        Args:
          must: training ends here, so that a disk that is full is an error.
        """
        if not self.chief or (self._saved_step == self.state.step and not must):
            return
        self._check_places()
        self._log()
        if self._bad_in_a_row and not (
            must and all(np.isfinite(weight).all() for weight in self.model.get_weights())
        ):
            logging.info("no checkpoint at step %d: its numbers are not finite", self.state.step)
            if self._is_complete():
                self._diverged()
            return
        self.state.seconds = time.monotonic() - self._begin
        try:
            checkpoints.save(
                self.run,
                self.model,
                self.optimizer,
                self.state,
                self.training.keep_checkpoints,
                self.average,
                early_stopping.kept_step(self.state, self.training),
            )
            self._saved_step = self.state.step
            checkpoints.write_last(self.run, self.state.step)
        except OSError as error:
            saved = self._saved_step == self.state.step
            what = runs.LAST if saved else f"checkpoint of step {self.state.step}"
            newest = f"the last checkpoint: {self._newest()}"
            self._tell_unwritten(f"{what} could not be written", error, newest)
            if must:
                raise
        self._restart_clock()

    def _tell_unwritten(self, what: str, error: OSError, rest: str) -> None:
        """Warns that a file was not written, unless training on would be for nothing."""
        self._check_places()
        logging.warning("%s (%s); %s", what, error, rest)

    def _check_places(self) -> None:
        """Looks whether run directory and data set are still those that training began with.

        Writers make folders that are missing, also in the place of a disk that was unmounted; and
        shards that were written anew have the names of the old ones.

        Raises:
          UserError: one of them is not.
        """
        if not (self.run.path / runs.CONFIG).exists():
            raise UserError(
                f"{self.run.path}: the run directory is gone (was it removed, or its disk"
                f" unmounted?); training ends at step {self.state.step}"
            )
        try:
            same = dataset.fingerprint(self.data_dir) == self.run.config.data_fingerprint
        except FileNotFoundError:  # it is being written
            same = False
        if not same:
            raise UserError(f"{self.data_dir}: was prepared anew while this run was reading it")

    def _newest(self) -> str:
        steps = list(self.run.checkpoints())
        return f"step {steps[-1]}" if steps else "there is none"

    def _diverged(self) -> None:
        """Writes the batch that did it and raises DivergedError."""
        position = self.state.step - 1
        if self.chief:
            self._log()
            batch = next(iter(self.batches().dataset(position)))
            with files.atomic_path(self.run.path / runs.BAD_BATCH) as path:
                np.savez(path, position=position, **{k: v.numpy() for k, v in batch.items()})
        raise DivergedError(
            f"{self.run.path}: loss, gradient or weights were not finite in {self._bad_in_a_row}"
            f" steps in a row, up to step {self.state.step}; the batch is in {runs.BAD_BATCH}, the"
            f" last good checkpoint is {self._newest()}; a lower learning_rate often helps"
        )

    def _explain_data(self, error: tf.errors.OpError) -> None:
        """Raises UserError where the data set is what went wrong, and names the shard.

        It was whole when training began, so it was changed or damaged since.
        """
        kinds = (tf.errors.DataLossError, tf.errors.NotFoundError, tf.errors.InvalidArgumentError)
        if not isinstance(error, kinds):
            return
        try:
            self._check_places()
            dataset.verify(self.data_dir, self.info, "train", "valid", "test")
        except (OSError, UserError) as cause:
            raise UserError(
                f"{cause}; training ends at step {self.state.step}, after checkpoint"
                f" {self._newest()}"
            ) from None
        if isinstance(error, tf.errors.DataLossError):
            raise UserError(f"{self.data_dir}: cannot be read ({error.message})") from None

    def _quality(self, model) -> dict[str, Any]:
        """Returns cheap measures of what a model draws, each named `quality_...`; {} if too few."""
        sketcher = Sketcher(KerasBackend(model, self.run.config))
        try:
            found = quality.at_end_of_training(sketcher, self.data_dir)
        except UserError as error:  # such as points that are not finite
            logging.warning("what the model draws cannot be measured: %s", error)
            return {}
        return {f"quality_{name}": value for name, value in found.items()}

    def _finish(self) -> None:
        """Evaluates the test split with the best weights, draws, and writes the report."""
        if not self.chief:
            return
        try:
            test, model = None, self.run.load_model("best")
            if self.run.config.training.fit_prior:
                self.run = prior.fit(self.run, model, self.data_dir)
                self._artist = None  # the one until now draws from N(0, 1)
            if self.info.num_sketches("test"):
                test = {**self.evaluate(model, "test"), "checkpoint": "best"}
                self.signals.check()
                test |= self._quality(model)
            with averaging.in_place(self.average):
                drawn = self.draw()
        except stopping.StopRequestedError:
            logging.info(
                "%s: has its %d steps, but no %s yet; the same command writes it",
                *(self.run.path, self.state.step, runs.REPORT),
            )
            return
        if test is not None:
            self._watchers.on_evaluation(self.state.step, test)
        try:
            parameters, steps = self.model.count_params(), self.state.step
            model_card.write(self.run, self.info, test, parameters, steps, self.initial)
            report.write(self.run, self.state, test, drawn)
        except OSError as error:
            logging.warning("%s could not be written (%s)", runs.REPORT, error)
