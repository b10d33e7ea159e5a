"""TFRecords to batches.

Training: the order of sketches, the batches they fall into and their augmentation are functions of
(seed, epoch, position) alone, so a run can be resumed at any step and gives the same batches
whatever the parallelism. Records are read in windows of many batches; a window is augmented as a
whole, its sketches are grouped by bucket of length, and each batch is padded to its own bucket.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import files, strokes
from sketch_rnn_tf.data import augment, dataset
from sketch_rnn_tf.errors import UserError

SHUFFLE_BLOCK = 65_536  # records that are shuffled together, about 1 KB each
WINDOW_BATCHES = 50  # batches that are formed together
_STRATA = 10  # steps that Adam's momentum of 0.9 averages over
_INTERLEAVE = 16  # shards read at once
_SCALE, _DROP, _ORDER, _SLANT = 0, 1, 2, 3  # random streams of a window
# No function here branches on a tensor: AutoGraph has nothing to rewrite, but would look for it for
# about a second in every process.
_as_written = tf.autograph.experimental.do_not_convert


@dataclasses.dataclass(frozen=True)
class TrainingBatches:
    """The endless stream of training batches.

    Attributes:
      directory: the data set.
      info: its description.
      batch_size: B; every batch has exactly this many sketches.
      scale_factor: source units per normalized unit.
      max_length: N_max, the longest that a batch is padded to.
      bucket_lengths: the lengths T that batches are padded to, rising, the last being N_max.
      seed: of order and augmentation.
      random_scale: see `augment.random_scale`.
      random_slant: see `augment.random_slant`.
      point_dropout: see `augment.drop_points`.
      drop_first_point: leave out row 0 of every sketch, see `drops_first_point`.
    """

    directory: files.PathLike
    info: dataset.DatasetInfo
    batch_size: int
    scale_factor: float
    max_length: int
    bucket_lengths: Sequence[int]
    seed: int = 0
    random_scale: float = 0.0
    random_slant: float = 0.0
    point_dropout: float = 0.0
    drop_first_point: bool = False

    @property
    def batches_per_epoch(self) -> int:
        """Batches in which every sketch is seen; the last one is filled from the next epoch."""
        return -(-self.info.num_sketches("train") // self.batch_size)

    @_as_written
    def dataset(self, start: int = 0) -> tf.data.Dataset:
        """Returns the batches from position `start` on, without end.

        Each is a dict of `strokes` float32 [B, T, 5], `lengths` int32 [B] and `labels` int32 [B].

        Raises:
          UserError: the train split is empty or has fewer sketches than a batch.
        """
        shards = dataset.require_split(self.directory, self.info, "train")
        paths = [str(pathlib.Path(self.directory) / shard["file"]) for shard in shards]
        check_batch_size(self.directory, self.info, self.batch_size)
        epoch, position = divmod(start, self.batches_per_epoch)
        window, rest = divmod(position, WINDOW_BATCHES)
        window = tf.constant(window, tf.int64)
        # One graph for all epochs, the first one's rest too: to make it takes most of the time.
        batches = tf.data.Dataset.counter(epoch).flat_map(
            lambda one: self._epoch(paths, one, tf.where(one == epoch, window, 0))
        )
        return batches.skip(rest).prefetch(tf.data.AUTOTUNE)

    def _epoch(
        self, paths: Sequence[str], epoch: tf.Tensor, first_window: tf.Tensor
    ) -> tf.data.Dataset:
        """Returns one epoch's batches from a window on."""
        missing = self.batches_per_epoch * self.batch_size - self.info.num_sketches("train")
        sketches = self._records(paths, epoch)
        if missing:
            sketches = sketches.concatenate(self._records(paths, epoch + 1).take(missing))
        windows = sketches.batch(WINDOW_BATCHES * self.batch_size).enumerate().skip(first_window)
        prepared = windows.map(
            lambda index, serialized: self._prepare(serialized, self._seed(epoch, index)),
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        return prepared.flat_map(self._cut)

    def _records(self, paths: Sequence[str], epoch: tf.Tensor) -> tf.data.Dataset:
        """Returns one epoch's serialized records, shards and records in random order.

        Not `Dataset.shuffle`: its order depends on TensorFlow's global seed as well.
        """
        order = self._seed(epoch, tf.constant(-1, tf.int64))
        shuffle = tf.random.experimental.stateless_shuffle
        shards = tf.data.Dataset.from_tensor_slices(shuffle(tf.constant(paths), order))
        sketches = shards.interleave(
            tf.data.TFRecordDataset,
            cycle_length=min(_INTERLEAVE, len(paths)),
            block_length=16,
            num_parallel_calls=tf.data.AUTOTUNE,
            deterministic=True,
        )
        blocks = sketches.batch(SHUFFLE_BLOCK).enumerate()
        return blocks.map(
            lambda index, block: shuffle(block, _stream(order, tf.cast(index, tf.int32)))
        ).unbatch()

    def _seed(self, epoch: tf.Tensor, window: tf.Tensor) -> tf.Tensor:
        """Returns the seed of a window, int32 [2]."""
        fold = tf.random.experimental.stateless_fold_in
        seed = fold(tf.constant([self.seed, 0], tf.int32), tf.cast(epoch, tf.int32))
        return fold(seed, tf.cast(window, tf.int32))

    def _prepare(self, serialized: tf.Tensor, seed: tf.Tensor) -> dict[str, tf.Tensor]:
        """Parses and augments a window and decides which sketch goes into which batch."""
        offsets, pen, sketch, labels = parse_flat(serialized, self.drop_first_point)
        offsets = augment.normalize(offsets, self.scale_factor)
        count = tf.shape(serialized)[0]
        if self.random_scale:
            uniforms = tf.random.stateless_uniform([count, 2], _stream(seed, _SCALE))
            offsets = augment.random_scale(offsets, sketch, uniforms, self.random_scale)
        if self.random_slant:
            uniforms = tf.random.stateless_uniform([count, 2], _stream(seed, _SLANT))
            offsets = augment.random_slant(offsets, sketch, uniforms, self.random_slant)
        if self.point_dropout:
            uniforms = tf.random.stateless_uniform(tf.shape(pen), _stream(seed, _DROP))
            offsets, pen, sketch = augment.drop_points(
                offsets, pen, sketch, uniforms, self.point_dropout
            )
        lengths = tf.math.bincount(sketch, minlength=count, maxlength=count)
        return {
            "points": tf.concat([offsets, pen[:, None]], axis=1),
            "starts": tf.cumsum(lengths, exclusive=True),
            "lengths": lengths,
            "labels": labels,
            "batches": self._batches(lengths, seed),
        }

    def _batches(self, lengths: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
        """Returns the sketches of each batch of a window, [batches, B].

        Batches of short and of long sketches follow each other: any few steps in a row, over which
        an optimizer's momentum averages, see all lengths, as steps on mixed batches would.
        """
        bucket = tf.searchsorted(tf.constant(self.bucket_lengths), self._rows(lengths))
        order = tf.argsort(bucket, stable=True)
        batches = tf.reshape(order, [-1, self.batch_size])
        return tf.gather(batches, _alternate(tf.shape(batches)[0], _stream(seed, _ORDER)))

    def _rows(self, lengths: tf.Tensor) -> tf.Tensor:
        """Returns the rows that sketches want: points and one end token, N_max at most."""
        return tf.minimum(lengths + 1, self.max_length)

    def _cut(self, window: Mapping[str, tf.Tensor]) -> tf.data.Dataset:
        """Returns the batches of a prepared window."""

        def batch(members: tf.Tensor) -> dict[str, tf.Tensor]:
            lengths = tf.gather(window["lengths"], members)
            bucket_lengths = tf.constant(self.bucket_lengths)
            longest = self._rows(tf.reduce_max(lengths))
            length = bucket_lengths[tf.searchsorted(bucket_lengths, longest[None])[0]]
            starts = tf.gather(window["starts"], members)
            return {
                "strokes": _stroke5(window["points"], starts, lengths, length),
                "lengths": lengths,
                "labels": tf.gather(window["labels"], members),
            }

        return tf.data.Dataset.from_tensor_slices(window["batches"]).map(batch)


def check_batch_size(directory: files.PathLike, info: dataset.DatasetInfo, batch_size: int) -> None:
    """Raises UserError where the train split has fewer sketches than a batch."""
    count = info.num_sketches("train")
    if count < batch_size:
        raise UserError(
            f"{directory}: the train split has {count} sketches, fewer than a batch of"
            f" {batch_size}; set batch_size to {count} or less"
        )


def training_batches(
    directory: files.PathLike,
    info: dataset.DatasetInfo,
    *,
    buckets: int = 8,
    loss_length: str = "bucket",
    **arguments,
) -> TrainingBatches:
    """Returns the training batches of a data set.

    Args:
      directory: the data set.
      info: its description.
      buckets: how many different lengths batches are padded to, at most.
      loss_length: `bucket`, or `full` to pad every batch to N_max as Magenta does.
      **arguments: of `TrainingBatches`.
    """
    max_length = arguments.pop("max_length", info.max_length)
    lengths = [max_length]
    if loss_length == "bucket":
        lengths = choose_buckets(info.length_histogram, buckets, max_length)
    return TrainingBatches(
        directory, info, max_length=max_length, bucket_lengths=lengths, **arguments
    )


@_as_written
def evaluation_batches(
    directory: files.PathLike,
    info: dataset.DatasetInfo,
    split: str,
    *,
    batch_size: int,
    scale_factor: float,
    length: int | None = None,
    drop_first_point: bool = False,
) -> tf.data.Dataset:
    """Returns every sketch of a split once, in stored order, not augmented.

    Args:
      directory: the data set.
      info: its description.
      split: train, valid or test.
      batch_size: B; the last batch may be smaller.
      scale_factor: the model's.
      length: T that every batch is padded to; one longer than its longest sketch when not given.
      drop_first_point: leave out row 0 of every sketch, see `drops_first_point`.

    Raises:
      UserError: the split is empty.
    """
    shards = dataset.require_split(directory, info, split)
    paths = [str(pathlib.Path(directory) / shard["file"]) for shard in shards]

    def to_batch(serialized):
        offsets, pen, sketch, labels = parse_flat(serialized, drop_first_point)
        points = tf.concat([augment.normalize(offsets, scale_factor), pen[:, None]], axis=1)
        count = tf.shape(serialized)[0]
        lengths = tf.math.bincount(sketch, minlength=count, maxlength=count)
        padded = tf.reduce_max(lengths) + 1 if length is None else length
        starts = tf.cumsum(lengths, exclusive=True)
        return {
            "strokes": _stroke5(points, starts, lengths, padded),
            "lengths": lengths,
            "labels": labels,
        }

    batches = tf.data.TFRecordDataset(paths).batch(batch_size)
    return batches.map(to_batch, num_parallel_calls=2).prefetch(2)


def drops_first_point(info: dataset.DatasetInfo, model_drops: bool) -> bool:
    """Whether a model reads a data set without row 0 of its sketches.

    Models of sketch_rnn.js have never seen that row, the first point at the origin. It is left out
    of drawings that were prepared from absolute coordinates; published rows are taken as they are.

    Args:
      info: the data set's description.
      model_drops: the model's `drop_first_point`.
    """
    return bool(model_drops and info.from_absolute)


def parse_flat(
    serialized: tf.Tensor, drop_first_point: bool = False
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
    """Parses records [S] into points that lie end to end.

    Args:
      serialized: records.
      drop_first_point: leave out row 0 of every sketch.

    Returns:
      offsets float32 [N, 2], pen float32 [N], sketch int32 [N] (which record), labels int32 [S].
    """
    parsed = tf.io.parse_example(serialized, dataset.feature_spec())
    pen = parsed["pen_lifted"]
    offsets = tf.reshape(parsed["offsets"].values, [-1, 2])
    lifted = tf.cast(pen.values, tf.float32)
    sketch = tf.cast(pen.value_rowids(), tf.int32)
    if drop_first_point:
        kept = tf.equal(sketch, tf.concat([[-1], sketch[:-1]], 0))
        offsets, lifted, sketch = (tf.boolean_mask(x, kept) for x in (offsets, lifted, sketch))
    return offsets, lifted, sketch, tf.cast(parsed["label"], tf.int32)


def choose_buckets(histogram: Mapping[str, int], buckets: int, max_length: int) -> list[int]:
    """Chooses the lengths to pad to so that as little as possible is padding.

    Args:
      histogram: {points: sketches}.
      buckets: how many lengths at most.
      max_length: N_max; always the last length, and no sketch is padded beyond it.

    Returns:
      Rising lengths, found by dynamic programming over the histogram.
    """
    counts = np.zeros(max_length + 1, np.int64)
    for points, sketches in histogram.items():
        counts[min(int(points) + 1, max_length)] += sketches
    counts[max_length] += 1  # so that the longest length is always a bucket
    lengths = np.flatnonzero(counts)
    below = np.concatenate([[0], np.cumsum(counts[lengths])])
    # cost[k, n]: rows needed for the n shortest lengths with k buckets; cut[k, n]: where the last
    # of these buckets begins.
    size = len(lengths)
    cost = np.full(size + 1, np.inf)
    cost[0] = 0
    cuts = []
    for _ in range(min(buckets, size)):
        table = cost[:, None] + (below[None, :] - below[:, None]) * np.r_[0, lengths][None, :]
        table[np.tril_indices(size + 1, -1)] = np.inf
        cuts.append(table.argmin(axis=0))
        cost = table.min(axis=0)
    ends, end = [], size
    for cut in reversed(cuts):
        if end > 0:
            ends.append(int(lengths[end - 1]))
            end = cut[end]
    return sorted(set(ends))


def _alternate(count: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Returns a random order of what is sorted such that every `_STRATA` in a row cover its range.

    Args:
      count: how many there are.
      seed: int32 [2].

    Returns:
      int32 [count]: the sorted places are cut into `_STRATA` strata; each round takes one at random
      of every stratum, in random order.
    """
    keys = tf.random.stateless_uniform([2, count], seed)
    stratum = tf.range(count) * _STRATA // count
    shuffled = tf.argsort(tf.cast(stratum, tf.float32) + keys[0])  # at random within each stratum
    first = tf.searchsorted(stratum, stratum)  # sorted, also after shuffling within strata
    turn = tf.cast(tf.range(count) - first, tf.float32)
    return tf.gather(shuffled, tf.argsort(turn + keys[1]))


def _stroke5(points, starts, lengths, length) -> tf.Tensor:
    """Gathers sketches from flat points [N, 3] into stroke-5 [B, T, 5], padded."""
    position = tf.range(length)[None, :]  # [1, T]
    real = position < lengths[:, None]  # [B, T]
    index = tf.where(real, starts[:, None] + position, 0)
    rows = tf.gather(points, index)  # [B, T, 3]
    dx, dy, pen = tf.unstack(rows, axis=-1)
    drawn = tf.stack([dx, dy, 1.0 - pen, pen, tf.zeros_like(pen)], axis=-1)
    return tf.where(real[..., None], drawn, tf.constant(strokes.PADDING, tf.float32))


def _stream(seed: tf.Tensor, stream: int | tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_fold_in(seed, stream)
