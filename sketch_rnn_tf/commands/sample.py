"""Draws with a trained model.

  sketch-rnn-sample --model pretrained:kanji --num 25 --output kanji.svg
  sketch-rnn-sample --model runs/kanji --num 25 --temperature 0.4 --seed 0 --output kanji.svg
  sketch-rnn-sample --model runs/kanji --num 6 --temperature 0.1,0.4,0.8 --output ladder.png
  sketch-rnn-sample --model runs/pets --class fish,house --num 8 --smooth --output pets.svg
  sketch-rnn-sample --model runs/pets --class all --output 'pet_{i}.svg'
  sketch-rnn-sample --model runs/sheep --task reconstruct --input sheep.npz --index 0-5 --output -
  sketch-rnn-sample --model runs/kanji --task complete --input begun.svg --num 4 --output done.svg
  sketch-rnn-sample --model runs/sheep --task interpolate --input sheep.npz --index 0,5 --output -
  sketch-rnn-sample --model runs/sheep --task analogy --from a.npz --minus b.npz --plus c.npz ...
  sketch-rnn-sample --model runs/sheep --task explore --input sheep.npz --output strips.svg
  sketch-rnn-sample --model litert/model.tflite --num 9 --output drawn.svg
  sketch-rnn-sample --server http://localhost:8501 --model_name kanji --num 9 --output drawn.svg

--output - writes SVG to stdout; .json and .npz hold the numbers; {i} in the name gives every
drawing a file of its own. With the same flags a run, its exported .tflite file and a server draw
the same.

A beginning (--task complete) keeps its size: the canvas of an SVG, its width and height or its
viewBox, becomes the canvas of the training data. --units chooses another size.
"""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli, stderr
from sketch_rnn_tf.commands import input_flags, opening, sizes
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-sample"
TASKS = ("generate", "reconstruct", "complete", "interpolate", "analogy", "explore")
_NEEDS_INPUT = ("reconstruct", "complete", "interpolate", "explore")
_NEEDS_ENCODER = ("reconstruct", "interpolate", "analogy", "explore")
_OWN_CLASSES = ("reconstruct", "complete")  # whose drawings have classes of their own
_ONLY_FOR = {  # flags that mean nothing to the other tasks
    **dict.fromkeys(("input", "index"), _NEEDS_INPUT),
    **dict.fromkeys(("split", "units", "paper", "keep_all"), (*_NEEDS_INPUT, "analogy")),
    **dict.fromkeys(("points", "pen"), ("complete",)),
    **dict.fromkeys(("from", "minus", "plus"), ("analogy",)),
    "num": ("generate", "complete", "analogy"),
    "prior": ("generate",),
    "sample_z": ("reconstruct", "complete"),
    "steps": ("interpolate", "explore"),
    "interpolation": ("interpolate",),
    **dict.fromkeys(("directions", "span"), ("explore",)),
    "keep_empty": tuple(task for task in TASKS if task != "complete"),
}
_DEFAULT_NUM = {"generate": 16, "complete": 3, "analogy": 1}
_MOST = 1_000_000  # drawings of one command
_PARTS = ("pen", "mixture", "offset")
_AT_ONCE = 500  # drawings between two looks at the progress
# What an exported graph has no input for.
_NOT_ON_SERVERS = ("greedy", "sample_z", *(f"{part}_temperature" for part in _PARTS))


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    from sketch_rnn_tf.commands import outputs

    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    switch = functools.partial(absl_flags.DEFINE_bool, flag_values=flags)
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    real = functools.partial(absl_flags.DEFINE_float, flag_values=flags)
    choice = functools.partial(absl_flags.DEFINE_enum, flag_values=flags)
    opening.define_flags(flags)
    choice("task", "generate", TASKS, "what to draw")

    input_flags.define_flags(flags)
    text("units", None, "size of coordinates in SVG and JSON: whole (stretched as in training), fit"
         " (their canvas is the model's), source (the model's units), or the side of their canvas;"
         " fit for a beginning, whole otherwise")  # fmt: skip
    number("points", None, "complete: give this many points of each drawing", lower_bound=1)
    choice("pen", None, ["up", "down"], "complete: the pen after the last given point; as in the"
           " file when not given")  # fmt: skip
    for name, meaning in (("from", "start at"), ("minus", "take away"), ("plus", "add")):
        text(name, None, f"analogy: drawings to {meaning}")

    number("num", None, "how many drawings: generate 16 (of each class and temperature), complete 3"
           " of each beginning, analogy 1", lower_bound=1, upper_bound=_MOST)  # fmt: skip
    text("temperature", "0.4", "above 0; low is careful, 1 is as learned; several make a row each")
    for part in _PARTS:
        real(f"{part}_temperature", None, f"temperature of the {part} alone")
    text("temperature_mode", None, "paper, magenta or javascript; the run's own when not given")
    choice("prior", None, ["fitted", "normal"], "generate: z from a Gaussian per class that was"
           " fitted to the training drawings, or N(0, 1); fitted where there is one")  # fmt: skip
    number("seed", 0, "the same seed draws the same sketches")
    absl_flags.DEFINE_multi_string(
        "class", [], "class to draw, for class-conditioned models; several, such as fish,house, or"
        " all make a row each; may be repeated", flag_values=flags,
    )  # fmt: skip
    switch("greedy", False, "always the likeliest point")
    switch("keep_empty", False, "keep drawings that ended with fewer than two points, which are"
           " drawn again otherwise")  # fmt: skip
    switch("sample_z", False, "draw z from the encoder's distribution instead of taking its mean")
    number("max_points", None, "longest drawing; the model's own when not given",
           lower_bound=1, upper_bound=1_000_000)  # fmt: skip
    number("steps", None, "interpolate: drawings per row, 10; explore: drawings per strip, 7")
    choice("interpolation", "spherical", ["spherical", "linear"], "the way between")
    number("directions", 4, "explore: how many principal directions", lower_bound=1)
    real("span", 2.0, "explore: standard deviations")

    absl_flags.DEFINE_multi_string(
        "output", [], "file to write: .svg, .png, .gif, .json or .npz, or - for SVG on stdout; may"
        " be repeated; {i} in the name: one file per drawing", flag_values=flags,
    )  # fmt: skip
    outputs.define_flags(flags)
    switch("overwrite", False, "replace existing files")
    switch("json", False, "print one JSON object on stdout")


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    from sketch_rnn_tf.commands import outputs

    check(flags)
    temperatures = temperatures_of(flags)
    model = opening.find(flags, flags.temperature_mode, draws=True)
    if flags.prior == "fitted" and model.config.latent_prior is None:
        raise UsageError(f"{model.name}: has no fitted prior, so --prior normal is all it has")
    classes = _checked_classes(flags, model, len(temperatures))
    given = _given_drawings(flags, model)
    if flags.task in _OWN_CLASSES:
        _own_classes(model, classes, given[0])
    elif classes is None and given:
        classes = _class_of_all(model, [one for part in given for one in part])
    sketcher = model.open()
    if flags.prior == "normal" and sketcher.config.latent_prior is not None:
        sketcher = sketcher.with_settings(latent_prior=None)
    common = {"seed": flags.seed, "greedy": flags.greedy, "max_points": flags.max_points}
    if flags.task != "complete":  # which keeps what was given
        common["keep_empty"] = flags.keep_empty
    # Many new drawings show how far they are, so that they are quiet in parts.
    with contextlib.nullcontext() if flags.task == "generate" else stderr.quiet():
        draw = _DRAWERS[flags.task]
        drawn, picture = draw(sketcher, flags, temperatures, classes, given, common)
    written = outputs.write(flags.output, drawn, picture, outputs.options(flags), flags.overwrite)
    _report(flags, drawn, written, sketcher.conditional)


