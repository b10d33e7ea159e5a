"""Writes a trained model in the formats that servers, devices and pages run.

sketch-rnn-export --model runs/sheep --output_dir exported --format saved_model,litert

saved_model: for TensorFlow Serving, with its configuration files; every export is a new version.
litert: for phones and other devices (.tflite).
web: for the browser: a page that draws with you, and a JavaScript module with the model.
magenta_js: for sketch-rnn-js (.vae.json and .gen.json) and @magenta/sketch (.gen.json, decoders
  alone), one file per class where the model knows classes.
onnx: for other runtimes (onnxruntime, Triton, OpenVINO, .NET, Unity): encode, init_state, step.
run: a run directory with nothing but the weights, in half precision, to pass on.
"""

from __future__ import annotations

import functools
import importlib
import math
import pathlib
import sys

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli, requirement
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-export"
FORMATS = {
    "saved_model": "sketch_rnn_tf.export.saved_model.exporter",
    "litert": "sketch_rnn_tf.export.litert.exporter",
    "web": "sketch_rnn_tf.export.web.exporter",
    "magenta_js": "sketch_rnn_tf.interop.magenta_js",
    "onnx": "sketch_rnn_tf.export.onnx.exporter",
    "run": "sketch_rnn_tf.export.half_run",
}
# What writing a format needs beside TensorFlow; looked for before that takes its time.
_NEEDS = {"litert": "ai_edge_litert.schema_py_generated", "onnx": "onnx"}
ALIASES = {"tflite": "litert"}
WEB_WEIGHTS = ("float32", "float16", "int8")
RUN_WEIGHTS = ("float16", "rounded")
# What may be refused comes first; a SavedModel, which a server takes up at once, comes last.
_ORDER = ("magenta_js", "run", "web", "onnx", "litert", "saved_model")


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    text("model", None, "run directory, or pretrained:kanji")
    text("checkpoint", "best", "weights: best, last or a step")
    text("output_dir", None, "folder to write into")
    absl_flags.DEFINE_list(
        "format", ["saved_model"], f"formats to write: {', '.join(FORMATS)}", flag_values=flags
    )
    absl_flags.DEFINE_enum(
        "web_weights", "float16", WEB_WEIGHTS,
        "precision of the weights for the web: int8 is half of float16", flag_values=flags,
    )  # fmt: skip
    absl_flags.DEFINE_enum(
        "run_weights", "float16", RUN_WEIGHTS,
        "precision of the weights of --format run: matrices rounded to multiples of 1/256 take"
        " a third less", flag_values=flags,
    )  # fmt: skip
    absl_flags.DEFINE_bool("overwrite", False, "replace existing files", flag_values=flags)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "model", "output_dir", "format")
    formats = _formats(flags.format)
    for name, module in _NEEDS.items():
        if name in formats:
            requirement.load(module, f"--format {name}")
    from sketch_rnn_tf import runs

    run = runs.open_run(flags.model)
    for name in {"litert", "onnx", "run", "web"} & set(formats):  # each is a folder of its own
        cli.refuse_existing(pathlib.Path(flags.output_dir, name), flags.overwrite)
    if "magenta_js" in formats:
        from sketch_rnn_tf.interop import javascript_limits

        javascript_limits.check(run.config.model)
    cli.quiet_tensorflow()
    model = run.load_model(flags.checkpoint)
    for variable in model.variables:
        if not all(
            math.isfinite(limit) for limit in (variable.numpy().min(), variable.numpy().max())
        ):
            raise UserError(f"{run.path}: the weight {variable.path} holds non-finite numbers")
    written = dict.fromkeys(formats)
    precisions = {"web": flags.web_weights, "run": flags.run_weights}
    for name in sorted(formats, key=_ORDER.index):
        logging.info("writing %s", name)
        write = importlib.import_module(FORMATS[name]).write
        own = {"precision": precisions[name]} if name in precisions else {}
        written[name] = str(write(run, model, flags.output_dir, overwrite=flags.overwrite, **own))
    if flags.json:
        cli.print_json({"written": written})
        return
    for path in written.values():
        print(path)


def _formats(names: list[str]) -> list[str]:
    """Returns the formats, each once, in the order given."""
    formats = []
    for name in (ALIASES.get(name.strip(), name.strip()) for name in names):
        if name not in FORMATS:
            raise UsageError(f"there is no format {name!r}; there are {', '.join(FORMATS)}")
        if name not in formats:
            formats.append(name)
    return formats


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
