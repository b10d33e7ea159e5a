"""A run directory to pass on: its configuration, and its best weights in half the bytes.

DIR/run/config.json
DIR/run/best.keras   stored in float16; loading gives float32, as of any run
DIR/run/MODEL.md     the run's card, where it has one
"""

from __future__ import annotations

import io
import pathlib
import shutil
import zipfile

import h5py
import numpy as np

from sketch_rnn_tf import files, runs
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

FOLDER = "run"
_WEIGHTS = "model.weights.h5"  # Keras's name for them inside of a .keras file


def write(
    run: runs.Run, model: SketchRNN, output_dir: pathlib.Path, *, overwrite: bool = False
) -> pathlib.Path:
    """Writes a run directory that holds nothing but a configuration and weights in float16.

    Args:
      run: the run; its configuration is copied.
      model: the model with the weights to write.
      output_dir: where the folder `run` is made.
      overwrite: replace an existing folder.

    Returns:
      The folder.

    Raises:
      UserError: it exists already, or a weight is not a finite float16.
    """
    folder = pathlib.Path(output_dir) / FOLDER
    with files.atomic_directory(folder, overwrite) as temporary:
        written = runs.create(temporary, run.config)
        path = written.path / runs.BEST
        model.save(path)
        with zipfile.ZipFile(path) as archive:
            parts = {name: archive.read(name) for name in archive.namelist()}
        parts[_WEIGHTS] = _halved(parts[_WEIGHTS])
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        if (run.path / runs.MODEL_CARD).is_file():
            shutil.copy(run.path / runs.MODEL_CARD, temporary)
    return folder


def _halved(data: bytes) -> bytes:
    """Returns an HDF5 file with its float32 data sets in float16; all else stays."""
    stream = io.BytesIO()
    with h5py.File(io.BytesIO(data)) as old, h5py.File(stream, "w") as new:

        def copy(name: str, item: h5py.Group | h5py.Dataset) -> None:
            if isinstance(item, h5py.Dataset):
                values = item[()]
                if values.dtype == np.float32:
                    if not np.abs(values).max(initial=0) <= np.finfo(np.float16).max:
                        raise UserError(
                            "a weight is non-finite or too large for float16: choose another"
                            " --format"
                        )
                    values = values.astype(np.float16)
                new[name] = values
            else:
                new.require_group(name)
            new[name].attrs.update(item.attrs)

        old.visititems(copy)
    return stream.getvalue()
