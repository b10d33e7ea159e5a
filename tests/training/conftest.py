"""A tiny data set and tiny configurations, made here."""

from __future__ import annotations

import contextlib
import logging

import numpy as np
import pytest
import written
from absl import logging as absl_logging

from sketch_rnn_tf import config
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.training import trainer


@contextlib.contextmanager
def messages():
    """Yields a list that gets all messages for people."""
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = absl_logging.get_absl_logger()
    level = absl_logging.get_verbosity()
    logger.addHandler(handler)
    absl_logging.set_verbosity(absl_logging.INFO)
    try:
        yield said
    finally:
        logger.removeHandler(handler)
        absl_logging.set_verbosity(level)


@pytest.fixture
def said():
    """All messages for people."""
    with messages() as found:
        yield found


def write_dataset(folder, sizes, seed=3) -> dataset.DatasetInfo:
    """Writes zigzags of 4 to 11 points; one shard per split."""
    random = np.random.default_rng(seed)

    def zigzag():
        rows = random.normal(size=(int(random.integers(4, 12)), 3)).astype(np.float32)
        rows[:, 2] = 0
        rows[[2, -1], 2] = 1
        return rows

    sketches = {split: [(zigzag(), k % 2) for k in range(count)] for split, count in sizes.items()}
    return written.write(folder, sketches, max_length=12, scale_factor=1.5)


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory):
    """A data set of 40 train, 9 valid and 7 test sketches."""
    folder = tmp_path_factory.mktemp("training") / "data"
    write_dataset(folder, {"train": 40, "valid": 9, "test": 7})
    return folder


@pytest.fixture(scope="session")
def make_dataset():
    return write_dataset


@pytest.fixture(scope="session")
def tiny():
    """Returns a function from settings to the configurations of a tiny model and its training."""

    def make(**settings):
        small = {
            "z_size": 3,
            "num_mixtures": 2,
            "encoder.units": 5,
            "decoder.units": 6,
            "batch_size": 8,
            "buckets": 1,
            "learning_rate": 1e-2,
            "train_steps": 6,
            "evaluate_every": 4,
            "checkpoint_every": 2,
            "keep_checkpoints": 2,
            "parallel_parts": 1,
        }
        settings = small | {key.replace("__", "."): value for key, value in settings.items()}
        start = config.preset("magenta")
        return config.override(start.model, start.training, settings)

    return make


@pytest.fixture
def train(tiny, data_dir):
    """Returns a function that trains a tiny model quietly and returns run and messages."""

    def run(run_dir, data=None, callbacks=(), **settings):
        arguments = {
            name: settings.pop(name)
            for name in ("init_from", "strategy", "overwrite")
            if name in settings
        }
        with messages() as said:
            made = trainer.train(
                data or data_dir, run_dir, *tiny(**settings), callbacks=callbacks, **arguments
            )
        return made, said

    return run
