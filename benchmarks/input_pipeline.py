"""Times the input pipeline alone: sketches per second, beside what a training step consumes.

  python benchmarks/input_pipeline.py --data_dir data/sheep
  python benchmarks/input_pipeline.py --data_dir data/sheep --step_seconds 0.3

The first row reads and checks the records and does nothing else. --step_seconds is the time of a
training step on this machine (benchmarks/train_step.py).
"""

from __future__ import annotations

import os
import pathlib
import time

from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "prepared data set", required=True)
flags.DEFINE_integer("batches", 400, "timed batches")
flags.DEFINE_integer("batch_size", 100, "sketches per batch")
flags.DEFINE_float("step_seconds", None, "time of a training step, for the ratio")

VARIANTS = {
    "parse, bucket, pad": {},
    "... and random scale": {"random_scale": 0.15},
    "... and point dropping": {"random_scale": 0.15, "point_dropout": 0.1},
    "... padded to N_max": {"random_scale": 0.15, "point_dropout": 0.1, "loss_length": "full"},
}


def main(_):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    from sketch_rnn_tf.data import dataset, pipeline

    info = dataset.read_info(FLAGS.data_dir)
    print(f"{'':26s}{'sketches/s':>12s}{'ms per batch':>12s}{'x per step':>10s}")
    show("read records only", read_only(info))
    for name, changes in VARIANTS.items():
        batches = pipeline.training_batches(
            FLAGS.data_dir,
            info,
            batch_size=FLAGS.batch_size,
            scale_factor=info.scale_factor,
            **changes,
        )
        show(name, timed(batches.dataset()))


def read_only(info) -> float:
    """Returns seconds per batch of reading the train split's records, again and again."""
    import tensorflow as tf

    paths = [str(pathlib.Path(FLAGS.data_dir) / shard["file"]) for shard in info.shards_of("train")]
    return timed(tf.data.TFRecordDataset(paths).repeat().batch(FLAGS.batch_size).prefetch(4))


def timed(dataset) -> float:
    """Returns seconds per batch, after two windows have filled what is filled once."""
    batches = iter(dataset)
    for _ in range(100):
        next(batches)
    begin = time.perf_counter()
    for _ in range(FLAGS.batches):
        next(batches)
    return (time.perf_counter() - begin) / FLAGS.batches


def show(name: str, seconds: float) -> None:
    ratio = f"{FLAGS.step_seconds / seconds:10.0f}" if FLAGS.step_seconds else f"{'':>10s}"
    print(f"{name:26s}{FLAGS.batch_size / seconds:12.0f}{seconds * 1e3:12.2f}{ratio}", flush=True)


if __name__ == "__main__":
    app.run(main)
