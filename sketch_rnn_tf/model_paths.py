"""What people give as a model: the run directory or file that is meant, or the path that works.

Besides run directories, `.tflite` files and `pretrained:NAME` people give folders and files around
them: an exported `litert/`, `saved_model/1`, `best.keras`, or just `kanji`.
"""

from __future__ import annotations

import difflib
import enum
import os
import pathlib
import re

from sketch_rnn_tf import pretrained
from sketch_rnn_tf.errors import UserError

CONFIG, BEST = "config.json", "best.keras"  # of a run directory
MODEL_TFLITE, SAVED_MODEL = "model.tflite", "saved_model.pb"
_STEP = re.compile(r"step-0*(\d+)")
_MOST = 5  # paths named in a message


class Kind(enum.Enum):
    """What a path leads to."""

    RUN = "a run directory"
    TFLITE = "a .tflite file"
    SAVED_MODEL = "a SavedModel"


def find(path: str | os.PathLike) -> tuple[Kind, pathlib.Path]:
    """Returns what a path leads to, and where it is.

    Args:
      path: `pretrained:NAME`, a run directory, `RUN/best.keras`, a `.tflite` file or a folder
        `litert` with `model.tflite`, or a SavedModel or the folder of its versions.

    Raises:
      UserError: it leads to no model; names the path or the command that would work.
    """
    found = pathlib.Path(path)
    if pretrained.is_name(path):
        found = pretrained.resolve(path)
    elif not found.exists() and str(path) in pretrained.names():
        found = pretrained.resolve(pretrained.PREFIX + str(path))
    if (found / CONFIG).is_file():
        return Kind.RUN, found
    if found.suffix == ".tflite" and found.is_file():
        return Kind.TFLITE, found
    if (found / MODEL_TFLITE).is_file():
        return Kind.TFLITE, found / MODEL_TFLITE
    if (found / SAVED_MODEL).is_file():
        return Kind.SAVED_MODEL, found
    if found.name in (BEST, CONFIG) and (found.parent / CONFIG).is_file():
        return Kind.RUN, found.parent
    versions = [entry.parent for entry in found.glob(f"*/{SAVED_MODEL}")]
    versions = [folder for folder in versions if folder.name.isdecimal()]
    if versions:
        return Kind.SAVED_MODEL, max(versions, key=lambda folder: int(folder.name))
    raise UserError(f"{path}: {_what_would_work(found)}")


def run(path: str | os.PathLike) -> pathlib.Path:
    """Returns the run directory that a path leads to.

    Raises:
      UserError: it leads to something else; says what to do.
    """
    kind, found = find(path)
    if kind is Kind.TFLITE:
        raise UserError(
            f"{path}: leads to {found.name}, expected a run directory: a .tflite file draws and"
            " scores (sketch_rnn_tf.ondevice.open in Python), but does not evaluate, train or"
            " export"
        )
    if kind is Kind.SAVED_MODEL:
        raise UserError(
            f"{path}: is a SavedModel for TensorFlow Serving, expected a run directory, such as the"
            " one that it was exported from; a served model draws and scores with --server"
        )
    return found


def tflite(path: str | os.PathLike) -> pathlib.Path:
    """Returns the `.tflite` file that a path leads to.

    Raises:
      UserError: it leads to something else; says what to do.
    """
    kind, found = find(path)
    if kind is not Kind.TFLITE:
        raise UserError(
            f"{path}: is {kind.value}, expected a .tflite file: sketch-rnn-export --format litert"
            " makes one"
        )
    return found


def _what_would_work(path: pathlib.Path) -> str:
    """Returns what a path is that leads to no model, and what to give instead."""
    run_dir = next((folder for folder in path.parents if (folder / CONFIG).is_file()), None)
    if not path.exists():
        known = [pretrained.PREFIX + name for name in pretrained.names()]
        near = difflib.get_close_matches(pretrained.PREFIX + path.name, known, n=1, cutoff=0.8)
        in_runs = path.parent / "runs" / path.name
        if (in_runs / CONFIG).is_file():
            near = [str(in_runs)]
        meant = f" (did you mean {near[0]}?)" if near else ""
        return f"there is no such file or folder{meant}; {', '.join(known)} come with this package"
    if run_dir and (step := _STEP.search(str(path.relative_to(run_dir)))):
        return f"is a checkpoint, expected a run directory: {run_dir} and --checkpoint {step[1]}"
    if run_dir and path.suffix == ".keras":
        return f"holds weights only, expected a run directory: {run_dir} and --checkpoint last"
    if path.suffix == ".keras":
        return (
            f"lies in no run directory (there is no {CONFIG} beside it); keras.models.load_model"
            " opens it, and sketch_rnn_tf.Sketcher(model, scale_factor=...) draws with it"
        )
    if (path / "dataset.json").is_file():
        return f"is a data set, expected a run directory: sketch-rnn-train --data_dir {path}"
    if path.name.endswith((".gen.json", ".vae.json")) or any(path.glob("*.index")):
        return f"is to be imported first: sketch-rnn-import --input {path} --output_dir RUN"
    if (path / "model.bin").is_file():
        return (
            "is an export for browsers: sketch-rnn-play --model opens it, and the other commands"
            " take the run directory that it was exported from"
        )
    if (path / "step.onnx").is_file():
        return (
            "is an export for other runtimes; the commands take the run directory that it was"
            " exported from"
        )
    if run_dir:
        return f"is a part of a run directory: give {run_dir}"
    below = [path / "litert" / MODEL_TFLITE, *(entry.parent for entry in path.glob(f"*/{CONFIG}"))]
    there = sorted(str(entry) for entry in below if entry.exists())
    if not there and (models := sorted(path.glob("*.gen.json"))):
        return f"holds models for JavaScript; sketch-rnn-import --input {models[0]} makes one a run"
    hint = f"; there is {', '.join(there[:_MOST])}" if there else ""
    return f"is not a run directory (it holds no {CONFIG}){hint}"
