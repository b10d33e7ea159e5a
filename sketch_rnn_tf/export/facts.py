"""What exported files of every format tell about their model."""

from __future__ import annotations

from typing import Any

import sketch_rnn_tf
from sketch_rnn_tf import runs
from sketch_rnn_tf.model.sketch_rnn import SketchRNN


def describe(run: runs.Run, model: SketchRNN) -> dict[str, Any]:
    """Returns what a program needs to know to draw with a model, as JSON values.

    docs/on_device.md explains each.
    """
    configuration = run.config
    return {
        "package_version": sketch_rnn_tf.__version__,
        "scale_factor": configuration.scale_factor,
        "max_length": model.max_length,
        "num_mixtures": model.num_mixtures,
        "conditional": model.conditional,
        "z_size": model.z_size,
        "classes": list(configuration.classes) if model.num_classes else [],
        "cell": model.decoder.get_config()["cell"],
        "absolute_position": model.decoder.absolute_position,
        "start_token": [float(value) for value in configuration.start_token],
        "temperature_mode": configuration.temperature_mode,
        "drop_first_point": configuration.drop_first_point,
        "simplification": configuration.simplification,
        "latent_prior": configuration.latent_prior,
        "canvas": configuration.canvas,
        "num_parameters": model.count_params(),
    }
