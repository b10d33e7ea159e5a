import hashlib
import shutil

from data_prep import readers
from data_prep.engines import sources


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

    found = sources.sample(list(readers.units(tmp_path)), 1)

    assert len(found) == 10
    assert all(len(polylines.ends) == 3 for polylines in found)
