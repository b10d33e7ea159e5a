"""Files by suffix, and the numbers for programs."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sketch_rnn_tf import drawing


@pytest.mark.parametrize(
    ("name", "start"),
    [("a.svg", b"<svg "), ("a.png", b"\x89PNG"), ("A.PNG", b"\x89PNG"), ("a.gif", b"GIF89a"),
     ("a.json", b'{"sketches"'), ("a.npz", b"PK")],
)  # fmt: skip
def test_the_suffix_says_the_kind(tmp_path, house, name, start):
    for i, what in enumerate((house, [house, None], drawing.Sketch(house), drawing.Sketches())):
        path = tmp_path / str(i) / name
        drawing.save(path, what)
        assert path.read_bytes().startswith(start)


@pytest.mark.parametrize("name", ["a.jpg", "a", "a.svg.zip"])
def test_other_suffixes_are_refused_before_anything_is_drawn(tmp_path, house, name):
    with pytest.raises(ValueError, match=r"expected \.svg, \.png, \.gif, \.json, \.npz"):
        drawing.save(tmp_path / name, house)
    assert list(tmp_path.iterdir()) == []


def test_a_sketch_saves_itself_with_options(tmp_path, house):
    drawing.Sketch(house).save(tmp_path / "a.svg", title="A house")
    assert (tmp_path / "a.svg").read_text() == drawing.svg(house, title="A house")
    sketches = drawing.Sketches([house, house], columns=1)
    sketches.save(tmp_path / "b.svg", captions=["a", "b"])
    expected = drawing.grid([house, house], columns=1, captions=["a", "b"])
    assert (tmp_path / "b.svg").read_text() == expected


def test_a_wrong_drawing_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.svg"
    path.write_text("old")
    with pytest.raises(ValueError, match="not finite"):
        drawing.save(path, np.array([[np.nan, 0, 1]]), overwrite=True)
    assert path.read_text() == "old"


def test_json_has_strokes_label_and_ended(house):
    sketches = [drawing.Sketch(house, "é<"), drawing.Sketch(np.zeros((0, 3)), ended=False)]
    assert json.loads(drawing.json_text(sketches)) == {
        "sketches": [
            {"strokes": house.tolist(), "label": "é<", "ended": True},
            {"strokes": [], "label": None, "ended": False},
        ]
    }


def test_json_numbers_are_short_and_give_the_same_float32():
    rng = np.random.default_rng(1)
    rows = np.c_[rng.normal(size=(50, 2)) * 10.0 ** rng.integers(-9, 9, (50, 2)), np.ones(50)]
    rows[0] = 0.1, 0.2, 1
    text = drawing.json_text([rows])
    assert "[0.1, 0.2, 1]" in text
    back = np.array(json.loads(text)["sketches"][0]["strokes"], np.float32)
    np.testing.assert_array_equal(back, rows.astype(np.float32))


def test_npz_opens_without_pickle(tmp_path, house):
    drawing.save(tmp_path / "a.npz", [house, np.zeros((0, 3)), house[:2]])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as content:
        assert set(content.files) == {"strokes", "lengths"}
        np.testing.assert_array_equal(content["lengths"], [8, 0, 2])
        np.testing.assert_array_equal(content["strokes"], np.concatenate([house, house[:2]]))
        assert content["strokes"].dtype == np.float32


def test_an_npz_of_nothing_has_no_rows(tmp_path):
    drawing.save(tmp_path / "a.npz", [])
    with np.load(tmp_path / "a.npz", allow_pickle=False) as content:
        assert content["strokes"].shape == (0, 3)
        assert content["lengths"].shape == (0,)


def test_the_same_drawings_give_the_same_files(tmp_path, house):
    for suffix in drawing.SUFFIXES:
        for name in "ab":
            drawing.save(tmp_path / f"{name}{suffix}", [house, house[:3]])
        a, b = ((tmp_path / f"{name}{suffix}").read_bytes() for name in "ab")
        assert a == b


def test_a_file_is_replaced_only_when_asked_to(tmp_path, house):
    path = tmp_path / "a.svg"
    path.write_text("old")
    with pytest.raises(ValueError, match=r"a\.svg: exists already; overwrite=True replaces it"):
        drawing.save(path, house)
    with pytest.raises(ValueError, match="exists already"):
        drawing.Sketch(house).save(path)
    assert path.read_text() == "old"
    drawing.save(path, house, overwrite=True)
    assert path.read_text() == drawing.svg(house)


@pytest.mark.parametrize("name", ["fish_{j}.svg", "fish_{}.png", "{i}_{n:03}.json"])
def test_a_placeholder_that_stands_for_nothing_is_told(tmp_path, house, name):
    with pytest.raises(ValueError, match=r"stands for nothing; \{i\} is a drawing's number"):
        drawing.save(tmp_path / name, house)
    drawing.save(tmp_path / "{mine}.svg", house)


def test_every_drawing_has_a_file_of_its_own_where_the_name_has_a_number(tmp_path, house):
    sketches = drawing.Sketches([house, None, house[:5]], columns=1, captions=["a", "b", "c"])
    written = sketches.save(tmp_path / "fish_{i}.svg", smooth=True)
    assert [path.name for path in written] == ["fish_0.svg", "fish_1.svg"]
    assert [len(drawing.read_svg(path)[0]) for path in written] == [8, 5]
    assert "c" in written[0].read_text()
    (tmp_path / "n001.json").write_text("mine")
    with pytest.raises(ValueError, match=r"n001\.json: exists already"):
        drawing.save(tmp_path / "n{i:03}.json", sketches)
    assert not (tmp_path / "n000.json").exists()
