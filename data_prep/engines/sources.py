"""From the inputs of a command to the readers' units and to the `sources` of `dataset.json`."""

from __future__ import annotations

import hashlib
import itertools
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep import readers
from data_prep.conversion import simplify
from data_prep.engines import local
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
      inputs: files, folders, `package:kanjivg`; with Beam also remote ones.
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


def sample(all_units: Sequence, workers: int) -> list[Polylines]:
    """Returns the polylines of about `SAMPLE` absolute drawings, all of them where they are fewer.

    Args:
      all_units: the units of the whole input; of larger inputs each gives the same number.
      workers: processes that read.
    """
    each = -(-SAMPLE // len(all_units))
    step = max(1, len(all_units) // SAMPLE)
    tasks = [(unit, each) for unit in all_units[::step]]
    return list(itertools.chain.from_iterable(local.ordered_map(_polylines, tasks, workers)))


def _polylines(task: tuple[Any, int]) -> list[Polylines]:
    """Returns the polylines of the first absolute drawings of a unit."""
    unit, count = task
    absolute = (
        drawing.polylines
        for drawing in unit.read()
        if drawing.polylines is not None and drawing.polylines.ends and not drawing.simplified
    )
    return list(itertools.islice(absolute, count))


def canvas(all_units: Sequence[Any], simplification: simplify.Simplification) -> float | None:
    """Returns the longer side of what drawings stand on, in units of the data set.

    It is the median over a sample; None where files have no canvas (all but SVG) or are remote.
    """
    found = []
    for unit in all_units[:: max(1, len(all_units) // 16)]:
        if is_remote(unit.path):
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


def describe(path: str, workers: int) -> dict[str, Any]:
    """Returns an input's entry in `sources`.

    Args:
      path: the input.
      workers: processes that may compute checksums.

    Returns:
      {"path", "sha256", "files"}; the checksum of several files is one of their names and
      checksums, that of remote files one of what their file system says without reading them.
    """
    if is_remote(path):
        from data_prep.engines import beam as beam_engine

        return {"path": path, **_digest(beam_engine.remote_checksums(path))}
    paths = readers.source_files(path)
    if paths == [path]:
        return {"path": path, "sha256": files.sha256_of_file(path), "files": 1}
    root = os.path.commonpath(paths) if len(paths) > 1 else os.path.dirname(paths[0])
    chunks = [paths[i : i + 1000] for i in range(0, len(paths), 1000)]
    sums = itertools.chain.from_iterable(local.ordered_map(_checksums, chunks, workers))
    names = [os.path.relpath(name, root) for name in paths]
    return {"path": path, **_digest(list(zip(names, sums, strict=True)))}


def _digest(checksums: list[tuple[str, str]]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for name, checksum in checksums:
        digest.update(f"{name}\0{checksum}\n".encode("utf-8", "surrogateescape"))
    return {"sha256": digest.hexdigest(), "files": len(checksums)}


def _checksums(paths: Sequence[str]) -> list[str]:
    return [files.sha256_of_file(path) for path in paths]
