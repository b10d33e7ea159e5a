"""What to install for a package that is missing: one table of extras, one sentence.

What every installation has is light; the rest are extras of this package, see pyproject.toml.
"""

from __future__ import annotations

import importlib
from types import ModuleType

from sketch_rnn_tf.errors import UserError

# {name that is imported: (what people call it, the extra that brings it)}
EXTRAS = {
    **dict.fromkeys(
        ("tensorflow", "keras", "tensorflow_probability", "tf_keras", "tensorboard", "h5py"),
        ("TensorFlow", "tensorflow"),
    ),
    "ai_edge_litert": ("LiteRT", "litert"),
    **dict.fromkeys(("grpc", "tensorflow_serving"), ("tensorflow-serving-api", "serving")),
    **dict.fromkeys(("skimage", "scipy"), ("scikit-image", "trace")),
    "apache_beam": ("Apache Beam", "beam"),
    "kanjivg": ("the package kanjivg", "kanjivg"),
    "onnx": ("the package onnx", "onnx"),
}
# What comes with every installation that was not told to leave its dependencies out.
BASE = {
    **{name: name for name in ("cssselect2", "defusedxml", "filelock", "numpy", "orjson")},
    **{name: name for name in ("pooch", "tinycss2", "tqdm")},
    "absl": "absl-py",
    "google_crc32c": "google-crc32c",
    "PIL": "pillow",
}
_ADVICE = {
    "tensorflow": " (without it: .tflite models, as --model or with sketch_rnn_tf.ondevice.open)",
}


class RequirementError(UserError, ImportError):
    """A package is needed that is not installed; the message has the line that installs it."""


def missing(
    module: str, purpose: str = "this", error: ImportError | None = None
) -> RequirementError:
    """Returns the error for a module that cannot be imported.

    Args:
      module: its dotted name.
      purpose: what needs it, the beginning of the sentence.
      error: what importing it raised: its words are added where it is there and does not work.
    """
    top = module.partition(".")[0]
    what, extra = EXTRAS.get(top, (BASE.get(top, top), ""))
    package = f"'sketch-rnn-tf[{extra}]'" if extra else "sketch-rnn-tf" if top in BASE else top
    broken = error is not None and not isinstance(error, ModuleNotFoundError)
    reason = f" ({' '.join(str(error).split())})" if broken else ""
    return RequirementError(
        f"{purpose} needs {what}{reason}: pip install {package}{_ADVICE.get(extra, '')}"
    )


def load(module: str, purpose: str = "this") -> ModuleType:
    """Imports a module that not every installation has.

    Args:
      module: its dotted name.
      purpose: what needs it, the beginning of the sentence.

    Raises:
      RequirementError: it is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise missing(module, purpose, error) from None
