"""Drawings as numbers for programs: JSON, and npz without pickle."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from typing import Any

import numpy as np


def to_json(sketches: Sequence[Any]) -> str:
    """Returns drawings as JSON: {"sketches": [{"strokes", "label", "ended"}, ...]}.

    The coordinates are the shortest numbers that give the same float32.

    Args:
      sketches: each a `Sketch`.
    """
    content = []
    for sketch in sketches:
        # As short as a float32 can print: 0.1, not 0.10000000149.
        offsets = sketch.strokes[:, :2].astype("U").astype(np.float64).tolist()
        pens = sketch.strokes[:, 2]
        rows = [[dx, dy, int(pen)] for (dx, dy), pen in zip(offsets, pens, strict=True)]
        content.append({"strokes": rows, "label": sketch.label, "ended": bool(sketch.ended)})
    return json.dumps({"sketches": content}, allow_nan=False, ensure_ascii=False) + "\n"


def to_npz(sketches: Sequence[Any]) -> bytes:
    """Returns drawings as an npz file: `strokes` [sum N, 3] and `lengths`.

    Args:
      sketches: each a `Sketch`.
    """
    arrays = [np.zeros((0, 3), np.float32), *(sketch.strokes for sketch in sketches)]
    lengths = np.array([len(array) for array in arrays[1:]], np.int64)
    stream = io.BytesIO()
    np.savez_compressed(stream, strokes=np.concatenate(arrays), lengths=lengths)
    return stream.getvalue()
