import gzip
import json
import pickle
import tracemalloc

import numpy as np
import pytest

from data_prep import readers
from data_prep.readers import inputs, ndjson
from data_prep.readers.source import ReadError


def line(key, drawing, **fields):
    record = {"word": "cat", "key_id": key, "recognized": True, "drawing": drawing} | fields
    return json.dumps(record) + "\n"


DRAWING = [[[0, 10, 20], [5, 5, 7]], [[1], [2]]]
RAW = [[[300.5, 10], [5, -5], [0, 17]]]


def save(folder, *lines, name="cat.ndjson"):
    path = folder / name
    path.write_text("".join(lines))
    return path


def keys(path, **options):
    return [sketch.key for sketch in readers.read(path, **options)]


@pytest.mark.parametrize(("kind", "simplified"), [("raw", False), ("simplified", True)])
def test_published_drawings_are_read_as_they_are_written(shared_data, kind, simplified):
    path = shared_data(f"quickdraw_{kind}/hot air balloon.ndjson")
    records = [json.loads(text) for text in path.read_text().splitlines()]
    found = list(readers.read(path))
    assert len(found) == len(records) > 5
    for sketch, record in zip(found, records, strict=True):
        assert (sketch.key, sketch.label) == (record["key_id"], "hot air balloon")
        assert sketch.simplified is simplified
        assert len(sketch.to_polylines()) == len(record["drawing"])
        for stroke, expected in zip(sketch.to_polylines(), record["drawing"], strict=True):
            np.testing.assert_array_equal(stroke, np.transpose(expected[:2]))


def test_strokes_are_float64_points_and_empty_ones_are_left_out(tmp_path):
    path = save(tmp_path, line("1", [*DRAWING, [[], []]]), line("2", []), line("3", RAW))
    full, empty, raw = readers.read(path)
    assert [stroke.tolist() for stroke in full.to_polylines()] == [
        [[0, 5], [10, 5], [20, 7]],
        [[1, 2]],
    ]
    assert full.to_polylines()[0].dtype == np.float64
    assert empty.to_polylines() == []
    assert raw.to_polylines()[0].tolist() == [[300.5, 5], [10, -5]]


@pytest.mark.parametrize(
    ("drawing", "simplified"),
    [
        ([[[0, 255], [0, 255]]], True),
        ([[[0, 255.0], [0, 3]]], True),
        ([[[0, 1, 1], [1, 0, 1]]], True),
        ([[[0, 256], [0, 3]]], False),
        ([[[0, -1], [0, 3]]], False),
        ([[[0, 0.5], [0, 3]]], False),
        ([[[0, 255], [0, 255], [0, 9]]], False),
    ],
)
def test_only_whole_numbers_of_a_byte_without_times_count_as_simplified(
    tmp_path, drawing, simplified
):
    (sketch,) = readers.read(save(tmp_path, line("1", drawing)))
    assert sketch.simplified is simplified


def test_gzip_blank_lines_and_a_byte_order_mark_change_nothing(tmp_path):
    text = f"\ufeff{line('1', DRAWING)}\n  \n{line('2', DRAWING)}"
    plain = save(tmp_path, text)
    packed = tmp_path / "dog.ndjson.gz"
    packed.write_bytes(gzip.compress(text[:40].encode()) + gzip.compress(text[40:].encode()))
    assert keys(plain) == keys(packed) == ["1", "2"]


def test_recognized_only_reports_what_it_leaves_out(tmp_path):
    path = save(
        tmp_path,
        line("1", DRAWING),
        line("2", DRAWING, recognized=False),
        json.dumps({"drawing": DRAWING}),
    )
    skipped = []
    assert keys(path, recognized_only=True, on_skip=skipped.append) == ["1", "cat.ndjson:3"]
    assert [(skip.reason, skip.label) for skip in skipped] == [("not_recognized", "cat")]
    assert "line 2 was not recognized" in skipped[0].message
    assert len(keys(path)) == 3


