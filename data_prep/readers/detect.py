"""Which format a file has, by its content."""

from __future__ import annotations

import csv
import os
import re
import struct
import zlib

import orjson

from data_prep.readers.source import NoDrawings, ReadError

# Format names, as `--format` takes them, and the modules that read them.
MODULES = {
    "npz": "npz",
    "ndjson": "ndjson",
    "quickdraw_bin": "quickdraw_bin",
    "svg": "svg",
    "json": "json_polylines",
    "iconify": "iconify",
    "csv": "kaggle_csv",
    "picture": "picture",
}
FORMATS = tuple(MODULES)

# By which suffixes files of each format are found in a folder.
SUFFIXES = {
    "npz": (".npz",),
    "ndjson": (".json", ".jsonl", ".ndjson"),
    "quickdraw_bin": (".bin",),
    "svg": (".svg", ".svgz"),
    "json": (".json",),
    "iconify": (".json",),
    "csv": (".csv",),
}
PICTURES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")  # with --trace only

_HEAD = 1 << 16
_PICTURE_MAGIC = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"II*\0", b"MM\0*", b"BM", b"GIF8")
_COMMENT_OR_TAG = re.compile(rb"(?s)<!--.*?(?:-->|$)|<(?:[\w.-]+:)?([A-Za-z]\w*)")
_WHOLE_FILES = (
    "sketches",
    "drawings",
    "polylines",
    "strokes",
    "medians",
)  # of objects in JSON files


def detect_format(path: str | os.PathLike) -> str:
    """Returns the format of a file, one of `FORMATS`, from its first 64 KiB.

    Raises:
      ReadError: it is none of them; a web page, a pointer of Git LFS, a pickle and an empty file
        are named as such.
      OSError: the file cannot be opened.
    """
    head = refuse_stand_ins(path)
    if head.startswith(b"PK"):
        return "npz"
    if head.startswith(_PICTURE_MAGIC) or (head[:4], head[8:12]) == (b"RIFF", b"WEBP"):
        raise ReadError(
            f"{path}: is a picture, not a vector drawing; sketch-rnn-prepare --trace turns line"
            " art into strokes"
        )
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, _HEAD)
        except zlib.error as error:
            raise ReadError(f"{path}: is damaged gzip ({error})") from None
    text = head.removeprefix(b"\xef\xbb\xbf")
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):  # UTF-16, as SVG may be
        text = head.decode("utf-16", "ignore").encode("utf-8", "ignore")
    text = text.lstrip()
    if text.startswith(b"<"):
        return _of_markup(path, text)
    if text.startswith(b"["):
        return "json"
    if text.startswith(b"{"):
        return _of_object(text)
    if "drawing" in _columns(text):
        return "csv"
    if is_quickdraw_bin(head):
        return "quickdraw_bin"
    if str(path).lower().endswith((".csv", ".json")):
        kind = str(path).rpartition(".")[2].upper()
        raise NoDrawings(f"{path}: is a {kind} file without drawings")
    raise ReadError(f"{path}: is of no known format; there are {', '.join(FORMATS)}")


def refuse_stand_ins(path: str | os.PathLike) -> bytes:
    """Returns a file's first 64 KiB, unless the file only stands for another one or is empty.

    Raises:
      ReadError: it is empty, or a pointer of Git LFS or git-annex.
    """
    with open(path, "rb") as stream:
        head = stream.read(_HEAD)
    if not head:
        raise ReadError(f"{path}: is empty")
    if head.startswith((b"version https://git-lfs.github.com/", b"version https://hawser.")):
        raise ReadError(
            f"{path}: is a pointer of Git LFS, not the file itself; `git lfs pull` in its"
            " repository fetches it"
        )
    if head.startswith((b"/annex/objects/", b"../.git/annex/", b".git/annex/")):
        raise ReadError(
            f"{path}: is a pointer of git-annex, not the file itself; `git annex get` in its"
            " repository fetches it"
        )
    return head


def _of_markup(path: str | os.PathLike, text: bytes) -> str:
    tags = (match[1].lower() for match in _COMMENT_OR_TAG.finditer(text) if match[1])
    if next(tags, b"") == b"svg":
        return "svg"
    bare = re.sub(rb"<!--.*?(-->|$)", b"", text, flags=re.DOTALL).lower()
    if re.match(rb"\s*<!doctype html|\s*<(html|head|body)\b", bare):
        raise ReadError(f"{path}: is a web page (HTML), not a drawing; was a download refused?")
    raise ReadError(f"{path}: is XML, but its first element is not <svg>")


def _of_object(text: bytes) -> str:
    """Tells one object per line from one object per file.

    A whole object on the first or the second line tells; in a file whose first line is longer than
    what was read, the first known name does.
    """
    names = {name: text.find(f'"{name}"'.encode()) for name in ("icons", "prefix", "drawing")}
    if names["icons"] >= 0 <= names["prefix"] and not 0 <= names["drawing"] < names["icons"]:
        return "iconify"
    first, newline, rest = text.partition(b"\n")
    record = _record(first)
    if record is not None:
        is_line = "drawing" in record or rest.lstrip().startswith(b"{")
        whole = not rest.strip() and any(name in record for name in _WHOLE_FILES)
        return "json" if whole or not is_line else "ndjson"
    if newline:
        return "ndjson" if _record(rest.partition(b"\n")[0]) is not None else "json"
    places = {name: text.find(f'"{name}"'.encode()) for name in _WHOLE_FILES}
    first_place = min((place for place in places.values() if place >= 0), default=len(text))
    return "json" if first_place < names["drawing"] % (len(text) + 1) else "ndjson"


def _record(line: bytes) -> dict | None:
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return found if isinstance(found, dict) else None


def _columns(text: bytes) -> list[str]:
    """Returns the names in the first line of a CSV file."""
    line = text.partition(b"\n")[0][:4096].decode("utf-8", "replace")
    try:
        return [name.strip().lower() for name in next(csv.reader([line]), [])]
    except csv.Error:
        return []


def is_quickdraw_bin(head: bytes) -> bool:
    """Whether bytes can be the start of a Quick, Draw! .bin file: it has no mark of its own."""
    if len(head) < 17:
        return False
    _, country, recognized, _, strokes = struct.unpack_from("<Q2sbIH", head)
    letters = all(65 <= letter <= 90 for letter in country)
    return letters and recognized in (0, 1) and 0 < strokes < 1 << 12
