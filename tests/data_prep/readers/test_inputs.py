import json
import os
import pickle

import numpy as np
import pytest

from data_prep import readers
from data_prep.readers.source import RawSketch, ReadError

SVG = '<svg><path d="M0 0L{} 1"/></svg>'


@pytest.fixture
def folder(tmp_path):
    """A folder of every kind of file, some of them in folders of their own."""
    for name in ("b", "a/deep", ".hidden"):
        (tmp_path / name).mkdir(parents=True)
    for i in range(150):
        (tmp_path / "b" / f"{i:03}.svg").write_text(SVG.format(i))
    (tmp_path / "a" / "deep" / "x.json").write_text("[[[[1, 2]]]]")
    (tmp_path / "a" / "c.ndjson").write_text(json.dumps({"drawing": [[[1], [2]]]}))
    empty = np.empty(0, object)
    np.savez(tmp_path / "z.npz", train=np.zeros((2, 4, 3)), valid=empty, test=empty)
    for name in ("README.md", ".hidden/a.svg", ".a.svg", "b/notes.txt"):
        (tmp_path / name).write_text("no drawing")
    return tmp_path


def keys(sketches):
    return [sketch.key for sketch in sketches]


def test_folder_is_read_in_sorted_order_without_hidden_and_other_files(folder):
    found = list(readers.read(folder))
    assert keys(found) == [
        "z.npz:train:0",
        "z.npz:train:1",
        "a/c.ndjson:1",
        "a/deep/x.json:0",
        *(f"b/{i:03}.svg" for i in range(150)),
    ]
    assert [sketch.label for sketch in found[::50]] == ["z", "b", "b", "b"]


def test_units_read_alone_and_in_any_order_give_what_read_gives(folder):
    units = pickle.loads(pickle.dumps(list(readers.units(folder))))
    assert len(units) == 3
    found = {i: keys(units[i].read()) for i in (2, 0, 1)}
    assert [key for i in range(3) for key in found[i]] == keys(readers.read(folder))
    assert sum(unit.size for unit in units) == sum(
        os.path.getsize(path) for path in readers.source_files(folder)
    )


def test_bad_file_stops_or_is_skipped_and_reported(folder):
    (folder / "b" / "070.svg").write_text("<svg>")
    with pytest.raises(ReadError, match=r"070\.svg: is not well-formed XML"):
        list(readers.read(folder))
    skipped = []
    assert len(list(readers.read(folder, on_error="skip", on_skip=skipped.append))) == 153
    assert [skip.reason for skip in skipped] == ["unreadable"]


def test_unreadable_file_is_a_read_error(folder, monkeypatch):
    path = folder / "b" / "000.svg"
    path.unlink()
    path.symlink_to("nowhere")
    with pytest.raises(ReadError, match=r"000\.svg: No such file"):
        list(readers.read(folder))


def test_format_overrides_the_content(folder):
    with pytest.raises(ReadError, match=r"c\.ndjson: is not well-formed XML"):
        list(readers.read(folder / "a" / "c.ndjson", format="svg"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "jpeg"}, "unknown format 'jpeg'; there are npz, ndjson"),
        ({"on_error": "ignore"}, "'stop' or 'skip'"),
        ({"curve_tolerance": 0}, "curve_tolerance is 0"),
        ({"curve_tolerance": float("nan")}, "curve_tolerance is nan"),
    ],
)
def test_wrong_option_is_named(folder, options, message):
    with pytest.raises(ReadError, match=message):
        list(readers.read(folder, **options))


def test_missing_and_empty_inputs_are_named(tmp_path):
    with pytest.raises(ReadError, match="nowhere: there is no such file or folder"):
        list(readers.read(tmp_path / "nowhere"))
    with pytest.raises(ReadError, match="holds no files of drawings"):
        list(readers.read(tmp_path))
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ReadError, match="pipe: is neither a file nor a folder"):
        list(readers.read(tmp_path / "pipe"))


