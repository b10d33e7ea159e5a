r"""Draws what the paper shows, with the models of `paper_table.py`.

  python experiments/paper_figures.py --runs runs/paper --data_dir data/sheep \
      --output_dir docs/pictures/paper/sheep [--formats svg,png]

reconstructions  test drawings drawn again at temperatures 0.01 to 1.0
interpolation    from one test drawing to another
corners          the square between four
analogy          a drawing of few strokes - others of few strokes + others of many, and back
endings          one test drawing begun, and ended in six ways

What the paper compares by w_KL is drawn at the highest and at the lowest of the runs there are.
Drawings are not picked by hand: they are the first of the test split whose number of points is
within a quarter of the median; for the analogy the first of few and of many strokes (the lowest and
the highest quarter). Given strokes are blue. Weights are those of the last step. The same models
give the same files. How the analogy changes the number of strokes is counted over all such drawings
of the test split and printed.
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import math
import os
import pathlib
from collections.abc import Iterable, Sequence
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np
from absl import logging

import sketch_rnn_tf
from sketch_rnn_tf import cli, drawing, runs
from sketch_rnn_tf.data import dataset

TEMPERATURES = (0.01, 0.2, 0.4, 0.6, 0.8, 1.0)
BETWEEN, OTHERWISE = 0.1, 0.4  # temperatures on the way between drawings, and of all the rest
SIZE = 80  # pixels per drawing
COLUMNS = 8  # drawings on the way from one to another
SIDE = 5  # drawings per side of the square
COPIES = 6  # endings, and results of an analogy


class Model(NamedTuple):
    """A trained model and what pictures call it."""

    name: str
    sketcher: sketch_rnn_tf.Sketcher


class Drawings(NamedTuple):
    """What is given to the models.

    Attributes:
      typical: test drawings of about the median length, stroke-3.
      test: all test drawings.
      valid: all drawings of the valid split.
    """

    typical: list[np.ndarray]
    test: list[np.ndarray]
    valid: list[np.ndarray]


def main() -> None:
    arguments = _arguments()
    cli.show_messages()
    compared, alone = open_models(arguments.runs)
    given = read_drawings(arguments.data_dir)
    pictures = {
        "reconstructions": reconstructions(compared, given.typical[:4]),
        "interpolation": interpolation(compared, given.typical[:2]),
        "corners": corners(compared, given.typical[:4]),
        "analogy": analogy(compared, given),
        "endings": endings([*alone, *compared], given.typical[0]),
    }
    for name, suffix in itertools.product(pictures, arguments.formats.split(",")):
        path = arguments.output_dir / f"{name}.{suffix}"
        pictures[name].save(path, size=SIZE, overwrite=True)
        logging.info("%s", path)
    print(analogy_counts(compared, given))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=pathlib.Path, required=True, help="folder of run folders")
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--output_dir", type=pathlib.Path, required=True)
    parser.add_argument("--formats", default="svg", help="suffixes, such as svg,png")
    return parser.parse_args()


def open_models(folder: pathlib.Path) -> tuple[list[Model], list[Model]]:
    """Returns the models of highest and lowest KL weight, and those without encoder."""
    conditional = [runs.open_run(path) for path in folder.glob("kl_*") if path.is_dir()]
    if not conditional:
        raise SystemExit(f"{folder}: holds no run with an encoder")
    conditional.sort(key=lambda run: run.config.training.kl_weight, reverse=True)
    ends = [conditional[0], conditional[-1]] if len(conditional) > 1 else conditional
    alone = [runs.open_run(path) for path in folder.glob("decoder")]
    return (
        [_open(run, f"w_KL {run.config.training.kl_weight:g}") for run in ends],
        [_open(run, "decoder alone") for run in alone],
    )


def _open(run: runs.Run, name: str) -> Model:
    return Model(name, sketch_rnn_tf.load_model(run.path, checkpoint="last"))


def read_drawings(data_dir: pathlib.Path) -> Drawings:
    splits = {
        split: [record.strokes for record in dataset.read_split(data_dir, split)]
        for split in ("test", "valid")
    }
    median = np.median([len(strokes) for strokes in splits["test"]])
    typical = [s for s in splits["test"] if 0.75 * median <= len(s) <= 1.25 * median]
    return Drawings(typical, **splits)


def reconstructions(models: Sequence[Model], originals: Sequence[np.ndarray]) -> drawing.Sketches:
    """Each drawing and its reconstructions at rising temperatures, one row per model."""
    rows = []
    drawn = {
        (name, tau): sketcher.reconstruct(originals, temperature=tau)
        for name, sketcher in models
        for tau in TEMPERATURES
    }
    for i, original in enumerate(originals):
        for name, _ in models:
            rows += [_given(original), *(drawn[name, tau][i] for tau in TEMPERATURES)]
    return _grid(
        rows,
        columns=1 + len(TEMPERATURES),
        row_titles=[name for name, _ in models] * len(originals),
        column_titles=["given", *map(str, TEMPERATURES)],
    )


def interpolation(models: Sequence[Model], ends: Sequence[np.ndarray]) -> drawing.Sketches:
    """The way from one drawing to another, one row per model, with the given ones at its ends."""
    rows = []
    for _, sketcher in models:
        way = sketcher.interpolate(ends, COLUMNS, temperature=BETWEEN)
        rows += [_given(ends[0]), *way, _given(ends[1])]
    return _grid(rows, columns=COLUMNS + 2, row_titles=[name for name, _ in models])


def corners(models: Sequence[Model], ends: Sequence[np.ndarray]) -> drawing.Sketches:
    """The squares between four drawings, the models side by side with a gap between."""
    squares = [sketcher.interpolate(ends, SIDE, temperature=BETWEEN) for _, sketcher in models]
    cells, titles = [], []
    for row in range(SIDE):
        for number, square in enumerate(squares):
            cells += [None] * bool(number) + square[row * SIDE : (row + 1) * SIDE]
    for number, (name, _) in enumerate(models):
        titles += [""] * bool(number) + [name if i == SIDE // 2 else "" for i in range(SIDE)]
    return _grid(cells, columns=len(titles), column_titles=titles)


def analogy(models: Sequence[Model], given: Drawings) -> drawing.Sketches:
    """A drawing of few strokes - few + many, and one of many - many + few; one row per model.

    The two are the first such ones of the test split, the sets all such ones of the valid split.
    """
    cells, titles = [], []
    few, many = few_and_many(given.valid, given.valid)
    starts = [group[0] for group in few_and_many(given.test, given.valid)]
    ways = (("few to many", starts[0], few, many), ("many to few", starts[1], many, few))
    for (words, start, minus, plus), (name, sketcher) in itertools.product(ways, models):
        again = sketcher.reconstruct([start], temperature=OTHERWISE)
        results = sketcher.analogy([start], minus, plus, COPIES, temperature=OTHERWISE)
        cells += [_given(start), *again, *results]
        titles.append(f"{name}: {words}")
    return _grid(
        cells,
        columns=2 + COPIES,
        row_titles=titles,
        column_titles=["given", "again", *["analogy"] * COPIES],
        captions=[_strokes_in_words(cell) for cell in cells],
    )


def few_and_many(
    drawings: Iterable[np.ndarray], measure: Sequence[np.ndarray]
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Returns drawings with few strokes and with many: in the lowest and highest quarter.

    Args:
      drawings: what is chosen from.
      measure: the drawings whose quartiles are the borders, which belong to the quarters.
    """
    low, high = np.percentile([num_strokes(one) for one in measure], [25, 75])
    drawings = list(drawings)
    few = [one for one in drawings if num_strokes(one) <= low]
    return few, [one for one in drawings if num_strokes(one) >= high]


