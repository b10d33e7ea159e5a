"""Drawings in published packages: `package:kanjivg` of PyPI, `npm:NAME` through the npm client."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
from typing import NamedTuple

from absl import logging

from data_prep import fetch
from data_prep.readers import detect
from data_prep.readers.source import ReadError, Source
from sketch_rnn_tf import requirement

KANJIVG = "package:kanjivg"
KANJIVG_CLASS = "kanji"
KANJIVG_LICENSE = "CC-BY-SA-3.0"
FIRST, LAST = 0x4E00, 0x9FFF  # Unicode's block CJK Unified Ideographs

MAX_PACKAGE_BYTES = 1 << 30  # unpacked; the largest known package of drawings takes 60 MB
_NPM = re.compile(r"npm:(?P<name>(?:@[a-z0-9][\w.-]*/)?[a-z0-9][\w.-]*)(?:@(?P<version>[\w.+-]+))?")


class Package(NamedTuple):
    """An unpacked npm package: the class name of its drawings, and what package.json says."""

    folder: pathlib.Path
    name: str
    version: str
    license: str | None


def kanjivg() -> tuple[list[Source], str]:
    """Returns KanjiVG's CJK glyphs in the order of their code points, and their license.

    The package also holds kana, letters and punctuation, which are left out. A variant of a
    character, such as `04e14-Kaisho.svg`, is in the group of its code point.

    Raises:
      ReadError: the package is not installed.
    """
    try:
        package = importlib.metadata.distribution("kanjivg")
    except importlib.metadata.PackageNotFoundError:
        raise ReadError(str(requirement.missing("kanjivg", KANJIVG))) from None
    folder = pathlib.Path(str(package.locate_file("kanji")))
    paths = {path.name: str(path) for path in folder.glob("[0-9a-f]*.svg")}
    if not paths:
        raise ReadError(f"{KANJIVG}: {folder} holds no drawings; install the package again")
    found = []
    for name, path in sorted(paths.items()):
        stem = name.removesuffix(".svg")
        point = stem.partition("-")[0]
        if FIRST <= int(point, 16) <= LAST:
            found.append(Source(path, name, folder=KANJIVG_CLASS, key=stem, group=point))
    return found, KANJIVG_LICENSE


def npm(spec: str) -> Package:
    """Returns the unpacked files of an npm package, fetched once by the npm client.

    Nothing of the package is run: its archive is packed, checked by npm against the registry's
    checksum, and only files of drawings and package.json are unpacked into the cache.

    Args:
      spec: `npm:NAME` or `npm:NAME@VERSION`. Without a version the one in the cache is taken,
        the latest where there is none.

    Raises:
      ReadError: npm is missing, has no such package or cannot reach it.
    """
    match = _NPM.fullmatch(spec)
    if not match:
        raise ReadError(f"{spec}: expected npm:NAME or npm:NAME@VERSION, as @iconify-json/lucide")
    name, version = match["name"], match["version"]
    cache = fetch.default_cache() / "npm"
    stem = name.replace("/", "+")
    kept = sorted(cache.glob(f"{stem}@{version or '*'}"), key=os.path.getmtime)
    folder = kept[-1] if kept else _packed(spec, cache, stem)
    found = folder.name.removeprefix(f"{stem}@")
    return Package(folder, name.rpartition("/")[2], found, license_of(folder))


def _packed(spec: str, cache: pathlib.Path, stem: str) -> pathlib.Path:
    """Fetches a package with `npm pack` and unpacks its drawings into the cache."""
    client = shutil.which("npm")
    if client is None:
        raise ReadError(f"{spec}: this needs the npm client (Node.js), which is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as temporary:
        command = [client, "pack", "--json", "--ignore-scripts", "--pack-destination", temporary]
        done = subprocess.run(
            [*command, spec.removeprefix("npm:")],
            cwd=temporary,
            capture_output=True,
            text=True,
            check=False,
        )
        archives = list(pathlib.Path(temporary).glob("*.tgz"))
        if done.returncode or len(archives) != 1:
            raise ReadError(_refused(spec, done.stdout + done.stderr))
        unpacked = pathlib.Path(temporary, "unpacked")
        _unpack(spec, archives[0], unpacked)
        version = json.loads((unpacked / "package.json").read_text("utf-8")).get("version")
        folder = cache / f"{stem}@{version}"
        logging.info("%s: fetched version %s into %s", spec, version, folder)
        if not folder.exists():
            os.replace(unpacked, folder)
    return folder


def _refused(spec: str, output: str) -> str:
    """Returns in one sentence why npm did not fetch a package."""
    if "E404" in output or "ETARGET" in output:
        return f"{spec}: npm has no such package or version"
    if any(word in output for word in ("ENOTFOUND", "ECONNREFUSED", "EAI_AGAIN", "ETIMEDOUT")):
        return f"{spec}: npm cannot reach its registry: is this machine offline?"
    last = [line for line in output.splitlines() if line.startswith("npm error")][:1]
    return f"{spec}: npm could not fetch it ({last[0] if last else output.strip()[-200:]})"


def _unpack(spec: str, archive: pathlib.Path, target: pathlib.Path) -> None:
    """Unpacks the regular files that may hold drawings, and package.json; no links, no scripts."""
    suffixes = tuple(suffix for names in detect.SUFFIXES.values() for suffix in names)
    size = 0
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            root, *inside = pathlib.PurePosixPath(member.name).parts  # below `package/`
            if not member.isfile() or not inside or root == "/" or ".." in inside:
                continue
            if not inside[-1].lower().endswith(suffixes):
                continue
            size += member.size
            if size > MAX_PACKAGE_BYTES:
                raise ReadError(f"{spec}: unpacks to more than {MAX_PACKAGE_BYTES >> 20} MB")
            path = target.joinpath(*inside)
            path.parent.mkdir(parents=True, exist_ok=True)
            with members.extractfile(member) as stream, open(path, "wb") as sink:
                shutil.copyfileobj(stream, sink)
    if not (target / "package.json").is_file():
        raise ReadError(f"{spec}: is no npm package: it has no package.json")


def license_of(folder: pathlib.Path) -> str | None:
    """Returns the license that a folder's package.json names."""
    path = folder / "package.json"
    try:
        content = json.loads(path.read_text("utf-8")) if path.stat().st_size < 1 << 20 else None
    except (OSError, ValueError, RecursionError):
        return None
    found = content.get("license") if isinstance(content, dict) else None
    found = found.get("type") if isinstance(found, dict) else found
    return found[:200] if isinstance(found, str) and found.isprintable() else None
