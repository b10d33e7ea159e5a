"""Where the tests find what is not in the repository, and how they skip without it."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = pathlib.Path(os.environ.get("SKETCH_RNN_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared_data():
    """Returns a function from a name such as `sketchrnn/omniglot.npz` to its path, or skips."""

    def find(name: str) -> pathlib.Path:
        path = SHARED / "data" / name
        if not path.exists():
            pytest.skip(
                f"needs the real data {name} (set SKETCH_RNN_SHARED to the folder that has data/)"
            )
        return path

    return find


@pytest.fixture(scope="session")
def vectors():
    """Returns a function from a name such as `conditional` to Magenta's numbers, or skips."""

    def load(name: str) -> dict[str, np.ndarray]:
        for folder in (ROOT / "tests" / "testdata" / "vectors", SHARED / "vectors"):
            if (folder / f"{name}.npz").exists():
                with np.load(folder / f"{name}.npz", allow_pickle=False) as content:
                    return dict(content)
        pytest.skip(
            f"needs Magenta's numbers {name}.npz"
            " (set SKETCH_RNN_SHARED to the folder that has vectors/)"
        )

    return load
