"""Fonts for PNG and GIF, through Pillow: DejaVu Sans comes with the package.

DejaVu has Latin, Greek, Cyrillic and more, no Chinese, Japanese or Korean. For what it lacks the
installed fonts are looked through (Noto, Source Han, WenQuanYi, those of macOS) and the package
`cvttf-notosanscjk-regular`, which the extra `[cjk]` installs. A letter that no font has is written
as its code point, U+9C7C; in SVG the viewer's own fonts draw it.
"""

from __future__ import annotations

import functools
import importlib.util
import itertools
import os
import pathlib
import sys
import unicodedata
from typing import Any

SHIPPED = pathlib.Path(__file__).parent / "dejavu" / "DejaVuSans.ttf"
CJK_PACKAGE = "cvttf_NotoSansCJK_Regular"
_NAMES = (  # how the files of fonts with many letters begin
    *("NotoSansCJK", "NotoSans", "SourceHanSans", "wqy-", "DroidSansFallback", "unifont"),
    *("PingFang", "Hiragino Sans GB", "AppleSDGothicNeo", "Arial Unicode", "AppleSymbols"),
)
_MISSING = "\U0010fffe"  # no letter: any font shows its sign for a missing one


def missing(text: str) -> str:
    """Returns the letters of a text that no font has, each once, in order."""
    return "".join(dict.fromkeys(letter for letter in text if _home(letter) is None))


def pieces(text: str, size: float) -> list[tuple[str, Any]]:
    """Splits a line of text by the fonts that have its letters.

    Args:
      text: the line.
      size: of the letters, in pixels.

    Returns:
      [(part of the text, Pillow font)]; a letter that no font has is replaced by its code point.
    """
    letters = unicodedata.normalize("NFC", text)
    found = []
    for home, group in itertools.groupby(letters, _home):
        part = "".join(group)
        if home is None:
            part = " ".join(f"U+{ord(letter):04X}" for letter in part)
        found.append((part, _font(home or str(SHIPPED), size)))
    return found


@functools.lru_cache(maxsize=4096)
def _home(letter: str) -> str | None:
    """Returns the file of the first font that has a letter."""
    if letter.isspace() or _has(str(SHIPPED), letter):
        return str(SHIPPED)
    return next((path for path in _installed() if _has(path, letter)), None)


def _has(path: str, letter: str) -> bool:
    font = _font(path, 32)
    shown, nothing = font.getmask(letter), font.getmask(_MISSING)
    return (shown.size, bytes(shown)) != (nothing.size, bytes(nothing))


@functools.lru_cache(maxsize=64)
def _font(path: str, size: float) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)


@functools.cache
def _installed() -> list[str]:
    """Returns the fonts of other scripts on this machine that can be opened, the widest first."""
    spec, packaged = importlib.util.find_spec(CJK_PACKAGE), []
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        packaged += sorted(map(str, pathlib.Path(folder).glob("*.otf")))
    usable = []
    for path in itertools.chain(packaged, *map(_of_names, _NAMES)):
        try:
            _font(path, 32)
        except OSError:
            continue
        usable.append(path)
    return usable


def _of_names(start: str) -> list[str]:
    """Returns the files of installed fonts whose names begin so, in their regular weight."""
    return [
        path
        for path in _font_files()
        if os.path.basename(path).startswith(start)
        and ("-" not in os.path.basename(path) or "Regular" in path or start == "wqy-")
    ]


@functools.cache
def _font_files() -> list[str]:
    home = pathlib.Path.home()
    if sys.platform == "darwin":
        folders = [pathlib.Path("/System/Library/Fonts"), pathlib.Path("/Library/Fonts")]
        folders.append(home / "Library" / "Fonts")
    else:
        data = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
        folders = [pathlib.Path(part) / "fonts" for part in data.split(":") if part]
        folders += [home / ".local" / "share" / "fonts", home / ".fonts"]
    found = (path for folder in folders if folder.is_dir() for path in folder.rglob("*"))
    return sorted(str(path) for path in found if path.suffix.lower() in (".ttf", ".otf", ".ttc"))
