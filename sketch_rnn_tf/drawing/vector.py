"""Pictures as SVG.

A drawing is a group of class "sketch" whose paths hold the stroke-3 rows themselves, as relative
commands: `m` is a row that begins a stroke, `l` one that goes on (`c` in smooth pictures: the row
is the end of the curve), `h0` after an `m` makes the dot of a stroke of one point. A path of
another color begins with the pen's absolute place, `M`, which is no row. So `svg_reader` gives the
numbers back to the last bit of a float32.
"""

from __future__ import annotations

from xml.sax import saxutils

import numpy as np

from sketch_rnn_tf.drawing import curves, layout, words

SVG_CLASS = "sketches"  # of the document; a drawing's group is of class "sketch"
NAMESPACE = "{http://www.w3.org/2000/svg}"


def document(picture: layout.Picture) -> str:
    """Returns a picture as an SVG document."""
    width, height = picture.width, picture.height
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" class="{SVG_CLASS}" width="{width}"'
        f' height="{height}" viewBox="0 0 {width} {height}" fill="none" stroke="{layout.INK}"'
        ' stroke-linecap="round" stroke-linejoin="round" font-family="sans-serif">'
    ]
    if picture.title:
        lines.append(f"<title>{_escaped(picture.title)}</title>")
    if picture.background:
        lines.append(
            f'<rect width="{width}" height="{height}" fill="{picture.background}" stroke="none"/>'
        )
    for frame in picture.frames:
        x, y, size = number(frame.x), number(frame.y), number(frame.size)
        lines.append(
            f'<rect x="{x}" y="{y}" width="{size}" height="{size}" stroke="{frame.color}"/>'
        )
    lines += [_group(cell, picture.stroke_width, picture.smooth) for cell in picture.cells]
    for text in picture.texts:
        lines.append(
            f'<text x="{number(text.x)}" y="{number(text.y)}" font-size="{number(text.size)}"'
            f' fill="{text.color}" stroke="none" text-anchor="{text.anchor}">'
            f"{_escaped(text.text)}</text>"
        )
    return "\n".join([*lines, "</svg>\n"])


def number(value: float) -> str:
    """Returns a number of nine digits, more than a float32 has."""
    return _shortest(f"{value:.9g}")


def _group(cell: layout.Cell, stroke_width: float, smooth: bool) -> str:
    """Returns a drawing as a group; its attributes keep what the paths cannot hold."""
    rows = cell.sketch.strokes
    attributes = {"class": "sketch"}
    if cell.sketch.label is not None:
        attributes["data-label"] = words.xml_text(cell.sketch.label)
    if not cell.sketch.ended:
        attributes["data-ended"] = "false"
    if cell.sketch.given:
        attributes["data-given"] = str(cell.sketch.given)
    if len(rows) and not rows[-1, 2]:
        attributes["data-pen"] = "down"
    (x, y), (u, v) = cell.center, cell.middle
    attributes["transform"] = (
        f"translate({number(x)} {number(y)})scale({number(cell.scale)})"
        f"translate({number(-u)} {number(-v)})"
    )
    attributes["stroke-width"] = number(stroke_width / cell.scale)
    text = "".join(f" {name}={saxutils.quoteattr(value)}" for name, value in attributes.items())
    return f"<g{text}>{_paths(cell, smooth)}</g>"


def _paths(cell: layout.Cell, smooth: bool) -> str:
    """Returns a path for each run of rows of one color."""
    rows = cell.sketch.strokes
    pairs = [_pair(*map(_shortest, pair)) for pair in (rows[:, :2] + 0.0).astype("U")]
    places = np.cumsum(rows[:, :2].astype(np.float64), axis=0)
    begins = curves.starts(rows)
    dots = begins & (np.append(begins[1:], True)[: len(rows)])
    if smooth:
        inner = curves.handles(places, begins) - np.roll(places, 1, axis=0)[:, None]  # [N, 2, 2]
        inner = [" ".join(number(value) for value in four) for four in inner.reshape(-1, 4)]
    paths = []
    for first, after, color in cell.runs:
        parts, command = [], ""
        if first:
            parts.append("M" + _pair(*map(number, places[first - 1])))
        for row in range(first, after):
            pair = pairs[row]
            if begins[row]:
                command = "m"
                parts.append("m" + pair + ("h0" if dots[row] else ""))
            elif smooth:
                parts.append(f"c{inner[row]} {pair}")
            elif command == "l":
                parts.append(pair if pair.startswith("-") else " " + pair)
            else:
                command = "l"
                parts.append("l" + pair)
        stroke = "" if color == layout.INK else f' stroke="{color}"'
        paths.append(f'<path d="{"".join(parts)}"{stroke}/>')
    return "".join(paths)


def _pair(x: str, y: str) -> str:
    return x + y if y.startswith("-") else f"{x} {y}"


def _shortest(word: str) -> str:
    """Returns a number without what SVG does not need: `-0.5` is `-.5` and `3.0` is `3`."""
    word = word.removesuffix(".0")
    if word.startswith("0."):
        return word[1:]
    return "-" + word[2:] if word.startswith("-0.") else word


def _escaped(text: str) -> str:
    return saxutils.escape(words.printable(text))
