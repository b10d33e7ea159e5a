"""Where everything in a picture stands: the one description that SVG, PNG and GIF are made from."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import strokes as strokes_lib
from sketch_rnn_tf.drawing import sketch as sketch_lib
from sketch_rnn_tf.errors import UserError

INK = "#1a1a1a"
GIVEN = "#0072b2"
MARK = "#d55e00"
GREY = "#666666"
# Okabe and Ito's colours, which people with any colour vision can tell apart.
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#1a1a1a")

MARGIN, GAP = 8, 8
TITLE_SIZE, HEADING_SIZE, CAPTION_SIZE = 15, 12, 11
LINE = CAPTION_SIZE + 4  # a line of words below a cell
LONGEST_ROW_TITLE = 160
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_COLOR = re.compile(r"#[0-9a-fA-F]{3}|#[0-9a-fA-F]{6}|[A-Za-z]+")


@dataclasses.dataclass(frozen=True)
class Text:
    """A line of text; `x`, `y` is the place on its baseline that `anchor` names."""

    x: float
    y: float
    text: str
    size: float
    color: str = GREY
    anchor: str = "middle"


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
      sketch: the drawing.
      center: (x, y) of the cell's middle, in pixels.
      middle: (x, y) of the drawing's middle, in its own units.
      scale: pixels a unit.
      runs: (first row, row after the last, colour), in order, covering all rows.
    """

    sketch: sketch_lib.Sketch
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
    texts: list[Text]
    frames: list[Frame]


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
) -> Picture:
    """Places drawings in a grid, row by row.

    Every drawing is centred in its cell and as large as fits, but none is enlarged to more than
    twice the scale of the typical one: a dot beside houses stays small.

    Args:
      sketches: stroke-3 arrays or Sketch; None is a blank cell.
      columns: cells a row; by default as many as make the grid about square.
      size: side of a cell in pixels.
      title: shown above a grid, and the picture's name for screen readers.
      captions: a line below each cell.
      marks: cells that stand out, {index: why}: framed, with the word below.
      row_titles: words left of the rows.
      column_titles: words above the columns.
      colors: None: ink; "strokes": a colour a stroke; or CSS colours, taken in turn by the strokes.
      given_color: colour of the first `Sketch.given` points.
      stroke_width: in pixels.
      background: colour, or None for none.

    Returns:
      The picture.

    Raises:
      UserError: a drawing or an option is wrong; the message says which.
    """
    cells = [sketch_lib.as_sketch(sketch, f"sketch {i}") for i, sketch in enumerate(sketches)]
    marks = {index: text for index, text in (marks or {}).items() if text}
    grid = _Grid(
        count=len(cells),
        columns=_columns(len(cells), columns, len(column_titles)),
        size=_checked_size(size),
        left=MARGIN + _titles_width(row_titles),
        top=MARGIN + bool(title) * (TITLE_SIZE + GAP) + bool(column_titles) * (HEADING_SIZE + 6),
        lines=bool(captions) + bool(marks),
    )
    _check_counts(grid, captions, marks, row_titles, column_titles)
    _check_colors(given_color, *([background] if background else []))
    palette, stroke_width = _palette(colors), _stroke_width(size, stroke_width)
    return Picture(
        width=grid.width,
        height=grid.height,
        size=size,
        stroke_width=stroke_width,
        background=background,
        title=title,
        cells=_place(cells, grid, stroke_width, palette, given_color),
        texts=_titles(grid, title, row_titles, column_titles) + _words(grid, captions, marks),
        frames=[Frame(*grid.corner(i), size) for i in sorted(marks)],
    )


def lay_out_any(drawings: Any, **options: Any) -> Picture:
    """Lays out one drawing, at 256 pixels, or a list with the options of its own."""
    sketches, single = sketch_lib.as_list(drawings)
    if single:
        return lay_out(sketches, **{"size": 256, **options})
    return lay_out(sketches, **{**getattr(drawings, "layout", {}), **options})


def starts(strokes: np.ndarray) -> np.ndarray:
    """Returns for each row of a stroke-3 array whether a stroke begins with it, bool [N]."""
    return np.concatenate([[True], strokes[:-1, 2] > 0.5])[: len(strokes)]


