"""Drawings as files: the suffix says which kind, and nothing is replaced that must not be."""

from __future__ import annotations

import os
import pathlib
import re
from collections.abc import Callable

from sketch_rnn_tf import files
from sketch_rnn_tf.errors import UserError

SUFFIXES = (".svg", ".png", ".gif", ".json", ".npz")
NUMBERS = (".json", ".npz")  # kinds that are no pictures
_NUMBER = re.compile(r"\{i(?::0?(\d{1,2}))?\}")
# What people write who mean a number.
_PLACEHOLDER = re.compile(r"\{(?:\w?|class|label|name|index|seed)(?::\w*)?\}")


def check_suffix(path: str | os.PathLike) -> str:
    """Returns the kind of file that a path asks for, one of SUFFIXES.

    Raises:
      UserError: it is none of them, or the name has a placeholder that is none.
    """
    for found in _PLACEHOLDER.findall(os.fspath(path)):
        if not _NUMBER.fullmatch(found):
            raise UserError(
                f"{path}: {found} stands for nothing; {{i}} is a drawing's number, {{i:03}} its"
                " number in three digits"
            )
    suffix = pathlib.PurePath(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise UserError(f"{path}: ends in {suffix or 'nothing'}, expected {', '.join(SUFFIXES)}")
    return suffix


def is_numbered(path: str | os.PathLike) -> bool:
    """Whether a path names a file for each drawing: it holds {i}, or {i:03} for three digits."""
    return bool(_NUMBER.search(os.fspath(path)))


def numbered(path: str | os.PathLike, i: int) -> str:
    """Returns the path of drawing i; see `is_numbered`."""
    return _NUMBER.sub(lambda found: f"{i:0{found[1] or 1}}", os.fspath(path))


def write(paths: list[str], content: Callable[[int], bytes], overwrite: bool) -> list[pathlib.Path]:
    """Writes files, each whole or not at all.

    Args:
      paths: where.
      content: gives the bytes of file i.
      overwrite: replace files that exist.

    Returns:
      The paths.

    Raises:
      UserError: a file exists and may not be replaced; none is written then.
    """
    for path in paths:
        if os.path.lexists(path) and not overwrite:
            raise UserError(f"{path}: exists already; overwrite=True replaces it")
    for i, path in enumerate(paths):
        data = content(i)
        with files.atomic_open(path) as stream:
            stream.write(data)
    return [pathlib.Path(path) for path in paths]
