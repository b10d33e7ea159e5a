"""Files are whole or not there."""

from __future__ import annotations

import hashlib
import os
import signal
import stat
import subprocess
import sys

import pytest

from sketch_rnn_tf import files


def _names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with files.atomic_open(path, "w") as stream:
        stream.write("whole")
        assert not path.exists()
    assert path.read_text() == "whole"
    assert _names(path.parent) == ["a.txt"]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def write_half():
        with files.atomic_open(path, "w") as stream:
            stream.write("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert path.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_the_temporary_path_keeps_the_suffix(tmp_path):
    with files.atomic_path(tmp_path / "a.weights.h5") as temporary:
        assert temporary.suffix == ".h5"
        assert temporary.parent == tmp_path


def test_long_names_fit(tmp_path):
    path = tmp_path / ("猫" * 80 + ".svg")
    files.write_text(path, "x")
    assert path.read_text() == "x"


def test_files_and_folders_follow_the_umask(tmp_path):
    old = os.umask(0o027)
    try:
        files.write_text(tmp_path / "a", "x")
        with files.atomic_directory(tmp_path / "d"):
            pass
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "d").stat().st_mode) == 0o750


def test_a_folder_appears_whole(tmp_path):
    target = tmp_path / "deep" / "d"
    with files.atomic_directory(target) as folder:
        (folder / "a").write_text("x")
        assert not target.exists()
    assert _names(target) == ["a"]
    assert _names(target.parent) == ["d"]


def test_a_failed_folder_is_not_there(tmp_path):
    def write_half():
        with files.atomic_directory(tmp_path / "d") as folder:
            (folder / "a").write_text("x")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        write_half()
    assert _names(tmp_path) == []


def test_an_existing_folder_is_refused_or_replaced_whole(tmp_path):
    target = tmp_path / "d"
    target.mkdir()
    (target / "old").write_text("x")
    with pytest.raises(ValueError, match="d: exists already"), files.atomic_directory(target):
        pass
    with files.atomic_directory(target, overwrite=True) as folder:
        (folder / "new").write_text("x")
        assert _names(target) == ["old"]
    assert _names(target) == ["new"]
    assert _names(tmp_path) == ["d"]


@pytest.mark.parametrize(
    ("number", "error", "done"),
    [(1, OSError("no"), False), (2, OSError("no"), False), (1, KeyboardInterrupt("no"), True)],
)
def test_an_old_folder_stays_when_the_new_one_is_not_moved(
    tmp_path, monkeypatch, number, error, done
):
    """The old one is moved first, the new one then; an interrupt can come when one is done."""
    target = tmp_path / "d"
    target.mkdir()
    (target / "old").write_text("x")
    real, calls = os.rename, []

    def rename(source, destination):
        calls.append(source)
        if len(calls) != number or done:
            real(source, destination)
        if len(calls) == number:
            raise error

    monkeypatch.setattr(os, "rename", rename)
    with pytest.raises(type(error), match="no"), files.atomic_directory(target, overwrite=True):
        pass
    assert _names(target) == ["old"]
    assert _names(tmp_path) == ["d"]


KILLED = """
import os, pathlib, signal, sys
from sketch_rnn_tf import files
moved = []
def rename(source, target, real=os.rename):
    if moved:
        os.kill(os.getpid(), signal.SIGKILL)
    moved.append(real(source, target))
if sys.argv[2] == "between":
    os.rename = rename
with files.atomic_directory(sys.argv[1], overwrite=True) as folder:
    (folder / "half").touch()
    if sys.argv[2] == "writing":
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("moment", ["writing", "between"])
def test_what_a_killed_process_left_is_cleared_up_by_the_next(tmp_path, moment):
    target = tmp_path / "d"
    target.mkdir()
    (target / "old").touch()
    done = subprocess.run([sys.executable, "-c", KILLED, target, moment], check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(_names(tmp_path)) == (2 if moment == "writing" else 1)
    with pytest.raises(ValueError, match="exists already"), files.atomic_directory(target):
        pass
    assert _names(tmp_path) == ["d"]
    assert _names(target) == ["old"]


def test_what_another_process_is_writing_is_left_alone(tmp_path):
    with files.atomic_directory(tmp_path / "d") as first:
        (first / "a").touch()
        with files.atomic_directory(tmp_path / "d") as second:
            (second / "b").touch()
        assert _names(tmp_path / "d") == ["b"]
        assert _names(first) == ["a"]


def test_json_holds_names_that_are_no_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9.ndjson")
    files.write_json(tmp_path / "a.json", {"path": name})
    assert files.read_json(tmp_path / "a.json") == {"path": name}


def test_json_comes_back(tmp_path):
    value = {"a": [1, 2.5, None, "é猫"]}
    files.write_json(tmp_path / "a.json", value)
    assert files.read_json(tmp_path / "a.json") == value
    assert "é猫" in (tmp_path / "a.json").read_text(encoding="utf-8")


def test_json_with_nan_is_not_written(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        files.write_json(tmp_path / "a.json", {"a": float("nan")})
    assert _names(tmp_path) == []


@pytest.mark.parametrize(
    "content",
    [b"{", b"", b"\xff\xfe", b"[" * 100_000, b"9" * 10_000, b"<html>"],
    ids=["cut", "empty", "binary", "deep", "long number", "html"],
)
def test_what_is_no_json_is_one_sentence(tmp_path, content):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"a\.json: is not valid JSON"):
        files.read_json(path)


def test_the_digest_is_hashlibs(tmp_path, monkeypatch):
    content = bytes(range(256)) * 9000
    (tmp_path / "a").write_bytes(content)
    expected = hashlib.sha256(content).hexdigest()
    assert files.sha256_of_file(tmp_path / "a") == expected
    monkeypatch.setattr(files, "_HAS_FILE_DIGEST", False)
    assert files.sha256_of_file(tmp_path / "a") == expected


def test_a_temporary_name_is_never_shown(tmp_path):
    (tmp_path / "folder.txt").mkdir()
    with pytest.raises(IsADirectoryError) as failure, files.atomic_open(tmp_path / "folder.txt"):
        pass
    assert failure.value.filename == str(tmp_path / "folder.txt")
    assert failure.value.filename2 is None
