"""Walks an SVG document and lists the shapes that it draws, each with its place and its paint."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from data_prep.readers import svg_css, svg_paths, svg_values
from data_prep.readers.svg_paths import GeometryError, Matrix, Outline, product
from data_prep.readers.svg_values import Box

MAX_DEPTH = 150  # of groups, and of `use` in `use`
MAX_ELEMENTS = 200_000  # drawn, those that `use` repeats counted again
LANGUAGE = "en"  # of `systemLanguage` in a `switch`

_SVG = "{http://www.w3.org/2000/svg}"
_STYLE = ("style", _SVG + "style")
_HREF = ("href", "{http://www.w3.org/1999/xlink}href")
_SHAPES = frozenset(["path", "polyline", "polygon", "line", "rect", "circle", "ellipse"])
_FILL_BOXES = ("fill-box", "content-box")
_TAKES_A_TURN = _SHAPES | frozenset(
    ["svg", "g", "a", "use", "switch", "text", "image", "foreignObject"]
)

# What is left out of a drawing, and why, in plural for messages.
TEXT, IMAGE, FOREIGN = "texts", "images", "foreign objects"
OTHER_FILE, BROKEN, UNPAINTED = "uses of other files", "broken paths", "unpainted shapes"
LOOP = "uses of themselves"


class ClipPart(NamedTuple):
    """One shape of a clip path: what lies in it is visible, as far as its own clips allow."""

    outline: Outline
    matrix: Matrix | None
    even_odd: bool
    clips: tuple[tuple[ClipPart, ...], ...] = ()


Clip = tuple[ClipPart, ...]  # visible is what lies in any of the parts


class Shape(NamedTuple):
    """A shape that is drawn.

    Attributes:
      outline: in its own coordinates.
      matrix: from there to the picture; None is the identity.
      fill: what its inside is painted with: a color, UNKNOWN_COLOR, or None for nothing.
      stroke: what its outline is painted with.
      even_odd: the rule for what is inside.
      clips: what it is clipped by, one after the other.
    """

    outline: Outline
    matrix: Matrix | None
    fill: svg_css.Paint
    stroke: svg_css.Paint
    even_odd: bool = False
    clips: tuple[Clip, ...] = ()


class _Place(NamedTuple):
    """Where an element stands: its coordinate system, its viewport and what it inherits.

    Attributes:
      matrix: from its coordinates to the picture's; None is the identity.
      width, height: what percentages refer to, where it is known.
      style: inherited.
      depth: how many elements are around it.
      used: the elements that are being drawn by `use`.
    """

    matrix: Matrix | None = None
    width: float | None = None
    height: float | None = None
    style: svg_css.Style = svg_css.Style()
    depth: int = 0
    used: tuple[ElementTree.Element, ...] = ()


class Document:
    """A document's shapes.

    Attributes:
      shapes: what is drawn, from the bottom to the top.
      picture: the visible rectangle, where the document states one.
      left_out: {what: how many} of what it draws but is no shape.
    """

    def __init__(self, root: ElementTree.Element, keep_unpainted: bool = False):
        """Walks the document.

        Args:
          root: its root.
          keep_unpainted: list shapes that nothing paints, too.

        Raises:
          GeometryError: it is too large or too deep.
        """
        self.shapes: list[Shape] = []
        self.picture: Box | None = None
        self.left_out: Counter = Counter()
        self._keep_unpainted = keep_unpainted
        self._clipping = False  # whether the shapes of a clip path are being listed
        self._elements = self._segments = 0
        self._by_id: dict[str, ElementTree.Element] = {}
        self._outlines: dict[tuple, tuple[Outline, bool]] = {}
        sheets = []
        for element in root.iter():
            if "id" in element.attrib:
                self._by_id.setdefault(element.attrib["id"], element)
            if element.tag in _STYLE:
                kind, medium = (element.get(n, "").strip().lower() for n in ("type", "media"))
                if kind in ("", "text/css") and medium in ("", "all", "screen"):
                    sheets.append("".join(element.itertext()))
        self._cascade = svg_css.Cascade(root, sheets, self._paints)
        self._draw(root, _Place())

    def _draw(self, element: ElementTree.Element, place: _Place) -> None:
        """Draws an element and what is in it."""
        tag = _tag(element)
        if tag not in _TAKES_A_TURN or not _is_for_us(element):
            return
        self._count(place)
        declared = self._cascade.declared(element)
        if declared.get("display", "").strip() == "none":
            return
        style = self._cascade.style(place.style, declared)
        if style.opacity <= 0 and not self._keep_unpainted:
            self.left_out[UNPAINTED] += tag in _SHAPES
            return
        if tag in _LEFT_OUT:  # drawn, but without an outline here
            self.left_out[_LEFT_OUT[tag]] += style.visible
            return
        if style is not place.style:
            place = place._replace(style=style)
        first = len(self.shapes)
        outer = place
        transformed = "transform" in declared
        fill_box = transformed and declared.get("transform-box", "").strip() in _FILL_BOXES
        if transformed and not fill_box:
            place = _moved(place, _transform(declared, place, self._reference(place)))
        if tag in _SHAPES:
            self._add(tag, declared, place)
        else:
            _DRAWERS[tag](self, element, declared, place)
        if fill_box:
            self._move_since(first, declared, outer)
        if "clip-path" in declared and first < len(self.shapes):
            self._clip_since(first, declared["clip-path"], place)

    def _count(self, place: _Place) -> None:
        self._elements += 1
        if self._elements > MAX_ELEMENTS:
            raise GeometryError(f"draws more than {MAX_ELEMENTS} elements")
        if place.depth > MAX_DEPTH:
            raise GeometryError(f"is nested more than {MAX_DEPTH} deep")

    def _reference(self, place: _Place) -> Box:
        return Box(0.0, 0.0, place.width or 0.0, place.height or 0.0)

    # The shapes.

    def _add(self, tag: str, declared: Mapping[str, str], place: _Place) -> None:
        """Lists a shape, if anything paints it."""
        style = place.style
        if not style.visible:
            return
        if self._clipping:
            fill, stroke = style.fill or svg_values.BLACK, None
        else:
            fill = _seen(style.fill, style.fill_opacity * style.opacity)
            stroke = _seen(style.stroke, style.stroke_opacity * style.opacity)
            if stroke is not None and svg_values.length(style.stroke_width, 1.0) == 0:
                stroke = None
            if tag == "line":
                fill = None
            if fill is None and stroke is None and not self._keep_unpainted:
                self.left_out[UNPAINTED] += 1
                return
        outline, broken = self._outline(tag, declared, place)
        self.left_out[BROKEN] += broken
        if not outline.rows:
            return
        self._segments += len(outline.rows)
        if self._segments > svg_paths.MAX_SEGMENTS:
            raise GeometryError(f"makes a drawing of more than {svg_paths.MAX_SEGMENTS} curves")
        even_odd = style.clip_even_odd if self._clipping else style.even_odd
        self.shapes.append(Shape(outline, place.matrix, fill, stroke, even_odd))

    def _outline(
        self, tag: str, declared: Mapping[str, str], place: _Place
    ) -> tuple[Outline, bool]:
        """Returns a shape's outline, and whether what describes it is broken."""
        if tag in ("path", "polyline", "polygon"):
            text = declared.get("d" if tag == "path" else "points", "")
            if not place.used:
                return _of_text(tag, text)
            if (tag, text) not in self._outlines:  # `use` may repeat a long one often
                self._outlines[tag, text] = _of_text(tag, text)
            return self._outlines[tag, text]
        return _GEOMETRY[tag](lambda name: _length(declared, name, place)), False

    # Elements that hold others.

    def _draw_children(
        self, element: ElementTree.Element, declared: Mapping[str, str], place: _Place
    ) -> None:
        inner = place._replace(depth=place.depth + 1)
        for child in element:
            self._draw(child, inner)

    def _draw_switch(
        self, element: ElementTree.Element, declared: Mapping[str, str], place: _Place
    ) -> None:
        """Draws the first child whose conditions hold."""
        for child in element:
            if _tag(child) in _TAKES_A_TURN - {"foreignObject"} and _is_for_us(child):
                self._draw(child, place._replace(depth=place.depth + 1))
                return

    def _draw_svg(
        self, element: ElementTree.Element, declared: Mapping[str, str], place: _Place
    ) -> None:
        x, y = _length(declared, "x", place) or 0.0, _length(declared, "y", place) or 0.0
        width, height = _length(declared, "width", place), _length(declared, "height", place)
        if place.depth:
            self._draw_viewport(element, declared, place, (x, y, width, height))
            return
        box = _view_box(element)  # of the outermost, from which missing sizes come
        if box is not None and box.width > 0 and box.height > 0:
            if width is None:
                width = box.width if height is None else height * box.width / box.height
            if height is None:
                height = width * box.height / box.width
        if width and height and width > 0 and height > 0:
            self.picture = Box(0.0, 0.0, width, height)
        place = place._replace(width=width, height=height)
        self._draw_viewport(element, declared, place, (0.0, 0.0, width, height))

    def _draw_viewport(
        self,
        element: ElementTree.Element,
        declared: Mapping[str, str],
        place: _Place,
        sizes: tuple[float, float, float | None, float | None],
    ) -> None:
        """Draws an svg or a used symbol, which has a coordinate system and a size of its own."""
        x, y, width, height = sizes
        width = place.width if width is None else width  # 100 % where it is not given
        height = place.height if height is None else height
        box = _view_box(element)
        if box is not None:
            width = box.width if width is None else width
            height = box.height if height is None else height
            if min(box.width, box.height, width, height) <= 0:
                return  # not rendered, says the standard
            aspect = element.get("preserveAspectRatio", "")
            matrix = svg_values.fitted(box, Box(x, y, width, height), aspect)
            inner = _moved(place, matrix)._replace(width=box.width, height=box.height)
        else:
            inner = _moved(place, (1.0, 0.0, 0.0, 1.0, x, y) if x or y else None)
            inner = inner._replace(width=width, height=height)
        first = len(self.shapes)
        self._draw_children(element, declared, inner)
        overflow = declared.get("overflow", "hidden").strip()
        if place.depth and width and height and overflow not in ("visible", "auto"):
            edge = svg_paths.rectangle(x, y, width, height)
            self._clip_all(first, (ClipPart(edge, place.matrix, False),))

    def _draw_use(
        self, element: ElementTree.Element, declared: Mapping[str, str], place: _Place
    ) -> None:
        target = _target(element)
        if not target.startswith("#"):
            self.left_out[OTHER_FILE] += bool(target)
            return
        used = self._by_id.get(target[1:])
        if used is None:
            return
        if used in place.used or element in place.used:
            self.left_out[LOOP] += 1
            return
        x, y = _length(declared, "x", place) or 0.0, _length(declared, "y", place) or 0.0
        place = _moved(place, (1.0, 0.0, 0.0, 1.0, x, y) if x or y else None)
        place = place._replace(depth=place.depth + 1, used=(*place.used, used, element))
        if _tag(used) in ("symbol", "svg"):
            self._draw_used_viewport(used, declared, place)
        else:
            self._draw(used, place)

    def _draw_used_viewport(
        self, used: ElementTree.Element, of_use: Mapping[str, str], place: _Place
    ) -> None:
        """Draws a symbol or svg with the size that `use` gives it."""
        self._count(place)
        declared = self._cascade.declared(used)
        if declared.get("display", "").strip() == "none":
            return
        place = place._replace(style=self._cascade.style(place.style, declared))
        if "transform" in declared:
            place = _moved(place, _transform(declared, place, self._reference(place)))
        own = declared if _tag(used) == "svg" else {}
        sizes = []
        for name in ("width", "height"):
            given = _length(of_use, name, place)
            sizes.append(_length(own, name, place) if given is None else given)
        x, y = _length(own, "x", place) or 0.0, _length(own, "y", place) or 0.0
        self._draw_viewport(used, declared, place, (x, y, *sizes))

    # Clip paths and paint servers.

    def _clip_since(self, first: int, text: str, place: _Place) -> None:
        """Clips the shapes from `first` on by a `clip-path`."""
        target, _ = svg_values.url(text)
        element = self._by_id.get(target[1:]) if target and target.startswith("#") else None
        if element is None or _tag(element) != "clipPath" or element in place.used:
            return
        place = place._replace(used=(*place.used, element), depth=place.depth + 1)
        declared = self._cascade.declared(element)
        unit = None
        if element.get("clipPathUnits") == "objectBoundingBox":
            box = self._box(first, place.matrix)
            unit = (box.width, 0.0, 0.0, box.height, box.x, box.y)
        inner = _moved(place, unit)._replace(style=svg_css.Style())
        if "transform" in declared:
            inner = _moved(inner, _transform(declared, inner, self._reference(place)))
        parts = self._clip_parts(element, inner._replace(depth=place.depth))
        if parts is not None:
            self._clip_all(first, parts)
        if "clip-path" in declared:
            self._clip_since(first, declared["clip-path"], place)

    def _clip_parts(self, element: ElementTree.Element, place: _Place) -> Clip | None:
        """Returns the shapes of a clip path; None where it holds text: no outline is known."""
        outside = self.shapes, self.left_out, self._clipping
        self.shapes, self.left_out, self._clipping = [], Counter(), True
        try:
            style = self._cascade.style(place.style, self._cascade.declared(element))
            inner = place._replace(style=style, depth=place.depth + 1)
            for child in element:
                if _tag(child) in _SHAPES or _tag(child) in ("use", "text"):
                    self._draw(child, inner)
            if self.left_out[TEXT]:
                return None
            return tuple(ClipPart(s.outline, s.matrix, s.even_odd, s.clips) for s in self.shapes)
        finally:
            self.shapes, self.left_out, self._clipping = outside

    def _clip_all(self, first: int, clip: Clip) -> None:
        for i in range(first, len(self.shapes)):
            self.shapes[i] = self.shapes[i]._replace(clips=(*self.shapes[i].clips, clip))

    def _box(self, first: int, matrix: Matrix | None) -> Box:
        """Returns the box around the shapes from `first` on, in the coordinates of `matrix`."""
        back = svg_paths.inverse(matrix) if matrix else None
        parts = [(shape.outline, product(back, shape.matrix)) for shape in self.shapes[first:]]
        curves = svg_paths.placed(parts)
        if not len(curves.points):
            return Box(0.0, 0.0, 0.0, 0.0)
        extent = float(np.ptp(curves.points.reshape(-1, 2), axis=0).max())
        found = np.concatenate(svg_paths.flatten(curves, extent / 1000))
        (x, y), (right, bottom) = found.min(axis=0), found.max(axis=0)
        return Box(float(x), float(y), float(right - x), float(bottom - y))

    def _move_since(self, first: int, declared: Mapping[str, str], place: _Place) -> None:
        """Applies a transform that refers to the box of what is drawn (`fill-box`)."""
        if first == len(self.shapes):
            return
        matrix = _transform(declared, place, self._box(first, place.matrix))
        back = svg_paths.inverse(place.matrix) if place.matrix else None
        change = product(product(place.matrix, matrix), back)
        for i, shape in enumerate(self.shapes[first:], first):
            self.shapes[i] = shape._replace(
                matrix=product(change, shape.matrix), clips=_moved_clips(shape.clips, change)
            )

    def _paints(self, name: str) -> bool | None:
        """Whether a gradient or pattern paints anything; None where there is no such one."""
        element = self._by_id.get(name)
        if element is None or _tag(element) not in _SERVERS:
            return None
        for _ in range(10):  # a gradient may take its stops from another
            if any(_tag(child) for child in element):
                break
            element = self._by_id.get(_target(element)[1:])
            if element is None:
                return False
        stops = [child for child in element if _tag(child) == "stop"]
        if not stops:
            return _tag(element) == "pattern" and any(_tag(child) for child in element)
        opacities = (self._cascade.declared(stop).get("stop-opacity", "1") for stop in stops)
        return any(svg_values.share(opacity) != 0 for opacity in opacities)


