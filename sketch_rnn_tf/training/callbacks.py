"""What watches a run: metrics on disk, TensorBoard, the progress line."""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
from absl import logging

from sketch_rnn_tf import config, files, progress, runs

MANY_EMPTY = 0.2  # share of empty samples that is worth telling
TELL_DURATION, LONG = 60.0, 2 * 3600.0  # seconds that a run takes in all


class Callback:
    """Told of everything that happens in a run; overriding a method is optional."""

    def on_start(self, run: runs.Run, step: int) -> None:
        """Training begins or goes on at `step`."""

    def on_log(self, step: int, values: Mapping[str, float]) -> None:
        """Mean training values since the last log."""

    def on_evaluation(self, step: int, values: Mapping[str, Any]) -> None:
        """A split has been evaluated: `valid` on the way, `test` at the end."""

    def on_early_stop(self, step: int, end: int) -> None:
        """The validation cost fell no more: training ends at step `end`, see `early_stopping`."""

    def on_pictures(self, step: int, pictures: Mapping[str, tuple[Any, dict]]) -> None:
        """The model has drawn: {name: (drawings, options of the picture)}."""

    def on_end(self, step: int) -> None:
        """Training has ended, for whatever reason."""


class Watchers(Callback):
    """Passes everything on to several callbacks.

    A watcher that cannot write, because the disk is full, does not end the training: there is one
    warning, and it is tried again the next time.

    Args:
      callbacks: the watchers.
    """

    def __init__(self, callbacks: Sequence[Callback]):
        self._callbacks = callbacks
        self._complained = set()

    def on_start(self, run, step):
        """Passes it on; here an error is raised."""
        for callback in self._callbacks:
            callback.on_start(run, step)

    def on_log(self, step, values):
        """Passes it on."""
        self._tell("on_log", step, values)

    def on_evaluation(self, step, values):
        """Passes it on."""
        self._tell("on_evaluation", step, values)

    def on_early_stop(self, step, end):
        """Passes it on."""
        self._tell("on_early_stop", step, end)

    def on_pictures(self, step, pictures):
        """Passes it on."""
        self._tell("on_pictures", step, pictures)

    def on_end(self, step):
        """Passes it on."""
        self._tell("on_end", step)

    def _tell(self, event, *arguments):
        for callback in self._callbacks:
            try:
                getattr(callback, event)(*arguments)
            except (OSError, tf.errors.OpError) as error:
                name = type(callback).__name__
                if name not in self._complained:
                    self._complained.add(name)
                    logging.warning("%s cannot write (%s); training goes on", name, error)


class MetricsFile(Callback):
    """Appends to `metrics.jsonl`, one object per line: step, split and values."""

    def on_start(self, run, step):
        """Cuts the lines of steps that a resumed run will repeat."""
        self._path = run.path / runs.METRICS
        kept = [  # no test numbers: they are of another end
            json.dumps(values) + "\n"
            for values in runs.read_metrics(self._path)
            if values["step"] <= step and values.get("split") != "test"
        ]
        files.write_text(self._path, "".join(kept))

    def on_log(self, step, values):
        """Writes a line of split `train`."""
        self._write({"step": step, "split": "train", **values})

    def on_evaluation(self, step, values):
        """Writes a line of the evaluated split."""
        self._write({"step": step, **values})

    def _write(self, values):
        finite = {  # JSON has no NaN
            name: None if isinstance(value, float) and not math.isfinite(value) else value
            for name, value in values.items()
        }
        content = (json.dumps(finite) + "\n").encode()
        with self._path.open("ab", buffering=0) as stream:
            end = stream.tell()
            written = 0
            try:
                written = stream.write(content)
            finally:
                if written != len(content):  # the disk is full: no half lines
                    os.ftruncate(stream.fileno(), end)


class TensorBoard(Callback):
    """Writes scalars and pictures to `tensorboard/`."""

    def on_start(self, run, step):
        """Opens one writer per split."""
        root = run.path / runs.TENSORBOARD
        self._writers = {
            split: tf.summary.create_file_writer(str(root / split))
            for split in ("train", "valid", "test")
        }

    def on_log(self, step, values):
        """Writes the training scalars."""
        self._scalars("train", step, values)

    def on_evaluation(self, step, values):
        """Writes the scalars of a split."""
        self._scalars(values["split"], step, values)

    def on_pictures(self, step, pictures):
        """Writes the pictures as images."""
        from sketch_rnn_tf import drawing

        with self._writers["valid"].as_default():
            for name, (drawings, options) in pictures.items():
                image = tf.io.decode_png(drawing.png(drawings, zoom=1.0, **options), channels=3)
                tf.summary.image(name, image[None], step=step)

    def on_end(self, step):
        """Closes the writers."""
        for writer in self._writers.values():
            writer.close()

    def _scalars(self, split, step, values):
        with self._writers[split].as_default():
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    tf.summary.scalar(name, value, step=step)
        self._writers[split].flush()


class PictureFiles(Callback):
    """Writes what the model draws to `pictures/`: one SVG file per picture and step."""

    def on_start(self, run, step):
        """Remembers where."""
        self._folder = run.path / runs.PICTURES

    def on_pictures(self, step, pictures):
        """Writes the pictures of a step."""
        from sketch_rnn_tf import drawing

        for name, (drawings, options) in pictures.items():
            drawing.save(
                self._folder / f"step-{step:08d}-{name}.svg", drawings, overwrite=True, **options
            )


