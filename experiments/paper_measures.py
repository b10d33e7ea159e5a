r"""Measures what the paper shows: drawings drawn again, and the way from one class to another.

  python experiments/paper_measures.py --model runs/paper/pair/kl_0.25 --data_dir data/pair/data \
      --judge_dir data/doodles/data

The judge is the network of the measures (docs/how_good.md) of a data set of more classes. Asked is
how many of these it takes for what they should be:

originals        drawings of the test split
reconstructions  the same, drawn again from their latent vector
interpolations   the steps between a drawing of one class and one of another, as one of the two;
                 beside it originals of the two classes, as one of the two

Pairs are drawn by --seed, the same for all models.
"""

from __future__ import annotations

import argparse
import os
import pathlib
from collections.abc import Sequence

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np

import sketch_rnn_tf
from sketch_rnn_tf import cli
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.quality import real

STEPS = 7  # drawings on the way, both ends with them; only the inner ones are judged


def main() -> None:
    options = _options()
    sketcher = sketch_rnn_tf.load_model(options.model)
    judge = real.open_real(options.judge_dir)
    known = dataset.read_info(options.judge_dir).classes
    names = dataset.read_info(options.data_dir).classes
    drawings, labels = real.read(options.data_dir, "test", options.number * len(names))
    asked = [known.index(names[label]) for label in labels]
    own = [names[label] for label in labels]
    given = own if sketcher.config.model.class_conditioned else None
    settings = {"temperature": options.temperature, "seed": options.seed}
    again = sketcher.reconstruct(drawings, label=given, **settings)
    originals, drawn = (
        real.look(judge.network, found, asked, what).recognized
        for found, what in ((drawings, "originals"), (again, "reconstructions"))
    )
    print(f"{options.model}, {len(drawings)} drawings of the test split of {', '.join(names)}")
    print(f"originals recognized        {np.mean(originals == asked):.3f}")
    print(f"reconstructions recognized  {np.mean(drawn == asked):.3f}")
    if len(names) > 1:
        steps, pairs = ways(sketcher, drawings, labels, options)
        either = np.array([known.index(name) for name in names])
        found = real.look(judge.network, steps, [-1] * len(steps), "interpolations").recognized
        ends = originals[np.isin(asked, either)]
        print(f"originals as one of both    {np.isin(ends, either).mean():.3f}")
        print(f"steps of {pairs} ways as one of both  {np.isin(found, either).mean():.3f}")


def ways(
    sketcher, drawings: Sequence[np.ndarray], labels: Sequence[int], options
) -> tuple[list[np.ndarray], int]:
    """Returns the inner steps between drawings of the first two classes, and how many pairs."""
    of = [[i for i, label in enumerate(labels) if label == wanted] for wanted in (0, 1)]
    generator = np.random.default_rng(options.seed)
    pairs = list(zip(*(generator.permutation(side)[: options.ways] for side in of), strict=False))
    steps = []
    for i, j in pairs:
        way = sketcher.interpolate(
            [drawings[i], drawings[j]],
            steps=STEPS,
            temperature=options.temperature,
            seed=options.seed,
        )
        steps += way[1:-1]
    return steps, len(pairs)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", required=True)
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--judge_dir", type=pathlib.Path, required=True)
    parser.add_argument("--number", type=int, default=500, help="of drawings per class")
    parser.add_argument("--ways", type=int, default=100, help="between the first two classes")
    parser.add_argument("--temperature", type=float, default=0.3)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    cli.quiet_tensorflow()
    main()
