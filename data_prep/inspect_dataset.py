"""Shows what is in a data set: classes, counts, lengths, scale factor, and a contact sheet.

The sheet (SVG and PNG) has drawings from all over the data set, then its longest, its shortest and
its oddest ones: those whose number of strokes, size, proportions or largest step lie farthest from
the rest. A bad drawing is usually among them; these are also listed with their index and the key
that tells their file. With --before_after it has drawings as they came
beside the same drawings as they are in the data set, those that cleaning changed most first; they
are read from the data set's sources again.

  sketch-rnn-inspect --data_dir data/kanji
  sketch-rnn-inspect --data_dir data/pets --split train --output pets.png
  sketch-rnn-inspect --data_dir data/scans --before_after
"""

from __future__ import annotations

import dataclasses
import math
import os
import pathlib
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from absl import flags as absl_flags
from absl import logging

from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError

NAME = "sketch-rnn-inspect"
COLUMNS = 10
LISTED = 3  # longest, shortest and oddest drawings that are named in print
ROWS = 3  # of drawings from all over; then a row each of longest, shortest, odd
BARS = 12


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    absl_flags.DEFINE_string("data_dir", None, "data set to look at", flag_values=flags)
    absl_flags.DEFINE_enum(
        "split", "all", ["all", "train", "valid", "test"], "split to look at", flag_values=flags
    )
    absl_flags.DEFINE_string(
        "output",
        None,
        "contact sheet; written as .svg and .png; default: contact_sheet in --data_dir",
        flag_values=flags,
    )
    absl_flags.DEFINE_bool(
        "before_after",
        False,
        "show drawings before and after cleaning and simplification; default --output: before_after"
        " in --data_dir",
        flag_values=flags,
    )
    absl_flags.DEFINE_bool("overwrite", False, "replace an existing sheet", flag_values=flags)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "data_dir")
    from sketch_rnn_tf.data import dataset

    info = dataset.read_info(flags.data_dir)
    sheets = _sheet_paths(flags)
    features, labels = measure(flags.data_dir, info, flags.split)
    facts = describe(features)
    shown = looked_up(flags.data_dir, info, flags.split, *choose(features, labels))
    if sheets and flags.before_after:
        _write_before_after(sheets, flags.data_dir, info)
    elif sheets:
        _write_sheets(sheets, flags.data_dir, info, shown, len(features))
    extremes = named(shown)
    if flags.json:
        content = {**dataclasses.asdict(info), "measured": facts, **extremes}
        cli.print_json({**content, "sheets": [str(path) for path in sheets]})
    else:
        print("\n".join(table(flags.data_dir, info, features, facts) + _listed(extremes)))
        print("\n".join(map(str, sheets)))


def _sheet_paths(flags: absl_flags.FlagValues) -> list[pathlib.Path]:
    """Returns where the sheets go; nowhere when those of an earlier look may not be replaced."""
    from sketch_rnn_tf import drawing
    from sketch_rnn_tf.data import dataset

    name = dataset.BEFORE_AFTER if flags.before_after else dataset.CONTACT_SHEET
    stem = pathlib.Path(flags.output or os.path.join(flags.data_dir, name))
    if stem.suffix.lower() in (".svg", ".png"):
        stem = stem.with_suffix("")
    elif stem.suffix.lower() in drawing.SUFFIXES:
        raise UsageError(f"--output {stem}: sheets are written as .svg and .png")
    paths = [stem.with_name(stem.name + suffix) for suffix in (".svg", ".png")]
    if flags.output:
        for path in paths:
            cli.refuse_existing(path, flags.overwrite)
    elif not flags.overwrite and any(map(os.path.lexists, paths)):
        logging.info("%s.svg, .png: exist already and are kept; --overwrite replaces them", stem)
        return []
    return paths


# What is measured of each drawing.
FEATURES = np.dtype(
    [
        ("points", "f8"),
        ("strokes", "f8"),
        ("size", "f8"),  # longer side of the box, source units
        ("shape", "f8"),  # width by height
        ("step", "f8"),  # largest step with the pen down, as a share of the size
    ]
)


