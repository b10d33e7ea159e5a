"""From an input (a file, a folder, a package) to the files it consists of."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator

from data_prep.readers import kanjivg
from data_prep.readers.raw_sketch import ReadError
from data_prep.readers.source import Source, printable
from sketch_rnn_tf.data import dataset

SUFFIXES = (".bin", ".json", ".jsonl", ".ndjson", ".npz", ".svg", ".svgz")
PACKAGES = {"package:kanjivg": kanjivg.sources}


def sources(path: str | os.PathLike) -> Iterator[Source]:
    """Yields the files of an input in sorted order.

    Args:
      path: a file; a folder, searched recursively for files with one of `SUFFIXES` (with or
        without `.gz` behind), hidden ones, symbolic links to folders and prepared data sets left
        out; or the name of a package.

    Raises:
      ReadError: there is no such input, or the folder holds no such file.
    """
    if str(path) in PACKAGES:
        yield from PACKAGES[str(path)]()
    elif os.path.isdir(path):
        yield from _in_folder(pathlib.Path(path))
    elif os.path.isfile(path):
        yield Source(str(path), printable(pathlib.Path(path).name))
    elif str(path).startswith("package:"):
        raise ReadError(f"{path}: is no known package; there are {', '.join(PACKAGES)}")
    elif os.path.exists(path):
        raise ReadError(f"{path}: is neither a file nor a folder")
    else:
        raise ReadError(f"{path}: there is no such file or folder")


def source_files(path: str | os.PathLike) -> list[str]:
    """Returns the paths of an input's files, for checksums; see `sources`."""
    return [source.path for source in sources(path)]


def _in_folder(folder: pathlib.Path) -> Iterator[Source]:
    found = False
    for path in _walk(folder):
        found = True
        holder = printable(path.parent.resolve().name)
        yield Source(str(path), printable(path.relative_to(folder).as_posix()), folder=holder)
    if not found:
        raise ReadError(f"{folder}: holds no files of drawings ({', '.join(SUFFIXES)})")


def _walk(folder: pathlib.Path) -> Iterator[pathlib.Path]:
    for root, folders, names in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if _is_data_set(names):
            continue
        for name in sorted(names):
            bare = name.lower().removesuffix(".gz")
            if not name.startswith(".") and bare.endswith(SUFFIXES):
                yield pathlib.Path(root, name)


def _is_data_set(names: list[str]) -> bool:
    """Whether a folder's files are what this package makes: no drawings, for all their suffixes."""
    return dataset.DESCRIPTION in names and any(name.endswith(".tfrecord") for name in names)


def _raise(error: OSError) -> None:
    raise ReadError(f"{error.filename}: {error.strerror}")
