"""Draws with a trained model.

  sketch-rnn-sample --model pretrained:kanji --num 25 --output kanji.svg
  sketch-rnn-sample --model runs/kanji --num 25 --temperature 0.4 --seed 0 --output kanji.svg
  sketch-rnn-sample --model runs/kanji --num 6 --temperature 0.1,0.4,0.8 --output ladder.png
  sketch-rnn-sample --model runs/sheep --task reconstruct --input sheep.npz --index 0,5 --output -
  sketch-rnn-sample --model runs/kanji --task complete --input begun.svg --num 4 --output done.svg
  sketch-rnn-sample --model runs/sheep --task interpolate --input sheep.npz --index 0,5 --output -
  sketch-rnn-sample --model runs/sheep --task analogy --from a.npz --minus b.npz --plus c.npz ...
  sketch-rnn-sample --model runs/sheep --task explore --input sheep.npz --output strips.svg
  sketch-rnn-sample --model litert/model.tflite --num 9 --output drawn.svg
  sketch-rnn-sample --server http://localhost:8501 --model_name kanji --num 9 --output drawn.svg

--output - writes SVG to stdout; .json and .npz hold the numbers. With the same flags a run, its
exported .tflite file and a server draw the same.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from typing import Any

from absl import flags as absl_flags

from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-sample"
TASKS = ("generate", "reconstruct", "complete", "interpolate", "analogy", "explore")
_NEEDS_INPUT = ("reconstruct", "complete", "interpolate", "explore")
_ONLY_FOR = {  # flags that mean nothing to the other tasks
    **dict.fromkeys(("input", "index"), _NEEDS_INPUT),
    **dict.fromkeys(("split", "paper", "keep_all"), (*_NEEDS_INPUT, "analogy")),
    **dict.fromkeys(("points", "pen"), ("complete",)),
    **dict.fromkeys(("from", "minus", "plus"), ("analogy",)),
    "num": ("generate", "complete", "analogy"),
    "sample_z": ("reconstruct", "complete"),
    "steps": ("interpolate", "explore"),
    "interpolation": ("interpolate",),
    **dict.fromkeys(("directions", "span"), ("explore",)),
}
_DEFAULT_NUM = {"generate": 16, "complete": 3}
STDOUT = "-"
_NOT_ON_SERVERS = (
    *("checkpoint", "greedy", "sample_z"),
    *(f"{part}_temperature" for part in ("pen", "mixture", "offset")),
)  # what an exported graph has no input for
_SCHEMES = ("grpc://", "grpcs://", "http://", "https://")


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    switch = functools.partial(absl_flags.DEFINE_bool, flag_values=flags)
    text("model", None, "run directory or .tflite file; pretrained:kanji comes with the package")
    text("server", None, "draw on a server instead: grpc://HOST:PORT or http://HOST:PORT")
    text("model_name", "sketch_rnn", "name of the model on the server")
    text("model_version", None, "version on the server, a number or a label; newest if not given")
    text("checkpoint", "best", "weights: best, last or a step")
    absl_flags.DEFINE_enum("task", "generate", TASKS, "what to draw", flag_values=flags)
    _define_inputs(flags, text)
    _define_drawing(flags, text, switch)
    absl_flags.DEFINE_multi_string(
        "output", [], "file to write: .svg, .png, .gif, .json or .npz, or - for SVG on stdout; may"
        " be repeated", flag_values=flags,
    )  # fmt: skip
    text("title", None, "shown above the picture")
    switch("overwrite", False, "replace existing files")
    switch("json", False, "print one JSON object on stdout")


def _define_inputs(flags, text) -> None:
    text("input", None, "drawings in any format that sketch-rnn-prepare reads, or a prepared set")
    text("index", None, "which drawings of --input, such as 0,5; all when not given")
    text("split", None, "train, valid or test, for inputs that carry splits")
    text("paper", "auto", "color of the paper of SVG pictures, which is not ink; auto or none")
    absl_flags.DEFINE_bool(
        "keep_all",
        False,
        "take all shapes of SVG pictures that are not hidden, painted or not",
        flag_values=flags,
    )
    absl_flags.DEFINE_integer(
        "points", None, "complete: give this many points of each drawing", 1, flag_values=flags
    )
    absl_flags.DEFINE_enum(
        "pen", None, ["up", "down"], "complete: the pen after the last given point; as in the file"
        " when not given", flag_values=flags,
    )  # fmt: skip
    for name, meaning in (("from", "start at"), ("minus", "take away"), ("plus", "add")):
        text(name, None, f"analogy: drawings to {meaning}")


def _define_drawing(flags, text, switch) -> None:
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    number("num", None, "how many drawings; complete: of each beginning", lower_bound=1)
    text("temperature", "0.4", "above 0; low is careful, 1 is as learnt; several make a row each")
    for part in ("pen", "mixture", "offset"):
        absl_flags.DEFINE_float(
            f"{part}_temperature", None, f"temperature of the {part} alone", flag_values=flags
        )
    text("temperature_mode", None, "paper, magenta or javascript; the run's own when not given")
    number("seed", 0, "the same seed draws the same sketches")
    text("class", None, "class to draw, for class-conditioned models")
    switch("greedy", False, "always the likeliest point")
    switch("sample_z", False, "draw z from the encoder's distribution instead of taking its mean")
    number(
        "max_points", None, "longest drawing; the model's own when not given",
        lower_bound=1, upper_bound=1_000_000,
    )  # fmt: skip
    number("steps", None, "interpolate: drawings a row (10); explore: drawings a strip (7)")
    absl_flags.DEFINE_enum(
        "interpolation", "spherical", ["spherical", "linear"], "the way between", flag_values=flags
    )
    number("directions", 4, "explore: how many principal directions", lower_bound=1)
    absl_flags.DEFINE_float("span", 2.0, "explore: standard deviations", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    _check(flags)
    temperatures = _temperatures(flags)
    with cli.quiet():
        sketcher = open_sketcher(flags)
        drawn, picture = _TASKS[flags.task](sketcher, flags, temperatures)
    _write(flags, drawn, picture)
    _report(flags, drawn)


def open_sketcher(flags: absl_flags.FlagValues) -> Any:
    """Returns the Sketcher; nothing is imported that its backend does not need."""
    if flags.server:
        return _connect(flags)
    if flags.model.endswith(".tflite"):
        from sketch_rnn_tf import ondevice

        return ondevice.open(flags.model, temperature_mode=flags.temperature_mode)
    from sketch_rnn_tf import runs

    runs.open_run(flags.model)  # before TensorFlow takes its time
    cli.quiet_tensorflow()
    _use_threads()
    from sketch_rnn_tf.sampling import keras_backend

    overrides = {"temperature_mode": flags.temperature_mode} if flags.temperature_mode else {}
    return keras_backend.load_model(flags.model, flags.checkpoint, **overrides)


def _connect(flags: absl_flags.FlagValues) -> Any:
    from sketch_rnn_tf.serving import server_backend

    version = flags.model_version
    which = {"version": int(version)} if version and version.isdecimal() else {"label": version}
    sketcher = server_backend.connect(flags.server, flags.model_name, **which)
    own = sketcher.config.temperature_mode
    if flags.temperature_mode not in (None, own):
        raise UsageError(
            f"--temperature_mode is {flags.temperature_mode}, but the server's model has {own} only"
        )
    return sketcher


def _use_threads() -> None:
    """One thread an operation, and as many batches side by side as there are cores."""
    import os

    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(cores or 1)


def _check(flags: absl_flags.FlagValues) -> None:
    """Finds what is wrong with the command line before anything is loaded."""
    from sketch_rnn_tf import config
    from sketch_rnn_tf.commands import outputs

    _check_place(flags)
    needed = ["input"] if flags.task in _NEEDS_INPUT else []
    cli.require(flags, *(["from", "minus", "plus"] if flags.task == "analogy" else needed))
    cli.require(flags, "output")
    for name, tasks in _ONLY_FOR.items():
        if flags[name].present and flags.task not in tasks:
            raise UsageError(f"--{name} is for --task {' or '.join(tasks)} only")
    if STDOUT in flags.output and flags.json:
        raise UsageError("--json and --output - both write to stdout: choose one")
    mode = flags.temperature_mode
    if mode is not None and mode not in config.TEMPERATURE_MODES:
        known = ", ".join(config.TEMPERATURE_MODES)
        raise UsageError(f"there is no temperature mode {mode!r}; there are {known}")
    outputs.check([path for path in flags.output if path != STDOUT], flags.overwrite)


def _check_place(flags: absl_flags.FlagValues) -> None:
    """Finds flags that make no sense where the model is."""
    if bool(flags.model) == bool(flags.server):
        raise UsageError("one of --model and --server is required")
    if flags.server and not flags.server.startswith(_SCHEMES):
        raise UsageError(f"--server is {flags.server}, expected grpc://... or http://...")
    place, refused = "--model", ("model_name", "model_version")
    if flags.server:
        place, refused = "--server", _NOT_ON_SERVERS
    elif flags.model.endswith(".tflite"):
        place, refused = "a .tflite file", (*refused, "checkpoint")
    for name in refused:
        if flags[name].value not in (None, flags[name].default):
            raise UsageError(f"--{name} cannot be used with {place}")


def _temperatures(flags: absl_flags.FlagValues) -> list[Any]:
    """Returns the temperatures to draw with, one after the other."""
    try:
        values = [float(word) for word in flags.temperature.split(",")]
    except ValueError:
        message = f"--temperature is {flags.temperature!r}, expected numbers such as 0.4"
        raise UsageError(message) from None
    parts = {part: flags[f"{part}_temperature"].value for part in ("pen", "mixture", "offset")}
    for value in (*values, *(value for value in parts.values() if value is not None)):
        if not 0 < value < float("inf"):
            raise UsageError(f"temperature is {value}, expected a finite number above 0")
    if flags.task != "generate" and len(values) > 1:
        raise UsageError("several temperatures make sense with --task generate only")
    if all(value is None for value in parts.values()):
        return values
    return [
        {part: value if own is None else own for part, own in parts.items()} for value in values
    ]


def _common(flags, temperature) -> dict[str, Any]:
    """Returns the keyword arguments that every verb takes."""
    return {
        "temperature": temperature,
        "seed": flags.seed,
        "label": flags["class"].value,
        "greedy": flags.greedy,
        "max_points": flags.max_points,
    }


def _inputs(sketcher, flags, path=None) -> list:
    """Returns the drawings of --input (or another flag), which have points."""
    from sketch_rnn_tf.commands import inputs

    indices = None
    if path is None and flags.index is not None:
        try:
            indices = [int(word) for word in flags.index.split(",")]
        except ValueError:
            message = f"--index is {flags.index!r}, expected numbers such as 0,5"
            raise UsageError(message) from None
    drawings = inputs.load(
        path or flags.input,
        sketcher.config,
        indices=indices,
        split=flags.split,
        paper=flags.paper,
        keep_all=flags.keep_all,
    )
    for given in drawings:
        if not len(given.strokes):
            raise UserError(f"{given.where}: has no points")
    return drawings


def _strokes(drawings) -> list:
    return [drawing.strokes for drawing in drawings]


@contextlib.contextmanager
def _named(drawings):
    """Names file and record of a drawing that a verb cannot use."""
    from sketch_rnn_tf.sketcher import arguments

    try:
        yield
    except arguments.SketchError as error:
        raise UserError(f"{drawings[error.index].where}: {error.problem}") from None


def _labelled(sketcher, common: dict[str, Any], drawings) -> dict[str, Any]:
    """Adds the drawings' own classes where the model wants classes and none was named."""
    if not sketcher.config.model.class_conditioned or common["label"] is not None:
        return common
    return {**common, "label": [drawing.label for drawing in drawings]}


