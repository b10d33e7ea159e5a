"""Pictures as SVG, and drawings back from our own SVG without loss.

A drawing is a group of class "sketch" whose paths hold the stroke-3 rows themselves, as relative
commands: `m` is a row that begins a stroke, `l` one that goes on, `h0` after an `m` makes the dot
of a stroke of one point. A path of another colour begins with the pen's absolute place, `M`, which
is no row. So reading gives the numbers back to the last bit of a float32.
"""

from __future__ import annotations

import os
import pathlib
import re
from typing import Any
from xml.sax import saxutils

import numpy as np

from sketch_rnn_tf import strokes as strokes_lib
from sketch_rnn_tf.drawing import layout
from sketch_rnn_tf.drawing import sketch as sketch_lib
from sketch_rnn_tf.errors import UserError

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_COMMAND = re.compile(rf"([Mmlh])\s*({_NUMBER}(?:[\s,]*{_NUMBER})*)\s*")
_NAMESPACE = "{http://www.w3.org/2000/svg}"


def svg(drawing: Any, **options: Any) -> str:
    """Returns a drawing as an SVG document.

    Args:
      drawing: a stroke-3 array [N, 3] in any unit, or a Sketch.
      **options: as in `drawing.lay_out`; `size` is 256 by default.

    Raises:
      UserError: the drawing or an option is wrong.
    """
    return _document(layout.lay_out_any(sketch_lib.as_sketch(drawing), **options))


def grid(drawings: Any, **options: Any) -> str:
    """Returns drawings as one SVG document, in a grid.

    Args:
      drawings: stroke-3 arrays or Sketch; None is a blank cell.
      **options: as in `drawing.lay_out`.

    Raises:
      UserError: a drawing or an option is wrong.
    """
    return _document(layout.lay_out_any(drawings, **options))


def read_svg(path: str | os.PathLike) -> sketch_lib.Sketches:
    """Reads the drawings of an SVG file that this module wrote.

    Returns:
      The drawings in order, with label, `ended` and `given`; blank cells are not among them.

    Raises:
      UserError: the file is no such SVG; the message names file and drawing.
    """
    try:
        text = pathlib.Path(path).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not UTF-8 text") from None
    return parse_svg(text, str(path))


def parse_svg(text: str, where: str = "SVG") -> sketch_lib.Sketches:
    """Reads the drawings of an SVG document that this module made; see `read_svg`."""
    import defusedxml.ElementTree

    try:
        root = defusedxml.ElementTree.fromstring(text)
    except (defusedxml.ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{where}: is not XML that can be read ({error})") from None
    if root.tag != f"{_NAMESPACE}svg" or root.get("class") != "sketches":
        raise UserError(f"{where}: is not an SVG that sketch_rnn_tf wrote")
    groups = [group for group in root.iter(f"{_NAMESPACE}g") if group.get("class") == "sketch"]
    return sketch_lib.Sketches(
        _read_group(group, f"{where}: sketch {i}") for i, group in enumerate(groups)
    )


def _document(picture: layout.Picture) -> str:
    width, height = picture.width, picture.height
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="sketches" width="{width}"'
        f' height="{height}" viewBox="0 0 {width} {height}" fill="none" stroke="{layout.INK}"'
        ' stroke-linecap="round" stroke-linejoin="round" font-family="sans-serif">'
    ]
    if picture.title:
        lines.append(f"<title>{_escaped(picture.title)}</title>")
    if picture.background:
        lines.append(
            f'<rect width="{width}" height="{height}" fill="{picture.background}" stroke="none"/>'
        )
    lines += [_frame(frame) for frame in picture.frames]
    lines += [_group(cell, picture.stroke_width) for cell in picture.cells]
    lines += [_text(text) for text in picture.texts]
    return "\n".join([*lines, "</svg>\n"])


def _frame(frame: layout.Frame) -> str:
    x, y, size = _number(frame.x), _number(frame.y), _number(frame.size)
    return f'<rect x="{x}" y="{y}" width="{size}" height="{size}" stroke="{frame.color}"/>'


def _text(text: layout.Text) -> str:
    return (
        f'<text x="{_number(text.x)}" y="{_number(text.y)}" font-size="{_number(text.size)}"'
        f' fill="{text.color}" stroke="none" text-anchor="{text.anchor}">'
        f"{_escaped(text.text)}</text>"
    )


