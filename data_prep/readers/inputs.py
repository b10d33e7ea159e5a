"""From an input (a file, a folder, a package) to its files, and from these to units of work."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import difflib
import glob
import importlib
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from data_prep.readers import detect, packages
from data_prep.readers.source import (
    NOT_A_DRAWING,
    UNREADABLE,
    NoDrawings,
    Options,
    RawSketch,
    ReadError,
    Skip,
    Source,
    printable,
)
from sketch_rnn_tf.data import dataset

SUFFIXES = tuple(sorted({suffix for names in detect.SUFFIXES.values() for suffix in names}))

BUNCH_FILES = 64  # small files that one unit holds at most ...
BUNCH_BYTES = 1 << 20  # ... and their bytes: about 0.1 s of SVG


@dataclasses.dataclass(frozen=True)
class Unit:
    """One piece of an input. It is picklable, and reading it needs no other unit.

    Attributes:
      sources: the files, or the one part of a large file; more than one only where they are small.
      options: how to read.
      size: bytes on disk (an estimate where the unit is a part of a file).
    """

    sources: tuple[Source, ...]
    options: Options
    size: int

    @property
    def path(self) -> str:
        """The unit's first file."""
        return self.sources[0].path

    def read(self, on_skip: Callable[[Skip], None] | None = None) -> Iterator[RawSketch]:
        """Yields the unit's drawings.

        Args:
          on_skip: called, in this process, with a `Skip` for each drawing that is left out.

        Raises:
          ReadError: bad input, unless the unit was made with `on_error="skip"`.
        """
        for source in self.sources:
            for item in _contents(source, self.options):
                if isinstance(item, RawSketch):
                    yield item
                elif item.reason == UNREADABLE and self.options.on_error == "stop":
                    raise ReadError(printable(item.message))
                elif on_skip is not None:
                    on_skip(dataclasses.replace(item, message=printable(item.message)))