def check(flags: absl_flags.FlagValues) -> None:
    """Finds what is wrong with the command line before anything is loaded."""
    from sketch_rnn_tf import config
    from sketch_rnn_tf.commands import outputs

    opening.check_flags(flags, _NOT_ON_SERVERS)
    needed = ["input"] if flags.task in _NEEDS_INPUT else []
    cli.require(flags, *(["from", "minus", "plus"] if flags.task == "analogy" else needed))
    cli.require(flags, "output")
    for name, tasks in _ONLY_FOR.items():
        if flags[name].present and flags.task not in tasks:
            raise UsageError(f"--{name} is for --task {' or '.join(tasks)} only")
    if outputs.STDOUT in flags.output and flags.json:
        raise UsageError("--json and --output - both write to stdout: choose one")
    mode = flags.temperature_mode
    if mode is not None and mode not in config.TEMPERATURE_MODES:
        known = ", ".join(config.TEMPERATURE_MODES)
        raise UsageError(f"there is no temperature mode {mode!r}; there are {known}")
    input_flags.indices(flags)
    if flags.units is not None:
        try:
            sizes.scale_of(flags.units, 1.0, config.RunConfig(1.0, 1))
        except UserError as error:
            raise UsageError(f"--units: {error}") from None
    outputs.check(flags.output, flags.overwrite)


