"""SVG geometry: path data and basic shapes to cubic curves, curves to points.

Path data follows the grammar of SVG 2. What is wrong with it is treated as browsers treat it: the
path is drawn up to the error.
"""

from __future__ import annotations

import itertools
import math
import operator
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from data_prep.readers.source import MAX_COORDINATE
from sketch_rnn_tf.errors import UserError

MAX_SEGMENTS = 1_000_000  # of a drawing
MAX_POINTS = 4_000_000  # of a flattened drawing: 64 MB

Row = tuple[float, float, float, float, float, float, float, float]  # four points of a curve
Matrix = tuple[float, float, float, float, float, float]  # a, b, c, d, e, f as in matrix(...)

NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBERS = re.compile(NUMBER)
_ITEM = re.compile(rf" *({NUMBER}) *,?")
_COMMANDS = re.compile(r"([MmZzLlHhVvCcSsQqTtAa])([^MmZzLlHhVvCcSsQqTtAa]*)")
_PLAIN = re.compile("[0-9., -]*")
# The two flags of an arc are single digits that need nothing around them. A number, matched in a
# lookahead, is never split to make the rest fit.
_ARC_NUMBER = rf" *(?=({NUMBER}))\{{}} *,?"
_ARC_FLAG = r" *([01]) *,?"
_ARC = re.compile(
    "".join(_ARC_NUMBER.format(i) for i in (1, 2, 3))
    + _ARC_FLAG * 2
    + "".join(_ARC_NUMBER.format(i) for i in (6, 7))
)
_IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)
_OTHER_SPACE = str.maketrans("\t\n\r\f", "    ")
_ARC_PIECE = math.pi / 6  # an arc becomes cubic curves of at most this angle


class GeometryError(UserError):
    """A drawing is too large or too deep to read; the message does not name the file."""


class Outline(NamedTuple):
    """A shape as cubic curves; a straight line has its control points at its thirds.

    Attributes:
      rows: (x0, y0, x1, y1, x2, y2, x3, y3) for each curve.
      starts: the first row of each subpath; a subpath is a stroke.
    """

    rows: list[Row]
    starts: list[int]


class Pen:
    """Draws an outline: what path commands, in absolute coordinates, mean."""

    def __init__(self):
        self.x = self.y = 0.0
        self.outline = Outline([], [])
        self._first = (0.0, 0.0)  # of the subpath, where closing goes
        self._control: tuple[str, float, float] | None = None  # the last one, for smooth curves
        self._open = False  # whether the current subpath has a row

    def move(self, x: float, y: float) -> None:
        """Begins a subpath."""
        self.x, self.y = self._first = x, y
        self._control = None
        self._open = False

    def line(self, x: float, y: float) -> None:
        """Adds a straight line."""
        dx, dy = (x - self.x) / 3, (y - self.y) / 3
        self._add(self.x + dx, self.y + dy, x - dx, y - dy, x, y)

    def cubic(self, x1: float, y1: float, x2: float, y2: float, x: float, y: float) -> None:
        """Adds a cubic curve."""
        self._add(x1, y1, x2, y2, x, y)
        self._control = ("cubic", x2, y2)

    def smooth_cubic(self, x2: float, y2: float, x: float, y: float) -> None:
        """Adds a cubic curve that leaves in the direction in which the last one arrived."""
        self.cubic(*self._reflected("cubic"), x2, y2, x, y)

    def quadratic(self, x1: float, y1: float, x: float, y: float) -> None:
        """Adds a quadratic curve, which is exactly a cubic one."""
        self._add(
            self.x + (x1 - self.x) * 2 / 3,
            self.y + (y1 - self.y) * 2 / 3,
            x + (x1 - x) * 2 / 3,
            y + (y1 - y) * 2 / 3,
            x,
            y,
        )
        self._control = ("quadratic", x1, y1)

    def smooth_quadratic(self, x: float, y: float) -> None:
        """Adds a quadratic curve that leaves in the direction in which the last one arrived."""
        self.quadratic(*self._reflected("quadratic"), x, y)

    def arc(
        self, rx: float, ry: float, rotation: float, large: bool, sweep: bool, x: float, y: float
    ) -> None:
        """Adds an elliptical arc: a line where a radius is 0, nothing where it goes nowhere."""
        if (x, y) == (self.x, self.y):
            return
        if rx == 0 or ry == 0:
            self.line(x, y)
            return
        rotation = math.radians(rotation)
        try:
            center = _arc_center(self.x, self.y, abs(rx), abs(ry), rotation, large, sweep, x, y)
            if not all(map(math.isfinite, center)):
                raise ValueError
        except (ArithmeticError, ValueError):
            raise GeometryError("has an arc whose numbers are too large or too small") from None
        self.ellipse(*center, x, y)

    def ellipse(
        self,
        cx: float,
        cy: float,
        rx: float,
        ry: float,
        rotation: float,
        start: float,
        turn: float,
        x: float,
        y: float,
    ) -> None:
        """Adds an arc around a center, from the angle `start` by `turn` (radians), to (x, y)."""
        cos, sin = math.cos(rotation), math.sin(rotation)
        count = max(math.ceil(abs(turn) / _ARC_PIECE - 1e-9), 1)
        step = turn / count
        reach = math.sin(step) * (math.sqrt(4 + 3 * math.tan(step / 2) ** 2) - 1) / 3
        for i in range(count):
            a, b = start + i * step, start + (i + 1) * step
            u, v = -rx * math.sin(a) * reach, ry * math.cos(a) * reach  # along the tangents
            s, t = -rx * math.sin(b) * reach, ry * math.cos(b) * reach
            px, py = rx * math.cos(b), ry * math.sin(b)
            end = (x, y) if i == count - 1 else (cx + cos * px - sin * py, cy + sin * px + cos * py)
            self._add(
                self.x + cos * u - sin * v,
                self.y + sin * u + cos * v,
                end[0] - cos * s + sin * t,
                end[1] - sin * s - cos * t,
                *end,
            )

    def close(self) -> None:
        """Closes the subpath. One that is closed at once is a dot."""
        if not self._open or (self.x, self.y) != self._first:
            self.line(*self._first)
        self.x, self.y = self._first
        self._control = None
        self._open = False

    def _add(self, x1: float, y1: float, x2: float, y2: float, x: float, y: float) -> None:
        rows, starts = self.outline
        if not self._open:
            starts.append(len(rows))
            self._open = True
        rows.append((self.x, self.y, x1, y1, x2, y2, x, y))
        if len(rows) > MAX_SEGMENTS:
            raise GeometryError(f"makes a drawing of more than {MAX_SEGMENTS} curves")
        self.x, self.y = x, y
        self._control = None

    def _reflected(self, kind: str) -> tuple[float, float]:
        """Returns the mirror image of the last control point; the current point without one."""
        if self._control is None or self._control[0] != kind:
            return self.x, self.y
        return 2 * self.x - self._control[1], 2 * self.y - self._control[2]


