"""Where training runs: one device, several of this machine, or several machines."""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from sketch_rnn_tf.data import pipeline
from sketch_rnn_tf.errors import UserError

STRATEGIES = ("default", "mirrored", "multi_worker")
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
)


def make(name: str) -> tf.distribute.Strategy:
    """Returns the strategy of a name.

    Args:
      name: `default` is one device; `mirrored` all GPUs of this machine (or all logical CPU
        devices); `multi_worker` the machines that the environment variable TF_CONFIG lists, of
        which this process is one.

    Raises:
      UserError: there is no such strategy, or TF_CONFIG does not say who this worker is.
    """
    if name == "default":
        return tf.distribute.get_strategy()
    if name == "mirrored":
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        devices = [device.name for device in tf.config.list_logical_devices(kind)]
        return tf.distribute.MirroredStrategy(devices)
    if name == "multi_worker":
        text = os.environ.get("TF_CONFIG", "")
        if not text.strip():
            raise UserError(
                f"the strategy multi_worker needs the environment variable TF_CONFIG: {_TF_CONFIG}"
            )
        wrong = _wrong_with(text)
        if wrong:
            raise UserError(f"TF_CONFIG {wrong}; expected {_TF_CONFIG}")
        return tf.distribute.MultiWorkerMirroredStrategy()
    raise UserError(f"there is no strategy {name!r}; there are {', '.join(STRATEGIES)}")


_TF_CONFIG = '{"cluster": {"worker": ["host:port", ...]}, "task": {"type": "worker", "index": 0}}'


def _wrong_with(text: str) -> str | None:
    """Returns the rest of a sentence that begins with TF_CONFIG; None where it is right."""
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        return f"is not JSON ({error})"
    cluster, task = (
        content.get(name) if isinstance(content, dict) else None for name in ("cluster", "task")
    )
    for name, value in (("cluster", cluster), ("task", task)):
        if not isinstance(value, dict):
            return f"has no object {name!r}"
    kind, index = task.get("type"), task.get("index")
    if kind not in ("chief", "worker"):
        return f"has the task type {kind!r}, which does not train: only chief and worker do"
    addresses = cluster.get(kind)
    if not isinstance(addresses, list) or not all(isinstance(item, str) for item in addresses):
        return f"lists no addresses of {kind!r} under 'cluster'"
    try:
        number = int(index)  # TensorFlow takes an index in quotes too
    except (TypeError, ValueError):
        return f"has the task index {index!r}, which is not a whole number"
    if isinstance(index, (bool, float)) or not 0 <= number < len(addresses):
        return (
            f"has the task index {index!r}, but lists {len(addresses)} of {kind!r}: 0 to"
            f" {len(addresses) - 1}"
        )
    return None


