"""Reads SVG files, plain or gzip: one drawing per file, one stroke per subpath.

A file that `sketch_rnn_tf.drawing` wrote holds the numbers of one or many drawings; these are taken
as they are. Of any other:

A drawing is what a renderer shows of paths, lines, polylines, polygons, rectangles, circles and
ellipses, as their outlines: through groups, `switch`, nested `svg`, `use` of the same file,
`symbol`, transforms, style sheets and clip paths. Left out is what nothing paints, what is hidden,
paper (`svg_ink`) and what is no outline: texts, images, foreign objects, markers. Masks, filters
and CSS clip shapes have no effect; the edge of the picture cuts nothing. Coordinates are the pixels
of the picture; where it has no size, those of its viewBox.

Entities that lie in other files and those that expand to too much are refused; nothing is fetched.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Iterator
from xml.etree import ElementTree

import numpy as np

from data_prep.readers import svg_clip, svg_ink, svg_paths, svg_xml
from data_prep.readers.source import Options, Polylines, RawSketch, Skip, Source, read_whole
from data_prep.readers.svg_document import BROKEN, Clip, Document, Shape
from sketch_rnn_tf import drawing
from sketch_rnn_tf.errors import UserError

MAX_BYTES = 16 << 20  # of a file: 100,000 points take about one


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the one drawing of a file, or all drawings of a file of this project.

    Args:
      source: the file.
      options: of which `label`, `curve_tolerance`, `paper` and `keep_all` count; the label is the
        drawing's own in a file of this project, else the folder's name.

    Yields:
      `RawSketch` with polylines; with offsets where the file is ours.

    Raises:
      ReadError: the file is no SVG, refused, or broken.
    """
    data = read_whole(source, MAX_BYTES)
    key = source.key or source.name
    label = options.label or source.folder or source.stem
    try:
        root = _root(data)
        ours = _our_drawings(root)
        if ours is None:
            strokes, left_out, canvas = _strokes(root, options)
            yield RawSketch(
                key=key,
                label=label,
                where=source.path,
                polylines=Polylines.of(strokes),
                group=source.group or key,
                canvas=canvas,
                left_out=left_out,
            )
            return
    except UserError as error:
        raise source.error(str(error)) from None
    for i, sketch in enumerate(ours):
        yield RawSketch(
            key=f"{key}:{i}",
            label=options.label or sketch.label or label,
            where=f"{source.path}: drawing {i}",
            offsets=sketch.strokes,
        )


def polylines_of(
    text: str | bytes, options: Options | None = None
) -> tuple[list[np.ndarray], Counter]:
    """Returns the strokes of an SVG document in memory.

    Args:
      text: the document.
      options: of which `curve_tolerance`, `paper` and `keep_all` count.

    Returns:
      (float64 arrays [n, 2] in pixels, one for each stroke; {what was left out: how often}).

    Raises:
      UserError: it is no SVG, refused, or broken; the message does not name a file.
    """
    data = text.encode() if isinstance(text, str) else text
    return _strokes(_root(data), options or Options())[:2]


def _root(data: bytes) -> ElementTree.Element:
    root = svg_xml.parse(data)
    if root.tag not in ("svg", "{http://www.w3.org/2000/svg}svg"):
        raise svg_xml.XmlError("is XML, but its first element is not <svg>")
    return root


def _our_drawings(root: ElementTree.Element) -> drawing.Sketches | None:
    """Returns the drawings of a picture that `sketch_rnn_tf.drawing` wrote; None for any other."""
    if root.get("class") != drawing.SVG_CLASS:
        return None
    try:
        return drawing.drawings_of(root)
    except UserError:
        document = Document(root)
        if document.left_out[BROKEN] or not document.shapes:
            raise
        return None  # another program changed it: it is an ordinary picture now


def _strokes(
    root: ElementTree.Element, options: Options
) -> tuple[list[np.ndarray], Counter, float | None]:
    """Returns a document's strokes, what was left out, and the longer side of the picture."""
    document = Document(root, keep_unpainted=options.keep_all)
    shapes, left_out = document.shapes, Counter()
    if not options.keep_all:
        shapes, left_out = svg_ink.ink(document, options.paper)
    curves = svg_paths.placed([(shape.outline, shape.matrix) for shape in shapes])
    strokes = []
    if len(curves.points):
        extent = float(np.ptp(curves.points.reshape(-1, 2), axis=0).max())
        tolerance = options.curve_tolerance * extent
        strokes = svg_paths.flatten(curves, tolerance)
        if any(shape.clips for shape in shapes):
            strokes = _Clipping(tolerance).apply(shapes, strokes)
    canvas = max(document.picture[2:]) if document.picture else None
    return strokes, +(document.left_out + left_out), canvas


class _Clipping:
    """Applies the clip paths of a drawing."""

    def __init__(self, tolerance: float):
        self._tolerance = tolerance
        self._clipper = svg_clip.Clipper(tolerance * 1e-3)
        self._unions: dict[int, tuple[Clip, svg_clip.Union, list[list[np.ndarray]]]] = {}

    def apply(self, shapes: list[Shape], strokes: list[np.ndarray]) -> list[np.ndarray]:
        """Returns what is seen of strokes, which are those of the shapes one after the other."""
        found, place = [], 0
        for shape in shapes:
            own = strokes[place : place + len(shape.outline.starts)]
            place += len(own)
            unions = [self._union(clip)[1] for clip in shape.clips]
            seen = self._clipper.clip(own, unions)
            found += seen
            untouched = len(own) == len(seen) and all(map(operator.is_, own, seen))
            if svg_ink.has_area(shape) and not untouched:
                # The border of a clip path is seen where it is the edge of the filled shape.
                inside = (svg_clip.region(own, shape.even_odd),)
                for i, clip in enumerate(shape.clips):
                    others = [union for j, union in enumerate(unions) if j != i]
                    borders = [border for borders in self._union(clip)[2] for border in borders]
                    found += self._clipper.clip(borders, [inside, *others])
        return found

    def _union(self, clip: Clip) -> tuple[Clip, svg_clip.Union, list[list[np.ndarray]]]:
        """Returns a clip path, its region and its borders."""
        if id(clip) not in self._unions:
            borders = [
                svg_paths.flatten(svg_paths.placed([(part.outline, part.matrix)]), self._tolerance)
                for part in clip
            ]
            union = tuple(
                svg_clip.region(
                    border, part.even_odd, tuple(self._union(inner)[1] for inner in part.clips)
                )
                for part, border in zip(clip, borders, strict=True)
            )
            self._unions[id(clip)] = clip, union, borders
        return self._unions[id(clip)]
