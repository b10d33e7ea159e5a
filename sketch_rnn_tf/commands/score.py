"""Says what each drawing costs a model in nats, for finding bad drawings.

  sketch-rnn-score --model runs/sheep --input drawings.ndjson
  sketch-rnn-score --model runs/sheep --input data/sheep --split train --worst 25 --output worst.svg

A drawing that the model can hardly explain is often broken, mislabelled or of another kind. Nats
are of normalised units and lower is better; a negative number is a density above 1.
"""

from __future__ import annotations

import functools
import sys

from absl import flags as absl_flags

from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-score"
SORTS = ("input", "nats", "nats_per_point", "kl_nats")


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    choice = functools.partial(absl_flags.DEFINE_enum, flag_values=flags)
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    text("model", None, "run directory, .tflite file, or pretrained:kanji")
    text("checkpoint", "best", "weights: best, last or a step")
    text("input", None, "drawings of any format, or a folder made by sketch-rnn-prepare")
    text("paper", "auto", "color of the paper of SVG pictures, which is not ink; auto or none")
    absl_flags.DEFINE_bool(
        "keep_all",
        False,
        "take all shapes of SVG pictures that are not hidden, painted or not",
        flag_values=flags,
    )
    choice("split", None, ["train", "valid", "test"], "only this split of the input")
    choice("sort", "input", SORTS, "order of the list: as in the input, or worst first")
    number("worst", None, "only this many drawings, the worst ones", lower_bound=1)
    absl_flags.DEFINE_multi_string(
        "output", [], "picture of the listed drawings: .svg, .png or .gif; may be repeated",
        flag_values=flags,
    )  # fmt: skip
    number("batch_size", 100, "drawings at once", lower_bound=1)
    absl_flags.DEFINE_bool("overwrite", False, "replace existing files", flag_values=flags)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "model", "input")
    from sketch_rnn_tf.commands import inputs, outputs

    outputs.check(flags.output, flags.overwrite)

    configuration, compute = _opened(flags)
    drawings = inputs.load(
        flags.input,
        configuration,
        split=flags.split,
        paper=flags.paper,
        keep_all=flags.keep_all,
    )
    _check_labels(configuration, drawings)
    scores = compute(drawings)
    for score, drawing in zip(scores, drawings, strict=True):
        score["label"] = drawing.label
    scores = chosen(scores, flags.sort, flags.worst)
    _report(flags, scores)  # first: whatever becomes of the pictures
    _draw(flags, scores, drawings, configuration.drop_first_point)


def _opened(flags):
    """Returns a model's configuration and a function from drawings to their scores."""
    if flags.model.endswith(".tflite"):
        return _opened_file(flags)
    from sketch_rnn_tf import runs

    run = runs.open_run(flags.model)
    weights = run.weights(flags.checkpoint)

    def compute(drawings) -> list[dict]:
        cli.quiet_tensorflow()
        from sketch_rnn_tf.sampling.keras_backend import KerasBackend
        from sketch_rnn_tf.sketcher.sketcher import Sketcher

        sketcher = Sketcher(KerasBackend(runs.load_keras(weights), run.config, flags.batch_size))
        labels = [drawing.label for drawing in drawings] if sketcher.classes else None
        return sketcher.score([drawing.strokes for drawing in drawings], label=labels)

    return run.config, compute


def _opened_file(flags):
    """As `_opened`, without TensorFlow."""
    for name in ("checkpoint", "batch_size"):
        if flags[name].value != flags[name].default:
            raise UsageError(f"--{name} cannot be used with a .tflite file")
    from sketch_rnn_tf import ondevice

    sketcher = ondevice.open(flags.model)

    def compute(drawings) -> list[dict]:
        labels = [drawing.label for drawing in drawings] if sketcher.classes else None
        with cli.quiet():
            return sketcher.score([drawing.strokes for drawing in drawings], label=labels)

    return sketcher.config, compute


def _check_labels(configuration, drawings) -> None:
    """Finds a drawing of a class that a class-conditioned model does not know."""
    if not configuration.model.class_conditioned:
        return
    for drawing in drawings:
        if drawing.label not in configuration.classes:
            known = ", ".join(configuration.classes)
            raise UserError(f"{drawing.where}: the model has no class {drawing.label!r}: {known}")


def value(score: dict, sort: str) -> float:
    """Returns the number that scores are sorted by."""
    if sort == "nats_per_point":
        return score["nats"] / (score["points"] + 1)  # the end token is one more event
    return score[sort]


def chosen(scores: list[dict], sort: str, worst: int | None) -> list[dict]:
    """Returns scores in the order asked for; the worst by nats a point where no order is given."""
    if worst is None and sort == "input":
        return scores
    key = "nats_per_point" if sort == "input" else sort
    ordered = sorted(scores, key=lambda score: -value(score, key))
    kept = ordered[:worst]
    return kept if sort != "input" else sorted(kept, key=lambda score: score["index"])


def _draw(flags, scores, drawings, first_point_dropped: bool) -> None:
    """Draws the listed drawings; where row 0 was dropped the first line starts at the origin."""
    import numpy as np

    from sketch_rnn_tf import drawing

    start = np.zeros((int(first_point_dropped), 3), np.float32)
    pictures = [np.concatenate([start, drawings[score["index"]].strokes]) for score in scores]
    captions = [f"{score['index']}: {value(score, 'nats_per_point'):.2f}" for score in scores]
    for path in flags.output:
        drawing.save(path, pictures, captions=captions)
        cli.say(f"{path}: {len(pictures)} drawings, titled with index and nats a point")


def _report(flags, scores) -> None:
    if flags.json:
        cli.print_json({"sketches": scores})
        return
    print(f"{'index':>6} {'points':>6} {'nats':>10} {'a point':>8} {'kl':>8}  label")
    for score in scores:
        print(
            f"{score['index']:6d} {score['points']:6d} {score['nats']:10.2f}"
            f" {value(score, 'nats_per_point'):8.3f} {score['kl_nats']:8.2f}  {score['label']}"
        )


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
