"""The same conversion run by a local process pool or by Apache Beam, with the same records.

Both do three things: convert the readers' units (`convert.batches`), decide what goes where
(`plan`), write shards (`write.write_shard`). Every step is a pure function of its input, and
records are sorted by hashes of their keys, so the shards' bytes do not depend on the engine, the
number of workers or the order in which they finish.
"""

from __future__ import annotations

import concurrent.futures
import dataclasses
import functools
import itertools
import multiprocessing
import operator
import os
import pathlib
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import process
from typing import Any

import numpy as np

from data_prep import readers
from data_prep.conversion import convert, splits
from data_prep.engines import plan, shards, spool
from sketch_rnn_tf import files
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.progress import Progress

DEFAULT_SHARD_BYTES = 32 << 20


@dataclasses.dataclass(frozen=True)
class Job:
    """What an engine is given.

    Attributes:
      units: the readers' pieces of the whole input, in order.
      options: how to convert.
      fractions: shares of train, valid and test of drawings that carry no split.
      drop_duplicates: whether near-duplicates are dropped (they are counted always).
      shard_bytes: about how large a shard is.
    """

    units: Sequence[readers.Unit]
    options: convert.Options
    fractions: tuple[float, float, float] = (0.9, 0.05, 0.05)
    drop_duplicates: bool = False
    shard_bytes: int = DEFAULT_SHARD_BYTES


@dataclasses.dataclass(frozen=True)
class Result:
    """What an engine gives back.

    Attributes:
      classes: class names, sorted.
      shards: what was written, sorted by split and number; the files lie in the workspace.
      tally: what happened to the drawings, dropped duplicates included.
      near: near-duplicates found.
      leaking: train drawings that resemble one of valid or test.
    """

    classes: list[str]
    shards: list[shards.Shard]
    tally: convert.Tally
    near: int
    leaking: int


def default_workers() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run(
    job: Job, workspace: pathlib.Path, workers: int, runner: Sequence[str] | None = None
) -> Result:
    """Runs a job by the engine that is wanted.

    Args:
      job: what to do.
      workspace: a folder for the finished shards.
      workers: processes of the local engine.
      runner: flags for Apache Beam; None: the local engine.
    """
    if runner is None:
        return run_local(job, workspace, workers)
    from data_prep.engines import beam

    return beam.run(job, workspace, runner)


def run_local(job: Job, workspace: pathlib.Path, workers: int) -> Result:
    """Runs a job on this machine.

    Work that an interrupted run left in the workspace is not done again. The index of all drawings
    (52 bytes each) is held in memory, their points are not.

    Args:
      job: what to do.
      workspace: a folder for the spool and the finished shards.
      workers: number of processes; 1 does everything in this one.

    Raises:
      ReadError: bad input.
      UserError: nothing is left, a split is empty, or a worker process died.
    """
    names = _spool_units(job, workspace, workers)
    runs = [spool.Run(workspace / name) for name in names]
    tally = functools.reduce(convert.Tally.add, (run.tally for run in runs), convert.Tally())
    decided, near, leaking = _decide(job, runs, tally)
    files.write_json(workspace / "plan.json", {"runs": names, "plan": decided.to_json()})
    written = _write_shards(workspace, decided, workers)
    return Result(decided.classes, written, tally, near, leaking)


def _spool_units(job: Job, workspace: pathlib.Path, workers: int) -> list[str]:
    """Converts all units; returns the names of the spool's files in input order."""
    tasks = [(str(workspace), i, unit, job.options) for i, unit in enumerate(job.units)]
    names: list[str] = []
    count = 0
    with Progress("converting", sum(unit.size for unit in job.units)) as progress:
        for unit, (written, read) in zip(
            job.units, ordered_map(_spool_unit, tasks, workers), strict=True
        ):
            names += written
            count += read
            progress.update(unit.size, f"{count} drawings")
    return names


def _spool_unit(task: tuple[str, int, readers.Unit, convert.Options]) -> tuple[list[str], int]:
    """Converts one unit into files of the spool, unless it was done before."""
    workspace, index, unit, options = task
    done = pathlib.Path(workspace, f"unit-{index:06d}.json")
    if done.exists():
        content = files.read_json(done)
        return content["runs"], content["read"]
    names, read = [], 0
    for number, batch in enumerate(convert.batches(index, unit, options)):
        names.append(f"unit-{index:06d}-{number:04d}.run")
        spool.write(pathlib.Path(workspace, names[-1]), batch)
        read += batch.tally.read
    files.write_json(done, {"runs": names, "read": read})
    return names, read


def _decide(
    job: Job, runs: Sequence[spool.Run], tally: convert.Tally
) -> tuple[plan.Plan, int, int]:
    """Plans the shards; marks duplicates beside the runs when they are to be dropped."""
    rows = np.concatenate([run.rows for run in runs])
    names = sorted({label for run in runs for label in run.labels})
    labels = np.concatenate([_renumbered(run, names) for run in runs])
    places = np.unique(rows["place"][rows["split"] < 0])
    splitter = splits.Splitter(job.fractions, places if len(places) <= splits.SMALL else ())
    codes = plan.split_codes(rows, splitter)
    again = plan.duplicates(rows, codes)
    near, leaking = int(again.sum()), plan.leaks(rows, codes)
    dropped = again & job.drop_duplicates
    for label, count in zip(*np.unique(labels[dropped], return_counts=True), strict=True):
        tally.dropped[convert.DUPLICATE, names[label]] += int(count)
    _mark_dropped(runs, dropped)
    sketches = [int(((codes == code) & ~dropped).sum()) for code in range(3)]
    plan.check_splits(sketches, job.fractions, tally.dropped)
    stored = plan.stored_bytes(rows)
    counts = [
        plan.shard_count(stored[(codes == code) & ~dropped].sum(), job.shard_bytes)
        for code in range(3)
    ]
    kept = [names[label] for label in np.unique(labels[~dropped])]
    return plan.Plan(kept, splitter.borders, tuple(counts), tuple(sketches)), near, leaking


