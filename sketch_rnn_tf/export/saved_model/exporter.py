"""A run as a SavedModel, with the files that TensorFlow Serving needs beside it.

DIR/saved_model/N/    the model, N the next free version number
DIR/serving/          configuration files and a README for the server

The model is written beside and renamed, so a watching server never sees half of one.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import re

import keras

from sketch_rnn_tf import config, files, runs
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.saved_model import deployment, signatures, warmup
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

FOLDER, BESIDE = "saved_model", "serving"
ASSETS = "assets"


def write(
    run: runs.Run, model: SketchRNN, output_dir: files.PathLike, *, overwrite: bool = False
) -> pathlib.Path:
    """Writes a new version of a run's SavedModel and the server's files.

    Args:
      run: the run.
      model: its model.
      output_dir: DIR; versions that are there stay.
      overwrite: whether the server's files in `DIR/serving` may be replaced. They are written when
        they are missing, and kept when they are there and this is false.

    Returns:
      The folder of the new version.

    Raises:
      UserError: the output folder is a file.
    """
    base = pathlib.Path(output_dir) / FOLDER
    if base.exists() and not base.is_dir():
        raise UserError(f"{base}: is a file, expected a folder for the versions of the model")
    made = signatures.Signatures(model, run.config).all()
    with files.scratch_beside(base / "version") as scratch:
        new = scratch / "new"  # with the usual permissions, unlike the scratch folder
        new.mkdir()
        # The archive finds the variables that its endpoints use; `track` would store them twice.
        archive = keras.export.ExportArchive()
        for name, signature in made.items():
            archive.add_endpoint(name, signature.function, input_signature=list(signature.inputs))
        with contextlib.redirect_stdout(io.StringIO()):  # Keras prints every endpoint
            archive.write_out(str(new), verbose=False)
        files.write_json(new / ASSETS / "config.json", config.to_json(run.config))
        files.write_json(new / ASSETS / "classes.json", list(run.config.classes))
        warmup.write(new, made, deployment.MODEL_NAME)
        path = publish(new, base)
    beside = pathlib.Path(output_dir) / BESIDE
    for name, text in deployment.texts(run.config, made).items():
        if overwrite or not (beside / name).exists():
            files.write_text(beside / name, text)
    return path


def next_version(base: pathlib.Path) -> int:
    """Returns the number after the highest version in a folder, 1 where there is none."""
    names = [entry.name for entry in base.iterdir()] if base.is_dir() else []
    return max((int(name) for name in names if re.fullmatch(r"[0-9]{1,18}", name)), default=0) + 1


def publish(new: pathlib.Path, base: pathlib.Path) -> pathlib.Path:
    """Renames a folder to the next version, also when another export takes a number meanwhile."""
    while True:
        path = base / str(next_version(base))
        try:
            return new.rename(path)
        except OSError:
            if not path.exists():
                raise
