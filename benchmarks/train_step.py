"""Times training steps: sketches per second, FLOP/s, share of the machine's matrix-product peak.

Every variant runs in a process of its own (for its memory), in turn, several rounds; the table has
medians. "x TF1" compares with the step that the original code makes, written anew (`tf1_graph.py`),
with the same decoder cell: the variants tf1_lstm, tf1_layer_norm and tf1_hyper. "x stand-in"
compares with stock `keras.layers` (bidirectional LSTM 256 and LSTM 512, forward and backward,
padded to 250), which take 1.38 s where Magenta's own code took 1.92 s on one machine.

  python benchmarks/train_step.py --data_dir data/sheep
  python benchmarks/train_step.py --data_dir data/sheep --variants float32,mixed_bfloat16 --rounds 3
"""

from __future__ import annotations

import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time

from absl import app, flags

STAND_IN = "stock_keras"
TF1 = "tf1_"
VARIANTS = {
    STAND_IN: None,
    "tf1_lstm": {"decoder.cell": "lstm"},
    "tf1_layer_norm": {"decoder.cell": "layer_norm"},
    "tf1_hyper": {"decoder.cell": "hyper"},
    "float32": {},
    "mixed_bfloat16": {"dtype": "mixed_bfloat16"},
    "float32_full_length": {"loss_length": "full"},
    "float32_one_part": {"parallel_parts": 1},
    "layer_norm": {"decoder.cell": "layer_norm"},
    "layer_norm_bf16": {"decoder.cell": "layer_norm", "dtype": "mixed_bfloat16"},
    "hyper": {"decoder.cell": "hyper"},
    "hyper_bf16": {"decoder.cell": "hyper", "dtype": "mixed_bfloat16"},
}
DEFAULT_VARIANTS = (
    "stock_keras,tf1_lstm,float32,mixed_bfloat16,tf1_layer_norm,layer_norm,tf1_hyper,hyper"
)

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "prepared aaron_sheep", required=True)
flags.DEFINE_list("variants", DEFAULT_VARIANTS, f"of {', '.join(VARIANTS)}")
flags.DEFINE_integer("steps", 12, "timed steps per round")
flags.DEFINE_integer("rounds", 3, "rounds of all variants")
flags.DEFINE_string("run", None, "internal: time one variant and print JSON")


def main(_):
    if FLAGS.run:
        print(json.dumps(time_variant(FLAGS.run)))
        return
    results = {name: [] for name in FLAGS.variants}
    for number in range(FLAGS.rounds):
        for name in FLAGS.variants:
            results[name].append(run_in_process(name))
            print(f"round {number + 1}: {name}: {results[name][-1]['seconds']:.3f} s", flush=True)
    print_table(results)


