r"""What recipes learn in the same time, and how long Magenta's code takes to learn as much.

Every recipe starts from a preset, its sizes included, and trains for `--seconds` of steps (how many
that are is found by timing a few) or for `--steps`; then the valid split is evaluated. Runs that
are in `--output` already are not trained again, so the table can grow. `--processor_time` gives
each run one thread and counts the seconds that it computed, which other work does not change. With
`--magenta` the step of the original code (`tf1_graph.py`) is timed before and after, in the same
minutes on the same machine: 800 of its steps reach, on aaron_sheep, L_R + 0.5 L_KL = 0.836
(unmasked, z sampled) and a masked L_R of 0.563 (its own log, one seed). `--samples` compares as
many drawings of each model, at a temperature of 0.4, with real ones of the test split.

  python benchmarks/learning.py --data_dir data/sheep --recipes absolute_position --steps 600 \
      --magenta
  python benchmarks/learning.py --data_dir data/sheep --recipes all --seconds 300 --seeds 0,1
  python benchmarks/learning.py --data_dir data/kanji --preset quickstart --recipes changes \
      --set encoder.units=64,decoder.units=192,z_size=32 --seconds 150 --processor_time \
      --seeds 0,1 --samples 500
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from absl import app, flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

SCHEDULE = {
    "dtype": "mixed_bfloat16",
    "batch_size": 50,
    "learning_rate": 4e-3,
    "learning_rate_schedule": "cosine",
    "warmup_steps": 50,
    "kl_weight_decay": 0.99,
}
NO_NOISE = {
    **SCHEDULE,
    "learning_rate": 6e-3,
    "kl_weight_decay": 0.9995,
    "encoder.recurrent_dropout": 0.0,
    "decoder.recurrent_dropout": 0.0,
    "point_dropout": 0.0,
    "random_scale": 0.1,
}
RECIPES = {
    "magenta": {},
    "cosine": SCHEDULE,
    "average": {**SCHEDULE, "average_decay": 0.98},
    "slow_kl": {**SCHEDULE, "average_decay": 0.98, "kl_weight_decay": 0.9997},
    "no_noise": NO_NOISE,
    "absolute_position": {**NO_NOISE, "decoder.absolute_position": True},
    "stacked": {**NO_NOISE, "decoder.absolute_position": True, "decoder.cell": "stacked"},
    "batch_25": {**NO_NOISE, "decoder.absolute_position": True, "batch_size": 25},
    "batch_100": {**NO_NOISE, "decoder.absolute_position": True, "batch_size": 100},
    "weight_decay": {**NO_NOISE, "decoder.absolute_position": True, "weight_decay": 0.01},
    "clip_norm": {**NO_NOISE, "decoder.absolute_position": True, "gradient_clip_norm": 1.0},
    "linear": {
        **NO_NOISE,
        "decoder.absolute_position": True,
        "learning_rate_schedule": "linear",
    },
}
# One change each to the recipe of `quickstart`, `best` or another preset.
CHANGES = {
    "as it is": {},
    "batch 25": {"batch_size": 25},
    "batch 100": {"batch_size": 100},
    "batch 200": {"batch_size": 200},
    "rate 2e-3": {"learning_rate": 2e-3},
    "rate 4e-3": {"learning_rate": 4e-3},
    "rate 8e-3": {"learning_rate": 8e-3},
    "rate 12e-3": {"learning_rate": 12e-3},
    "linear": {"learning_rate_schedule": "linear"},
    "one-cycle": {"warmup_steps": 0.3},
    "no warm-up": {"warmup_steps": 0},
    "beta_2 0.99": {"adam_beta_2": 0.99},
    "beta_1 0.95": {"adam_beta_1": 0.95},
    "AdamW 0.01": {"weight_decay": 0.01},
    "AdamW 0.1": {"weight_decay": 0.1},
    "norm clipped at 1": {"gradient_clip_norm": 1.0},
    "no clipping": {"gradient_clip": 0.0},
    "average 0.99": {"average_decay": 0.99},
    "dropout 0.1": {"encoder.recurrent_dropout": 0.1, "decoder.recurrent_dropout": 0.1},
    "no scaling": {"random_scale": 0.0},
    "scaling 0.15": {"random_scale": 0.15},
    "slant 0.05": {"random_slant": 0.05},
    "points dropped": {"point_dropout": 0.1},
    "KL at once": {"kl_weight_start": 0.25, "kl_weight": 0.25},
    "no floor": {"kl_tolerance": 0.0},
    "mixture of 10": {"num_mixtures": 10},
    "mixture of 40": {"num_mixtures": 40},
    "layer_norm": {"decoder.cell": "layer_norm"},
    "hyper": {"decoder.cell": "hyper", "decoder.hyper_units": 64},
    "stacked": {"decoder.cell": "stacked"},
    "no position": {"decoder.absolute_position": False},
}
GROUPS = {"all": RECIPES, "changes": CHANGES}
MAGENTA_STEPS, MAGENTA_COST, MAGENTA_MASKED = 800, 0.836, 0.563

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "prepared aaron_sheep, or another data set", required=True)
flags.DEFINE_string("preset", "magenta", "what every recipe starts from")
flags.DEFINE_list("set", [], "settings of every recipe: key=value,...")
flags.DEFINE_list(
    "recipes", "cosine,absolute_position", f"of {', '.join(RECIPES | CHANGES)}; all; changes"
)
flags.DEFINE_list("seeds", "0", "seeds of each recipe")
flags.DEFINE_integer("steps", None, "steps of every recipe")
flags.DEFINE_float("seconds", 300.0, "time of every recipe's steps, where --steps is not given")
flags.DEFINE_bool("processor_time", False, "one thread a run, and seconds of the processor")
flags.DEFINE_integer("jobs", 1, "how many runs side by side; for --processor_time")
flags.DEFINE_integer("samples", None, "drawings of every model that are compared with real ones")
flags.DEFINE_bool("magenta", False, "time the step of the original code before and after")
flags.DEFINE_string("output", None, "keeps results as lines of JSON; default: a temporary file")
flags.DEFINE_string("run", None, "internal: train one recipe or time tf1, and print JSON")
flags.DEFINE_integer("seed", 0, "internal: of --run")


def main(_):
    if FLAGS.run:
        print(json.dumps(time_tf1() if FLAGS.run == "tf1" else train(FLAGS.run, FLAGS.seed)))
        return
    output = pathlib.Path(FLAGS.output or tempfile.mkstemp(suffix=".jsonl")[1])
    done = [json.loads(line) for line in output.read_text().splitlines()] if output.exists() else []
    if FLAGS.samples:
        keep_features()
    tf1 = [in_process("tf1")["seconds"]] if FLAGS.magenta else []
    names = [name for wanted in FLAGS.recipes for name in GROUPS.get(wanted, [wanted])]
    wanted = [(name, seed) for seed in map(int, FLAGS.seeds) for name in names]
    there = [(one["recipe"], one["seed"]) for one in done]
    missing = [one for one in wanted if one not in there]
    with concurrent.futures.ThreadPoolExecutor(FLAGS.jobs) as pool:
        for one in pool.map(lambda one: in_process(*one), missing):
            done.append(one)
            with output.open("a") as stream:
                stream.write(json.dumps(one) + "\n")
            said = f"{one['recipe']}, seed {one['seed']}: cost {one['cost']:.4f}"
            print(said, f"({len(done)} of {len(wanted)})", file=sys.stderr, flush=True)
    tf1 += [in_process("tf1")["seconds"]] if FLAGS.magenta else []
    print_table(done, tf1)
    if len(FLAGS.seeds) > 1:
        print_means(done, names)


def in_process(name: str, seed: int = 0) -> dict:
    command = [sys.executable, __file__, f"--run={name}", f"--seed={seed}"]
    command += [f"--data_dir={FLAGS.data_dir}", f"--seconds={FLAGS.seconds}"]
    command += [f"--preset={FLAGS.preset}", f"--set={','.join(FLAGS.set)}"]
    command += [f"--processor_time={str(FLAGS.processor_time).lower()}"]
    command += [f"--steps={FLAGS.steps}"] if FLAGS.steps else []
    command += [f"--samples={FLAGS.samples}"] if FLAGS.samples else []
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


def keep_features() -> None:
    """Makes the features of the real drawings, which all runs are measured by, where none are."""
    from sketch_rnn_tf.quality import real

    real.open_real(FLAGS.data_dir)


def time_tf1() -> dict:
    import tf1_graph

    step = tf1_graph.make_step("lstm")
    step()
    seconds = []
    for _ in range(5):
        begin = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - begin)
    return {"seconds": statistics.median(seconds)}


def train(name: str, seed: int) -> dict:
    """Trains a recipe; returns its valid losses, its steps and the seconds that they took."""
    steps = FLAGS.steps
    if steps is None:
        few = _train(name, seed, 25)
        steps = max(50, int(FLAGS.seconds / few["seconds_per_step"]))
    return _train(name, seed, steps)


def _train(name: str, seed: int, steps: int) -> dict:
    import tensorflow as tf

    from sketch_rnn_tf import config, runs
    from sketch_rnn_tf.commands import opening
    from sketch_rnn_tf.data import dataset
    from sketch_rnn_tf.training import averaging, run_directory, trainer

    start = config.preset(FLAGS.preset)
    settings = config.parse_settings(FLAGS.set) | (RECIPES | CHANGES)[name]
    if isinstance(settings.get("warmup_steps"), float):
        settings["warmup_steps"] = int(settings["warmup_steps"] * steps)
    settings |= {"train_steps": steps, "seed": seed}
    clock = time.perf_counter
    if FLAGS.processor_time:
        settings["parallel_parts"] = 1
        clock = time.process_time
    model, training = config.override(start.model, start.training, settings)
    opening.use_threads(training.parallel_parts)
    if FLAGS.processor_time:
        with contextlib.suppress(RuntimeError):  # done for the timing already
            tf.config.threading.set_intra_op_parallelism_threads(1)
    info = dataset.read_info(FLAGS.data_dir)
    lengths = [len(one.strokes) for one in dataset.read_split(FLAGS.data_dir, "valid")]
    points = statistics.mean(lengths)
    with tempfile.TemporaryDirectory() as folder:
        description = run_directory.describe(info, FLAGS.data_dir, model, training)
        trained = trainer.Trainer(runs.create(folder, description), FLAGS.data_dir, info)
        begin = clock()
        first = None
        for position, batch in enumerate(trained.batches().dataset(0).take(steps)):
            trained.step(batch, position)
            if position == 4:
                first = clock()
        end = clock()
        with averaging.in_place(trained.average):
            losses = trained.evaluate(trained.model, "valid")
            drawings = measure_drawings(trained) if FLAGS.samples else {}
    return {
        "recipe": name,
        "seed": seed,
        "steps": steps,
        "batch_size": training.batch_size,
        "seconds": end - begin,  # with tracing
        "seconds_per_step": (end - first) / (steps - 5),
        "masked": losses["reconstruction_loss"],
        "cost": losses["reconstruction_loss_unmasked_sampled_z"] + 0.5 * losses["kl_loss"],
        "kl": losses["kl_loss"],
        "active_latents": losses["active_latents"],
        "nats_per_point": losses["nats_per_point"],
        "bound": bound(losses, model.z_size, points),
        **drawings,
    }


def measure_drawings(trained) -> dict:
    from sketch_rnn_tf import Sketcher, quality
    from sketch_rnn_tf.sampling.keras_backend import KerasBackend

    sketcher = Sketcher(KerasBackend(trained.model, trained.run.config))
    return quality.at_end_of_training(sketcher, FLAGS.data_dir, samples=FLAGS.samples)


def bound(losses: dict, z_size: int, points: float) -> float:
    """Returns what a drawing costs at most, in nats per point: its points with z sampled, and z.

    Args:
      losses: of the valid split.
      z_size: Z.
      points: mean number of a drawing's points there.
    """
    whole = losses.get("reconstruction_loss_sampled_z", losses["reconstruction_loss"])
    return (whole * losses["n_max"] + losses["kl_raw"] * z_size) / points


def print_table(results: list[dict], tf1: list[float]) -> None:
    whole = MAGENTA_STEPS * statistics.mean(tf1) if tf1 else None
    if whole:
        timed = " and ".join(f"{seconds:.2f}" for seconds in tf1)
        print(f"The original's step takes {timed} s: {MAGENTA_STEPS} steps {whole:.0f} s.\n")
    head = ["recipe", "seed", "steps", "seconds", "L_R masked", "L_R + 0.5 L_KL", "L_KL"]
    head += ["active z", "nats per point", *(["of Magenta's time"] if whole else [])]
    print("| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for one in results:
        row = [one["recipe"], one["seed"], f"{one['steps']} x {one['batch_size']}"]
        row += [f"{one['seconds']:.0f}", f"{one['masked']:.4f}", f"{one['cost']:.4f}"]
        row += [f"{one['kl']:.4f}", one["active_latents"], f"{one['nats_per_point']:.4f}"]
        row += [f"1/{whole / one['seconds']:.1f}"] if whole else []
        print("| " + " | ".join(map(str, row)) + " |")
    if whole:
        there = [
            one["recipe"]
            for one in results
            if one["cost"] <= MAGENTA_COST and one["masked"] <= MAGENTA_MASKED
        ]
        print(
            f"\nWhat Magenta's code reaches in {MAGENTA_STEPS} steps: {', '.join(there) or 'none'}"
        )


def print_means(results: list[dict], names: list[str]) -> None:
    """Prints means over seeds, the best first, and half of the range that they span."""
    measures = ["cost", "nats_per_point", "bound"]
    drawn = ("kid", "coverage", "ended")
    measures += [name for name in drawn if all(name in one for one in results)]
    rows = []
    for name in names:
        of = [one for one in results if one["recipe"] == name]
        values = [[one[measure] for one in of] for measure in measures]
        steps = f"{statistics.mean(one['steps'] for one in of):.0f} x {of[0]['batch_size']}"
        rows.append((statistics.mean(values[2]), name, steps, values))
    head = ["recipe", "steps", "L_R + 0.5 L_KL", "nats per point", "with z", *measures[3:]]
    print("\n| " + " | ".join(head) + " |\n" + "|---" * len(head) + "|")
    for _, name, steps, values in sorted(rows):
        cells = [f"{statistics.mean(one):.3f} ± {(max(one) - min(one)) / 2:.3f}" for one in values]
        print("| " + " | ".join([name, steps, *cells]) + " |")


if __name__ == "__main__":
    app.run(main)
