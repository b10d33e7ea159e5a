r"""The paper's Table 1 in shape: one data set, w_KL 1, 0.5, 0.25 and the decoder alone.

  python experiments/paper_table.py --data_dir data/sheep --output_dir runs/paper --steps 1000 \
      [--preset small] [--set decoder.units=256] [--settings 1,0.5,0.25,decoder] [--seed 0]

Every model is what sketch-rnn-train makes, with the same steps, seed and sizes, in run directories
below --output_dir. Stop it whenever you like; the same command goes on where it was. What
`last.keras`, the weights of the last step, give on the test split is kept beside the run as
NAME.json, and table.md is the table that is printed.

With the paper's R = 0.99999 the KL weight would hardly rise in so few steps, and where it rises at
once, a decoder that has learned little has no use yet for what the latent vector costs. So the
first third of the steps (run `begun`) has the KL weight that the schedule starts with, 0.01, and
every w_KL goes on from there (kl_1, kl_0.5, kl_0.25), with R such that half of all steps reach 95
% of it. The decoder alone is trained in the same two parts (`begun_decoder`, `decoder`).
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
from absl import logging

from sketch_rnn_tf import cli, files, runs
from sketch_rnn_tf.commands import train

DECODER, BEGUN, BEGUN_DECODER = "decoder", "begun", "begun_decoder"
BEFORE = 1 / 3  # share of the steps before the KL weight rises
REACHED, BY = 0.95, 1 / 2  # share of the final KL weight, and of the steps by which it is reached
LOW = 0.01  # the KL weight before
# (name in the table, key of sketch-rnn-evaluate) of what the checks compare.
LOSSES = (
    ("masked", "reconstruction_loss"),
    ("masked, sampled z", "reconstruction_loss_sampled_z"),
    ("unmasked", "reconstruction_loss_unmasked"),
)


def main() -> int:
    arguments = _arguments()
    cli.show_messages()
    results = []
    for number, setting in enumerate(arguments.settings):
        _log_how_far(number, setting, arguments, results)
        if code := train_setting(setting, arguments):
            return code
        run = runs.open_run(arguments.output_dir / run_name(setting))
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


def _log_how_far(number: int, setting: str, arguments, results: Sequence[dict]) -> None:
    """Logs which model is next and, from those that are done, how long the rest will take."""
    count = len(arguments.settings)
    left = ""
    if results:
        mean = sum(result["seconds"] for result in results) / len(results)
        left = f"; {(count - number) * mean / 60:.0f} minutes left at most"
    logging.info("--- model %d of %d: %s%s", number + 1, count, run_name(setting), left)


def train_setting(setting: str, arguments: argparse.Namespace) -> int:
    """Trains the two parts of a setting, or goes on with them; returns an exit code."""
    first, second = steps_of_parts(arguments.steps)
    alone = ["conditional=false"] if setting == DECODER else []
    begun = BEGUN_DECODER if alone else BEGUN
    # The rate does not fall to its end in the first part, and best.keras is of its last step.
    flat = ["learning_rate_schedule=exponential", f"evaluate_every={first}"]
    risen = alone or [f"kl_weight={setting}", f"kl_weight_decay={kl_decay(arguments.steps)!r}"]
    begin = train_command(arguments, begun, first, flat, [*alone, f"kl_weight={LOW}"])
    go_on = train_command(arguments, run_name(setting), second, [], risen)
    go_on += ["--init_from", str(arguments.output_dir / begun)]
    return train_part(begin) or train_part(go_on)


def steps_of_parts(steps: int) -> tuple[int, int]:
    """Returns the steps before the KL weight rises, and the others."""
    first = max(1, round(BEFORE * steps))
    return first, steps - first


def kl_decay(steps: int) -> float:
    """Returns R of the second part such that half of all steps bring the KL weight to REACHED w.

    w - (w - start) R^t >= REACHED w for every start of 0 or more, if R^t <= 1 - REACHED.
    """
    return (1 - REACHED) ** (1 / max(1, int(BY * steps) - steps_of_parts(steps)[0]))


def train_command(
    arguments: argparse.Namespace, name: str, steps: int, defaults: list[str], own: list[str]
) -> list[str]:
    """Returns arguments of sketch-rnn-train; --set changes the defaults, but not what is `own`."""
    return [
        *("--data_dir", str(arguments.data_dir), "--run_dir", str(arguments.output_dir / name)),
        *("--preset", arguments.preset, "--train_steps", str(steps)),
        *("--seed", str(arguments.seed), "--set", "checkpoint_every=100"),
        *(word for value in (*defaults, *arguments.set, *own) for word in ("--set", value)),
    ]


def train_part(command: list[str]) -> int:
    """Runs sketch-rnn-train in this process; a run that was stopped by a signal is a failure."""
    import keras

    keras.backend.clear_session()
    gc.collect()
    logging.info("%s", shlex.join([train.NAME, *command]))
    with contextlib.redirect_stdout(sys.stderr):  # stdout is for the table
        code = train.run(command)
    run_dir = pathlib.Path(dict(itertools.pairwise(command))["--run_dir"])
    if code == 0 and not (run_dir / runs.REPORT).exists():
        logging.info("%s: stopped; the same command goes on", run_dir)
        return cli.FAILURE
    return code


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
    result = {**identity, "seconds": _seconds(run), "test": _test_losses(run, arguments)}
    files.write_json(path, result)
    return result


def _seconds(run: runs.Run) -> float:
    """Returns how long a finished run was trained, the first part not counted."""
    newest = list(run.checkpoints().values())[-1]
    return files.read_json(newest / "state.json")["seconds"]


def _test_losses(run: runs.Run, arguments: argparse.Namespace) -> dict[str, Any]:
    from sketch_rnn_tf import evaluation

    return evaluation.evaluate(run.load_model("last"), run.config, arguments.data_dir, "test")


def report(results: Sequence[dict]) -> str:
    """Returns the table and the checks as Markdown."""
    test = results[0]["test"]
    lines = [
        f"{test['num_sketches']} test sketches, N_max {test['n_max']},"
        f" {results[0]['steps']} steps each, seed {results[0]['seed']}",
        "",
        "| model | L_R masked | masked, sampled z | unmasked | L_KL | nats per point | active z |",
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
