"""From a configuration to a model."""

from __future__ import annotations

import dataclasses

from sketch_rnn_tf import config
from sketch_rnn_tf.model.sketch_rnn import SketchRNN


def build_model(run: config.RunConfig) -> SketchRNN:
    """Makes the model that a run's configuration describes, with new weights.

    Seed Keras's global generator before (`keras.utils.set_random_seed`) to get the same weights.
    """
    model, training = run.model, run.training
    return SketchRNN(
        max_length=run.max_length,
        conditional=model.conditional,
        z_size=model.z_size,
        num_mixtures=model.num_mixtures,
        encoder=dataclasses.asdict(model.encoder),
        decoder=dataclasses.asdict(model.decoder),
        num_classes=len(run.classes) if model.class_conditioned else 0,
        class_embedding=model.class_embedding,
        start_token=run.start_token,
        kl_weight=training.kl_weight,
        kl_tolerance=training.kl_tolerance,
        reference_numerics=training.reference_numerics,
        seed=training.seed,
        dtype=training.dtype,
        name="sketch_rnn",
    )
