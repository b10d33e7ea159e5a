r"""Which measure of quality sees which fault: real drawings, spoiled more and more.

  python experiments/quality_faults.py --data_dir data/two --class omniglot --other short_kanji

The real drawings are those of the test split; what stands for a model's are those of the valid
split, untouched, with jitter, with strokes left out, with the pen shuffled, or of another class;
twenty of them again and again; and copies of training drawings, exact and with a little jitter.
Prints a table in Markdown, a row a fault.
"""

from __future__ import annotations

import argparse
import os
import pathlib
from collections.abc import Callable

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from sketch_rnn_tf import cli, strokes
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.quality import measuring, memory, networks, real

COLUMNS = (
    *("kid", "frechet", "precision", "recall", "density", "coverage", "one_nn_accuracy"),
    *("copies", "recognized"),
)
GEOMETRY = ("strokes", "ink", "pen_up_travel", "turning")


def jitter(rows: np.ndarray, random: np.random.Generator, share: float) -> np.ndarray:
    """Returns a drawing whose points are moved by so many sides of its bounding box."""
    points = np.cumsum(rows[:, :2].astype(np.float64), axis=0)
    points += random.normal(scale=share * np.ptp(points, axis=0).max(), size=points.shape)
    spoiled = rows.astype(np.float32)
    spoiled[:, :2] = np.diff(points, axis=0, prepend=0)
    return spoiled


def drop_strokes(rows: np.ndarray, random: np.random.Generator, share: float) -> np.ndarray:
    """Returns a drawing that lost each of its strokes with this probability, one of them kept."""
    lines = strokes.stroke3_to_polylines(rows)
    lost = random.uniform(size=len(lines)) < share
    lost[random.integers(len(lines))] = False
    kept = [line for line, gone in zip(lines, lost, strict=True) if not gone]
    return strokes.polylines_to_stroke3(kept).astype(np.float32)


def shuffle_pen(rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Returns a drawing whose pen is lifted as often, elsewhere."""
    spoiled = rows.copy()
    spoiled[:-1, 2] = random.permutation(spoiled[:-1, 2])
    return spoiled


def faults(
    valid: list[np.ndarray], other: list[np.ndarray], training: list[np.ndarray], seed: int = 0
) -> dict[str, list[np.ndarray]]:
    """Returns {fault: drawings}, the worse the later, then the repeated and the copied."""

    def spoil(rows: list[np.ndarray], function: Callable, *arguments) -> list[np.ndarray]:
        random = np.random.default_rng(seed)
        return [function(one, random, *arguments) for one in rows]

    return {
        "none": valid,
        "jitter of 2 %": spoil(valid, jitter, 0.02),
        "10 % of strokes dropped": spoil(valid, drop_strokes, 0.1),
        "pen shuffled": spoil(valid, shuffle_pen),
        "another class": other,
        "20 drawings repeated": (valid[:20] * len(valid))[: len(valid)],
        "copies of training": training,
        "copies with jitter of 0.5 %": spoil(training, jitter, 0.005),
    }


def measure_faults(
    data_dir, name: str, other: str, samples: int, steps: int = networks.STEPS
) -> dict[str, dict]:
    """Returns {fault: measures} for drawings of the class `name`."""
    info = dataset.read_info(data_dir)
    known = real.open_real(data_dir, steps)

    def of_class(split: str, wanted: str) -> list[np.ndarray]:
        label = info.classes.index(wanted)
        found = (one.strokes for one in real.drawings(data_dir, split) if one.label == label)
        return [rows for rows, _ in zip(found, range(samples), strict=False)]

    label = info.classes.index(name)
    test = known.splits["test"]
    reference = test[test.labels == label][:samples]
    training = known.splits["train"]
    planted = faults(of_class("valid", name), of_class("valid", other), of_class("train", name))
    held_out = memory.Memory.of(reference, training)
    found = {}
    for fault, drawings in planted.items():
        looks = real.look(known.network, drawings, [label] * len(drawings), fault)
        found[fault] = {
            **measuring.compare(reference, looks),
            **memory.memorization(memory.Memory.of(looks, training), held_out, len(training)),
            "recognized": float((looks.recognized == label).mean()),
        }
    return found


def table(found: dict[str, dict]) -> str:
    """Returns the measures as Markdown, a row a fault."""
    head = [*COLUMNS, *GEOMETRY]
    lines = [f"| fault | {' | '.join(head)} |", f"|---|{'---|' * len(head)}"]
    for fault, values in found.items():
        cells = [*(values[name] for name in COLUMNS)]
        cells += [values["geometry"][name]["in_deviations"] for name in GEOMETRY]
        texts = ["-" if cell is None else f"{cell:.3f}" for cell in cells]
        lines.append(f"| {fault} | {' | '.join(texts)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--class", dest="name", required=True)
    parser.add_argument("--other", required=True, help="the other class")
    parser.add_argument("--samples", type=int, default=1000)
    options = parser.parse_args()
    found = measure_faults(options.data_dir, options.name, options.other, options.samples)
    print(table(found))


if __name__ == "__main__":
    cli.quiet_tensorflow()
    main()
