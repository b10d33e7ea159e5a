"""Pictures that commands write: --output of `sample`, `score` and `compare`, and how they look."""

from __future__ import annotations

import functools
import sys
from collections.abc import Iterable
from typing import Any

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli, drawing
from sketch_rnn_tf.errors import UsageError

STDOUT = "-"
LOOKS = ("columns", "size", "stroke_width", "colors", "background", "smooth")


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the flags that say how pictures look."""
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    text("title", None, "shown above the picture")
    number("columns", None, "drawings per row; about a square when not given", lower_bound=1)
    number("size", 128, "side of a drawing's cell in pixels", lower_bound=8, upper_bound=8192)
    absl_flags.DEFINE_float(
        "stroke_width", None, "in pixels; 1.7 for cells of 128, wider in larger ones",
        lower_bound=0, flag_values=flags,
    )  # fmt: skip
    text("colors", None, "strokes: a color per stroke; or colors such as black,#d55e00 in turn")
    text("background", "white", "color behind the drawings, or none")
    absl_flags.DEFINE_bool(
        "smooth", False, "curves through the points instead of straight lines", flag_values=flags
    )


def options(flags: absl_flags.FlagValues) -> dict[str, Any]:
    """Returns the options of `drawing.lay_out` that were given."""
    found = {name: flags[name].value for name in ("title", *LOOKS) if flags[name].present}
    if "colors" in found and found["colors"] != "strokes":
        found["colors"] = found["colors"].split(",")
    if found.get("background") == "none":
        found["background"] = None
    return found


def check(paths: Iterable[str], overwrite: bool) -> None:
    """Finds what cannot be written, before anything is computed.

    Raises:
      UsageError: nothing is written in a file with such a name.
      UserError: a file exists and may not be replaced.
    """
    for path in paths:
        if path == STDOUT:
            continue
        try:
            drawing.check_suffix(path)
        except ValueError as error:
            raise UsageError(f"--output {error}") from None
        cli.refuse_existing(path, overwrite)


def check_picture(paths: Iterable[str], count: int, given: dict[str, Any]) -> None:
    """Raises UserError where so many drawings, with these options, make no picture."""
    for path in paths:
        drawing.check_size(path, count, **given)


def write(
    paths: Iterable[str],
    drawn: drawing.Sketches,
    picture: drawing.Sketches,
    given: dict[str, Any],
    overwrite: bool,
) -> list[str]:
    """Writes what was drawn.

    Args:
      paths: where; `-` is SVG on stdout.
      drawn: for files of numbers, and for paths that give every drawing a file of its own.
      picture: for pictures, what was given beside what was drawn.
      given: options of `drawing.lay_out`.
      overwrite: replace files that exist.

    Returns:
      The files.
    """
    written = []
    for path in paths:
        if path == STDOUT:
            sys.stdout.write(picture.svg(**given))
            continue
        kind = drawing.check_suffix(path)
        single = drawing.is_numbered(path)
        if single and not overwrite:
            for i in range(len(drawn)):
                cli.refuse_existing(drawing.numbered(path, i), overwrite)
        if kind in (".json", ".npz"):
            written += drawn.save(path, overwrite=overwrite)
            continue
        if kind in (".png", ".gif") and not single:
            unknown = drawing.missing_letters(picture.picture(**given))
            if unknown:
                logging.warning(
                    "%s: no font here has the letters %s: their code points are written; the extra"
                    " [cjk] brings Chinese, Japanese and Korean, and .svg needs no font", path,
                    unknown,
                )  # fmt: skip
        written += (drawn if single else picture).save(path, overwrite=overwrite, **given)
    return [str(path) for path in written]
