"""Compares runs: curves, costs, settings that differ, mean and spread over seeds.

  sketch-rnn-compare runs/small runs/wide --output compared.svg
  sketch-rnn-compare runs/small-seed* runs/wide-seed* --json
  sketch-rnn-compare runs/a runs/b --quality a.json,b.json

Runs that differ in nothing but the seed are one group, whose mean and standard deviation are
given. Costs of validation compare only between runs on the same data; there is a warning where the
data differ. --quality adds what `sketch-rnn-evaluate --samples --json` printed for each run.
"""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
import statistics
import sys
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli, config, files, runs
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-compare"
SEED = "training.seed"
# What a comparison shows: (title, name in metrics.jsonl, split).
MEASURES = (
    ("valid cost", "cost", "valid"),
    ("test cost", "cost", "test"),
    ("test nats per point", "nats_per_point", "test"),
)
CURVES = (
    ("Validation cost", "cost", "valid"),
    ("Reconstruction loss, valid", "reconstruction_loss", "valid"),
    ("KL, raw, valid", "kl_raw", "valid"),
    ("Loss, train", "loss", "train"),
)
_UNIMPORTANT = ("versions", "preset", "data_fingerprint", "training.checkpoint_every")
PANEL, LEGEND = 260, 16  # pixels: a curve's square, a line of the legend


@dataclasses.dataclass(frozen=True)
class Compared:
    """A run as it is compared.

    Attributes:
      name: the run directory.
      settings: {dotted key: value} of its configuration.
      curves: {(value, split): [(step, value)]}.
      values: {title of `MEASURES`: the lowest valid cost, the last of the others}.
      best_step: step of the lowest valid cost.
      steps: of the last line.
      quality: {temperature: {measure: value}}, or None.
    """

    name: str
    settings: dict[str, Any]
    curves: dict[tuple[str, str], list[tuple[int, float]]]
    values: dict[str, float]
    best_step: int | None
    steps: int
    quality: dict[str, Any] | None = None


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    absl_flags.DEFINE_list(
        "quality", [], "files that hold what sketch-rnn-evaluate --samples --json printed, one for"
        " each run", flag_values=flags,
    )  # fmt: skip
    absl_flags.DEFINE_multi_string(
        "output", [], "picture of the curves: .svg or .png; may be repeated", flag_values=flags
    )
    absl_flags.DEFINE_bool("overwrite", False, "replace existing files", flag_values=flags)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues, paths: Sequence[str]) -> None:
    """Runs the command."""
    from sketch_rnn_tf.commands import outputs

    if not paths:
        raise UsageError("which runs? sketch-rnn-compare RUN RUN ...")
    if flags.quality and len(flags.quality) != len(paths):
        raise UsageError(f"--quality names {len(flags.quality)} files for {len(paths)} runs")
    outputs.check(flags.output, flags.overwrite)
    for path in flags.output:
        if pathlib.PurePath(path).suffix.lower() not in (".svg", ".png"):
            raise UsageError(f"--output {path}: curves are drawn as .svg or .png")
    quality = [files.read_json(path) for path in flags.quality]
    for path, content in zip(flags.quality, quality, strict=True):
        if not isinstance(content, dict) or not isinstance(content.get("quality"), dict):
            raise UserError(
                f"{path}: has no quality: sketch-rnn-evaluate --samples --json prints it"
            )
    measured = [content["quality"] for content in quality] or [None] * len(paths)
    compared = [read(path, numbers) for path, numbers in zip(paths, measured, strict=True)]
    different = differences(compared)
    groups = group(compared)
    if len({one.settings.get("data_fingerprint") for one in compared}) > 1:
        logging.warning("the runs were trained on different data: their costs do not compare")
    if flags.json:
        cli.print_json(to_json(compared, different, groups))
    else:
        print("\n".join(table(compared, different, groups)))
    for path in flags.output:
        _draw(path, compared)
        logging.info("%s: the curves", path)


def read(path: files.PathLike, quality: dict[str, Any] | None = None) -> Compared:
    """Reads what is compared of a run directory.

    Raises:
      UserError: it is none, or has no metrics.
    """
    run = runs.open_run(path)
    if not (run.path / runs.METRICS).is_file():
        raise UserError(f"{path}: has no {runs.METRICS}: it was not trained here, but imported")
    lines = [line for line in runs.read_metrics(run.path / runs.METRICS) if "split" in line]
    curves: dict[tuple[str, str], list[tuple[int, float]]] = {}
    for line in lines:
        for name, number in line.items():
            real = isinstance(number, (int, float)) and not isinstance(number, bool)
            if name != "step" and real and math.isfinite(number):
                curves.setdefault((name, line["split"]), []).append((line["step"], number))
    best_step, values = None, {}
    for title, name, split in MEASURES:
        points = curves.get((name, split))
        if points and split == "valid":
            best_step, values[title] = min(points, key=lambda point: point[1])
        elif points:
            values[title] = points[-1][1]
    return Compared(
        name=str(path),
        settings=_flat(config.described(run.config)),
        curves=curves,
        values=values,
        best_step=best_step,
        steps=max((line["step"] for line in lines), default=0),
        quality=quality,
    )