_SERVERS = ("linearGradient", "radialGradient", "pattern")
_LEFT_OUT = {"text": TEXT, "image": IMAGE, "foreignObject": FOREIGN}
_DRAWERS = {
    **dict.fromkeys(("g", "a"), Document._draw_children),
    "switch": Document._draw_switch,
    "svg": Document._draw_svg,
    "use": Document._draw_use,
}


def _tag(element: ElementTree.Element) -> str:
    """Returns an SVG element's name; nothing for what belongs to another vocabulary."""
    tag = element.tag.removeprefix(_SVG)
    return "" if tag.startswith("{") else tag


def _target(element: ElementTree.Element) -> str:
    """Returns what an element's href refers to."""
    for name in _HREF:
        if name in element.attrib:
            return element.attrib[name].strip()
    return ""


def _is_for_us(element: ElementTree.Element) -> bool:
    """Whether the conditions of an element hold here, as in a browser set to English."""
    attributes = element.attrib
    if attributes.get("requiredExtensions", "").strip():
        return False
    if "systemLanguage" not in attributes:
        return True
    languages = [word.strip().lower() for word in attributes["systemLanguage"].split(",")]
    return any(word.partition("-")[0] == LANGUAGE for word in languages)


def _seen(paint: svg_css.Paint, opacity: float) -> svg_css.Paint:
    """Returns a paint under an opacity; None where nothing of it is seen."""
    if not paint:
        return paint if opacity > 0 else None
    alpha = paint[3] * opacity
    return (*paint[:3], alpha) if alpha > 0 else None


