"""Opens text files that may be gzip, and says in one sentence how they are damaged."""

from __future__ import annotations

import contextlib
import gzip
import zlib
from collections.abc import Iterator
from typing import IO

from data_prep.readers.source import Source

GZIP_MAGIC = b"\x1f\x8b"


def is_gzip(path: str) -> bool:
    """Whether a file's content is gzip."""
    with open(path, "rb") as stream:
        return stream.read(2) == GZIP_MAGIC


@contextlib.contextmanager
def opened(source: Source) -> Iterator[IO[bytes]]:
    """Opens a file's bytes, unpacked where they are gzip.

    Raises:
      ReadError: while it is read: the gzip is truncated or damaged.
    """
    opener = gzip.open if is_gzip(source.path) else open
    try:
        with opener(source.path, "rb") as stream:
            yield stream
    except EOFError:
        raise source.error("is truncated gzip: it ends before its end mark") from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise source.error(f"is damaged gzip ({error})") from None


def read_whole(source: Source, limit: int) -> bytes:
    """Returns a file's bytes, unpacked.

    Raises:
      ReadError: there are more than `limit` of them, or the gzip is damaged.
    """
    with opened(source) as stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise source.error(f"holds more than the {limit >> 20} MB that are read")
    return data