def differences(compared: Sequence[Compared]) -> dict[str, list[Any]]:
    """Returns {setting: its value in each run} of the settings that differ."""
    keys = dict.fromkeys(key for one in compared for key in one.settings)
    return {
        key: [one.settings.get(key) for one in compared]
        for key in keys
        if not key.startswith(_UNIMPORTANT)
        and len({json.dumps(one.settings.get(key)) for one in compared}) > 1
    }


def group(compared: Sequence[Compared]) -> list[dict[str, Any]]:
    """Returns the groups of runs that differ in the seed alone, with mean and spread.

    Returns:
      {"runs", "seeds", "mean": {title: value}, "deviation": {title: value}} each; the deviation is
      that of a sample, None for one run.
    """
    members: dict[str, list[Compared]] = {}
    for one in compared:
        same = {
            key: value
            for key, value in one.settings.items()
            if key != SEED and not key.startswith(("versions", "preset"))
        }
        members.setdefault(json.dumps(same, sort_keys=True), []).append(one)
    found = []
    for ones in members.values():
        entry: dict[str, Any] = {
            "runs": [one.name for one in ones],
            "seeds": [one.settings[SEED] for one in ones],
            "mean": {},
            "deviation": {},
        }
        for title, _, _ in MEASURES:
            values = [one.values[title] for one in ones if title in one.values]
            if values:
                entry["mean"][title] = statistics.fmean(values)
                entry["deviation"][title] = statistics.stdev(values) if len(values) > 1 else None
        found.append(entry)
    return found


def to_json(compared: Sequence[Compared], different, groups) -> dict[str, Any]:
    """Returns everything as JSON values."""
    return {
        "runs": [
            {
                "run": one.name,
                "steps": one.steps,
                "best_step": one.best_step,
                "values": one.values,
                "quality": one.quality,
                "curves": {f"{split} {name}": curve for (name, split), curve in one.curves.items()},
            }
            for one in compared
        ],
        "differences": different,
        "groups": groups,
    }


def table(compared: Sequence[Compared], different, groups) -> list[str]:
    """Returns the lines that the command prints."""
    width = max(len("run"), *(len(one.name) for one in compared))
    titles = [title for title, _, _ in MEASURES if any(title in one.values for one in compared)]
    head = [f"{'run':{width}}", f"{'steps':>7}", f"{'best at':>7}"]
    lines = ["  ".join([*head, *(f"{title:>19}" for title in titles)])]
    for one in compared:
        best = "-" if one.best_step is None else str(one.best_step)
        cells = [f"{one.name:{width}}", f"{one.steps:7d}", f"{best:>7}"]
        cells += [f"{_shown(one.values.get(title)):>19}" for title in titles]
        lines.append("  ".join(cells))
    for entry in groups:
        if len(entry["runs"]) > 1:
            seeds = ", ".join(map(str, entry["seeds"]))
            lines += ["", f"mean of {len(entry['runs'])} seeds ({seeds}): {entry['runs'][0]} ..."]
            for title, mean in entry["mean"].items():
                lines.append(f"  {title:19} {mean:.4f} +- {_shown(entry['deviation'][title])}")
    if different:
        lines += ["", "settings that differ"]
        lines += [f"  {key}: {' | '.join(map(str, values))}" for key, values in different.items()]
    measured = [one for one in compared if one.quality]
    if measured:
        lines += ["", "quality"]
        for one in measured:
            for key, number in sorted(_flat(one.quality).items()):
                if isinstance(number, (int, float)):
                    lines.append(f"  {one.name:{width}}  {key}: {number:.4g}")
    return lines


def _shown(number: float | None) -> str:
    return "-" if number is None else f"{number:.4f}"


def _flat(content: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested settings as {dotted key: value}."""
    found = {}
    for key, value in content.items():
        if isinstance(value, dict):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[prefix + key] = value
    return found


def _draw(path: str, compared: Sequence[Compared]) -> None:
    """Draws the curves of all runs, a panel for each of `CURVES` that there are."""
    from sketch_rnn_tf.drawing import charts

    panels = []
    for title, name, split in CURVES:
        lines = [one.curves.get((name, split), []) for one in compared]
        if any(lines):
            panels.append(charts.Panel(title, lines))
    if not panels:
        raise UserError("the runs have no curves yet")
    picture = charts.lay_out(panels, [one.name for one in compared], PANEL)
    with files.atomic_open(path) as stream:
        stream.write(charts.to_bytes(picture, pathlib.PurePath(path).suffix.lower()))


run = cli.command(NAME, __doc__, define_flags, main, positional="RUN ...")

if __name__ == "__main__":
    sys.exit(run())
