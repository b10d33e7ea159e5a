r"""Computes the losses of a split; with --samples measures how good the model's drawings are.

sketch-rnn-evaluate --model runs/sheep --data_dir data/sheep --split test
sketch-rnn-evaluate --model runs/sheep --data_dir data/sheep --samples 300 \
    --temperature 0.2,0.4,0.6 --output quality.html

--samples draws this many sketches at each temperature and compares them with as many real ones of
the split: how near they are (kid, frechet), how good (precision, density), how varied (recall,
coverage), how many are copies of training drawings, how many end by themselves. Each number stands
beside its floor, the same between real drawings. The features are of a small network that is
trained on the data the first time, in a few minutes, and kept beside it as quality.npz.
"""

from __future__ import annotations

import functools
import sys

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError

NAME = "sketch-rnn-evaluate"
DEFAULT_TEMPERATURE = 0.4


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
    number("seed", 0, "of sampled latent vectors and drawings", -(2**31), 2**31 - 1)
    absl_flags.DEFINE_integer(
        "samples", None, "drawings per temperature, to measure how good they are", flag_values=flags
    )
    absl_flags.DEFINE_list(
        "temperature", None, "with --samples: one or more, such as 0.2,0.4", flag_values=flags
    )
    boolean = functools.partial(absl_flags.DEFINE_bool, flag_values=flags)
    boolean("with_valid", False, "with --samples: the real drawings are those of valid too")
    text("output", None, "with --samples: page to write, such as quality.html")
    boolean("overwrite", False, "replace the page if it exists")
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "model", "data_dir")
    temperatures = _temperatures(flags)
    from sketch_rnn_tf import runs
    from sketch_rnn_tf.data import dataset

    info = dataset.read_info(flags.data_dir)
    runs.open_run(flags.model).weights(flags.checkpoint)  # refused before TensorFlow takes its time
    cli.quiet_tensorflow()
    import sketch_rnn_tf
    from sketch_rnn_tf import evaluation

    sketcher = sketch_rnn_tf.load_model(flags.model, flags.checkpoint)
    _tell_other_data(sketcher.config, info, flags)
    measured = _measure(sketcher, flags, temperatures) if flags.samples else None
    values = evaluation.evaluate(
        sketcher.model,
        sketcher.config,
        flags.data_dir,
        flags.split,
        batch_size=flags.batch_size,
        seed=flags.seed,
        info=info,
    )
    if flags.json:
        cli.print_json({**values, "quality": measured.values} if measured else values)
        return
    for name, value in values.items():
        of_z = name.startswith("kl_") or name.endswith("_sampled_z") or name == "active_latents"
        if sketcher.config.model.conditional or not of_z:
            print(f"{name:40s}{value:.4f}" if isinstance(value, float) else f"{name:40s}{value}")
    if measured:
        print(measured.table())


def _tell_other_data(configuration, info, flags: absl_flags.FlagValues) -> None:
    """Says so where the data set is not the one that the model was trained on."""
    from sketch_rnn_tf.data import dataset

    trained_on = configuration.data_fingerprint
    if trained_on is None or trained_on == dataset.fingerprint(flags.data_dir):
        return
    logging.warning(
        "%s is not the data set that %s was trained on: costs compare with those of other models on"
        " this data set only (scale factor of the data %.4g, of the model %.4g)",
        *(flags.data_dir, flags.model, info.scale_factor, configuration.scale_factor),
    )


def _temperatures(flags: absl_flags.FlagValues) -> list[float]:
    """Returns the temperatures to draw at, after a look at the flags that need --samples."""
    if flags.samples is None:
        for name in ("temperature", "output", "with_valid"):
            if flags[name].value:
                raise UsageError(f"--{name} needs --samples, the number of drawings to measure")
        return []
    if flags.samples < 1:
        raise UsageError(f"--samples is {flags.samples}, expected a number above 0")
    if flags.split == "train":
        raise UsageError("--samples needs real drawings that no model was trained on: --split test")
    if flags.output:
        if not flags.output.endswith((".html", ".htm")):
            raise UsageError(f"--output is {flags.output!r}, expected a name that ends with .html")
        cli.refuse_existing(flags.output, flags.overwrite)
    try:
        return [float(text) for text in flags.temperature or [DEFAULT_TEMPERATURE]]
    except ValueError:
        given = ",".join(flags.temperature)
        raise UsageError(f"--temperature is {given!r}, expected numbers such as 0.2,0.4") from None


def _measure(sketcher, flags: absl_flags.FlagValues, temperatures: list[float]):
    """Returns the quality of the model's drawings and writes its page where one was asked for."""
    from sketch_rnn_tf import quality

    measured = quality.measure(
        sketcher,
        flags.data_dir,
        samples=flags.samples,
        temperatures=temperatures,
        split=flags.split,
        with_valid=flags.with_valid,
        seed=flags.seed,
    )
    if flags.output:
        measured.save(flags.output, f"How good are the drawings of {flags.model}?")
        logging.info("%s: written", flags.output)
    return measured


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
