"""An imported model as a run directory."""

from __future__ import annotations

import pathlib

from sketch_rnn_tf import config, files, runs
from sketch_rnn_tf.model.sketch_rnn import SketchRNN


def write_run(
    path: files.PathLike,
    configuration: config.RunConfig,
    model: SketchRNN,
    *,
    overwrite: bool = False,
) -> runs.Run:
    """Writes a run with the model as its best and last weights; whole or not at all.

    Raises:
      UserError: the directory exists.
    """
    with files.atomic_directory(path, overwrite) as folder:
        run = runs.create(folder, configuration)
        model.save(run.path / runs.BEST)
        model.save(run.path / runs.LAST)
    return runs.Run(pathlib.Path(path), configuration)
