"""Trains Sketch-RNN on a prepared data set, or goes on with a run that was interrupted.

  sketch-rnn-train --data_dir data/sheep --run_dir runs/sheep
  sketch-rnn-train --data_dir data/mine --run_dir runs/mine --preset auto
  sketch-rnn-train --data_dir data/sheep --run_dir runs/small --set decoder.units=256,z_size=64

The same command goes on where it stopped, with more --train_steps too; SIGTERM and Ctrl-C save
first. --set takes the settings of config.json by name; --hparams takes Magenta's own names, so that
old command lines carry over.
"""

from __future__ import annotations

import dataclasses
import functools
import sys

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli
from sketch_rnn_tf.commands import opening
from sketch_rnn_tf.errors import UsageError

NAME = "sketch-rnn-train"


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    text("data_dir", None, "folder made by sketch-rnn-prepare")
    text("run_dir", None, "run directory to make or to go on with")
    text(
        "preset", "magenta",
        "starting point: magenta, paper, small, mobile, best, quickstart, or auto, which chooses"
        " for the data set and tells why",
    )  # fmt: skip
    absl_flags.DEFINE_multi_string(
        "set", [], "key=value of a setting, such as decoder.units=256; repeated, or with commas",
        flag_values=flags,
    )  # fmt: skip
    text("hparams", "", "settings by Magenta's names, such as dec_rnn_size=512,enc_model=lstm")
    number(
        "train_steps", None,
        "steps in all, the preset's when not given; a finished run goes on when there are more",
    )  # fmt: skip
    number("batch_size", None, "sketches per step, the preset's when not given")
    absl_flags.DEFINE_float(
        "learning_rate", None, "at the first step, the preset's when not given",
        flag_values=flags,
    )  # fmt: skip
    number("seed", None, "of weights, order, augmentation, dropout and latent noise; else 0")
    number("checkpoint_every", None, "steps between checkpoints; else 500")
    number(
        "evaluate_every", None,
        "steps between evaluations of the valid split; at least eight evaluations when not given",
    )  # fmt: skip
    absl_flags.DEFINE_bool(
        "list_settings", False, "print all settings of --set with default and meaning, and exit",
        flag_values=flags,
    )  # fmt: skip
    number(
        "early_stopping_patience", None,
        "after this many evaluations without a lower validation cost go back to the best weights,"
        " let the learning rate fall soon, and end",
    )  # fmt: skip
    text(
        "init_from", None,
        "run, trained, imported or pretrained:NAME, whose weights to start from; its architecture,"
        " scale factor and start token stay; classes may be others",
    )  # fmt: skip
    absl_flags.DEFINE_enum(
        "strategy", "default", ["default", "mirrored", "multi_worker"],
        "one device; all GPUs of this machine; all machines of TF_CONFIG",
        flag_values=flags,
    )  # fmt: skip
    absl_flags.DEFINE_bool(
        "overwrite", False, "start over: what is in --run_dir is removed first", flag_values=flags
    )
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    if flags.list_settings:
        print(settings_page(flags.preset), end="")
        return
    cli.require(flags, "data_dir", "run_dir")
    model, training = _configuration(flags)
    from sketch_rnn_tf.data import dataset
    from sketch_rnn_tf.training import run_directory

    dataset.read_info(flags.data_dir)  # what is wrong here is told before TensorFlow takes its time
    if flags.strategy != "multi_worker":  # whose chief may be busy in there
        run_directory.refuse(flags.run_dir, model, flags.preset, flags.overwrite)
    cli.quiet_tensorflow()
    opening.use_threads(training.parallel_parts)
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
    )
    if not run.path.exists():  # a worker that does not share the chief's disk
        return
    if flags.json:
        cli.print_json(_result(run))
    else:
        print(run.weights("best"))


def _result(run) -> dict:
    """Returns what `--json` prints of a run: how far it is, what it cost, how long it took."""
    from sketch_rnn_tf import runs
    from sketch_rnn_tf.training import checkpoints

    state = checkpoints.newest_state(run)
    lines = runs.read_metrics(run.path / runs.METRICS)
    test = next((line for line in lines if line.get("split") == "test"), {})
    return {
        "run_dir": str(run.path),
        "weights": str(run.weights("best")),
        "steps": state.step,
        "train_steps": run.config.training.train_steps,
        "finished": (run.path / runs.REPORT).exists(),
        "seconds": state.seconds,
        "best_step": state.best_step,
        "best_valid_cost": state.best_cost,
        "test_cost": test.get("cost"),
        "test_nats_per_point": test.get("nats_per_point"),
        "skipped_steps": state.skipped_steps,
    }


