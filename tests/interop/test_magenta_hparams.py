import pytest

from sketch_rnn_tf import config
from sketch_rnn_tf.interop import magenta_hparams


def test_magentas_command_line_carries_over():
    hparams = config.parse_settings(
        [
            "dec_rnn_size=512,enc_model=layer_norm,recurrent_dropout_prob=0.8,save_every=250",
            "use_output_dropout=1, conditional=False,data_set=sheep.npz",
        ]
    )
    start = config.preset("magenta")
    settings = magenta_hparams.to_settings(hparams)
    model, training = config.override(start.model, start.training, settings)
    assert (model.decoder.units, model.encoder.cell, model.conditional) == (
        512,
        "layer_norm",
        False,
    )
    assert model.encoder.recurrent_dropout == model.decoder.recurrent_dropout == 0.2
    assert model.decoder.output_dropout == 0.1
    assert model.decoder.input_dropout == 0.0
    assert training.evaluate_every == training.checkpoint_every == 250


def test_a_keep_probability_without_its_switch_leaves_the_dropout_off():
    assert magenta_hparams.to_settings({"input_dropout_prob": "0.5"}) == {
        "model.decoder.input_dropout": 0
    }
    assert magenta_hparams.to_settings({"use_recurrent_dropout": "0"}) == {
        "model.encoder.recurrent_dropout": 0,
        "model.decoder.recurrent_dropout": 0,
    }


def test_a_name_that_is_not_magentas_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match=r"no hparam 'dec_size'; .* dec_rnn_size"):
        magenta_hparams.to_settings({"dec_size": "5"})
