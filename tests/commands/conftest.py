import json

import keras
import numpy as np
import pytest

from sketch_rnn_tf import config
from sketch_rnn_tf.interop import imported
from sketch_rnn_tf.model import sketch_rnn


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory):
    """Returns a function that makes a run directory with a tiny untrained model."""

    def make(name="run", classes=("cat",), class_conditioned=False, **fields):
        keras.utils.set_random_seed(3)
        model = config.ModelConfig(
            conditional=False,
            num_mixtures=3,
            class_conditioned=class_conditioned,
            class_embedding=2,
            decoder=config.DecoderConfig(units=5),
        )
        configuration = config.RunConfig(10.0, 12, classes=classes, model=model, **fields)
        path = tmp_path_factory.mktemp("runs") / name
        return imported.write_run(path, configuration, sketch_rnn.build_model(configuration)).path

    return make


@pytest.fixture(scope="session")
def drawings(tmp_path_factory):
    """A JSON file of three drawings in absolute coordinates: a corner, a dense line, a cross."""
    line = np.stack([np.linspace(0, 100, 51), np.zeros(51)], axis=1)
    cross = [[[0, 0], [60, 60]], [[60, 0], [0, 60]]]
    sketches = [[[[5, 5], [5, 45], [45, 45]]], [line.tolist()], cross]
    path = tmp_path_factory.mktemp("drawings") / "cat.json"
    path.write_text(json.dumps(sketches))
    return path
