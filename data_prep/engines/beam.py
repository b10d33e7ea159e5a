"""The conversion as an Apache Beam pipeline (extra `[beam]`): for more drawings than one machine.

Input and output may lie on any file system that Beam knows (`gs://...`, `s3://...`, `hdfs://...`).
Bad input is not an exception in a worker, which a runner would try again and then report in its own
words: it travels through the pipeline as a sentence and ends the run here.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import pathlib
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from data_prep import readers
from data_prep.conversion import convert, splits
from data_prep.engines import plan, shards
from data_prep.engines.job import Job, Result
from data_prep.readers.source import RawSketch
from sketch_rnn_tf import requirement
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError

try:
    import apache_beam as beam
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions
except ImportError as error:
    raise requirement.missing("apache_beam", "--engine beam", error) from None

RESULT = "result.json"

# A drawing between two steps: (row of convert.ROW as bytes, class, key, points as bytes).
Sketch = tuple[bytes, str, bytes, bytes]


def run(job: Job, workspace: str | os.PathLike, runner_flags: Sequence[str]) -> Result:
    """Runs a job on a Beam runner and waits for it.

    Args:
      job: what to do.
      workspace: folder for the finished shards; all workers must be able to write there.
      runner_flags: Beam's flags, such as `--runner=FlinkRunner`.

    Raises:
      UserError: what the local engine would raise, in the same words.
    """
    target = os.fspath(workspace)
    with beam.Pipeline(options=PipelineOptions(list(runner_flags))) as pipeline:
        _build(pipeline, job, target)
    with FileSystems.open(FileSystems.join(target, RESULT)) as stream:
        content = json.loads(stream.read())
    if content["error"]:
        raise UserError(content["error"])
    written = sorted(
        map(shards.Shard.from_json, content["shards"]),
        key=lambda shard: (dataset.SPLITS.index(shard.split), shard.file),
    )
    tally = convert.Tally.from_json(content["tally"])
    return Result(
        classes=content["classes"],
        shards=written,
        tally=tally,
        near=content["near"],
        leaking=content["leaking"],
        by_hash=content["plan"]["by_hash"],
    )


def _build(pipeline: beam.Pipeline, job: Job, target: str) -> None:
    """Lays out the pipeline from units to shards and `RESULT`."""
    converted = (
        pipeline
        | "Units" >> beam.Create(list(enumerate(job.units)))
        | "Spread" >> beam.Reshuffle()
        | "Convert" >> beam.ParDo(_Convert(job.options)).with_outputs("tally", main="sketches")
    )
    tallies = converted.tally | "Tallies" >> beam.combiners.ToList()
    splitter = _splitter(converted.sketches, job)
    coded = converted.sketches | "Split" >> beam.Map(_with_split, beam.pvalue.AsSingleton(splitter))
    near = _count_near(coded)
    kept, dropped = _without_duplicates(coded) if job.drop_duplicates else (coded, None)
    facts = kept | "Facts" >> beam.CombineGlobally(_Facts())
    dropped = (
        dropped | "Count dropped" >> beam.combiners.Count.PerElement() | beam.combiners.ToList()
        if dropped is not None
        else pipeline | "None dropped" >> beam.Create([[]])
    )
    start = pipeline | "Start" >> beam.Create([None])
    decided = start | "Plan" >> beam.Map(
        _decide,
        job,
        *(beam.pvalue.AsSingleton(part) for part in (splitter, facts, tallies, near, dropped)),
    )
    finished = (
        kept
        | "Shard" >> beam.FlatMap(_to_shard, beam.pvalue.AsSingleton(decided))
        | "Gather" >> beam.GroupByKey()
        | "Write" >> beam.Map(_write_shard, beam.pvalue.AsSingleton(decided), target)
        | "Shards" >> beam.combiners.ToList()
    )
    decided | "Finish" >> beam.Map(_finish, beam.pvalue.AsSingleton(finished), target)


class _Convert(beam.DoFn):
    """(number, unit) -> sketches; besides, (number, tally, error or None)."""

    def __init__(self, options: convert.Options):
        self._options = options

    def process(self, numbered: tuple[int, readers.Unit]) -> Iterator[Any]:
        number, unit = numbered
        tally, error = convert.Tally(), None
        try:
            for batch in convert.batches(number, unit, self._options):
                tally.add(batch.tally)
                for i, strokes in enumerate(batch.strokes):
                    row = batch.rows[i : i + 1]
                    label = batch.labels[row["label"][0]]
                    yield row.tobytes(), label, batch.keys[i], strokes.tobytes()
        except ValueError as problem:  # ReadError is one
            error = str(problem)
        yield beam.pvalue.TaggedOutput("tally", (number, json.dumps(tally.to_json()), error))


def _row(sketch: Sketch) -> np.ndarray:
    """Returns a sketch's row, convert.ROW [1]."""
    return np.frombuffer(sketch[0], convert.ROW)


