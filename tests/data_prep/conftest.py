"""Small inputs made on the spot."""

from __future__ import annotations

import json

import numpy as np
import pytest


@pytest.fixture
def write_ndjson(tmp_path):
    """Returns a function that writes drawings as Quick, Draw! has them, each different.

    Raw ones are absolute (x, y, t); simplified ones hold whole numbers. The result is the path.
    """

    def write(name="cat.ndjson", count=40, word="cat", raw=False, seed=0, points=8):
        generator = np.random.default_rng(seed)
        lines = []
        for i in range(count):
            strokes = [generator.integers(0, 256, (2, points)).tolist() for _ in range(3)]
            if raw:
                strokes = [[*stroke, list(range(points))] for stroke in strokes]
            lines.append(
                json.dumps(
                    {
                        "key_id": f"{word}{seed}{i}",
                        "word": word,
                        "recognized": i % 5 != 0,
                        "drawing": strokes,
                    }
                )
            )
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture
def write_npz(tmp_path):
    """Returns a function that writes a Sketch-RNN npz: split name to list of rows."""

    def write(name="sheep.npz", **splits):
        arrays = {}
        for split, sketches in splits.items():
            arrays[split] = np.empty(len(sketches), object)
            arrays[split][:] = sketches
        np.savez(tmp_path / name, **arrays)
        return tmp_path / name

    return write


@pytest.fixture
def rows():
    """Returns a function from a number of points and a seed to int16 stroke-3 rows."""

    def make(points=10, seed=0):
        array = np.random.default_rng(seed).integers(-60, 60, (points, 3)).astype(np.int16)
        array[:, 2] = np.arange(points) % 4 == 3
        array[-1, 2] = 1
        return array

    return make