def xml_text(text: str) -> str:
    """Returns text with what XML cannot hold replaced by U+FFFD."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(text: str) -> str:
    """Returns text on one line, with what XML cannot hold replaced."""
    return xml_text(" ".join(str(text).split()))


@dataclasses.dataclass(frozen=True)
class _Grid:
    """Where the cells stand: `count` squares of `size` with `lines` lines of words below each."""

    count: int
    columns: int
    size: int
    left: int
    top: int
    lines: int

    @property
    def rows(self) -> int:
        return math.ceil(self.count / self.columns)

    @property
    def step(self) -> int:
        return self.size + GAP + self.lines * LINE

    @property
    def width(self) -> int:
        return self.left + self.columns * (self.size + GAP) - GAP + MARGIN

    @property
    def height(self) -> int:
        return self.top + max(self.rows * self.step - GAP, 0) + MARGIN

    def corner(self, index: int) -> tuple[int, int]:
        row, column = divmod(index, self.columns)
        return self.left + column * (self.size + GAP), self.top + row * self.step


def _columns(count: int, columns: int | None, titles: int) -> int:
    if columns is None:
        return titles or max(math.ceil(math.sqrt(count)), 1)
    if columns < 1:
        raise UserError(f"a grid of {columns} columns cannot be drawn")
    return columns


def _checked_size(size: int) -> int:
    if not 8 <= size <= 8192:
        raise UserError(f"a cell of {size} pixels cannot be drawn: 8 to 8192 can")
    return size


def _check_counts(
    grid: _Grid,
    captions: Sequence[str | None] | None,
    marks: Mapping[int, str],
    row_titles: Sequence[str],
    column_titles: Sequence[str],
) -> None:
    for what, words, places in (
        ("captions", captions, grid.count),
        ("row titles", row_titles, grid.rows),
        ("column titles", column_titles, grid.columns),
    ):
        if words and len(words) != places:
            raise UserError(f"{len(words)} {what} do not fit a grid that has {places} places")
    for index in marks:
        if not 0 <= index < grid.count:
            raise UserError(f"a mark for cell {index} does not fit a grid of {grid.count} cells")


def _palette(colors: str | Sequence[str] | None) -> Sequence[str]:
    if colors is None:
        return (INK,)
    if isinstance(colors, str):
        colors = PALETTE if colors == "strokes" else (colors,)
    _check_colors(*colors)
    return colors or (INK,)


def _check_colors(*colors: str) -> None:
    for color in colors:
        if not _COLOR.fullmatch(color):
            raise UserError(f"{color!r} is not a colour such as #1a1a1a or black")


def _stroke_width(size: int, width: float | None) -> float:
    """Returns the width in pixels: by default 1.7 for cells of 128, 2.4 for 256."""
    if width is None:
        return round(0.15 * math.sqrt(size), 2)
    if not 0 < width <= size:
        raise UserError(f"a stroke cannot be {width} pixels wide in a cell of {size}")
    return width


def _titles_width(titles: Sequence[str]) -> int:
    if not titles:
        return 0
    widest = max(_text_width(printable(title), HEADING_SIZE) for title in titles)
    return math.ceil(min(widest, LONGEST_ROW_TITLE)) + GAP


def _titles(
    grid: _Grid, title: str | None, row_titles: Sequence[str], column_titles: Sequence[str]
) -> list[Text]:
    """Places the words above the grid, above its columns and left of its rows."""
    half, texts = grid.size / 2, []
    if title:
        y = MARGIN + TITLE_SIZE - 3
        texts.append(_text(grid.width / 2, y, title, TITLE_SIZE, grid.width, INK))
    for i, words in enumerate(column_titles):
        x = grid.corner(i)[0] + half
        texts.append(_text(x, grid.top - 6, words, HEADING_SIZE, grid.size + GAP, INK))
    for i, words in enumerate(row_titles):
        y = grid.corner(i * grid.columns)[1] + half + HEADING_SIZE / 3
        texts.append(_text(grid.left - GAP, y, words, HEADING_SIZE, LONGEST_ROW_TITLE, INK, "end"))
    return texts


def _words(
    grid: _Grid, captions: Sequence[str | None] | None, marks: Mapping[int, str]
) -> list[Text]:
    """Places the words below the cells: the caption, and the mark in its own colour."""
    texts, limit = [], grid.size + GAP
    for i in range(grid.count):
        x, y = grid.corner(i)
        x, y = x + grid.size / 2, y + grid.size + CAPTION_SIZE + 1
        if captions and captions[i]:
            texts.append(_text(x, y, captions[i], CAPTION_SIZE, limit))
        if i in marks:
            y += LINE * bool(captions)
            texts.append(_text(x, y, marks[i], CAPTION_SIZE, limit, MARK))
    return texts


def _text(
    x: float,
    y: float,
    text: str,
    size: float,
    limit: float,
    color: str = GREY,
    anchor: str = "middle",
) -> Text:
    """Returns a line of text cut to about `limit` pixels."""
    text = printable(text)
    if _text_width(text, size) > limit:
        while text and _text_width(text + "…", size) > limit:
            text = text[:-1]
        text = text.rstrip() + "…"
    return Text(round(x, 2), round(y, 2), text, size, color, anchor)


def _text_width(text: str, size: float) -> float:
    """Returns about how wide a sans-serif text is: no font is at hand when SVG is written."""
    return size * sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.58 for c in text)


def _place(
    cells: Sequence[sketch_lib.Sketch | None],
    grid: _Grid,
    stroke_width: float,
    palette: Sequence[str],
    given_color: str,
) -> list[Cell]:
    """Scales and centres every drawing in its cell and gives its rows their colours."""
    boxes = [strokes_lib.bounds(cell.strokes) if cell else (0.0,) * 4 for cell in cells]
    extents = [max(x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes]
    positive = [extent for extent in extents if extent > 0]
    floor = float(np.median(positive)) / 2 if positive else 1.0
    room = max(grid.size * 0.88 - stroke_width, grid.size * 0.1)
    places = []
    for i, (cell, (x0, y0, x1, y1)) in enumerate(zip(cells, boxes, strict=True)):
        if cell is None:
            continue
        x, y = grid.corner(i)
        place = Cell(
            sketch=cell,
            center=(x + grid.size / 2, y + grid.size / 2),
            middle=((x0 + x1) / 2, (y0 + y1) / 2),
            scale=room / max(extents[i], floor),
            runs=_runs(cell, palette, given_color),
        )
        places.append(place)
    return places


def _runs(
    sketch: sketch_lib.Sketch, palette: Sequence[str], given_color: str
) -> list[tuple[int, int, str]]:
    """Returns the rows of one colour that follow one another; a segment has its last row's."""
    numbers = np.cumsum(starts(sketch.strokes)) - 1
    colors = [palette[n % len(palette)] for n in numbers]
    colors[: sketch.given] = [given_color] * sketch.given
    runs, first = [], 0
    for color, group in itertools.groupby(colors):
        after = first + len(list(group))
        runs.append((first, after, color))
        first = after
    return runs
