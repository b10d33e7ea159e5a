"""From the inputs of a command to the readers' units and to the `sources` of `dataset.json`."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep import download, readers
from data_prep.conversion import simplify
from data_prep.engines.processes import ordered_map
from data_prep.readers.source import Polylines
from sketch_rnn_tf import files
from sketch_rnn_tf.errors import UserError

SAMPLE = 20_000  # drawings that a search for an epsilon looks at


def is_remote(path: str) -> bool:
    """Whether only Beam's file systems can reach a path, such as `gs://bucket/cat.ndjson`."""
    return "://" in path


def units(inputs: Sequence[str], reading: dict[str, Any], beam: bool) -> list:
    """Returns the units of all inputs in order.

    Args:
      inputs: files, folders, patterns, packages; with Beam also remote ones.
      reading: keyword arguments of `readers.units`.
      beam: whether Beam runs the conversion.

    Raises:
      ReadError: there is no such input.
      UserError: a remote input without Beam.
    """
    found: list = []
    for path in inputs:
        if not is_remote(path):
            found += readers.units(path, **reading)
            continue
        if not beam:
            raise UserError(f"{path}: reading from there needs --engine beam")
        from data_prep.engines import beam as beam_engine

        found += beam_engine.remote_units(path, reading)
    return found


# What an option needs: the formats that it means something for, and why others do not do.
_NEEDS = {
    "recognized_only": (
        {"ndjson", "quickdraw_bin", "csv"},
        "only Quick, Draw!'s ndjson, bin and CSV files say what was recognized",
    ),
    "curve_tolerance": ({"svg", "iconify"}, "only SVG and icon sets have curves"),
    "paper": ({"svg", "iconify"}, "only SVG pictures have paper"),
    "keep_all": ({"svg", "iconify"}, "only SVG pictures have shapes to keep"),
    "class_from": ({"iconify"}, "only icon sets have names to take a class from"),
}


def refuse_idle_options(all_units: Sequence, reading: dict[str, Any]) -> None:
    """Refuses options of the readers that have no effect on any file of the input.

    Raises:
      UserError: names the option and the reason.
    """
    given = [name for name in _NEEDS if reading.get(name) not in (None, False, "auto")]
    if not given or any(is_remote(unit.path) for unit in all_units):
        return
    formats = set()
    for source in itertools.chain.from_iterable(unit.sources for unit in all_units):
        if reading.get("format"):
            formats.add(reading["format"])
        elif formats.issuperset({"svg", "ndjson", "iconify"}):
            break
        else:
            with contextlib.suppress(readers.ReadError, OSError):
                formats.add(readers.detect_format(source.path))
    for name in given:
        wanted, why = _NEEDS[name]
        if formats and not formats & wanted:
            raise UserError(f"--{name} would have no effect on this input: {why}")


def sample(all_units: Sequence, workers: int) -> tuple[list[Polylines], list[Polylines]]:
    """Returns about `SAMPLE` drawings, all of them where they are fewer.

    Args:
      all_units: the units of the whole input; of larger inputs each gives the same number.
      workers: processes that read.

    Returns:
      The drawings in absolute coordinates, and those that are published or simplified already.
    """
    each = -(-SAMPLE // len(all_units))
    step = max(1, len(all_units) // SAMPLE)
    tasks = [(unit, each) for unit in all_units[::step]]
    absolute: list[Polylines] = []
    published: list[Polylines] = []
    for unit_absolute, unit_published in ordered_map(_polylines, tasks, workers):
        absolute += unit_absolute
        published += unit_published
    return absolute, published


def _polylines(task: tuple[Any, int]) -> tuple[list[Polylines], list[Polylines]]:
    """Returns the first drawings of a unit that are not empty, as `sample` does."""
    unit, count = task
    absolute: list[Polylines] = []
    published: list[Polylines] = []
    for drawing in unit.read():
        if len(absolute) + len(published) == count:
            break
        as_published = drawing.offsets is not None or drawing.simplified
        polylines = drawing.polylines or Polylines.of(drawing.to_polylines())
        if polylines.ends:
            (published if as_published else absolute).append(polylines)
    return absolute, published


def canvas(all_units: Sequence[Any], simplification: simplify.Simplification) -> float | None:
    """Returns the longer side of what drawings stand on, in units of the data set.

    It is the median over a sample; None where files have no canvas (all but SVG) or are remote.
    """
    found = []
    for unit in all_units[:: max(1, len(all_units) // 16)]:
        if is_remote(unit.path) or not unit.path.lower().endswith((".svg", ".svgz", ".json")):
            return None
        for drawing in itertools.islice(unit.read(), 32):
            if drawing.canvas is None:
                return None
            if not drawing.polylines.ends:
                continue
            extent = float(np.ptp(drawing.polylines.points, axis=0).max())
            stretched = simplification.method == "quickdraw" and extent > 0
            found.append(drawing.canvas * (simplification.size / extent if stretched else 1.0))
    return float(f"{np.median(found):.6g}") if found else None


def describe(path: str, workers: int, format: str | None = None) -> dict[str, Any]:
    """Returns an input's entry in `sources`.

    Args:
      path: the input.
      workers: processes that may compute checksums.
      format: of a folder's files, those that count.

    Returns:
      {"path", "sha256", "files"}, and where they are known "license", "version" and "ignored",
      the files beside the drawings by suffix. The checksum of several files is one of their names
      and checksums, that of remote files one of what their file system says without reading them.
    """
    if is_remote(path):
        from data_prep.engines import beam as beam_engine

        return {"path": path, **_digest(beam_engine.remote_checksums(path))}
    listing = readers.listing(path, format)
    paths = [source.path for source in listing.sources]
    facts = {name: getattr(listing, name) for name in ("license", "version", "ignored")}
    if paths == [path]:
        checksum = files.sha256_of_file(path)
        facts["license"] = facts["license"] or download.license_of(path, checksum)
        digest = {"sha256": checksum, "files": 1}
    else:
        root = os.path.commonpath(paths) if len(paths) > 1 else os.path.dirname(paths[0])
        chunks = [paths[i : i + 1000] for i in range(0, len(paths), 1000)]
        sums = itertools.chain.from_iterable(ordered_map(_checksums, chunks, workers))
        names = [os.path.relpath(name, root) for name in paths]
        digest = _digest(list(zip(names, sums, strict=True)))
    return {"path": path, **digest, **{name: value for name, value in facts.items() if value}}


def _digest(checksums: list[tuple[str, str]]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for name, checksum in checksums:
        digest.update(f"{name}\0{checksum}\n".encode("utf-8", "surrogateescape"))
    return {"sha256": digest.hexdigest(), "files": len(checksums)}


def _checksums(paths: Sequence[str]) -> list[str]:
    return [files.sha256_of_file(path) for path in paths]
