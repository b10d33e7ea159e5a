"""How long it takes to measure how good a model's drawings are, part by part.

python benchmarks/quality.py --data_dir data/kanji --model pretrained:kanji --with_valid

Features of the data set are computed first where they are not kept beside it; the rest is what
every later measurement costs. Seconds, each part once.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

import sketch_rnn_tf
from sketch_rnn_tf import cli, quality
from sketch_rnn_tf.quality import measuring, metrics, networks, real, rendering


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="pretrained:kanji")
    parser.add_argument("--samples", type=int, default=1000)
    parser.add_argument("--with_valid", action="store_true")
    parser.add_argument(
        "--training", type=int, default=100_000, help="drawings to search for copies"
    )
    options = parser.parse_args()
    known = _timed("features of the data set, kept", lambda: real.open_real(options.data_dir))
    sketches, labels = real.read(options.data_dir, "train", options.samples)
    pictures = _timed(f"rendering {len(sketches)}", lambda: rendering.render(sketches))
    _timed(f"features of {len(sketches)}", lambda: known.network.look(pictures))
    looks = real.look(known.network, sketches, labels, "features", pictures)
    half = len(looks) // 2
    _timed(f"measures of {half} and {half}", lambda: measuring.compare(looks[:half], looks[half:]))
    size = (options.training, networks.FEATURES)
    many = np.random.default_rng(0).normal(size=size).astype(np.float32)
    _timed(
        f"nearest of {options.training} training drawings",
        lambda: metrics.spacing(many, metrics.nearest(looks.features, many)[0]),
    )
    sketcher = sketch_rnn_tf.load_model(options.model)
    _timed(
        f"all of it for {options.samples} drawings",
        lambda: quality.measure(
            sketcher, options.data_dir, samples=options.samples, with_valid=options.with_valid
        ),
    )
    _timed(
        "the cheap version after training",
        lambda: quality.at_end_of_training(sketcher, options.data_dir),
    )


def _timed(what: str, function):
    start = time.perf_counter()
    result = function()
    print(f"{what:45s}{time.perf_counter() - start:8.1f} s", flush=True)
    return result


if __name__ == "__main__":
    cli.quiet_tensorflow()
    main()
