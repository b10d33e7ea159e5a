import dataclasses

import numpy as np

from sketch_rnn_tf import config
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.training import pictures


def _artist(data_dir, tiny, **changes):
    model, training = tiny()
    info = dataclasses.replace(dataset.read_info(data_dir), simplification={"epsilon": 1.0})
    run = config.RunConfig(1.5, 12, ("even", "odd"), model=model, training=training, **changes)
    return pictures.Artist(sketch_rnn.build_model(run), run, data_dir, info)


def test_pictures_show_samples_reconstructions_and_a_way_between(data_dir, tiny):
    drawn = _artist(data_dir, tiny).draw()
    assert set(drawn) == {"samples", "reconstructions", "interpolation"}
    samples, _ = drawn["samples"]
    assert len(samples) == len(pictures.TEMPERATURES) * pictures.COLUMNS
    both, options = drawn["reconstructions"]
    originals = [record.strokes for record in dataset.read_split(data_dir, "valid")]
    assert options["row_titles"] == ["original", "drawn again"]
    for shown, original in zip(both, originals[: pictures.COLUMNS], strict=False):
        np.testing.assert_array_equal(np.asarray(shown), original)


def test_a_model_that_never_saw_the_first_point_draws_without_it_and_gets_it_back(data_dir, tiny):
    artist = _artist(data_dir, tiny, drop_first_point=True)
    samples, _ = artist.draw()["samples"]
    assert all(np.asarray(sample)[0].tolist() == [0, 0, 0] for sample in samples)