def _splitter(sketches: beam.PCollection, job: Job) -> beam.PCollection:
    """Returns one element: (`Splitter.to_json`, whether it splits any drawing)."""

    def splitter_of(groups: dict[int, str], fractions: Sequence[float]):
        few = groups if len(groups) <= splits.SMALL else {}
        return splits.Splitter(fractions, few).to_json(), bool(groups)

    return (
        sketches
        | "Groups" >> beam.FlatMap(_group)
        | "Few groups" >> beam.CombineGlobally(FewGroups())
        | "Splitter" >> beam.Map(splitter_of, job.fractions)
    )


def _group(sketch: Sketch) -> Iterator[tuple[int, str]]:
    """Yields the group's hash and the class of a sketch that is split by hash."""
    row = _row(sketch)
    if row["split"][0] < 0:
        yield int(row["place"][0]), sketch[1]


class FewGroups(beam.CombineFn):
    """The hashes of groups, each with the first name of its classes; of many just more than few."""

    def create_accumulator(self) -> dict[int, str]:
        """No groups."""
        return {}

    def add_input(self, groups: dict[int, str], group: tuple[int, str]) -> dict[int, str]:
        """Adds a group (hash, class), unless there are too many already."""
        place, name = group
        if len(groups) <= splits.SMALL:
            groups[place] = min(groups.get(place, name), name)
        return groups

    def merge_accumulators(self, accumulators: Iterable[dict[int, str]]) -> dict[int, str]:
        """Joins groups of parts of the input."""
        merged: dict[int, str] = {}
        for part in accumulators:
            for group in part.items():
                self.add_input(merged, group)
        return merged

    def extract_output(self, groups: dict[int, str]) -> dict[int, str]:
        """Returns the groups."""
        return groups


def _with_split(sketch: Sketch, splitter: tuple[dict[str, Any], bool]) -> Sketch:
    """Settles a sketch's split."""
    row = _row(sketch).copy()
    row["split"] = plan.split_codes(row, splits.Splitter.from_json(splitter[0]))
    return (row.tobytes(), *sketch[1:])


def _count_near(coded: beam.PCollection) -> beam.PCollection:
    """Returns one element: (near-duplicates, train drawings that resemble one of another split)."""

    def signature_and_split(sketch: Sketch) -> tuple[bytes, tuple[int, int, int]]:
        row = _row(sketch)[0]
        return row["signature"].tobytes(), tuple(int(row["split"] == code) for code in range(3))

    return (
        coded
        | "Signature" >> beam.Map(signature_and_split)
        | "Alike" >> beam.CombinePerKey(_add_up, 3)
        | "Near" >> beam.Map(lambda item: (sum(item[1]) - 1, item[1][0] * any(item[1][1:])))
        | "Sum near" >> beam.CombineGlobally(_add_up, 2)
    )


def _add_up(counts: Iterable[tuple[int, ...]], width: int) -> tuple[int, ...]:
    total = [0] * width
    for part in counts:
        total = [a + b for a, b in zip(total, part, strict=True)]
    return tuple(total)


def _without_duplicates(coded: beam.PCollection) -> tuple[beam.PCollection, beam.PCollection]:
    """Returns the sketches that stay and the classes of those that do not."""
    chosen = (
        coded
        | "By signature"
        >> beam.Map(lambda sketch: (_row(sketch)["signature"][0].tobytes(), sketch))
        | "Alike sketches" >> beam.GroupByKey()
        | "Choose" >> beam.FlatMap(_choose).with_outputs("dropped", main="kept")
    )
    return chosen.kept, chosen.dropped


