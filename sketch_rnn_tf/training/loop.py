"""The training loop: steps, looks at them, evaluations, checkpoints, and every way it can end."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import files, runs
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.training import callbacks, checkpoints, distribution, report, stopping

if TYPE_CHECKING:
    from sketch_rnn_tf.training import trainer as trainer_lib

LOG_EVERY = 20  # steps between two looks at the training values


class DivergedError(UserError):
    """Loss, gradient or weights were not finite too often in a row."""


class Loop:
    """Trains from where a run stands to its end, or to a signal.

    Args:
      trainer: what is trained; see `trainer.Trainer`.
      state: where it stands; changed as it goes on.
      watchers: are told of everything.
      say: takes messages for people.
    """

    def __init__(
        self,
        trainer: trainer_lib.Trainer,
        state: checkpoints.State,
        watchers: callbacks.Callback,
        say: Callable[[str], None],
    ):
        self._trainer, self._training = trainer, trainer.training
        self.state, self._watchers, self._say = state, watchers, say
        self._begin = time.monotonic() - state.seconds
        self._logged_step, self._logged_time = state.step, time.monotonic()
        self._saved_step = state.step
        self._bad_in_a_row = 0

    def run(self) -> None:
        """Trains, then writes the report; a signal ends it earlier, everything saved.

        Raises:
          UserError: the data set is damaged, or training diverged.
          OSError: the last checkpoint could not be written.
        """
        try:
            self._run()
        except tf.errors.DataLossError as error:
            dataset.verify(self._trainer.data_dir, self._trainer.info, "train", "valid", "test")
            raise UserError(f"{self._trainer.data_dir}: cannot be read ({error.message})") from None

    def _run(self) -> None:
        over = self._agree(self.is_complete())
        if not over:
            batches = iter(self._batches())
            self._evaluate_if_due()  # a signal may have come before this step's evaluation
            over = self._agree(self._wants_to_stop())
            if over:
                self._save(must=True)
        while not over:
            self._take_step(next(batches))
            self._log_if_due()
            self._evaluate_if_due()
            over = self._agree(self._wants_to_stop())
            if over or self._is_due(self._training.checkpoint_every):
                self._save(must=over)
        if self.is_complete():
            self._finish()
        elif self._trainer.signals.received:
            how = "and saved"
            if self._trainer.chief and not self._is_saved():
                how = f"and not saved; the last checkpoint: {self._newest()}"
            self._say(f"{self._trainer.run.path}: stopped at step {self.state.step} {how}")

    def is_complete(self) -> bool:
        """Whether the run has all its steps, or has stopped early."""
        done = self.state.step >= self._training.train_steps and not self._evaluation_due()
        return done or self._out_of_patience()

    def _batches(self):
        return distribution.distribute(
            self._trainer.strategy, self._trainer.batches(), self.state.step
        )

    def _agree(self, flag: bool) -> bool:
        """Returns whether any worker says so: all end at the same step."""
        return self._trainer.any_worker(flag)

    def _wants_to_stop(self) -> bool:
        signalled = self._trainer.signals.received is not None
        return signalled or self.state.step >= self._training.train_steps or self._out_of_patience()

    def _out_of_patience(self) -> bool:
        """Whether the validation cost has not fallen for too long."""
        patience = self._training.early_stopping_patience
        return 0 < patience <= self.state.evaluations_since_best

    def _is_due(self, every: int) -> bool:
        return self.state.step % every == 0 or self.state.step >= self._training.train_steps

    def _take_step(self, batch) -> None:
        self._bad_in_a_row = self._trainer.step(batch, self.state.step)
        self.state.step += 1
        if self._bad_in_a_row:
            self.state.skipped_steps += 1
            if self._bad_in_a_row >= self._training.max_bad_steps:
                self._diverged()

    def _log_if_due(self) -> None:
        """Logs at fixed steps, so that a run that was killed gives the lines of one that was not.

        One that saved on a signal has a line more, where it stopped.
        """
        if any(self._is_due(every) for every in (LOG_EVERY, self._training.checkpoint_every)):
            self._log()

    def _log(self) -> None:
        steps = self.state.step - self._logged_step
        if steps:
            values = self._trainer.step.take_means()
            seconds = max(time.monotonic() - self._logged_time, 1e-9)
            values["sketches_per_second"] = steps * self._training.batch_size / seconds
            self._watchers.on_log(self.state.step, values)
        self._logged_step = self.state.step
        self._restart_clock()

    def _restart_clock(self) -> None:
        """Leaves what is not training out of the sketches a second."""
        self._logged_time = time.monotonic()

    def _evaluation_due(self) -> bool:
        due = self.state.step and self._is_due(self._training.evaluate_every)
        return bool(due) and self.state.evaluated_step != self.state.step

    def _evaluate_if_due(self) -> None:
        """Evaluates and draws on the chief; a signal leaves it for the next time."""
        if not self._evaluation_due() or not self._trainer.chief:
            return
        self._log()
        trainer, values = self._trainer, None
        try:
            if trainer.info.num_sketches("valid"):
                values = trainer.evaluate(trainer.model, "valid")
            pictures = trainer.draw()
        except stopping.StopRequestedError:
            return
        self.state.evaluated_step = self.state.step
        if values is not None:
            self._watchers.on_evaluation(self.state.step, values)
            self._keep_best(values["cost"])
        self._watchers.on_pictures(self.state.step, pictures)
        self._restart_clock()

    def _keep_best(self, cost: float) -> None:
        best = self.state.best_cost
        if not (np.isfinite(cost) and (best is None or cost < best)):
            self.state.evaluations_since_best += 1
            return
        self.state.evaluations_since_best = 0
        try:
            with files.atomic_path(self._trainer.run.path / runs.BEST) as temporary:
                checkpoints.save_weights(self._trainer.model, temporary)
        except OSError as error:
            self._say(f"{runs.BEST} could not be written ({error}); the one before stays")
        else:
            self.state.best_cost, self.state.best_step = cost, self.state.step

    def _save(self, must: bool) -> None:
        """Writes a checkpoint, if there is something to save and the weights are known to be good.

        Args:
          must: training ends here, so that a disk that is full is an error.
        """
        if not self._trainer.chief or (self._is_saved() and not must):
            return
        self._log()
        if self._bad_in_a_row and not (must and self._weights_are_finite()):
            self._say(f"no checkpoint at step {self.state.step}: its numbers are not finite")
            if self.is_complete():
                self._diverged()
            return
        self.state.seconds = time.monotonic() - self._begin
        trainer = self._trainer
        try:
            checkpoints.save(
                trainer.run,
                trainer.model,
                trainer.optimizer,
                self.state,
                self._training.keep_checkpoints,
            )
            self._saved_step = self.state.step
            checkpoints.write_last(trainer.run, self.state.step)
        except OSError as error:
            what = runs.LAST if self._is_saved() else f"checkpoint of step {self.state.step}"
            self._say(
                f"{what} could not be written ({error}); the last checkpoint: {self._newest()}"
            )
            if must:
                raise
        self._restart_clock()

    def _is_saved(self) -> bool:
        """Whether there is a checkpoint of this step."""
        return self._saved_step == self.state.step

    def _weights_are_finite(self) -> bool:
        return all(np.isfinite(weight).all() for weight in self._trainer.model.get_weights())

    def _newest(self) -> str:
        steps = list(self._trainer.run.checkpoints())
        return f"step {steps[-1]}" if steps else "there is none"

    def _diverged(self) -> None:
        """Writes the batch that did it and raises DivergedError."""
        trainer, position = self._trainer, self.state.step - 1
        if trainer.chief:
            self._log()
            batch = next(iter(trainer.batches().dataset(position)))
            with files.atomic_path(trainer.run.path / runs.BAD_BATCH) as path:
                np.savez(path, position=position, **{k: v.numpy() for k, v in batch.items()})
        raise DivergedError(
            f"{trainer.run.path}: loss, gradient or weights were not finite in {self._bad_in_a_row}"
            f" steps in a row, up to step {self.state.step}; the batch is in {runs.BAD_BATCH}, the"
            f" last good checkpoint is {self._newest()}"
        )

    def _finish(self) -> None:
        """Evaluates the test split with the best weights, draws, and writes the report."""
        trainer = self._trainer
        if not trainer.chief:
            return
        try:
            test = None
            if trainer.info.num_sketches("test"):
                model = trainer.run.load_model("best")
                test = {**trainer.evaluate(model, "test"), "checkpoint": "best"}
            pictures = trainer.draw()
        except stopping.StopRequestedError:
            self._say(
                f"{trainer.run.path}: has its {self.state.step} steps, but no {runs.REPORT} yet;"
                " the same command writes it"
            )
            return
        if test is not None:
            self._watchers.on_evaluation(self.state.step, test)
        try:
            report.write(trainer.run, self.state, test, pictures)
        except OSError as error:
            self._say(f"{runs.REPORT} could not be written ({error})")
