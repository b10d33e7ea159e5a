"""Reads SVG files, plain or gzip: one drawing per file, one stroke per subpath.

A file that `sketch_rnn_tf.drawing` wrote holds the numbers of one or many drawings; these are taken
as they are. Of any other:

What is drawn: paths (all commands), lines, polylines, polygons, rectangles, circles and ellipses,
through groups, nested `svg`, `use` of the same file, transforms and viewBox, whether stroked or
filled. What is hidden is left out (`display`, `visibility`), as are text, images and whatever
stands in `defs` and the like without being used. Coordinates are the pixels of the viewport; where
width and height are missing or relative, those of the viewBox.

Entities and references to other files are refused. A document type is allowed, since many tools
write one, but nothing is fetched for it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import NamedTuple
from xml.etree import ElementTree

import defusedxml
import defusedxml.ElementTree
import svgelements

from data_prep.readers.source import (
    Options,
    Polylines,
    RawSketch,
    ReadError,
    Skip,
    Source,
    read_whole,
)
from data_prep.readers.svg_paths import Curves, GeometryError, numbers, points_as_path
from sketch_rnn_tf import drawing
from sketch_rnn_tf.errors import UserError

MAX_BYTES = 16 << 20  # of a file: 100,000 points take about one
_MAX_DEPTH = 100  # of groups, and of `use` in `use`
_MAX_ELEMENTS = 200_000  # drawn, those that `use` repeats counted again
_MAX_ATTRIBUTE = (
    4096  # of a transform, a length or a viewBox: some patterns are slow on longer ones
)

_SVG = "{http://www.w3.org/2000/svg}"
_HREF = ("href", "{http://www.w3.org/1999/xlink}href")
_INVISIBLE = re.compile(
    r"(?:^|;)\s*(?:display\s*:\s*none|visibility\s*:\s*(?:hidden|collapse))\s*(?:!|;|$)"
)


class _Place(NamedTuple):
    """Where an element stands: its coordinate system and the size that percentages refer to."""

    matrix: svgelements.Matrix | None  # None is the identity
    width: float | None
    height: float | None
    depth: int = 0


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the one drawing of a file, or all drawings of a file of ours.

    Args:
      source: the file.
      options: of which `label` and `curve_tolerance` count; the label is the folder's name, or
        the file's where the file itself is the input.

    Yields:
      `RawSketch` with polylines; with offsets where the file is ours.

    Raises:
      ReadError: the file is no SVG, refused, or broken.
    """
    data = read_whole(source, MAX_BYTES)
    root, key = _parsed(source, data), source.key or source.name
    label = options.label or source.folder or source.stem
    if root.get("class") == drawing.SVG_CLASS:
        yield from _of_ours(source, data, options.label, label)
        return
    try:
        found = _Drawing(root)
        strokes = found.curves.flatten(options.curve_tolerance)
    except GeometryError as error:
        raise source.error(str(error)) from None
    yield RawSketch(
        key=key,
        label=label,
        where=source.path,
        polylines=Polylines.of(strokes),
        group=source.group or key,
        canvas=found.canvas,
    )


def _of_ours(source: Source, data: bytes, wanted: str | None, name: str) -> Iterator[RawSketch]:
    """Yields the drawings of a file that `sketch_rnn_tf.drawing` wrote."""
    try:
        sketches = drawing.parse_svg(data, source.path)
    except UserError as error:
        raise ReadError(str(error)) from None
    for i, sketch in enumerate(sketches):
        yield RawSketch(
            key=f"{source.key or source.name}:{i}",
            label=wanted or sketch.label or name,
            where=f"{source.path}: drawing {i}",
            offsets=sketch.strokes,
        )


def _parsed(source: Source, data: bytes) -> ElementTree.Element:
    parser = defusedxml.ElementTree.DefusedXMLParser(target=ElementTree.TreeBuilder())
    parser.parser.specified_attributes = True  # a document type cannot multiply its defaults
    try:
        parser.feed(data)
        root = parser.close()
    except defusedxml.EntitiesForbidden as error:
        raise source.error(f"declares the entity {error.name!r}, refused") from None
    except defusedxml.DefusedXmlException:
        raise source.error("refers to another file, refused") from None
    except ElementTree.ParseError as error:
        raise source.error(f"is not whole XML ({error})") from None
    except (ValueError, LookupError) as error:  # encodings that Python does not know
        raise source.error(f"is not readable XML ({error})") from None
    if _tag(root) != "svg":
        raise source.error("is XML, but its first element is not <svg>")
    return root


def _tag(element: ElementTree.Element) -> str:
    """Returns an SVG element's name; nothing for what belongs to another vocabulary."""
    tag = element.tag.removeprefix(_SVG)
    return "" if tag.startswith("{") else tag


