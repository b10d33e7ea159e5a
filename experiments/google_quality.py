r"""Whose drawings are nearest to the real ones of a class: Google's models by category.

  python experiments/google_quality.py --models ../shared/data/pretrained \
      --drawings ../shared/data/quickdraw_all/quickdraw_336_classes_raw.ndjson.gz \
      --more_drawings ../shared/data/quickdraw_raw --output table.json

The raw Quick, Draw! drawings go through our own pipeline (align, scale, resample, simplify, round)
into a data set below --work_dir that lacks the models' classes; on the other classes the network of
the measures is trained, so that it has seen no drawing that it is asked about. Each model draws,
and for each of its classes KID says how far every model's drawings lie from the real ones. KID is
unbiased, so the few real drawings of a class (15 to 30) do, once features have the same length: of
so few, one dark scribble, whose features are long, would decide. The right model should be nearest.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import sketch_rnn_tf
from data_prep import prepare
from sketch_rnn_tf import cli, files, progress
from sketch_rnn_tf.commands import import_model, inputs
from sketch_rnn_tf.interop import magenta_js
from sketch_rnn_tf.quality import metrics, real


def main() -> None:
    options = _options()
    paths = sorted(options.models.glob("*.gen.json"))
    classes = {path.name.split(".")[0]: path for path in paths}
    with tempfile.TemporaryDirectory() as temporary:
        work = options.work_dir or pathlib.Path(temporary)
        originals = split_drawings(options, classes, work)
        network = real.open_real(work / "others").network
        features = {
            name: real.look(network, sketches, [-1] * len(sketches), f"real {name}").features
            for name, sketches in originals.items()
        }
        drawn = {
            name: real.look(
                network,
                model_drawings(path, work / "runs" / name, options),
                [-1] * options.samples,
                f"drawings of {name}",
            ).features
            for name, path in classes.items()
        }
    distances = {
        name: {
            model: metrics.kid(of_one_length(features[name]), of_one_length(drawn[model]))
            for model in classes
        }
        for name in classes
    }
    counts = {name: len(sketches) for name, sketches in originals.items()}
    print(table(distances, counts))
    if options.output:
        files.write_json(options.output, {"kid": distances, "real_drawings": counts})


def split_drawings(options, classes, work: pathlib.Path) -> dict[str, list]:
    """Writes the drawings of other classes as a data set; returns those of `classes`, prepared."""
    texts: dict[str, dict[str, str]] = {name: {} for name in classes}  # by key
    others: dict[str, str] = {}
    with gzip.open(options.drawings, "rt", encoding="utf-8") as stream:
        lines = list(stream)
    if options.more_drawings:
        for path in sorted(options.more_drawings.glob("*.ndjson")):
            lines += path.read_text(encoding="utf-8").split("\n")
    for line in filter(None, map(str.strip, lines)):
        content = json.loads(line)
        name = content["word"].replace(" ", "_")
        texts.get(name, others)[content["key_id"]] = line
    work.mkdir(parents=True, exist_ok=True)
    if not (work / "others" / "dataset.json").exists():
        files.write_text(work / "others.ndjson", "\n".join(others.values()))
        arguments = ["--input", str(work / "others.ndjson"), "--output_dir", str(work / "others")]
        if prepare.run(arguments):
            raise SystemExit(1)
    configuration, _ = magenta_js.read_model(next(iter(classes.values())))
    originals = {}
    for name, drawings in texts.items():
        files.write_text(work / f"{name}.ndjson", "\n".join(drawings.values()))
        sketches = inputs.load(work / f"{name}.ndjson", configuration)
        originals[name] = [sketch.strokes for sketch in sketches if len(sketch.strokes)]
    return originals


def model_drawings(path: pathlib.Path, run_dir: pathlib.Path, options) -> list:
    if not run_dir.exists():
        arguments = ["--input", str(path), "--output_dir", str(run_dir)]
        if import_model.run(arguments):
            raise SystemExit(1)
    sketcher = sketch_rnn_tf.load_model(run_dir)
    drawn = []
    with progress.Progress(f"drawing with {path.name}", options.samples) as shown:
        for start in range(0, options.samples, 100):
            seeds = [(options.seed, i) for i in range(start, min(start + 100, options.samples))]
            drawn += sketcher.generate(len(seeds), temperature=options.temperature, seed=seeds)
            shown.update(len(seeds))
    return drawn


def of_one_length(features: np.ndarray) -> np.ndarray:
    """Returns features [S, D] whose mean square is 1 in every row."""
    return features / np.sqrt((features**2).mean(axis=1, keepdims=True))


def table(distances, counts) -> str:
    """Returns KID by class (rows) and model (columns) as Markdown."""
    names = list(distances)
    short = [name[:5] for name in names]
    lines = [
        f"| real drawings of | n | {' | '.join(short)} | nearest model | rank of its own |",
        f"|---|---|{'---|' * len(names)}---|---|",
    ]
    right = 0
    for name in names:
        values = np.array([distances[name][model][0] for model in names])
        order = [names[i] for i in np.argsort(values)]
        right += order[0] == name
        cells = [
            f"**{value:.3f}**" if model == order[0] else f"{value:.3f}"
            for model, value in zip(names, values, strict=True)
        ]
        lines.append(
            f"| {name} | {counts[name]} | {' | '.join(cells)} | {order[0]}"
            f" | {order.index(name) + 1} |"
        )
    return "\n".join([*lines, "", f"the right model is the nearest for {right} of {len(names)}"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--drawings", type=pathlib.Path, required=True, help="raw, .ndjson.gz")
    parser.add_argument("--more_drawings", type=pathlib.Path, help="folder of raw .ndjson files")
    parser.add_argument("--work_dir", type=pathlib.Path, help="keeps data set, network and runs")
    parser.add_argument("--output", type=pathlib.Path, help="the table as JSON")
    parser.add_argument("--samples", type=int, default=500, help="drawings of each model")
    parser.add_argument("--temperature", type=float, default=0.4)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    cli.quiet_tensorflow()
    main()
