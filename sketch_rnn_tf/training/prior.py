"""The prior that is fitted at the end of a training, see `latent_prior`."""

from __future__ import annotations

import dataclasses
import itertools

import numpy as np
from absl import logging

from sketch_rnn_tf import config, files, latent_prior, runs
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling.keras_backend import KerasBackend

LIMIT = 10_000  # drawings that are encoded, the first ones of the stored random order


def fit(run: runs.Run, model: SketchRNN, data_dir: files.PathLike) -> runs.Run:
    """Fits a run's prior to the latent vectors of its training drawings.

    The run's configuration keeps it. Training with `fit_prior` ends with this.

    Args:
      run: the run.
      model: its weights.
      data_dir: the data set that it was trained on.

    Returns:
      The run with its new configuration; as it was where its model has no latent vector.

    Raises:
      UserError: the data set cannot be read.
    """
    if not run.config.model.conditional:
        return run
    records = [
        record
        for record in itertools.islice(dataset.read_split(data_dir, "train"), LIMIT)
        if len(record.strokes)
    ]
    labels = np.array([record.label for record in records], np.int32)
    labels = labels if run.config.model.class_conditioned else None
    z = KerasBackend(model, run.config).encode([record.strokes for record in records], labels)
    if len(z) < 2 or not np.isfinite(z).all():
        logging.warning("no prior is fitted: the data set has too few drawings, or z is not finite")
        return run
    prior = latent_prior.fit(z, labels, model.num_classes)
    found = dataclasses.replace(run.config, latent_prior=prior.to_json())
    files.write_json(run.path / runs.CONFIG, config.to_json(found))
    return runs.Run(run.path, found)