def _renumbered(run: spool.Run, names: Sequence[str]) -> np.ndarray:
    """Returns the labels of a run's rows as indices into the sorted names of all runs."""
    numbers = {name: i for i, name in enumerate(names)}
    own = np.array([numbers[label] for label in run.labels], np.int64)
    return own[run.rows["label"]] if len(run.rows) else np.zeros(0, np.int64)


def _mark_dropped(runs: Sequence[spool.Run], dropped: np.ndarray) -> None:
    ends = np.cumsum([len(run.rows) for run in runs])
    for run, marks in zip(runs, np.split(dropped, ends[:-1]), strict=True):
        with spool.named_errors(run.path), files.atomic_open(f"{run.path}.dropped.npy") as stream:
            np.save(stream, marks)


def _write_shards(workspace: pathlib.Path, decided: plan.Plan, workers: int) -> list[shards.Shard]:
    tasks = [
        (str(workspace), code, number)
        for code, count in enumerate(decided.shards)
        for number in range(count)
    ]
    written = []
    with Progress("writing", len(tasks)) as progress:
        for shard in ordered_map(_write_shard, tasks, workers):
            written.append(shard)
            progress.update(1, shard.file)
    return written


def _write_shard(task: tuple[str, int, int]) -> shards.Shard:
    """Writes one shard into the workspace from all the files of the spool."""
    workspace, code, number = pathlib.Path(task[0]), task[1], task[2]
    content = files.read_json(workspace / "plan.json")
    decided = plan.Plan(**content["plan"])
    sketches: list[Sketch] = []
    for name in content["runs"]:
        run = spool.Run(workspace / name)
        chosen = _chosen(run, decided, code, number)
        rows = run.rows[chosen]
        columns = (rows[column].tolist() for column in ("order", "unit", "position"))
        names = [run.labels[label] for label in rows["label"].tolist()]
        sketches += zip(*columns, names, *run.take(chosen), strict=True)
    return write_sorted(workspace, decided, code, number, sketches)


def _chosen(run: spool.Run, decided: plan.Plan, code: int, number: int) -> np.ndarray:
    """Returns the sorted indices of a run's rows that belong to a shard."""
    count = decided.shards[code]
    orders = run.rows["order"]
    first = np.searchsorted(orders, np.uint64(plan.first_order(number, count)))
    behind = plan.first_order(number + 1, count)
    last = np.searchsorted(orders, np.uint64(behind)) if behind < 1 << 64 else len(orders)
    rows = run.rows[first:last]
    dropped = np.load(f"{run.path}.dropped.npy")[first:last]
    splitter = splits.Splitter.of(decided.borders)
    return first + np.flatnonzero((plan.split_codes(rows, splitter) == code) & ~dropped)


# Order, unit and position, which sort sketches; class, key, float32 [N, 3].
Sketch = tuple[int, int, int, str, bytes, np.ndarray]


def write_sorted(
    folder: pathlib.Path, decided: plan.Plan, code: int, number: int, sketches: list[Sketch]
) -> shards.Shard:
    """Writes a shard from its drawings in any order.

    Args:
      folder: where to.
      decided: the plan.
      code: index of the split.
      number: of the shard within its split.
      sketches: its drawings; they are sorted in place.
    """
    sketches.sort(key=operator.itemgetter(0, 1, 2))
    _, _, _, names, keys, strokes = zip(*sketches, strict=True)
    labels = {label: i for i, label in enumerate(decided.classes)}
    return shards.write_shard(
        folder / dataset.shard_name(dataset.SPLITS[code], number, decided.shards[code]),
        dataset.SPLITS[code],
        [labels[name] for name in names],
        keys,
        strokes,
        decided.classes,
    )


def ordered_map(function: Callable, tasks: Iterable[Any], workers: int) -> Iterator[Any]:
    """Yields function(task) of each task in order, from several processes.

    Only a few more tasks than workers are under way at a time. The first exception ends the work.

    Raises:
      UserError: a worker died, which almost always means that memory ran out.
    """
    tasks = list(tasks)
    if workers <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    pool = concurrent.futures.ProcessPoolExecutor(
        min(workers, len(tasks)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin_worker,
    )
    try:
        yield from _windowed(pool, function, tasks, ahead=4 * workers)
    except process.BrokenProcessPool:
        raise UserError(
            "a worker process was killed, perhaps because memory ran out; fewer --workers need"
            " less, and the same command continues where this one ended"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin_worker() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Ends a worker whose parent was killed; it would wait for tasks for ever."""
    multiprocessing.parent_process().join()
    os._exit(1)


def _windowed(
    pool: concurrent.futures.Executor, function: Callable, tasks: list[Any], ahead: int
) -> Iterator[Any]:
    rest = iter(tasks)
    waiting = deque(pool.submit(function, task) for task in itertools.islice(rest, ahead))
    while waiting:
        yield waiting.popleft().result()
        waiting.extend(pool.submit(function, task) for task in itertools.islice(rest, 1))
