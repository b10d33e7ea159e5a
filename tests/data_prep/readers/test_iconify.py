import json

import numpy as np
import pytest

from data_prep import readers
from data_prep.readers import iconify, inputs
from data_prep.readers.source import ReadError

LINE = '<path fill="none" stroke="currentColor" d="M2 3h4v5"/>'
GROUP = '<g fill="none" stroke="currentColor"><path d="M2 3h4"/><circle cx="9" cy="9" r="1"/></g>'


@pytest.fixture
def icon_set(tmp_path):
    """Returns a function that writes icons.json of these icons, {name: body or entry}."""

    def write(icons, **others):
        entries = {
            name: {"body": icon} if isinstance(icon, str) else icon for name, icon in icons.items()
        }
        path = tmp_path / "icons.json"
        content = {"prefix": "mine", "icons": entries, "width": 24, "height": 24, **others}
        path.write_text(json.dumps(content))
        return path

    return write


def test_line_drawings_of_a_set_are_read(icon_set):
    path = icon_set({"arrow-down": LINE, "sun": GROUP})
    assert readers.detect_format(path) == "iconify"
    found = list(readers.read(path))
    assert [(sketch.key, sketch.label) for sketch in found] == [
        ("mine:arrow-down", "mine"),
        ("mine:sun", "mine"),
    ]
    np.testing.assert_allclose(found[0].to_polylines()[0], [[2, 3], [6, 3], [6, 8]])
    assert [len(sketch.to_polylines()) for sketch in found] == [1, 2]


@pytest.mark.parametrize(
    "body",
    [
        '<path d="M2 3h4v5z"/>',
        '<path fill="currentColor" stroke="currentColor" d="M2 3h4v5z"/>',
        f'<g>{LINE}<circle r="2"/></g>',
        LINE + '<path style="fill: red; stroke:blue" d="M2 3h4v5z"/>',
        '<g fill="none"><path d="M2 3h4"/></g>',
    ],
)
def test_filled_icons_are_left_out_and_counted(icon_set, body):
    skipped = []
    found = list(readers.read(icon_set({"a": LINE, "b": body}), on_skip=skipped.append))
    assert [sketch.key for sketch in found] == ["mine:a"]
    assert [(skip.reason, skip.label) for skip in skipped] == [("filled", "mine")]
    assert "icons.json: icon b is filled" in skipped[0].message


def test_fill_of_what_is_not_drawn_does_not_count(icon_set):
    body = f'<defs><circle r="2"/></defs>{LINE}'
    assert len(list(readers.read(icon_set({"a": body})))) == 1


def test_class_is_the_set_or_the_first_word_of_the_name(icon_set):
    names = ["alarm-clock-check", "alarm-off", "2-3-circle", "a-arrow-up", "x"]
    path = icon_set(dict.fromkeys(names, LINE))
    assert {sketch.label for sketch in readers.read(path)} == {"mine"}
    words = [sketch.label for sketch in readers.read(path, class_from="word")]
    assert words == ["alarm", "alarm", "circle", "arrow", "x"]
    assert {sketch.label for sketch in readers.read(path, label="icon")} == {"icon"}


def test_turned_and_mirrored_icons_are_turned_about_their_middle(icon_set):
    icon = {"body": '<path fill="none" stroke="red" d="M0 0H24"/>'}
    path = icon_set({"a": {**icon, "rotate": 1}, "b": {**icon, "vFlip": True}})
    turned, mirrored = (sketch.to_polylines()[0] for sketch in readers.read(path))
    np.testing.assert_allclose(turned, [[24, 0], [24, 24]])
    np.testing.assert_allclose(mirrored, [[0, 24], [24, 24]])


def test_box_that_does_not_begin_at_the_origin_is_moved_there(icon_set):
    path = icon_set({"a": {"body": LINE, "left": 2, "top": 1, "width": 4, "height": 8}})
    (sketch,) = readers.read(path)
    np.testing.assert_allclose(sketch.to_polylines()[0], [[0, 2], [4, 2], [4, 7]])


def test_parts_of_a_large_set_are_the_set(icon_set, monkeypatch):
    monkeypatch.setattr(iconify, "PART_ICONS", 3)
    monkeypatch.setattr(inputs, "BUNCH_BYTES", 200)
    path = icon_set({f"icon-{i}": LINE for i in range(10)})
    parts = list(readers.units(path))
    assert len(parts) == 4
    assert sum(unit.size for unit in parts) <= path.stat().st_size
    found = [sketch.key for unit in parts for sketch in unit.read()]
    assert found == [f"mine:icon-{i}" for i in range(10)]


@pytest.mark.parametrize(
    ("icon", "message"),
    [
        ({}, "icon a has no body"),
        ("<path", "icon a has a body that is not well-formed XML"),
        ("<!DOCTYPE x [<!ENTITY e 'e'>]>", "icon a has a body that is not well-formed XML"),
        ('<path fill="none" stroke="red" d="M0 0L1e13 1"/>', "icon a: has a coordinate that is"),
        ({"body": LINE, "width": "wide"}, "icon a has a width that is no number"),
    ],
)
def test_broken_icon_is_named(icon_set, icon, message):
    with pytest.raises(ReadError, match=f"icons.json: {message}"):
        list(readers.read(icon_set({"a": icon})))
    path = icon_set({"a": icon, "b": LINE})
    assert len(list(readers.read(path, on_error="skip"))) == 1