def _arc_center(x0, y0, rx, ry, rotation, large, sweep, x, y):
    """Returns (cx, cy, rx, ry, rotation, first angle, turn) of an arc between two points.

    These are the equations of SVG 2, appendix B.2.4 and B.2.5; radii too small grow until they fit.
    """
    cos, sin = math.cos(rotation), math.sin(rotation)
    half_x, half_y = (x0 - x) / 2, (y0 - y) / 2
    u, v = cos * half_x + sin * half_y, cos * half_y - sin * half_x
    excess = (u / rx) ** 2 + (v / ry) ** 2
    if excess > 1:
        rx, ry = rx * math.sqrt(excess), ry * math.sqrt(excess)
        excess = 1.0
    factor = math.sqrt(max(1 / excess - 1, 0.0))
    if large == sweep:
        factor = -factor
    center_u, center_v = factor * rx * v / ry, -factor * ry * u / rx
    start = math.atan2((v - center_v) / ry, (u - center_u) / rx)
    turn = math.atan2((-v - center_v) / ry, (-u - center_u) / rx) - start
    if sweep and turn < 0:
        turn += math.tau
    elif not sweep and turn > 0:
        turn -= math.tau
    cx = cos * center_u - sin * center_v + (x0 + x) / 2
    cy = sin * center_u + cos * center_v + (y0 + y) / 2
    return cx, cy, rx, ry, rotation, start, turn


_DRAW = {
    "L": (2, Pen.line),
    "C": (6, Pen.cubic),
    "S": (4, Pen.smooth_cubic),
    "Q": (4, Pen.quadratic),
    "T": (2, Pen.smooth_quadratic),
}


def path(data: str) -> tuple[Outline, bool]:
    """Returns the outline of a `d` attribute up to its first error, and whether it has one."""
    pen = Pen()
    data = data.translate(_OTHER_SPACE).strip(" ")
    if not data or data == "none":
        return pen.outline, False
    if data[0] not in "Mm":
        return pen.outline, True
    for letter, text in _COMMANDS.findall(data):
        arguments, whole = (_arc_arguments if letter in "Aa" else _numbers)(text)
        if not (_run(pen, letter, arguments) and whole):
            return pen.outline, True
    return pen.outline, False