def num_strokes(sketch) -> int:
    return len(drawing.Sketch(np.asarray(sketch)).polylines())


def analogy_counts(models: Sequence[Model], given: Drawings) -> str:
    """Returns how many strokes test drawings have, drawn again and after the analogy, Markdown."""
    few, many = few_and_many(given.valid, given.valid)
    groups = few_and_many(given.test, given.valid)
    lines = [
        "| model | analogy | drawings | strokes given | drawn again | after the analogy |",
        "|---|---|---|---|---|---|",
    ]
    for name, sketcher in models:
        step = sketcher.encode(many).mean(axis=0) - sketcher.encode(few).mean(axis=0)
        for words, group, sign in (("few to many", groups[0], 1), ("many to few", groups[1], -1)):
            z = sketcher.encode(group)
            means = [_mean_strokes(group)]
            for latents in (z, z + sign * step):
                drawn = sketcher.generate(len(group), z=latents, temperature=OTHERWISE)
                means.append(_mean_strokes(drawn))
            numbers = " | ".join(f"{mean:.1f}" for mean in means)
            lines.append(f"| {name} | {words} | {len(group)} | {numbers} |")
    return "\n".join(lines)


def _mean_strokes(sketches: Iterable) -> float:
    return float(np.mean([num_strokes(sketch) for sketch in sketches]))


def endings(models: Sequence[Model], whole: np.ndarray) -> drawing.Sketches:
    """One drawing, and six endings of its beginning; one row per model."""
    cells = []
    for _, sketcher in models:
        ended = sketcher.complete([begun(whole)], COPIES, temperature=OTHERWISE)
        cells += [_given(whole), *ended]
    return _grid(
        cells,
        columns=1 + COPIES,
        row_titles=[name for name, _ in models],
        column_titles=["whole", *(str(i + 1) for i in range(COPIES))],
    )


def begun(whole: np.ndarray) -> np.ndarray:
    """Returns the beginning of a drawing, a third of its points or somewhat more.

    It ends with a stroke, if one ends between a third and the half of the points.
    """
    third, half = math.ceil(len(whole) / 3), len(whole) // 2
    ends = np.flatnonzero(whole[:, 2]) + 1
    return whole[: next((end for end in ends if third <= end <= half), third)]


def _given(strokes: np.ndarray) -> drawing.Sketch:
    return drawing.Sketch(strokes, given=len(strokes))


def _strokes_in_words(sketch: drawing.Sketch) -> str:
    count = num_strokes(sketch)
    return f"{count} stroke{'s' * (count != 1)}"


def _grid(cells: Iterable[drawing.Sketch | None], **layout) -> drawing.Sketches:
    """Returns a grid in whole source units, a fraction of a pixel: its SVG is half as long."""
    return drawing.Sketches([cell and _rounded(cell) for cell in cells], **layout)


def _rounded(sketch: drawing.Sketch) -> drawing.Sketch:
    """Rounds the points, not the offsets, whose errors would add up."""
    points = np.round(np.cumsum(sketch.strokes[:, :2].astype(np.float64), axis=0))
    offsets = np.diff(points, axis=0, prepend=np.zeros((1, 2)))
    rows = np.concatenate([offsets, sketch.strokes[:, 2:]], axis=1).astype(np.float32)
    return dataclasses.replace(sketch, strokes=rows)


if __name__ == "__main__":
    main()
