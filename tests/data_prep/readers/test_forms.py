import json

import numpy as np
import pytest

from data_prep import readers
from data_prep.readers.source import ReadError

DRAWING = [[[0, 10, 255], [0, 50, 100]], [[5, 9], [200, 255]]]
LISTS = [[[0, 0], [10, 50], [255, 100]], [[5, 200], [9, 255]]]
ROWS = [[0, 0, 0], [3, 4, 0], [-5, 2, 1]]


def read(tmp_path, content, name="cat.json"):
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return list(readers.read(path))


@pytest.mark.parametrize(
    "content",
    [
        {"drawings": [{"word": "cat", "drawing": DRAWING}]},
        {"sketches": [{"label": "cat", "polylines": LISTS}]},
        {"drawings": [LISTS]},
        [{"drawing": DRAWING}],
        [{"drawing": json.dumps(DRAWING)}],
        [{"polylines": json.dumps(LISTS)}],
        {"polylines": LISTS},
        LISTS,
        [LISTS],
    ],
)
def test_one_drawing_is_the_same_in_every_form(tmp_path, content):
    for text in (json.dumps(content), json.dumps(content, indent=1), json.dumps(content) + "\n"):
        (sketch,) = read(tmp_path, text)
        assert sketch.label == "cat"
        for stroke, points in zip(sketch.to_polylines(), LISTS, strict=True):
            np.testing.assert_array_equal(stroke, points)


@pytest.mark.parametrize(
    ("content", "splits"),
    [
        ([ROWS, ROWS], [None, None]),
        ({"train": [ROWS, ROWS], "test": [ROWS]}, ["train", "train", "test"]),
        ({"drawings": [{"strokes": ROWS}]}, [None]),
        ({"strokes": ROWS}, [None]),
    ],
)
def test_rows_of_three_numbers_are_offsets(tmp_path, content, splits):
    found = read(tmp_path, content)
    assert [sketch.split for sketch in found] == splits
    for sketch in found:
        np.testing.assert_array_equal(sketch.offsets, ROWS)


def test_medians_of_a_character_are_turned_upright(tmp_path):
    content = {"strokes": ["M 1 2 Z"], "medians": [[[121, 393], [920, 401]], [[5, 900]]]}
    (sketch,) = read(tmp_path, content, "一.json")
    assert sketch.label == "hanzi"
    first, second = sketch.to_polylines()
    np.testing.assert_array_equal(first, [[121, 507], [920, 499]])
    np.testing.assert_array_equal(second, [[5, 0]])


def test_make_me_a_hanzi_has_a_character_per_line(tmp_path):
    lines = [json.dumps({"character": c, "medians": [[[1, 2], [3, 4]]]}) for c in "一丁"]
    found = read(tmp_path, "\n".join(lines), "graphics.txt")
    assert [(sketch.key, sketch.label) for sketch in found] == [("一", "hanzi"), ("丁", "hanzi")]


@pytest.mark.parametrize(
    "content", [{}, {"name": "x"}, [1, 2], ["a"], [{"id": 1}], 5, "text", {"drawings": 3}, [[1, 2]]]
)
def test_json_without_drawings_is_called_so_and_ignored_in_a_folder(tmp_path, content):
    (tmp_path / "drawing.svg").write_text('<svg><path stroke="red" d="M0 0H9"/></svg>')
    with pytest.raises(ReadError, match=r"meta\.json: (is JSON w|is a JSON|drawing 0)"):
        read(tmp_path, content, "meta.json")
    if content != [[1, 2]]:
        skipped = []
        assert len(list(readers.read(tmp_path, on_skip=skipped.append))) == 1
        assert [skip.reason for skip in skipped] == ["not_a_drawing"]


def test_lines_of_something_else_are_ignored_in_a_folder_and_refused_by_name(tmp_path):
    (tmp_path / "a.svg").write_text('<svg><path stroke="red" d="M0 0H9"/></svg>')
    path = tmp_path / "log.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n')
    skipped = []
    assert len(list(readers.read(tmp_path, on_skip=skipped.append))) == 1
    assert [skip.reason for skip in skipped] == ["not_a_drawing"]
    with pytest.raises(ReadError, match="line 1 is not an object with a drawing"):
        list(readers.read(path))
    path.write_text(json.dumps({"drawing": DRAWING}) + '\n{"step": 2}\n')
    with pytest.raises(ReadError, match="line 2 is not an object with a drawing"):
        list(readers.read(tmp_path))
