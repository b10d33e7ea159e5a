"""The values of SVG attributes and CSS properties: lengths, numbers, colors, paints, transforms.

A value that is not valid is None, and then counts as not given, as in browsers.
"""

from __future__ import annotations

import functools
import math
import re
from typing import NamedTuple

import tinycss2.color4

from data_prep.readers.svg_paths import NUMBER, Matrix, product

MAX_LENGTH = 4096  # characters of a value that has no reason to be longer

Color = tuple[float, float, float, float]  # red, green, blue, opacity, each 0 to 1
UNKNOWN_COLOR: tuple = ()  # of a gradient or a pattern: painted, but of no single color
BLACK: Color = (0.0, 0.0, 0.0, 1.0)
INHERIT = ("inherit", "unset", "revert", "revert-layer")

_UNITS = {"": 1.0, "px": 1.0, "in": 96.0, "cm": 96 / 2.54, "mm": 96 / 25.4, "q": 96 / 101.6,
          "pt": 4 / 3, "pc": 16.0, "rem": 16.0}  # fmt: skip
_FONT_UNITS = {"em": 1.0, "ex": 0.5, "ch": 0.5}
_ANGLES = {"": math.pi / 180, "deg": math.pi / 180, "rad": 1.0, "grad": math.pi / 200,
           "turn": math.tau}  # fmt: skip
_LENGTH = re.compile(rf"\s*({NUMBER})\s*([A-Za-z]*|%)\s*")
_LIST_ITEM = re.compile(rf"\s*({NUMBER})(%|[A-Za-z]*)\s*,?")
_FUNCTION = re.compile(r"[\s,]*([A-Za-z0-9]+)\s*\(([^()]*)\)")
_HEX = re.compile(r"#(?:[0-9a-f]{3}|[0-9a-f]{6})")
_URL = re.compile(r"""url\(\s*(?:"([^"]*)"|'([^']*)'|([^)]*?))\s*\)\s*(.*)""", re.S | re.I)
_VAR = re.compile(r"var\(\s*--[\w-]+\s*(?:,(.*))?\)", re.S)
_ASPECT = re.compile(r"(?:defer\s+)?(none|x(Min|Mid|Max)Y(Min|Mid|Max))(?:\s+(meet|slice))?")


class Box(NamedTuple):
    """A rectangle: what percentages and origins refer to."""

    x: float
    y: float
    width: float
    height: float


@functools.lru_cache(maxsize=4096)
def length(text: str | None, whole: float | None, font_size: float = 16.0) -> float | None:
    """Returns a length in pixels.

    Args:
      text: the value.
      whole: what 100 % is, where it is known.
      font_size: what 1em is.

    Returns:
      None where the value is missing, `auto`, not valid, or a percentage of something unknown.
    """
    match = _LENGTH.fullmatch(text) if text and len(text) < MAX_LENGTH else None
    if not match:
        return None
    value, unit = float(match[1]), match[2].lower()
    if unit == "%":
        return None if whole is None else value * whole / 100
    if unit in _FONT_UNITS:
        return value * _FONT_UNITS[unit] * font_size
    return value * _UNITS[unit] if unit in _UNITS else None


def share(text: str) -> float | None:
    """Returns an opacity, 0 to 1, of a number or a percentage."""
    value = length(text, 1.0)
    return None if value is None else min(max(value, 0.0), 1.0)


def numbers(text: str) -> list[float] | None:
    """Returns the numbers of a list such as a viewBox."""
    try:
        return [float(word) for word in text[:MAX_LENGTH].replace(",", " ").split()]
    except ValueError:
        return None


@functools.lru_cache(maxsize=4096)
def color(text: str, current: Color = BLACK) -> Color | tuple | None:
    """Returns a color; `UNKNOWN_COLOR` where it is valid but not of the sRGB kinds.

    Args:
      text: the value.
      current: what `currentColor` is.
    """
    text = text.strip().lower()[:MAX_LENGTH]
    if _HEX.fullmatch(text):
        digits = text[1:] if len(text) == 7 else "".join(2 * digit for digit in text[1:])
        return (*(int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)), 1.0)
    text = text.partition(" icc-color(")[0]
    try:
        found = tinycss2.color4.parse_color(text) if text else None
        if found == "currentcolor":
            return current
        return None if found is None else tuple(map(float, found.to("srgb")))
    except NotImplementedError:
        return UNKNOWN_COLOR
    except (ValueError, TypeError, AttributeError, ArithmeticError, RecursionError):
        return None


def url(text: str) -> tuple[str | None, str]:
    """Splits `url(#id) rest` into what it refers to and the rest; None and the text without it."""
    match = _URL.match(text.strip()) if "(" in text else None
    if not match:
        return None, text.strip()
    return (match[1] or match[2] or match[3] or "").strip(), match[4].strip()


def fallback(text: str) -> str | None:
    """Returns what `var(--name, fallback)` falls back to; other text as it is."""
    match = _VAR.fullmatch(text.strip())
    return text if match is None else match[1]


@functools.lru_cache(maxsize=1024)
def transform(text: str, box: Box, font_size: float = 16.0) -> Matrix | None:
    """Returns the matrix of a transform attribute or property; None is the identity.

    Args:
      text: the value; one that is broken anywhere has no effect.
      box: what percentages refer to.
      font_size: what 1em is.
    """
    text = text.strip()
    if not text or text.lower() == "none" or len(text) > MAX_LENGTH:
        return None
    matrix, place = None, 0
    while match := _FUNCTION.match(text, place):
        step = _function(match[1].lower(), match[2], box, font_size)
        if step is None:
            return None
        matrix, place = product(matrix, step), match.end()
    return None if text[place:].strip(" ,\t\r\n") else matrix