def temperatures_of(flags: absl_flags.FlagValues) -> list[Any]:
    """Returns the temperatures to draw with, one after the other."""
    try:
        values = [float(word) for word in flags.temperature.split(",")]
    except ValueError:
        message = f"--temperature is {flags.temperature!r}, expected numbers such as 0.4"
        raise UsageError(message) from None
    parts = {part: flags[f"{part}_temperature"].value for part in _PARTS}
    named = [("temperature", value) for value in values]
    named += [(f"{part}_temperature", own) for part, own in parts.items() if own is not None]
    for name, value in named:
        if not 0 < value < float("inf"):
            raise UsageError(f"--{name} is {value:g}, expected a finite number above 0")
    if flags.task != "generate" and len(values) > 1:
        raise UsageError("several temperatures make sense with --task generate only")
    if all(own is None for own in parts.values()):
        return values
    return [
        {part: value if own is None else own for part, own in parts.items()} for value in values
    ]


def _checked_classes(flags, model: opening.Model, rows: int) -> list[str] | None:
    """Finds what the model cannot do, and returns the classes that were named."""
    from sketch_rnn_tf.commands import outputs

    if flags.task in _NEEDS_ENCODER and not model.config.model.conditional:
        raise UserError(
            f"{model.name}: --task {flags.task} needs a model with an encoder, and this one is a"
            " decoder alone: it can generate and complete. A model that was trained with"
            " conditional=true, as --preset auto does, can do all"
        )
    classes = opening.classes_of(model, flags["class"].value)
    if classes is None:
        if flags.task == "generate" and _has_several_classes(model):
            known = ", ".join(model.config.classes)
            raise UserError(f"the model draws by class: --class all, or some of {known}")
    elif len(classes) > 1 and flags.task != "generate":
        raise UserError("--class: several classes make sense with --task generate only")
    if flags.task == "generate":
        count = (flags.num or _DEFAULT_NUM["generate"]) * rows * len(classes or "1")
        pictures = [path for path in flags.output if path != outputs.STDOUT and "{i" not in path]
        outputs.check_picture(pictures, count, outputs.options(flags))
    return classes


def _given_drawings(flags, model: opening.Model) -> list[list]:
    """Returns the drawings of --input, or of --from, --minus and --plus, which have points."""
    names = {"generate": (), "analogy": ("from", "minus", "plus")}.get(flags.task, ("input",))
    begun = flags.task == "complete" and flags.points is None
    units = flags.units or (sizes.FIT if begun else sizes.WHOLE)
    options = {"units": units, "indices": input_flags.indices(flags), **input_flags.reading(flags)}
    sets = []
    for name in names:
        from sketch_rnn_tf.commands import inputs  # whose packages a device may lack

        drawings = inputs.load(flags[name].value, model.config, **options)
        for one in drawings:
            if not len(one.strokes):
                raise UserError(f"{one.where}: has no points")
        sets.append(drawings)
    if sets:
        _check_count(flags, model, sets[0])
    return sets


