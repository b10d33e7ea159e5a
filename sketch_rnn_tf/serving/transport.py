"""What both ways to a server have in common: where the model is, deadlines, trying again."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeVar

import numpy as np

from sketch_rnn_tf.serving.server_errors import DeadlineError, UnavailableError

Arrays = Mapping[str, np.ndarray]
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 2.0  # seconds between attempts
_T = TypeVar("_T")


class ModelName(NamedTuple):
    """Which model, and at most one of version and label; without both, the newest version."""

    name: str
    version: int | None = None
    label: str | None = None


class Transport(Protocol):
    """One way to a server; one attempt a call."""

    def predict(self, model: ModelName, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        """Runs a signature."""

    def metadata(self, model: ModelName, timeout: float) -> dict[str, dict]:
        """Returns {signature: {"inputs": {name: (type, shape)}, "outputs": ...}}."""

    def status(self, model: ModelName, timeout: float) -> dict[int, str]:
        """Returns {version: state}, such as {1: "AVAILABLE"}."""

    def close(self) -> None:
        """Ends the connection."""


def with_retries(
    attempt: Callable[[float], _T],
    timeout: float,
    retries: int,
    sleep: Callable[[float], None] = time.sleep,
) -> _T:
    """Tries again, and only then, while a server is not available.

    Args:
      attempt: one attempt within the seconds that it is given.
      timeout: seconds for all attempts together.
      retries: how many attempts may follow the first.
      sleep: waits so many seconds; pauses double and vary, so that clients do not come together.

    Raises:
      UnavailableError: the server was not available in any attempt.
      DeadlineError: the time is up.
    """
    end, number = time.monotonic() + timeout, 0
    while True:
        left = end - time.monotonic()
        if left <= 0:
            raise DeadlineError(f"no answer within {timeout:g} s")
        try:
            return attempt(left)
        except UnavailableError:
            pause = min(FIRST_PAUSE * 2**number, LONGEST_PAUSE) * random.uniform(0.5, 1.0)
            if number >= retries or time.monotonic() + pause >= end:
                raise
        sleep(pause)
        number += 1
