"""Finds the drawings of the installed PyPI package `kanjivg`."""

from __future__ import annotations

import importlib.metadata
import pathlib
from collections.abc import Iterator

from data_prep.readers.raw_sketch import ReadError
from data_prep.readers.source import Source

LABEL = "kanji"
FIRST, LAST = 0x4E00, 0x9FFF  # Unicode's block CJK Unified Ideographs


def sources() -> Iterator[Source]:
    """Yields KanjiVG's CJK glyphs in the order of their code points.

    The package also holds kana, letters and punctuation, which are left out. A variant of a
    character, such as `04e14-Kaisho.svg`, is in the group of its code point.

    Raises:
      ReadError: the package is not installed.
    """
    for name, path in sorted(_files().items()):
        stem = name.removesuffix(".svg")
        point = stem.partition("-")[0]
        if FIRST <= int(point, 16) <= LAST:
            yield Source(path, name, folder=LABEL, key=stem, group=point)


def _files() -> dict[str, str]:
    """Returns {file name: path} of the package's drawings."""
    try:
        package = importlib.metadata.distribution("kanjivg")
    except importlib.metadata.PackageNotFoundError:
        raise ReadError(
            "package:kanjivg: the package is not installed; pip install sketch-rnn-tf[kanjivg]"
        ) from None
    folder = pathlib.Path(str(package.locate_file("kanji")))
    paths = {path.name: str(path) for path in folder.glob("[0-9a-f]*.svg")}
    if not paths:
        raise ReadError(f"package:kanjivg: {folder} holds no drawings; install the package again")
    return paths