def _moved(place: _Place, matrix: Matrix | None) -> _Place:
    """Returns a place whose coordinate system is `matrix` inside that of `place`."""
    return place if matrix is None else place._replace(matrix=product(place.matrix, matrix))


def _moved_clips(clips: tuple[Clip, ...], change: Matrix | None) -> tuple[Clip, ...]:
    return tuple(
        tuple(
            part._replace(
                matrix=product(change, part.matrix), clips=_moved_clips(part.clips, change)
            )
            for part in clip
        )
        for clip in clips
    )


def _transform(declared: Mapping[str, str], place: _Place, box: Box) -> Matrix | None:
    """Returns the matrix of an element's transform around its origin."""
    size = place.style.font_size
    matrix = svg_values.transform(declared["transform"], box, size)
    if matrix is not None and "transform-origin" in declared:
        matrix = svg_values.around(
            matrix, *svg_values.origin(declared["transform-origin"], box, size)
        )
    return matrix


def _of_text(tag: str, text: str) -> tuple[Outline, bool]:
    """Returns the outline of path data or of a list of points, and whether it is broken."""
    if tag != "path":
        return svg_paths.points(text, tag == "polygon")
    if text.startswith("path("):  # as CSS writes it
        text = text[5:].strip(" )\"'")
    return svg_paths.path(text)


