"""Magenta's hparams, from old command lines and `model_config.json`, as our settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sketch_rnn_tf import config
from sketch_rnn_tf.errors import UserError

# Our settings that mean the same thing.
_NAMES = {
    "num_steps": "training.train_steps",
    "save_every": ("training.evaluate_every", "training.checkpoint_every"),
    "dec_rnn_size": "model.decoder.units",
    "dec_model": "model.decoder.cell",
    "enc_rnn_size": "model.encoder.units",
    "enc_model": "model.encoder.cell",
    "z_size": "model.z_size",
    "num_mixture": "model.num_mixtures",
    "conditional": "model.conditional",
    "kl_weight": "training.kl_weight",
    "kl_weight_start": "training.kl_weight_start",
    "kl_decay_rate": "training.kl_weight_decay",
    "kl_tolerance": "training.kl_tolerance",
    "batch_size": "training.batch_size",
    "grad_clip": "training.gradient_clip",
    "learning_rate": "training.learning_rate",
    "decay_rate": "training.learning_rate_decay",
    "min_learning_rate": "training.min_learning_rate",
    "random_scale_factor": "training.random_scale",
    "augment_stroke_prob": "training.point_dropout",
}
# {switch: (keep probability, what it sets)}: Magenta's are keep probabilities, ours drop rates.
_DROPOUT = {
    "use_recurrent_dropout": (
        "recurrent_dropout_prob",
        ("model.encoder.recurrent_dropout", "model.decoder.recurrent_dropout"),
    ),
    "use_input_dropout": ("input_dropout_prob", ("model.decoder.input_dropout",)),
    "use_output_dropout": ("output_dropout_prob", ("model.decoder.output_dropout",)),
}
_IGNORED = ("data_set", "max_seq_len", "is_training")  # known from --data_dir and the data
_DROPOUT_DEFAULTS = {
    "use_recurrent_dropout": True,
    "use_input_dropout": False,
    "use_output_dropout": False,
}
_KEEP_DEFAULT = 0.9


def to_settings(hparams: Mapping[str, Any]) -> dict[str, Any]:
    """Translates Magenta's hparams to settings for `config.override`.

    Args:
      hparams: Magenta's names; values as text or of their own type.

    Returns:
      Settings by our keys. Keep probabilities have become drop rates.

    Raises:
      UserError: a name that is not among Magenta's hparams.
    """
    settings = {}
    keeps = {switch: keep for switch, (keep, _) in _DROPOUT.items()}
    known = [*_NAMES, *keeps, *keeps.values(), *_IGNORED]
    for name, value in hparams.items():
        if name not in known:
            raise UserError(f"Magenta has no hparam {name!r}{config.nearest(name, known)}")
        targets = _NAMES.get(name, ())
        for target in (targets,) if isinstance(targets, str) else targets:
            settings[target] = value
    for switch, (keep, targets) in _DROPOUT.items():
        if switch in hparams or keep in hparams:
            on = config.converted(switch, hparams.get(switch, _DROPOUT_DEFAULTS[switch]), bool)
            kept = config.converted(keep, hparams.get(keep, _KEEP_DEFAULT), float)
            settings |= dict.fromkeys(targets, round(1.0 - kept, 12) if on else 0.0)
    return settings


def unused(hparams: Mapping[str, Any]) -> list[str]:
    """Returns the hparams that Magenta knows and that change nothing here."""
    return [name for name in hparams if name in _IGNORED]


def names() -> dict[str, str]:
    """Returns {our setting, without `model.` and `training.`: Magenta's name}."""
    found = {}
    for name, targets in _NAMES.items():
        for target in (targets,) if isinstance(targets, str) else targets:
            found[target.partition(".")[2]] = name
    for keep, targets in _DROPOUT.values():
        for target in targets:
            found[target.partition(".")[2]] = f"1 - {keep}"
    return found
