"""Curves over steps as a `Picture`, so that SVG and PNG draw them like everything else."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from sketch_rnn_tf.drawing import layout, raster, vector, words
from sketch_rnn_tf.drawing import sketch as sketch_lib

_LEFT, _TOP, _BOTTOM, _GAP, _LINE = 52, 26, 22, 14, 16  # pixels around a panel
_GRID = "#dddddd"


@dataclasses.dataclass(frozen=True)
class Panel:
    """A chart.

    Attributes:
      title: above it.
      lines: [(x, y)] of each curve; an empty one is left out.
    """

    title: str
    lines: Sequence[Sequence[tuple[float, float]]]


def lay_out(panels: Sequence[Panel], names: Sequence[str], size: int) -> layout.Picture:
    """Places panels in two columns, with the curves' names below.

    Args:
      panels: the charts; curve i of each has the same color.
      names: of the curves.
      size: side of a panel in pixels.
    """
    columns = min(len(panels), 2)
    rows = math.ceil(len(panels) / columns)
    width = columns * (_LEFT + size + _GAP) + _GAP
    top_of_names = rows * (_TOP + size + _BOTTOM) + _GAP
    cells, texts = [], []
    for i, panel in enumerate(panels):
        row, column = divmod(i, columns)
        corner = (column * (_LEFT + size + _GAP) + _LEFT, row * (_TOP + size + _BOTTOM) + _TOP)
        added = _panel(panel, corner, size)
        cells += added[0]
        texts += added[1]
    for i, name in enumerate(names):
        y = top_of_names + (i + 1) * _LINE
        color = layout.PALETTE[i % len(layout.PALETTE)]
        texts.append(words.fitted(_LEFT, y, f"— {name}", 12, width - _LEFT, color, "start"))
    return layout.Picture(
        width=width,
        height=top_of_names + len(names) * _LINE + _GAP,
        size=size,
        stroke_width=1.5,
        background="white",
        title=None,
        cells=cells,
        texts=texts,
        frames=[],
    )


def to_bytes(picture: layout.Picture, suffix: str) -> bytes:
    """Returns what a .svg or .png file of a picture holds."""
    return raster.png(picture, 2.0) if suffix == ".png" else vector.document(picture).encode()


def _panel(panel: Panel, corner: tuple[float, float], size: int):
    """Returns the cells and texts of a chart whose axes meet at the corner's lower end."""
    points = np.array([point for line in panel.lines for point in line], np.float64)
    x_end, low, high = max(points[:, 0].max(), 1.0), points[:, 1].min(), points[:, 1].max()
    # A first value far above all others would flatten the rest.
    high = min(high, float(np.percentile(points[:, 1], 98)) + 0.2 * (high - low))
    ticks = _ticks(low, max(high, low + 1e-9))
    low, high = min(low, ticks[0]), max(high, ticks[-1])
    scale = size / (high - low)
    x, y = corner
    center = (x + size / 2, y + size / 2)

    def cell(line, color) -> layout.Cell:
        places = np.asarray(line, np.float64) * [size / x_end, -scale] + [0, high * scale]
        places = np.clip(places, 0, size)
        rows = np.c_[np.diff(places, axis=0, prepend=np.zeros((1, 2))), np.zeros(len(places))]
        rows[-1, 2] = 1
        sketch = sketch_lib.Sketch(rows)
        return layout.Cell(sketch, center, (size / 2, size / 2), 1.0, [(0, len(rows), color)])

    texts = [words.fitted(center[0], y - 8, panel.title, 13, size, layout.INK)]
    cells = []
    for tick in ticks:
        cells.append(cell([(0, tick), (x_end, tick)], _GRID))
        place = y + (high - tick) * scale + 4
        texts.append(words.fitted(x - 6, place, f"{tick:g}", 11, _LEFT, anchor="end"))
    for share in (0, 0.5, 1):
        label = f"{share * x_end:,.0f}"
        texts.append(words.fitted(x + share * size, y + size + 15, label, 11, size / 2))
    cells += [
        cell(line, layout.PALETTE[i % len(layout.PALETTE)])
        for i, line in enumerate(panel.lines)
        if line
    ]
    return cells, texts


def _ticks(low: float, high: float) -> list[float]:
    """Returns three to six round numbers between two."""
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= rough)
    first = math.ceil(low / step - 1e-9)
    found = [round(k * step, 12) for k in range(first, first + 7) if k * step <= high + 1e-9]
    return found or [low, high]
