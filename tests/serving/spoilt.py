"""Bad requests: what is wrong with one of a good request's inputs, for tests and loads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

Inputs = dict[str, np.ndarray]


def _no_number(value: np.ndarray) -> np.ndarray:
    return value * np.nan if value.dtype == np.float32 else value - 10**6


# {what is wrong: the function from the inputs and the name of one of them to the bad inputs}
KINDS: dict[str, Callable[[Inputs, str], Inputs]] = {
    "no number": lambda good, name: {**good, name: _no_number(good[name])},
    "wrong type": lambda good, name: {**good, name: good[name].astype(np.float64)},
    "wrong rank": lambda good, name: {**good, name: good[name][..., None]},
    "missing": lambda good, name: {key: good[key] for key in good if key != name},
    "unknown": lambda good, name: {**good, "colour": good[name]},
    "too many rows": lambda good, _: {key: np.repeat(good[key], 65, axis=0) for key in good},
    "no rows": lambda good, name: {**good, name: good[name][:0]},
}
