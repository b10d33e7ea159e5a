import dataclasses

import pytest

from sketch_rnn_tf import config, recipe
from sketch_rnn_tf.data.dataset import DatasetInfo


def _info(drawings, points=30, classes=("fish",)):
    return DatasetInfo(
        classes=list(classes),
        splits={"train": {"num_sketches": drawings}},
        max_length=2 * points,
        scale_factor=1.0,
        shards=[],
        length_histogram={str(points - 5): drawings, str(points + 5): drawings},
    )


def test_larger_data_sets_get_larger_models_and_are_seen_less_often():
    found = [recipe.choose(_info(count)) for count in (20, 1_000, 10_000, 100_000)]
    units = [one.model.decoder.units for one in found]
    assert units == sorted(set(units))
    sketches = [one.training.train_steps * one.training.batch_size for one in found]
    assert sketches == sorted(set(sketches))
    seen = [n / count for n, count in zip(sketches, (20, 1_000, 10_000, 100_000), strict=True)]
    assert seen == sorted(seen, reverse=True)
    dropout = [one.model.decoder.recurrent_dropout for one in found]
    assert dropout == sorted(dropout, reverse=True)


@pytest.mark.parametrize("count", [1, 9, 30, 450, 5_000, 1_000_000])
def test_what_is_chosen_can_be_meant_and_a_batch_is_no_larger_than_the_data(count):
    found = recipe.choose(_info(count))
    config.check(found.model, found.training)
    assert found.training.batch_size <= max(count, 8)
    assert found.training.warmup_steps < found.training.train_steps / 2


def test_several_classes_condition_the_model_and_the_reasons_tell():
    one, two = recipe.choose(_info(60)), recipe.choose(_info(60, classes=("fish", "house")))
    assert (one.model.class_conditioned, two.model.class_conditioned) == (False, True)
    assert any("the 2 classes condition it" in reason for reason in two.reasons)
    assert any("there is one class" in reason for reason in one.reasons)


def test_points_are_dropped_only_where_drawings_have_many():
    few, many = recipe.choose(_info(900, 20)), recipe.choose(_info(900, 120))
    assert few.training.point_dropout == 0 < many.training.point_dropout


def test_a_model_that_is_given_stays_as_it_is():
    model = dataclasses.replace(config.ModelConfig(), z_size=17)
    found = recipe.choose(_info(60, classes=("fish", "house")), model)
    assert found.model == model
    assert not any("encoder" in reason for reason in found.reasons)
    fresh = recipe.choose(_info(60)).training
    assert found.training.learning_rate < fresh.learning_rate  # its weights draw already
    assert found.training.train_steps < fresh.train_steps / 4
    shorter = ("learning_rate", "train_steps", "warmup_steps", "kl_weight_decay")
    same = {name: getattr(fresh, name) for name in shorter}
    assert dataclasses.replace(found.training, **same) == fresh


def test_the_length_is_told_of_what_is_trained():
    info = _info(60)
    found = recipe.choose(info)
    training = dataclasses.replace(found.training, train_steps=30, batch_size=10)
    seen, time = recipe.length(info, found.model, training)
    assert seen == "30 steps of 10: each of 60 drawings is seen 5 times"
    assert time.startswith("about ")


def test_very_few_drawings_are_varied_more_and_the_way_with_known_weights_is_told():
    few, more = recipe.choose(_info(18)), recipe.choose(_info(900))
    assert few.training.random_scale > more.training.random_scale
    assert few.training.random_slant > more.training.random_slant == 0
    told = "--init_from pretrained:doodles"
    assert [any(told in r for r in one.reasons) for one in (few, more)] == [True, False]
    given = recipe.choose(_info(18), config.ModelConfig())
    assert not any(told in reason for reason in given.reasons)
