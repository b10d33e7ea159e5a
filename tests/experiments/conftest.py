"""A tiny prepared data set, and the experiments as modules."""

from __future__ import annotations

import importlib.util
import pathlib

import numpy as np
import pytest

from data_prep import prepare

EXPERIMENTS = pathlib.Path(__file__).resolve().parents[2] / "experiments"


@pytest.fixture(scope="session")
def experiment():
    """Returns a function from the name of an experiment to its module."""

    def load(name: str):
        spec = importlib.util.spec_from_file_location(
            f"experiment_{name}", EXPERIMENTS / f"{name}.py"
        )
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A data set of 40 train, 12 valid and 12 test sketches of 1 to 6 strokes, N_max 20."""
    random = np.random.default_rng(5)
    folder = tmp_path_factory.mktemp("experiments")
    splits = {
        split: [_zigzag(random, i % 6 + 1) for i in range(count)]
        for split, count in (("train", 40), ("valid", 12), ("test", 12))
    }
    splits["train"][0] = np.resize(splits["train"][0], (20, 3))
    arrays = {}
    for split, sketches in splits.items():
        arrays[split] = np.empty(len(sketches), object)
        arrays[split][:] = sketches
    np.savez(folder / "zigzag.npz", **arrays)
    made = folder / "data"
    assert prepare.run(["--input", str(folder / "zigzag.npz"), "--output_dir", str(made)]) == 0
    return made


def _zigzag(random, strokes: int) -> np.ndarray:
    """Returns strokes of two points and one more of six."""
    rows = random.integers(-30, 30, size=(2 * strokes + 4, 3)).astype(np.int16)
    rows[:, 2] = 0
    rows[1 : 2 * strokes : 2, 2] = 1
    rows[2 * strokes - 1, 2] = 0
    rows[-1, 2] = 1
    return rows
