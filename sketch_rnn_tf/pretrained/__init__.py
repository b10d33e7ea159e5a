"""Trained models that come with the package: `pretrained:NAME` wherever a model is asked for.

pretrained:doodles         doodles of 16 classes, with a latent vector; see doodles/MODEL.md
pretrained:icons           line icons in the manner of six sets, small; see icons/MODEL.md
pretrained:kanji           characters, with a latent vector; see kanji/MODEL.md
pretrained:doodles.tflite  the same models for ai-edge-litert: they draw without TensorFlow
pretrained:icons.tflite
pretrained:kanji.tflite

The folders are run directories like any other; beside each run lies model.bin, by which the page of
sketch-rnn-play needs no TensorFlow. They are for reading only.
"""

from __future__ import annotations

import os
import pathlib

from sketch_rnn_tf.errors import UserError

PREFIX = "pretrained:"
_FOLDER = pathlib.Path(__file__).parent


def names() -> list[str]:
    """Returns what may follow `pretrained:`."""
    entries = (entry for entry in _FOLDER.iterdir() if not entry.name.startswith(("_", ".")))
    return sorted(entry.name for entry in entries if entry.suffix != ".py")


def is_name(path: str | os.PathLike) -> bool:
    """Returns whether a path is the name of a pretrained model, such as `pretrained:kanji`."""
    return str(path).startswith(PREFIX)


def resolve(path: str | os.PathLike) -> pathlib.Path:
    """Returns where a model lies.

    Args:
      path: `pretrained:NAME`, or any path, which is returned as it is.

    Raises:
      UserError: there is no such pretrained model; names the ones there are.
    """
    if not is_name(path):
        return pathlib.Path(path)
    name = str(path).removeprefix(PREFIX)
    if name not in names():
        raise UserError(f"there is no pretrained model {name!r}; there are {', '.join(names())}")
    return _FOLDER / name


def called(path: str | os.PathLike) -> str:
    """Returns what people call a model: `pretrained:NAME` for one that comes with the package."""
    own = pathlib.Path(path)
    return PREFIX + own.name if own.parent == _FOLDER else str(path)
