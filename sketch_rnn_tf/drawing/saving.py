"""Drawings as files: the suffix says which kind."""

from __future__ import annotations

import io
import json
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import files
from sketch_rnn_tf.drawing import raster, vector
from sketch_rnn_tf.drawing import sketch as sketch_lib
from sketch_rnn_tf.errors import UserError

SUFFIXES = (".svg", ".png", ".gif", ".json", ".npz")


def save(path: str | os.PathLike, drawings: Any, **options: Any) -> None:
    """Writes drawings to a file, whole or not at all.

    Args:
      path: ends in .svg, .png or .gif for a picture, .json or .npz for the numbers.
      drawings: one drawing (a stroke-3 array or a Sketch) or a list of them.
      **options: of the picture, as in `drawing.lay_out`; numbers have none and ignore them.

    Raises:
      UserError: a drawing or an option is wrong, or the suffix is another.
    """
    content = to_bytes(check_suffix(path), drawings, **options)
    with files.atomic_open(path) as stream:
        stream.write(content)


def check_suffix(path: str | os.PathLike) -> str:
    """Returns the kind of file that a path asks for, one of SUFFIXES.

    Raises:
      UserError: it is none of them.
    """
    suffix = pathlib.PurePath(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: ends in {suffix or 'nothing'}, expected {', '.join(SUFFIXES)}")
    return suffix


def to_bytes(suffix: str, drawings: Any, **options: Any) -> bytes:
    """Returns what a file of one of SUFFIXES holds."""
    if suffix == ".svg":
        return vector.grid(drawings, **options).encode()
    if suffix in (".png", ".gif"):
        return (raster.png if suffix == ".png" else raster.gif)(drawings, **options)
    sketches = [sketch for sketch in sketch_lib.as_list(drawings)[0] if sketch is not None]
    return json_text(sketches).encode() if suffix == ".json" else npz_bytes(sketches)


def json_text(drawings: Sequence[Any]) -> str:
    """Returns drawings as JSON: {"sketches": [{"strokes", "label", "ended"}, ...]}.

    The coordinates are the shortest numbers that give the same float32.
    """
    sketches = [sketch_lib.as_sketch(drawing, f"sketch {i}") for i, drawing in enumerate(drawings)]
    content = [
        {"strokes": _rows(sketch.strokes), "label": sketch.label, "ended": bool(sketch.ended)}
        for sketch in sketches
    ]
    return json.dumps({"sketches": content}, allow_nan=False, ensure_ascii=False) + "\n"


def npz_bytes(drawings: Sequence[Any]) -> bytes:
    """Returns drawings as an npz file without pickle: `strokes` [sum N, 3] and `lengths`."""
    arrays = [np.zeros((0, 3), np.float32)]
    arrays += [
        sketch_lib.as_sketch(drawing, f"sketch {i}").strokes for i, drawing in enumerate(drawings)
    ]
    lengths = np.array([len(array) for array in arrays[1:]], np.int64)
    stream = io.BytesIO()
    np.savez_compressed(stream, strokes=np.concatenate(arrays), lengths=lengths)
    return stream.getvalue()


def _rows(strokes: np.ndarray) -> list[list[float]]:
    """Returns rows whose numbers print as short as a float32 can: 0.1, not 0.10000000149."""
    offsets = strokes[:, :2].astype("U").astype(np.float64).tolist()
    return [[dx, dy, int(pen)] for (dx, dy), pen in zip(offsets, strokes[:, 2], strict=True)]
