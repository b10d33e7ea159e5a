"""Turns vector drawings of any kind into a data set for training: TFRecord shards and dataset.json.

An input is a file, a folder or a pattern: Sketch-RNN .npz; Quick, Draw! .ndjson (raw or simplified,
also .gz), .bin and Kaggle's .csv; SVG; JSON of polylines or rows; icon sets and characters as JSON.
package:kanjivg and npm:NAME are packages of drawings. Formats are detected from the content, and
files beside the drawings of a folder are counted and ignored. Published rows and simplified
drawings are taken as they are; other coordinates go through Quick, Draw!'s chain (align, scale to
255, resample, simplify, round). With --simplify_epsilon all are simplified in their own units. With
--trace scans and pictures of line art (PNG, JPEG, TIFF, WebP, BMP, GIF) become strokes along the
middle of their lines.

  sketch-rnn-prepare --input my_drawings/ --output_dir data/mine
  sketch-rnn-prepare --input cat.ndjson --input dog.ndjson --output_dir data/pets
  sketch-rnn-prepare --input package:kanjivg --simplify_epsilon 1.5 --output_dir data/kanji
  sketch-rnn-prepare --input npm:@iconify-json/lucide --output_dir data/icons
  sketch-rnn-prepare --input scans/ --trace --split_sheets --clean --output_dir data/scans
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
from absl import logging

import sketch_rnn_tf
from data_prep import prepare_flags
from data_prep.prepare_flags import SPLITS
from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-prepare"


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    define = prepare_flags.Definer(flags)
    prepare_flags.define_files(define)
    prepare_flags.define_reading(define)
    prepare_flags.define_cleaning(define)
    prepare_flags.define_points(define)
    prepare_flags.define_shards(define)


def main(flags: absl_flags.FlagValues, runner_flags: Sequence[str] = ()) -> None:
    """Runs the command."""
    if flags.verify:
        if flags.input or flags.output_dir:
            raise UsageError("--verify checks a data set; it takes no --input and --output_dir")
        _verify(flags)
        return
    cli.require(flags, "input", "output_dir")
    prepare_flags.check(flags)
    info = prepare(
        flags.input,
        flags.output_dir,
        overwrite=flags.overwrite,
        reading=prepare_flags.reading(flags),
        cleaning=prepare_flags.cleaning(flags),
        points_per_drawing=flags.points_per_drawing,
        center=flags.center,
        simplify_epsilon=flags.simplify_epsilon,
        like=flags.like,
        target_length=flags.target_length,
        filters=prepare_flags.given(
            flags, "min_points", "max_seq_len", "too_long", "resplit", "seed"
        ),
        drop_duplicates=flags.drop_duplicates,
        splits=flags.splits if flags["splits"].present else None,
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
    like: str | None = None,
    target_length: int | None = None,
    filters: dict[str, Any] | None = None,
    cleaning: dict[str, Any] | None = None,
    points_per_drawing: int | None = None,
    center: bool = False,
    drop_duplicates: bool = False,
    splits: str | None = None,
    shard_bytes: int = 32 << 20,
    workers: int | None = None,
    runner: Sequence[str] | None = None,
):
    """Makes a data set.

    It may be called from any script; worker processes do not run the script again.

    Args:
      inputs: files, folders, patterns, packages.
      output_dir: where to; see `shards.output_directory`.
      overwrite: replace what is there.
      reading: fields of `readers.source.Options`.
      simplify_epsilon: simplify in source units; None: Quick, Draw!'s chain.
      like: a run or `pretrained:NAME`: simplify as its training drawings were.
      target_length: search the epsilon instead.
      filters: fields of `convert.Options` besides the simplification and the cleaning.
      cleaning: fields of `cleaning.Cleaning`.
      points_per_drawing: most points of each drawing, see `simplify.Simplification`.
      center: whether row 0 tells where a drawing begins, as seen from its middle.
      drop_duplicates: keep one of each set of near-duplicates.
      splits: shares of train, valid and test; None: `SPLITS`.
      shard_bytes: about the size of a shard.
      workers: processes; None: one per core.
      runner: Beam's flags; None: run on this machine.

    Returns:
      The `dataset.DatasetInfo` that was written.

    Raises:
      UserError: bad input, an occupied output folder, an empty split; one clear sentence.
    """
    from data_prep.conversion import convert
    from data_prep.conversion.cleaning import Cleaning
    from data_prep.conversion.splits import parse_fractions
    from data_prep.engines import processes, sources
    from data_prep.engines.job import Job
    from data_prep.readers.inputs import counted

    reading = reading or {}
    fractions = parse_fractions(splits or SPLITS)
    if runner is None and sources.is_remote(str(output_dir)):
        raise UserError(f"{output_dir}: writing there needs --engine beam")
    units = sources.units(inputs, reading, beam=runner is not None)
    sources.refuse_idle_options(units, reading)
    workers = workers or processes.default_workers()
    if like is not None:
        simplification = _simplification_of(like)
    else:
        simplification = _simplification(units, simplify_epsilon, target_length, workers)
    if points_per_drawing is not None:
        method = "rdp" if simplification.method == "none" else simplification.method
        simplification = dataclasses.replace(
            simplification, method=method, points=points_per_drawing, published=True
        )
    simplification = dataclasses.replace(simplification, center=center)
    steps = Cleaning(**(cleaning or {}))
    options = convert.Options(simplification, **(filters or {}), cleaning=steps)
    job = Job(units, options, fractions, drop_duplicates, shard_bytes)
    described = [sources.describe(path, workers, reading.get("format")) for path in inputs]
    for source in described:
        if ignored := source.get("ignored"):
            logging.info("%s: ignored beside the drawings: %s", source["path"], counted(ignored))
    convey = _to_remote if sources.is_remote(str(output_dir)) else _to_folder
    return convey(job, str(output_dir), described, overwrite, workers, runner)


def _to_folder(job, output_dir, sources, overwrite, workers, runner):
    """Runs a job whose output folder is on this machine."""
    from data_prep.engines import local, shards

    with shards.output_directory(output_dir, _fingerprint(job, sources), overwrite) as workspace:
        folder, resumed = workspace
        if resumed:
            logging.info("%s: continuing where an interrupted run ended", output_dir)
        if runner is None:
            result = local.run(job, folder, workers)
        else:
            from data_prep.engines import beam

            result = beam.run(job, folder, runner)
        info = _info(job, result, sources)
        shards.publish(output_dir, info)
    return info


def _to_remote(job, output_dir, sources, overwrite, workers, runner):
    """Runs a job whose output folder only Beam can reach."""
    from data_prep.engines import beam

    with beam.remote_output(output_dir, overwrite) as workspace:
        info = _info(job, beam.run(job, workspace, runner), sources)
        beam.publish(output_dir, info)
    return info


def _info(job, result, sources: list[dict[str, Any]]):
    """Returns the description of a finished data set; tells what a person should know."""
    from data_prep.conversion.splits import parse_fractions
    from data_prep.engines import plan, shards
    from data_prep.engines import sources as inputs
    from data_prep.readers import Options

    tally, chosen = result.tally, job.options.simplification
    # Only what was applied is recorded: a model simplifies what it reads in the same way.
    chosen = dataclasses.replace(chosen, published=chosen.published and tally.published > 0)
    info = shards.describe(
        result.shards,
        result.classes,
        tally,
        sources=sources,
        simplification=(
            chosen.to_json() if tally.absolute or chosen.published or chosen.center else None
        ),
        cleaning=job.options.cleaning.to_json(),
        reading=getattr(job.units[0], "options", Options()).to_json(),
        canvas=inputs.canvas(job.units, chosen),
        duplicates=0 if job.drop_duplicates else result.near,
    )
    per_class = {name: content["per_class"] for name, content in info.splits.items()}
    found = plan.warnings(tally, result, job.drop_duplicates, per_class)
    if not result.by_hash and job.fractions != parse_fractions(SPLITS):
        found.append("--splits had no effect: the files carry splits; --resplit splits anew")
    for message in tally.messages:
        logging.info("left out: %s", message)
    for message in found:
        logging.warning("%s", message)
    return dataclasses.replace(info, warnings=found)


def _simplification(units, epsilon: float | None, target_length: int | None, workers: int):
    """Returns how to simplify; searches the epsilon when a target length is given."""
    from data_prep.conversion import simplify
    from data_prep.engines import sources

    if target_length is None:
        if epsilon is None:
            return simplify.Simplification()
        return simplify.Simplification("rdp" if epsilon else "none", epsilon, published=True)
    if epsilon is not None or target_length < 2:
        raise UserError("target_length: expected at least 2, and no epsilon beside it")
    absolute, published = sources.sample(units, workers)
    count = len(absolute) + len(published)
    logging.info("target length %d: searching with %d drawings", target_length, count)
    found = simplify.search_epsilon(
        absolute, target_length, simplify.Simplification(), published=published
    )
    of = f" of {found.size:g}" if absolute else " source units"
    logging.info("target length %d: epsilon %g%s", target_length, found.epsilon, of)
    return found


def _simplification_of(model: str):
    """Returns how the drawings were simplified that a model was trained on.

    Raises:
      UserError: there is no such run, or it does not tell.
    """
    from data_prep.conversion import simplify
    from sketch_rnn_tf import files, model_paths

    kind, path = model_paths.find(model)
    if kind is not model_paths.Kind.RUN:
        raise UserError(f"{model}: expected a run directory, found {kind.value}")
    content = files.read_json(path / model_paths.CONFIG)
    try:
        return simplify.Simplification.from_json(content.get("simplification"))
    except (AttributeError, TypeError):
        raise UserError(f"{path / model_paths.CONFIG}: does not tell a simplification") from None


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
        count = sum(per_class.values())
        if reason == "not_a_drawing":
            lines.append(f"  ignored: {_counted(count, 'file', 's')} without drawings")
        else:
            lines.append(f"  dropped, {reason}: {count} ({_most(per_class)})")
    for what, per_class in info.cleaned.items():
        words = what.replace("_", " ")
        lines.append(f"  {words}: {sum(per_class.values())} ({_most(per_class)})")
    if info.cut:
        lines.append(f"  cut: {sum(info.cut.values())} ({_most(info.cut)})")
    lengths = {int(points): n for points, n in info.length_histogram.items()}
    lines.append(
        f"  points per drawing: mean {info.mean_length:.1f}, 95 % up to {percentile(lengths, 95)},"
        f" longest {info.max_length}"
    )
    lines.append(f"  scale factor {info.scale_factor:.4f}")
    licenses = {source["license"]: None for source in info.sources if source.get("license")}
    if licenses:
        lines.append(f"  license of the drawings: {', '.join(licenses)}")
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


def _most(counts: dict[str, int]) -> str:
    """Returns the largest counts by class, or by suffix of files."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    shown = ", ".join(f"{label} {count}" for label, count in ordered[:5])
    return shown + (", ..." if len(ordered) > 5 else "")


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
    own, runner_flags = split_runner_flags(list(sys.argv[1:] if argv is None else argv))
    command = functools.partial(main, runner_flags=runner_flags)
    return cli.command(NAME, __doc__, define_flags, command)(own)


def split_runner_flags(arguments: list[str]) -> tuple[list[str], list[str]]:
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
