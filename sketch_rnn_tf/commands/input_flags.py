"""The flags that say which drawings a command reads, and how; importing it needs no reader."""

from __future__ import annotations

import functools
from typing import Any

from absl import flags as absl_flags

from sketch_rnn_tf.errors import UsageError, UserError


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    text(
        "input", None,
        "drawings in any format that sketch-rnn-prepare reads, a pattern in quotes such as"
        " 'fish/*.svg', or a prepared data set",
    )  # fmt: skip
    text("index", None, "which drawings of --input, such as 0,5 or 0-5; all when not given")
    text("split", None, "train, valid or test, for inputs that carry splits")
    text("paper", "auto", "color of the paper of SVG pictures, which is not ink; auto or none")
    absl_flags.DEFINE_bool(
        "keep_all", False, "take all shapes of SVG pictures that are not hidden, painted or not",
        flag_values=flags,
    )  # fmt: skip


def reading(flags: absl_flags.FlagValues) -> dict[str, Any]:
    """Returns what these flags mean to `inputs.load`, but for the indices."""
    return {"split": flags.split, "paper": flags.paper, "keep_all": flags.keep_all}


def indices(flags: absl_flags.FlagValues) -> list[int] | None:
    """Returns the indices of --index, None for all.

    Raises:
      UsageError: they are none.
    """
    try:
        return None if flags.index is None else parse_indices(flags.index)
    except UserError as error:
        raise UsageError(f"--index: {error}") from None


def parse_indices(text: str) -> list[int] | None:
    """Returns the indices that a text such as `0,5` or `0-5,9` names; None for `all`.

    Raises:
      UserError: it is none of these.
    """
    if text.strip() == "all":
        return None
    found: list[int] = []
    for word in text.split(","):
        first, dash, last = word.strip().partition("-")
        if not first.isdecimal() or (dash and not last.isdecimal()):
            raise UserError(f"received {text!r}, expected numbers such as 0,5 or 0-5, or all")
        if dash and int(last) < int(first):
            raise UserError(f"received {text!r}, expected rising numbers such as {last}-{first}")
        if dash and int(last) - int(first) >= 1_000_000:
            raise UserError(f"received {text!r}, expected at most a million drawings")
        found += range(int(first), int(last) + 1) if dash else [int(first)]
    return found
