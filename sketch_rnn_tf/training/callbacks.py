"""What watches a run: metrics on disk, TensorBoard, the progress line."""

from __future__ import annotations

import json
import math
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf

from sketch_rnn_tf import files, runs


class Callback:
    """Told of everything that happens in a run; every method may be left as it is."""

    def on_start(self, run: runs.Run, step: int) -> None:
        """Training begins or goes on at `step`."""

    def on_log(self, step: int, values: Mapping[str, float]) -> None:
        """Mean training values since the last log."""

    def on_evaluation(self, step: int, values: Mapping[str, Any]) -> None:
        """A split has been evaluated: `valid` on the way, `test` at the end."""

    def on_pictures(self, step: int, pictures: Mapping[str, tuple[Any, dict]]) -> None:
        """The model has drawn: {name: (drawings, options of the picture)}."""

    def on_end(self, step: int) -> None:
        """Training has ended, for whatever reason."""


class Watchers(Callback):
    """Passes everything on to several callbacks.

    A watcher that cannot write, because the disk is full, does not end the training: it is said
    once, and it is tried again the next time.

    Args:
      callbacks: the watchers.
      say: takes messages for people.
    """

    def __init__(self, callbacks: Sequence[Callback], say: Callable[[str], None]):
        self._callbacks, self._say = callbacks, say
        self._complained = set()

    def on_start(self, run, step):
        """Passes it on; here an error is one."""
        for callback in self._callbacks:
            callback.on_start(run, step)

    def on_log(self, step, values):
        """Passes it on."""
        self._tell("on_log", step, values)

    def on_evaluation(self, step, values):
        """Passes it on."""
        self._tell("on_evaluation", step, values)

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
                    self._say(f"{name} cannot write ({error}); training goes on")


class MetricsFile(Callback):
    """Appends to `metrics.jsonl`, one object a line: step, split and values."""

    def on_start(self, run, step):
        """Cuts the lines of steps that a resumed run will repeat."""
        self._path = run.path / runs.METRICS
        files.write_text(self._path, "".join(_lines_until(self._path, step)))

    def on_log(self, step, values):
        """Writes a line of split `train`."""
        self._write({"step": step, "split": "train", **values})

    def on_evaluation(self, step, values):
        """Writes a line of the evaluated split."""
        self._write({"step": step, **values})

    def _write(self, values):
        line = json.dumps({name: _finite(value) for name, value in values.items()})
        content = (line + "\n").encode()
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
        """Opens one writer a split."""
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
    """Writes what the model draws to `pictures/`, SVG, one file a picture and step."""

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
    """Says on stderr how far training is: time left, losses, gradient, speed.

    On a terminal one line is rewritten; elsewhere a line appears every `interval` seconds.
    """

    def __init__(self, train_steps: int, interval: float = 15.0, stream=None):
        self.train_steps = train_steps
        self.interval = interval
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        self._said = 0.0

    def on_start(self, run, step):
        """Says where training starts."""
        self._begin, self._first = time.monotonic(), step
        self._steady = None  # when and at which step the graph had been made
        how = f"going on at step {step}" if step else "training"
        self._line(f"{how}: {self.train_steps} steps into {run.path}")

    def on_log(self, step, values):
        """Shows the newest values, not more often than the interval."""
        now = time.monotonic()
        if self._steady is None:
            self._steady = now, step
        if not self._terminal and now - self._said < self.interval and step < self.train_steps:
            return
        self._said = now
        begin, first = (self._begin, self._first) if self._steady[1] == step else self._steady
        left = (now - begin) / max(1, step - first) * (self.train_steps - step)
        text = f"step {step}/{self.train_steps}  {duration(left)} left  {summary(values)}"
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            self._stream.write("\r" + text[:width].ljust(width))
            self._stream.flush()
        else:
            self._line(text)

    def on_evaluation(self, step, values):
        """Says what the evaluation gave."""
        self._line(
            f"step {step}: {values['split']} cost {values['cost']:.4f}"
            f"  {values['nats_per_point']:.4f} nats a point"
        )

    def on_end(self, step):
        """Says how long it took."""
        how = "finished" if step >= self.train_steps else "stopped"
        self._line(f"{how} at step {step} after {duration(time.monotonic() - self._begin)}")

    def _line(self, text):
        if self._terminal:
            text = "\r" + text.ljust(shutil.get_terminal_size().columns - 1)
        print(text, file=self._stream, flush=True)


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


def duration(seconds: float) -> str:
    """Returns seconds as `2h05m`, `3m20s` or `12s`."""
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
    return f"{seconds // 60}m{seconds % 60:02d}s" if seconds >= 60 else f"{seconds}s"


def read_metrics(path) -> list[dict[str, Any]]:
    """Returns the lines of a `metrics.jsonl`; one that a crash cut short is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and isinstance(values.get("step"), int):
            found.append(values)
    return found


def _lines_until(path, step: int) -> list[str]:
    """Returns the whole lines up to a step, but no test numbers: they are of another end."""
    return [
        json.dumps(values) + "\n"
        for values in read_metrics(path)
        if values["step"] <= step and values.get("split") != "test"
    ]


def _finite(value):
    return None if isinstance(value, float) and not math.isfinite(value) else value
