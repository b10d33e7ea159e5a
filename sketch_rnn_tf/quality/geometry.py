"""What can be counted and measured in a drawing without any network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf.quality import metrics

NAMES = ("strokes", "points", "ink", "pen_up_travel", "aspect", "turning", "size")
MEANINGS = {
    "strokes": "strokes",
    "points": "points",
    "ink": "length of all lines, in longer sides of the bounding box",
    "pen_up_travel": "way between strokes, in longer sides of the bounding box",
    "aspect": "natural logarithm of width over height, between -3 and 3",
    "turning": "mean angle between two lines of a stroke that follow each other, radians",
    "size": "longer side of the bounding box, source units",
}
_LONGEST_ASPECT = 3.0


def features(sketches: Sequence[Any]) -> np.ndarray:
    """Returns the numbers of `NAMES` for each drawing.

    Args:
      sketches: stroke-3 arrays [N, 3] or `drawing.Sketch`, source units.

    Returns:
      float64 [S, 7]. A drawing without points is all zeros.
    """
    return np.array([of_one(np.asarray(sketch)) for sketch in sketches]).reshape(-1, len(NAMES))


def of_one(rows: np.ndarray) -> list[float]:
    """Returns the numbers of one drawing [N, 3]."""
    if not len(rows):
        return [0.0] * len(NAMES)
    points = np.cumsum(rows[:, :2].astype(np.float64), axis=0)
    width, height = np.ptp(points, axis=0)
    side = max(width, height)
    moves = np.diff(points, axis=0)
    lengths = np.hypot(moves[:, 0], moves[:, 1])
    lifted = rows[:-1, 2] > 0.5  # the pen is up on the way to the next point
    ink, travel = lengths[~lifted].sum(), lengths[lifted].sum()
    if side > 0:
        ink, travel = ink / side, travel / side
    aspect = np.log((width + 1e-9) / (height + 1e-9)) if side > 0 else 0.0
    aspect = float(np.clip(aspect, -_LONGEST_ASPECT, _LONGEST_ASPECT))
    strokes = lifted.sum() + 1
    return [strokes, len(rows), ink, travel, aspect, turning(moves, lengths, lifted), side]


def turning(moves: np.ndarray, lengths: np.ndarray, lifted: np.ndarray) -> float:
    """Returns the mean angle between moves [N - 1, 2] within strokes, radians."""
    both = ~lifted[1:] & ~lifted[:-1] & (lengths[1:] > 0) & (lengths[:-1] > 0)
    if not both.any():
        return 0.0
    angles = np.arctan2(moves[:, 1], moves[:, 0])
    turns = np.abs(np.angle(np.exp(1j * np.diff(angles))))
    return float(turns[both].mean())


def compare(real: np.ndarray, drawn: np.ndarray) -> dict[str, dict[str, float]]:
    """Compares the features [R, 7] and [S, 7] of two sets.

    Returns:
      {name: {`mean`, `mean_real`, `wasserstein`, `in_deviations`}}: the Wasserstein-1 distance of
      the two distributions, in the feature's unit and in standard deviations of the real one.
    """
    found = {}
    for i, name in enumerate(NAMES):
        distance = metrics.wasserstein(real[:, i], drawn[:, i])
        deviation = float(real[:, i].std())
        found[name] = {
            "mean": float(drawn[:, i].mean()),
            "mean_real": float(real[:, i].mean()),
            "wasserstein": distance,
            "in_deviations": distance / deviation if deviation > 0 else float("nan"),
        }
    return found
