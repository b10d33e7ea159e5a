"""What watches a run: metrics on disk, TensorBoard, the progress line."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping
from typing import Any

import tensorflow as tf

from sketch_rnn_tf import runs


class Callback:
    """Told of everything that happens in a run; every method may be left as it is."""

    def on_start(self, run: runs.Run, step: int) -> None:
        """Training begins or goes on at `step`."""

    def on_log(self, step: int, values: Mapping[str, float]) -> None:
        """Mean training values since the last log."""

    def on_evaluation(self, step: int, values: Mapping[str, Any]) -> None:
        """The valid split has been evaluated."""

    def on_end(self, step: int) -> None:
        """Training has ended, for whatever reason."""


class MetricsFile(Callback):
    """Appends to `metrics.jsonl`, one object a line: step, split and values."""

    def on_start(self, run, step):
        """Opens the file; lines of steps that a resumed run will repeat are cut."""
        path = run.path / runs.METRICS
        kept = [line for line in _lines(path) if _step_of(line) <= step]
        path.write_text("".join(kept), encoding="utf-8")
        self._stream = path.open("a", encoding="utf-8", buffering=1)

    def on_log(self, step, values):
        """Writes a line of split `train`."""
        self._write({"step": step, "split": "train", **values})

    def on_evaluation(self, step, values):
        """Writes a line of the evaluated split."""
        self._write({"step": step, **values})

    def on_end(self, step):
        """Closes the file."""
        self._stream.close()

    def _write(self, values):
        finite = {
            name: None if isinstance(value, float) and not _is_finite(value) else value
            for name, value in values.items()
        }
        self._stream.write(json.dumps(finite, allow_nan=False) + "\n")


class TensorBoard(Callback):
    """Writes scalars to `tensorboard/`."""

    def on_start(self, run, step):
        """Opens one writer a split."""
        root = run.path / runs.TENSORBOARD
        self._writers = {
            split: tf.summary.create_file_writer(str(root / split)) for split in ("train", "valid")
        }

    def on_log(self, step, values):
        """Writes the training scalars."""
        self._write("train", step, values)

    def on_evaluation(self, step, values):
        """Writes the validation scalars."""
        self._write("valid", step, values)

    def on_end(self, step):
        """Closes the writers."""
        for writer in self._writers.values():
            writer.close()

    def _write(self, split, step, values):
        with self._writers[split].as_default():
            for name, value in values.items():
                if isinstance(value, (int, float)):
                    tf.summary.scalar(name, value, step=step)


class Progress(Callback):
    """Says on stderr how far training is: losses, speed and time left.

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
        how = f"going on at step {step}" if step else "training"
        self._line(f"{how}: {self.train_steps} steps into {run.path}")

    def on_log(self, step, values):
        """Shows the newest values, not more often than the interval."""
        now = time.monotonic()
        if not self._terminal and now - self._said < self.interval and step < self.train_steps:
            return
        self._said = now
        left = (now - self._begin) / max(1, step - self._first) * (self.train_steps - step)
        text = (
            f"step {step}/{self.train_steps}  loss {values['loss']:.4f}"
            f"  offset {values['offset_loss']:.4f}  pen {values['pen_loss']:.4f}"
            f"  kl {values['kl_raw']:.4f}  {values['sketches_per_second']:.0f} sketches/s"
            f"  {duration(left)} left"
        )
        if self._terminal:
            self._stream.write("\r" + text[:110].ljust(110))
            self._stream.flush()
        else:
            self._line(text)

    def on_evaluation(self, step, values):
        """Says what the evaluation gave."""
        self._line(
            f"step {step}: valid cost {values['cost']:.4f}"
            f"  {values['nats_per_point']:.4f} nats a point"
        )

    def on_end(self, step):
        """Says how long it took."""
        self._line(f"stopped at step {step} after {duration(time.monotonic() - self._begin)}")

    def _line(self, text):
        if self._terminal:
            text = "\r" + text.ljust(110)
        print(text, file=self._stream, flush=True)


def duration(seconds: float) -> str:
    """Returns seconds as `2h05m`, `3m20s` or `12s`."""
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
    return f"{seconds // 60}m{seconds % 60:02d}s" if seconds >= 60 else f"{seconds}s"


def _lines(path) -> list[str]:
    """Returns the whole lines of a file; a line cut short by a crash is left out."""
    if not path.is_file():
        return []
    return [
        line for line in path.read_text(encoding="utf-8").splitlines(True) if line.endswith("\n")
    ]


def _step_of(line: str) -> float:
    try:
        return json.loads(line)["step"]
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _is_finite(value: float) -> bool:
    return value == value and abs(value) != float("inf")
