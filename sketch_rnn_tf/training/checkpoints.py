"""What a run resumes from: weights, optimizer, step and best cost, one folder per step."""

from __future__ import annotations

import dataclasses
import shutil

import keras
import numpy as np
from absl import logging

from sketch_rnn_tf import files, runs
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.training import averaging

MODEL, OPTIMIZER, STATE = "model.keras", "optimizer.npz", "state.json"
_DAMAGED = (ValueError, OSError, KeyError, TypeError)  # what reading a damaged checkpoint raises
WEIGHTS = "weights.npz"  # where there is an average, which then is what MODEL holds


@dataclasses.dataclass
class State:
    """Where training stands beside weights and optimizer.

    Attributes:
      step: steps done, skipped ones included; also the position in the stream of batches.
      skipped_steps: how many of them were skipped for loss, gradient or weights not being finite.
      evaluated_step: step of the last evaluation, None before the first.
      best_cost: lowest validation cost so far, None before the first evaluation.
      best_step: its step.
      evaluations_since_best: evaluations that were not better.
      end_step: where early stopping ends the run; None: at its last step.
      cooldown_begin: the optimizer's step at which it let the learning rate fall; None: it did not.
      cooldown_steps: in how many steps.
      seconds: time spent training so far.
    """

    step: int = 0
    skipped_steps: int = 0
    evaluated_step: int | None = None
    best_cost: float | None = None
    best_step: int | None = None
    evaluations_since_best: int = 0
    end_step: int | None = None
    cooldown_begin: int | None = None
    cooldown_steps: int = 0
    seconds: float = 0.0

    def shared(self) -> np.ndarray:
        """Returns what every worker has to know, int64, -1 for None; see `take_shared`."""
        values = (getattr(self, name) for name in _SHARED)
        return np.array([-1 if value is None else value for value in values], np.int64)

    def take_shared(self, values: np.ndarray) -> None:
        """Takes what `shared` of another worker returned."""
        for name, value in zip(_SHARED, values, strict=True):
            setattr(self, name, None if value < 0 else int(value))


_SHARED = ("step", "end_step", "cooldown_begin", "cooldown_steps")


def save(
    run: runs.Run,
    model: SketchRNN,
    optimizer: keras.optimizers.Optimizer,
    state: State,
    keep: int,
    average: averaging.Average | None = None,
    kept_step: int | None = None,
) -> None:
    """Writes a checkpoint, then removes all but the newest `keep` and that of `kept_step`.

    With an average of the weights, the model that is saved is the average.

    The folder is written beside, flushed and renamed: it is whole or not there.

    Raises:
      OSError: the disk is full, or cannot be written for another reason; what was there stays.
    """
    with files.atomic_directory(run.checkpoint_path(state.step), overwrite=True) as folder:
        names = [MODEL, OPTIMIZER]
        if average is not None:
            names.append(WEIGHTS)
            np.savez(
                folder / WEIGHTS, *(variable.numpy() for variable in model.trainable_variables)
            )
        with averaging.in_place(average):
            save_weights(model, folder / MODEL)
        np.savez(folder / OPTIMIZER, **_optimizer_values(optimizer))
        checksums = {name: files.sha256_of_file(folder / name) for name in names}
        files.write_json(folder / STATE, {**dataclasses.asdict(state), "sha256": checksums})
        for name in names:
            files.flush(folder / name)
    for step, folder in list(run.checkpoints().items())[:-keep]:
        if step not in (state.step, kept_step):
            shutil.rmtree(folder, ignore_errors=True)


def save_weights(model: SketchRNN, path) -> None:
    """Writes a `.keras` file; that the disk is full is an OSError, whichever library found out."""
    try:
        model.save(path)
    except (RuntimeError, ValueError) as error:  # what h5py raises when a write fails
        raise OSError(" ".join(str(error).split())[:200]) from error


def copy_weights(source, target) -> None:
    """Copies a `.keras` file so that the target is whole at any moment."""
    with files.atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def restore(
    run: runs.Run,
    model: SketchRNN,
    optimizer: keras.optimizers.Optimizer,
    average: averaging.Average | None = None,
) -> State:
    """Puts model and optimizer back to the newest checkpoint that is undamaged.

    Checkpoints that are newer and damaged are removed: training will write them again.

    Args:
      run: the run.
      model: takes the weights.
      optimizer: takes its variables; it has to be built.
      average: takes the average of the weights, where there is one.

    Returns:
      The state of that checkpoint; a new one where there is none.

    Raises:
      UserError: there are checkpoints, and all of them are damaged.
    """
    there = run.checkpoints()
    for step, folder in reversed(there.items()):
        try:
            state = _restore_from(folder, model, optimizer, average)
        except _DAMAGED as error:
            logging.warning(
                "checkpoint of step %d is damaged, trying the one before (%s)", step, error
            )
            continue
        for newer in (other for other in there if other > step):
            shutil.rmtree(there[newer], ignore_errors=True)
        last = run.path / runs.LAST  # a crash may have come between it and the checkpoint
        if not last.exists() or files.sha256_of_file(last) != files.sha256_of_file(folder / MODEL):
            write_last(run, step)
        return state
    if there:
        raise UserError(f"{run.path}: all checkpoints are damaged; --overwrite starts anew")
    return State()


def go_back(
    run: runs.Run,
    step: int,
    model: SketchRNN,
    optimizer: keras.optimizers.Optimizer,
    average: averaging.Average | None = None,
) -> bool:
    """Puts model and optimizer back to the checkpoint of a step.

    Returns:
      Whether that could be done; it is told why not.
    """
    try:
        _restore_from(run.checkpoint_path(step), model, optimizer, average)
    except _DAMAGED as error:
        logging.warning("there is no going back to the checkpoint of step %d (%s)", step, error)
        return False
    return True


def newest_state(run: runs.Run) -> State:
    """Returns where a run's newest checkpoint stands; a new state where there is none."""
    folders = list(run.checkpoints().values())
    if not folders:
        return State()
    content = files.read_json(folders[-1] / STATE)
    content.pop("sha256", None)
    return State(**content)


def write_last(run: runs.Run, step: int) -> None:
    """Makes `last.keras` the weights of a checkpoint.

    Raises:
      OSError: it cannot be written; what was there stays.
    """
    copy_weights(run.checkpoint_path(step) / MODEL, run.path / runs.LAST)


def _restore_from(folder, model, optimizer, average) -> State:
    content = files.read_json(folder / STATE)
    for name, checksum in content.pop("sha256").items():
        if files.sha256_of_file(folder / name) != checksum:
            raise UserError(f"{folder / name}: differs from its checksum")
    state = State(**content)
    saved = runs.load_keras(folder / MODEL)
    with np.load(folder / OPTIMIZER, allow_pickle=False) as values:
        for variable, name in zip(optimizer.variables, _optimizer_values(optimizer), strict=True):
            variable.assign(values[name])
    model.set_weights(saved.get_weights())
    if average is not None:
        average.restart()
        with np.load(folder / WEIGHTS, allow_pickle=False) as weights:
            for variable, name in zip(model.trainable_variables, weights.files, strict=True):
                variable.assign(weights[name])
    return state


def _optimizer_values(optimizer) -> dict[str, np.ndarray]:
    """Returns {position and path: value} of the optimizer's variables, in their order.

    Without the optimizer's own name, which counts the optimizers of a process.
    """
    return {
        f"{i:04d}_{variable.path.partition('/')[2].replace('/', '.')}": variable.numpy()
        for i, variable in enumerate(optimizer.variables)
    }
