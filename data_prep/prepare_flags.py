"""The flags of `sketch-rnn-prepare` by what they are about, and what they mean together."""

from __future__ import annotations

import functools
from typing import Any

from absl import flags as absl_flags

from sketch_rnn_tf.errors import UsageError

SPLITS = "90,5,5"


class Definer:
    """Defines flags of each type on one FlagValues."""

    def __init__(self, flags: absl_flags.FlagValues):
        self.text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
        self.texts = functools.partial(absl_flags.DEFINE_multi_string, flag_values=flags)
        self.number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
        self.real = functools.partial(absl_flags.DEFINE_float, flag_values=flags)
        self.switch = functools.partial(absl_flags.DEFINE_bool, flag_values=flags)
        self.choice = functools.partial(absl_flags.DEFINE_enum, flag_values=flags)


def define_files(define: Definer) -> None:
    """Defines where drawings come from and where the data set goes."""
    define.texts(
        "input",
        [],
        "file, folder, pattern, package:kanjivg or npm:NAME; may be repeated",
    )
    define.text("output_dir", None, "folder for the data set")
    define.switch(
        "overwrite", False, "replace what is in --output_dir once the new data set is whole"
    )
    define.text("verify", None, "check the shards of this data set instead of making one")
    define.switch("json", False, "print one JSON object on stdout")


def define_reading(define: Definer) -> None:
    """Defines how files become drawings."""
    define.text(
        "format",
        None,
        "npz, ndjson, quickdraw_bin, svg, json, iconify or csv; default: by content",
    )
    define.text(
        "label", None, "class of all drawings; default: the file's word, folder or file name"
    )
    define.switch(
        "recognized_only", False, "leave out Quick, Draw! drawings the game did not recognize"
    )
    define.choice("on_error", "stop", ["stop", "skip"], "what a broken record does")
    define.switch("trace", False, "read pictures of line art, in place of vector drawings")
    define.real("curve_tolerance", None, "of flattened SVG curves, as a share of the drawing's box")
    define.text(
        "paper", "auto", "color of the paper of SVG pictures, which is not ink; auto or none"
    )
    define.switch(
        "keep_all", False, "take all shapes of SVG pictures that are not hidden, painted or not"
    )
    define.choice(
        "class_from",
        None,
        ["set", "word"],
        "class of icons: their set, or the first word of their name; default: set",
    )


def define_cleaning(define: Definer) -> None:
    """Defines the steps of `conversion.cleaning`."""
    define.switch("clean", False, "take the steps --drop_specks, --drop_doubled and --join_strokes")
    define.switch(
        "drop_specks",
        False,
        "leave out strokes smaller than 1 % of their drawing; a dot (one point) only where it lies"
        " on another stroke or more than 10 % of the drawing outside of all others",
    )
    define.switch(
        "drop_doubled",
        False,
        "leave out strokes that stay within 1.5 % of their drawing's size of other strokes",
    )
    define.switch(
        "join_strokes",
        False,
        "make one stroke of those whose ends are within 2 % of their drawing's size; where more"
        " than two meet, of the two that go on most smoothly",
    )
    define.choice(
        "stroke_order",
        "keep",
        ["keep", "shortest"],
        "shortest: order and turn strokes so that the pen travels little between them",
    )
    define.switch(
        "split_sheets",
        False,
        "make a drawing of each group of strokes on a sheet, with keys KEY#1, KEY#2, ... by rows",
    )
    define.real(
        "sheet_gap",
        None,
        "least gap between drawings of a sheet, as a share of its longer side; default: where the"
        " sheet's own gaps make their largest jump, at least 0.01",
    )


def define_points(define: Definer) -> None:
    """Defines how many points a drawing keeps, and which drawings are kept."""
    define.switch(
        "center", False, "tell where a drawing begins as seen from its middle, in its first row"
    )
    define.number(
        "points_per_drawing",
        None,
        "simplify each drawing to at most this many points; two per stroke always stay",
        lower_bound=2,
    )

    define.real(
        "simplify_epsilon",
        None,
        "simplify in source units, npz and simplified drawings too; 0 keeps every point; when not"
        " given absolute coordinates go through Quick, Draw!'s simplification",
    )
    define.text(
        "like", None, "run or pretrained:NAME to fine-tune: simplify as its training drawings were"
    )
    define.number(
        "target_length",
        None,
        "search the epsilon at which 95 % of drawings have no more points",
        lower_bound=2,
    )
    define.number("min_points", 2, "drop drawings with fewer points")
    define.number("max_seq_len", None, "longest drawing in points; default: no limit")
    define.choice(
        "too_long", "drop", ["drop", "cut"], "what happens to drawings beyond --max_seq_len"
    )
    define.switch("drop_duplicates", False, "keep one of each set of near-duplicates")


def define_shards(define: Definer) -> None:
    """Defines splits, order and size of the shards, and what makes them."""
    define.text(
        "splits",
        SPLITS,
        "shares of train, valid and test, of drawings whose files carry no splits: by a stable hash"
        " of the key; within each class where there are at most 1,000 drawings, of which valid and"
        " test then have a few each",
    )
    define.switch("resplit", False, "split all drawings again, even those whose files carry splits")
    define.number("seed", 0, "of the order of records")
    define.number("shard_mb", 32, "size of a shard", lower_bound=1)
    define.number("workers", None, "processes; default: one per core", lower_bound=1)
    define.choice("engine", "local", ["local", "beam"], "what runs the conversion")
    define.text(
        "runner", "DirectRunner", "of --engine beam; flags unknown here, as --name=value, go to it"
    )


def check(flags: absl_flags.FlagValues) -> None:
    """Refuses flags that contradict each other or that others leave without effect.

    Raises:
      UsageError: names the flags.
    """
    if flags["runner"].present and flags.engine != "beam":
        raise UsageError("--runner is for --engine beam")
    if flags["too_long"].present and flags.max_seq_len is None:
        raise UsageError("--too_long needs --max_seq_len")
    ways = ("simplify_epsilon", "target_length", "like")
    given = [f"--{name}" for name in ways if flags[name].value is not None]
    if len(given) > 1:
        raise UsageError(f"give either {' or '.join(given)}")
    if flags.points_per_drawing is not None and flags.target_length is not None:
        raise UsageError("give either --points_per_drawing or --target_length")
    if flags.sheet_gap is not None and not flags.split_sheets:
        raise UsageError("--sheet_gap needs --split_sheets")
    if flags.trace and flags.format not in (None, "picture"):
        raise UsageError(f"--trace reads pictures, --format {flags.format} does not")


def reading(flags: absl_flags.FlagValues) -> dict[str, Any]:
    """Returns the fields of `readers.Options` that were given."""
    found = given(
        flags,
        *("format", "label", "recognized_only", "on_error"),
        *("curve_tolerance", "paper", "keep_all", "class_from"),
    )
    return {**found, "format": "picture"} if flags.trace else found


def cleaning(flags: absl_flags.FlagValues) -> dict[str, Any]:
    """Returns the steps that are wanted; `--clean` is three of them unless they are refused."""
    steps = given(flags, "split_sheets", "sheet_gap", "stroke_order")
    for name in ("drop_specks", "drop_doubled", "join_strokes"):
        steps[name] = flags[name].value if flags[name].present else flags.clean
    return steps


def given(flags: absl_flags.FlagValues, *names: str) -> dict[str, Any]:
    """Returns {name: value} of those of the flags that have a value."""
    return {name: flags[name].value for name in names if flags[name].value is not None}
