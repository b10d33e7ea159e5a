"""A run directory: everything that is needed to use a trained or imported model.

RUN/config.json      the whole effective configuration
RUN/best.keras       weights with the lowest validation cost
RUN/last.keras       weights of the last checkpoint
RUN/checkpoints/     what training resumes from, a folder a step
RUN/metrics.jsonl    one object a line
RUN/tensorboard/     the same for TensorBoard
RUN/pictures/        what the model drew at each evaluation
RUN/report.html      how it went, when it has ended
RUN/MODEL.md         what the model is, what it was made from and under which licenses
RUN/bad_batch.npz    where training stopped because losses were no numbers: the batch that did it
"""

from __future__ import annotations

import dataclasses
import json
import math
import os
import pathlib
import re
import zipfile
from typing import Any

from sketch_rnn_tf import __version__, config, files, model_paths
from sketch_rnn_tf.errors import UserError

CONFIG, BEST, LAST = model_paths.CONFIG, model_paths.BEST, "last.keras"
CHECKPOINTS, METRICS, TENSORBOARD, PICTURES = (
    "checkpoints",
    "metrics.jsonl",
    "tensorboard",
    "pictures",
)
REPORT, MODEL_CARD, BAD_BATCH = "report.html", "MODEL.md", "bad_batch.npz"
_STEP = re.compile(r"step-(\d{8,})")


@dataclasses.dataclass(frozen=True)
class Run:
    """A run directory and its configuration."""

    path: pathlib.Path
    config: config.RunConfig

    def checkpoints(self) -> dict[int, pathlib.Path]:
        """Returns {step: folder} of the checkpoints that are there, rising."""
        found = {}
        for folder in (self.path / CHECKPOINTS).glob("step-*"):
            match = _STEP.fullmatch(folder.name)
            if match:
                found[int(match[1])] = folder
        return dict(sorted(found.items()))

    def checkpoint_path(self, step: int) -> pathlib.Path:
        """Returns the folder of a step's checkpoint."""
        return self.path / CHECKPOINTS / f"step-{step:08d}"

    def weights(self, checkpoint: str = "best") -> pathlib.Path:
        """Returns the file of chosen weights.

        Args:
          checkpoint: `best` (the last ones where none are best yet), `last`, or a step.

        Raises:
          UserError: there are no such weights; names the steps that there are.
        """
        if checkpoint == "best" and (self.path / BEST).is_file():
            return self.path / BEST
        if checkpoint in ("best", "last"):
            if (self.path / LAST).is_file():
                return self.path / LAST
            raise UserError(f"{self.path}: has no weights yet; train it first")
        steps = self.checkpoints()
        if not str(checkpoint).isdigit() or int(checkpoint) not in steps:
            there = ", ".join(str(step) for step in steps) or "none"
            raise UserError(
                f"{self.path}: has no checkpoint {checkpoint!r}; there are best, last and the"
                f" steps {there}"
            )
        return steps[int(checkpoint)] / "model.keras"

    def load_model(self, checkpoint: str = "best"):
        """Returns the SketchRNN with chosen weights; see `weights`.

        It computes in float32, as exported files do: mixed precision is a way of training, and
        its rounding would move latent vectors by some thousandths, so drawings by half a unit.

        Raises:
          UserError: the weights are missing or damaged.
        """
        model = load_keras(self.weights(checkpoint))
        from sketch_rnn_tf.model import sketch_rnn

        return sketch_rnn.in_float32(model)


def create(path: files.PathLike, configuration: config.RunConfig) -> Run:
    """Makes a run directory and writes its configuration.

    Raises:
      UserError: the folder holds a run already.
    """
    path = pathlib.Path(path)
    if (path / CONFIG).exists():
        raise UserError(f"{path}: holds a run already")
    files.write_json(path / CONFIG, config.to_json(configuration))
    return Run(path, configuration)


def open_run(path: files.PathLike) -> Run:
    """Opens a run directory.

    Args:
      path: the directory or what leads to it, see `model_paths`, such as `pretrained:NAME`.

    Raises:
      UserError: it leads to none, or its configuration is damaged.
    """
    path = model_paths.run(path)
    content = files.read_json(path / CONFIG)
    found = config.from_json(config.RunConfig, content, str(path / CONFIG))
    if not (math.isfinite(found.scale_factor) and found.scale_factor > 0 and found.max_length > 0):
        raise UserError(
            f"{path / CONFIG}: scale_factor is {found.scale_factor} and max_length"
            f" {found.max_length}, expected numbers above 0"
        )
    return Run(path, found)


def load_keras(path: files.PathLike):
    """Loads a SketchRNN from a `.keras` file.

    Raises:
      UserError: the file is damaged or holds another kind of model.
    """
    import keras

    from sketch_rnn_tf.model.sketch_rnn import SketchRNN

    if not zipfile.is_zipfile(path):  # which Keras calls "not found"
        state = "is damaged or no .keras file" if os.path.exists(path) else "is not there"
        raise UserError(f"{path}: {state}")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # zipfile, h5py and Keras raise a dozen types for a damaged file
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{path}: cannot be loaded ({reason})") from error
    if not isinstance(model, SketchRNN):
        raise UserError(f"{path}: holds a {type(model).__name__}, expected a SketchRNN")
    return model


def versions() -> dict[str, str]:
    """Returns the versions of the packages that decide what a run computes."""
    import importlib.metadata
    import platform

    names = ("tensorflow", "keras", "tensorflow-probability", "numpy")
    found: dict[str, Any] = {"python": platform.python_version()}
    found["sketch-rnn-tf"] = __version__  # of this code, installed or not
    for name in names:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def read_metrics(path: pathlib.Path) -> list[dict[str, Any]]:
    """Returns the lines of a `metrics.jsonl`; one that a crash cut short is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            values = json.loads(line)
        except ValueError:
            continue
        if isinstance(values, dict) and isinstance(values.get("step"), int):
            found.append(values)
    return found
