"""Stopping in good order when the system or the user asks for it."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class InterruptedSectionError(Exception):
    """A signal came in a section that may be left at any point."""


class Signals:
    """Remembers SIGTERM and SIGINT for the loop, which then saves and ends.

    A context manager. The second signal acts as it would without this. In another thread than the
    main one, where Python cannot take signals, it does nothing.
    """

    def __init__(self):
        self.received: int | None = None
        self._before = {}
        self._interruptible = False

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_) -> None:
        self._restore()

    @contextlib.contextmanager
    def interruptible(self) -> Iterator[None]:
        """Makes a section, long and writing nothing, that a signal ends with an error of ours."""
        self._interruptible = True
        try:
            if self.received:
                raise InterruptedSectionError
            yield
        finally:
            self._interruptible = False

    def _handle(self, number, frame) -> None:
        self.received = number
        self._restore()
        if self._interruptible:
            raise InterruptedSectionError

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
