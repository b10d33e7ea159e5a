"""Small data sets, and a double of a Sketcher that draws what it is given."""

from __future__ import annotations

import numpy as np
import pytest
import written

from sketch_rnn_tf import config, drawing
from sketch_rnn_tf.data import dataset

CLASSES = ("ring", "zigzag")
STEPS = 25  # of the training of a network that tells rings from zigzags


def sketch(kind: int, random: np.random.Generator) -> np.ndarray:
    """Returns a wobbly ring with a bar in it, or a zigzag, stroke-3."""
    if kind == 0:
        angle = np.linspace(0, 2 * np.pi, 13)[:, None]
        stretch = random.uniform(0.6, 1.6, 2)
        ring = np.hstack([np.cos(angle), np.sin(angle)]) * 20 * stretch
        bar = random.uniform(-12, 12, (2, 2))
        parts = [ring + random.normal(scale=0.8, size=ring.shape), bar]
    else:
        steps = int(random.integers(6, 12))
        x = np.arange(steps) * 6.0
        y = np.where(np.arange(steps) % 2, 1, -1) * random.uniform(8, 20)
        parts = [np.stack([x, y], 1) + random.normal(scale=0.8, size=(steps, 2))]
    points = np.concatenate(parts)
    rows = np.zeros((len(points), 3), np.float32)
    rows[:, :2] = np.diff(points, axis=0, prepend=points[:1])
    rows[np.cumsum([len(part) for part in parts]) - 1, 2] = 1
    return rows


def write(folder, sizes, classes=CLASSES, scale_factor=11.0, seed=3) -> dataset.DatasetInfo:
    """Writes a data set of so many sketches per split, the classes in turn."""
    random = np.random.default_rng(seed)
    sketches = {
        split: [(sketch(k % len(classes), random), k % len(classes)) for k in range(count)]
        for split, count in sizes.items()
    }
    return written.write(
        folder, sketches, classes=classes, max_length=20, scale_factor=scale_factor
    )


class Double:
    """A Sketcher that draws given sketches in turn, and encodes a drawing as where its ends lie.

    Attributes:
      config: as a run's.
    """

    def __init__(self, drawings=(), classes=CLASSES, scale_factor=11.0, **model):
        self.drawings = list(drawings)
        model = {"conditional": False, "class_conditioned": False, **model}
        self.config = config.RunConfig(
            scale_factor, 20, classes=tuple(classes), model=config.ModelConfig(**model)
        )

    def generate(self, num, *, temperature, seed, label=None):
        return drawing.Sketches(
            drawing.Sketch(self.drawings[i % len(self.drawings)], ended=i % 4 != 0)
            for i in (range(num) if isinstance(seed, int) else [row[1] for row in seed])
        )

    def encode(self, sketches, *, label=None):
        return np.array([np.asarray(s)[:, :2].sum(axis=0) for s in sketches], np.float32)

    def reconstruct(self, sketches, *, temperature, seed, label=None, sample_z=False):
        return drawing.Sketches(drawing.Sketch(s) for s in sketches)


@pytest.fixture(scope="session")
def make_sketch():
    return sketch


@pytest.fixture(scope="session")
def make_dataset():
    return write


@pytest.fixture(scope="session")
def double():
    return Double


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A data set of 160 train, 40 valid and 60 test sketches of two classes."""
    folder = tmp_path_factory.mktemp("quality") / "data"
    write(folder, {"train": 160, "valid": 40, "test": 60})
    return folder


@pytest.fixture(scope="session")
def steps():
    return STEPS


@pytest.fixture(scope="session")
def measure():
    """Returns `quality.measure` with a network that is quickly trained."""
    from sketch_rnn_tf import quality

    def run(*arguments, **settings):
        return quality.measure(*arguments, **{"samples": 40, "network_steps": STEPS, **settings})

    return run
