"""Ctrl-C that is not lost: C code that imports or traces swallows it, or raises something else."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

EXIT_CODE = 130  # of a command that Ctrl-C ended, as shells have it


@contextlib.contextmanager
def noted() -> Iterator[list[int]]:
    """Yields a list that is empty until Ctrl-C comes in the block; what it does stays as it is.

    In another thread than the main one, or where Ctrl-C is ignored, the list stays empty.
    """
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)

    def handle(number, frame):
        came.append(number)
        if callable(before):
            before(number, frame)

    taken = callable(before) and threading.current_thread() is threading.main_thread()
    if taken:
        signal.signal(signal.SIGINT, handle)
    try:
        yield came
    finally:
        if taken:
            signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def surfacing() -> Iterator[None]:
    """Raises KeyboardInterrupt where Ctrl-C came in the block, whatever became of the first one."""
    with noted() as came:
        try:
            yield
        except Exception:
            if not came:
                raise
    if came:
        raise KeyboardInterrupt
