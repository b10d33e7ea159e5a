"""Sketch-RNN (arXiv 1704.03477) for TensorFlow 2 and Keras 3.

    import sketch_rnn_tf
    sketcher = sketch_rnn_tf.load_model("runs/sheep")
    drawings = sketcher.generate(9, temperature=0.4, seed=0)

Public names are loaded when they are first used: importing the package does not import
TensorFlow, and `sketch_rnn_tf.strokes`, `drawing`, `config` and `ondevice` never do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from sketch_rnn_tf import keras_names, requirement

if TYPE_CHECKING:
    from sketch_rnn_tf.commands.inputs import read
    from sketch_rnn_tf.model.sketch_rnn import SketchRNN
    from sketch_rnn_tf.sampling.keras_backend import load_model
    from sketch_rnn_tf.sketcher.sketcher import Sketcher

__version__ = "1.0.0"

_HOMES = {
    "SketchRNN": "sketch_rnn_tf.model.sketch_rnn",
    "Sketcher": "sketch_rnn_tf.sketcher.sketcher",
    "load_model": "sketch_rnn_tf.sampling.keras_backend",
    "read": "sketch_rnn_tf.commands.inputs",  # the one room that knows readers and models
}

__all__ = ["SketchRNN", "Sketcher", "__version__", "load_model", "read"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    try:
        return getattr(importlib.import_module(_HOMES[name]), name)
    except ModuleNotFoundError as error:
        raise requirement.missing(error.name or "", f"sketch_rnn_tf.{name}") from None


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


keras_names.announce()