def test_what_is_left_out_counts_under_its_word_or_else_under_the_name_of_the_file(tmp_path):
    path = save(
        tmp_path,
        line("1", [[[1], ["x"]]], word="dog"),
        line("2", DRAWING, word=None, recognized=False),
        line("3", DRAWING, word="a\nb"),
        "[]\n",
    )
    skipped = []
    assert keys(path, recognized_only=True, on_error="skip", on_skip=skipped.append) == []
    assert [skip.label for skip in skipped] == ["dog", "cat", "cat", "cat"]


def test_label_is_the_word_or_else_the_name_of_the_file(tmp_path):
    path = save(tmp_path, line("1", DRAWING), line("2", DRAWING, word=None), name="dog.ndjson")
    assert [sketch.label for sketch in readers.read(path)] == ["cat", "dog"]
    assert {sketch.label for sketch in readers.read(path, label="pet")} == {"pet"}


BAD_LINES = {
    "cut off": ('{"word": "cat", "drawing": [[[1', "not valid JSON"),
    "NaN": ('{"drawing": [[[NaN, 1], [1, 2]]]}', "not valid JSON"),
    "infinite": ('{"drawing": [[[1e400, 1], [1, 2]]]}', "not valid JSON|not finite"),
    "too large": ('{"drawing": [[[1e13, 1], [1, 2]]]}', "beyond 1e"),
    "very large whole number": (f'{{"drawing": [[[{"9" * 300}], [1]]]}}', ""),
    "smallest whole number": ('{"drawing": [[[-9223372036854775808], [1]]]}', "beyond 1e"),
    "null": ('{"drawing": [[[null, 1], [1, 2]]]}', "not a number"),
    "text": ('{"drawing": [[["1", 1], [1, 2]]]}', "not a number"),
    "true": ('{"drawing": [[[true], [true]]]}', "not a number"),
    "lists in lists": ('{"drawing": [[[[1], [2]], [[1], [2]]]]}', "not a number"),
    "ragged lists": ('{"drawing": [[[[1], 2], [1, 2]]]}', "not a number"),
    "a terminal's escape in the key": (
        '{"key_id": "\\u001b[2J", "drawing": []}',
        "control characters",
    ),
    "x and y differ": ('{"drawing": [[[1, 2], [1]]]}', "stroke 0 whose x and y"),
    "one row": ('{"drawing": [[[1, 2]]]}', "stroke 0 that is not"),
    "points": ('{"drawing": [[[1, 2], [3, 4], [5, 6], [7, 8]]]}', "stroke 0 that is not"),
    "object": ('{"drawing": {"x": 1}}', "not a list of strokes"),
    "no drawing": ('{"word": "cat"}', "not an object with a drawing"),
    "a list": ("[1, 2]", "not an object with a drawing"),
    "a long word": (json.dumps({"word": "c" * 300, "drawing": []}), "word that is not a short"),
    "a word of a list": ('{"word": ["cat"], "drawing": []}', "word that is not a short text"),
    "a word of two lines": ('{"word": "c\\nt", "drawing": []}', "control characters"),
    "a key of a list": ('{"key_id": [1], "drawing": []}', "key_id that is not a short text"),
    "not UTF-8": (b'{"word": "\xff", "drawing": []}', "not valid JSON"),
    "brackets": ('{"drawing":' + "[" * 100_000, "not valid JSON"),
}


@pytest.mark.parametrize("what", BAD_LINES)
def test_bad_line_is_named_or_skipped(tmp_path, what):
    content, message = BAD_LINES[what]
    content = content if isinstance(content, bytes) else content.encode()
    path = tmp_path / "a.ndjson"
    first = line("1", DRAWING).encode() * 6
    path.write_bytes(first + content + b"\n" + line("2", DRAWING).encode())
    with pytest.raises(ReadError, match=rf"a\.ndjson: line 7 .*({message})"):
        keys(path)
    skipped = []
    assert keys(path, on_error="skip", on_skip=skipped.append) == ["1"] * 6 + ["2"]
    assert [skip.reason for skip in skipped] == ["unreadable"]


