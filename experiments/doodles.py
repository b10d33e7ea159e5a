r"""A data set of doodles of any size, drawn by the models that Google trained on Quick, Draw!.

  python experiments/doodles.py --models ../shared/data/pretrained --number 6000 --output_dir DIR

Real Quick, Draw! training sets are large files of Google's; its models are small, and at a
temperature near 1 they draw like the people they learned from. Each model (NAME.gen.json) draws
`--number` drawings of its class; those that end by themselves are kept, as ndjson below
`DIR/drawings`, and simplified (`--simplify_epsilon`) into the data set `DIR/data`. A drawing is a
function of `--seed`, its class and its number: the same command gives the same data set, a larger
`--number` adds to the drawings that are there, and a run that was stopped goes on.

The models are under the Apache License 2.0, the drawings that they learned from (Google, The Quick,
Draw! Dataset) under CC BY 4.0; `DIR/data/dataset.json` says so, and how its drawings were made.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import sketch_rnn_tf
from data_prep import prepare
from data_prep.conversion import simplify
from sketch_rnn_tf import files, progress, strokes
from sketch_rnn_tf.commands import import_model
from sketch_rnn_tf.data import dataset

SIZE = simplify.QUICKDRAW_SIZE
CHUNK = 500  # drawings per file, the unit in which work is resumed
LICENSE = "Apache-2.0 (models), CC-BY-4.0 (the drawings that they learned from)"


def main() -> None:
    options = _options()
    drawings = options.output_dir / "drawings"
    names = options.classes or [path.name.split(".")[0] for path in _models(options.models)]
    for name in names:
        draw_class(name, options, drawings)
    content = {"name": "doodles", "version": "1.0.0", "license": LICENSE}
    files.write_json(drawings / "package.json", content)
    write_data_set(names, options, drawings)


def _models(folder: pathlib.Path) -> list[pathlib.Path]:
    found = sorted(folder.glob("*.gen.json"))
    if not found:
        raise SystemExit(f"{folder}: holds no model NAME.gen.json")
    return found


def draw_class(name: str, options: argparse.Namespace, drawings: pathlib.Path) -> None:
    """Draws what is missing of a class, in chunks of files that are whole or absent."""
    starts = range(0, options.number, CHUNK)
    paths = [drawings / f"{name}-{start:06}.ndjson" for start in starts]
    if all(path.exists() for path in paths):
        return
    run_dir = options.output_dir / "models" / name
    if not run_dir.exists():
        source = options.models / f"{name}.gen.json"
        if import_model.run(["--input", str(source), "--output_dir", str(run_dir)]):
            raise SystemExit(1)
    sketcher = sketch_rnn_tf.load_model(run_dir)
    with progress.Progress(f"drawing {name}", options.number) as shown:
        for start, path in zip(starts, paths, strict=True):
            if not path.exists():
                # The class is part of the seed: models must not share their random numbers.
                salt = options.seed * 1000 + sum(map(ord, name))
                seeds = [(salt, i) for i in range(start, start + CHUNK)]
                drawn = sketcher.generate(CHUNK, temperature=options.temperature, seed=seeds)
                lines = [
                    record(name, f"{name}-{options.seed}-{i}", sketch)
                    for (_, i), sketch in zip(seeds, drawn, strict=True)
                    if sketch.ended
                ]
                path.parent.mkdir(parents=True, exist_ok=True)
                files.write_text(path, "\n".join(lines) + "\n")
            shown.update(CHUNK)


def record(name: str, key: str, rows: np.ndarray) -> str:
    """Returns a drawing as a line of simplified Quick, Draw! ndjson: aligned, 255 units long."""
    aligned = simplify.align_and_scale(strokes.stroke3_to_polylines(rows), SIZE)
    moved = [np.round(line, 1).T.tolist() for line in aligned]
    return json.dumps({"word": name, "key_id": key, "recognized": True, "drawing": moved})


def write_data_set(
    names: list[str], options: argparse.Namespace, drawings: pathlib.Path
) -> dataset.DatasetInfo:
    """Prepares `options.number` drawings of each class, and writes down what they are."""
    target = options.output_dir / options.data_name
    if not (target / dataset.DESCRIPTION).exists():
        inputs = [
            drawings / f"{name}-{start:06}.ndjson"
            for name in names
            for start in range(0, options.number, CHUNK)
        ]
        arguments = [f"--input={path}" for path in inputs]
        arguments += ["--output_dir", str(target), "--splits", options.splits]
        arguments += ["--simplify_epsilon", str(options.simplify_epsilon)]
        if prepare.run(arguments):
            raise SystemExit(1)
    info = dataset.read_info(target)
    made = {
        "what": "drawings that Google's Quick, Draw! models made (sketch-rnn-js, NAME.gen.json)",
        "models": names,
        "temperature": options.temperature,
        "seed": options.seed,
        "drawn_per_class": options.number,
    }
    # The models draw on Quick, Draw!'s canvas: other drawings reach theirs through its chain.
    simplification = {
        "method": "quickdraw",
        "epsilon": options.simplify_epsilon,
        "size": SIZE,
        "spacing": 1.0,
        "published": True,
    }
    info = dataclasses.replace(
        info, reading={**info.reading, "made": made}, simplification=simplification
    )
    dataset.write_info(target, info)
    return info


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=pathlib.Path, required=True, help="folder of .gen.json")
    parser.add_argument("--output_dir", type=pathlib.Path, required=True)
    parser.add_argument("--number", type=int, default=6000, help="drawings made per class")
    parser.add_argument("--classes", nargs="*", help="some of the models; default: all")
    parser.add_argument("--temperature", type=float, default=0.8)
    parser.add_argument("--simplify_epsilon", type=float, default=4.0, help="0 keeps all points")
    parser.add_argument("--splits", default="90,5,5", help="shares of train, valid and test")
    parser.add_argument("--data_name", default="data", help="folder of the data set in DIR")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    if options.number < 1 or options.number % CHUNK:
        parser.error(f"--number is {options.number}, expected a multiple of {CHUNK}")
    return options


if __name__ == "__main__":
    main()
