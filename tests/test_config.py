import dataclasses

import pytest

from sketch_rnn_tf import config


def _magenta(**settings):
    start = config.preset("magenta")
    return config.override(start.model, start.training, settings)


def test_settings_reach_their_fields_with_and_without_the_leading_name():
    model, training = _magenta(
        **{"decoder.units": "96", "model.encoder.cell": "hyper", "training.batch_size": 7}
    )
    assert (model.decoder.units, model.encoder.cell, training.batch_size) == (96, "hyper", 7)
    assert model.decoder.cell == "lstm"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decoder.unit": 1}, r"no setting 'decoder.unit'; the nearest known ones are decoder.uni"),
        ({"batch_size": "many"}, "batch_size has the value 'many', expected a whole number"),
        ({"batch_size": 0}, "batch_size is 0, expected more than 0"),
        (
            {"decoder.cell": "gru"},
            "decoder.cell is 'gru', expected one of lstm, layer_norm, hyper, stacked",
        ),
        ({"encoder.recurrent_dropout": 1}, r"encoder.recurrent_dropout is 1.0, expected .* \[0, 1"),
        ({"learning_rate": "nan"}, "learning_rate has the value 'nan'"),
        ({"conditional": "perhaps"}, "conditional has the value 'perhaps', expected true or false"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused_by_name(settings, message):
    with pytest.raises(ValueError, match=message):
        _magenta(**settings)


def test_a_setting_without_a_value_is_refused():
    with pytest.raises(ValueError, match="'batch_size' is not of the form key=value"):
        config.parse_settings(["batch_size"])


@pytest.mark.parametrize("name", list(config.PRESETS))
def test_every_preset_is_valid_and_survives_json(name):
    preset = config.preset(name)
    config.check(preset.model, preset.training)
    run = config.RunConfig(
        scale_factor=18.5,
        max_length=250,
        classes=("cat", "dog"),
        simplification={"epsilon": 2.0},
        preset=name,
        model=preset.model,
        training=preset.training,
    )
    assert config.from_json(config.RunConfig, config.to_json(run)) == run


def test_the_defaults_are_magentas_and_the_paper_differs_where_it_does():
    default, paper = config.preset("magenta"), config.preset("paper")
    assert (default.model.encoder.units, default.model.decoder.units) == (256, 512)
    assert (default.training.kl_weight, default.training.random_scale) == (0.5, 0.15)
    assert (paper.model.decoder.cell, paper.model.decoder.units) == ("hyper", 2048)
    assert dataclasses.replace(paper.training, seed=1) == dataclasses.replace(
        default.training,
        learning_rate=1e-4,
        kl_weight=1.0,
        kl_weight_decay=0.99999,
        random_scale=0.1,
        seed=1,
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"scale_factor": 1.0}, "incomplete"),
        ({"scale_factor": "big", "max_length": 3}, "scale_factor has the value 'big'"),
        (
            {"scale_factor": 1.0, "max_length": 3, "clases": []},
            "unknown field 'clases'; .* classes",
        ),
        ({"scale_factor": 1.0, "max_length": 3, "model": [1]}, "model is not an object"),
        ([], "f.json is not an object"),
    ],
)
def test_damaged_json_is_refused_with_the_file_and_the_field(content, message):
    with pytest.raises(ValueError, match=message):
        config.from_json(config.RunConfig, content, "f.json")
