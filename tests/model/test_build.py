import dataclasses

import keras
import numpy as np
import tensorflow as tf

from sketch_rnn_tf import config
from sketch_rnn_tf.model import sketch_rnn

_MODEL = config.ModelConfig(
    z_size=3,
    num_mixtures=4,
    class_embedding=2,
    encoder=config.EncoderConfig("hyper", 5, 0.2, hyper_units=6, hyper_embedding=7),
    decoder=config.DecoderConfig("layer_norm", 8, 0.3, 0.4, 0.5, absolute_position=True),
)
_TRAINING = config.TrainingConfig(
    kl_weight=0.7, kl_tolerance=0.1, seed=11, reference_numerics=True, dtype="mixed_bfloat16"
)
_RUN = config.RunConfig(
    scale_factor=20.0,
    max_length=9,
    classes=("cat", "dog"),
    start_token=(0.0, 0.0, 0.0, 0.0, 0.0),
    model=_MODEL,
    training=_TRAINING,
)


def test_every_setting_of_the_model_arrives():
    own = sketch_rnn.build_model(_RUN).get_config()
    assert own["encoder"] == dataclasses.asdict(_MODEL.encoder)
    assert own["decoder"] == dataclasses.asdict(_MODEL.decoder)
    expected = {
        **{"max_length": 9, "conditional": True, "z_size": 3, "num_mixtures": 4},
        **{"num_classes": 0, "class_embedding": 2, "start_token": [0.0] * 5},
        **{"kl_weight": 0.7, "kl_tolerance": 0.1, "seed": 11, "reference_numerics": True},
    }
    assert {name: own[name] for name in expected} == expected
    model = sketch_rnn.build_model(_RUN)
    assert model.dtype_policy.name == model.decoder.cell.dtype_policy.name == "mixed_bfloat16"


def test_classes_condition_the_model_only_where_the_configuration_says_so():
    conditioned = dataclasses.replace(_MODEL, class_conditioned=True)
    model = sketch_rnn.build_model(dataclasses.replace(_RUN, model=conditioned))
    assert model.num_classes == 2
    assert model.embedding.embeddings.shape == (2, 2)
    assert sketch_rnn.build_model(_RUN).embedding is None


def test_the_same_global_seed_gives_the_same_weights_and_another_others():
    models = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        models.append(sketch_rnn.build_model(_RUN).get_weights())
    for a, b in zip(models[0], models[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(np.abs(a - b).max() > 0 for a, b in zip(models[0], models[2], strict=True))


def test_a_decoder_alone_has_no_encoder_and_no_latent_vector():
    alone = dataclasses.replace(_MODEL, conditional=False)
    model = sketch_rnn.build_model(dataclasses.replace(_RUN, model=alone))
    assert model.encoder is None
    assert model.context() is None
    batch = {"strokes": tf.zeros([2, 7, 5]), "lengths": tf.constant([0, 0])}
    assert set(model(batch)) == {"raw"}
