r"""The paper's Table 1 in shape: one data set, w_KL 1, 0.5, 0.25 and the decoder alone.

  python benchmarks/paper_table.py --data_dir data/sheep --output_dir runs/paper --steps 1000 \
      [--preset small] [--set decoder.units=256] [--settings 1,0.5,0.25,decoder] [--seed 0]

Every model is what sketch-rnn-train makes with the same steps, seed and sizes, in a run directory
of its own below --output_dir: kl_1, kl_0.5, kl_0.25, decoder. Stop it whenever you like; the same
command goes on where it was. What `last.keras`, the weights of the last step, give on the test
split is kept beside the run as NAME.json, and table.md is the table that is printed.

The KL weight w (1 - 0.99 R^t) would not have risen after the paper's R = 0.99999 in so few steps:
here R = 0.05^(2 / steps), so that it has 95 % of w or more from half of the steps on.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import itertools
import os
import pathlib
import shlex
import sys
from collections.abc import Sequence
from typing import Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# The root before this folder, whose data_prep.py would hide the package of its name.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))

from sketch_rnn_tf import cli, files, runs
from sketch_rnn_tf.commands import train

DECODER = "decoder"
REACHED, BY = 0.95, 0.5  # share of the final KL weight, and of the steps by which it is reached
# (name in the table, key of sketch-rnn-evaluate) of what the checks compare.
LOSSES = (
    ("masked", "reconstruction_loss"),
    ("masked, sampled z", "reconstruction_loss_sampled_z"),
    ("unmasked", "reconstruction_loss_unmasked"),
)


def main() -> int:
    arguments = _arguments()
    results = []
    for number, setting in enumerate(arguments.settings):
        _say_how_far(number, setting, arguments, results)
        if code := train_one(setting, arguments):
            return code
        run = runs.open_run(arguments.output_dir / run_name(setting))
        if arguments.steps not in run.checkpoints():
            cli.say(f"{run.path}: stopped; the same command goes on")
            return cli.FAILURE
        results.append(evaluated(run, arguments))
    text = report(results)
    files.write_text(arguments.output_dir / "table.md", text)
    print(text, end="")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data_dir", type=pathlib.Path, required=True)
    parser.add_argument("--output_dir", type=pathlib.Path, required=True)
    parser.add_argument("--steps", type=int, default=1000, help="of each model")
    parser.add_argument("--preset", default="small", help="sizes and learning rate of all models")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", help="as in sketch-rnn-train"
    )
    parser.add_argument("--settings", type=_settings, default="1,0.5,0.25,decoder")
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


def _settings(text: str) -> list[str]:
    """Returns the wanted settings: KL weights, and `decoder` for a decoder alone."""
    settings = [part.strip() for part in text.split(",") if part.strip()]
    for setting in settings:
        if setting != DECODER and not float(setting) > 0:
            raise ValueError
    return settings


def run_name(setting: str) -> str:
    return setting if setting == DECODER else f"kl_{float(setting):g}"


def _say_how_far(number: int, setting: str, arguments, results: Sequence[dict]) -> None:
    """Says which model is next and, from those that are there, how long all will have taken."""
    count = len(arguments.settings)
    left = ""
    if results:
        mean = sum(result["seconds"] for result in results) / len(results)
        left = f"; {(count - number) * mean / 60:.0f} minutes left, if none is begun"
    cli.say(f"--- model {number + 1} of {count}: {run_name(setting)}{left}")


def train_one(setting: str, arguments: argparse.Namespace) -> int:
    """Trains one model, or goes on with it; one that is finished is left as it is."""
    import keras

    keras.backend.clear_session()
    gc.collect()
    command = train_command(setting, arguments)
    cli.say(shlex.join([train.NAME, *command]))
    with contextlib.redirect_stdout(sys.stderr):  # stdout is for the table
        return train.run(command)


def train_command(setting: str, arguments: argparse.Namespace) -> list[str]:
    """Returns the arguments of sketch-rnn-train for a setting."""
    own = ["conditional=false"] if setting == DECODER else [f"kl_weight={setting}"]
    defaults = [f"kl_weight_decay={kl_decay(arguments.steps)!r}", "checkpoint_every=100"]
    return [
        *("--data_dir", str(arguments.data_dir)),
        *("--run_dir", str(arguments.output_dir / run_name(setting))),
        *("--preset", arguments.preset),
        *("--train_steps", str(arguments.steps), "--seed", str(arguments.seed)),
        *(word for value in (*defaults, *arguments.set, *own) for word in ("--set", value)),
    ]


def kl_decay(steps: int) -> float:
    """Returns R such that the KL weight has reached REACHED of its final value BY these steps.

    w - (w - start) R^t >= REACHED w for every start of 0 or more, if R^t <= 1 - REACHED.
    """
    return (1 - REACHED) ** (1 / max(1, int(BY * steps)))


def evaluated(run: runs.Run, arguments: argparse.Namespace) -> dict[str, Any]:
    """Returns what a finished run gives on the test split, computed once for the same weights."""
    weights = run.weights("last")
    identity = {
        "name": run.path.name,
        "conditional": run.config.model.conditional,
        "kl_weight": run.config.training.kl_weight,
        "steps": arguments.steps,
        "seed": arguments.seed,
        "data_fingerprint": run.config.data_fingerprint,
        "weights_sha256": files.sha256_of_file(weights),
    }
    path = run.path.with_name(f"{run.path.name}.json")
    kept = files.read_json(path) if path.exists() else {}
    if all(kept.get(key) == value for key, value in identity.items()):
        return kept
    state = files.read_json(run.checkpoint_path(arguments.steps) / "state.json")
    result = {**identity, "seconds": state["seconds"], "test": _test_losses(run, arguments)}
    files.write_json(path, result)
    return result


def _test_losses(run: runs.Run, arguments: argparse.Namespace) -> dict[str, Any]:
    from sketch_rnn_tf import evaluation

    return evaluation.evaluate(
        run.load_model("last"),
        arguments.data_dir,
        "test",
        scale_factor=run.config.scale_factor,
        kl_weight=run.config.training.kl_weight,
    )


def report(results: Sequence[dict]) -> str:
    """Returns the table and the checks as Markdown."""
    test = results[0]["test"]
    lines = [
        f"{test['num_sketches']} test sketches, N_max {test['n_max']},"
        f" {results[0]['steps']} steps each, seed {results[0]['seed']}",
        "",
        "| model | L_R masked | masked, sampled z | unmasked | L_KL | nats a point | active z |",
        "|---|---|---|---|---|---|---|",
        *(_row(result) for result in results),
        "",
        *(f"- {line}" for line in checks(results)),
    ]
    return "\n".join(lines) + "\n"


def _row(result: dict) -> str:
    test = result["test"]
    numbers = [f"{test[key]:.4f}" for _, key in LOSSES]
    conditional = result["conditional"]
    latent = [f"{test['kl_raw']:.4f}" if conditional else "-"]
    active = str(test["active_latents"]) if conditional else "-"
    words = [_words(result), *numbers, *latent, f"{test['nats_per_point']:.4f}", active]
    return f"| {' | '.join(words)} |"


def _words(result: dict) -> str:
    return f"w_KL {result['kl_weight']:g}" if result["conditional"] else "decoder alone"


def checks(results: Sequence[dict]) -> list[str]:
    """Returns whether the paper's order shows, a line a claim with the numbers."""
    falling = sorted(
        (r for r in results if r["conditional"]), key=lambda r: r["kl_weight"], reverse=True
    )
    alone = [r for r in results if not r["conditional"]]
    lines = []
    for name, key in LOSSES:
        values = [r["test"][key] for r in falling]
        if len(falling) > 1:
            holds = all(a > b for a, b in itertools.pairwise(values))
            lines.append(_check(f"lower w_KL, lower L_R ({name})", holds, falling, key))
        if alone and falling:
            holds = max(values) < alone[0]["test"][key]
            claim = f"conditional L_R below decoder alone ({name})"
            lines.append(_check(claim, holds, [*falling, *alone], key))
    if len(falling) > 1:
        values = [r["test"]["kl_raw"] for r in falling]
        holds = all(a < b for a, b in itertools.pairwise(values))
        lines.append(_check("lower w_KL, higher L_KL", holds, falling, "kl_raw"))
    return lines


def _check(claim: str, holds: bool, results: Sequence[dict], key: str) -> str:
    numbers = ", ".join(f"{_words(r)}: {r['test'][key]:.4f}" for r in results)
    return f"{claim}: {'yes' if holds else 'NO'} ({numbers})"


if __name__ == "__main__":
    sys.exit(main())