def measure(directory: str, info, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Measures all drawings of a data set.

    Returns:
      FEATURES [R] and labels [R], in stored order.

    Raises:
      UserError: a shard is damaged, or there is no such split.
    """
    rows, labels = [], []
    for record in _records(directory, info, split):
        rows.append(measured(record.strokes))
        labels.append(record.label)
    return np.array(rows, FEATURES), np.array(labels, np.int64)


def _records(directory: str, info, split: str) -> Iterator[Any]:
    from sketch_rnn_tf.data import dataset

    names = [name for name in dataset.SPLITS if info.num_sketches(name)]
    for name in names if split == "all" else [split]:
        yield from dataset.read_split(directory, name)


def measured(strokes: np.ndarray) -> tuple[float, ...]:
    """Measures one drawing; see FEATURES."""
    places = np.cumsum(strokes[:, :2], axis=0, dtype=np.float64)
    width, height = np.ptp(places, axis=0)
    size = max(width, height)
    drawn = strokes[1:][strokes[:-1, 2] < 0.5]  # steps that leave a line
    step = float(np.abs(drawn[:, :2]).max()) / size if len(drawn) and size else 0.0
    proportion = (width + 1e-3 * size) / (height + 1e-3 * size) if size else 1.0
    return len(strokes), max(1.0, float(strokes[:, 2].sum())), size, proportion, max(step, 0.01)


def oddness(features: np.ndarray) -> tuple[np.ndarray, list[str]]:
    """Rates drawings by how far their worst feature lies from the median.

    Distances are of logarithms, in robust standard deviations (from the median of distances).

    Args:
      features: FEATURES [R].

    Returns:
      Rating float [R], and the word for each drawing's worst feature.
    """
    names = ("strokes", "size", "shape", "step")
    distances = []
    for name in names:
        logs = np.log(np.maximum(features[name], 1e-6))
        apart = np.abs(logs - np.median(logs))
        spread = 1.4826 * np.median(apart)
        distances.append(apart / max(spread, 0.05))  # what hardly varies makes nothing odd
    ratings = np.stack(distances)
    worst = ratings.argmax(axis=0)
    words = [f"{names[k]} {features[names[k]][i]:.3g}" for i, k in enumerate(worst)]
    return ratings.max(axis=0), words


def describe(features: np.ndarray) -> dict[str, float]:
    """Returns means of what was measured."""
    if not len(features):
        return {}
    points, strokes = features["points"], features["strokes"]
    return {
        "points": float(points.mean()),
        "strokes": float(strokes.mean()),
        "points_a_stroke": float(points.sum() / strokes.sum()),
        "size": float(np.median(features["size"])),
    }


def table(directory: str, info, features: np.ndarray, facts: dict) -> list[str]:
    """Returns the lines that the command prints."""
    how = "points taken as published"
    if info.simplification is not None:
        settings = ", ".join(f"{name} {value}" for name, value in info.simplification.items())
        how = f"simplified ({settings})"
    lines = [f"{directory}: {how}, scale factor {info.scale_factor:.4f}"]
    lines += _classes(info)
    lines += histogram(features)
    lines.append(
        f"strokes per drawing {facts['strokes']:.1f}, points per stroke"
        f" {facts['points_a_stroke']:.1f}, median size {facts['size']:.4g} source units"
    )
    for reason, per_class in info.dropped.items():
        lines.append(f"dropped, {reason}: {sum(per_class.values())}")
    for what, per_class in info.cleaned.items():
        lines.append(f"{what.replace('_', ' ')}: {sum(per_class.values())}")
    if info.cut:
        lines.append(f"cut to the longest length: {sum(info.cut.values())}")
    return lines + [f"warning: {message}" for message in info.warnings]


def _classes(info) -> list[str]:
    """Returns the table of classes by split, and its sums."""
    width = max(map(len, [*info.classes, "class", "all"]))
    splits = list(info.splits)
    lines = ["".join([f"{'class':{width}}", *(f"{name:>10}" for name in splits)])]
    for label in [*info.classes, "all"] if len(info.classes) > 1 else info.classes:
        counts = (
            info.num_sketches(name)
            if label == "all"
            else info.splits[name]["per_class"].get(label, 0)
            for name in splits
        )
        lines.append("".join([f"{label:{width}}", *(f"{count:>10}" for count in counts)]))
    return lines


def histogram(features: np.ndarray) -> list[str]:
    """Returns a small histogram of lengths, the bars on a linear scale.

    The width of a bar is round: 1, 2 or 5 times a power of ten.
    """
    points = features["points"].astype(int)
    longest = int(points.max())
    power = 10 ** max(0, math.floor(math.log10(max(longest / BARS, 1))))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= longest / BARS)
    counts = np.bincount(points // step)
    mean, upper = points.mean(), np.percentile(points, 95, method="inverted_cdf")
    lines = [f"points: mean {mean:.1f}, 95 % up to {upper:.0f}, longest {longest}"]
    for i, count in enumerate(counts):
        bar = "#" * math.ceil(40 * count / counts.max())
        lines.append(f"{i * step:6}-{(i + 1) * step - 1:<6} {count:9} {bar}")
    return lines


@dataclasses.dataclass(frozen=True)
class Shown:
    """A drawing of the contact sheet.

    Attributes:
      index: its place in what was looked at.
      mark: why it is marked: `longest`, `shortest`, `odd: ...`; None for an ordinary one.
      label: its class.
      key: what names it in its source.
      strokes: float32 [N, 3].
    """

    index: int
    mark: str | None
    label: str
    key: str
    strokes: np.ndarray


def looked_up(
    directory: str, info, split: str, chosen: list[int], marks: dict[int, str]
) -> list[Shown]:
    """Returns the drawings that `choose` chose."""
    wanted = set(chosen)
    found = {i: record for i, record in enumerate(_records(directory, info, split)) if i in wanted}
    shown = []
    for place, i in enumerate(chosen):
        record = found[i]
        label, key = info.classes[record.label], record.key.decode("utf-8", "replace")
        shown.append(Shown(i, marks.get(place), label, key, record.strokes))
    return shown


def named(shown: Sequence[Shown]) -> dict[str, list[dict[str, Any]]]:
    """Returns the marked drawings by what they are: `longest`, `shortest`, `odd`."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in shown:
        if one.mark:
            kind, _, why = one.mark.partition(": ")
            entry = {"index": one.index, "key": one.key, "label": one.label}
            entry["points"] = len(one.strokes)
            found.setdefault(kind, []).append({**entry, **({"why": why} if why else {})})
    return found


def _listed(extremes: dict[str, list[dict[str, Any]]]) -> list[str]:
    """Returns the lines that name the first of the marked drawings."""
    lines = []
    for kind, entries in extremes.items():
        for entry in entries[:LISTED]:
            why = entry.get("why") or f"{entry['points']} points"
            lines.append(f"{kind:8} {entry['index']:7}  {entry['key']}  ({why})")
    return lines


def _write_sheets(
    paths: Sequence[pathlib.Path], directory: str, info, shown: Sequence[Shown], count: int
) -> None:
    from sketch_rnn_tf import drawing

    many = len(info.classes) > 1
    ordinary = [one.label if many else str(len(one.strokes)) for one in shown]
    for path in paths:
        drawing.save(
            path,
            [one.strokes for one in shown],
            overwrite=True,  # looked at before
            columns=COLUMNS,
            size=96,
            title=f"{pathlib.Path(directory).name}: {count} drawings",
            captions=[
                one.key if one.mark else word for one, word in zip(shown, ordinary, strict=True)
            ],
            marks={place: one.mark for place, one in enumerate(shown) if one.mark},
        )


def _write_before_after(paths: Sequence[pathlib.Path], directory: str, info) -> None:
    """Writes a sheet of pairs, three to a row; of a drawing of a sheet the sheet stands once."""
    from data_prep.engines import before_after
    from sketch_rnn_tf import drawing

    pairs = before_after.pairs(info, 3 * 10)
    captions = []
    for pair in pairs:
        changes = f", {pair.changes} changes" if pair.changes else ""
        captions += [pair.key, f"{len(pair.after)} points{changes}"]
    for path in paths:
        drawing.save(
            path,
            [rows for pair in pairs for rows in (pair.before, pair.after)],
            columns=6,
            size=150,
            colors="strokes",
            title=f"{pathlib.Path(directory).resolve().name}: before and after",
            captions=captions,
        )


def choose(features: np.ndarray, labels: np.ndarray) -> tuple[list[int], dict[int, str]]:
    """Chooses the drawings of a contact sheet.

    Returns:
      Indices into the data set (the ordinary ones first, classes in turn; a drawing may stand
      twice), and {place on the sheet: why it is marked}.
    """
    chosen = from_all_over(labels, COLUMNS * ROWS)
    marks: dict[int, str] = {}
    by_length = np.argsort(features["points"], kind="stable")
    longest, shortest = by_length[::-1][:COLUMNS], by_length[:COLUMNS]
    ratings, words = oddness(features)
    extreme = np.isin(np.arange(len(features)), [longest, shortest])
    odd = np.lexsort((-ratings, extreme))[:COLUMNS]  # others first
    for order, why in ((longest, "longest"), (shortest, "shortest"), (odd, None)):
        for i in order.tolist():
            marks[len(chosen)] = why or f"odd: {words[i]}"
            chosen.append(i)
    return chosen, marks


def from_all_over(labels: np.ndarray, count: int) -> list[int]:
    """Takes drawings of every class in turn; within a class those stored first, a random choice."""
    turns = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        own = labels == label
        turns[own] = np.arange(own.sum())
    return np.lexsort((labels, turns))[:count].tolist()


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