_PAGE = _Place(None, None, None)  # where the outermost svg stands


class _Drawing:
    """Walks a document and collects what it draws."""

    def __init__(self, root: ElementTree.Element):
        self.curves = Curves()
        self.canvas: float | None = None  # longer side of the outermost viewport
        self._elements = 0
        self._by_id: dict[str, ElementTree.Element] = {}
        self._index(root)
        for name in ("x", "y"):
            root.attrib.pop(name, None)  # they mean nothing on an outermost svg
        self._draw_viewport(root, _PAGE)

    def _index(self, root: ElementTree.Element) -> None:
        """Finds the elements by id; refuses references to other files."""
        for element in root.iter():
            if "id" in element.attrib:
                self._by_id.setdefault(element.attrib["id"], element)
            target = _target(element)
            if target and not target.startswith(("#", "data:")) and _tag(element) != "a":
                raise GeometryError(f"refers to another file, {target[:60]!r}, refused")

    def _draw(self, element: ElementTree.Element, place: _Place) -> None:
        tag = _tag(element)
        draw = _DRAWERS.get(tag)
        if draw is None or _is_invisible(element):
            return
        self._elements += 1
        if self._elements > _MAX_ELEMENTS:
            raise GeometryError(f"draws more than {_MAX_ELEMENTS} elements")
        if place.depth > _MAX_DEPTH:
            raise GeometryError(f"is nested more than {_MAX_DEPTH} deep")
        if "transform" in element.attrib:
            place = _moved(place, _matrix(_short(element, "transform")))
        draw(self, element, place)

    def _draw_children(self, element: ElementTree.Element, place: _Place) -> None:
        inner = place._replace(depth=place.depth + 1)
        for child in element:
            self._draw(child, inner)

    def _draw_viewport(
        self, element: ElementTree.Element, place: _Place, use: ElementTree.Element | None = None
    ) -> None:
        """Draws an `svg` or a used `symbol`, which has a coordinate system of its own."""
        width, height = _size(element, place)
        if use is not None:
            used_width, used_height = _size(use, place)
            width = width if used_width is None else used_width
            height = height if used_height is None else used_height
        x = _length(element, "x", place.width) or 0.0
        y = _length(element, "y", place.height) or 0.0
        box = _view_box(element)
        if box:
            width = box[2] if width is None else width
            height = box[3] if height is None else height
        if place == _PAGE and width and height:
            self.canvas = max(width, height)
        if box:
            place = _moved(place, _viewbox_matrix(element, box, (x, y, width, height)))
            inner = place._replace(width=box[2], height=box[3])
        else:
            inner = _moved(place, _translation(x, y))._replace(width=width, height=height)
        self._draw_children(element, inner)

    def _draw_use(self, element: ElementTree.Element, place: _Place) -> None:
        used = self._by_id.get((_target(element) or "")[1:])
        if used is None:
            return
        x, y = _length(element, "x", place.width), _length(element, "y", place.height)
        place = _moved(place, _translation(x or 0.0, y or 0.0))
        place = place._replace(depth=place.depth + 1)
        if _tag(used) in ("symbol", "svg"):
            self._draw_viewport(used, place, use=element)
        else:
            self._draw(used, place)

    def _draw_path(self, element: ElementTree.Element, place: _Place) -> None:
        self.curves.add_path(element.get("d", ""), place.matrix)

    def _draw_points(self, element: ElementTree.Element, place: _Place) -> None:
        data = points_as_path(element.get("points", ""), _tag(element) == "polygon")
        self.curves.add_path(data, place.matrix)

    def _draw_line(self, element: ElementTree.Element, place: _Place) -> None:
        x1, x2 = (_length(element, name, place.width) or 0.0 for name in ("x1", "x2"))
        y1, y2 = (_length(element, name, place.height) or 0.0 for name in ("y1", "y2"))
        self.curves.add_path(f"M{x1!r} {y1!r}L{x2!r} {y2!r}", place.matrix)

    def _draw_rectangle(self, element: ElementTree.Element, place: _Place) -> None:
        x, width, rx = (_length(element, name, place.width) for name in ("x", "width", "rx"))
        y, height, ry = (_length(element, name, place.height) for name in ("y", "height", "ry"))
        if (width or 0.0) <= 0 or (height or 0.0) <= 0:
            return  # not rendered, says the standard
        rx, ry = (ry if rx is None else rx) or 0.0, (rx if ry is None else ry) or 0.0
        rx, ry = min(max(rx, 0.0), width / 2), min(max(ry, 0.0), height / 2)
        shape = svgelements.Rect(x or 0.0, y or 0.0, width, height, rx, ry)
        self.curves.add_shape(shape, place.matrix)

    def _draw_ellipse(self, element: ElementTree.Element, place: _Place) -> None:
        cx = _length(element, "cx", place.width) or 0.0
        cy = _length(element, "cy", place.height) or 0.0
        if _tag(element) == "circle":
            rx = ry = _length(element, "r", _diagonal(place)) or 0.0
        else:
            rx, ry = _length(element, "rx", place.width), _length(element, "ry", place.height)
            rx, ry = (ry if rx is None else rx) or 0.0, (rx if ry is None else ry) or 0.0
        if rx > 0 and ry > 0:
            self.curves.add_shape(svgelements.Ellipse(cx, cy, rx, ry), place.matrix)


