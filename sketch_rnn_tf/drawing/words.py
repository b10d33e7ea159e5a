"""Lines of text in a picture: what they say, where they stand, how long they may be."""

from __future__ import annotations

import dataclasses
import re
import unicodedata

GRAY = "#666666"
_NOT_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclasses.dataclass(frozen=True)
class Text:
    """A line of text; `x`, `y` is the place on its baseline that `anchor` names."""

    x: float
    y: float
    text: str
    size: float
    color: str = GRAY
    anchor: str = "middle"


def xml_text(text: str) -> str:
    """Returns text with what XML cannot hold replaced by U+FFFD."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)


def printable(text: str) -> str:
    """Returns text on one line, with what XML cannot hold replaced."""
    return xml_text(" ".join(str(text).split()))


def width(text: str, size: float) -> float:
    """Returns about how wide a sans-serif text is: no font is available when SVG is written."""
    return size * sum(1.0 if unicodedata.east_asian_width(c) in "WF" else 0.58 for c in text)


def fitted(
    x: float,
    y: float,
    text: str,
    size: float,
    limit: float,
    color: str = GRAY,
    anchor: str = "middle",
) -> Text:
    """Returns a line of text, cut with an ellipsis to about `limit` pixels."""
    text = printable(text)
    if width(text, size) > limit:
        while text and width(text + "…", size) > limit:
            text = text[:-1]
        text = text.rstrip() + "…"
    return Text(round(x, 2), round(y, 2), text, size, color, anchor)
