"""`MODEL.md`: what a trained model is, what it was made from and under which licenses."""

from __future__ import annotations

import pathlib
import string
from collections.abc import Mapping, Sequence
from typing import Any

from sketch_rnn_tf import card, files, runs
from sketch_rnn_tf.data import dataset

_TEMPLATE = pathlib.Path(__file__).with_name("model_card.md")
_NAMED = 5  # sources by name
_MEASURES = (
    "nats_per_point",
    "reconstruction_loss",
    "kl_raw",
    "cost",
    "quality_kid",
    "quality_kid_floor",
    "quality_precision",
    "quality_recall",
    "quality_coverage",
)


def write(
    run: runs.Run,
    info: dataset.DatasetInfo,
    test: Mapping[str, Any] | None,
    parameters: int,
    steps: int,
    initial: runs.Run | None = None,
) -> None:
    """Writes the card of a run.

    Args:
      run: the run.
      info: the data set that it was trained on.
      test: losses and measures of the test split; None where there is no test split.
      parameters: how many numbers the model has learned.
      steps: how many training steps it took.
      initial: the run whose weights it started from; they are a source like the drawings.
    """
    model, training = run.config.model, run.config.training
    kind = "with a latent vector" if model.conditional else "a decoder alone"
    sources = [*info.sources, *([] if initial is None else [_as_source(initial)])]
    rows = _source_rows(sources)
    measured = "There was no test split."
    if test is not None:
        lines = [f"| {name} | {test[name]:.4f} |" for name in _MEASURES if name in test]
        measured = "\n".join(["| measure | value |", "|---|---|", *lines])
    text = string.Template(_TEMPLATE.read_text(encoding="utf-8")).substitute(
        name=run.path.resolve().name,
        which="--class all " if model.class_conditioned else "",
        parameters=f"{parameters:,}",
        kind=f"{kind}, {'class-conditioned' if model.class_conditioned else 'without classes'}",
        steps=f"{steps:,}",
        batch_size=training.batch_size,
        sketches=f"{info.num_sketches('train'):,}",
        classes=", ".join(info.classes[:20]) + (", ..." if len(info.classes) > 20 else ""),
        sources="\n".join(rows) or "| not recorded | | |",
        test=measured,
        preset=run.config.preset or "none",
        seed=training.seed,
        fingerprint=(run.config.data_fingerprint or "unknown")[:16],
        versions=", ".join(f"{name} {version}" for name, version in run.config.versions.items()),
    )
    measures = {name: test[name] for name in _MEASURES if name in test} if test else {}
    head = card.head(
        run.path.resolve().name,
        [source.get("license") for source in sources],
        measures,
        ", ".join(_cell(source.get("path")) for source in info.sources[:_NAMED]) or "unknown",
    )
    files.write_text(run.path / runs.MODEL_CARD, head + text)


def _as_source(initial: runs.Run) -> dict[str, Any]:
    """Returns the weights of another run as a source, under the license that its card names."""
    path = initial.path / runs.MODEL_CARD
    license_ = card.license_of(path.read_text("utf-8")) if path.is_file() else None
    return {"path": f"weights of {initial.path.resolve().name}", "license": license_}


def _source_rows(sources: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns a row per license and version: the sources under them, the first few by name."""
    groups: dict[tuple[str, str], list[str]] = {}
    for source in sources:
        kind = _cell(source.get("license")), _cell(source.get("version"))
        groups.setdefault(kind, []).append(_cell(source.get("path")))
    rows = []
    for (license_, version), paths in groups.items():
        more = len(paths) - _NAMED
        names = ", ".join(paths[:_NAMED]) + (f" and {more} more" if more > 0 else "")
        rows.append(f"| {names} | {license_} | {version} |")
    return rows


def _cell(value: Any) -> str:
    """Returns a value as the text of a table's cell; a path loses the folders before its name."""
    if value is None:
        return "not known"
    text = str(value)
    text = pathlib.PurePath(text).name if text.startswith(("/", "./", "../")) else text
    return text.replace("|", "\\|").replace("\n", " ")
