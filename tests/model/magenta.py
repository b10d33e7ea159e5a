"""Models with Magenta's weights, for the tests that hold ours to Magenta's numbers."""

import numpy as np
import tensorflow as tf

from sketch_rnn_tf.interop import magenta_names
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

NAMES = (
    "conditional",
    "conditional_kl_floor",
    "conditional_layer_norm",
    "conditional_hyper",
    "conditional_enc_layer_norm",
    "conditional_enc_hyper",
    "decoder_only_lstm",
)


def model_of(numbers, prefix="W/", **changes) -> SketchRNN:
    """Returns a model with the weights of a vector file (Magenta's numerics unless changed)."""
    kinds = dict(word.split("=") for word in str(numbers["meta"]).split() if "=" in word)
    conditional = kinds["conditional"] == "True"
    sizes = {"recurrent_dropout": 0.0, "hyper_units": 6, "hyper_embedding": 4}
    arguments = {
        "max_length": 24,
        "conditional": conditional,
        "z_size": 8,
        "num_mixtures": 3,
        "encoder": {"units": 7, "cell": kinds["enc"], **sizes} if conditional else None,
        "decoder": {"units": 12, "cell": kinds["dec"], **sizes},
        "kl_tolerance": float(numbers["kl_tolerance"]) if conditional else 0.0,
        "reference_numerics": True,
        **changes,
    }
    model = SketchRNN(**arguments)
    weights = {
        name.removeprefix(prefix): value
        for name, value in numbers.items()
        if name.startswith(prefix)
    }
    magenta_names.assign(model, weights)
    return model


def batch_of(numbers) -> dict[str, tf.Tensor]:
    """Returns the batch of a vector file."""
    return {
        "strokes": tf.constant(numbers["x"][:, 1:]),
        "lengths": tf.constant(numbers["seq_len"]),
    }


def outputs_of(model, numbers) -> dict[str, tf.Tensor]:
    """Returns what `call` gives, with the file's noise in place of a seed's."""
    batch = batch_of(numbers)
    outputs = {}
    if model.conditional:
        z_mean, z_log_var = model.encode(batch["strokes"], batch["lengths"])
        z = z_mean + tf.exp(z_log_var / 2) * numbers["eps"]
        outputs = {"z_mean": z_mean, "z_log_var": z_log_var, "z": z}
    raw = model.decoder(
        model.decoder_inputs(batch["strokes"]), context=model.context(outputs.get("z"))
    )
    return {**outputs, "raw": raw}


def relative_error(found, expected) -> float:
    """Returns max|a - b| / max|b| over a tensor."""
    expected = np.asarray(expected, np.float64)
    return float(np.abs(np.asarray(found, np.float64) - expected).max() / np.abs(expected).max())