def _generate(sketcher, flags, temperatures):
    from sketch_rnn_tf import drawing

    num = flags.num or _DEFAULT_NUM["generate"]
    rows = [sketcher.generate(num, **_common(flags, value)) for value in temperatures]
    drawn = drawing.Sketches(sketch for row in rows for sketch in row)
    if len(rows) == 1:
        return drawn, drawn
    titles = flags.temperature.split(",")
    return drawn, drawing.Sketches(drawn, columns=num, row_titles=titles)


def _reconstruct(sketcher, flags, temperatures):
    from sketch_rnn_tf import drawing

    drawings = _inputs(sketcher, flags)
    given = _strokes(drawings)
    common = _labelled(sketcher, _common(flags, temperatures[0]), drawings)
    drawn = sketcher.reconstruct(given, **common, sample_z=flags.sample_z)
    pairs = [sketch for pair in zip(given, drawn, strict=True) for sketch in pair]
    across = max(round((len(given) / 2) ** 0.5), 1)
    captions = ["given", "drawn again"] * len(given)
    return drawn, drawing.Sketches(pairs, columns=2 * across, captions=captions)


def _complete(sketcher, flags, temperatures):
    drawings = _inputs(sketcher, flags)
    begun = [_cut(rows, flags.points, flags.pen) for rows in _strokes(drawings)]
    common = _labelled(sketcher, _common(flags, temperatures[0]), drawings)
    extra = {"sample_z": True} if flags.sample_z else {}
    num = flags.num or _DEFAULT_NUM["complete"]
    with _named(drawings):
        drawn = sketcher.complete(begun, num, **common, **extra)
    return drawn, drawn


