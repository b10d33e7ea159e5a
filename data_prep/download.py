"""Fetches public data sets of vector drawings into a cache and prints where they are.

A file that is in the cache is not fetched again; an interrupted download is continued.

  sketch-rnn-download --dataset aaron_sheep
  sketch-rnn-download --dataset quickdraw:cat,dog
  sketch-rnn-download --dataset quickdraw:all --variant raw

Data sets: aaron_sheep (7,400/300/300 sheep; Aaron Koblin, CC BY-NC 4.0), omniglot (30,000/1,000/
1,000 symbols; Brenden Lake, MIT), kanji (10,000/600/500 kanji; Ulrich Apel, KanjiVG, CC BY-SA
3.0), quickdraw:CLASS,... or quickdraw:all (345 classes; Google, CC BY 4.0).
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import os
import pathlib
import sys
import urllib.parse

from absl import flags as absl_flags

from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-download"

_SKETCHRNN = "https://raw.githubusercontent.com/hardmaru/sketch-rnn-datasets/master"
_QUICKDRAW = "https://storage.googleapis.com/quickdraw_dataset"
_CATEGORIES = (
    "https://raw.githubusercontent.com/googlecreativelab/quickdraw-dataset/master/categories.txt"
)

# Name: (address, SHA-256).
SINGLE = {
    "aaron_sheep": (
        f"{_SKETCHRNN}/aaron_sheep/aaron_sheep.npz",
        "65f8e51e43587661798ac137a204c9e049e0d11dcd50cba372ae3ca32de8b54c",
    ),
    "omniglot": (
        f"{_SKETCHRNN}/omniglot/omniglot.npz",
        "bd5277621a8c577919491dfa729a59a8b5c216cff9e4fda9cef532db29f120c7",
    ),
    "kanji": (
        f"{_SKETCHRNN}/kanji/short_kanji.npz",
        "f6855ba03d58f44830499dd98e7cb99f46c970651f4f16f2d886398f34709914",
    ),
}

# Variant of Quick, Draw!: (folder, suffix).
VARIANTS = {
    "npz": ("sketchrnn", ".npz"),
    "full_npz": ("sketchrnn", ".full.npz"),
    "simplified": ("full/simplified", ".ndjson"),
    "raw": ("full/raw", ".ndjson"),
    "binary": ("full/binary", ".bin"),
}


@dataclasses.dataclass(frozen=True)
class Item:
    """A file to fetch: its address, its path in the cache, its checksum where it is known."""

    url: str
    path: str
    sha256: str | None = None


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    absl_flags.DEFINE_multi_string(
        "dataset",
        [],
        "aaron_sheep, omniglot, kanji, quickdraw:CLASS,CLASS or quickdraw:all; may be repeated",
        flag_values=flags,
    )
    absl_flags.DEFINE_enum(
        "variant",
        "npz",
        list(VARIANTS),
        "of Quick, Draw!: npz is 70,000/2,500/2,500 drawings a class as Magenta trained on,"
        " full_npz all of them, simplified and raw are ndjson, binary is .bin",
        flag_values=flags,
    )
    absl_flags.DEFINE_string(
        "cache_dir",
        None,
        "where files are kept; default: $SKETCH_RNN_CACHE or ~/.cache/sketch_rnn_tf",
        flag_values=flags,
    )
    absl_flags.DEFINE_string(
        "mirror", None, "fetch from this address instead of the original hosts", flag_values=flags
    )
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "dataset")
    cache = pathlib.Path(flags.cache_dir) if flags.cache_dir else default_cache()
    paths = [
        str(path)
        for dataset in flags.dataset
        for path in download(dataset, cache, variant=flags.variant, mirror=flags.mirror)
    ]
    if flags.json:
        cli.print_json({"files": paths})
    else:
        print("\n".join(paths))


def default_cache() -> pathlib.Path:
    """Returns the folder where files are kept between runs."""
    if chosen := os.environ.get("SKETCH_RNN_CACHE"):
        return pathlib.Path(chosen)
    base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    return pathlib.Path(base, "sketch_rnn_tf")


def download(
    dataset: str, cache: pathlib.Path, *, variant: str = "npz", mirror: str | None = None
) -> list[pathlib.Path]:
    """Fetches a data set's files that are not in the cache.

    Args:
      dataset: see the command's help.
      cache: folder of the files.
      variant: which files of Quick, Draw!, a key of `VARIANTS`.
      mirror: an address that takes the place of the original hosts.

    Returns:
      The files' paths.

    Raises:
      UserError: unknown data set or class, no network, a damaged file.
    """
    return [_fetch(item, cache, mirror) for item in _items(dataset, cache, variant, mirror)]


def _items(dataset: str, cache: pathlib.Path, variant: str, mirror: str | None) -> list[Item]:
    name, _, classes = dataset.partition(":")
    if name in SINGLE and not classes:
        url, sha256 = SINGLE[name]
        return [Item(url, url.rpartition("/")[2], sha256)]
    if name != "quickdraw":
        near = difflib.get_close_matches(name, [*SINGLE, "quickdraw"], n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise UsageError(f"unknown data set {dataset!r}{hint}")
    wanted = [word.strip() for word in classes.split(",") if word.strip()]
    if not wanted:
        raise UsageError("quickdraw needs classes: quickdraw:cat,dog or quickdraw:all")
    return [_quickdraw(word, variant) for word in _checked(wanted, cache, mirror)]


def _checked(wanted: list[str], cache: pathlib.Path, mirror: str | None) -> list[str]:
    """Returns the classes that are meant, after a look at the list of all."""
    known = _fetch(Item(_CATEGORIES, "quickdraw/categories.txt"), cache, mirror)
    classes = known.read_text(encoding="utf-8").split("\n")
    classes = [line.strip() for line in classes if line.strip()]
    if wanted == ["all"]:
        return classes
    for word in wanted:
        if word not in classes:
            near = difflib.get_close_matches(word, classes, n=2)
            hint = f"; did you mean {' or '.join(near)}?" if near else ""
            raise UserError(f"Quick, Draw! has no class {word!r}{hint}")
    return wanted


def _quickdraw(word: str, variant: str) -> Item:
    folder, suffix = VARIANTS[variant]
    url = f"{_QUICKDRAW}/{folder}/{urllib.parse.quote(word)}{suffix}"
    return Item(url, f"quickdraw/{variant}/{word}{suffix}")


def _fetch(item: Item, cache: pathlib.Path, mirror: str | None) -> pathlib.Path:
    from data_prep import fetch, progress

    url = item.url
    if mirror:
        url = mirror.rstrip("/") + urllib.parse.urlsplit(url).path
    shown = _Shown(progress.Progress, item.path)
    try:
        return fetch.fetch(url, cache / item.path, sha256=item.sha256, on_progress=shown)
    finally:
        shown.close()


class _Shown:
    """Turns (bytes so far, bytes in all) into a progress line."""

    def __init__(self, make: type, what: str):
        self._make = functools.partial(make, what)
        self._line = None
        self._before = 0

    def __call__(self, so_far: int, size: int) -> None:
        if self._line is None:
            self._line, self._before = self._make(size - so_far if size else 0), so_far
        self._line.add(so_far - self._before, f"{so_far >> 20} of {size >> 20} MB")
        self._before = so_far

    def close(self) -> None:
        """Ends the line."""
        if self._line is not None:
            self._line.close()


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