_DRAWERS = {
    **dict.fromkeys(("g", "a", "switch"), _Drawing._draw_children),
    "svg": _Drawing._draw_viewport,
    "use": _Drawing._draw_use,
    "path": _Drawing._draw_path,
    **dict.fromkeys(("polyline", "polygon"), _Drawing._draw_points),
    "line": _Drawing._draw_line,
    "rect": _Drawing._draw_rectangle,
    **dict.fromkeys(("circle", "ellipse"), _Drawing._draw_ellipse),
}


def _target(element: ElementTree.Element) -> str | None:
    """Returns what an element's href refers to."""
    for name in _HREF:
        if name in element.attrib:
            return element.attrib[name].strip()
    return None


def _is_invisible(element: ElementTree.Element) -> bool:
    attributes = element.attrib
    return (
        attributes.get("display") == "none"
        or attributes.get("visibility") in ("hidden", "collapse")
        or ("style" in attributes and _INVISIBLE.search(attributes["style"]) is not None)
    )


def _short(element: ElementTree.Element, name: str, default: str | None = None) -> str:
    """Returns an attribute that has no reason to be long."""
    text = element.get(name, default)
    if len(text) > _MAX_ATTRIBUTE:
        raise GeometryError(f"has an attribute {name} of {len(text)} characters")
    return text


def _length(element: ElementTree.Element, name: str, whole: float | None) -> float | None:
    """Returns a length in pixels.

    Args:
      element: the element.
      name: of the attribute.
      whole: what 100 % is, where it is known.

    Returns:
      None where the attribute is missing, `auto`, or a percentage of something unknown.
    """
    text = _short(element, name, "").strip()
    if not text or text == "auto":
        return None
    try:
        value = svgelements.Length(text).value(ppi=96, relative_length=whole, font_size=16)
    except (ArithmeticError, ValueError, TypeError):
        raise GeometryError(f"has the length {name}={text[:40]!r}") from None
    if not isinstance(value, (int, float)):
        return None
    if not math.isfinite(value):
        raise GeometryError(f"has the length {name}={text[:40]!r}")
    return float(value)


def _size(element: ElementTree.Element, place: _Place) -> tuple[float | None, float | None]:
    return _length(element, "width", place.width), _length(element, "height", place.height)


def _view_box(element: ElementTree.Element) -> list[float]:
    """Returns the four numbers of a viewBox, or none."""
    box = numbers(_short(element, "viewBox", ""))
    if box and (len(box) != 4 or not all(map(math.isfinite, box))):
        raise GeometryError("has a viewBox that is not four numbers")
    return box


def _viewbox_matrix(
    element: ElementTree.Element, box: list[float], viewport: tuple[float, ...]
) -> svgelements.Matrix | None:
    """Returns what maps a viewBox to its viewport (x, y, width, height)."""
    if min(*box[2:], *viewport[2:]) <= 0:
        raise GeometryError("has a viewBox or a size without area")
    aspect = _short(element, "preserveAspectRatio", "xMidYMid").strip() or "xMidYMid"
    return _matrix(svgelements.Viewbox.viewbox_transform(*viewport, *box, aspect))


def _diagonal(place: _Place) -> float | None:
    """Returns what a percentage of no particular direction refers to."""
    if place.width is None or place.height is None:
        return None
    return ((place.width**2 + place.height**2) / 2) ** 0.5


def _matrix(text: str) -> svgelements.Matrix | None:
    if not text.strip():
        return None
    try:
        matrix = svgelements.Matrix(text)
        values = [float(value) for value in (matrix[i] for i in range(6))]
    except Exception:  # svgelements promises no narrower type for broken transforms
        raise GeometryError(f"has the transform {text[:60]!r}, which is broken") from None
    return svgelements.Matrix(*values)


def _translation(x: float, y: float) -> svgelements.Matrix | None:
    return svgelements.Matrix(1, 0, 0, 1, x, y) if x or y else None


def _moved(place: _Place, matrix: svgelements.Matrix | None) -> _Place:
    """Returns a place whose coordinate system is `matrix` inside that of `place`."""
    if matrix is None:
        return place
    return place._replace(matrix=matrix if place.matrix is None else matrix * place.matrix)
