"""The model of a command, wherever it is: a run directory, a .tflite file or a server.

Its configuration is there at once, so that a command can refuse what cannot be before TensorFlow
takes its time; `Model.open` gives what draws and scores.
"""

from __future__ import annotations

import contextlib
import difflib
import functools
import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from absl import flags as absl_flags

from sketch_rnn_tf import cli, config, model_paths
from sketch_rnn_tf.errors import UsageError, UserError

SCHEMES = ("grpc://", "grpcs://", "http://", "https://")


class Model(NamedTuple):
    """A model that was found.

    Attributes:
      name: what the user called it.
      config: its run's configuration, as far as it is known.
      open: returns a `Sketcher`.
    """

    name: str
    config: config.RunConfig
    open: Callable[[], Any]


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the flags that say which model."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    text(
        "model", None,
        "run directory or .tflite file; pretrained:kanji comes with the package",
    )  # fmt: skip
    text("server", None, "use a model on a server: grpc://HOST:PORT or http://HOST:PORT")
    text("model_name", "sketch_rnn", "name of the model on the server")
    text("model_version", None, "version on the server, a number or a label; newest if not given")
    text("checkpoint", "best", "weights: best, last or a step")


def check_flags(flags: absl_flags.FlagValues, not_on_servers: tuple[str, ...] = ()) -> None:
    """Finds flags that make no sense where the model is.

    Args:
      flags: the command's.
      not_on_servers: further flags that a server's model has no input for.

    Raises:
      UsageError: there is such a flag, or no model or two.
    """
    if bool(flags.model) == bool(flags.server):
        raise UsageError("one of --model and --server is required")
    if flags.server and not flags.server.startswith(SCHEMES):
        raise UsageError(f"--server is {flags.server}, expected grpc://... or http://...")
    if flags.server:
        _refuse(flags, "--server", "checkpoint", *not_on_servers)
    else:
        _refuse(flags, "--model", "model_name", "model_version")


def _refuse(flags: absl_flags.FlagValues, place: str, *names: str) -> None:
    """Raises UsageError where a flag is given that has no meaning for a model in this place."""
    for name in names:
        if flags[name].value not in (None, flags[name].default):
            raise UsageError(f"--{name} cannot be used with {place}")


def find(
    flags: absl_flags.FlagValues, temperature_mode: str | None = None, *, draws: bool = False
) -> Model:
    """Finds the model; imports nothing that the choice does not need.

    Args:
      flags: the command's.
      temperature_mode: to draw with instead of the model's own.
      draws: whether it is to draw, which is fastest with one thread per operation.

    Raises:
      UserError: there is no such model, or it cannot be reached.
      UsageError: --checkpoint is given for a model that has only one.
    """
    if flags.server:
        cli.quiet_tensorflow()
        from sketch_rnn_tf.serving import server_backend

        wanted = flags.model_version
        which = {"version": int(wanted)} if wanted and wanted.isdecimal() else {"label": wanted}
        sketcher = server_backend.connect(flags.server, flags.model_name, **which)
        return _fixed(flags.server, sketcher, temperature_mode)
    kind, path = model_paths.find(flags.model)
    if kind is model_paths.Kind.TFLITE:
        _refuse(flags, "a .tflite file", "checkpoint")
        from sketch_rnn_tf import ondevice

        on_device = ondevice.open(path, temperature_mode=temperature_mode)
        return Model(flags.model, on_device.config, lambda: on_device)
    if kind is model_paths.Kind.SAVED_MODEL:
        _refuse(flags, "a SavedModel", "checkpoint")
        cli.quiet_tensorflow()
        from sketch_rnn_tf import serving

        return _fixed(flags.model, serving.connect(str(path)), temperature_mode)
    from sketch_rnn_tf import runs

    run = runs.open_run(flags.model)
    run.weights(flags.checkpoint)

    def load() -> Any:
        cli.quiet_tensorflow()
        if draws:
            use_threads()
        import sketch_rnn_tf

        overrides = {"temperature_mode": temperature_mode} if temperature_mode else {}
        return sketch_rnn_tf.load_model(flags.model, flags.checkpoint, **overrides)

    return Model(flags.model, run.config, load)


def _fixed(name: str, sketcher: Any, temperature_mode: str | None) -> Model:
    """Returns an exported graph as a model: its temperature mode is fixed."""
    own = sketcher.config.temperature_mode
    if temperature_mode not in (None, own):
        raise UsageError(
            f"--temperature_mode is {temperature_mode}, but the server's model has {own} only"
        )
    return Model(name, sketcher.config, lambda: sketcher)


def use_threads(parts: int | None = None) -> None:
    """Gives operations that run side by side threads of their own.

    A program that has used TensorFlow before keeps its threads: they cannot be changed any more.

    Args:
      parts: how many of them there are; as many as cores when not given.
    """
    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cores = cores or 1
    parts = max(cores if parts is None else parts, 1)
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_inter_op_parallelism_threads(parts)
        tf.config.threading.set_intra_op_parallelism_threads(max(1, cores // parts))


def classes_of(model: Model, given: Sequence[str]) -> list[str] | None:
    """Returns the classes that --class names, each time: one, several with commas, or all.

    Returns:
      Their names; None where none was named, or all of a model that draws one kind only.

    Raises:
      UserError: the model has no such class, or no classes.
    """
    by_class = model.config.model.class_conditioned
    text = ",".join(given)
    if not given or (text == "all" and not by_class):
        return None
    known = model.config.classes
    if not by_class:
        raise UserError(f"--class {text}: {model.name} is not class-conditioned")
    if text == "all" and "all" not in known:
        return list(known)
    names = [
        name
        for text in given  # a class may have a comma in its name
        for name in ([text] if text in known else map(str.strip, text.split(",")))
    ]
    for name in names:
        if name not in known:
            has = ", ".join(known[:20]) + (", ..." if len(known) > 20 else "")
            near = difflib.get_close_matches(name, known, n=3)
            meant = f" (did you mean {' or '.join(near)}?)" if near else ""
            raise UserError(f"--class: the model has no class {name!r}; it has {has}{meant}")
    return names
