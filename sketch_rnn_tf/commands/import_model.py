"""Turns one of Google's models into a run directory, to evaluate, sample, export and train on.

  sketch-rnn-import --input bird.gen.json --output_dir runs/bird
  sketch-rnn-import --input magenta/aaron_sheep/lstm --scale_factor 18.52 --output_dir runs/sheep

Reads the JavaScript models (.gen.json, .vae.json and their uncompressed .full.json) and Magenta's
TensorFlow 1 checkpoints. A checkpoint does not hold the scale factor of its data: --scale_factor
gives it, or --data_dir takes it from that data set, prepared.
"""

from __future__ import annotations

import functools
import pathlib
import sys

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-import"


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    text("input", None, ".gen.json or .vae.json file, or a folder with a Magenta checkpoint")
    text("output_dir", None, "run directory to make")
    absl_flags.DEFINE_float(
        "scale_factor", None, "source units per normalized unit; the file's own by default",
        flag_values=flags,
    )  # fmt: skip
    text(
        "data_dir", None,
        "for checkpoints: prepared data set that gives the scale factor and the longest length",
    )  # fmt: skip
    absl_flags.DEFINE_bool("overwrite", False, "replace an existing run", flag_values=flags)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "input", "output_dir")
    if not pathlib.Path(flags.input).exists():
        raise UserError(f"{flags.input}: there is no such file or folder")
    if flags.scale_factor is not None and not 0 < flags.scale_factor < float("inf"):
        raise UsageError(f"--scale_factor is {flags.scale_factor}, expected more than 0")
    if flags.data_dir and not pathlib.Path(flags.input).is_dir():
        raise UsageError("--data_dir is for checkpoints: a file holds its own scale factor")
    from sketch_rnn_tf import runs

    cli.refuse_existing(flags.output_dir, flags.overwrite)
    path = pathlib.Path(flags.output_dir)
    if path.exists() and not (path / runs.CONFIG).is_file():
        raise UserError(f"{path}: exists and is not a run directory; it is left as it is")
    cli.quiet_tensorflow()
    configuration, model = _read(flags)
    from sketch_rnn_tf.interop import imported

    run = imported.write_run(flags.output_dir, configuration, model, overwrite=flags.overwrite)
    _report(flags, run, model)


def _read(flags):
    """Returns the configuration and the model."""
    import dataclasses

    info = None
    if flags.data_dir is not None:
        from sketch_rnn_tf.data import dataset

        info = dataset.read_info(flags.data_dir)
    scale = flags.scale_factor or (info.scale_factor if info else None)
    folder = pathlib.Path(flags.input)
    if folder.is_dir():
        exported = sorted((*folder.glob("*.gen.json"), *folder.glob("*.vae.json")))
        if exported and not any(folder.glob("*.index")):
            names = ", ".join(path.name for path in exported)
            raise UserError(f"{folder}: holds no checkpoint, but {names}: give one file")
        if scale is None:
            raise UserError(
                f"{flags.input}: a checkpoint holds no scale factor: give --scale_factor, or"
                " --data_dir with the data set that the model was trained on"
            )
        from sketch_rnn_tf.interop import magenta_checkpoint

        return magenta_checkpoint.read_model(
            flags.input,
            scale_factor=scale,
            max_length=info.max_length if info else None,
            classes=tuple(info.classes) if info and len(info.classes) == 1 else (),
        )
    from sketch_rnn_tf.interop import magenta_js

    configuration, model = magenta_js.read_model(flags.input)
    if flags.scale_factor:
        configuration = dataclasses.replace(configuration, scale_factor=flags.scale_factor)
    return configuration, model


def _report(flags, run, model) -> None:
    values = {
        "run_dir": str(run.path),
        "parameters": int(model.count_params()),
        "scale_factor": run.config.scale_factor,
        "max_length": run.config.max_length,
    }
    if flags.json:
        cli.print_json(values)
        return
    logging.info(
        "%s parameters, scale factor %g", f"{values['parameters']:,}", values["scale_factor"]
    )
    print(run.path)


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
