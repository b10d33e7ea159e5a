"""Where everything in a picture stands: the one description that SVG, PNG and GIF are made from."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import strokes as strokes_lib
from sketch_rnn_tf.drawing import curves, words
from sketch_rnn_tf.errors import UserError

INK = "#1a1a1a"
GIVEN = "#0072b2"
MARK = "#d55e00"
# Okabe and Ito's colors, which people with any color vision can tell apart.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1a1a1a")
EMPTY = "empty"  # stands in the cell of a drawing without points

MARGIN, GAP = 8, 8
TITLE_SIZE, HEADING_SIZE, CAPTION_SIZE = 15, 12, 11
LINE = CAPTION_SIZE + 4  # a line of words below a cell
LONGEST_ROW_TITLE = 160
_NUMBER = re.compile(r"#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}")


@dataclasses.dataclass(frozen=True)
class Frame:
    """A rectangle of `size` by `size` around a cell."""

    x: float
    y: float
    size: float
    color: str = MARK


@dataclasses.dataclass(frozen=True)
class Cell:
    """A drawing in its place: a point p of it stands at `center + (p - middle) * scale`.

    Attributes:
      sketch: the drawing, a `Sketch`.
      center: (x, y) of the cell's middle, in pixels.
      middle: (x, y) of the drawing's middle, in its own units.
      scale: pixels per unit.
      runs: (first row, row after the last, color), in order, covering all rows.
    """

    sketch: Any
    center: tuple[float, float]
    middle: tuple[float, float]
    scale: float
    runs: list[tuple[int, int, str]]


@dataclasses.dataclass(frozen=True)
class Picture:
    """A whole picture in pixels; see `lay_out`."""

    width: int
    height: int
    size: int
    stroke_width: float
    background: str | None
    title: str | None
    cells: list[Cell]
    texts: list[words.Text]
    frames: list[Frame]
    smooth: bool = False


def lay_out(
    sketches: Sequence[Any],
    *,
    columns: int | None = None,
    size: int = 128,
    title: str | None = None,
    captions: Sequence[str | None] | None = None,
    marks: Mapping[int, str] | None = None,
    row_titles: Sequence[str] = (),
    column_titles: Sequence[str] = (),
    colors: str | Sequence[str] | None = None,
    given_color: str = GIVEN,
    stroke_width: float | None = None,
    background: str | None = "white",
    smooth: bool = False,
) -> Picture:
    """Places drawings in a grid, row by row.

    Every drawing is centered in its cell and as large as fits, but none is enlarged to more than
    twice the scale of the typical one: a dot beside houses stays small. The cell of a drawing
    without points says that it is empty.

    Args:
      sketches: each a `Sketch`, or None for a blank cell.
      columns: cells per row; by default as many as make the grid about square.
      size: side of a cell in pixels.
      title: shown above a grid, and the picture's name for screen readers.
      captions: a line below each cell.
      marks: cells that stand out, {index: why}: framed, with the word below.
      row_titles: words left of the rows.
      column_titles: words above the columns.
      colors: None: ink; "strokes": a color per stroke; or CSS colors, taken in turn by the strokes.
      given_color: color of the first `Sketch.given` points.
      stroke_width: in pixels; by default 1.7 for cells of 128, 2.4 for 256.
      background: color, or None for none.
      smooth: draw curves through the points instead of straight lines; see `curves.handles`.

    Returns:
      The picture.

    Raises:
      UserError: a drawing or an option is wrong; the message says which.
    """
    marks = {index: text for index, text in (marks or {}).items() if text}
    if not 8 <= size <= 8192:
        raise UserError(f"size is {size}, expected 8 to 8192 pixels per cell")
    if columns is not None and columns < 1:
        raise UserError(f"columns is {columns}, expected at least 1")
    if stroke_width is None:
        stroke_width = round(0.15 * math.sqrt(size), 2)
    if not 0 < stroke_width <= size:
        raise UserError(f"stroke_width is {stroke_width}, expected pixels above 0, up to {size}")
    left = MARGIN
    if row_titles:
        widest = max(words.width(words.printable(title), HEADING_SIZE) for title in row_titles)
        left += math.ceil(min(widest, LONGEST_ROW_TITLE)) + GAP
    square = max(math.ceil(math.sqrt(len(sketches))), 1)
    grid = Grid(
        count=len(sketches),
        columns=columns or len(column_titles) or square,
        size=size,
        left=left,
        top=MARGIN + bool(title) * (TITLE_SIZE + GAP) + bool(column_titles) * (HEADING_SIZE + 6),
        lines=bool(captions) + bool(marks),
    )
    grid.check_counts(captions, marks, row_titles, column_titles)
    check_colors(given_color, *([background] if background else []))
    return Picture(
        width=grid.width,
        height=grid.height,
        size=size,
        stroke_width=stroke_width,
        background=background,
        title=title,
        cells=_placed(sketches, grid, stroke_width, _palette(colors), given_color),
        texts=grid.titles(title, row_titles, column_titles)
        + grid.words_below(captions, marks)
        + grid.words_inside(sketches),
        frames=[Frame(*grid.corner(i), size) for i in sorted(marks)],
        smooth=smooth,
    )


@dataclasses.dataclass(frozen=True)
class Grid:
    """Where cells stand: `count` squares of `size` with `lines` lines of words below each."""

    count: int
    columns: int
    size: int
    left: int
    top: int
    lines: int

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return math.ceil(self.count / self.columns)

    @property
    def row_height(self) -> int:
        """From one row to the next, in pixels."""
        return self.size + GAP + self.lines * LINE

    @property
    def width(self) -> int:
        """Of the whole picture."""
        return self.left + self.columns * (self.size + GAP) - GAP + MARGIN

    @property
    def height(self) -> int:
        """Of the whole picture."""
        return self.top + max(self.rows * self.row_height - GAP, 0) + MARGIN

    def corner(self, index: int) -> tuple[float, float]:
        """Returns the top left corner of a cell."""
        row, column = divmod(index, self.columns)
        return self.left + column * (self.size + GAP), self.top + row * self.row_height

    def check_counts(self, captions, marks, row_titles, column_titles) -> None:
        """Raises UserError where words and places differ in number; see `lay_out`."""
        for what, given, places in (
            ("captions", captions, self.count),
            ("row titles", row_titles, self.rows),
            ("column titles", column_titles, self.columns),
        ):
            if given and len(given) != places:
                raise UserError(f"{len(given)} {what} do not fit a grid that has {places} places")
        for index in marks:
            if not 0 <= index < self.count:
                raise UserError(
                    f"a mark for cell {index} does not fit a grid of {self.count} cells"
                )

    def titles(self, title, row_titles, column_titles) -> list[words.Text]:
        """Returns the words above the grid, above its columns and left of its rows."""
        half, texts = self.size / 2, []
        if title:
            y: float = MARGIN + TITLE_SIZE - 3
            texts.append(words.fitted(self.width / 2, y, title, TITLE_SIZE, self.width, INK))
        for i, text in enumerate(column_titles):
            x, limit = self.corner(i)[0] + half, self.size + GAP
            texts.append(words.fitted(x, self.top - 6, text, HEADING_SIZE, limit, INK))
        for i, text in enumerate(row_titles):
            x, y = self.left - GAP, self.corner(i * self.columns)[1] + half + HEADING_SIZE / 3
            texts.append(words.fitted(x, y, text, HEADING_SIZE, LONGEST_ROW_TITLE, INK, "end"))
        return texts

    def words_below(self, captions, marks) -> list[words.Text]:
        """Returns the words below the cells: the caption, and the mark in its own color."""
        texts, limit = [], self.size + GAP
        for i in range(self.count):
            x, y = self.corner(i)
            x, y = x + self.size / 2, y + self.size + CAPTION_SIZE + 1
            if captions and captions[i]:
                texts.append(words.fitted(x, y, captions[i], CAPTION_SIZE, limit))
            if i in marks:
                y += LINE * bool(captions)
                texts.append(words.fitted(x, y, marks[i], CAPTION_SIZE, limit, MARK))
        return texts

    def words_inside(self, sketches) -> list[words.Text]:
        """Returns a word for each drawing that has no points."""
        texts = []
        for i, sketch in enumerate(sketches):
            if sketch is not None and not len(sketch.strokes):
                x, y = (place + self.size / 2 for place in self.corner(i))
                text_size = min(CAPTION_SIZE, self.size / 4)
                texts.append(words.fitted(x, y + text_size / 3, EMPTY, text_size, self.size))
        return texts


def check_colors(*colors: str) -> None:
    """Raises UserError for what is no CSS color by name or number, of those that Pillow knows."""
    for color in colors:
        if _NUMBER.fullmatch(color) or color in ("black", "white"):
            continue  # without Pillow, which takes long to import
        try:
            from PIL.ImageColor import colormap
        except ImportError:  # on devices, where SVG is all that is drawn
            known = color.isalpha()
        else:
            known = color.lower() in colormap
        if not known:
            raise UserError(f"{color!r} is not a color such as #1a1a1a or black")


def _palette(colors: str | Sequence[str] | None) -> Sequence[str]:
    if colors is None:
        return (INK,)
    if isinstance(colors, str):
        colors = PALETTE if colors == "strokes" else (colors,)
    check_colors(*colors)
    return colors or (INK,)


def _placed(
    sketches: Sequence[Any],
    grid: Grid,
    stroke_width: float,
    palette: Sequence[str],
    given_color: str,
) -> list[Cell]:
    """Scales and centers every drawing in its cell and gives its rows their colors."""
    boxes = [strokes_lib.bounds(one.strokes) if one else (0.0,) * 4 for one in sketches]
    extents = [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes]
    positive = [extent for extent in extents if extent > 0]
    floor = float(np.median(positive)) / 2 if positive else 1.0
    room = max(grid.size * 0.88 - stroke_width, grid.size * 0.1)
    cells = []
    for i, (sketch, (x0, y0, x1, y1)) in enumerate(zip(sketches, boxes, strict=True)):
        if sketch is None:
            continue
        x, y = grid.corner(i)
        cell = Cell(
            sketch=sketch,
            center=(x + grid.size / 2, y + grid.size / 2),
            middle=((x0 + x1) / 2, (y0 + y1) / 2),
            scale=room / max(extents[i], floor),
            runs=_runs_of_color(sketch, palette, given_color),
        )
        cells.append(cell)
    return cells


def _runs_of_color(
    sketch: Any, palette: Sequence[str], given_color: str
) -> list[tuple[int, int, str]]:
    """Returns the rows of one color that follow one another; a segment has its last row's."""
    numbers = np.cumsum(curves.starts(sketch.strokes)) - 1
    colors = [palette[n % len(palette)] for n in numbers]
    colors[: sketch.given] = [given_color] * sketch.given
    runs, first = [], 0
    for color, group in itertools.groupby(colors):
        after = first + len(list(group))
        runs.append((first, after, color))
        first = after
    return runs
