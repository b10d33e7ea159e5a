"""SVG geometry: path data and basic shapes to cubic curves, curves to points.

The grammar of path data and the arithmetic of arcs and rounded shapes are svgelements'. Its `Path`
is not used: it keeps what stands before an error without a word, and closing n subpaths takes it
n^2 steps.
"""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
import svgelements

from data_prep.readers.source import MAX_COORDINATE
from sketch_rnn_tf.errors import UserError

MAX_SEGMENTS = 1_000_000  # of a drawing
MAX_POINTS = 4_000_000  # of a flattened drawing: 64 MB

_DOT_WITHOUT_DIGITS = re.compile(r"(?<=[0-9])\.(?![0-9])")  # "10." is a number in SVG 1.1


class GeometryError(UserError):
    """Path data, a shape or a number is broken; the message does not name the file."""


class _Point(NamedTuple):
    x: float
    y: float


class Curves:
    """The strokes of a drawing as cubic curves: what the parser of path data writes to.

    A straight line is a cubic curve whose control points lie at its thirds. Each subpath is a
    stroke.
    """

    def __init__(self):
        self.current_point: _Point | None = None  # read by the parser for relative commands
        self._first: _Point | None = None  # of the subpath, where closing goes
        self._control: tuple[str, _Point] | None = None  # last control point, for smooth curves
        self._rows: list[tuple[float, ...]] = []  # (x0, y0, x1, y1, x2, y2, x3, y3) a curve
        self._stroke_starts: list[int] = []  # the first row of each stroke
        self._open = False  # whether the current subpath has a row
        self._blocks: list[np.ndarray] = []  # finished shapes [n, 4, 2]
        self._finished = 0

    def add_path(self, data: str, matrix: svgelements.Matrix | None) -> None:
        """Adds the subpaths of a `d` attribute.

        Raises:
          GeometryError: it is not path data from end to end.
        """
        if not data.strip() or data.strip() == "none":
            return
        data = _DOT_WITHOUT_DIGITS.sub("", data)
        self._begin()
        parser = svgelements.SVGLexicalParser()
        try:
            parser.parse(self, data)
        except GeometryError:
            raise
        except Exception:  # the parser promises no narrower type for broken data
            raise GeometryError(_broken(data, parser.pos)) from None
        if parser.pos != parser.limit:
            raise GeometryError(_broken(data, parser.pos))
        self._finish(matrix)

    def add_shape(self, shape: svgelements.Shape, matrix: svgelements.Matrix | None) -> None:
        """Adds a rectangle, circle or ellipse."""
        self._begin()
        try:
            for segment in shape.segments(transformed=False):
                self._add_segment(segment)
        except (ArithmeticError, ValueError, TypeError):
            raise GeometryError("has a size that is no number or too large") from None
        self._finish(matrix)

    # What the parser calls. A point may be the letter z: a segment that closes the subpath.

    def start(self) -> None:
        """Path data begins."""

    def end(self) -> None:
        """Path data ended."""

    def move(self, point: tuple[float, float], relative: bool = False) -> None:
        """Begins a subpath."""
        self.current_point = self._first = self._point(point)
        self._control = None
        self._open = False

    def line(self, point: tuple[float, float] | str, relative: bool = False) -> None:
        """Adds a straight line."""
        (x0, y0), (x3, y3) = self._here(), self._point(point)
        x, y = (x3 - x0) / 3, (y3 - y0) / 3
        self._add(_Point(x0 + x, y0 + y), _Point(x3 - x, y3 - y), _Point(x3, y3))

    def horizontal(self, x: float, relative: bool = False) -> None:
        """Adds a horizontal line."""
        here = self._here()
        self.line((here.x + x if relative else x, here.y))

    def vertical(self, y: float, relative: bool = False) -> None:
        """Adds a vertical line."""
        here = self._here()
        self.line((here.x, here.y + y if relative else y))

    def cubic(self, first, second, point, relative: bool = False) -> None:
        """Adds a cubic curve."""
        second = self._point(second)
        self._add(self._point(first), second, self._point(point))
        self._control = ("cubic", second)

    def smooth_cubic(self, second, point, relative: bool = False) -> None:
        """Adds a cubic curve that leaves in the direction in which the last one arrived."""
        self.cubic(self._reflected("cubic"), second, point)

    def quad(self, control, point, relative: bool = False) -> None:
        """Adds a quadratic curve, which is exactly a cubic one."""
        here, control, point = self._here(), self._point(control), self._point(point)
        first = _Point(here.x + (control.x - here.x) * 2 / 3, here.y + (control.y - here.y) * 2 / 3)
        second = _Point(
            point.x + (control.x - point.x) * 2 / 3, point.y + (control.y - point.y) * 2 / 3
        )
        self._add(first, second, point)
        self._control = ("quad", control)

    def smooth_quad(self, point, relative: bool = False) -> None:
        """Adds a quadratic curve that leaves in the direction in which the last one arrived."""
        self.quad(self._reflected("quad"), point)

    def arc(self, rx, ry, rotation, large, sweep, point, relative: bool = False) -> None:
        """Adds an elliptical arc: a line where a radius is 0, nothing where it goes nowhere."""
        here, point = self._here(), self._point(point)
        if here == point:
            return
        if rx == 0 or ry == 0:
            self.line(point)
            return
        self._add_arc(svgelements.Arc(here, abs(rx), abs(ry), rotation, large, sweep, point))

    def closed(self, relative: bool = False) -> None:
        """Closes the subpath. One that is closed at once is a dot."""
        if not self._open or self._here() != self._first:
            self.line(self._first)
        self.current_point = self._first
        self._control = None
        self._open = False

    def _begin(self) -> None:
        self.current_point = self._first = self._control = None
        self._open = False

    def _finish(self, matrix: svgelements.Matrix | None) -> None:
        """Moves the rows of a shape into their place in the drawing."""
        if not self._rows:
            return
        block = np.array(self._rows, np.float64).reshape(-1, 4, 2)
        self._finished += len(block)
        self._rows = []
        if matrix is not None:
            block = _transformed(block, matrix)
        self._blocks.append(block)

    def _add_segment(self, segment: svgelements.PathSegment) -> None:
        if isinstance(segment, svgelements.Move):
            self.move(segment.end)
        elif isinstance(segment, svgelements.Close):
            self.closed()
        elif isinstance(segment, svgelements.Arc):
            self._add_arc(segment)
        else:
            self.line(segment.end)

    def _add_arc(self, arc: svgelements.Arc) -> None:
        for piece in arc.as_cubic_curves():
            self._add(*map(self._point, (piece.control1, piece.control2, piece.end)))

    def _add(self, first: _Point, second: _Point, point: _Point) -> None:
        if not self._open:
            self._stroke_starts.append(self._finished + len(self._rows))
            self._open = True
        self._rows.append((*self._here(), *first, *second, *point))
        if self._finished + len(self._rows) > MAX_SEGMENTS:
            raise GeometryError(f"makes a drawing of more than {MAX_SEGMENTS} curves")
        self.current_point = point
        self._control = None

    def _here(self) -> _Point:
        if self.current_point is None:
            raise GeometryError("has path data that does not begin with M")
        return self.current_point

    def _point(self, point) -> _Point:
        if isinstance(point, str):
            self._here()
            return self._first
        x, y = point
        return _Point(x, y)

    def _reflected(self, kind: str) -> _Point:
        """Returns the mirror image of the last control point; the current point without one."""
        here = self._here()
        if self._control is None or self._control[0] != kind:
            return here
        control = self._control[1]
        return _Point(2 * here.x - control.x, 2 * here.y - control.y)

    def flatten(self, tolerance: float) -> list[np.ndarray]:
        """Returns the strokes as points.

        Args:
          tolerance: largest distance between a curve and its polyline, as a share of the longer
            side of the box around all control points.

        Returns:
          float64 arrays [n, 2], one a stroke.

        Raises:
          GeometryError: a coordinate is not finite or too large, or there are too many points.
        """
        if not self._blocks:
            return []
        curves = np.concatenate(self._blocks)  # [S, 4, 2]
        if not (np.abs(curves) <= MAX_COORDINATE).all():
            raise GeometryError(f"has a coordinate that is not finite or beyond {MAX_COORDINATE:g}")
        box = np.ptp(curves.reshape(-1, 2), axis=0).max()
        pieces = _pieces(curves, tolerance * box)  # [S]
        total = int(pieces.sum()) + len(self._stroke_starts)
        if total > MAX_POINTS:
            raise GeometryError(f"makes a drawing of {total} points, more than {MAX_POINTS}")
        return _evaluate(curves, pieces, np.asarray(self._stroke_starts))


