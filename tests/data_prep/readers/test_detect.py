import gzip
import struct

import pytest

from data_prep import readers
from data_prep.readers.source import ReadError

BIN = struct.pack("<Q2sbIHH", 5, b"DE", 1, 1_480_000_000, 1, 1) + b"\x01\x02"
CONTENTS = {
    "npz": b"PK\x03\x04",
    "ndjson": b'{"word":"cat","drawing":[[[1],[2]]]}\n',
    "svg": b"<?xml version='1.0'?>\n<!-- <html> --><!DOCTYPE svg><s:svg xmlns:s='x'/>",
    "json": b"  [[[[1, 2]]]]",
    "quickdraw_bin": BIN,
}


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", CONTENTS)
def test_format_is_told_by_content_whatever_the_name(tmp_path, name, packed):
    path = tmp_path / "file.npz"
    content = CONTENTS[name]
    path.write_bytes(gzip.compress(content) if packed and name != "npz" else content)
    assert readers.detect_format(path) == name


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b'{\n "sketches": []}', "json"),
        (b'{"sketches": [{"drawing": []}]}', "json"),
        (b'{"drawing": []}', "ndjson"),
        (b'{"word": "cut o', "ndjson"),
        (b"\xef\xbb\xbf[1]", "json"),
        ("<svg/>".encode("utf-16"), "svg"),
        (b"<!-- " + b"x" * 3000 + b" --><svg>", "svg"),
        (b"<svg", "svg"),
    ],
)
def test_text_formats_are_told_apart(tmp_path, content, name):
    path = tmp_path / "file"
    path.write_bytes(content)
    assert readers.detect_format(path) == name


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"<!DOCTYPE html><html>", "is a web page"),
        (b"\n<HTML><head>", "is a web page"),
        (b"<rss/>", "first element is not <svg>"),
        (b"\x80\x04\x95", "no known format"),
        (b"hello, this is a text file without drawings", "no known format"),
        (b"\x1f\x8bnonsense", "damaged gzip"),
        (gzip.compress(b"hello", mtime=0), "no known format"),
    ],
)
def test_what_is_none_of_them_is_refused(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ReadError, match=f"file: .*{message}"):
        readers.detect_format(path)
