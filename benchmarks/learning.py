r"""What recipes learn in the same time, and how long Magenta's code takes to learn as much.

Every recipe starts from the preset `magenta`, its sizes included, and trains for `--seconds` of
steps (how many that are is found by timing a few) or for `--steps`; then the valid split is
evaluated. Runs that are in `--output` already are not trained again, so the table can grow. With
`--magenta` the step of the original code (`tf1_graph.py`) is timed before and after, in the same
minutes on the same machine: 800 of its steps reach, on aaron_sheep, L_R + 0.5 L_KL = 0.836
(unmasked, z sampled) and a masked L_R of 0.563 (its own log, one seed).

  python benchmarks/learning.py --data_dir data/sheep --recipes absolute_position --steps 600 \
      --magenta
  python benchmarks/learning.py --data_dir data/sheep --recipes all --seconds 300 --seeds 0,1
"""

from __future__ import annotations

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
MAGENTA_STEPS, MAGENTA_COST, MAGENTA_MASKED = 800, 0.836, 0.563

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", None, "prepared aaron_sheep, or another data set", required=True)
flags.DEFINE_list("recipes", "cosine,absolute_position", f"all, or of {', '.join(RECIPES)}")
flags.DEFINE_list("seeds", "0", "seeds of each recipe")
flags.DEFINE_integer("steps", None, "steps of every recipe")
flags.DEFINE_float("seconds", 300.0, "time of every recipe's steps, where --steps is not given")
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
    tf1 = [in_process("tf1")["seconds"]] if FLAGS.magenta else []
    for name in list(RECIPES) if FLAGS.recipes == ["all"] else FLAGS.recipes:
        for seed in map(int, FLAGS.seeds):
            if any((one["recipe"], one["seed"]) == (name, seed) for one in done):
                continue
            done.append(in_process(name, seed))
            with output.open("a") as stream:
                stream.write(json.dumps(done[-1]) + "\n")
            print(f"{name}, seed {seed}: cost {done[-1]['cost']:.4f}", file=sys.stderr, flush=True)
    tf1 += [in_process("tf1")["seconds"]] if FLAGS.magenta else []
    print_table(done, tf1)


def in_process(name: str, seed: int = 0) -> dict:
    command = [sys.executable, __file__, f"--run={name}", f"--seed={seed}"]
    command += [f"--data_dir={FLAGS.data_dir}", f"--seconds={FLAGS.seconds}"]
    command += [f"--steps={FLAGS.steps}"] if FLAGS.steps else []
    output = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    return json.loads(output.splitlines()[-1])


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
    from sketch_rnn_tf import config, runs
    from sketch_rnn_tf.commands import opening
    from sketch_rnn_tf.data import dataset
    from sketch_rnn_tf.training import averaging, run_directory, trainer

    start = config.preset("magenta")
    settings = {**RECIPES[name], "train_steps": steps, "seed": seed}
    model, training = config.override(start.model, start.training, settings)
    opening.use_threads(training.parallel_parts)
    info = dataset.read_info(FLAGS.data_dir)
    with tempfile.TemporaryDirectory() as folder:
        description = run_directory.describe(info, FLAGS.data_dir, model, training)
        trained = trainer.Trainer(runs.create(folder, description), FLAGS.data_dir, info)
        begin = time.perf_counter()
        first = None
        for position, batch in enumerate(trained.batches().dataset(0).take(steps)):
            trained.step(batch, position)
            if position == 4:
                first = time.perf_counter()
        end = time.perf_counter()
        with averaging.in_place(trained.average):
            losses = trained.evaluate(trained.model, "valid")
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
    }


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


if __name__ == "__main__":
    app.run(main)