def test_file_names_of_any_bytes_give_keys_that_can_be_written(tmp_path):
    with open(os.fsencode(tmp_path) + b"/caf\xe9.svg", "w") as stream:
        stream.write(SVG.format(5))
    (sketch,) = readers.read(tmp_path)
    assert sketch.key.encode() == b"caf\\udce9.svg"


def test_control_characters_of_a_file_never_reach_a_message(tmp_path):
    path = tmp_path / "a\x1b[2J\n.svg"
    path.write_text("<svg>")
    with pytest.raises(ReadError) as caught:
        list(readers.read(path))
    assert str(caught.value).isprintable()
    path.write_text(SVG.format(3))
    (sketch,) = readers.read(path)
    assert sketch.key == r"a\x1b[2J\n.svg"


def test_keys_do_not_depend_on_where_the_input_lies(folder, tmp_path_factory):
    moved = tmp_path_factory.mktemp("elsewhere") / "data"
    folder.rename(moved)
    assert keys(readers.read(moved))[4] == "b/000.svg"


def test_every_sketch_has_either_polylines_or_offsets_and_a_group(folder):
    for sketch in readers.read(folder):
        assert isinstance(sketch, RawSketch)
        assert (sketch.polylines is None) != (sketch.offsets is None)
        assert sketch.group
        assert str(folder) in sketch.where


def test_files_beside_drawings_are_counted_by_suffix(folder):
    found = readers.listing(folder)
    assert found.ignored == {".md": 1, ".txt": 1}
    only = readers.listing(folder, "svg")
    assert len(only.sources) == 150
    assert only.ignored == {".json": 1, ".md": 1, ".ndjson": 1, ".npz": 1, ".txt": 1}


def test_license_beside_drawings_is_found(folder):
    assert readers.listing(folder).license is None
    (folder / "package.json").write_text('{"license": "MIT"}')
    assert readers.listing(folder).license == "MIT"
    assert readers.listing(folder / "z.npz").license == "MIT"


def test_pattern_gives_the_files_that_match_it(folder):
    found = list(readers.read(f"{folder}/b/00*.svg"))
    assert keys(found) == [f"00{i}.svg" for i in range(10)]
    assert {sketch.label for sketch in found} == {"b"}
    with pytest.raises(ReadError, match="no file matches this pattern"):
        list(readers.read(f"{folder}/b/*.png"))


def test_input_that_is_nearly_right_gets_a_hint(folder):
    for name, message in {
        f"{folder}/z.npzz": r"did you mean .*/z\.npz\?",
        f"{folder}/c/d/e.svg": r"c does not exist",
        "kanji": "package:kanjivg is one",
        "@iconify-json/lucide": "did you mean npm:@iconify-json/lucide",
        "quickdraw:cat": "sketch-rnn-download --dataset quickdraw:cat",
    }.items():
        with pytest.raises(ReadError, match=message):
            readers.listing(name)
    (folder / "dataset.json").write_text("{}")
    (folder / "train-00000-of-00001.tfrecord").write_text("")
    with pytest.raises(ReadError, match="is a prepared data set, ready for --data_dir"):
        readers.listing(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 7\n", "`git lfs pull`"),
        ("/annex/objects/SHA256E-s7--0.svg\n", "`git annex get`"),
    ],
)
@pytest.mark.parametrize("name", ["cat.svg", "cat.npz", "cat.ndjson", "cat.json"])
def test_pointer_to_a_file_elsewhere_is_named_as_such(tmp_path, content, message, name):
    (tmp_path / name).write_text(content)
    given = {"cat.svg": "svg", "cat.npz": "npz", "cat.ndjson": "ndjson", "cat.json": "json"}[name]
    for options in ({}, {"format": given}):
        with pytest.raises(ReadError, match=message):
            list(readers.read(tmp_path / name, **options))
