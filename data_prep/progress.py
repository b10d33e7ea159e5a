"""One line on how far a long piece of work is and how long it will take, on stderr."""

from __future__ import annotations

import sys
import time


class Progress:
    """Reports progress every few seconds, on a terminal in place.

    Args:
      what: the name of the work, such as `reading`.
      total: the amount of work, in any unit.
      every: seconds between reports.
    """

    def __init__(self, what: str, total: float, every: float = 2.0):
        self._what, self._total, self._every = what, max(total, 1e-9), every
        self._start = self._last = time.monotonic()
        self._done = 0.0
        self._terminal = sys.stderr.isatty()
        self._shown = False

    def add(self, amount: float, note: str = "") -> None:
        """Counts finished work and reports it when it is time."""
        self._done += amount
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self._show(self._line(now, note))

    def close(self) -> None:
        """Ends the line that a terminal shows."""
        if self._shown and self._terminal:
            print(file=sys.stderr, flush=True)

    def _line(self, now: float, note: str) -> str:
        share = min(self._done / self._total, 1.0)
        left = (now - self._start) * (1 - share) / share if share else 0.0
        rest = f", {duration(left)} left" if share > 0.02 else ""  # earlier it would be a guess
        return f"{self._what}: {100 * share:3.0f} %{rest}{', ' + note if note else ''}"

    def _show(self, line: str) -> None:
        self._shown = True
        start, end = ("\r\033[K", "") if self._terminal else ("", "\n")
        print(f"{start}{line}", end=end, file=sys.stderr, flush=True)


def duration(seconds: float) -> str:
    """Returns a time span in words short enough for a progress line."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 5400:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"
