"""Turns vector drawings of any kind into a data set for training: TFRecord shards and dataset.json.

An input is a file or a folder: Sketch-RNN .npz, Quick, Draw! .ndjson (raw or simplified, also .gz)
and .bin, SVG, JSON lists of polylines; or package:kanjivg. Formats are told by content. Published
rows and simplified drawings are taken as they are; other coordinates go through Quick, Draw!'s
chain (align, scale to 255, resample, simplify, round), or, with --simplify_epsilon, are simplified
in their own units.

  sketch-rnn-prepare --input my_drawings/ --output_dir data/mine
  sketch-rnn-prepare --input cat.ndjson --input dog.ndjson --output_dir data/pets
  sketch-rnn-prepare --input package:kanjivg --simplify_epsilon 1.5 --output_dir data/kanji
  sketch-rnn-prepare --verify data/kanji
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from absl import flags as absl_flags

import sketch_rnn_tf
from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-prepare"


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    number = functools.partial(absl_flags.DEFINE_integer, flag_values=flags)
    real = functools.partial(absl_flags.DEFINE_float, flag_values=flags)
    switch = functools.partial(absl_flags.DEFINE_bool, flag_values=flags)
    choice = functools.partial(absl_flags.DEFINE_enum, flag_values=flags)

    absl_flags.DEFINE_multi_string(
        "input", [], "file, folder or package:kanjivg; may be repeated", flag_values=flags
    )
    text("output_dir", None, "folder for the data set")
    switch("overwrite", False, "replace what is in --output_dir once the new data set is whole")
    text("verify", None, "check the shards of this data set instead of making one")
    switch("json", False, "print one JSON object on stdout")

    text("format", None, "npz, ndjson, quickdraw_bin, svg or json; default: by content")
    text("label", None, "class of all drawings; default: the file's word, folder or file name")
    switch("recognized_only", False, "leave out Quick, Draw! drawings the game did not recognise")
    choice("on_error", "stop", ["stop", "skip"], "what a broken record does")
    real("curve_tolerance", None, "of flattened SVG curves, as a share of the drawing's box")
    text("paper", "auto", "color of the paper of SVG pictures, which is not ink; auto or none")
    switch("keep_all", False, "take all shapes of SVG pictures that are not hidden, painted or not")

    real("simplify_epsilon", None, "simplify in source units; 0 keeps every point")
    number(
        "target_length", None, "search the epsilon at which 95 % of drawings have no more points"
    )
    number("min_points", 2, "drop drawings with fewer points")
    number("max_seq_len", None, "longest drawing in points; default: no limit")
    choice("too_long", "drop", ["drop", "cut"], "what happens to drawings beyond --max_seq_len")
    switch("drop_duplicates", False, "keep one of each set of near-duplicates")

    text("splits", "90,5,5", "shares of train, valid and test, by a stable hash of the key")
    switch("resplit", False, "split by hash even files that carry splits")
    number("seed", 0, "of the order of records")
    number("shard_mb", 32, "size of a shard", lower_bound=1)
    number("workers", None, "processes; default: one a core", lower_bound=1)
    choice("engine", "local", ["local", "beam"], "what runs the conversion")
    text(
        "runner", "DirectRunner", "of --engine beam; flags unknown here, as --name=value, go to it"
    )


def main(flags: absl_flags.FlagValues, runner_flags: Sequence[str] = ()) -> None:
    """Runs the command."""
    if flags.verify:
        _verify(flags)
        return
    cli.require(flags, "input", "output_dir")
    if flags["runner"].present and flags.engine != "beam":
        raise UsageError("--runner is for --engine beam")
    info = prepare(
        flags.input,
        flags.output_dir,
        overwrite=flags.overwrite,
        reading=_given(
            flags,
            *("format", "label", "recognized_only", "on_error"),
            *("curve_tolerance", "paper", "keep_all"),
        ),
        simplify_epsilon=flags.simplify_epsilon,
        target_length=flags.target_length,
        filters=_given(flags, "min_points", "max_seq_len", "too_long", "resplit", "seed"),
        drop_duplicates=flags.drop_duplicates,
        splits=flags.splits,
        shard_bytes=flags.shard_mb << 20,
        workers=flags.workers,
        runner=[f"--runner={flags.runner}", *runner_flags] if flags.engine == "beam" else None,
    )
    if flags.json:
        cli.print_json({"output_dir": flags.output_dir, **dataclasses.asdict(info)})
    else:
        print("\n".join(summary(flags.output_dir, info)))


def prepare(
    inputs: Sequence[str],
    output_dir: str | os.PathLike,
    *,
    overwrite: bool = False,
    reading: dict[str, Any] | None = None,
    simplify_epsilon: float | None = None,
    target_length: int | None = None,
    filters: dict[str, Any] | None = None,
    drop_duplicates: bool = False,
    splits: str = "90,5,5",
    shard_bytes: int = 32 << 20,
    workers: int | None = None,
    runner: Sequence[str] | None = None,
):
    """Makes a data set.

    Args:
      inputs: files, folders, `package:kanjivg`.
      output_dir: where to; see `write.output_directory`.
      overwrite: replace what is there.
      reading: keyword arguments of `readers.units`.
      simplify_epsilon: simplify in source units; None: Quick, Draw!'s chain.
      target_length: search the epsilon instead.
      filters: fields of `convert.Options` besides the simplification.
      drop_duplicates: keep one of each set of near-duplicates.
      splits: shares of train, valid and test.
      shard_bytes: about the size of a shard.
      workers: processes; None: one a core.
      runner: Beam's flags; None: run on this machine.

    Returns:
      The `records.DatasetInfo` that was written.

    Raises:
      UserError: bad input, an occupied output folder, an empty split; one clear sentence.
    """
    from data_prep.conversion import convert
    from data_prep.conversion.splits import parse_fractions
    from data_prep.engines import local, sources

    fractions = parse_fractions(splits)
    units = sources.units(inputs, reading or {}, beam=runner is not None)
    workers = workers or local.default_workers()
    simplification = _simplification(units, simplify_epsilon, target_length, workers)
    options = convert.Options(simplification, **(filters or {}))
    job = local.Job(units, options, fractions, drop_duplicates, shard_bytes)
    described = [sources.describe(path, workers) for path in inputs]
    convey = _to_remote if sources.is_remote(str(output_dir)) else _to_folder
    return convey(job, str(output_dir), described, overwrite, workers, runner)


def _to_folder(job, output_dir, sources, overwrite, workers, runner):
    """Runs a job whose output folder is on this machine."""
    from data_prep.engines import local, shards

    with shards.output_directory(output_dir, _fingerprint(job, sources), overwrite) as workspace:
        folder, resumed = workspace
        if resumed:
            cli.say(f"{output_dir}: continuing where an interrupted run ended")
        result = local.run(job, folder, workers, runner)
        info = _info(job, result, sources)
        shards.publish(output_dir, info)
    return info


def _to_remote(job, output_dir, sources, overwrite, workers, runner):
    """Runs a job whose output folder only Beam can reach."""
    if runner is None:
        raise UserError(f"{output_dir}: writing there needs --engine beam")
    from data_prep.engines import beam

    with beam.remote_output(output_dir, overwrite) as workspace:
        info = _info(job, beam.run(job, workspace, runner), sources)
        beam.publish(output_dir, info)
    return info


def _info(job, result, sources: list[dict[str, Any]]):
    """Returns the description of a finished data set; says on stderr what a person should know."""
    from data_prep.engines import plan, shards
    from data_prep.engines import sources as inputs

    info = shards.describe(
        result.shards,
        result.classes,
        result.tally,
        sources=sources,
        simplification=job.options.simplification.to_json() if result.tally.absolute else None,
        canvas=inputs.canvas(job.units, job.options.simplification),
        duplicates=0 if job.drop_duplicates else result.near,
    )
    per_class = {name: content["per_class"] for name, content in info.splits.items()}
    found = plan.warnings(result.tally, result.near, result.leaking, job.drop_duplicates, per_class)
    for message in result.tally.messages:
        cli.say(f"{NAME}: skipped: {message}")
    for message in found:
        cli.say(f"{NAME}: warning: {message}")
    return dataclasses.replace(info, warnings=found)


def _simplification(units, epsilon: float | None, target_length: int | None, workers: int):
    """Returns how to simplify; searches the epsilon when a target length is given."""
    from data_prep.conversion import simplify
    from data_prep.engines import sources

    if target_length is None:
        if epsilon is None:
            return simplify.Simplification()
        return simplify.Simplification("rdp" if epsilon else "none", epsilon)
    if epsilon is not None:
        raise UsageError("give either --simplify_epsilon or --target_length")
    if target_length < 2:
        raise UsageError(f"--target_length is {target_length}, expected at least 2")
    drawings = sources.sample(units, workers)
    cli.say(f"target length {target_length}: searching with {len(drawings)} drawings")
    found = simplify.search_epsilon(drawings, target_length, simplify.Simplification())
    cli.say(f"target length {target_length}: epsilon {found.epsilon:g} of {found.size:g}")
    return found


def _fingerprint(job, sources: list[dict[str, Any]]) -> dict[str, Any]:
    """Returns everything that decides the shards, for telling whether old work can be used."""
    return json.loads(
        json.dumps(
            {
                "version": sketch_rnn_tf.__version__,
                "sources": sources,
                "units": [[unit.path, unit.size] for unit in job.units],
                "reading": repr(job.units[0]) if job.units else "",
                "options": dataclasses.asdict(job.options),
                "fractions": job.fractions,
                "drop_duplicates": job.drop_duplicates,
                "shard_bytes": job.shard_bytes,
            }
        )
    )


def summary(output_dir: str, info) -> list[str]:
    """Returns what the command prints: counts by split and class, what was dropped, the scale."""
    counts = [_counted(len(info.classes), "class", "es"), _counted(len(info.shards), "shard", "s")]
    lines = [f"{output_dir}: {', '.join(counts)}"]
    for name, content in info.splits.items():
        lines.append(f"  {name:6}{content['num_sketches']:10} drawings")
    if 1 < len(info.classes) <= 30:
        for label in info.classes:
            counts = (content["per_class"].get(label, 0) for content in info.splits.values())
            lines.append(f"    {label}: {' / '.join(map(str, counts))}")
    for reason, per_class in info.dropped.items():
        lines.append(f"  dropped, {reason}: {sum(per_class.values())} ({_most(per_class)})")
    if info.cut:
        lines.append(f"  cut: {sum(info.cut.values())} ({_most(info.cut)})")
    lengths = {int(points): n for points, n in info.length_histogram.items()}
    count = sum(lengths.values())
    mean = sum(points * n for points, n in lengths.items()) / count
    lines.append(
        f"  points a drawing: mean {mean:.1f}, 95 % up to {percentile(lengths, 95)},"
        f" longest {info.max_length}"
    )
    lines.append(f"  scale factor {info.scale_factor:.4f}")
    return lines


def _counted(number: int, word: str, ending: str) -> str:
    return f"{number} {word}{'' if number == 1 else ending}"


def percentile(lengths: dict[int, int], percent: float) -> int:
    """Returns the smallest number of points that this share of drawings does not exceed."""
    wanted = percent / 100 * sum(lengths.values())
    below = 0
    for points in sorted(lengths):
        below += lengths[points]
        if below >= wanted:
            return points
    return 0


def _most(per_class: dict[str, int]) -> str:
    """Returns the largest counts by class."""
    ordered = sorted(per_class.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{label} {count}" for label, count in ordered[:5])
    return shown + (", ..." if len(ordered) > 5 else "")


def _given(flags: absl_flags.FlagValues, *names: str) -> dict[str, Any]:
    return {name: flags[name].value for name in names if flags[name].value is not None}


def _verify(flags: absl_flags.FlagValues) -> None:
    from data_prep.engines import shards

    start = time.monotonic()
    checked = list(shards.verify(flags.verify))
    count = sum(n for _, n in checked)
    if flags.json:
        cli.print_json({"data_dir": flags.verify, "shards": len(checked), "sketches": count})
        return
    took = time.monotonic() - start
    print(f"{flags.verify}: {len(checked)} shards with {count} drawings are whole ({took:.1f} s)")


def run(argv: Sequence[str] | None = None) -> int:
    """Runs the command with these arguments (sys.argv's by default); returns its exit code."""
    own, runner_flags = _runner_flags(list(sys.argv[1:] if argv is None else argv))
    command = functools.partial(main, runner_flags=runner_flags)
    return cli.command(NAME, __doc__, define_flags, command)(own)


def _runner_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
    """Splits off what this command does not know, if Beam runs it, for Beam's runner."""
    flags = absl_flags.FlagValues()
    define_flags(flags)
    try:
        rest = flags([NAME, *arguments], known_only=True)[1:]
    except absl_flags.Error:
        return arguments, []
    if flags.engine != "beam" or any(word in ("-h", "--help") for word in arguments):
        return arguments, []
    own = list(arguments)
    rest = [word for word in rest if word.startswith("-")]  # no others: they may be ours as well
    for word in rest:
        own.remove(word)
    return own, rest


if __name__ == "__main__":
    sys.exit(run())
