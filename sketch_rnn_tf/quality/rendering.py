"""The one picture of a drawing that every measure of quality looks at.

A drawing is moved and scaled (its aspect kept) until the longer side of its bounding box spans 60
of 64 pixels, and drawn with a round pen of 1.75 pixels: each line at four times the size without
smoothing, then averaged over 4 x 4 pixels, which smooths the edges. Where a drawing lies and how
large it is leaves no trace; ink is 255, paper 0. A drawing of a single point is a dot in the
middle; a drawing without points is blank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

SIZE = 64  # pixels per side
MARGIN = 2.0  # pixels between the longer side of the bounding box and the edge
OVERSAMPLING = 4  # lines are drawn so many times larger and averaged
PEN = 7 / OVERSAMPLING  # pixels, the width of a line; Pillow draws odd widths the same both ways
VERSION = 1  # grows with every change of what a picture looks like

DESCRIPTION = (
    f"{SIZE} x {SIZE} pixels, bounding box fitted with a margin of {MARGIN:g}, pen of {PEN:g},"
    f" averaged over {OVERSAMPLING} x {OVERSAMPLING}"
)


def render(sketches: Sequence[Any], tick: Callable[[int], None] = lambda count: None) -> np.ndarray:
    """Returns pictures of drawings.

    Args:
      sketches: stroke-3 arrays [N, 3] or `drawing.Sketch`, in any unit.
      tick: called after each drawing with 1, to show progress.

    Returns:
      uint8 [S, 64, 64]; 255 is ink.
    """
    pictures = np.zeros((len(sketches), SIZE, SIZE), np.uint8)
    for picture, sketch in zip(pictures, sketches, strict=True):
        rows = np.asarray(sketch)
        if len(rows):
            picture[:] = _draw(rows)
        tick(1)
    return pictures


def _draw(rows: np.ndarray) -> np.ndarray:
    """Returns the picture of a drawing with points, uint8 [64, 64]."""
    from PIL import Image, ImageDraw

    side = SIZE * OVERSAMPLING
    points = np.cumsum(rows[:, :2].astype(np.float64), axis=0)
    low, high = points.min(axis=0), points.max(axis=0)
    extent = (high - low).max()
    scale = (side - 2 * MARGIN * OVERSAMPLING) / extent if extent > 0 else 0.0
    points = (points - (low + high) / 2) * scale + (side - 1) / 2  # centers of pixels are whole
    image = Image.new("L", (side, side))
    pen = ImageDraw.Draw(image)
    width = round(PEN * OVERSAMPLING)
    radius = width // 2
    for stroke in np.split(points, np.flatnonzero(rows[:-1, 2] > 0.5) + 1):
        way = [(round(x), round(y)) for x, y in stroke.tolist()]
        if len(way) > 1:
            pen.line(way, 255, width)
        for x, y in way:  # round ends and joints
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), 255)
    return np.asarray(image.reduce(OVERSAMPLING))
