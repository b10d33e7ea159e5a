"""Computes the losses of a split: the paper's and Magenta's, masked and unmasked.

sketch-rnn-evaluate --model runs/sheep --data_dir data/sheep --split test
"""

from __future__ import annotations

import functools
import sys

from absl import flags as absl_flags

from sketch_rnn_tf import cli

NAME = "sketch-rnn-evaluate"


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    text("model", None, "run directory, or pretrained:kanji")
    text("checkpoint", "best", "weights: best, last or a step")
    text("data_dir", None, "folder made by sketch-rnn-prepare")
    absl_flags.DEFINE_enum(
        "split", "test", ["train", "valid", "test"], "what to evaluate", flag_values=flags
    )
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    number("batch_size", 100, "sketches at once", lower_bound=1)
    number("seed", 0, "of the sampled latent vectors", -(2**31), 2**31 - 1)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "model", "data_dir")
    from sketch_rnn_tf import runs
    from sketch_rnn_tf.data import dataset

    run = runs.open_run(flags.model)
    info = dataset.read_info(flags.data_dir)
    cli.quiet_tensorflow()
    from sketch_rnn_tf import evaluation

    values = evaluation.evaluate(
        run.load_model(flags.checkpoint),
        flags.data_dir,
        flags.split,
        scale_factor=run.config.scale_factor,
        kl_weight=run.config.training.kl_weight,
        batch_size=flags.batch_size,
        seed=flags.seed,
        drop_first_point=run.config.drop_first_point,
        info=info,
    )
    if flags.json:
        cli.print_json(values)
        return
    for name, value in values.items():
        if run.config.model.conditional or not _is_of_latents(name):
            print(f"{name:40s}{value:.4f}" if isinstance(value, float) else f"{name:40s}{value}")


def _is_of_latents(name: str) -> bool:
    """Whether a number says nothing of a decoder alone."""
    return name.startswith("kl_") or name.endswith("_sampled_z") or name == "active_latents"


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
