"""Files that are either whole or not there: written beside the target, flushed, then renamed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from sketch_rnn_tf.errors import UserError

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
        with open(temporary, "rb") as written:
            os.fsync(written.fileno())
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
    if path.exists() and not overwrite:
        raise UserError(f"{path}: exists already")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = _folder_beside(path)
    try:
        yield temporary
        os.chmod(temporary, 0o777 & ~_umask())
        if path.exists():
            _replace_directory(path, temporary)
        else:
            os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


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


def sha256_of_file(path: PathLike) -> str:
    """Returns the SHA-256 of a file's bytes in hexadecimal."""
    with open(path, "rb") as stream:
        return (
            hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[attr-defined]
            if _HAS_FILE_DIGEST  # Python 3.11
            else _digest(stream)
        )


_HAS_FILE_DIGEST = hasattr(hashlib, "file_digest")  # from Python 3.11


def _digest(stream: IO[bytes]) -> str:
    digest = hashlib.sha256()
    for block in iter(lambda: stream.read(1 << 20), b""):
        digest.update(block)
    return digest.hexdigest()


def _folder_beside(path: pathlib.Path) -> pathlib.Path:
    return pathlib.Path(tempfile.mkdtemp(prefix=f".{path.name[:40]}.", dir=path.parent))


def _replace_directory(path: pathlib.Path, new: pathlib.Path) -> None:
    """Puts a folder in another's place and removes that; when it fails, the other stays."""
    aside = _folder_beside(path)
    old = aside / "old"
    try:
        os.rename(path, old)
        os.rename(new, path)
    finally:  # an interrupt can come between any two of these lines
        if old.exists() and not path.exists():
            os.rename(old, path)
        shutil.rmtree(aside, ignore_errors=True)


def _umask() -> int:
    """Returns the process's umask; mkstemp makes private files, outputs follow the umask."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
