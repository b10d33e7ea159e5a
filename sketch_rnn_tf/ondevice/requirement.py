"""The one package beside NumPy that running `.tflite` files needs, imported on use."""

from __future__ import annotations

import importlib
from types import ModuleType

from sketch_rnn_tf.errors import UserError

MISSING = (
    "running .tflite files needs the package ai-edge-litert: pip install 'sketch-rnn-tf[litert]'"
)


def ai_edge_litert(module: str) -> ModuleType:
    """Returns a module of `ai_edge_litert`.

    Raises:
      UserError: the package is not installed.
    """
    try:
        return importlib.import_module(f"ai_edge_litert.{module}")
    except ImportError:
        raise UserError(MISSING) from None


def schema() -> ModuleType:
    """Returns LiteRT's classes for the tables of a `.tflite` file.

    Raises:
      UserError: the package is not installed.
    """
    return ai_edge_litert("schema_py_generated")
