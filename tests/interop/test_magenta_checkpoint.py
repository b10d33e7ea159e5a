import json
import shutil

import numpy as np
import pytest

from sketch_rnn_tf.interop import magenta_checkpoint, magenta_names

NAMES = (
    "conditional",
    "conditional_layer_norm",
    "conditional_hyper",
    "conditional_enc_layer_norm",
    "decoder_only_lstm",
)


@pytest.fixture
def checkpoint(shared_data, tmp_path):
    """Returns a function from a name to a copy of its folder that a test may damage."""

    def copy(name):
        target = tmp_path / name
        target.mkdir()
        for file in shared_data(f"magenta_checkpoints/{name}").iterdir():
            (target / file.name).write_bytes(file.read_bytes())
        return target

    return copy


def _weights(model):
    values = {path: v.numpy() for path, v in magenta_names.variables(model).items()}
    return magenta_names.to_magenta(model, values)


@pytest.mark.parametrize("name", NAMES)
def test_a_checkpoint_gives_the_weights_that_magenta_had(shared_data, vectors, name):
    path = shared_data(f"magenta_checkpoints/{name}")
    configuration, model = magenta_checkpoint.read_model(path, scale_factor=2.5)
    numbers = vectors(name)
    found = _weights(model)
    assert set(found) == {key[9:] for key in numbers if key.startswith("W_after3/")}
    for key, value in found.items():
        np.testing.assert_array_equal(value, numbers[f"W_after3/{key}"], err_msg=key)
    assert configuration.scale_factor == 2.5
    assert configuration.max_length == 24
    assert configuration.temperature_mode == "magenta"
    assert configuration.training.batch_size == 4
    assert configuration.training.kl_tolerance == 0.02
    assert configuration.model.decoder.recurrent_dropout == 0


def test_names_without_values_are_enough(checkpoint):
    path = checkpoint("conditional_hyper")
    hparams = json.loads((path / "model_config.json").read_text())
    (path / "model_config.json").write_text(json.dumps(list(hparams)))
    configuration, model = magenta_checkpoint.read_model(path, scale_factor=1, max_length=24)
    decoder = configuration.model.decoder
    assert (decoder.cell, decoder.units) == ("hyper", 12)
    assert (decoder.hyper_units, decoder.hyper_embedding) == (6, 4)
    assert (configuration.model.z_size, model.num_mixtures, model.max_length) == (8, 3, 24)


def test_without_a_configuration_the_shapes_say_everything(checkpoint):
    path = checkpoint("decoder_only_lstm")
    (path / "model_config.json").unlink()
    configuration, model = magenta_checkpoint.read_model(path, scale_factor=1)
    assert not model.conditional
    assert configuration.max_length == 250


def test_hparams_that_contradict_the_weights_are_refused(checkpoint):
    path = checkpoint("conditional")
    hparams = json.loads((path / "model_config.json").read_text())
    (path / "model_config.json").write_text(json.dumps({**hparams, "dec_rnn_size": 512}))
    with pytest.raises(ValueError, match=r"dec_rnn_size=512, the weights' shapes say 12"):
        magenta_checkpoint.read_model(path, scale_factor=1)


def test_a_path_of_another_machine_does_not_matter(checkpoint):
    path = checkpoint("decoder_only_lstm")
    (path / "checkpoint").write_text('model_checkpoint_path: "/home/somebody/log/vector-3"\n')
    assert magenta_checkpoint.newest(path) == path / "vector-3"


def test_without_a_word_the_highest_step_is_taken(checkpoint):
    path = checkpoint("decoder_only_lstm")
    (path / "checkpoint").unlink()
    for suffix in (".index", ".data-00000-of-00001"):
        shutil.copy(path / f"vector-3{suffix}", path / f"vector-10{suffix}")
    assert magenta_checkpoint.newest(path) == path / "vector-10"


@pytest.mark.parametrize(
    ("file", "size"),
    [("vector-3.data-00000-of-00001", 900), ("vector-3.index", 300), ("vector-3.index", 0)],
)
def test_a_truncated_checkpoint_is_refused_in_one_sentence(checkpoint, file, size):
    path = checkpoint("decoder_only_lstm")
    (path / file).write_bytes((path / file).read_bytes()[:size])
    with pytest.raises(ValueError, match="vector-3") as caught:
        magenta_checkpoint.read_model(path, scale_factor=1)
    assert "\n" not in str(caught.value)


def test_an_altered_checkpoint_is_refused(checkpoint):
    path = checkpoint("decoder_only_lstm")
    data = path / "vector-3.data-00000-of-00001"
    content = bytearray(data.read_bytes())
    content[400] ^= 1  # one bit of a weight; the file ends with Adam's moments, which nobody reads
    data.write_bytes(content)
    with pytest.raises(ValueError, match="vector-3"):
        magenta_checkpoint.read_model(path, scale_factor=1)


def test_a_folder_without_checkpoint_is_refused(tmp_path):
    with pytest.raises(ValueError, match="holds no checkpoint"):
        magenta_checkpoint.read_model(tmp_path, scale_factor=1)


def test_a_damaged_configuration_is_refused(checkpoint):
    path = checkpoint("decoder_only_lstm")
    (path / "model_config.json").write_text("[1, 2")
    with pytest.raises(ValueError, match="model_config"):
        magenta_checkpoint.read_model(path, scale_factor=1)
