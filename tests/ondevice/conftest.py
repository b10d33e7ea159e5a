"""A small model's LiteRT files, shared by the tests of what runs them."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def litert_files(tmp_path_factory):
    """Returns the folder of a small conditional model's files, or skips."""
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")
    tf = pytest.importorskip("tensorflow")
    from sketch_rnn_tf import config, runs
    from sketch_rnn_tf.export.litert import exporter
    from sketch_rnn_tf.model.sketch_rnn import SketchRNN

    tf.keras.utils.set_random_seed(7)
    model = SketchRNN(
        max_length=30, z_size=3, num_mixtures=4, encoder={"units": 8}, decoder={"units": 16}
    )
    bias = model.decoder.output_layer.bias
    bias.assign(bias - 3.0 * tf.one_hot(2, bias.shape[0]))  # drawings that do not end at once
    folder = tmp_path_factory.mktemp("litert")
    run = runs.Run(folder / "run", config.RunConfig(scale_factor=5.0, max_length=30))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporter.calibration, "POINTS", 500)  # a part of them, which is sooner drawn
        return exporter.write(run, model, folder, overwrite=False)
