import importlib.metadata
import io
import itertools
import tarfile

import pytest

from data_prep import readers
from data_prep.readers.source import ReadError


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
    with pytest.raises(ReadError, match=r"pip install 'sketch-rnn-tf\[kanjivg\]'"):
        list(readers.read("package:kanjivg"))


def test_unknown_package_is_refused():
    with pytest.raises(ReadError, match="package:numpy: is no known package"):
        list(readers.read("package:numpy"))


SVG = b'<svg><path stroke="red" d="M0 0L5 5"/></svg>'
PACKAGE_JSON = b'{"name": "@me/doodles", "version": "1.2.3", "license": "MIT"}'
FILES = {
    "package/package.json": PACKAGE_JSON,
    "package/one.svg": SVG,
    "package/deep/two.svg": SVG,
    "package/index.js": b"process.exit(1)",
    "package/README.md": b"# doodles",
    "package/../../escaped.svg": SVG,
    "/package/absolute.svg": SVG,
}


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """Returns a function that puts an npm in the path that packs these files, or fails."""
    monkeypatch.setenv("SKETCH_RNN_CACHE", str(tmp_path / "cache"))

    def install(files=None, error=None):
        folder = tmp_path / "bin"
        folder.mkdir(exist_ok=True)
        archive = folder / "packed.tgz"
        with tarfile.open(archive, "w:gz") as sink:
            for name, content in (files or {}).items():
                member = tarfile.TarInfo(name)
                member.size = len(content)
                sink.addfile(member, io.BytesIO(content))
            link = tarfile.TarInfo("package/link.svg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            sink.addfile(link)
        client = folder / "npm"
        work = f'echo "{error}" >&2; exit 1' if error else f'cp {archive} "$5"/packed.tgz'
        client.write_text(f'#!/bin/sh\necho "$@" >> {folder}/calls\n{work}\n')
        client.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return folder / "calls"

    return install


def test_npm_package_is_fetched_once_and_only_its_drawings_are_unpacked(tmp_path, npm):
    calls = npm(FILES)
    found = readers.listing("npm:@me/doodles")
    assert [source.name for source in found.sources] == ["one.svg", "package.json", "deep/two.svg"]
    assert (found.license, found.version) == ("MIT", "1.2.3")
    skipped = []
    keys = [(s.key, s.label) for s in readers.read("npm:@me/doodles", on_skip=skipped.append)]
    assert keys == [("one.svg", "doodles"), ("deep/two.svg", "deep")]
    assert [skip.reason for skip in skipped] == ["not_a_drawing"]
    assert list(readers.read("npm:@me/doodles@1.2.3"))
    assert len(calls.read_text().splitlines()) == 1
    assert "--ignore-scripts" in calls.read_text()
    unpacked = {path.name for path in (tmp_path / "cache").rglob("*") if path.is_file()}
    assert unpacked == {"one.svg", "two.svg", "package.json"}
    assert not list(tmp_path.rglob("escaped.svg")) + list(tmp_path.rglob("absolute.svg"))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        ("npm error code E404", "npm has no such package"),
        ("npm error code ENOTFOUND", "is this machine offline"),
        ("npm error something else", "could not fetch it .npm error something else"),
    ],
)
def test_what_npm_cannot_do_is_said_in_one_sentence(npm, error, message):
    npm(error=error)
    with pytest.raises(ReadError, match=f"npm:nothing: .*{message}"):
        readers.listing("npm:nothing")


def test_archive_that_is_no_package_is_refused(tmp_path, npm):
    npm({"package/one.svg": SVG})
    with pytest.raises(ReadError, match="npm:nothing: is no npm package"):
        readers.listing("npm:nothing")
    assert not list((tmp_path / "cache" / "npm").iterdir())


def test_missing_npm_is_named(npm, monkeypatch):
    npm(FILES)
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ReadError, match="needs the npm client"):
        readers.listing("npm:doodles")


@pytest.mark.parametrize("name", ["npm:", "npm:--x=y", "npm:../x", "npm:a b", "npm:a@file:x"])
def test_names_that_are_no_package_of_npm_are_refused(name):
    with pytest.raises(ReadError, match="expected npm:NAME"):
        readers.listing(name)
