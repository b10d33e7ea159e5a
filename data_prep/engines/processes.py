"""A pool of processes: results in order, and nothing of the script that starts it is run."""

from __future__ import annotations

import concurrent.futures
import itertools
import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import process
from multiprocessing import context
from typing import Any

from sketch_rnn_tf.errors import UserError


def default_workers() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def ordered_map(function: Callable, tasks: Iterable[Any], workers: int) -> Iterator[Any]:
    """Yields function(task) of each task in order, from several processes.

    Only a few more tasks than workers are under way at a time. The first exception ends the work.

    Args:
      function: of a module, not of the script that is run.
      tasks: picklable values.
      workers: number of processes; 1 does everything in this one.

    Raises:
      UserError: a worker died, which almost always means that memory ran out.
    """
    tasks = list(tasks)
    if workers <= 1 or len(tasks) <= 1:
        yield from map(function, tasks)
        return
    pool = concurrent.futures.ProcessPoolExecutor(
        min(workers, len(tasks)), mp_context=_Context(), initializer=_begin_worker
    )
    try:
        rest = iter(tasks)
        ahead = itertools.islice(rest, 4 * workers)
        waiting = deque(pool.submit(function, task) for task in ahead)
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(function, task) for task in itertools.islice(rest, 1))
    except process.BrokenProcessPool:
        raise UserError(
            "a worker process was killed, perhaps because memory ran out; fewer --workers need"
            " less, and the same command continues where this one ended"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


class _Process(context.SpawnProcess):
    """A process that does not run the main script again.

    A spawned process imports the script that started it, in case the function to run is in there.
    Ours never are, and a script without `if __name__ == "__main__"` would start itself forever.
    """

    @staticmethod
    def _Popen(process_object):  # noqa: N802 (multiprocessing calls it)
        main = sys.modules["__main__"].__dict__
        hidden = {name: main.pop(name) for name in ("__file__", "__spec__") if name in main}
        main["__spec__"] = None
        try:
            return context.SpawnProcess._Popen(process_object)
        finally:
            del main["__spec__"]
            main.update(hidden)


class _Context(context.SpawnContext):
    Process = _Process


def _begin_worker() -> None:
    def end_with_parent() -> None:
        """Ends a worker whose parent was killed; it would wait for tasks forever."""
        multiprocessing.parent_process().join()
        os._exit(1)

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=end_with_parent, daemon=True).start()
