import gzip
import json

import numpy as np
import pytest

from data_prep import readers
from data_prep.readers.source import ReadError

STROKES = [[[0, 0], [10.5, 0]], [[3, 4]]]


def save(folder, content, name="x.json"):
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text)
    return folder / name


def points(sketch):
    return [stroke.tolist() for stroke in sketch.to_polylines()]


def test_list_of_drawings_is_read_in_order(tmp_path):
    first, empty, last = readers.read(save(tmp_path, [STROKES, [], [[], [[1, 2]]]]))
    assert points(first) == STROKES
    assert (first.key, first.label, first.simplified) == ("x.json:0", "x", False)
    assert points(empty) == []
    assert points(last) == [[[1, 2]]]


def test_one_drawing_alone_is_one_drawing(tmp_path):
    assert [points(sketch) for sketch in readers.read(save(tmp_path, STROKES))] == [STROKES]


def test_gzip_is_unpacked(tmp_path):
    (tmp_path / "x.json.gz").write_bytes(gzip.compress(json.dumps(STROKES).encode()))
    (sketch,) = readers.read(tmp_path / "x.json.gz")
    assert (points(sketch), sketch.label) == (STROKES, "x")


def test_objects_carry_their_label_and_key(tmp_path):
    content = [
        {"polylines": STROKES, "label": "cat", "key": "k1"},
        {"strokes": STROKES, "word": "dog", "key_id": 7},
        {"drawing": [[[1, 2], [3, 4]]]},
    ]
    cat, dog, none = readers.read(save(tmp_path, content))
    assert (cat.label, cat.key, points(cat)) == ("cat", "k1", STROKES)
    assert (dog.label, dog.key, points(dog)) == ("dog", "7", STROKES)
    assert (none.label, none.key, points(none)) == ("x", "x.json:2", [[[1, 3], [2, 4]]])
    assert none.simplified


@pytest.mark.parametrize("indent", [None, 1])
def test_generated_sketches_are_read_as_offsets(tmp_path, indent):
    rows = [[1.5, -2, 0], [3, 4, 1]]
    content = {
        "sketches": [
            {"strokes": rows, "label": "cat", "ended": True},
            {"strokes": [], "label": None, "ended": False},
        ]
    }
    full, empty = readers.read(save(tmp_path, json.dumps(content, indent=indent)))
    assert full.offsets.tolist() == rows
    assert full.offsets.dtype == np.float32
    assert (full.label, full.simplified, full.polylines) == ("cat", True, None)
    assert (empty.label, empty.offsets.shape) == ("x", (0, 3))


BAD_DRAWINGS = {
    "rows of three": [[[1, 2, 3]]],
    "a number": 7,
    "text": "drawing",
    "text in a point": [[["1", 2]]],
    "null": [[[None, 2]]],
    "too large": [[[1e13, 2]]],
    "a stroke of numbers": [[1, 2], [3, 4]],
    "an object without strokes": {"label": "cat"},
    "offsets of two": {"strokes": [[1, 2]]},
    "a pen of 2": {"strokes": [[1, 2, 2]]},
    "a label of a list": {"strokes": [], "label": []},
    "Quick, Draw! rows of different lengths": {"drawing": [[[1, 2], [3]]]},
}


@pytest.mark.parametrize("what", BAD_DRAWINGS)
def test_bad_drawing_is_named_or_skipped(tmp_path, what):
    path = save(tmp_path, [STROKES, BAD_DRAWINGS[what], STROKES])
    with pytest.raises(ReadError, match=r"^\S*x\.json: drawing 1 \w+"):
        list(readers.read(path))
    skipped = []
    found = list(readers.read(path, on_error="skip", on_skip=skipped.append))
    assert [sketch.key for sketch in found] == ["x.json:0", "x.json:2"]
    assert len(skipped) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[[[1, 2]]", "not valid JSON"),
        ("[NaN]", "not valid JSON"),
        ("[" * 100_000, "not valid JSON"),
        ('{"sketches": 3}', "no list of drawings"),
    ],
)
def test_bad_file_is_refused(tmp_path, text, message):
    with pytest.raises(ReadError, match=rf"x\.json: .*{message}"):
        list(readers.read(save(tmp_path, text)))


def test_too_large_file_is_refused_before_it_is_parsed(tmp_path):
    path = tmp_path / "x.json.gz"
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(b"[")
        for _ in range(257):
            stream.write(b" " * (1 << 20))
    with pytest.raises(ReadError, match="more than the 256 MB"):
        list(readers.read(path))
