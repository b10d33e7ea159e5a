"""Stopping in good order when the system or the user asks for it."""

from __future__ import annotations

import signal
import threading

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class StopRequestedError(Exception):
    """A signal has come and what is going on can be left here."""


class Signals:
    """Remembers SIGTERM and SIGINT for the loop, which then saves and ends.

    A context manager. The second signal acts as it would without this. In another thread than the
    main one, where Python cannot take signals, it does nothing.
    """

    def __init__(self):
        self.received: int | None = None
        self._before = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_) -> None:
        self._restore()

    def check(self) -> None:
        """Leaves long work that writes nothing, at a place of its choice, when a signal has come.

        The handler itself raises nothing: an error that rises in the middle of TensorFlow's
        tracing is swallowed there, or becomes another one.

        Raises:
          StopRequestedError: a signal has come.
        """
        if self.received is not None:
            raise StopRequestedError

    def _handle(self, number, frame) -> None:
        self.received = number
        self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
