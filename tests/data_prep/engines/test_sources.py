import hashlib
import shutil

import numpy as np
import pytest

from data_prep import readers
from data_prep.engines import sources
from sketch_rnn_tf.errors import UserError


def test_a_file_has_its_own_checksum(write_ndjson):
    path = write_ndjson()

    described = sources.describe(str(path), 1)

    expected = hashlib.sha256(path.read_bytes()).hexdigest()
    assert described == {"path": str(path), "sha256": expected, "files": 1}


def test_a_folder_has_one_checksum_that_knows_names_and_contents_but_not_where_it_lies(
    tmp_path, write_ndjson
):
    (tmp_path / "a").mkdir()
    for i in range(3):
        write_ndjson(f"a/{i}.ndjson", 2, seed=i)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    shutil.copytree(tmp_path / "a", tmp_path / "c")
    (tmp_path / "c" / "2.ndjson").rename(tmp_path / "c" / "3.ndjson")

    first, copied, renamed = (sources.describe(str(tmp_path / name), 1) for name in "abc")

    assert first["files"] == 3
    assert first["sha256"] == copied["sha256"] != renamed["sha256"]


def test_a_sample_is_taken_from_all_units(tmp_path, write_ndjson, monkeypatch):
    monkeypatch.setattr("data_prep.readers.inputs.BUNCH_FILES", 1)
    monkeypatch.setattr(sources, "SAMPLE", 10)
    for i in range(5):
        write_ndjson(f"{i}.ndjson", 20, raw=True, seed=i)

    absolute, published = sources.sample(list(readers.units(tmp_path)), 1)

    assert (len(absolute), published) == (10, [])
    assert all(len(polylines.ends) == 3 for polylines in absolute)


def test_a_sample_tells_published_drawings_from_absolute_ones(tmp_path, write_ndjson, write_npz):
    write_ndjson("raw.ndjson", 4, raw=True)
    write_ndjson("simplified.ndjson", 5)
    rows = np.array([[0, 0, 0], [3, 4, 1], [5, 5, 1]])
    write_npz(train=[rows], valid=[rows], test=[rows[:0]])

    absolute, published = sources.sample(list(readers.units(tmp_path)), 1)

    assert (len(absolute), len(published)) == (4, 7)


def test_options_that_no_file_can_heed_are_refused(write_ndjson, write_npz):
    rows = [np.array([[0, 0, 0], [3, 4, 1]])]
    ndjson, npz = write_ndjson(), write_npz(train=rows, valid=rows, test=rows)
    for path, name in ((npz, "recognized_only"), (ndjson, "class_from"), (npz, "curve_tolerance")):
        reading = {name: {"class_from": "word", "curve_tolerance": 0.1}.get(name, True)}
        with pytest.raises(UserError, match=f"--{name} would have no effect on this input"):
            sources.refuse_idle_options(list(readers.units(path)), reading)
    sources.refuse_idle_options(list(readers.units(ndjson)), {"recognized_only": True})
    sources.refuse_idle_options(list(readers.units(npz)), {"recognized_only": False})


def test_license_and_other_files_of_a_folder_are_described(tmp_path, write_ndjson):
    write_ndjson()
    (tmp_path / "package.json").write_text('{"license": "MIT"}')
    (tmp_path / "notes.txt").write_text("notes")

    described = sources.describe(str(tmp_path), 1)

    assert described["license"] == "MIT"
    assert described["ignored"] == {".txt": 1}


def test_published_files_are_known_by_their_checksum(shared_data):
    described = sources.describe(str(shared_data("sketchrnn/omniglot.npz")), 1)
    assert described["license"] == "MIT"
