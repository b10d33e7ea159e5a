"""The functions of this package on drawings in any form: stroke-3 arrays, Sketch, lists of them."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence
from typing import Any

from sketch_rnn_tf.drawing import data_files, fonts, layout, raster, saving
from sketch_rnn_tf.drawing import sketch as sketch_lib
from sketch_rnn_tf.errors import UserError


def lay_out(drawings: Any, **options: Any) -> layout.Picture:
    """Returns where everything stands in a picture of drawings; see `layout.lay_out`."""
    return sketch_lib.as_sketches(drawings).picture(**options)


def svg(drawing: Any, **options: Any) -> str:
    """Returns a drawing as an SVG document.

    Args:
      drawing: a stroke-3 array [N, 3] in any unit, or a Sketch.
      **options: as in `drawing.lay_out`; `size` is 256 by default.

    Raises:
      UserError: the drawing or an option is wrong.
    """
    sketch = sketch_lib.as_sketch(drawing)
    if sketch is None:
        raise UserError("a sketch is None, expected a stroke-3 array")
    return sketch.svg(**options)


def grid(drawings: Any, **options: Any) -> str:
    """Returns drawings as one SVG document, in a grid.

    Args:
      drawings: stroke-3 arrays or Sketch; None is a blank cell.
      **options: as in `drawing.lay_out`.

    Raises:
      UserError: a drawing or an option is wrong.
    """
    return sketch_lib.as_sketches(drawings).svg(**options)


def png(drawings: Any, *, zoom: float = 2.0, **options: Any) -> bytes:
    """Returns a drawing, or a grid of drawings, as PNG.

    Args:
      drawings: one drawing (a stroke-3 array or a Sketch) or a list of them.
      zoom: pixels of the file for one of the layout; 2 is sharp on today's screens.
      **options: as in `drawing.lay_out`.

    Raises:
      UserError: a drawing or an option is wrong, or the picture would be too large.
    """
    return sketch_lib.as_sketches(drawings).png(zoom=zoom, **options)


def gif(drawings: Any, *, zoom: float = 1.0, **options: Any) -> bytes:
    """Returns an animated GIF that draws stroke after stroke, all cells of a grid side by side.

    The pen goes at an even pace, faster between strokes, and no picture takes longer than eight
    seconds to draw. It repeats forever.

    Args:
      drawings: one drawing (a stroke-3 array or a Sketch) or a list of them.
      zoom: pixels of the file for one of the layout.
      **options: as in `drawing.lay_out`; without background it is white.

    Raises:
      UserError: a drawing or an option is wrong, or the picture would be too large.
    """
    return sketch_lib.as_sketches(drawings).gif(zoom=zoom, **options)


def save(
    path: str | os.PathLike, drawings: Any, *, overwrite: bool = False, **options: Any
) -> list[pathlib.Path]:
    """Writes drawings to a file, whole or not at all, or each to a file of its own.

    Args:
      path: ends in .svg, .png or .gif for a picture, .json or .npz for the numbers; with {i} in it
        (or {i:03}, three digits) every drawing has its own file.
      drawings: one drawing (a stroke-3 array or a Sketch) or a list of them.
      overwrite: replace files that exist.
      **options: of the picture, as in `drawing.lay_out`; numbers have none and ignore them.

    Returns:
      The files that were written.

    Raises:
      UserError: a drawing or an option is wrong, the suffix is another, or a file exists.
    """
    return sketch_lib.as_sketches(drawings).save(path, overwrite=overwrite, **options)


def check_size(path: str | os.PathLike, count: int, **options: Any) -> None:
    """Raises UserError where a picture of so many drawings would be too large for its file."""
    blank = sketch_lib.Sketches([None] * count)
    raster.check_size(blank.picture(**options), saving.check_suffix(path))


def missing_letters(picture: layout.Picture) -> str:
    """Returns the letters of a picture's words that PNG and GIF cannot show; see `fonts`."""
    return fonts.missing("".join(text.text for text in picture.texts))


def json_text(drawings: Sequence[Any]) -> str:
    """Returns drawings as JSON: {"sketches": [{"strokes", "label", "ended"}, ...]}.

    The coordinates are the shortest numbers that give the same float32.
    """
    return data_files.to_json(sketch_lib.Sketches(drawings))
