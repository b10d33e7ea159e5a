"""Scores drawings in nats, for finding bad drawings and for telling classes apart.

  sketch-rnn-score --model runs/sheep --input drawings.ndjson
  sketch-rnn-score --model runs/sheep --input data/sheep --split train --worst 25 --output worst.svg
  sketch-rnn-score --model runs/pets --input unknown.svg --class all

A drawing that the model can hardly explain is often broken, mislabeled or of another kind. Nats
are of normalized units and lower is better; a negative number is a density above 1. With --class
all a class-conditioned model scores every drawing as each of its classes and names the best.
"""

from __future__ import annotations

import functools
import sys
from typing import Any

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli, stderr
from sketch_rnn_tf.commands import input_flags, opening
from sketch_rnn_tf.errors import UserError

NAME = "sketch-rnn-score"
SORTS = ("input", "nats", "nats_per_point", "kl_nats")


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    from sketch_rnn_tf.commands import outputs

    choice = functools.partial(absl_flags.DEFINE_enum, flag_values=flags)
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    opening.define_flags(flags)
    input_flags.define_flags(flags)
    absl_flags.DEFINE_multi_string(
        "class", [], "score all drawings as this class; several, such as fish,house, or all score"
        " each drawing as each; the drawings' own when not given; may be repeated",
        flag_values=flags,
    )  # fmt: skip
    choice("sort", "input", SORTS, "order of the list: as in the input, or worst first")
    number("worst", None, "only this many drawings, the worst ones", lower_bound=1)
    absl_flags.DEFINE_multi_string(
        "output", [], "picture of the listed drawings: .svg, .png or .gif; may be repeated",
        flag_values=flags,
    )  # fmt: skip
    outputs.define_flags(flags)
    number("batch_size", 100, "drawings at once", lower_bound=1)
    absl_flags.DEFINE_bool("overwrite", False, "replace existing files", flag_values=flags)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    from sketch_rnn_tf.commands import outputs

    cli.require(flags, "input")
    opening.check_flags(flags)
    outputs.check(flags.output, flags.overwrite)
    indices = input_flags.indices(flags)

    from sketch_rnn_tf.commands import inputs  # whose packages a device may lack

    model = opening.find(flags)
    classes = opening.classes_of(model, flags["class"].value)
    drawings = inputs.load(flags.input, model.config, indices=indices, **input_flags.reading(flags))
    numbered = list(zip(indices or range(len(drawings)), drawings, strict=True))
    for _, one in numbered:
        if not len(one.strokes):
            logging.info("%s: is left out: it has no points", one.where)
    numbered = [(index, one) for index, one in numbered if len(one.strokes)]
    drawings = [one for _, one in numbered]
    if not drawings:
        raise UserError(f"{flags.input}: holds no drawing with points")
    if classes is None and model.config.model.class_conditioned:
        for one in drawings:
            if one.label not in model.config.classes:
                raise UserError(
                    f"{one.where}: the model has no class {one.label!r}: --class all scores it as"
                    f" each of {', '.join(model.config.classes)}"
                )
    sketcher = model.open()
    numbers = [index for index, _ in numbered]
    scores = score_all(sketcher, drawings, numbers, classes, flags.batch_size)
    listed = chosen(scores, flags.sort, flags.worst)
    _report(flags, listed)  # first: whatever becomes of the pictures
    if flags.output:
        _draw(flags, listed, dict(numbered), model.config.drop_first_point)


def score_all(
    sketcher: Any, drawings: list, numbers: list[int], classes: list[str] | None, at_once: int
) -> list[dict]:
    """Scores drawings, as one class or as many.

    Args:
      sketcher: the model.
      drawings: of `inputs.load`.
      numbers: their indices in the input, as --index takes them.
      classes: the classes to score each drawing as; None: its own.
      at_once: how many drawings are scored together.

    Returns:
      A dict per drawing, in order: that of `Sketcher.score` with `index`, `label` (the drawing's
      own), `key`, and where there are several classes `by_class` {class: nats} and `best_class`;
      the other numbers are then those of the best class.
    """
    from sketch_rnn_tf import progress

    order = sorted(range(len(drawings)), key=lambda i: len(drawings[i].strokes))
    conditioned = sketcher.config.model.class_conditioned
    found: list[dict] = [{} for _ in drawings]
    names = classes or [None]
    with progress.Progress("scoring", len(drawings) * len(names)) as shown:
        for first in range(0, len(order), at_once):
            part = [drawings[i] for i in order[first : first + at_once]]
            rows = [one.strokes for one in part]
            by_class = {}
            for name in names:
                own = [one.label for one in part] if conditioned else None
                with stderr.quiet():
                    by_class[name] = sketcher.score(rows, label=name or own)
                shown.update(len(part))
            for row, i in enumerate(order[first : first + at_once]):
                best = min(names, key=lambda name: by_class[name][row]["nats"])
                one = {**by_class[best][row], "index": numbers[i], "label": drawings[i].label}
                one["key"] = drawings[i].key
                if len(names) > 1:
                    one["by_class"] = {name: by_class[name][row]["nats"] for name in names}
                    one["best_class"] = best
                found[i] = one
    return found


def value(score: dict, sort: str) -> float:
    """Returns the number that scores are sorted by."""
    if sort == "nats_per_point":
        return score["nats"] / (score["points"] + 1)  # the end token is one more event
    return score[sort]


def chosen(scores: list[dict], sort: str, worst: int | None) -> list[dict]:
    """Returns scores in the order asked for; the worst by nats per point where none is given."""
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
    from sketch_rnn_tf.commands import outputs

    start = np.zeros((int(first_point_dropped), 3), np.float32)
    cells = [
        drawing.Sketch(
            np.concatenate([start, drawings[one["index"]].strokes]), one.get("best_class")
        )
        for one in scores
    ]
    captions = [
        " ".join(
            [
                f"{one['index']}: {value(one, 'nats_per_point'):.2f}",
                *([one["best_class"]] if "best_class" in one else []),
                one["key"],
            ]
        )
        for one in scores
    ]
    picture = drawing.Sketches(cells, captions=captions)
    options = outputs.options(flags)
    for path in outputs.write(flags.output, picture, picture, options, flags.overwrite):
        logging.info("%s: %d drawings with index, nats per point and name", path, len(cells))


def _report(flags, scores) -> None:
    if flags.json:
        cli.print_json({"sketches": scores})
        return
    several = any("best_class" in one for one in scores)
    best = f"  {'best':12}" if several else ""
    print(f"{'index':>6} {'points':>6} {'nats':>10} {'per point':>9} {'kl':>8}{best}  label  name")
    for one in scores:
        best = f"  {one['best_class']:12}" if several else ""
        print(
            f"{one['index']:6d} {one['points']:6d} {one['nats']:10.2f}"
            f" {value(one, 'nats_per_point'):9.3f} {one['kl_nats']:8.2f}{best}"
            f"  {one['label']}  {one['key']}"
        )


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
