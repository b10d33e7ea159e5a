"""Drawings that every picture has to show."""

from __future__ import annotations

import numpy as np
import pytest

WALLS = [[5, 5, 0], [0, 20, 0], [30, 0, 0], [0, -20, 0], [-30, 0, 1]]
ROOF = [[0, -3, 0], [15, -12, 0], [15, 12, 1]]
HOUSE = np.array(WALLS + ROOF)
ODD = {
    "empty": np.zeros((0, 3)),
    "one point": np.array([[3, 4, 1]]),
    "one point, pen down": np.array([[3, 4, 0]]),
    "a line": np.array([[0, 0, 0], [50, 0, 1]]),
    "all pen up": np.array([[0, 0, 1], [10, 10, 1], [10, -10, 1], [0, 20, 1]]),
    "a point twice": np.array([[1, 1, 0], [0, 0, 1]]),
    "pen down at the end": np.array([[0, 0, 1], [1, 2, 0], [3, 4, 0]]),
    "far away": np.array([[1e6, -1e6, 0], [0.25, 0.5, 0], [-0.5, 0.125, 1]]),
    "huge": np.array([[0, 0, 0], [1e38, 1e38, 0], [-3e37, 1e37, 1]]),
    "tiny": np.array([[0, 0, 0], [1e-38, 1e-39, 1], [-3e-40, 1e-45, 1]]),
}


@pytest.fixture
def house() -> np.ndarray:
    return HOUSE.copy()


@pytest.fixture(params=ODD)
def odd(request) -> np.ndarray:
    return ODD[request.param]


@pytest.fixture(scope="session")
def long() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.c_[rng.normal(size=(20_000, 2)), rng.random(20_000) < 0.01]
