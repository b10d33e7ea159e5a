"""Independent pieces of an input: what a worker of a pool or of Beam is given to read."""

from __future__ import annotations

import dataclasses
import importlib
import os
from collections.abc import Callable, Iterable, Iterator

from data_prep.readers import detect
from data_prep.readers.raw_sketch import RawSketch, ReadError
from data_prep.readers.source import UNREADABLE, Options, Skip, Source, printable

BUNCH_FILES = 64  # small files that one unit holds at most ...
BUNCH_BYTES = 1 << 20  # ... and their bytes: about 0.1 s of SVG

Piece = tuple  # what a format's `pieces` gives and its `read` takes: plain, picklable values


@dataclasses.dataclass(frozen=True)
class Unit:
    """One piece of an input. It is picklable, and reading it needs no other unit.

    Attributes:
      sources: the files; more than one only where they are small.
      options: how to read.
      size: bytes on disk (an estimate where the unit is a range of rows).
      piece: the part of the one file, where it is split.
    """

    sources: tuple[Source, ...]
    options: Options
    size: int
    piece: Piece | None = None

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
            for item in _guarded(source, self.options, self.piece):
                if isinstance(item, RawSketch):
                    yield item
                elif item.reason == UNREADABLE and self.options.on_error == "stop":
                    raise ReadError(printable(item.message))
                elif on_skip is not None:
                    on_skip(dataclasses.replace(item, message=printable(item.message)))


def make_units(sources: Iterable[Source], options: Options) -> Iterator[Unit]:
    """Yields the units of an input's files in order: small ones bunched, large ones in pieces."""
    bunch: list[Source] = []
    size = 0
    for source in sources:
        own = _size(source)
        if bunch and (len(bunch) == BUNCH_FILES or size + own > BUNCH_BYTES):
            yield Unit(tuple(bunch), options, size)
            bunch, size = [], 0
        if own > BUNCH_BYTES:
            yield from _split(source, options, own)
        else:
            bunch.append(source)
            size += own
    if bunch:
        yield Unit(tuple(bunch), options, size)


def _split(source: Source, options: Options, size: int) -> Iterator[Unit]:
    """Yields the pieces of a large file; the file as one unit where its format has no pieces."""
    try:
        pieces = list(_reader(source, options).pieces(source, size))
    except (ReadError, OSError):
        pieces = []  # reading it will say what is wrong, under the reader's policy for errors
    if not pieces:
        yield Unit((source,), options, size)
        return
    for piece, bytes_of_piece in pieces:
        yield Unit((source,), options, bytes_of_piece, piece)


def _guarded(source: Source, options: Options, piece: Piece | None) -> Iterator[RawSketch | Skip]:
    """Yields a file's sketches and skips; what stops the reader becomes a last skip."""
    try:
        yield from _reader(source, options).read(source, options, piece)
    except ReadError as error:
        yield Skip(UNREADABLE, options.label, str(error))
    except OSError as error:
        yield Skip(UNREADABLE, options.label, f"{source.path}: {error.strerror or error}")
    except (MemoryError, RecursionError):
        yield Skip(UNREADABLE, options.label, f"{source.path}: is too large or too deep to read")


def _reader(source: Source, options: Options):
    """Returns the format's module: `read(source, options, piece)` and `pieces(source, size)`."""
    name = options.format or detect.detect_format(source.path)
    return importlib.import_module(f"data_prep.readers.{detect.MODULES[name]}")


def _size(source: Source) -> int:
    try:
        return os.stat(source.path).st_size
    except OSError:
        return 0
