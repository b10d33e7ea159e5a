"""Batches in parts: side by side, and every drawing the one that it is alone."""

from __future__ import annotations

import threading

import numpy as np

from sketch_rnn_tf import config
from sketch_rnn_tf.interop import imported
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import keras_backend
from sketch_rnn_tf.sketcher import arguments
from sketch_rnn_tf.sketcher.backend import Request
from sketch_rnn_tf.sketcher.sketcher import Sketcher


def test_parts_of_a_batch_run_at_the_same_time(monkeypatch):
    monkeypatch.setattr(keras_backend, "_workers", lambda: 3)
    together = threading.Barrier(3, timeout=30)

    def meet(part: slice) -> int:
        together.wait()  # breaks unless all three are here
        return part.start

    parts = [slice(start, start + 1) for start in range(3)]
    assert keras_backend._side_by_side(meet, parts) == [0, 1, 2]


def test_drawings_in_parts_side_by_side_are_those_drawn_alone(monkeypatch):
    model = SketchRNN(max_length=9, z_size=3, decoder={"units": 5}, encoder={"units": 4})
    seeds, tau = arguments.seeds(7, 5), arguments.temperatures([0.2, 0.4, 0.6, 0.8, 1.0], 5)

    def draw(rows: slice, workers: int) -> list[np.ndarray]:
        monkeypatch.setattr(keras_backend, "_workers", lambda: workers)
        drawer = keras_backend.KerasBackend(model, config.RunConfig(1.0, 9), batch_size=4)
        request = Request(seeds[rows], tau[rows], None, 9)
        return [points for points, _ in drawer.draw(request)]

    alone = [draw(slice(i, i + 1), 1)[0] for i in range(5)]
    for one, other in zip(alone, draw(slice(0, 5), 2), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


def test_a_run_that_was_trained_in_mixed_precision_is_used_in_float32(tmp_path):
    sizes = {"max_length": 9, "z_size": 3, "decoder": {"units": 5}, "encoder": {"units": 40}}
    mixed, wide = SketchRNN(**sizes, dtype="mixed_bfloat16"), SketchRNN(**sizes)
    random = np.random.default_rng(3)
    weights = [random.normal(0, 0.5, value.shape) for value in wide.get_weights()]
    for model in (mixed, wide):
        model.set_weights(weights)
    configuration = config.RunConfig(1.0, 9)
    path = imported.write_run(tmp_path / "run", configuration, mixed).path
    strokes = [random.normal(size=(8, 3)).round() * [1, 1, 0]]
    expected = Sketcher(keras_backend.KerasBackend(wide, configuration)).encode(strokes)
    np.testing.assert_array_equal(keras_backend.load_model(path).encode(strokes), expected)
    narrow = Sketcher(keras_backend.KerasBackend(mixed, configuration)).encode(strokes)
    assert np.abs(narrow - expected).max() > 1e-4  # what is at stake
