"""What a run resumes from: weights, optimiser, step and best cost, one folder a step."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Callable

import keras
import numpy as np

from sketch_rnn_tf import files, runs
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

MODEL, OPTIMIZER, STATE = "model.keras", "optimizer.npz", "state.json"


@dataclasses.dataclass
class State:
    """Where training stands beside weights and optimiser.

    Attributes:
      step: optimiser steps done; also the position in the stream of batches.
      best_cost: lowest validation cost so far, None before the first evaluation.
      best_step: its step.
      seconds: time spent training so far.
    """

    step: int = 0
    best_cost: float | None = None
    best_step: int | None = None
    seconds: float = 0.0


def save(
    run: runs.Run, model: SketchRNN, optimizer: keras.optimizers.Optimizer, state: State, keep: int
) -> None:
    """Writes a checkpoint and `last.keras`, then removes all but the newest `keep`.

    The folder is written beside and renamed: it is whole or not there.
    """
    with files.atomic_directory(run.checkpoint_path(state.step), overwrite=True) as folder:
        model.save(folder / MODEL)
        np.savez(folder / OPTIMIZER, **_optimizer_values(optimizer))
        checksums = {name: files.sha256_of_file(folder / name) for name in (MODEL, OPTIMIZER)}
        files.write_json(folder / STATE, {**dataclasses.asdict(state), "sha256": checksums})
    copy_weights(run.checkpoint_path(state.step) / MODEL, run.path / runs.LAST)
    for step, folder in list(run.checkpoints().items())[:-keep]:
        if step != state.step:
            shutil.rmtree(folder, ignore_errors=True)


def copy_weights(source, target) -> None:
    """Copies a `.keras` file so that the target is whole at any moment."""
    with files.atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def restore(
    run: runs.Run,
    model: SketchRNN,
    optimizer: keras.optimizers.Optimizer,
    warn: Callable[[str], None],
) -> State:
    """Puts model and optimiser back to the newest checkpoint that is undamaged.

    Args:
      run: the run.
      model: takes the weights.
      optimizer: takes its variables; it has to be built.
      warn: is told of every checkpoint that is passed over.

    Returns:
      The state of that checkpoint; a new one where there is none.
    """
    for step, folder in reversed(run.checkpoints().items()):
        try:
            return _restore_from(folder, model, optimizer)
        except (ValueError, OSError, KeyError) as error:
            warn(f"checkpoint of step {step} is damaged, trying the one before ({error})")
    return State()


def _restore_from(folder, model, optimizer) -> State:
    content = files.read_json(folder / STATE)
    for name, checksum in content.pop("sha256").items():
        if files.sha256_of_file(folder / name) != checksum:
            raise ValueError(f"{folder / name}: differs from its checksum")
    saved = runs.load_keras(folder / MODEL)
    with np.load(folder / OPTIMIZER, allow_pickle=False) as values:
        for variable, name in zip(optimizer.variables, _optimizer_values(optimizer), strict=True):
            variable.assign(values[name])
    model.set_weights(saved.get_weights())
    return State(**content)


def _optimizer_values(optimizer) -> dict[str, np.ndarray]:
    """Returns {position and path: value} of the optimiser's variables, in their order."""
    return {
        f"{i:04d}_{variable.path.replace('/', '.')}": variable.numpy()
        for i, variable in enumerate(optimizer.variables)
    }
