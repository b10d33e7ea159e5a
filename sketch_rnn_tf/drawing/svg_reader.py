"""Drawings back from SVG files that `vector` wrote, without loss."""

from __future__ import annotations

import os
import pathlib
import re
from xml.etree import ElementTree

import numpy as np

from sketch_rnn_tf import strokes as strokes_lib
from sketch_rnn_tf.drawing import sketch as sketch_lib
from sketch_rnn_tf.drawing.vector import NAMESPACE, SVG_CLASS
from sketch_rnn_tf.errors import UserError

_NUMBER = r"[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?"
_COMMAND = re.compile(rf"([Mmlhc])\s*({_NUMBER}(?:[\s,]*{_NUMBER})*)\s*")
_SIZES = {"M": 2, "m": 2, "l": 2, "c": 6}  # numbers per point


def read_svg(path: str | os.PathLike) -> sketch_lib.Sketches:
    """Reads the drawings of an SVG file that this package wrote.

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


def parse_svg(text: str | bytes, where: str = "SVG") -> sketch_lib.Sketches:
    """Reads the drawings of an SVG document that this package made; see `read_svg`."""
    import defusedxml.ElementTree

    try:
        root = defusedxml.ElementTree.fromstring(text)
    except (defusedxml.ElementTree.ParseError, ValueError) as error:
        raise UserError(f"{where}: is not XML that can be read ({error})") from None
    return drawings_of(root, where)


def drawings_of(root: ElementTree.Element, where: str = "SVG") -> sketch_lib.Sketches:
    """Reads the drawings of a parsed SVG document that this package made; see `read_svg`."""
    if root.tag != f"{NAMESPACE}svg" or root.get("class") != SVG_CLASS:
        raise UserError(f"{where}: is not an SVG that sketch_rnn_tf wrote")
    found = sketch_lib.Sketches()
    for group in root.iter(f"{NAMESPACE}g"):
        if group.get("class") != "sketch":
            continue
        rows: list[list[float]] = []
        name = f"{where}: sketch {len(found)}"
        for path in group.iter(f"{NAMESPACE}path"):
            _read_path(path.get("d", ""), rows, name)
        if rows and group.get("data-pen") != "down":
            rows[-1][2] = 1.0
        given = group.get("data-given", "0")
        if not given.isdecimal() or int(given) > len(rows):
            raise UserError(f"{name} has data-given {given!r}, expected a number of its points")
        sketch = sketch_lib.Sketch(
            strokes_lib.check_stroke3(np.asarray(rows, np.float64).reshape(-1, 3), name),
            label=group.get("data-label"),
            ended=group.get("data-ended") != "false",
            given=int(given),
        )
        found.append(sketch)
    return found


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
        size = _SIZES.get(command, 0)
        if not size or len(numbers) % size or (command in "mM" and len(numbers) != 2):
            raise UserError(f"{where} has path data that sketch_rnn_tf does not write")
        if command == "m" and rows:
            rows[-1][2] = 1.0
        if command != "M":
            points = zip(numbers[size - 2 :: size], numbers[size - 1 :: size], strict=True)
            rows += [[x, y, 0.0] for x, y in points]
