"""Files that are either whole or not there: written beside the target, flushed, then renamed."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from sketch_rnn_tf.errors import UserError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

PathLike = str | os.PathLike


@contextlib.contextmanager
def atomic_path(path: PathLike) -> Iterator[pathlib.Path]:
    """Yields a temporary path beside `path` that takes its place when the block ends well.

    Args:
      path: the file to make. Its folder is created when it is missing.

    Yields:
      A path in the same folder and with the same suffix, so that writers which look at the suffix
      behave. When the block raises, the temporary file is removed and `path` is left as it was.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(
            prefix=f".{path.stem[:40]}.", suffix=path.suffix, dir=path.parent
        )
    except OSError as error:
        error.filename = str(path)  # not the temporary name, which tells a user nothing
        raise
    os.close(handle)
    temporary = pathlib.Path(name)
    try:
        yield temporary
        flush(temporary)
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except OSError as error:
        if error.filename == temporary or error.filename == name:
            error.filename, error.filename2 = str(path), None
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_open(path: PathLike, mode: str = "wb", **kwargs: Any) -> Iterator[IO]:
    """Opens a file for writing that appears at `path` only when the block ends well."""
    with atomic_path(path) as temporary, open(temporary, mode, **kwargs) as stream:
        yield stream


@contextlib.contextmanager
def atomic_directory(path: PathLike, overwrite: bool = False) -> Iterator[pathlib.Path]:
    """Yields a temporary folder beside `path` that is renamed to it when the block ends well.

    Args:
      path: the folder to make.
      overwrite: replace an existing folder, which is removed when the new one is in its place.

    Raises:
      UserError: `path` exists and `overwrite` is false.
    """
    path = pathlib.Path(path)
    with scratch_beside(path) as scratch:
        if path.exists() and not overwrite:
            raise UserError(f"{path}: exists already")
        new, old = scratch / "new", scratch / "old"
        new.mkdir()
        yield new
        try:
            if path.exists():
                os.rename(path, old)
            os.rename(new, path)
        finally:  # an interrupt can come between any two of these lines
            if old.exists() and not path.exists():
                os.rename(old, path)


@contextlib.contextmanager
def scratch_beside(path: PathLike) -> Iterator[pathlib.Path]:
    """Yields a private folder beside `path` for the block, to make things in that are then renamed.

    It is locked as long as the process lives, so that the next one knows what a killed one left,
    and removes it.
    """
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    _clear_up_after_killed(path)
    scratch = lock = None
    while scratch is None or not scratch.exists():  # before its lock it can be taken for a leftover
        try:
            scratch = pathlib.Path(tempfile.mkdtemp(prefix=_prefix(path), dir=path.parent))
        except OSError as error:
            error.filename = str(path)  # not the temporary name, which tells a user nothing
            raise
        lock = _lock(scratch, wait=True)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def write_text(path: PathLike, text: str) -> None:
    """Writes UTF-8 text atomically."""
    with atomic_open(path, "w", encoding="utf-8") as stream:
        stream.write(text)


def write_json(path: PathLike, value: Any) -> None:
    """Writes a value as indented JSON atomically. NaN and infinity are refused."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False) + "\n"
    # The name of a file can hold bytes that are no UTF-8; JSON has an escape for what stands there.
    write_text(path, text.encode("utf-8", "backslashreplace").decode("utf-8"))


def read_json(path: PathLike) -> Any:
    """Reads a JSON file.

    Raises:
      UserError: the file is not JSON; the message names it.
    """
    try:
        return json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # not UTF-8, not JSON, or nested without end
        raise UserError(f"{path}: is not valid JSON ({error})") from None


def flush(path: PathLike) -> None:
    """Returns once what was written to a file is on the disk."""
    with open(path, "rb") as written:
        os.fsync(written.fileno())


def sha256_of_file(path: PathLike) -> str:
    """Returns the SHA-256 of a file's bytes in hexadecimal."""
    with open(path, "rb") as stream:
        if _HAS_FILE_DIGEST:
            return hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[attr-defined]
        digest = hashlib.sha256()
        for block in iter(lambda: stream.read(1 << 20), b""):
            digest.update(block)
        return digest.hexdigest()


_HAS_FILE_DIGEST = hasattr(hashlib, "file_digest")  # from Python 3.11


def _clear_up_after_killed(path: pathlib.Path) -> None:
    """Removes the scratch folders of processes that were killed: nobody holds a lock on them.

    Where the kill came while one folder took the other's place, the old one is put back.
    """
    for scratch in path.parent.glob(f"{glob.escape(_prefix(path))}*"):
        lock = _lock(scratch, wait=False)
        if lock is None:
            continue
        if (scratch / "old").exists() and not path.exists():
            os.rename(scratch / "old", path)
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(lock)


def _prefix(path: pathlib.Path) -> str:
    return f".{path.name[:40]}.unfinished-"


def _lock(folder: pathlib.Path, wait: bool) -> int | None:
    """Returns a locked handle of a folder, None where another has it or there are no such locks."""
    if fcntl is None:
        return None
    handle = None
    try:
        handle = os.open(folder, os.O_RDONLY)
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except OSError:  # held, gone, or on a file system that has none
        if handle is not None:
            os.close(handle)
        return None
    return handle


def _umask() -> int:
    """Returns the process's umask; mkstemp makes private files, outputs follow the umask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
