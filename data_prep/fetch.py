"""Fetches a file over HTTP that is either whole or not there: resumed, checked, then renamed."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import pathlib
import re
import shutil
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable
from typing import Any

import filelock
import google_crc32c

from sketch_rnn_tf import files
from sketch_rnn_tf.errors import UserError

ATTEMPTS = 5  # in a row that brought not one byte
TIMEOUT = 30.0  # seconds without a byte
_BLOCK = 1 << 18


class _Interrupted(Exception):  # noqa: N818 (no error: the next attempt goes on)
    """The connection ended before the file did."""


def fetch(
    url: str,
    path: files.PathLike,
    *,
    sha256: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
    pause: float = 0.5,
) -> pathlib.Path:
    """Downloads a file unless it is there.

    What an interrupted download left is continued, if the file on the server is still the same.

    Args:
      url: http or https.
      path: where to; its folder is made.
      sha256: the checksum, where it is known. Besides, the size and what the server says of the
        content (`x-goog-hash`) are checked.
      on_progress: called with (bytes so far, bytes in all or 0).
      pause: seconds before the second attempt; each further one waits twice as long.

    Returns:
      `path`.

    Raises:
      UserError: the server cannot be reached or has no such file, or the file is damaged.
    """
    path = pathlib.Path(path)
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url}: expected an http or https address")
    path.parent.mkdir(parents=True, exist_ok=True)
    with filelock.FileLock(path.with_name(f".{path.name}.lock")):
        if not path.exists():
            part = _Part(url, path)
            _complete(part, on_progress, pause)
            part.check(sha256)
            part.publish()
    path.with_name(f".{path.name}.lock").unlink(missing_ok=True)
    return path


def _complete(part: _Part, on_progress: Callable | None, pause: float) -> None:
    """Makes attempts until the part is whole; one that brought bytes does not count."""
    failures, reason = 0, ""
    while failures < ATTEMPTS:
        before = part.size
        try:
            part.attempt(on_progress)
            return
        except _Interrupted as error:
            reason = str(error)
        failures = 0 if part.size > before else failures + 1
        time.sleep(pause * 2**failures)
    raise UserError(f"{part.url}: {reason}; the same command continues where it ended")


class _Part:
    """The bytes of a file that have come so far, and the version of the file they are of."""

    def __init__(self, url: str, path: pathlib.Path):
        self.url = url
        self._target = path
        self._path = path.with_name(f".{path.name}.part")
        self._facts_path = path.with_name(f".{path.name}.part.json")
        self._facts = self._known_facts()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self._path.stat().st_size if self._path.exists() else 0

    def _known_facts(self) -> dict[str, Any]:
        """Returns url, etag, size and hashes of the part; nothing if it is of something else."""
        try:
            facts = files.read_json(self._facts_path)
        except (OSError, ValueError):
            return {}
        return facts if isinstance(facts, dict) and facts.get("url") == self.url else {}

    def attempt(self, on_progress: Callable | None) -> None:
        """Asks for what is missing and appends what comes.

        Raises:
          _Interrupted: not all of it came, which another attempt may mend.
          UserError: another attempt would not help.
        """
        if self._facts.get("size") and self.size == self._facts["size"]:
            return
        with self._open() as response:
            resumed = self._accept(response)
            with open(self._path, "ab" if resumed else "wb") as sink:
                self._receive(response, sink, on_progress)
        if self._facts["size"] and self.size != self._facts["size"]:
            raise _Interrupted(
                f"the connection ended after {self.size} of {self._facts['size']} bytes"
            )

    def _open(self) -> http.client.HTTPResponse:
        headers = {"User-Agent": "sketch-rnn-tf", "Accept-Encoding": "identity"}
        if self.size and self._facts.get("etag"):
            headers |= {"Range": f"bytes={self.size}-", "If-Range": self._facts["etag"]}
        try:
            return urllib.request.urlopen(
                urllib.request.Request(self.url, headers=headers), timeout=TIMEOUT
            )
        except urllib.error.HTTPError as error:
            raise self._refused(error) from None
        except urllib.error.URLError as error:
            raise self._unreachable(error.reason) from None
        except (OSError, http.client.HTTPException) as error:
            raise _Interrupted(f"no answer ({error or type(error).__name__})") from None

    def _refused(self, error: urllib.error.HTTPError) -> Exception:
        if error.code == 416:  # what is there is no part of the file
            self.discard()
            return _Interrupted("the server has less than was downloaded before")
        if error.code >= 500 or error.code == 429:
            return _Interrupted(f"the server answered {error.code} {error.reason}")
        return UserError(f"{self.url}: the server answered {error.code} {error.reason}")

    def _unreachable(self, reason: Any) -> Exception:
        host = urllib.parse.urlsplit(self.url).netloc
        if isinstance(reason, socket.gaierror):
            return UserError(f"cannot find {host}: is this machine offline? ({reason.strerror})")
        return _Interrupted(f"cannot reach {host}: is this machine offline? ({reason})")

    def _accept(self, response: http.client.HTTPResponse) -> bool:
        """Looks at an answer's head; returns whether it continues what is there."""
        if response.headers.get_content_type() == "text/html":
            raise UserError(
                f"{self.url}: the answer is a web page, not the file; a login or proxy?"
            )
        length = int(response.headers.get("Content-Length") or 0)
        if response.status == 206:
            start = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if start and int(start.group(1)) == self.size:
                return True
            self.discard()
            raise _Interrupted("the server sent another part than was asked for")
        self._facts = {
            "url": self.url,
            "etag": response.headers.get("ETag"),
            "size": length,
            "hashes": _hashes(response.headers.get_all("x-goog-hash") or []),
        }
        self._require_room(length)
        files.write_json(self._facts_path, self._facts)
        return False

    def _require_room(self, length: int) -> None:
        free = shutil.disk_usage(self._path.parent).free
        if length > free:
            raise UserError(
                f"{self._path.parent}: {length >> 20} MB are needed, {free >> 20} MB are free"
            )

    def _receive(self, response: http.client.HTTPResponse, sink, on_progress) -> None:
        while True:
            try:
                block = response.read(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _Interrupted(
                    f"the connection broke ({error or type(error).__name__})"
                ) from None
            if not block:
                return
            sink.write(block)
            if on_progress is not None:
                on_progress(sink.tell(), self._facts["size"])

    def check(self, sha256: str | None) -> None:
        """Compares the whole part with every checksum that is known.

        Raises:
          UserError: one differs; the part is removed.
        """
        known = {**self._facts.get("hashes", {}), **({"sha256": sha256} if sha256 else {})}
        found = _digests(self._path, known)
        for name, value in known.items():
            if found[name] != value:
                self.discard()
                raise UserError(
                    f"{self.url}: what came is damaged ({name} is {found[name]}, not {value});"
                    " it was removed, try again"
                )

    def publish(self) -> None:
        """Gives the whole part its name."""
        os.replace(self._path, self._target)
        self._facts_path.unlink(missing_ok=True)

    def discard(self) -> None:
        """Removes what came so far."""
        self._path.unlink(missing_ok=True)
        self._facts_path.unlink(missing_ok=True)
        self._facts = {}


def _hashes(headers: list[str]) -> dict[str, str]:
    """Parses Google Cloud Storage's `x-goog-hash: crc32c=...,md5=...` (base64)."""
    pairs = (item.strip().partition("=") for header in headers for item in header.split(","))
    return {
        name: base64.b64decode(value).hex() for name, _, value in pairs if name in ("md5", "crc32c")
    }


def _digests(path: pathlib.Path, names: Any) -> dict[str, str]:
    makers = {
        "sha256": hashlib.sha256,
        "md5": lambda: hashlib.md5(usedforsecurity=False),
        "crc32c": google_crc32c.Checksum,
    }
    digests = {name: makers[name]() for name in names}
    with open(path, "rb") as stream:
        for block in iter(lambda: stream.read(_BLOCK), b""):
            for digest in digests.values():
                digest.update(block)
    return {name: digest.digest().hex() for name, digest in digests.items()}