def _group(cell: layout.Cell, stroke_width: float) -> str:
    """Returns a drawing as a group; its attributes keep what the paths cannot say."""
    rows = cell.sketch.strokes
    attributes = {"class": "sketch"}
    if cell.sketch.label is not None:
        attributes["data-label"] = layout.xml_text(cell.sketch.label)
    if not cell.sketch.ended:
        attributes["data-ended"] = "false"
    if cell.sketch.given:
        attributes["data-given"] = str(cell.sketch.given)
    if len(rows) and not rows[-1, 2]:
        attributes["data-pen"] = "down"
    (x, y), (u, v) = cell.center, cell.middle
    attributes["transform"] = (
        f"translate({_number(x)} {_number(y)})scale({_number(cell.scale)})"
        f"translate({_number(-u)} {_number(-v)})"
    )
    attributes["stroke-width"] = _number(stroke_width / cell.scale)
    words = "".join(f" {name}={saxutils.quoteattr(text)}" for name, text in attributes.items())
    return f"<g{words}>{_paths(cell)}</g>"


def _paths(cell: layout.Cell) -> str:
    rows = cell.sketch.strokes
    numbers = [[_shortest(word) for word in pair] for pair in (rows[:, :2] + 0.0).astype("U")]
    places = np.cumsum(rows[:, :2].astype(np.float64), axis=0)
    begins = layout.starts(rows)
    dots = begins & (np.append(begins[1:], True)[: len(rows)])
    paths = []
    for first, after, color in cell.runs:
        start = f"M{_pair(*map(_number, places[first - 1]))}" if first else ""
        data = start + _commands(numbers[first:after], begins[first:after], dots[first:after])
        stroke = "" if color == layout.INK else f' stroke="{color}"'
        paths.append(f'<path d="{data}"{stroke}/>')
    return "".join(paths)


def _commands(numbers: list[list[str]], begins: np.ndarray, dots: np.ndarray) -> str:
    """Returns the rows of one run as path data."""
    parts, command = [], ""
    for (dx, dy), begin, dot in zip(numbers, begins.tolist(), dots.tolist(), strict=True):
        pair = _pair(dx, dy)
        if begin:
            parts.append("m" + pair + ("h0" if dot else ""))
        elif command == "l":
            parts.append(pair if pair.startswith("-") else " " + pair)
        else:
            parts.append("l" + pair)
        command = "m" if begin else "l"
    return "".join(parts)


def _pair(x: str, y: str) -> str:
    return x + y if y.startswith("-") else f"{x} {y}"


def _number(value: float) -> str:
    """Returns a number of nine digits, more than a float32 has."""
    return _shortest(f"{value:.9g}")


def _shortest(word: str) -> str:
    """Returns a number without what SVG does not need: `-0.5` is `-.5` and `3.0` is `3`."""
    word = word.removesuffix(".0")
    if word.startswith("0."):
        return word[1:]
    return "-" + word[2:] if word.startswith("-0.") else word


def _escaped(text: str) -> str:
    return saxutils.escape(layout.printable(text))


def _read_group(group: Any, where: str) -> sketch_lib.Sketch:
    rows: list[list[float]] = []
    for path in group.iter(f"{_NAMESPACE}path"):
        _read_path(path.get("d", ""), rows, where)
    if rows and group.get("data-pen") != "down":
        rows[-1][2] = 1.0
    given = group.get("data-given", "0")
    if not given.isdecimal() or int(given) > len(rows):
        raise UserError(f"{where} has data-given {given!r}, expected a number of its points")
    return sketch_lib.Sketch(
        strokes_lib.check_stroke3(np.asarray(rows, np.float64).reshape(-1, 3), where),
        label=group.get("data-label"),
        ended=group.get("data-ended") != "false",
        given=int(given),
    )


def _read_path(data: str, rows: list[list[float]], where: str) -> None:
    """Appends the rows of path data, lifting the pen of the row before one that begins a stroke."""
    place = 0
    while place < len(data):
        found = _COMMAND.match(data, place)
        if not found:
            raise UserError(f"{where} has path data that sketch_rnn_tf does not write")
        command, place = found[1], found.end()
        numbers = [float(word) for word in re.findall(_NUMBER, found[2])]
        if command == "h" and numbers == [0.0]:
            continue
        if command == "h" or len(numbers) % 2 or (command != "l" and len(numbers) != 2):
            raise UserError(f"{where} has path data that sketch_rnn_tf does not write")
        if command == "m" and rows:
            rows[-1][2] = 1.0
        if command != "M":
            rows += [[x, y, 0.0] for x, y in zip(numbers[::2], numbers[1::2], strict=True)]