def test_truncated_gzip_gives_what_was_whole_and_then_an_error(tmp_path):
    random = np.random.default_rng(1)
    text = "".join(
        line(str(i), [random.integers(0, 255, (2, 40)).tolist()]) for i in range(3000)
    ).encode()
    path = tmp_path / "a.ndjson.gz"
    path.write_bytes(gzip.compress(text)[:-5000])
    found = []
    with pytest.raises(ReadError, match=r"a\.ndjson\.gz: is truncated gzip"):
        found.extend(sketch.key for sketch in readers.read(path))
    skipped = []
    kept = keys(path, on_error="skip", on_skip=skipped.append)
    assert len(kept) > 2000
    assert kept == [str(i) for i in range(len(kept))]
    assert [skip.reason for skip in skipped][-1] == "unreadable"


def test_damaged_gzip_is_called_so(tmp_path):
    data = bytearray(gzip.compress(line("1", DRAWING).encode() * 5000))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(ReadError, match=r"a\.gz: is damaged gzip|not valid JSON"):
        keys(tmp_path / "a.gz")


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(ndjson, "PART_BYTES", 1000)
    monkeypatch.setattr(inputs, "BUNCH_BYTES", 500)


def test_parts_of_a_file_are_the_file(tmp_path, small_parts):
    random = np.random.default_rng(2)
    lines = [
        line(str(i), [random.integers(0, 9, (2, n)).tolist()])
        for i, n in enumerate(random.integers(1, 700, 40))
    ]
    lines[7:7] = ["\n"] * 1200
    path = save(tmp_path, *lines)
    units = list(readers.units(path))
    assert len(units) == -(-path.stat().st_size // 1000)
    assert sum(unit.size for unit in units) == path.stat().st_size
    found = [[sketch.key for sketch in unit.read()] for unit in pickle.loads(pickle.dumps(units))]
    assert [key for part in found for key in part] == [str(i) for i in range(40)]
    assert [] in found


def test_part_that_begins_with_a_line_has_it_once(tmp_path, small_parts):
    text = line("1", DRAWING)
    first = text + " " * (1000 - len(text) - 1) + "\n"
    path = save(tmp_path, first, text.replace('"1"', '"2"'))
    assert [[sketch.key for sketch in unit.read()] for unit in readers.units(path)] == [
        ["1"],
        ["2"],
    ]


def test_line_numbers_count_from_the_start_of_the_file_in_every_part(tmp_path, small_parts):
    lines = [json.dumps({"drawing": DRAWING}) + "\n" for _ in range(200)]
    assert keys(save(tmp_path, *lines)) == [f"cat.ndjson:{i}" for i in range(1, 201)]
    lines[149] = "broken\n"
    with pytest.raises(ReadError, match="line 150 is not valid JSON"):
        keys(save(tmp_path, *lines))


def test_broken_line_in_the_middle_of_a_million_is_named(tmp_path):
    text = json.dumps({"word": "x", "key_id": "1", "drawing": []}) + "\n"
    path = tmp_path / "a.ndjson"
    path.write_text(text * 499_999 + "{broken\n" + text * 500_000)
    middle = next(
        unit for unit in readers.units(path) if unit.sources[0].part[1] > path.stat().st_size / 2
    )
    with pytest.raises(ReadError, match="line 500000 is not valid JSON"):
        list(middle.read())


def test_long_strokes_are_read_whole(tmp_path):
    drawing = [[list(range(100_000)), [3] * 100_000]]
    (sketch,) = readers.read(save(tmp_path, line("1", drawing)))
    np.testing.assert_array_equal(sketch.to_polylines()[0][:, 0], np.arange(100_000))


def test_line_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(ndjson, "MAX_LINE", 10_000)
    path = save(tmp_path, line("1", DRAWING), '{"drawing": ' + " " * 20_000)
    with pytest.raises(ReadError, match="line 2 has more than"):
        keys(path)


def test_memory_does_not_grow_with_the_file(tmp_path):
    path = save(tmp_path, line("1", [[list(range(200)), [1] * 200]]) * 20_000)
    assert path.stat().st_size > 25e6
    tracemalloc.start()
    assert sum(1 for _ in readers.read(path)) == 20_000
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3e6