def _check_count(flags, model: opening.Model, drawings: list) -> None:
    """Finds too many or too few drawings for a task, and beginnings that are too long."""
    count = len(drawings)
    if flags.task == "interpolate" and count not in (2, 4):
        raise UserError(f"--task interpolate needs 2 or 4 drawings: --index 0,5 (received {count})")
    if flags.task == "explore" and count <= flags.directions:
        raise UserError(
            f"--task explore needs more drawings than --directions: received {count} for"
            f" {flags.directions} directions"
        )
    if flags.task == "complete":
        limit = flags.max_points or model.config.max_length
        for one in drawings:
            length = len(one.strokes[: flags.points])
            if length > limit:
                raise UserError(
                    f"{one.where}: has {length} points, more than the {limit} allowed"
                    " (--max_points)"
                )


def _strokes(drawings: Sequence[Any]) -> list:
    return [one.strokes for one in drawings]


def _own_classes(model: Any, classes, drawings):
    """Returns the class that was named, else the drawings' own where the model wants classes."""
    if classes or not model.config.model.class_conditioned:
        return classes[0] if classes else None
    for one in drawings:
        if one.label not in model.config.classes:
            raise UserError(
                f"{one.where}: the model has no class {one.label!r}: name one with --class, of"
                f" {', '.join(model.config.classes)}"
            )
    return [one.label for one in drawings]


def _has_several_classes(model: Any) -> bool:
    return model.config.model.class_conditioned and len(model.config.classes) > 1


def _class_of_all(model: Any, drawings) -> list[str] | None:
    """Returns the class of all drawings, alone, where the model has several; else None."""
    if not _has_several_classes(model):
        return None
    found = sorted(set(_own_classes(model, None, drawings)))
    if len(found) > 1:
        names = ", ".join(found)
        raise UserError(f"the drawings are of several classes: name one with --class, of {names}")
    return found