def _view_box(element: ElementTree.Element) -> Box | None:
    """Returns the viewBox; None where it is missing or not valid, which has the same effect."""
    found = svg_values.numbers(element.get("viewBox", ""))
    if not found or len(found) != 4 or min(found[2:]) < 0 or not np.isfinite(found).all():
        return None
    return Box(*found)


def _length(declared: Mapping[str, str], name: str, place: _Place) -> float | None:
    """Returns an element's length in pixels; None where it is missing or `auto`."""
    text = declared.get(name)
    if text is None:
        return None
    whole = None
    if text.endswith("%") or not text.isascii():
        sides = (place.width, place.height)
        if name != "r":
            whole = sides[name not in ("x", "x1", "x2", "cx", "rx", "width")]
        elif None not in sides:
            whole = ((sides[0] ** 2 + sides[1] ** 2) / 2) ** 0.5
    return svg_values.length(text, whole, place.style.font_size)


_NOTHING = Outline([], [])


def _line(length) -> Outline:
    return svg_paths.line(*(length(name) or 0.0 for name in ("x1", "y1", "x2", "y2")))


def _rectangle(length) -> Outline:
    x, y, width, height = (length(name) or 0.0 for name in ("x", "y", "width", "height"))
    if width <= 0 or height <= 0:
        return _NOTHING  # not rendered, says the standard
    rx, ry = _radii(length)
    return svg_paths.rectangle(x, y, width, height, min(rx, width / 2), min(ry, height / 2))


def _ellipse(length, rx: float, ry: float) -> Outline:
    if rx <= 0 or ry <= 0:
        return _NOTHING
    return svg_paths.ellipse(length("cx") or 0.0, length("cy") or 0.0, rx, ry)


def _radii(length) -> tuple[float, float]:
    """Returns rx and ry: one that is missing or negative is like the other."""
    rx, ry = length("rx"), length("ry")
    rx, ry = (None if radius is None or radius < 0 else radius for radius in (rx, ry))
    return (ry if rx is None else rx) or 0.0, (rx if ry is None else ry) or 0.0


_GEOMETRY = {
    "line": _line,
    "rect": _rectangle,
    "circle": lambda length: _ellipse(length, *[length("r") or 0.0] * 2),
    "ellipse": lambda length: _ellipse(length, *_radii(length)),
}