def settings_page(preset: str = "magenta") -> str:
    """Returns all settings as a table with the defaults of a preset; docs/settings.md is that page.

    Raises:
      UserError: there is no such preset.
    """
    from sketch_rnn_tf import config
    from sketch_rnn_tf.interop import magenta_hparams

    magenta = magenta_hparams.names()
    rows = [("setting", "default", "meaning", "Magenta's name")]
    for setting in config.settings("best" if preset == config.AUTO else preset):
        default = f"{setting.default}"
        if isinstance(setting.default, bool):
            default = default.lower()
        rows.append((setting.key, default, setting.meaning, magenta.get(setting.key, "")))
    presets = [("preset", "what it is for"), *((n, p.purpose) for n, p in config.PRESETS.items())]
    presets.append(
        (config.AUTO, "chosen for the data set, with the reasons: for your own drawings")
    )
    defaults = f"those of the preset `{preset}`"
    if preset == config.AUTO:
        defaults = "those of the preset `best`, on which `auto` builds what it chooses for the data"
    return _SETTINGS_PAGE.format(defaults=defaults, settings=_table(rows), presets=_table(presets))


_SETTINGS_PAGE = """\
# Settings of sketch-rnn-train

Made by `sketch-rnn-train --list_settings`. Any of them: `--set decoder.units=256,z_size=64`.
Defaults are {defaults}; `--hparams` takes Magenta's own names.

{settings}
{presets}"""


def _table(rows: list[tuple[str, ...]]) -> str:
    """Returns rows as a Markdown table; the first one is its head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(f"{cell:{n}}" for cell, n in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines) + "\n"


FLAGS_OF_SETTINGS = (
    *("train_steps", "seed", "checkpoint_every", "evaluate_every", "batch_size"),
    *("learning_rate", "early_stopping_patience"),
)
EVALUATIONS = 8  # that a run has at least


def _configuration(flags: absl_flags.FlagValues):
    """Returns the effective configuration; a mistake in it is a usage error."""
    from sketch_rnn_tf import config, runs
    from sketch_rnn_tf.interop import magenta_hparams

    model = runs.open_run(flags.init_from).config.model if flags.init_from else None
    auto = flags.preset == config.AUTO
    chosen = None
    if auto:  # what suits the data set; a model that is given stays
        from sketch_rnn_tf import recipe
        from sketch_rnn_tf.data import dataset

        info = dataset.read_info(flags.data_dir)
        chosen = recipe.choose(info, model)
        for reason in chosen.reasons:
            logging.info("auto: %s", reason)
    try:
        start = chosen or config.preset(flags.preset)
        hparams = config.parse_settings([flags.hparams])
        settings = magenta_hparams.to_settings(hparams)
        own = config.parse_settings(flags.set)
        _refuse_names_of_magenta(own)
        settings |= own
        for name in FLAGS_OF_SETTINGS:
            if flags[name].value is not None:
                settings[name] = flags[name].value
        model, training = config.override(model or start.model, start.training, settings)
    except ValueError as error:
        raise UsageError(str(error)) from None
    if auto:
        if settings:
            asked = ", ".join(f"{key} {value}" for key, value in settings.items())
            logging.info("auto: as asked instead: %s", asked)
        for sentence in recipe.length(info, model, training):
            logging.info("auto: %s", sentence)
    for name in magenta_hparams.unused(hparams):
        logging.info("--hparams: %s is not used here: the data set says it", name)
    if not any(name.removeprefix("training.") == "evaluate_every" for name in settings):
        often = max(1, training.train_steps // EVALUATIONS)
        every = min(training.evaluate_every, often)
        training = dataclasses.replace(training, evaluate_every=every)
    return model, training


def _refuse_names_of_magenta(settings) -> None:
    """Raises UsageError where --set is given what --hparams takes; tells our name."""
    from sketch_rnn_tf import config
    from sketch_rnn_tf.interop import magenta_hparams

    known = {setting.key for setting in config.settings()}
    ours = {theirs: own for own, theirs in magenta_hparams.names().items()}
    for name, value in settings.items():
        if name in ours and name not in known:
            raise UsageError(
                f"--set {name}: is Magenta's name of {ours[name]}: --set {ours[name]}={value} or"
                f" --hparams {name}={value}"
            )


def _hint(flag: str) -> str:
    """Returns what is meant by a flag that there is not: perhaps a setting."""
    from sketch_rnn_tf import config

    hint = config.hint(flag)
    setting = hint.rpartition("--set ")[2].partition("=")[0]
    return f"; did you mean --{setting}?" if setting in FLAGS_OF_SETTINGS else hint


run = cli.command(NAME, __doc__, define_flags, main, hint=_hint)

if __name__ == "__main__":
    sys.exit(run())
