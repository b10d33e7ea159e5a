"""Opening a run directory for training: made new, or the same run again, and nobody else in it."""

from __future__ import annotations

import contextlib
import dataclasses
import pathlib
import shutil
from collections.abc import Iterator

import filelock
from absl import logging

from sketch_rnn_tf import config, files, pretrained, runs
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError

LOCK = ".lock"
# What may change when a run is resumed. Nothing that it has computed depends on it,
# except that a cosine schedule of the learning rate is stretched to new `train_steps`.
FREE_KEYS = (
    "versions",
    "preset",
    "latent_prior",
    "training.fit_prior",
    "training.train_steps",
    "training.evaluate_every",
    "training.keep_checkpoints",
    "training.early_stopping_patience",
    "training.early_stopping_cooldown",
    "training.max_bad_steps",
)


def describe(
    info: dataset.DatasetInfo,
    data_dir: files.PathLike,
    model: config.ModelConfig,
    training: config.TrainingConfig,
    preset: str | None = None,
    initial: runs.Run | None = None,
) -> config.RunConfig:
    """Returns the configuration of a new run on a data set.

    Args:
      info: the data set's description.
      data_dir: the data set.
      model: what to train.
      training: how.
      preset: name of the preset the configuration came from.
      initial: run whose weights this one starts from. Its units stay: the weights expect its scale
        factor and start token.

    Raises:
      UserError: the configuration cannot be meant, or the initial run does not fit.
    """
    config.check(model, training)
    new = config.RunConfig(
        scale_factor=info.scale_factor,
        max_length=info.max_length,
        classes=tuple(info.classes),
        simplification=info.simplification,
        canvas=info.canvas,
        data_fingerprint=dataset.fingerprint(data_dir),
        preset=preset,
        versions=runs.versions(),
        model=model,
        training=training,
    )
    return new if initial is None else _with_units_of(initial, new)


def _with_units_of(initial: runs.Run, new: config.RunConfig) -> config.RunConfig:
    old = initial.config
    if None not in (old.simplification, new.simplification) and (
        old.simplification.get("epsilon") != new.simplification.get("epsilon")
    ):
        name = pretrained.called(initial.path)
        logging.warning(
            "%s was trained on drawings simplified as %s, the data set is as %s:"
            " sketch-rnn-prepare --like %s makes it alike",
            *(name, old.simplification, new.simplification, name),
        )
    kept = {
        name: getattr(old, name)
        for name in ("scale_factor", "start_token", "temperature_mode", "drop_first_point")
    }
    return dataclasses.replace(
        new, **kept, initial_weights=files.sha256_of_file(initial.weights("best"))
    )


def refuse_pretrained(run_dir: files.PathLike) -> None:
    """Raises UserError where a run directory is the name of a pretrained model."""
    if pretrained.is_name(run_dir):
        raise UserError(f"{run_dir}: is for reading only; --init_from {run_dir} starts from it")


@contextlib.contextmanager
def locked(run_dir: files.PathLike) -> Iterator[None]:
    """Keeps other processes out of a run directory, which is made if it is not there.

    The lock belongs to the process: it is gone when that ends, however it ends.

    Raises:
      UserError: another process trains this run.
    """
    path = pathlib.Path(run_dir)
    lock = filelock.FileLock(path / LOCK, blocking=False)
    try:
        path.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout:
        raise UserError(f"{run_dir}: another process is training this run") from None
    except OSError as error:
        raise UserError(
            f"{run_dir}: cannot be written ({error.strerror or error}); a run needs a directory"
            " that it can write to"
        ) from error
    try:
        yield
    finally:
        lock.release()


def open_or_create(
    run_dir: files.PathLike,
    wanted: config.RunConfig,
    overwrite: bool = False,
) -> runs.Run:
    """Makes the run, or opens it when it is the same one; hold the lock.

    Args:
      run_dir: the run directory.
      wanted: its configuration.
      overwrite: remove an old run first.

    Raises:
      UserError: the directory holds a run of another configuration or data that has weights, and
        the message names the key; or one of more steps; or something that is no run.
    """
    path = pathlib.Path(run_dir)
    _remove_leftovers(path)
    there = _content(path)
    if there and overwrite:
        _remove_run(path, there)
        there = []
    elif there and not _has_weights(path):
        (path / runs.CONFIG).unlink()  # a run that ended before its first checkpoint binds nobody
        there = []
    if not there:
        return runs.create(path, wanted)
    return _same_run(runs.open_run(path), wanted)


