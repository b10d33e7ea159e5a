"""Trains in a process of its own, for tests that kill it or need several: see `main`."""

from __future__ import annotations

import json
import logging as std_logging
import sys
import time

import tensorflow as tf
from absl import logging

from sketch_rnn_tf import config
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.training import callbacks, trainer


class _Hang(callbacks.Callback):
    def __init__(self, step):
        self.step = step

    def on_log(self, step, values):
        while step == self.step:
            time.sleep(1)


def main() -> None:
    """Trains {"data_dir", "run_dir", "settings", "strategy", "cpus", "mean_z", "hang_at"} of argv.

    Several are trained in turn, in the process that the first one asks for: `cpus` splits the
    processor into so many logical devices; `mean_z` takes z at its mean, whose noise is another
    one on every replica. `hang_at` is a logged step at which nothing goes on.
    """
    given = json.loads(sys.argv[1])
    logging.get_absl_logger().addHandler(std_logging.StreamHandler(sys.stdout))
    logging.set_verbosity(logging.INFO)
    if given.get("cpus"):
        tf.config.set_logical_device_configuration(
            tf.config.list_physical_devices("CPU")[0],
            [tf.config.LogicalDeviceConfiguration()] * given["cpus"],
        )
    tf.config.threading.set_inter_op_parallelism_threads(2)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    if given.get("mean_z"):
        SketchRNN._sample_z = lambda self, z_mean, z_log_var, seed: z_mean
    for text in sys.argv[1:]:
        _train(json.loads(text))


def _train(given) -> None:
    start = config.preset("magenta")
    model, training = config.override(start.model, start.training, given["settings"])
    trainer.train(
        given["data_dir"],
        given["run_dir"],
        model,
        training,
        strategy=given.get("strategy", "default"),
        callbacks=[callbacks.MetricsFile(), _Hang(given.get("hang_at"))],
    )


if __name__ == "__main__":
    main()