def _pieces(curves: np.ndarray, tolerance: float) -> np.ndarray:
    """Returns into how many equal steps of its parameter each curve is cut (Wang's formula).

    A cubic curve lies within d * 3 / 4 / n^2 of n chords, d being its larger second difference.
    """
    second = np.abs(curves[:, :2] - 2 * curves[:, 1:3] + curves[:, 2:])  # [S, 2, 2]
    bend = np.hypot(second[..., 0], second[..., 1]).max(axis=1)  # [S]
    if not tolerance > 0:
        return np.ones(len(curves), np.int64)
    needed = np.ceil(np.sqrt(0.75 * bend / tolerance) - 1e-9)
    return np.maximum(needed, 1).astype(np.int64)


def _evaluate(
    curves: np.ndarray, pieces: np.ndarray, stroke_starts: np.ndarray
) -> list[np.ndarray]:
    """Returns the strokes through the ends of the pieces of the curves."""
    curve_ends = np.cumsum(pieces)
    owner = np.repeat(np.arange(len(curves)), pieces)  # [N] the curve of each point
    step = np.arange(1, curve_ends[-1] + 1) - (curve_ends - pieces)[owner]
    t = (step / pieces[owner])[:, None]
    s = 1 - t
    p = curves[owner]  # [N, 4, 2]
    points = s**3 * p[:, 0] + 3 * s**2 * t * p[:, 1] + 3 * s * t**2 * p[:, 2] + t**3 * p[:, 3]
    at = (curve_ends - pieces)[stroke_starts]  # where the first point of each stroke belongs
    points = np.insert(points, at, curves[stroke_starts, 0], axis=0)
    return np.split(points, (at + np.arange(len(at)))[1:])


def _transformed(curves: np.ndarray, matrix: svgelements.Matrix) -> np.ndarray:
    """Applies an affine map to [n, 4, 2]."""
    linear = np.array([[matrix.a, matrix.b], [matrix.c, matrix.d]], np.float64)
    with np.errstate(all="ignore"):  # what is not finite afterwards is refused when it is flattened
        return curves @ linear + np.array([matrix.e, matrix.f], np.float64)


def _broken(data: str, place: int) -> str:
    return f"has path data that is broken near {data[max(0, place - 5) : place + 15]!r}"


def points_as_path(points: str, close: bool) -> str:
    """Returns the path data of a polyline's or polygon's `points`."""
    return f"M{points}{'z' if close else ''}" if points.strip() else ""


def numbers(text: str) -> list[float]:
    """Returns the numbers of a list such as a viewBox.

    Raises:
      GeometryError: something in it is no number.
    """
    try:
        return [float(word) for word in text.replace(",", " ").split()]
    except ValueError:
        raise GeometryError(f"has {text[:40]!r} where numbers are expected") from None
