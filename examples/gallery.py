"""Draws the README's gallery with the model that `make quickstart` trained.

python examples/gallery.py --model quickstart/run --data_dir quickstart/data

It writes docs/pictures/*; the same model gives the same files.
"""

from __future__ import annotations

import argparse
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import itertools

import numpy as np

import sketch_rnn_tf
from sketch_rnn_tf import drawing
from sketch_rnn_tf.data import dataset

LADDER = (0.1, 0.3, 0.6, 1.0)


def main() -> None:
    """Draws every picture."""
    options = _options()
    sketcher = sketch_rnn_tf.load_model(options.model)
    held_out = [
        record.strokes
        for record in itertools.islice(dataset.read_split(options.data_dir, "test"), 60)
    ]
    folder = pathlib.Path(options.output_dir)
    generated = sketcher.generate(32, temperature=0.4, seed=0)
    generated.save(folder / "generated.svg", columns=8, size=88, overwrite=True)
    generated[:8].save(folder / "generated.gif", columns=4, size=88, overwrite=True)
    _ladder(sketcher).save(folder / "temperatures.svg", size=88, overwrite=True)
    _completed(sketcher, held_out).save(folder / "completed.svg", size=88, overwrite=True)
    if sketcher.model.conditional:
        way = sketcher.interpolate(held_out[:4], 6, temperature=0.1)
        way.save(folder / "interpolated.svg", size=88, overwrite=True)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="run directory")
    parser.add_argument("--data_dir", required=True, help="the data set it was trained on")
    parser.add_argument("--output_dir", default="docs/pictures")
    return parser.parse_args()


def _ladder(sketcher) -> drawing.Sketches:
    """The same eight seeds at rising temperatures, a row each."""
    rows = [sketcher.generate(8, temperature=tau, seed=2) for tau in LADDER]
    titles = [f"{tau:.1f}" for tau in LADDER]
    return drawing.Sketches(itertools.chain.from_iterable(rows), columns=8, row_titles=titles)


def _completed(sketcher, sketches) -> drawing.Sketches:
    """Beginnings cut after their first strokes, each as it was and completed in six ways."""
    rows = []
    for sketch in [one for one in sketches if 25 < len(one) < 50][:4]:
        ends = np.flatnonzero(sketch[:, 2]) + 1
        cut = next((end for end in ends if end >= len(sketch) / 3), ends[-1])
        rows += [sketch, *sketcher.complete([sketch[:cut]], 6, temperature=0.4, seed=3)]
    titles = ["whole", *(str(i + 1) for i in range(6))]
    return drawing.Sketches(rows, columns=7, column_titles=titles)


if __name__ == "__main__":
    main()
