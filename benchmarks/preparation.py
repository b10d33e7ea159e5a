"""Drawings per second and core of `sketch-rnn-prepare`, against the floor of the same drawings.

  python benchmarks/preparation.py --data ../shared/data [--drawings 20000] [--rounds 5] [--json]

The floor parses the same input (orjson; NumPy's unpickler for npz), serializes the same records and
writes them, with nothing in between: no simplification, no check, no split, no shuffling, no
checksum. It is measured with `tf.train.Example` and TFRecordWriter, as one would write it by hand,
and with this package's own serialization. Floors and conversions take turns in one process; the
medians of the rounds, in CPU time of the process, are compared, so that a busy machine spoils both
alike.

Inputs: the raw and simplified Quick, Draw! drawings of --data, repeated under new keys, and
aaron_sheep.npz. NumPy's own unpickler runs what a file says: give it no --data that you do
not trust.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import orjson

from data_prep import readers
from data_prep.conversion import convert, simplify, simplify_numpy
from data_prep.engines import local
from data_prep.engines.job import Job
from sketch_rnn_tf.data import dataset, tfrecord


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        inputs = {
            "raw ndjson": _repeated(arguments.data / "quickdraw_raw", folder, arguments.drawings),
            "simplified ndjson": _repeated(
                arguments.data / "quickdraw_simplified", folder, arguments.drawings
            ),
            "npz": _copied(arguments.data / "sketchrnn" / "aaron_sheep.npz", folder),
        }
        results = {name: _measure(path, folder, arguments) for name, path in inputs.items()}
    print(json.dumps(results, indent=1) if arguments.json else _table(results))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--data", type=pathlib.Path, required=True)
    parser.add_argument("--drawings", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def _repeated(source: pathlib.Path, folder: pathlib.Path, count: int) -> pathlib.Path:
    """Writes the drawings of a folder again and again, each time under another key."""
    drawings = [
        orjson.loads(line)
        for path in sorted(source.glob("*.ndjson"))
        for line in path.read_bytes().splitlines()
        if line
    ]
    target = folder / f"{source.name}.ndjson"
    with open(target, "wb") as sink:
        for i in range(count):
            drawing = drawings[i % len(drawings)]
            sink.write(orjson.dumps({**drawing, "key_id": str(i)}) + b"\n")
    return target


def _copied(source: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """Writes the same file anew: the floor's unpickler must only see what was written here."""
    splits: dict[str, list[np.ndarray]] = {split: [] for split in dataset.SPLITS}
    for sketch in readers.read(source):
        splits[sketch.split].append(sketch.offsets.astype(np.int16))
    arrays = {}
    for split, sketches in splits.items():
        arrays[split] = np.empty(len(sketches), object)
        arrays[split][:] = sketches
    target = folder / source.name
    np.savez_compressed(target, **arrays)
    return target


def _measure(path: pathlib.Path, folder: pathlib.Path, arguments) -> dict[str, float]:
    """Returns microseconds per drawing of each way, and the number of drawings."""
    options = convert.Options()
    kept = [
        tfrecord.Record(strokes, 0, key)
        for unit in readers.units(path)
        for batch in convert.batches(0, unit, options)
        for key, strokes in zip(batch.keys, batch.strokes, strict=True)
    ]
    ways: dict[str, Callable[[], None]] = {
        "floor": lambda: _floor(path, kept, folder, _with_tensorflow),
        "floor_own": lambda: _floor(path, kept, folder, _with_own),
        "prepare": lambda: _prepare(path, folder),
    }
    if path.name.startswith("quickdraw_raw"):
        ways["prepare_numpy"] = lambda: _with_numpy(lambda: _prepare(path, folder))
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(arguments.rounds):
        for name, way in ways.items():
            start = time.process_time()
            way()
            times[name].append(time.process_time() - start)
    medians = {name: statistics.median(taken) / len(kept) * 1e6 for name, taken in times.items()}
    return {"drawings": len(kept), **medians}


def _floor(path: pathlib.Path, kept: list, folder: pathlib.Path, write: Callable) -> None:
    write(
        folder / "floor.tfrecord", (record for _, record in zip(_parsed(path), kept, strict=False))
    )


def _parsed(path: pathlib.Path) -> Iterator:
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=True, encoding="latin1") as content:
            for split in dataset.SPLITS:
                yield from content[split]
        return
    with open(path, "rb") as lines:
        for line in lines:
            yield orjson.loads(line)


def _with_tensorflow(path: pathlib.Path, kept: Iterator[tfrecord.Record]) -> None:
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in kept:
            features = tf.train.Features()
            feature = features.feature
            feature["offsets"].float_list.value.extend(record.strokes[:, :2].ravel().tolist())
            feature["pen_lifted"].int64_list.value.extend(
                record.strokes[:, 2].astype(np.int64).tolist()
            )
            feature["length"].int64_list.value.append(len(record.strokes))
            feature["label"].int64_list.value.append(record.label)
            feature["key"].bytes_list.value.append(record.key)
            writer.write(tf.train.Example(features=features).SerializeToString())


def _with_own(path: pathlib.Path, kept: Iterator[tfrecord.Record]) -> None:
    with open(path, "wb") as sink:
        for record in kept:
            sink.write(tfrecord.frame(tfrecord.serialize(record)))


def _prepare(path: pathlib.Path, folder: pathlib.Path) -> None:
    """Converts an input in this process: everything the command does but the sources' checksum."""
    workspace = folder / "workspace"
    workspace.mkdir()
    job = Job(list(readers.units(path)), convert.Options())
    local.run(job, workspace, workers=1)
    shutil.rmtree(workspace)


def _with_numpy(work: Callable[[], None]) -> None:
    """Does work as where numba is not installed."""
    original = simplify._kernels
    simplify._kernels = lambda: simplify_numpy
    try:
        work()
    finally:
        simplify._kernels = original


def _table(results: dict[str, dict[str, float]]) -> str:
    lines = [
        "| input | drawings | floor (us) | floor, own (us) | prepare (us) | per second and core |"
        " times the floor | times the own floor |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, measured in results.items():
        for way in ("prepare", "prepare_numpy"):
            if way in measured:
                lines.append(_row(name, way, measured))
    return "\n".join(lines)


def _row(name: str, way: str, measured: dict[str, float]) -> str:
    took, floor, own = measured[way], measured["floor"], measured["floor_own"]
    label = f"{name}, no numba" if way == "prepare_numpy" else name
    return (
        f"| {label} | {measured['drawings']} | {floor:.1f} | {own:.1f} | {took:.1f} |"
        f" {1e6 / took:,.0f} | {took / floor:.2f} | {took / own:.2f} |"
    )


if __name__ == "__main__":
    main()
