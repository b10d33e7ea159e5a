"""Keeps native libraries from writing to stderr, which holds our own words only."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Drops what the process, C++ included, writes to stderr; exceptions pass.

    With SKETCH_RNN_DEBUG set nothing is dropped.
    """
    if os.environ.get("SKETCH_RNN_DEBUG"):
        yield
        return
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
