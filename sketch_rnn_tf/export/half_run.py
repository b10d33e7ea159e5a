"""A run directory to pass on: its configuration, and its best weights in half the bytes.

DIR/run/config.json
DIR/run/best.keras   stored in float16; loading gives float32, as of any run
DIR/run/README.md    the run's card, with a head that Hugging Face reads

With `rounded` the matrices hold multiples of 1/256: still float16, but a third smaller in the zip
that a .keras file is. The step is a few times finer than that of 8-bit weights, whose largest may
be 1.5. Vectors and the output layer stay as they are: it gives logarithms of standard deviations,
and where those are small (KanjiVG) rounding it as well cost 0.66 nats per point instead of 0.01.
"""

from __future__ import annotations

import io
import pathlib
import zipfile

import h5py
import numpy as np

from sketch_rnn_tf import card, files, runs
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

FOLDER, CARD = "run", "README.md"
STEPS = {"float16": 0.0, "rounded": 1 / 256}  # of which weights are multiples; 0: of none
_OUTPUT = "output_layer"
_WEIGHTS = "model.weights.h5"  # Keras's name for them inside of a .keras file


def write(
    run: runs.Run,
    model: SketchRNN,
    output_dir: pathlib.Path,
    *,
    precision: str = "float16",
    overwrite: bool = False,
) -> pathlib.Path:
    """Writes a run directory that holds nothing but a configuration and weights in float16.

    Args:
      run: the run; its configuration is copied.
      model: the model with the weights to write.
      output_dir: where the folder `run` is made.
      precision: `float16` or `rounded`.
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
        parts[_WEIGHTS] = _halved(parts[_WEIGHTS], STEPS[precision])
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
            for name, content in parts.items():
                archive.writestr(name, content)
        (temporary / CARD).write_text(_card(run), "utf-8")
    return folder


def _card(run: runs.Run) -> str:
    """Returns the run's own card, or what its configuration tells where it has none."""
    path, name = run.path / runs.MODEL_CARD, run.path.resolve().name
    if path.is_file():
        return card.with_head(path.read_text("utf-8"), name)
    kind = "with a latent vector" if run.config.model.conditional else "a decoder alone"
    classes = f" of {', '.join(run.config.classes[:20])}" if run.config.classes else ""
    return card.with_head(
        f"# {name}\n\nA Sketch-RNN ({kind}){classes}; what it was made from and under which"
        " license is not recorded.\n",
        name,
    )


def _halved(data: bytes, step: float) -> bytes:
    """Returns an HDF5 file with its float32 data sets in float16; all else stays.

    Args:
      data: the file.
      step: weights of matrices become multiples of it; 0 for none.
    """
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
                    if step and values.ndim > 1 and _OUTPUT not in name:
                        values = np.round(values / step) * step
                    values = values.astype(np.float16)
                new[name] = values
            else:
                new.require_group(name)
            new[name].attrs.update(item.attrs)

        old.visititems(copy)
    return stream.getvalue()
