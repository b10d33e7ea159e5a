"""How far a long piece of work is and how long it will take, on stderr: one class, on tqdm."""

from __future__ import annotations

import sys
import time
from typing import IO

from tqdm import std


class Progress(std.tqdm):
    """A progress line: in place on a terminal, elsewhere a line of its own every `interval`.

        with Progress("writing", total=12, unit="shards") as progress:
            for shard in shards:
                write(shard)
                progress.update(1)

    A line reads `writing: 25 %, 30s left, 7 drawings`. Work that ends within the interval says
    nothing where there is no terminal.

    Args:
      what: the name of the work, such as `reading`.
      total: the amount of work, in any unit.
      done: what of it was done before, by an earlier run.
      interval: seconds between two lines where stderr is no terminal.
      file: stderr when not given.
    """

    monitor_interval = 0  # tqdm's thread would print between our lines

    def __init__(
        self,
        what: str,
        total: float,
        *,
        done: float = 0,
        interval: float = 5.0,
        file: IO[str] | None = None,
    ):
        self._note = ""
        self._lines = not (file or sys.stderr).isatty()
        self._interval = interval if self._lines else 0.1
        self._started = self._shown = time.monotonic()
        super().__init__(
            desc=what,
            total=max(total, 1e-9),
            initial=done,
            file=file or sys.stderr,
            mininterval=0,
            miniters=0,
            dynamic_ncols=True,
            leave=True,
        )

    def update(self, n: float = 1, note: str | None = None) -> None:
        """Counts finished work and shows it when it is time.

        Args:
          n: how much.
          note: what else to say in the line, from now on.
        """
        self.n += n
        self._note = self._note if note is None else note
        if time.monotonic() - self._shown >= self._interval:
            self.refresh()

    def restart_clock(self) -> None:
        """Measures the speed from here on: what came before, such as tracing, is no sample."""
        self._started, self.initial = time.monotonic(), self.n

    @property
    def seconds_left(self) -> float | None:
        """How long the rest will take at the speed so far; None while it is unknown."""
        done = self.n - self.initial
        if done <= 0:
            return None
        return (time.monotonic() - self._started) / done * max(self.total - self.n, 0)

    def display(self, msg: str | None = None, pos: int | None = None) -> bool:
        """Shows the line; called by tqdm."""
        self._shown = time.monotonic()
        if not self._lines:
            return super().display(msg, pos)
        if self._shown - self._started >= self._interval:
            print(self, file=self.fp, flush=True)
        return True

    def say(self, message: str) -> None:
        """Prints a message of its own, without breaking the line in place."""
        if not self._lines:
            self.clear()
        print(message, file=self.fp, flush=True)

    def close(self) -> None:
        """Ends the line that a terminal shows; elsewhere the last line has been said."""
        if self._lines:
            self.disable = True
        super().close()

    def __str__(self) -> str:
        left = self.seconds_left
        share = min(self.n / self.total, 1.0)
        parts = [f"{self.desc}: {100 * share:3.0f} %"]
        if left is not None and share > 0.02:  # earlier it would be a guess
            parts.append(f"{duration(left)} left")
        return ", ".join([*parts, *filter(None, [self._note])])


def duration(seconds: float) -> str:
    """Returns a time span as `12s`, `3m20s` or `2h05m`."""
    seconds = round(seconds)
    if seconds >= 3600:
        return f"{seconds // 3600}h{seconds % 3600 // 60:02d}m"
    return f"{seconds // 60}m{seconds % 60:02d}s" if seconds >= 60 else f"{seconds}s"
