import importlib.metadata
import itertools

import pytest

from data_prep import readers
from data_prep.readers.raw_sketch import ReadError


def test_package_is_restricted_to_its_cjk_glyphs():
    names = {path.rpartition("/")[2] for path in readers.source_files("package:kanjivg")}
    assert len(names) == 11371
    assert {"04e00.svg", "04e14-Kaisho.svg"} <= names
    assert not names & {"00021.svg", "03042.svg", "0f92e.svg", "2008a.svg"}


def test_variants_of_a_character_share_a_group():
    units = readers.units("package:kanjivg")
    sources = [source for unit in units for source in unit.sources]
    by_key = {source.key: source.group for source in sources}
    assert len(by_key) == len(sources)
    assert by_key["04e14"] == by_key["04e14-Kaisho"] == "04e14"
    assert len(set(by_key.values())) == 6413


def test_characters_are_drawn_stroke_by_stroke_inside_their_box():
    found = list(itertools.islice(readers.read("package:kanjivg"), 250))
    first = found[0]
    assert (first.label, first.key, first.group, len(first.to_polylines())) == (
        "kanji", "04e00", "04e00", 1,
    )  # fmt: skip
    two = next(sketch for sketch in found if sketch.key == "04e8c")
    assert len(two.to_polylines()) == 2
    for sketch in found:
        assert all(stroke.min() > 0 and stroke.max() < 109 for stroke in sketch.to_polylines())


@pytest.mark.large
def test_every_character_is_read():
    found = 0
    for sketch in readers.read("package:kanjivg"):
        assert 1 <= len(sketch.to_polylines()) <= 40, sketch.where
        found += 1
    assert found == 11371


def test_missing_package_is_named_with_the_command_that_installs_it(monkeypatch):
    def missing(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(ReadError, match=r"pip install sketch-rnn-tf\[kanjivg\]"):
        list(readers.read("package:kanjivg"))


def test_unknown_package_is_refused():
    with pytest.raises(ReadError, match="package:numpy: is no known package"):
        list(readers.read("package:numpy"))
