"""The conversion on this machine, by a pool of processes.

Every step is a pure function of its input, and records are sorted by hashes of their keys, so the
shards' bytes do not depend on the engine, the number of workers or the order in which they finish.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence

import numpy as np

from data_prep import readers
from data_prep.conversion import convert, splits
from data_prep.engines import plan, shards, spool
from data_prep.engines.job import Job, Result
from data_prep.engines.processes import ordered_map
from sketch_rnn_tf import files
from sketch_rnn_tf.progress import Progress


def run(job: Job, workspace: pathlib.Path, workers: int) -> Result:
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
    spooled = [spool.SpoolFile(workspace / name) for name in names]
    tally = functools.reduce(convert.Tally.add, (one.tally for one in spooled), convert.Tally())
    decided, near, leaking = _decide(job, spooled, tally)
    files.write_json(workspace / "plan.json", {"files": names, "plan": decided.to_json()})
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
    return Result(decided.classes, written, tally, near, leaking, decided.by_hash)


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
    done = pathlib.Path(workspace, f"unit-{index:06d}.done")
    if done.exists():
        content = files.read_json(done)
        return content["files"], content["read"]
    names, read = [], 0
    for number, batch in enumerate(convert.batches(index, unit, options)):
        names.append(f"unit-{index:06d}-{number:04d}.spool")
        spool.write(pathlib.Path(workspace, names[-1]), batch)
        read += batch.tally.read
    files.write_json(done, {"files": names, "read": read})
    return names, read


def _decide(
    job: Job, spooled: Sequence[spool.SpoolFile], tally: convert.Tally
) -> tuple[plan.Plan, int, int]:
    """Plans the shards; marks duplicates beside the files when they are to be dropped."""
    rows = np.concatenate([one.rows for one in spooled])
    names = sorted({label for one in spooled for label in one.labels})
    labels = np.concatenate([one.labels_among(names) for one in spooled])
    by_hash = rows["split"] < 0
    splitter = splits.Splitter(job.fractions, _groups(rows["place"], labels, names, by_hash))
    codes = plan.split_codes(rows, splitter)
    again = plan.duplicates(rows, codes)
    near, leaking = int(again.sum()), plan.leaks(rows, codes)
    dropped = again & job.drop_duplicates
    for label, count in zip(*np.unique(labels[dropped], return_counts=True), strict=True):
        tally.dropped[convert.DUPLICATE, names[label]] += int(count)
    ends = np.cumsum([len(one.rows) for one in spooled])
    for one, marks in zip(spooled, np.split(dropped, ends[:-1]), strict=True):
        one.mark_dropped(marks)
    sketches = [int(((codes == code) & ~dropped).sum()) for code in range(3)]
    plan.check_splits(sketches, job.fractions if by_hash.any() else (1, 0, 0), tally)
    stored = plan.stored_bytes(rows)
    counts = [
        plan.shard_count(stored[(codes == code) & ~dropped].sum(), job.shard_bytes)
        for code in range(3)
    ]
    kept = [names[label] for label in np.unique(labels[~dropped])]
    decided = plan.Plan(
        kept, splitter.to_json(), tuple(counts), tuple(sketches), bool(by_hash.any())
    )
    return decided, near, leaking


def _groups(
    places: np.ndarray, labels: np.ndarray, names: Sequence[str], by_hash: np.ndarray
) -> dict[int, str]:
    """Returns the class of each group that is split by hash; nothing where there are many."""
    if len(np.unique(places[by_hash])) > splits.SMALL:
        return {}
    groups: dict[int, str] = {}
    for place, label in zip(places[by_hash].tolist(), labels[by_hash].tolist(), strict=True):
        groups[place] = min(groups.get(place, names[label]), names[label])
    return groups


def _write_shard(task: tuple[str, int, int]) -> shards.Shard:
    """Writes one shard into the workspace from all the files of the spool."""
    workspace, code, number = pathlib.Path(task[0]), task[1], task[2]
    content = files.read_json(workspace / "plan.json")
    decided = plan.Plan(**content["plan"])
    sketches: list[shards.Sketch] = []
    for name in content["files"]:
        one = spool.SpoolFile(workspace / name)
        chosen = _chosen(one, decided, code, number)
        rows = one.rows[chosen]
        columns = (rows[column].tolist() for column in ("order", "unit", "position"))
        names = [one.labels[label] for label in rows["label"].tolist()]
        sketches += zip(*columns, names, *one.take(chosen), strict=True)
    return shards.write_sorted(workspace, decided, code, number, sketches)


def _chosen(spooled: spool.SpoolFile, decided: plan.Plan, code: int, number: int) -> np.ndarray:
    """Returns the sorted indices of a file's rows that belong to a shard."""
    count = decided.shards[code]
    orders = spooled.rows["order"]
    first = np.searchsorted(orders, np.uint64(plan.first_order(number, count)))
    behind = plan.first_order(number + 1, count)
    last = np.searchsorted(orders, np.uint64(behind)) if behind < 1 << 64 else len(orders)
    rows = spooled.rows[first:last]
    dropped = spooled.dropped()[first:last]
    splitter = splits.Splitter.from_json(decided.splitter)
    return first + np.flatnonzero((plan.split_codes(rows, splitter) == code) & ~dropped)