def run_in_process(name: str) -> dict:
    command = [sys.executable, __file__, f"--run={name}", f"--data_dir={FLAGS.data_dir}"]
    command += [f"--steps={FLAGS.steps}"]
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def time_variant(name: str) -> dict:
    """Returns a variant's mean seconds and GFLOP per step, the peak in GFLOP/s, and memory."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    step, batch_flops, dtype = variant(name)
    step()
    step()
    seconds, work = [], []
    for _ in range(FLAGS.steps):
        begin = time.perf_counter()
        work.append(batch_flops(step()))
        seconds.append(time.perf_counter() - begin)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {
        "seconds": statistics.mean(seconds),
        "gflop": statistics.mean(work) / 1e9,
        "gib": memory,
        "peak": peak(dtype),
    }


def variant(name: str):
    """Returns a function that does a step and gives its length, its FLOPs by length, its type."""
    if name == STAND_IN:
        return stock_keras()
    if name.startswith(TF1):
        return tf1_graph(VARIANTS[name])
    return our_trainer(VARIANTS[name])


def tf1_graph(settings: dict):
    """Returns a step of the original code's design; the peak is not measured in TF1's mode."""
    import tf1_graph

    from sketch_rnn_tf import config

    start = config.preset("magenta")
    model, training = config.override(start.model, start.training, settings)
    step = tf1_graph.make_step(model.decoder.cell)
    return step, lambda length: flops(model, training.batch_size, length), None


def our_trainer(settings: dict):
    """Returns a function that does one step of our trainer on the next batch."""
    from sketch_rnn_tf import config
    from sketch_rnn_tf.commands import opening

    start = config.preset("magenta")
    model, training = config.override(start.model, start.training, settings)
    opening.use_threads(training.parallel_parts)
    import tempfile

    from sketch_rnn_tf import runs
    from sketch_rnn_tf.data import dataset
    from sketch_rnn_tf.training import run_directory, trainer

    info = dataset.read_info(FLAGS.data_dir)
    description = run_directory.describe(info, FLAGS.data_dir, model, training)
    run = runs.create(tempfile.mkdtemp(), description)
    trained = trainer.Trainer(run, FLAGS.data_dir, info)
    batches = enumerate(trained.batches().dataset(0))

    def step():
        position, batch = next(batches)
        trained.step(batch, position)
        return batch["strokes"].shape[1]

    return step, lambda length: flops(model, training.batch_size, length), training.dtype


def stock_keras():
    """Returns a step of the stand-in: forward and backward, no losses, no optimizer, no dropout."""
    import keras
    import tensorflow as tf

    bidirectional = keras.layers.Bidirectional(keras.layers.LSTM(256))
    lstm = keras.layers.LSTM(512, return_sequences=True)
    strokes = tf.random.normal([100, 250, 5])
    context = tf.random.normal([100, 250, 133])

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            loss = tf.reduce_sum(bidirectional(strokes)) + tf.reduce_sum(lstm(context))
        return tape.gradient(loss, bidirectional.trainable_weights + lstm.trainable_weights)

    def step():
        gradients()[0].numpy()
        return 250

    from sketch_rnn_tf import config

    return step, lambda length: flops(config.ModelConfig(), 100, length), "float32"


def flops(model, batch: int, length: int) -> float:
    """Returns the floating point operations that a step must do on a batch padded to `length`.

    Matrix products only, two operations a multiplication and addition; the backward pass costs
    twice the forward pass, but for the inputs, whose gradient is not needed. The latent vector's
    share is counted once per sketch.
    """
    encoder, decoder = model.encoder.units, model.decoder.units
    inputs, outputs = 5, 3 + 6 * model.num_mixtures
    recurrent = 2 * encoder * 4 * encoder + decoder * 4 * decoder
    if model.decoder.cell == "hyper":
        hyper, embedding = model.decoder.hyper_units, model.decoder.hyper_embedding
        recurrent += (decoder + hyper) * 4 * hyper
        recurrent += hyper * 12 * embedding + 12 * embedding * decoder
    a_point = 3 * (recurrent + decoder * outputs) + 2 * inputs * 4 * (2 * encoder + decoder)
    a_sketch = 3 * model.z_size * (4 * decoder + 4 * encoder + 2 * decoder)
    return 2.0 * batch * (length * a_point + a_sketch)


def peak(dtype: str | None) -> float:
    """Returns the best GFLOP/s of a large matrix product in this process's thread settings.

    As many products run side by side as there are cores for, since a training step does the same.
    """
    if dtype is None:
        return float("nan")
    import tensorflow as tf

    kind = tf.bfloat16 if "bfloat16" in dtype else tf.float32
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    size = 2048
    parts = max(1, cores // (tf.config.threading.get_intra_op_parallelism_threads() or cores))
    matrices = [tf.cast(tf.random.normal([size, size]), kind) for _ in range(parts + 1)]

    @tf.function
    def products():
        return [tf.reduce_sum(matrix @ matrices[-1]) for matrix in matrices[:-1]]

    products()
    best = float("inf")
    for _ in range(8):
        begin = time.perf_counter()
        [value.numpy() for value in products()]
        best = min(best, time.perf_counter() - begin)
    return parts * 2 * size**3 / best / 1e9


def print_table(results: dict) -> None:
    def median(name, key):
        return statistics.median(result[key] for result in results[name])

    def ratio(name, base):
        return median(base, "seconds") / median(name, "seconds") if base in results else math.nan

    print(
        f"\n{'variant':22s}{'s/step':>9s}{'sketches/s':>12s}{'x TF1':>8s}{'x stand-in':>12s}"
        f"{'GFLOP/s':>9s}{'% of peak':>11s}{'GiB':>7s}{'of TF1':>8s}"
    )
    for name in results:
        seconds, gflop = median(name, "seconds"), median(name, "gflop")
        original = TF1 + (VARIANTS[name] or {}).get("decoder.cell", "lstm")
        share = median(name, "gib") / median(original, "gib") if original in results else math.nan
        print(
            f"{name:22s}{seconds:9.3f}{100 / seconds:12.1f}{ratio(name, original):8.2f}"
            f"{ratio(name, STAND_IN):12.2f}{gflop / seconds:9.1f}"
            f"{100 * gflop / seconds / median(name, 'peak'):10.0f} %{median(name, 'gib'):7.2f}"
            f"{share:8.2f}"
        )


if __name__ == "__main__":
    app.run(main)