def _contents(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields a file's drawings and skips; what stops its reader becomes a last skip."""
    try:
        yield from _reader(source, options).read(source, options)
    except NoDrawings as error:
        if source.found:
            yield Skip(NOT_A_DRAWING, options.label, f"{source.path}: holds no drawings")
        else:
            yield Skip(UNREADABLE, options.label, str(error))
    except ReadError as error:
        yield Skip(UNREADABLE, options.label, str(error))
    except OSError as error:
        yield Skip(UNREADABLE, options.label, f"{source.path}: {error.strerror or error}")
    except (MemoryError, RecursionError):
        yield Skip(UNREADABLE, options.label, f"{source.path}: is too large or too deep to read")


def _reader(source: Source, options: Options):
    """Returns the format's module: `read(source, options)`, and `parts(source, size)` if it can."""
    if options.format:
        detect.refuse_stand_ins(source.path)
    name = options.format or detect.detect_format(source.path)
    return importlib.import_module(f"data_prep.readers.{detect.MODULES[name]}")


def make_units(sources: Iterable[Source], options: Options) -> Iterator[Unit]:
    """Yields the units of an input's files in order: small files bunched, large ones in parts."""
    bunch: list[Source] = []
    size = 0
    for source in sources:
        own = 0
        with contextlib.suppress(OSError):
            own = os.stat(source.path).st_size
        if bunch and (len(bunch) == BUNCH_FILES or size + own > BUNCH_BYTES):
            yield Unit(tuple(bunch), options, size)
            bunch, size = [], 0
        if own > BUNCH_BYTES:
            yield from _parts(source, options, own)
        else:
            bunch.append(source)
            size += own
    if bunch:
        yield Unit(tuple(bunch), options, size)


def _parts(source: Source, options: Options, size: int) -> Iterator[Unit]:
    """Yields the parts of a large file; the file as one unit where its format has none."""
    try:
        reader = _reader(source, options)
        parts = list(reader.parts(source, size)) if hasattr(reader, "parts") else []
    except (ReadError, OSError):
        parts = []  # reading it will say what is wrong, under the user's policy for errors
    for part, bytes_of_part in parts or [(None, size)]:
        yield Unit((dataclasses.replace(source, part=part),), options, bytes_of_part)


class Listing(NamedTuple):
    """The files of an input.

    Attributes:
      sources: the files, in sorted order.
      ignored: {suffix: number} of the files beside them that are of no known format.
      license: what the package says of its license; None where nothing is said.
      version: of the package.
    """

    sources: list[Source]
    ignored: dict[str, int]
    license: str | None = None
    version: str | None = None


def listing(path: str | os.PathLike, format: str | None = None) -> Listing:
    """Lists the files of an input.

    Args:
      path: a file; a folder, searched recursively for files with one of `SUFFIXES` (with or
        without `.gz` behind), hidden ones, symbolic links to folders and prepared data sets left
        out; a pattern such as `cats/*.svg`; or a package, `package:kanjivg` or `npm:NAME`.
      format: of a folder's files only those with a suffix of this format count.

    Raises:
      ReadError: there is no such input, or the folder holds no such file.
    """
    name = str(path)
    if name == packages.KANJIVG:
        found, license_ = packages.kanjivg()
        return Listing(found, {}, license_)
    if name.startswith("npm:"):
        package = packages.npm(name)
        sources, ignored = _in_folder(package.folder, format, package.name)
        return Listing(sources, ignored, package.license, package.version)
    if os.path.isdir(path):
        folder = pathlib.Path(path)
        sources, ignored = _in_folder(folder, format, folder.resolve().name)
        return Listing(sources, ignored, packages.license_of(folder))
    if os.path.isfile(path):
        file = pathlib.Path(path)
        holder = printable(file.resolve().parent.name)
        source = Source(name, printable(file.name), folder=holder)
        return Listing([source], {}, packages.license_of(file.parent))
    if matches := sorted(filter(os.path.isfile, glob.glob(name, recursive=True))):
        root = pathlib.Path(os.path.commonpath([os.path.dirname(match) for match in matches]))
        name = root.resolve().name
        return Listing([_found(root, pathlib.Path(match), name) for match in matches], {})
    if os.path.exists(path):
        raise ReadError(f"{path}: is neither a file nor a folder")
    raise ReadError(_missing(name))


def _in_folder(
    folder: pathlib.Path, format: str | None, name: str
) -> tuple[list[Source], dict[str, int]]:
    """Returns the files of drawings below a folder, and how many others there are by suffix."""
    suffixes = {**detect.SUFFIXES, "picture": detect.PICTURES}.get(format, SUFFIXES)
    sources: list[Source] = []
    ignored: collections.Counter = collections.Counter()

    def refuse(error: OSError) -> None:
        raise ReadError(f"{error.filename}: {error.strerror}")

    for root, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if dataset.DESCRIPTION in files and any(file.endswith(".tfrecord") for file in files):
            if root == str(folder):
                raise ReadError(
                    f"{folder}: is a prepared data set, ready for --data_dir; --input takes files"
                    " of drawings"
                )
            continue
        for file in sorted(file for file in files if not file.startswith(".")):
            bare = file.lower().removesuffix(".gz")
            if bare.endswith(suffixes):
                sources.append(_found(folder, pathlib.Path(root, file), name))
            else:
                ignored[printable(pathlib.PurePath(bare).suffix or file)] += 1
    if not sources:
        others = f"; it holds {counted(ignored)}" if ignored else ""
        if set(ignored) & set(detect.PICTURES):
            others += "; --trace turns pictures of line art into strokes"
        raise ReadError(f"{folder}: holds no files of drawings ({', '.join(suffixes)}){others}")
    return sources, dict(sorted(ignored.items()))


def _found(folder: pathlib.Path, path: pathlib.Path, name: str) -> Source:
    """Returns a file that was found below a folder of this name."""
    holder = path.parent.resolve().name if path.parent != folder else name
    relative = printable(path.relative_to(folder).as_posix())
    return Source(str(path), relative, folder=printable(holder), found=True)


def counted(ignored: dict[str, int]) -> str:
    """Returns counts of files by suffix in words: `2 .txt, 1 .png`."""
    ordered = sorted(ignored.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{count} {suffix}" for suffix, count in ordered[:5])
    return shown + (", ..." if len(ordered) > 5 else "")


def _missing(name: str) -> str:
    """Returns the sentence for an input that does not exist, with what may be meant."""
    if name.startswith("package:") or name in ("kanjivg", "kanji"):
        return (
            f"{name}: is no known package; {packages.KANJIVG} is one, and npm:NAME is the npm"
            " package of this name"
        )
    if re.fullmatch(r"@[\w.-]+/[\w.-]+", name):
        return f"{name}: there is no such file or folder; did you mean npm:{name}?"
    if name.partition(":")[0] in ("aaron_sheep", "omniglot", "quickdraw"):
        return (
            f"{name}: there is no such file or folder; sketch-rnn-download --dataset {name}"
            " fetches it and prints its path"
        )
    if any(letter in name for letter in "*?["):
        return f"{name}: no file matches this pattern"
    path = pathlib.Path(name)
    parent = path.parent
    while not parent.exists():
        path, parent = parent, parent.parent
    near = difflib.get_close_matches(path.name, os.listdir(parent), n=1) if parent.is_dir() else []
    hint = f"; did you mean {parent / near[0]}?" if near else ""
    lacking = f" ({path} does not exist)" if path != pathlib.Path(name) and not near else ""
    return f"{name}: there is no such file or folder{lacking}{hint}"
