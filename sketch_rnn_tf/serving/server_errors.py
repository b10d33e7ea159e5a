"""What can be wrong with one row of a request, and what can go wrong with a server."""

from __future__ import annotations

import enum

from sketch_rnn_tf.errors import UserError


class RowError(enum.IntEnum):
    """The `error` output of every signature; 0 is fine."""

    NONE = 0
    TEMPERATURE = 1
    LENGTH = 2
    STROKES = 3
    LABEL = 4
    LATENT = 5
    FRACTION = 6
    STATE = 7


MEANINGS = {
    RowError.NONE: "the row is fine",
    RowError.TEMPERATURE: "temperature is not a finite number above 0",
    RowError.LENGTH: "the number of points is negative, beyond the array or beyond the limit",
    RowError.STROKES: "a coordinate is not finite, or a pen state is neither 0 nor 1",
    RowError.LABEL: "the model has no such class",
    RowError.LATENT: "a latent vector is not finite",
    RowError.FRACTION: "fraction is not between 0 and 1",
    RowError.STATE: "the state is not one that step gave",
}


class ServerError(ConnectionError):
    """The server cannot be reached, or reports a fault of its own."""


class UnavailableError(ServerError):
    """The server cannot be reached or does not serve this model now; asking again may help."""


class DeadlineError(TimeoutError):
    """The server did not answer in time."""


def not_found(address: str, words: str) -> UserError:
    """Returns the error for what a server lacks; its own words name what was asked for."""
    return UserError(f"{address}: the server has no such model, version or label ({words})")


def meaning(code: int) -> str:
    """Returns a row error in words."""
    try:
        return MEANINGS[RowError(code)]
    except ValueError:
        return f"error {code}, which this client does not know"