def _choose(group: tuple[bytes, Iterable[Sketch]]) -> Iterator[Any]:
    sketches = list(group[1])
    rows = np.concatenate([_row(sketch) for sketch in sketches])
    again = plan.duplicates(rows, rows["split"])
    for sketch, dropped in zip(sketches, again, strict=True):
        yield beam.pvalue.TaggedOutput("dropped", sketch[1]) if dropped else sketch


class _Facts(beam.CombineFn):
    """Sketches and bytes of each split, and the classes: (sketches, bytes, class names)."""

    def create_accumulator(self) -> tuple:
        return [0, 0, 0], [0, 0, 0], set()

    def add_input(self, facts: tuple, sketch: Sketch) -> tuple:
        row = _row(sketch)
        code = int(row["split"][0])
        facts[0][code] += 1
        facts[1][code] += int(plan.stored_bytes(row)[0])
        facts[2].add(sketch[1])
        return facts

    def merge_accumulators(self, parts: Iterable[tuple]) -> tuple:
        merged = self.create_accumulator()
        for sketches, stored, classes in parts:
            for code in range(3):
                merged[0][code] += sketches[code]
                merged[1][code] += stored[code]
            merged[2].update(classes)
        return merged

    def extract_output(self, facts: tuple) -> tuple:
        return facts[0], facts[1], sorted(facts[2])


def _decide(
    _: None,
    job: Job,
    splitter: tuple[dict[str, Any], bool],
    facts: tuple,
    tallies: list[tuple],
    near: tuple[int, int],
    dropped: list[tuple[str, int]],
) -> dict[str, Any]:
    """Returns the plan and everything of the result but the shards, or the error."""
    tally, errors = convert.Tally(), []
    for _, content, error in sorted(tallies):
        tally.add(convert.Tally.from_json(json.loads(content)))
        errors += [error] if error else []
    for label, count in dropped:
        tally.dropped[convert.DUPLICATE, label] += count
    sketches, stored, classes = facts
    try:
        if errors:
            raise UserError(errors[0])
        plan.check_splits(sketches, job.fractions if splitter[1] else (1, 0, 0), tally)
    except ValueError as problem:
        return {"error": str(problem)}
    counts = tuple(plan.shard_count(size, job.shard_bytes) for size in stored)
    return {
        "error": None,
        "plan": plan.Plan(classes, splitter[0], counts, tuple(sketches), splitter[1]).to_json(),
        "classes": classes,
        "tally": tally.to_json(),
        "near": near[0],
        "leaking": near[1],
    }


def _to_shard(sketch: Sketch, decided: dict[str, Any]) -> Iterator[tuple[bytes, Sketch]]:
    if decided["error"]:
        return
    row = _row(sketch)
    code = int(row["split"][0])
    number = int(plan.shard_of(row["order"], decided["plan"]["shards"][code])[0])
    yield f"{code} {number}".encode(), sketch


def _write_shard(
    group: tuple[bytes, Iterable[Sketch]], decided: dict[str, Any], target: str
) -> dict[str, Any]:
    """Writes a shard on the worker's disk, then copies it to the workspace."""
    code, number = map(int, group[0].split())
    sketches = []
    for sketch in group[1]:
        row = _row(sketch)[0]
        strokes = np.frombuffer(sketch[3], "<f4").reshape(-1, 3)
        place = (int(row["order"]), int(row["unit"]), int(row["position"]))
        sketches.append((*place, sketch[1], sketch[2], strokes))
    with tempfile.TemporaryDirectory() as folder:
        planned = plan.Plan(**decided["plan"])
        shard = shards.write_sorted(pathlib.Path(folder), planned, code, number, sketches)
        with (
            open(pathlib.Path(folder, shard.file), "rb") as source,
            FileSystems.create(
                FileSystems.join(target, shard.file), compression_type=_UNCOMPRESSED
            ) as sink,
        ):
            shutil.copyfileobj(source, sink, 1 << 20)
    return shard.to_json()