def is_multi_worker(strategy: tf.distribute.Strategy) -> bool:
    """Whether there are other processes."""
    return isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy)


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Whether this process writes the run directory: the chief, or worker 0 where none is named."""
    if not is_multi_worker(strategy):
        return True
    resolver = strategy.cluster_resolver
    if "chief" in resolver.cluster_spec().jobs:
        return resolver.task_type == "chief"
    return resolver.task_id == 0


def compiles(strategy: tf.distribute.Strategy, choice: str) -> bool:
    """Whether XLA compiles a training step; `choice` is `TrainingConfig.jit_compile`.

    Small operations in a loop over time are what a GPU is slow at and XLA fuses. cuDNN's LSTM is no
    choice: it can neither drop out the candidate alone nor normalize layers. On a CPU XLA's loop is
    slower than TensorFlow's.

    Raises:
      UserError: `on` with several replicas, between which XLA cannot sum here.
    """
    several = strategy.num_replicas_in_sync > 1
    if choice == "on" and several:
        raise UserError(
            f"jit_compile=on is for one replica, not {strategy.num_replicas_in_sync};"
            " set jit_compile to auto or off"
        )
    on_gpu = choice == "auto" and bool(tf.config.list_logical_devices("GPU"))
    return choice == "on" or (on_gpu and not several)


def rows_of_replica(strategy: tf.distribute.Strategy, batch_size: int) -> int:
    """Returns how many rows of a batch each replica gets.

    Raises:
      UserError: the batch cannot be divided evenly.
    """
    replicas = strategy.num_replicas_in_sync
    size, rest = divmod(batch_size, replicas)
    if rest:
        raise UserError(
            f"a batch of {batch_size} cannot be divided between {replicas} replicas;"
            f" set batch_size to {(size + 1) * replicas}"
        )
    return size


def distribute(
    strategy: tf.distribute.Strategy, batches: pipeline.TrainingBatches, start: int
) -> tf.data.Dataset:
    """Returns the stream of batches from a position on, each divided between the replicas.

    Every worker goes through the same stream and keeps the rows of its own replicas: a step's
    batch is the same whatever the number of workers, and all workers pad to the same length.

    Raises:
      UserError: the batch cannot be divided evenly.
    """
    replicas = strategy.num_replicas_in_sync
    if replicas == 1:
        return batches.dataset(start)
    size = rows_of_replica(strategy, batches.batch_size)

    def of_worker(context):
        local = replicas // context.num_input_pipelines
        first = context.input_pipeline_id * local
        return batches.dataset(start).flat_map(
            lambda batch: tf.data.Dataset.from_tensor_slices(
                {name: _rows(value, first, local, size) for name, value in batch.items()}
            )
        )

    return strategy.distribute_datasets_from_function(of_worker)


def _rows(value: tf.Tensor, first: int, local: int, size: int) -> tf.Tensor:
    """Returns the rows of some replicas, [local, size, ...]."""
    rows = value[first * size : (first + local) * size]
    return tf.reshape(rows, tf.concat([[local, size], tf.shape(value)[1:]], 0))


@contextlib.contextmanager
def complain_of_lost_workers(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Turns what TensorFlow raises when another worker is gone into a UserError."""
    try:
        yield
    except _LOST as error:
        if not is_multi_worker(strategy):
            raise
        raise UserError(
            f"another worker was lost ({type(error).__name__}); start all workers again with the"
            " same command: training goes on from the last checkpoint"
        ) from error


def any_of(strategy: tf.distribute.Strategy) -> Callable[[bool], bool]:
    """Returns a function that says whether any worker says yes; all of them have to call it."""
    if not is_multi_worker(strategy):
        return bool

    @tf.function
    def count(flag):
        return _local(strategy, strategy.run(_all_reduce, (flag,)))

    return lambda flag: bool(count(tf.constant(flag, tf.int32)))


_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}  # of Linux; elsewhere nothing is known


def fastest_dtype() -> str:
    """Returns `mixed_bfloat16` where a GPU or this machine's CPU multiplies it, else `float32`.

    Not measured, so that a run that goes on finds what it began with.
    """
    if tf.config.list_physical_devices("GPU"):
        return "mixed_bfloat16"
    try:
        text = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "float32"
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return "mixed_bfloat16" if _BFLOAT16_FLAGS & set(flags.split()) else "float32"


def from_chief(strategy: tf.distribute.Strategy, values: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Returns the chief's arrays on every worker; all of them have to call it.

    A worker needs no access to the run directory: it gets its state from here.
    """
    if not is_multi_worker(strategy):
        return list(values)

    def of_first(values):
        first = tf.distribute.get_replica_context().replica_id_in_sync_group == 0
        return [_all_reduce(tf.where(first, value, tf.zeros_like(value))) for value in values]

    @tf.function
    def send(values):
        return [_local(strategy, value) for value in strategy.run(of_first, (values,))]

    return [value.numpy() for value in send([tf.convert_to_tensor(value) for value in values])]


def _all_reduce(value: tf.Tensor) -> tf.Tensor:
    value = tf.identity(value)  # an argument has no device, which the reduction looks at
    return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, value)


def _local(strategy: tf.distribute.Strategy, value):
    return strategy.experimental_local_results(value)[0]