def _run(pen: Pen, letter: str, numbers: list[float]) -> bool:
    """Draws a command as often as its numbers suffice; returns whether they come out even."""
    command, relative = letter.upper(), letter > "Z"
    if command == "Z":
        pen.close()
        return not numbers
    if command in "HV":
        for number in numbers:
            end, axis = [pen.x, pen.y], "HV".index(command)
            end[axis] = number + end[axis] if relative else number
            pen.line(*end)
        return bool(numbers)
    if command == "A":
        for i in range(0, len(numbers), 7):
            x, y = (pen.x, pen.y) if relative else (0.0, 0.0)
            pen.arc(*numbers[i : i + 5], numbers[i + 5] + x, numbers[i + 6] + y)
        return bool(numbers)
    if command == "M":
        if len(numbers) < 2:
            return False
        x, y = (pen.x, pen.y) if relative else (0.0, 0.0)
        pen.move(numbers[0] + x, numbers[1] + y)
        command, numbers = "L", numbers[2:]
        if not numbers:
            return True
    count, draw = _DRAW[command]
    for chunk in zip(*[iter(numbers)] * count, strict=False):
        if relative:
            chunk = map(operator.add, chunk, (pen.x, pen.y) * (count // 2))
        draw(pen, *chunk)
    return bool(numbers) and not len(numbers) % count


def _numbers(text: str) -> tuple[list[float], bool]:
    """Returns the numbers at the start of a text, and whether it holds nothing else."""
    compact = text.replace(" ", "")
    if ",," not in compact and not compact.startswith(","):  # every comma follows a number
        if _PLAIN.fullmatch(text):
            try:
                return list(map(float, text.replace(",", " ").replace("-", " -").split())), True
            except ValueError:
                pass  # such as .5.5, which is two numbers
        found = _NUMBERS.findall(text)
        if sum(map(len, found)) + compact.count(",") == len(compact):
            return list(map(float, found)), True
    numbers, place = [], 0
    while match := _ITEM.match(text, place):
        numbers.append(float(match[1]))
        place = match.end()
    return numbers, not text[place:].strip(" ")


def _arc_arguments(text: str) -> tuple[list[float], bool]:
    """Returns the arguments of whole arcs at the start of a text; see `_numbers`."""
    numbers, place = [], 0
    while match := _ARC.match(text, place):
        rx, ry, rotation, large, sweep, x, y = match.groups()
        numbers += (float(rx), float(ry), float(rotation), large == "1", sweep == "1")
        numbers += (float(x), float(y))
        place = match.end()
    return numbers, not text[place:].strip(" ")


def points(data: str, close: bool) -> tuple[Outline, bool]:
    """Returns the outline of a polyline's or polygon's `points`; an odd last number is dropped."""
    pen = Pen()
    numbers, whole = _numbers(data.translate(_OTHER_SPACE))
    pairs = list(zip(numbers[::2], numbers[1::2], strict=False))
    if pairs:
        pen.move(*pairs[0])
        for pair in pairs[1:]:
            pen.line(*pair)
        if close:
            pen.close()
    return pen.outline, not whole or len(numbers) % 2 == 1


def line(x1: float, y1: float, x2: float, y2: float) -> Outline:
    """Returns a straight line."""
    pen = Pen()
    pen.move(x1, y1)
    pen.line(x2, y2)
    return pen.outline


def rectangle(
    x: float, y: float, width: float, height: float, rx: float = 0.0, ry: float = 0.0
) -> Outline:
    """Returns a rectangle, clockwise from the start of its upper edge (SVG 2, section 10.2)."""
    pen = Pen()
    if not (rx and ry):
        pen.move(x, y)
        for corner in ((x + width, y), (x + width, y + height), (x, y + height)):
            pen.line(*corner)
        pen.close()
        return pen.outline
    left, right, top, bottom = x + rx, x + width - rx, y + ry, y + height - ry
    pen.move(left, y)
    for i, (before, center, after) in enumerate(
        [
            ((right, y), (right, top), (x + width, top)),
            ((x + width, bottom), (right, bottom), (right, y + height)),
            ((left, y + height), (left, bottom), (x, bottom)),
            ((x, top), (left, top), (left, y)),
        ]
    ):
        pen.line(*before)
        pen.ellipse(*center, rx, ry, 0.0, (i - 1) * math.pi / 2, math.pi / 2, *after)
    pen.close()
    return pen.outline


def ellipse(cx: float, cy: float, rx: float, ry: float) -> Outline:
    """Returns an ellipse, clockwise from its rightmost point (SVG 2, section 10.3)."""
    pen = Pen()
    pen.move(cx + rx, cy)
    for i, (x, y) in enumerate([(0, 1), (-1, 0), (0, -1), (1, 0)]):
        end = (cx + x * rx, cy + y * ry)
        pen.ellipse(cx, cy, rx, ry, 0.0, i * math.pi / 2, math.pi / 2, *end)
    pen.close()
    return pen.outline


def product(outer: Matrix | None, inner: Matrix | None) -> Matrix | None:
    """Returns the matrix that applies `inner` first; None is the identity."""
    if outer is None or inner is None:
        return outer or inner
    a, b, c, d, e, f = outer
    g, h, i, j, k, m = inner
    return (
        a * g + c * h,
        b * g + d * h,
        a * i + c * j,
        b * i + d * j,
        a * k + c * m + e,
        b * k + d * m + f,
    )


def inverse(matrix: Matrix) -> Matrix | None:
    """Returns the inverse of a matrix; None where there is none."""
    a, b, c, d, e, f = matrix
    area = a * d - b * c
    if not area or not math.isfinite(area):
        return None
    return (
        d / area,
        -b / area,
        -c / area,
        a / area,
        (c * f - d * e) / area,
        (b * e - a * f) / area,
    )


class Curves(NamedTuple):
    """The strokes of a drawing in one coordinate system.

    Attributes:
      points: control points [S, 4, 2].
      starts: the first curve of each stroke, int64 [K].
    """

    points: np.ndarray
    starts: np.ndarray


def placed(parts: Sequence[tuple[Outline, Matrix | None]]) -> Curves:
    """Returns outlines moved into their places, one after the other.

    Raises:
      GeometryError: a coordinate is not finite or too large.
    """
    rows = [row for outline, _ in parts for row in outline.rows]
    if not rows:
        return Curves(np.zeros((0, 4, 2)), np.zeros(0, np.int64))
    points = np.fromiter(itertools.chain.from_iterable(rows), np.float64, 8 * len(rows))
    points = points.reshape(-1, 4, 2)
    counts = [len(outline.rows) for outline, _ in parts]
    matrices = [matrix or _IDENTITY for _, matrix in parts]
    first = matrices[0]
    with np.errstate(all="ignore"):  # what is not finite afterwards is refused below
        if matrices.count(first) < len(matrices):
            every = np.repeat(np.array(matrices).reshape(-1, 3, 2), counts, axis=0)  # [S, 3, 2]
            points = points @ every[:, :2] + every[:, 2:]
        elif first == _IDENTITY:
            points += 0.0  # as a product would: no negative zeros
        else:
            points = points @ np.array(first).reshape(3, 2)[:2] + np.array(first[4:])
    if not (np.abs(points) <= MAX_COORDINATE).all():
        raise GeometryError(f"has a coordinate that is not finite or beyond {MAX_COORDINATE:g}")
    offsets = itertools.accumulate(counts, initial=0)
    starts = [start + at for (o, _), at in zip(parts, offsets, strict=False) for start in o.starts]
    return Curves(points, np.array(starts, np.int64))


def flatten(curves: Curves, tolerance: float) -> list[np.ndarray]:
    """Returns the strokes as points.

    Args:
      curves: the strokes.
      tolerance: largest distance between a curve and its polyline.

    Returns:
      float64 arrays [n, 2], one for each stroke.

    Raises:
      GeometryError: there are too many points.
    """
    if not len(curves.points):
        return []
    # A cubic curve lies within d * 3 / 4 / n^2 of n chords that are equal steps of its parameter,
    # d being its larger second difference (Wang's formula).
    c = curves.points
    second = np.abs(c[:, :2] - 2 * c[:, 1:3] + c[:, 2:])  # [S, 2, 2]
    bend = np.hypot(second[..., 0], second[..., 1]).max(axis=1)  # [S]
    pieces = np.ones(len(bend), np.int64)
    if tolerance > 0:
        needed = np.ceil(np.sqrt(0.75 * bend / tolerance) - 1e-9)
        pieces = np.maximum(needed, 1).astype(np.int64)
    total = int(pieces.sum()) + len(curves.starts)
    if total > MAX_POINTS:
        raise GeometryError(f"makes a drawing of {total} points, more than {MAX_POINTS}")
    return _evaluate(curves.points, pieces, curves.starts)


def _evaluate(
    curves: np.ndarray, pieces: np.ndarray, stroke_starts: np.ndarray
) -> list[np.ndarray]:
    """Returns the strokes through the ends of the pieces of the curves."""
    first_step = np.ones(len(curves), np.int64)
    first_step[stroke_starts] = 0  # a stroke's first curve has a point at its start, too
    counts = pieces + 1 - first_step
    ends = np.cumsum(counts)
    owner = np.repeat(np.arange(len(curves)), counts)  # [N] the curve of each point
    step = np.arange(ends[-1]) + (first_step - (ends - counts))[owner]
    t = (step / pieces[owner])[:, None]
    s = 1 - t
    p = curves[owner]  # [N, 4, 2]
    points = s**3 * p[:, 0] + 3 * s**2 * t * p[:, 1] + 3 * s * t**2 * p[:, 2] + t**3 * p[:, 3]
    begins = (ends - counts)[stroke_starts].tolist()
    return [points[begin:end] for begin, end in itertools.pairwise([*begins, len(points)])]