class Progress(Callback):
    """Shows on stderr how far training is: time left, losses, gradient, speed.

    Args:
      training: how the run is trained.
      interval: seconds between two lines where stderr is no terminal.
      file: stderr when not given.
    """

    def __init__(self, training: config.TrainingConfig, interval: float = 15.0, file=None):
        self._steps, self._interval, self._file = training.train_steps, interval, file
        self._patience = training.early_stopping_patience
        self._bar: progress.Progress | None = None
        self._logs = 0
        self._losses: list[tuple[float, float]] = []  # of train and valid at each evaluation
        self._train_loss = math.nan
        self._best_step: int | None = None
        self._best_cost = math.inf
        self._overfits = False
        self._empty = 0, 0  # samples without a point, of how many

    def on_start(self, run, step):
        """Tells where training starts and what computes it."""
        self._begin = time.monotonic()
        self._bar = progress.Progress(
            "training", self._steps, done=step, interval=self._interval, file=self._file
        )
        how = f"going on at step {step}" if step else "training"
        self._bar.say(f"{how}: {self._steps} steps into {run.path}, on {device()}")

    def on_log(self, step, values):
        """Shows the newest values, not more often than the interval."""
        self._logs += 1
        self._train_loss = values["reconstruction_loss"]
        note = f"step {step}/{self._steps}  {summary(values)}"
        if self._logs == 1:
            self._bar.n = step
            self._bar.restart_clock()  # what came before was tracing
        self._bar.update(step - self._bar.n, note)
        if self._logs == 3 and self._bar.seconds_left is not None:
            self._tell_duration()

    def _tell_duration(self) -> None:
        """Tells how long the whole run takes, and what would take less, where that is long."""
        steps, left = self._steps, self._bar.seconds_left
        whole = left * steps / max(steps - self._bar.n, 1)
        if whole < TELL_DURATION:
            return
        text = f"{steps} steps take about {progress.duration(whole)} at this speed"
        if whole > LONG:
            text += (
                "; --preset small and --preset quickstart take minutes, fewer --train_steps take"
                " less, and a run that was stopped goes on with the same command"
            )
        self._bar.say(text)

    def on_evaluation(self, step, values):
        """Tells what the evaluation gave, and whether the model began to overfit."""
        self._bar.say(
            f"step {step}: {values['split']} cost {values['cost']:.4f}"
            f"  {values['nats_per_point']:.4f} nats per point"
        )
        if values["split"] != "valid":
            return
        if values["cost"] < self._best_cost:
            self._best_cost, self._best_step, self._overfits = values["cost"], step, False
        self._losses.append((self._train_loss, values["reconstruction_loss"]))
        if not self._overfits and overfits(self._losses):
            self._overfits = True
            text = f"overfitting since step {self._best_step}: the best so far is kept"
            advice = "; --early_stopping_patience 3 ends such a run"
            self._bar.say(text if self._patience else text + advice)

    def on_early_stop(self, step, end):
        """Tells what goes on until the end, and counts up to that."""
        self._steps = self._bar.total = end
        text = "the validation cost falls no more"
        if step < end:
            text += f": the best weights go on to step {end} while the learning rate falls"
        self._bar.say(text)

    def on_pictures(self, step, pictures):
        """Counts the samples that are empty."""
        drawings, _ = pictures["samples"]
        self._empty = sum(len(rows) <= 1 for rows in drawings), len(drawings)

    def on_end(self, step):
        """Tells how long it took, and whether the model has learned to draw at all."""
        if self._bar is None:
            return
        empty, drawn = self._empty
        if empty >= MANY_EMPTY * drawn > 0:
            remedy = "more drawings help, or --preset auto"
            if not self._overfits:
                remedy = "more --train_steps or more drawings help"
            self._bar.say(f"{empty} of {drawn} samples are empty: {remedy}")
        how = "finished" if step >= self._steps else "stopped"
        seconds = time.monotonic() - self._begin
        self._bar.close()
        self._bar.say(f"{how} at step {step} after {progress.duration(seconds)}")


def overfits(losses: Sequence[tuple[float, float]]) -> bool:
    """Whether the loss on valid has risen twice in a row while that on train fell.

    Args:
      losses: of train and valid at each evaluation.
    """
    if len(losses) < 3:
        return False
    train, valid = zip(*losses[-3:], strict=True)
    return valid[0] < valid[1] < valid[2] and train[0] > train[2]


def device() -> str:
    """Returns what computes a step, such as `1 GPU` or `CPU, 2 threads`."""
    gpus = tf.config.list_logical_devices("GPU")
    if gpus:
        return f"{len(gpus)} GPU{'s' * (len(gpus) > 1)}"
    threads = tf.config.threading
    parts = threads.get_inter_op_parallelism_threads() or 1
    each = threads.get_intra_op_parallelism_threads() or os.cpu_count() or 1
    count = max(parts, 1) * max(each, 1)
    return f"CPU, {count} thread{'s' * (count > 1)}"


def summary(values: Mapping[str, float]) -> str:
    """Returns training values as the progress line shows them."""
    latents = (
        f"  kl {values['kl_raw']:.3f} ({values['kl_loss']:.3f}) x {values['kl_weight']:.3f}"
        f"  active {values['active_latents']}"
    )
    text = (
        f"loss {values['loss']:.4f}  offset {values['offset_loss']:.4f}"
        f"  pen {values['pen_loss']:.4f}  {values['sketches_per_second']:.0f} sketches/s"
        f"{latents if values['kl_raw'] else ''}  gradient {values['gradient_norm']:.3g}"
        f"  clipped {values['clip_fraction']:.1%}  rate {values['learning_rate']:.2g}"
    )
    skipped = values.get("skipped_steps")
    return f"{text}  skipped {skipped}" if skipped else text