def _generate(sketcher, flags, temperatures, classes, given, common):
    from sketch_rnn_tf import drawing

    num = flags.num or _DEFAULT_NUM["generate"]
    words = flags.temperature.split(",")
    rows, titles = [], []
    for name in classes or [None]:
        for word, temperature in zip(words, temperatures, strict=True):
            rows.append(_drawn(sketcher, num, {**common, "temperature": temperature}, name))
            titles.append(" ".join([*([name] if name else []), *([word] * (len(words) > 1))]))
    drawn = drawing.Sketches(sketch for row in rows for sketch in row)
    if len(rows) == 1:
        return drawn, drawn
    if flags.columns:  # the rows of the picture are not those of the classes
        count = -(-num // flags.columns) * flags.columns
        padded = [[*row, *[None] * (count - num)] for row in rows]
        below = [title if i == 0 else "" for title in titles for i in range(count // flags.columns)]
        cells = [sketch for row in padded for sketch in row]
        return drawn, drawing.Sketches(cells, columns=flags.columns, row_titles=below)
    return drawn, drawing.Sketches(drawn, columns=num, row_titles=titles)


def _drawn(sketcher, num: int, common: dict[str, Any], label: str | None) -> list:
    """Draws so many sketches, which a seed gives alone as in any batch, and shows the progress."""
    if num <= _AT_ONCE:
        with stderr.quiet():
            return sketcher.generate(num, label=label, **common)
    from sketch_rnn_tf import progress

    found, seed = [], common["seed"]
    with progress.Progress("drawing", num) as shown:
        for first in range(0, num, _AT_ONCE):
            numbers = range(first, min(first + _AT_ONCE, num))
            seeds = [[seed, i] for i in numbers]
            with stderr.quiet():
                found += sketcher.generate(len(seeds), label=label, **{**common, "seed": seeds})
            shown.update(len(seeds), f"{len(found):,} drawings")
    return found


def _reconstruct(sketcher, flags, temperatures, classes, given, common):
    from sketch_rnn_tf import drawing

    strokes = _strokes(given[0])
    label = _own_classes(sketcher, classes, given[0])
    drawn = sketcher.reconstruct(
        strokes, label=label, temperature=temperatures[0], sample_z=flags.sample_z, **common
    )
    pairs = [sketch for pair in zip(strokes, drawn, strict=True) for sketch in pair]
    across = max(round((len(strokes) / 2) ** 0.5), 1)
    captions = ["given", "drawn again"] * len(strokes)
    return drawn, drawing.Sketches(pairs, columns=2 * across, captions=captions)


def _complete(sketcher, flags, temperatures, classes, given, common):
    begun = []
    for one in given[0]:
        rows = one.strokes[: flags.points].copy()
        if flags.pen is not None:
            rows[-1, 2] = flags.pen == "up"
        begun.append(rows)
    extra = {"sample_z": True} if flags.sample_z else {}
    drawn = sketcher.complete(
        begun,
        flags.num or _DEFAULT_NUM["complete"],
        label=_own_classes(sketcher, classes, given[0]),
        temperature=temperatures[0],
        **common,
        **extra,
    )
    return drawn, drawn


def _interpolate(sketcher, flags, temperatures, classes, given, common):
    drawn = sketcher.interpolate(
        _strokes(given[0]),
        flags.steps or 10,
        interpolation=flags.interpolation,
        label=classes[0] if classes else None,
        temperature=temperatures[0],
        **common,
    )
    return drawn, drawn


def _analogy(sketcher, flags, temperatures, classes, given, common):
    from sketch_rnn_tf import drawing

    label = classes[0] if classes else None
    drawn = sketcher.analogy(
        *map(_strokes, given),
        flags.num or _DEFAULT_NUM["analogy"],
        label=label,
        temperature=temperatures[0],
        **common,
    )
    captions = [
        name + (f" ({len(part)} drawings)" if len(part) > 1 else "")
        for name, part in zip(("from", "minus", "plus"), given, strict=True)
    ]
    cells = [*(part[0].strokes for part in given), *drawn]
    captions += ["result"] * len(drawn)
    return drawn, drawing.Sketches(cells, columns=min(len(cells), 8), captions=captions)


def _explore(sketcher, flags, temperatures, classes, given, common):
    drawn = sketcher.explore(
        _strokes(given[0]),
        flags.directions,
        flags.steps or 7,
        span=flags.span,
        label=classes[0] if classes else None,
        temperature=temperatures[0],
        **common,
    )
    return drawn, drawn


_DRAWERS = {
    "generate": _generate,
    "reconstruct": _reconstruct,
    "complete": _complete,
    "interpolate": _interpolate,
    "analogy": _analogy,
    "explore": _explore,
}


def _report(flags, drawn, written: list[str], conditional: bool) -> None:
    """Says how the drawings came out, and prints the files."""
    ended = sum(sketch.ended for sketch in drawn)
    empty = sum(sketch.is_empty for sketch in drawn)
    logging.info("%d of %d sketches ended by themselves", ended, len(drawn))
    if empty:
        logging.info("%d of %d are empty: they ended with fewer than two points", empty, len(drawn))
    same = flags.task == "complete" or (flags.task == "generate" and not conditional)
    if flags.greedy and same and flags.num and flags.num > 1:
        logging.info(
            "--greedy takes the likeliest point each time: all %d are the same%s", flags.num,
            " for one beginning" if flags.task == "complete" else "",
        )  # fmt: skip
    if flags.json:
        report = {"output": list(flags.output), "num": len(drawn), "ended": ended, "empty": empty}
        cli.print_json({**report, "files": written})
        return
    for path in written:
        print(path)


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
