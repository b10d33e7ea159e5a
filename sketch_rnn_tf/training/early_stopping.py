"""Early stopping: where a run ends whose validation cost falls no more.

A schedule that falls over the whole run brings much of its gain at its end. A run that only ended
in the middle would throw that away; so it goes back to its best checkpoint, and the learning rate
falls from there to its end in a share of the steps that the best one took.
"""

from __future__ import annotations

from sketch_rnn_tf import config
from sketch_rnn_tf.training.checkpoints import State


def end(state: State, training: config.TrainingConfig) -> int:
    """Returns the step at which a run ends as things stand."""
    steps = training.train_steps
    return steps if state.end_step is None else min(steps, state.end_step)


def is_out_of_patience(state: State, training: config.TrainingConfig) -> bool:
    """Whether the validation cost has not fallen for too long, and nothing was done about it."""
    patience = training.early_stopping_patience
    return state.end_step is None and 0 < patience <= state.evaluations_since_best


def cooldown_steps(state: State, training: config.TrainingConfig) -> int:
    """Returns in how many steps the learning rate falls to its end; 0: the run ends at once."""
    if state.best_step is None:
        return 0
    wanted = round(training.early_stopping_cooldown * state.best_step)
    return min(wanted, training.train_steps - state.step)


def kept_step(state: State, training: config.TrainingConfig) -> int | None:
    """Returns the checkpoint that a run may go back to; None where there is none."""
    waits = training.early_stopping_patience and state.end_step is None
    return state.best_step if waits and training.early_stopping_cooldown else None


def end_in(steps: int, state: State, optimizer_step: int) -> None:
    """Ends a run early, after so many steps in which the learning rate falls."""
    state.end_step = state.step + steps
    state.cooldown_begin, state.cooldown_steps = (optimizer_step, steps) if steps else (None, 0)


def forget(state: State) -> None:
    """Lets a run that ended early go on to its last step."""
    state.end_step, state.cooldown_begin, state.cooldown_steps = None, None, 0
