import csv
import gzip
import json

import numpy as np
import pytest

from data_prep import readers
from data_prep.readers.source import ReadError

DRAWING = [[[0, 10, 255], [0, 50, 100]], [[5, 9], [200, 255]]]
HEADER = ("countrycode", "drawing", "key_id", "recognized", "timestamp", "word")


@pytest.fixture
def table(tmp_path):
    """Returns a function that writes drawings as Kaggle's files have them."""

    def write(*rows, header=HEADER, name="cat.csv"):
        with open(tmp_path / name, "w", newline="") as stream:
            csv.writer(stream).writerows([header, *rows])
        return tmp_path / name

    return write


def row(key, recognized=True, word="cat", drawing=DRAWING):
    return "US", json.dumps(drawing), key, recognized, "2017-03-27 20:46:25.85429", word


def test_drawings_of_kaggle_are_read_as_simplified_ones(table):
    path = table(row("1"), row("2", word="dog"))
    assert readers.detect_format(path) == "csv"
    found = list(readers.read(path))
    assert [(sketch.key, sketch.label) for sketch in found] == [("1", "cat"), ("2", "dog")]
    assert all(sketch.simplified for sketch in found)
    expected = [np.transpose(stroke) for stroke in DRAWING]
    for stroke, points in zip(found[0].to_polylines(), expected, strict=True):
        np.testing.assert_array_equal(stroke, points)


def test_class_is_the_file_s_name_where_there_is_no_word(table):
    path = table(("1", json.dumps(DRAWING)), header=("key_id", "drawing"), name="owl.csv")
    assert next(readers.read(path)).label == "owl"


def test_recognized_only_leaves_out_the_others(table):
    path = table(row("1"), row("2", recognized=False))
    skipped = []
    found = list(readers.read(path, recognized_only=True, on_skip=skipped.append))
    assert [sketch.key for sketch in found] == ["1"]
    assert [skip.reason for skip in skipped] == ["not_recognized"]


def test_gzip_byte_order_mark_and_long_drawings_are_read(table, tmp_path):
    long = [[list(range(60_000)), list(range(60_000)), list(range(60_000))]]
    path = table(row("1", drawing=long))
    packed = tmp_path / "cat.csv.gz"
    packed.write_bytes(gzip.compress(b"\xef\xbb\xbf" + path.read_bytes()))
    assert sum(map(len, next(readers.read(packed)).to_polylines())) == 60_000


@pytest.mark.parametrize(
    ("drawing", "message"),
    [("", "text, but not of JSON"), ("[[[1],[2]", "text, but not of JSON"), ("[1]", "stroke 0")],
)
def test_broken_drawing_is_named_with_its_line(table, drawing, message):
    path = table(row("1"), ("US", drawing, "2", True, "", "cat"))
    with pytest.raises(ReadError, match=rf"cat\.csv: line 3 .*{message}"):
        list(readers.read(path))
    assert len(list(readers.read(path, on_error="skip"))) == 1


def test_row_of_another_length_is_named(table):
    with pytest.raises(ReadError, match="line 2 has 2 fields, expected 6"):
        list(readers.read(table(("US", "[]"))))


def test_other_tables_are_no_drawings(table):
    path = table(("1", "2"), header=("x", "y"))
    with pytest.raises(ReadError, match="is a CSV file without drawings"):
        list(readers.read(path))
    with pytest.raises(ReadError, match="is a CSV file without a column 'drawing'"):
        list(readers.read(path, format="csv"))