def _cut(rows, points: int | None, pen: str | None):
    """Returns the beginning of a drawing, with the pen as it is to be at the cut."""
    rows = rows[:points].copy()
    if pen is not None:
        rows[-1, 2] = pen == "up"
    return rows


def _interpolate(sketcher, flags, temperatures):
    given = _strokes(_inputs(sketcher, flags))
    drawn = sketcher.interpolate(
        given,
        flags.steps or 10,
        interpolation=flags.interpolation,
        **_common(flags, temperatures[0]),
    )
    return drawn, drawn


def _analogy(sketcher, flags, temperatures):
    from sketch_rnn_tf import drawing

    names = ("from", "minus", "plus")
    sets = [_strokes(_inputs(sketcher, flags, flags[name].value)) for name in names]
    drawn = sketcher.analogy(*sets, flags.num or 1, **_common(flags, temperatures[0]))
    counts = [f" ({len(part)} drawings)" if len(part) > 1 else "" for part in sets]
    captions = [sign + count for sign, count in zip(names, counts, strict=True)]
    cells = [*(part[0] for part in sets), *drawn]
    captions += ["result"] * len(drawn)
    return drawn, drawing.Sketches(cells, columns=min(len(cells), 8), captions=captions)


def _explore(sketcher, flags, temperatures):
    given = _strokes(_inputs(sketcher, flags))
    drawn = sketcher.explore(
        given,
        flags.directions,
        flags.steps or 7,
        span=flags.span,
        **_common(flags, temperatures[0]),
    )
    return drawn, drawn


_TASKS = {
    "generate": _generate,
    "reconstruct": _reconstruct,
    "complete": _complete,
    "interpolate": _interpolate,
    "analogy": _analogy,
    "explore": _explore,
}


def _write(flags, drawn, picture) -> None:
    """Writes numbers of what was drawn, and pictures of it beside what was given."""
    from sketch_rnn_tf import drawing

    options = {"title": flags.title} if flags.title else {}
    for path in flags.output:
        if path == STDOUT:
            sys.stdout.write(drawing.grid(picture, **options))
        elif drawing.check_suffix(path) in (".json", ".npz"):
            drawing.save(path, drawn)
        else:
            drawing.save(path, picture, **options)


def _report(flags, drawn) -> None:
    ended = sum(sketch.ended for sketch in drawn)
    cli.say(f"{ended} of {len(drawn)} sketches ended by themselves")
    if flags.json:
        cli.print_json({"output": list(flags.output), "num": len(drawn), "ended": ended})
        return
    for path in flags.output:
        if path != STDOUT:
            print(path)


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