def _finish(decided: dict[str, Any], written: list[dict[str, Any]], target: str) -> None:
    with FileSystems.create(FileSystems.join(target, RESULT)) as sink:
        sink.write(json.dumps({**decided, "shards": written}).encode())


_UNCOMPRESSED = beam.io.filesystem.CompressionTypes.UNCOMPRESSED


@dataclasses.dataclass(frozen=True)
class RemoteUnit:
    """A file that only Beam's file systems can reach: copied to the worker, then read there.

    Attributes:
      path: the file's address.
      size: its bytes.
      reading: keyword arguments of `readers.units`.
    """

    path: str
    size: int
    reading: dict[str, Any]

    def read(self, on_skip: Callable[[readers.Skip], None] | None = None) -> Iterator[RawSketch]:
        """Yields the file's drawings: see `readers.Unit.read`."""
        with tempfile.TemporaryDirectory() as folder:
            holder, name = FileSystems.split(self.path)
            folder = os.path.join(folder, os.path.basename(holder.rstrip("/")))  # may be the class
            os.makedirs(folder, exist_ok=True)
            fetched = os.path.join(folder, name)
            with (
                FileSystems.open(self.path, compression_type=_UNCOMPRESSED) as source,
                open(fetched, "wb") as sink,
            ):
                shutil.copyfileobj(source, sink, 1 << 20)
            for unit in readers.units(fetched, **self.reading):
                yield from unit.read(on_skip)


def remote_units(path: str, reading: dict[str, Any]) -> list[RemoteUnit]:
    """Returns the units of a remote file, folder (ending in /) or pattern with `*`, sorted.

    Raises:
      UserError: nothing matches.
    """
    return [RemoteUnit(item.path, item.size_in_bytes, reading) for item in _matches(path)]


def remote_checksums(path: str) -> list[tuple[str, str]]:
    """Returns (path, checksum as its file system has it) of each file of an input."""
    return [(item.path, str(FileSystems.checksum(item.path))) for item in _matches(path)]


def _matches(path: str) -> list:
    found = FileSystems.match([path + "**" if path.endswith("/") else path])[0].metadata_list
    if not found:
        raise UserError(f"{path}: there is no such file")
    return sorted(found, key=lambda item: item.path)


@contextlib.contextmanager
def remote_output(directory: str, overwrite: bool) -> Iterator[str]:
    """Gives a run a workspace in a remote output folder, which knows no locks.

    Raises:
      UserError: a finished data set is there and may not be replaced.
    """
    if FileSystems.exists(FileSystems.join(directory, dataset.DESCRIPTION)) and not overwrite:
        raise UserError(f"{directory}: exists already; --overwrite (overwrite=True) replaces it")
    workspace = FileSystems.join(directory, shards.WORKSPACE)
    _remove(workspace)
    with contextlib.suppress(Exception):  # object stores know no folders
        FileSystems.mkdirs(workspace)
    yield workspace
    _remove(workspace)


def publish(directory: str, info: dataset.DatasetInfo) -> None:
    """Does what `shards.publish` does, in a remote folder."""
    description = FileSystems.join(directory, dataset.DESCRIPTION)
    if FileSystems.exists(description):
        FileSystems.delete([description])
    old = FileSystems.match([FileSystems.join(directory, "*.tfrecord")])[0].metadata_list
    FileSystems.delete([item.path for item in old if shards.is_shard(item.path)])
    names = [shard["file"] for shard in info.shards]
    FileSystems.rename(
        [FileSystems.join(directory, shards.WORKSPACE, name) for name in names],
        [FileSystems.join(directory, name) for name in names],
    )
    with FileSystems.create(description) as sink:
        sink.write(json.dumps(dataclasses.asdict(info), indent=1).encode())


def _remove(folder: str) -> None:
    """Removes a folder; an object store knows only the files in it."""
    found = FileSystems.match([FileSystems.join(folder, "**")])[0].metadata_list
    if found:
        FileSystems.delete([item.path for item in found])
    with contextlib.suppress(Exception):  # no folder, which each system says its own way
        FileSystems.delete([folder])
