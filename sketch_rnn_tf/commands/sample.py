"""Draws with a trained model.

sketch-rnn-sample --model runs/kanji --num 25 --temperature 0.4 --seed 0 --output kanji.svg
"""

from __future__ import annotations

import functools
import sys

from absl import flags as absl_flags

from sketch_rnn_tf import cli

NAME = "sketch-rnn-sample"


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    text("model", None, "run directory")
    text("checkpoint", "best", "weights: best, last or a step")
    absl_flags.DEFINE_enum("task", "generate", ["generate"], "what to draw", flag_values=flags)
    number("num", 16, "how many sketches", lower_bound=1)
    absl_flags.DEFINE_float(
        "temperature", 0.4, "above 0; low is careful, 1 is as learnt", flag_values=flags
    )
    number("seed", 0, "the same seed draws the same sketches")
    text("class", None, "class to draw, for class-conditioned models")
    absl_flags.DEFINE_bool("greedy", False, "always the likeliest point", flag_values=flags)
    absl_flags.DEFINE_multi_string(
        "output", [], "file to write: .svg, .png, .gif, .json or .npz; may be repeated",
        flag_values=flags,
    )  # fmt: skip
    absl_flags.DEFINE_bool("overwrite", False, "replace existing files", flag_values=flags)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "model", "output")
    from sketch_rnn_tf import drawing

    for path in flags.output:
        drawing.check_suffix(path)
        cli.refuse_existing(path, flags.overwrite)
    cli.quiet_tensorflow()
    from sketch_rnn_tf import api

    sketcher = api.load_model(flags.model, flags.checkpoint)
    sketches = sketcher.generate(
        flags.num,
        temperature=flags.temperature,
        seed=flags.seed,
        label=flags["class"].value,
        greedy=flags.greedy,
    )
    for path in flags.output:
        drawing.save(path, sketches)
    _report(flags, sketches)


def _report(flags, sketches) -> None:
    ended = sum(sketch.ended for sketch in sketches)
    cli.say(f"{ended} of {len(sketches)} sketches ended by themselves")
    if flags.json:
        cli.print_json({"output": list(flags.output), "num": len(sketches), "ended": ended})
        return
    for path in flags.output:
        print(path)


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
