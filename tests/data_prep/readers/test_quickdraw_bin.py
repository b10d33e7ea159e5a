import gzip
import struct

import numpy as np
import pytest

from data_prep import readers
from data_prep.readers.source import ReadError


def packed(key, strokes, recognized=1, country=b"DE"):
    """Packs a drawing as Google's example `binary_file_parser.py` unpacks it."""
    data = struct.pack("<Q", key) + country + struct.pack("<b", recognized)
    data += struct.pack("<I", 1_480_000_000) + struct.pack("<H", len(strokes))
    for xs, ys in strokes:
        data += struct.pack("<H", len(xs)) + bytes(xs) + bytes(ys)
    return data


CAT = [([0, 255, 7], [1, 2, 3]), ([9], [8])]


def save(folder, data, name="cat.bin"):
    (folder / name).write_bytes(data)
    return folder / name


def test_drawings_are_read_in_order(tmp_path):
    path = save(tmp_path, packed(2**63 + 1, CAT) + packed(5, [([], []), ([3], [4])], 0))
    first, second = readers.read(path)
    assert (first.key, first.label, first.simplified) == (str(2**63 + 1), "cat", True)
    assert [stroke.tolist() for stroke in first.to_polylines()] == [
        [[0, 1], [255, 2], [7, 3]],
        [[9, 8]],
    ]
    assert first.to_polylines()[0].dtype == np.float64
    assert [stroke.tolist() for stroke in second.to_polylines()] == [[[3, 4]]]


def test_gzip_is_unpacked(tmp_path):
    path = save(tmp_path, gzip.compress(packed(1, CAT)), "cat.bin.gz")
    (sketch,) = readers.read(path)
    assert (sketch.label, len(sketch.to_polylines())) == ("cat", 2)


def test_recognized_only_reports_what_it_leaves_out(tmp_path):
    path = save(tmp_path, packed(1, CAT) + packed(2, CAT, recognized=0))
    skipped = []
    found = list(readers.read(path, recognized_only=True, on_skip=skipped.append))
    assert [sketch.key for sketch in found] == ["1"]
    assert [(skip.reason, skip.label) for skip in skipped] == [("not_recognized", "cat")]


def test_truncation_anywhere_inside_a_drawing_is_named(tmp_path):
    whole = packed(1, CAT) + packed(2, CAT)
    for end in range(len(whole) // 2 + 1, len(whole)):
        path = save(tmp_path, whole[:end])
        with pytest.raises(ReadError, match=r"cat\.bin: drawing 1 is truncated"):
            list(readers.read(path))
        assert len(list(readers.read(path, on_error="skip"))) == 1


def test_damaged_drawing_is_named(tmp_path):
    path = save(tmp_path, packed(1, CAT) + packed(2, CAT, recognized=77))
    with pytest.raises(ReadError, match=r"drawing 1 is damaged: recognized is 77"):
        list(readers.read(path))
