"""Merges requests as TensorFlow Serving's BatchingSession and SharedBatchScheduler do.

Read from tensorflow/serving (`batching/batching_session.cc`, `batching/batching_util.cc`) and
TensorFlow's `core/kernels/batching_util/shared_batch_scheduler.h`: nothing but the names of the
inputs, the number of rows and the room in the queue is checked before requests are merged. What the
merging or the model then finds wrong fails all requests of the batch.
"""

from __future__ import annotations

import collections
import concurrent.futures
import dataclasses
import pathlib
import re
import threading
import time
from collections.abc import Callable, Mapping

import numpy as np

INVALID_ARGUMENT, FAILED_PRECONDITION, INTERNAL, UNAVAILABLE = 3, 9, 13, 14
Arrays = Mapping[str, np.ndarray]


class RequestError(Exception):
    """An answer other than OK."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


@dataclasses.dataclass(frozen=True)
class Parameters:
    """The fields of BatchingParameters that are modeled, with the server's defaults."""

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    max_enqueued_batches: int = 10
    num_batch_threads: int = 2
    allowed_batch_sizes: tuple[int, ...] = ()
    pad_variable_length_inputs: bool = False


def read_parameters(path: pathlib.Path) -> Parameters:
    """Reads `batching_parameters.txt`; a field that is not modeled is a ValueError."""
    values: dict[str, list[int]] = {}
    for line in path.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\w+)(?:: (\d+|true|false)| \{ value: (\d+) \})", line)
        if not match:
            raise ValueError(f"{path}: cannot read {line!r}")
        value = {"true": 1, "false": 0}.get(match[2], match[2] or match[3])
        values.setdefault(match[1], []).append(int(value))
    allowed = tuple(values.pop("allowed_batch_sizes", ()))
    return Parameters(**{name: found[-1] for name, found in values.items()},
                      allowed_batch_sizes=allowed)  # fmt: skip


class _Task:
    def __init__(self, inputs: Arrays, rows: int):
        self.inputs, self.rows = inputs, rows
        self.arrived, self.future = time.monotonic(), concurrent.futures.Future()


class Scheduler:
    """One queue a signature, and threads that take batches from them in turns.

    Args:
      run: (signature, inputs) -> outputs.
      parameters: of the batching.
    """

    def __init__(self, run: Callable[[str, Arrays], Arrays], parameters: Parameters):
        self._run, self._parameters = run, parameters
        self._queues: dict[str, collections.deque[_Task]] = {}
        self._changed = threading.Condition()
        self.largest = 0  # requests that were merged
        for _ in range(parameters.num_batch_threads):
            threading.Thread(target=self._work, daemon=True).start()

    def __call__(self, signature: str, inputs: Arrays) -> Arrays:
        """Waits for a request's share of a batch's outputs."""
        task = _Task(inputs, rows_of(inputs))
        limit = self._parameters.max_batch_size
        if task.rows > limit:
            message = f"Task size {task.rows} is larger than maximum input batch size {limit}"
            raise RequestError(INVALID_ARGUMENT, message)
        with self._changed:
            queue = self._queues.setdefault(signature, collections.deque())
            queue.append(task)
            if len(list(self._batches(queue))) > self._parameters.max_enqueued_batches:
                queue.pop()
                raise RequestError(UNAVAILABLE, "The batch scheduling queue is full")
            self._changed.notify_all()
        return task.future.result()

    def _batches(self, queue):
        """Yields the lists of tasks that a queue falls into."""
        batch, rows = [], 0
        for task in queue:
            if batch and rows + task.rows > self._parameters.max_batch_size:
                yield batch
                batch, rows = [], 0
            batch, rows = [*batch, task], rows + task.rows
        if batch:
            yield batch

    def _take(self) -> tuple[str, list[_Task]]:
        with self._changed:
            while True:
                wait = None
                for signature, queue in list(self._queues.items()):
                    batch = next(self._batches(queue), [])
                    left = self._left(batch, queue)
                    if batch and left <= 0:
                        for _ in batch:
                            queue.popleft()
                        self._queues[signature] = self._queues.pop(signature)  # the last in turn
                        return signature, batch
                    if batch:
                        wait = min(left, wait or left)
                self._changed.wait(wait)

    def _left(self, batch, queue) -> float:
        """Returns the seconds that a batch may still grow."""
        full = sum(task.rows for task in batch) >= self._parameters.max_batch_size
        if not batch or full or len(queue) > len(batch):
            return 0.0
        timeout = self._parameters.batch_timeout_micros / 1e6
        return batch[0].arrived + timeout - time.monotonic()

    def _work(self) -> None:
        while True:
            signature, batch = self._take()
            self.largest = max(self.largest, len(batch))
            try:
                merged = merge([task.inputs for task in batch], self._parameters)
                outputs = self._run(signature, merged)
            except Exception as error:
                for task in batch:
                    task.future.set_exception(error)
                continue
            ends = np.cumsum([task.rows for task in batch])
            for task, end in zip(batch, ends, strict=True):
                share = {name: value[end - task.rows : end] for name, value in outputs.items()}
                task.future.set_result(share)


def rows_of(inputs: Arrays) -> int:
    """Returns the number of rows of a request (ComputeTensorBatchSize)."""
    if any(value.ndim == 0 for value in inputs.values()):
        message = "Batching Run() input tensors must have at least one dimension"
        raise RequestError(INVALID_ARGUMENT, message)
    sizes = {len(value) for value in inputs.values()}
    if len(sizes) != 1:
        message = "Batching Run() input tensors must have equal 0th-dimension size"
        raise RequestError(INVALID_ARGUMENT, message)
    return sizes.pop()


def merge(requests: list[Arrays], parameters: Parameters) -> dict[str, np.ndarray]:
    """Returns the inputs of a batch (MergeInputTensors)."""
    count = sum(rows_of(inputs) for inputs in requests)
    size = next((n for n in parameters.allowed_batch_sizes if n >= count), count)
    merged = {}
    for name in requests[0]:
        arrays = _padded(name, [r[name] for r in requests], parameters.pad_variable_length_inputs)
        if size > count:
            arrays.append(np.repeat(arrays[-1][:1], size - count, axis=0))
        if len({array.dtype for array in arrays}) > 1:
            message = "Tensor concat operation failed: tensors that have different data types"
            raise RequestError(INTERNAL, message)
        merged[name] = np.concatenate(arrays)
    return merged


def _padded(name: str, arrays: list[np.ndarray], pad: bool) -> list[np.ndarray]:
    """Returns arrays of one inner shape, filled with each array's first element (AddPadding)."""
    if len({array.shape[1:] for array in arrays}) == 1:
        return arrays
    if not pad:
        message = f"Tensors with name '{name}' from different tasks have different shapes"
        raise RequestError(FAILED_PRECONDITION, message)
    if len({array.ndim for array in arrays}) > 1:
        # The real one does not look, and writes past the end of a vector (its pull request 4149).
        raise RequestError(INTERNAL, f"{name}: tensors of different ranks")
    shape = np.max([array.shape[1:] for array in arrays], axis=0).tolist()
    padded = []
    for array in arrays:
        if not array.size and len(array) * np.prod(shape):
            message = "Got empty tensor in batch of non-empty tensors."
            raise RequestError(INVALID_ARGUMENT, message)
        whole = np.full([len(array), *shape], array.flat[0] if array.size else 0, array.dtype)
        whole[tuple(slice(0, n) for n in array.shape)] = array
        padded.append(whole)
    return padded
