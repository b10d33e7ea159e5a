"""Reads icon sets in Iconify's JSON format, the `icons.json` of every `@iconify-json/...` package.

An icon is a piece of SVG. Line drawings are read: icons whose shapes all have a stroke and no fill.
Icons that are areas are left out and counted. Aliases (other names, turned and mirrored icons) are
not drawings of their own.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree
from xml.sax import saxutils

import defusedxml
import defusedxml.ElementTree
import numpy as np
import orjson

from data_prep.readers import svg
from data_prep.readers.source import (
    FILLED,
    UNREADABLE,
    NoDrawings,
    Options,
    Polylines,
    RawSketch,
    ReadError,
    Skip,
    Source,
    read_whole,
)

MAX_BYTES = 256 << 20
PART_ICONS = 1000
_SIZE = 16.0  # of an icon whose set names no width and height, as Iconify defines it
_SHAPES = {"path", "circle", "ellipse", "rect", "line", "polyline", "polygon"}
_NOT_DRAWN = {"defs", "clipPath", "mask", "symbol", "title", "desc"}
_PAINT = re.compile(r"(?:^|;)\s*(fill|stroke)\s*:\s*([^;!]+)")

Part = tuple[int, int]  # first and end of a range of icons


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the line drawings of an icon set.

    Args:
      source: the file.
      options: of which `label`, `class_from` and `curve_tolerance` count; the label is the set's
        prefix, or the first word of the icon's name.

    Yields:
      `RawSketch` with polylines, or a `Skip` for each icon that is filled or not readable.

    Raises:
      ReadError: the file is no icon set.
    """
    content = _content(source)
    prefix = content.get("prefix")
    prefix = prefix if isinstance(prefix, str) and prefix.isprintable() else source.stem
    icons = list(content["icons"].items())
    for name, icon in icons[slice(*source.part) if source.part else slice(None)]:
        word = name if name.isprintable() else ascii(name)
        where = f"{source.path}: icon {word[:80]}"
        label = options.label or (prefix if options.class_from == "set" else first_word(word))
        try:
            box, document = _document(icon, content)
            if document is None:
                yield Skip(FILLED, label, f"{where} is filled, not a line drawing")
                continue
            inner = dataclasses.replace(
                source, path=where, folder=label, key=f"{prefix}:{word}", content=document
            )
            for drawing in svg.read(inner, options):
                if isinstance(drawing, RawSketch):
                    drawing = dataclasses.replace(drawing, polylines=_turned(drawing, icon, box))
                yield drawing
        except ReadError as error:
            message = str(error)
            message = message if message.startswith(where) else f"{where} {message}"
            yield Skip(UNREADABLE, label, message)


def parts(source: Source, size: int) -> Iterator[tuple[Part, int]]:
    """Yields ((first icon, end), estimated bytes) for a file of `size` bytes.

    Raises:
      ReadError: the file is no icon set.
    """
    count = len(_content(source)["icons"])
    for first in range(0, max(count, 1), PART_ICONS):
        end = min(first + PART_ICONS, count)
        yield (first, end), size * (end - first) // max(count, 1)


def first_word(name: str) -> str:
    """Returns the object that an icon's name begins with: `alarm-clock-check` is an `alarm`.

    Numbers and single letters are no objects where another word follows.
    """
    words = [word for word in re.split(r"[-_:\s]+", name) if word]
    return next((word for word in words if len(word) > 1 and not word.isdigit()), name)


def _content(source: Source) -> dict[str, Any]:
    try:
        content = orjson.loads(read_whole(source, MAX_BYTES).removeprefix(b"\xef\xbb\xbf"))
    except orjson.JSONDecodeError as error:
        raise source.error(f"is not valid JSON ({error})") from None
    if not isinstance(content, dict) or not isinstance(content.get("icons"), dict):
        raise NoDrawings(f"{source.path}: is JSON, but no icon set: it has no object 'icons'")
    return content


def _document(icon: Any, content: dict[str, Any]) -> tuple[tuple[float, ...], bytes | None]:
    """Returns an icon's box (left, top, width, height) and its SVG; no SVG where it is filled."""
    if not isinstance(icon, dict) or not isinstance(icon.get("body"), str):
        raise ReadError("has no body")
    box = []
    for name, default in (("left", 0.0), ("top", 0.0), ("width", _SIZE), ("height", _SIZE)):
        value = icon.get(name, content.get(name, default))
        if not isinstance(value, (int, float)) or not abs(value) < 1e6:
            raise ReadError(f"has a {name} that is no number")
        box.append(float(value))
    view = saxutils.quoteattr(" ".join(map(repr, box)))
    text = (
        f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'
        f' viewBox={view} width="{box[2]!r}" height="{box[3]!r}">{icon["body"]}</svg>'
    )
    document = text.encode("utf-8", "replace")
    try:
        root = defusedxml.ElementTree.fromstring(document)
    except (ElementTree.ParseError, defusedxml.DefusedXmlException, ValueError) as error:
        raise ReadError(f"has a body that is not well-formed XML ({error})") from None
    paints = list(_paints(root, {"fill": "black", "stroke": "none"}))
    lines = any(stroke != "none" for _, stroke in paints)
    filled = any(fill != "none" for fill, _ in paints)
    return tuple(box), document if lines and not filled else None


def _paints(element: ElementTree.Element, inherited: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yields (fill, stroke) of each shape below an element."""
    own = {name: element.get(name, "inherit").strip() for name in inherited}
    own |= {name: value.strip() for name, value in _PAINT.findall(element.get("style", ""))}
    here = {name: own[name] if own[name] != "inherit" else inherited[name] for name in inherited}
    tag = element.tag.rpartition("}")[2]
    if tag in _SHAPES:
        yield ("none" if tag == "line" else here["fill"]), here["stroke"]
    elif tag not in _NOT_DRAWN:
        for child in element:
            yield from _paints(child, here)


def _turned(drawing: RawSketch, icon: dict[str, Any], box: tuple[float, ...]) -> Polylines:
    """Returns an icon's strokes mirrored and turned about its middle, as its entry says."""
    turns = icon.get("rotate", 0)
    turns = turns % 4 if isinstance(turns, int) else 0
    mirrored = [-1.0 if icon.get(name) is True else 1.0 for name in ("hFlip", "vFlip")]
    lines = drawing.polylines
    if not turns and mirrored == [1.0, 1.0]:
        return lines
    middle = np.array(box[2:]) / 2
    points = (lines.points - middle) * mirrored
    for _ in range(turns):
        points = points[:, ::-1] * (-1.0, 1.0)  # a quarter turn clockwise, y downwards
    return Polylines(points + middle, lines.ends)