def _function(name: str, text: str, box: Box, font_size: float) -> Matrix | None:
    """Returns the matrix of one transform function."""
    words, place = [], 0
    while match := _LIST_ITEM.match(text, place):
        words.append((match[1], match[2]))
        place = match.end()
    if text[place:].strip() or name not in _FUNCTIONS or len(words) not in _FUNCTIONS[name]:
        return None
    if name.startswith("translate"):
        sides = (box.height,) if name == "translatey" else (box.width, box.height, 0.0)
        values = [
            length(n + u, side, font_size) for (n, u), side in zip(words, sides, strict=False)
        ]
    elif name.startswith(("rotate", "skew")):
        values = [float(n) * _ANGLES[u.lower()] if u.lower() in _ANGLES else None for n, u in words]
        values[1 + name.startswith("skew") :] = [float(n) for n, _ in words][
            1 + name.startswith("skew") :
        ]
    else:
        values = [float(n) / (100 if u == "%" else 1) for n, u in words]
    if any(value is None or not math.isfinite(value) for value in values):
        return None
    return _matrix(name, values)


# The numbers of arguments that each function takes.
_FUNCTIONS = {
    "matrix": (6,),
    "matrix3d": (16,),
    "translate": (1, 2),
    "translate3d": (3,),
    "translatex": (1,),
    "translatey": (1,),
    "scale": (1, 2),
    "scale3d": (3,),
    "scalex": (1,),
    "scaley": (1,),
    "rotate": (1, 3),
    "rotatez": (1,),
    "skew": (1, 2),
    "skewx": (1,),
    "skewy": (1,),
}


def _matrix(name: str, values: list[float]) -> Matrix:
    """Returns the matrix of a transform function whose arguments are pixels and radians."""
    first, second = values[0], values[1] if len(values) > 1 else 0.0
    if name == "matrix":
        return tuple(values)
    if name == "matrix3d":
        return tuple(values[i] for i in (0, 1, 4, 5, 12, 13))
    if name in ("translate", "translate3d", "translatex"):
        return (1.0, 0.0, 0.0, 1.0, first, second)
    if name == "translatey":
        return (1.0, 0.0, 0.0, 1.0, 0.0, first)
    if name in ("scale", "scale3d"):
        return (first, 0.0, 0.0, second if len(values) > 1 else first, 0.0, 0.0)
    if name in ("scalex", "scaley"):
        return (
            (first, 0.0, 0.0, 1.0, 0.0, 0.0) if name == "scalex" else (1.0, 0.0, 0.0, first, 0, 0)
        )
    if name in ("rotate", "rotatez"):
        turn = (math.cos(first), math.sin(first), -math.sin(first), math.cos(first), 0.0, 0.0)
        return around(turn, *values[1:]) if len(values) == 3 else turn
    if name == "skewy":
        return (1.0, math.tan(first), 0.0, 1.0, 0.0, 0.0)
    return (1.0, math.tan(second), math.tan(first), 1.0, 0.0, 0.0)


def around(matrix: Matrix, x: float, y: float) -> Matrix:
    """Returns the transform that does around (x, y) what `matrix` does around the origin."""
    return product(product((1.0, 0.0, 0.0, 1.0, x, y), matrix), (1.0, 0.0, 0.0, 1.0, -x, -y))


def origin(text: str, box: Box, font_size: float = 16.0) -> tuple[float, float]:
    """Returns the point of a `transform-origin`; (0, 0) where it is not valid."""
    words = text.lower().split()[:2]
    if len(words) == 1:
        words = ["center", *words] if words[0] in ("top", "bottom") else [*words, "center"]
    elif words and (words[0] in ("top", "bottom") or words[1] in ("left", "right")):
        words.reverse()
    places = []
    for word, start, side in zip(words, box[:2], box[2:], strict=False):
        word = {"left": "0%", "top": "0%", "center": "50%", "right": "100%", "bottom": "100%"}.get(
            word, word
        )
        value = length(word, side, font_size)
        if value is None:
            return 0.0, 0.0
        places.append(start + value)
    return (places[0], places[1]) if len(places) == 2 else (0.0, 0.0)


def fitted(box: Box, viewport: Box, aspect: str) -> Matrix:
    """Returns what maps a viewBox to its viewport, by `preserveAspectRatio`."""
    match = _ASPECT.fullmatch(aspect.strip()[:MAX_LENGTH])
    kind, x_align, y_align, meet = match.groups() if match else (None, "Mid", "Mid", None)
    x_scale, y_scale = viewport.width / box.width, viewport.height / box.height
    if kind != "none":
        x_scale = y_scale = (max if meet == "slice" else min)(x_scale, y_scale)
    shares = {"Min": 0.0, "Mid": 0.5, "Max": 1.0, None: 0.0}
    x = viewport.x - box.x * x_scale + shares[x_align] * (viewport.width - box.width * x_scale)
    y = viewport.y - box.y * y_scale + shares[y_align] * (viewport.height - box.height * y_scale)
    return (x_scale, 0.0, 0.0, y_scale, x, y)
