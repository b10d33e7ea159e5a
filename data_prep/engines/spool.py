"""Converted drawings on their way from the processes that read to those that write.

One file holds one batch: a line of JSON, the rows, the keys, the points. Rows are sorted, so a
shard (a range of `order`) is one piece of each file and is read without reading the rest.
"""

from __future__ import annotations

import json
import os
import pathlib
from collections.abc import Sequence

import numpy as np

from data_prep.conversion import convert
from sketch_rnn_tf import files


def write(path: files.PathLike, batch: convert.Batch) -> None:
    """Writes a batch atomically."""
    header = {
        "labels": batch.labels,
        "tally": batch.tally.to_json(),
        "rows": len(batch.rows),
        "keys": sum(map(len, batch.keys)),
    }
    with named_errors(path), files.atomic_open(path) as stream:
        stream.write(json.dumps(header).encode() + b"\n")
        stream.write(batch.rows.tobytes())
        stream.write(b"".join(batch.keys))
        stream.writelines(strokes.tobytes() for strokes in batch.strokes)


class SpoolFile:
    """A batch in its file.

    Attributes:
      rows: convert.ROW [R], in memory.
      labels: class names; a row's label is an index into them.
      tally: what happened to the drawings that were read for it.
    """

    def __init__(self, path: files.PathLike):
        self.path = pathlib.Path(path)
        with open(path, "rb") as stream:
            header = json.loads(stream.readline())
            self.rows = np.fromfile(stream, convert.ROW, header["rows"])
            self._keys_at = stream.tell()
        self._strokes_at = self._keys_at + header["keys"]
        self.labels: list[str] = header["labels"]
        self.tally = convert.Tally.from_json(header["tally"])

    def labels_among(self, names: Sequence[str]) -> np.ndarray:
        """Returns the labels of the rows as indices into the sorted names of all files."""
        numbers = {name: i for i, name in enumerate(names)}
        own = np.array([numbers[label] for label in self.labels], np.int64)
        return own[self.rows["label"]] if len(self.rows) else np.zeros(0, np.int64)

    def mark_dropped(self, marks: np.ndarray) -> None:
        """Keeps beside the file which rows, bool [R], are dropped as duplicates."""
        with named_errors(self.path), files.atomic_open(f"{self.path}.dropped.npy") as stream:
            np.save(stream, marks)

    def dropped(self) -> np.ndarray:
        """Returns what `mark_dropped` kept."""
        return np.load(f"{self.path}.dropped.npy")

    def take(self, chosen: np.ndarray) -> tuple[list[bytes], list[np.ndarray]]:
        """Returns keys and points, float32 [N, 3], of the rows with these sorted indices."""
        if not len(chosen):
            return [], []
        span = slice(int(chosen[0]), int(chosen[-1]) + 1)
        keys, key_bounds = self._column(self.rows["key_bytes"], span, self._keys_at, 1)
        content, bounds = self._column(self.rows["points"], span, self._strokes_at, 12)
        points = np.frombuffer(content, "<f4").reshape(-1, 3)
        places = (chosen - span.start).tolist()
        return (
            [keys[key_bounds[i] : key_bounds[i + 1]] for i in places],
            [points[bounds[i] : bounds[i + 1]] for i in places],
        )

    def _column(
        self, sizes: np.ndarray, span: slice, start: int, width: int
    ) -> tuple[bytes, list[int]]:
        """Returns what a span of rows has in a column, and where each row's part begins."""
        before = int(sizes[: span.start].sum(dtype=np.int64)) * width
        bounds = [0, *np.cumsum(sizes[span], dtype=np.int64).tolist()]
        with open(self.path, "rb") as stream:
            stream.seek(start + before)
            return stream.read(bounds[-1] * width), bounds


class named_errors:  # noqa: N801 (reads as a statement)
    """Gives an OSError that knows no file (a full disk) the name of the file being written."""

    def __init__(self, path: files.PathLike):
        self._path = os.fspath(path)

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError) and not error.filename and error.errno:
            raise OSError(error.errno, error.strerror, self._path) from None