def refuse(
    run_dir: files.PathLike,
    model: config.ModelConfig,
    preset: str | None = None,
    overwrite: bool = False,
) -> None:
    """Finds at once, without a lock, that a model cannot be trained in a directory.

    Raises:
      UserError: it is a model that comes with the package, or holds something that is no run, or
        a run of another model that has weights.
    """
    refuse_pretrained(run_dir)
    path = pathlib.Path(run_dir)
    if not path.is_dir() or all(entry.name.startswith(".") for entry in path.iterdir()):
        return
    _content(path)
    if not overwrite and _has_weights(path):
        _refuse_other(runs.open_run(path), {"model": config.to_json(model)}, preset)


def _content(path: pathlib.Path) -> list[pathlib.Path]:
    """Returns what is in a run directory; raises UserError where it is none."""
    there = [entry for entry in path.iterdir() if entry.name != LOCK]
    if there and not (path / runs.CONFIG).exists():
        raise UserError(f"{path}: is not empty and no run directory; it is left alone")
    return there


def _refuse_other(run: runs.Run, wanted: dict, preset: str | None) -> None:
    """Raises UserError where a run has another configuration than these parts of one."""
    old = config.to_json(run.config)
    difference = first_difference({key: old[key] for key in wanted}, wanted)
    if difference:
        begun = run.config.preset
        other = f"; it was begun with --preset {begun}" if begun and begun != preset else ""
        raise UserError(
            f"{run.path}: holds a run with another {difference}{other}; take another directory or"
            " --overwrite"
        )


def _has_weights(path: pathlib.Path) -> bool:
    """Whether anything would be lost with a run: it was trained up to a checkpoint, or imported."""
    if (path / runs.BEST).exists() or (path / runs.LAST).exists():
        return True
    return bool(runs.open_run(path).checkpoints())


def _same_run(run: runs.Run, wanted: config.RunConfig) -> runs.Run:
    _refuse_other(run, config.to_json(wanted), wanted.preset)
    changed = [
        name for name, now in wanted.versions.items() if run.config.versions.get(name) != now
    ]
    if changed:
        logging.warning(
            "%s: was begun with another version of %s; it goes on, but not bit for bit",
            *(run.path, ", ".join(changed)),
        )
    before, now = run.config.training, wanted.training
    done = max(run.checkpoints(), default=0)
    if done > now.train_steps:
        raise UserError(
            f"{run.path}: has {done} steps already, more than the {now.train_steps} wanted; take"
            f" --train_steps={done} or more, or another directory"
        )
    if now.learning_rate_schedule == "cosine" and before.train_steps != now.train_steps:
        logging.warning(
            "%s: the learning rate's cosine ends with train_steps %d instead of %d, so that the"
            " rate jumps here",
            *(run.path, now.train_steps, before.train_steps),
        )
    same = dataclasses.replace(run.config, training=wanted.training)
    if same != run.config:
        files.write_json(run.path / runs.CONFIG, config.to_json(same))
    return runs.Run(run.path, same)


def first_difference(old: dict, new: dict, prefix: str = "") -> str | None:
    """Names the first key in which configurations differ, with both values; None: they do not."""
    for key in {**old, **new}:
        name, before, now = f"{prefix}{key}", old.get(key), new.get(key)
        if name in FREE_KEYS or before == now:
            continue
        if isinstance(before, dict) and isinstance(now, dict):
            inner = first_difference(before, now, f"{name}.")
            if inner:
                return inner
        else:
            return f"{name} ({before}, now {now})"
    return None


def _remove_run(path: pathlib.Path, entries: list[pathlib.Path]) -> None:
    """Removes a run except for its lock; the configuration goes last, so that it stays a run."""
    for entry in entries:
        if entry.is_dir():
            shutil.rmtree(entry)
        elif entry.name != runs.CONFIG:
            entry.unlink()
    (path / runs.CONFIG).unlink()


def _remove_leftovers(path: pathlib.Path) -> None:
    """Removes what a killed process had begun to write; such names begin with a dot."""
    for name in (runs.CONFIG, runs.BEST, runs.LAST, runs.METRICS, runs.REPORT):
        stem, suffix = name.rsplit(".", 1)
        for leftover in path.glob(f".{stem}.*.{suffix}"):
            leftover.unlink()
    for leftover in (path / runs.CHECKPOINTS).glob(".step-*"):
        shutil.rmtree(leftover, ignore_errors=True)
