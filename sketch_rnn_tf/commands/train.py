"""Trains Sketch-RNN on a prepared data set, or goes on with a run that was interrupted.

  sketch-rnn-train --data_dir data/sheep --run_dir runs/sheep
  sketch-rnn-train --data_dir data/kanji --run_dir runs/kanji --preset quickstart
  sketch-rnn-train --data_dir data/sheep --run_dir runs/small --set decoder.units=256,z_size=64

The same command goes on where it stopped, with more --train_steps too; SIGTERM and Ctrl-C save
first. --set takes the settings of config.json by name; --hparams takes Magenta's own names, so that
old command lines carry over.
"""

from __future__ import annotations

import functools
import sys

from absl import flags as absl_flags

from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError

NAME = "sketch-rnn-train"


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    text("data_dir", None, "folder made by sketch-rnn-prepare")
    text("run_dir", None, "run directory to make or to go on with")
    text("preset", "magenta", "starting point: magenta, paper, small, mobile, quickstart")
    absl_flags.DEFINE_multi_string(
        "set", [], "key=value of a setting, such as decoder.units=256; repeated, or with commas",
        flag_values=flags,
    )  # fmt: skip
    text("hparams", "", "settings by Magenta's names, such as dec_rnn_size=512,enc_model=lstm")
    number("train_steps", None, "steps in all; a finished run goes on when there are more")
    number("seed", None, "of weights, order, augmentation, dropout and latent noise")
    number("checkpoint_every", None, "steps between checkpoints")
    number("evaluate_every", None, "steps between evaluations of the valid split")
    number(
        "early_stopping_patience", None,
        "end after so many evaluations without a lower validation cost",
    )  # fmt: skip
    text(
        "init_from", None,
        "run, trained, imported or pretrained:kanji, whose weights to start from; its architecture,"
        " scale factor and start token stay",
    )  # fmt: skip
    absl_flags.DEFINE_enum(
        "strategy", "default", ["default", "mirrored", "multi_worker"],
        "one device; all GPUs of this machine; all machines of TF_CONFIG",
        flag_values=flags,
    )  # fmt: skip
    absl_flags.DEFINE_bool(
        "overwrite", False, "start anew: what is in --run_dir is removed first", flag_values=flags
    )
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "data_dir", "run_dir")
    model, training = _configuration(flags)
    from sketch_rnn_tf.data import dataset

    dataset.read_info(flags.data_dir)  # before TensorFlow takes its time
    cli.quiet_tensorflow()
    _use_threads(training.parallel_parts)
    from sketch_rnn_tf.training import trainer

    run = trainer.train(
        flags.data_dir,
        flags.run_dir,
        model,
        training,
        preset=flags.preset,
        init_from=flags.init_from,
        strategy=flags.strategy,
        overwrite=flags.overwrite,
        say=cli.say,
    )
    if not run.path.exists():  # a worker that does not share the chief's disk
        return
    weights = run.weights("best")
    if flags.json:
        cli.print_json({"run_dir": str(run.path), "weights": str(weights)})
    else:
        print(weights)


def _configuration(flags: absl_flags.FlagValues):
    """Returns the effective configuration; a mistake in it is a usage error."""
    from sketch_rnn_tf import config
    from sketch_rnn_tf.interop import magenta_hparams

    model = _initial_model(flags.init_from)
    try:
        start = config.preset(flags.preset)
        settings = magenta_hparams.to_settings(config.parse_settings([flags.hparams]))
        settings |= config.parse_settings(flags.set)
        for name in (
            *("train_steps", "seed", "checkpoint_every", "evaluate_every"),
            "early_stopping_patience",
        ):
            if flags[name].value is not None:
                settings[name] = flags[name].value
        return config.override(model or start.model, start.training, settings)
    except ValueError as error:
        raise UsageError(str(error)) from None


def _initial_model(init_from: str | None):
    """Returns the architecture of the run to start from, if there is one."""
    from sketch_rnn_tf import runs

    return runs.open_run(init_from).config.model if init_from else None


def _use_threads(parts: int) -> None:
    """Gives each part of a batch threads of its own; see TrainingConfig.parallel_parts."""
    import os

    import tensorflow as tf

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    tf.config.threading.set_inter_op_parallelism_threads(max(parts, 1))
    tf.config.threading.set_intra_op_parallelism_threads(max(1, (cores or 1) // max(parts, 1)))


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
