"""Which format a file has, by its content."""

from __future__ import annotations

import os
import re
import struct
import zlib

from data_prep.readers.raw_sketch import ReadError

# Format names, as `--format` takes them, and the modules that read them.
MODULES = {
    "npz": "npz",
    "ndjson": "ndjson",
    "quickdraw_bin": "quickdraw_bin",
    "svg": "svg",
    "json": "json_polylines",
}
FORMATS = tuple(MODULES)

_HEAD = 1 << 16


def detect_format(path: str | os.PathLike) -> str:
    """Returns the format of a file, one of `FORMATS`, from its first 64 KiB.

    Raises:
      ReadError: it is none of them; a web page, a pickle and an empty file are named as such.
      OSError: the file cannot be opened.
    """
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        raise ReadError(f"{path}: is empty")
    if head.startswith(b"PK"):
        return "npz"
    if head.startswith(b"\x1f\x8b"):
        head = _unzipped(path, head)
    found = _of_text(path, _as_utf8(head))
    if found:
        return found
    if is_quickdraw_bin(head):
        return "quickdraw_bin"
    raise ReadError(f"{path}: is of no known format; there are {', '.join(FORMATS)}")


def _unzipped(path: str | os.PathLike, head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=31).decompress(head, _HEAD)
    except zlib.error as error:
        raise ReadError(f"{path}: is damaged gzip ({error})") from None


def _as_utf8(head: bytes) -> bytes:
    """Drops a byte order mark; UTF-16 text (SVG may be) becomes UTF-8."""
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    return head.removeprefix(b"\xef\xbb\xbf")


def _of_text(path: str | os.PathLike, head: bytes) -> str | None:
    text = head.lstrip()
    if text.startswith(b"<"):
        return _of_markup(path, text)
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        return _of_object(text)
    return None


def _of_markup(path: str | os.PathLike, text: bytes) -> str:
    bare = re.sub(rb"<!--.*?(-->|$)", b"", text, flags=re.DOTALL).lower()
    root = re.search(rb"<(?:[\w.-]+:)?([a-z]\w*)", bare)
    if root and root.group(1) == b"svg":
        return "svg"
    if re.match(rb"\s*<!doctype html|\s*<(html|head|body)\b", bare):
        raise ReadError(f"{path}: is a web page (HTML), not a drawing; was a download refused?")
    raise ReadError(f"{path}: is XML, but its first element is not <svg>")


def _of_object(text: bytes) -> str:
    """Tells one object a line from one object a file: by which of their names comes first."""
    places = [(text.find(name), kind) for name, kind in _NAMES if name in text]
    return min(places)[1] if places else "ndjson"


_NAMES = ((b'"sketches"', "json"), (b'"drawing"', "ndjson"))


def is_quickdraw_bin(head: bytes) -> bool:
    """Whether bytes can be the start of a Quick, Draw! .bin file: it has no mark of its own."""
    if len(head) < 17:
        return False
    _, country, recognized, _, strokes = struct.unpack_from("<Q2sbIH", head)
    letters = all(65 <= letter <= 90 for letter in country)
    return letters and recognized in (0, 1) and 0 < strokes < 1 << 12
