"""Fetches files into a cache through pooch: a file is either whole and checked or not there."""

from __future__ import annotations

import base64
import os
import pathlib
import time
import urllib.parse

from sketch_rnn_tf import files
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.progress import Progress

ATTEMPTS = 3
TIMEOUT = 30.0  # seconds without a byte
HEADERS = {"User-Agent": "sketch-rnn-tf", "Accept-Encoding": "identity"}


def default_cache() -> pathlib.Path:
    """Returns the folder where files are kept between runs."""
    if chosen := os.environ.get("SKETCH_RNN_CACHE"):
        return pathlib.Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base, "sketch_rnn_tf")


def fetch(url: str, path: files.PathLike, *, sha256: str | None = None) -> pathlib.Path:
    """Downloads a file unless it is there.

    Args:
      url: http or https.
      path: where to; its folder is made.
      sha256: the checksum, where it is known. Without it, the MD5 that Google's storage sends
        along (`x-goog-hash`) is checked.

    Returns:
      `path`.

    Raises:
      UserError: the server cannot be reached or has no such file, or the file is damaged.
    """
    import pooch
    import requests

    path = pathlib.Path(path)
    if path.exists():
        return path
    host = urllib.parse.urlsplit(url).netloc
    if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
        raise UserError(f"{url}: expected an http or https address")
    pooch.get_logger().setLevel("WARNING")
    for attempt in range(1, ATTEMPTS + 1):
        loader = pooch.HTTPDownloader(
            progressbar=Progress(path.name, 0), headers=HEADERS, timeout=TIMEOUT
        )
        try:
            known = f"sha256:{sha256}" if sha256 else _checksum(url)
            pooch.retrieve(url, known, path.name, path.parent, downloader=loader)
            break
        except requests.HTTPError as error:
            answer = error.response
            if answer.status_code < 500 or attempt == ATTEMPTS:
                raise UserError(
                    f"{url}: the server answered {answer.status_code} {answer.reason}"
                ) from None
        except requests.RequestException as error:
            if attempt == ATTEMPTS:
                raise UserError(
                    f"cannot fetch {path.name} from {host}: is this machine offline?"
                    f" ({type(error).__name__})"
                ) from None
        except ValueError as error:  # pooch's, for a checksum that differs
            raise UserError(f"{url}: what came is damaged ({error}); try again") from None
        time.sleep(attempt)
    if not known:  # a login page or a proxy may have sent something else
        with open(path, "rb") as stream:
            head = stream.read(256).lstrip().lower()
        if head.startswith((b"<!doctype html", b"<html")):
            path.unlink()
            raise UserError(f"{url}: the answer is a web page, not the file; a login or proxy?")
    return path


def _checksum(url: str) -> str | None:
    """Returns what Google's storage says of a file's content, in pooch's words; else None."""
    import requests

    answer = requests.head(url, headers=HEADERS, timeout=TIMEOUT, allow_redirects=True)
    for item in answer.headers.get("x-goog-hash", "").split(","):
        name, _, value = item.strip().partition("=")
        if name == "md5":
            return f"md5:{base64.b64decode(value).hex()}"
    return None
