"""`report.html`: how a run went, in one file that needs no other."""

from __future__ import annotations

import html
import math
import pathlib
import string
from collections.abc import Mapping, Sequence
from typing import Any

from sketch_rnn_tf import config, drawing, files, progress, runs
from sketch_rnn_tf.training import checkpoints, pictures

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 420, 200, 52, 22, 10
_COLORS = ("#1f6fb4", "#c8501e")
_CURVES = (  # title, value, splits
    ("Cost: masked reconstruction loss + KL", "cost", ("valid",)),
    ("Loss", "loss", ("train",)),
    ("Reconstruction loss", "reconstruction_loss", ("train", "valid")),
    ("Offset loss", "offset_loss", ("train", "valid")),
    ("Pen loss", "pen_loss", ("train", "valid")),
    ("KL, raw", "kl_raw", ("train", "valid")),
    ("KL, floored", "kl_loss", ("train", "valid")),
    ("Active latents", "active_latents", ("train", "valid")),
    ("Nats per point", "nats_per_point", ("valid",)),
    ("Gradient norm", "gradient_norm", ("train",)),
    ("Share of the gradient that was clipped", "clip_fraction", ("train",)),
    ("Learning rate", "learning_rate", ("train",)),
    ("KL weight", "kl_weight", ("train",)),
    ("Sketches per second", "sketches_per_second", ("train",)),
)
_TEMPLATE = pathlib.Path(__file__).with_name("report.html")


def write(
    run: runs.Run,
    state: checkpoints.State,
    test: Mapping[str, Any] | None,
    drawn: pictures.Pictures,
) -> None:
    """Writes the report of a run.

    Args:
      run: the run; its curves come from `metrics.jsonl`.
      state: where it ended.
      test: losses of the test split with the best weights; None where there is no test split.
      drawn: what the model draws at the end.
    """
    metrics = runs.read_metrics(run.path / runs.METRICS)
    name = html.escape(run.path.resolve().name)
    figures = [
        f"<figure><figcaption>{html.escape(title)}</figcaption>"
        f"{drawing.grid(drawings, **options)}</figure>"
        for title, (drawings, options) in drawn.items()
    ]
    body = [
        _section("Summary", _table(_summary(run, state, metrics))),
        _section("Drawings", *figures),
        _section("Test split, best weights", _table(list(test.items()))) if test else "",
        _section("Curves", '<div class="curves">', *_curves(metrics), "</div>"),
        _section("Configuration", _table(_flat(config.described(run.config)))),
    ]
    page = string.Template(_TEMPLATE.read_text(encoding="utf-8"))
    text = page.substitute(name=name, body="".join(body))
    files.write_text(run.path / runs.REPORT, text)


def _summary(run: runs.Run, state: checkpoints.State, metrics) -> list[tuple[str, Any]]:
    training = run.config.training
    speeds = sorted(_values(metrics, "train", "sketches_per_second")[1])
    early = state.step < training.train_steps
    rows = [
        ("steps", f"{state.step} of {training.train_steps}{' (stopped early)' if early else ''}"),
        ("time", progress.duration(state.seconds)),
    ]
    if speeds:
        rows.append(("sketches per second, median", f"{speeds[len(speeds) // 2]:.1f}"))
    if state.best_cost is not None:
        rows.append(("lowest validation cost", f"{state.best_cost:.4f} at step {state.best_step}"))
    rows.append(("skipped steps", state.skipped_steps))
    rows.append(("trained on", ", ".join(run.config.classes) or "unnamed drawings"))
    return rows


def _section(title: str, *parts: str) -> str:
    return f"<h2>{html.escape(title)}</h2>\n" + "\n".join(parts) + "\n"


def _table(rows: Sequence[tuple[str, Any]]) -> str:
    """Returns a table of names and values; a number is rounded and stands to the right."""
    cells = []
    for name, value in rows:
        kind = ' class="number"' if isinstance(value, (int, float)) else ""
        text = str(round(value, 5) if isinstance(value, float) else value)
        cells.append(f"<tr><th>{html.escape(str(name))}</th><td{kind}>{html.escape(text)}</td>")
    return f"<table>{''.join(cells)}</table>"


def _flat(content: Mapping[str, Any], prefix: str = "") -> list[tuple[str, Any]]:
    rows = []
    for name, value in content.items():
        if isinstance(value, dict):
            rows += _flat(value, f"{prefix}{name}.")
        else:
            rows.append((prefix + name, str(value)))
    return rows


def _curves(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    found = []
    for title, name, splits in _CURVES:
        series = {split: _values(metrics, split, name) for split in splits}
        series = {split: points for split, points in series.items() if points[0]}
        if series:
            found.append(f"<figure><figcaption>{title}</figcaption>{curve(series)}</figure>")
    return found


def _values(metrics, split: str, name: str) -> tuple[list[int], list[float]]:
    """Returns the steps and values of a split; what was not finite is left out."""
    found = [
        (line["step"], line[name])
        for line in metrics
        if line.get("split") == split and isinstance(line.get(name), (int, float))
    ]
    return [step for step, _ in found], [value for _, value in found]


def curve(series: Mapping[str, tuple[Sequence[int], Sequence[float]]]) -> str:
    """Returns curves over steps as SVG.

    Args:
      series: {name: (steps, values)}, at least one point in each.
    """
    last = max(max(steps) for steps, _ in series.values()) or 1
    low = min(min(values) for _, values in series.values())
    high = max(max(values) for _, values in series.values())
    if high - low < 1e-12:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    parts = [_axes(last, low, high)]
    for index, (name, (steps, values)) in enumerate(series.items()):
        points = [
            f"{_x(step, last):.1f},{_y(value, low, high):.1f}"
            for step, value in zip(steps, values, strict=True)
        ]
        color = _COLORS[index]
        drawn = f'<polyline points="{" ".join(points)}" fill="none" stroke="{color}"/>'
        if len(points) == 1:
            x, y = points[0].split(",")
            drawn = f'<circle cx="{x}" cy="{y}" r="2.5" fill="{color}"/>'
        parts.append(drawn)
        if len(series) > 1:
            x, y = _WIDTH - 8, _TOP + 12 + 15 * index
            parts.append(f'<text x="{x}" y="{y}" text-anchor="end" fill="{color}">{name}</text>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}"'
        f' height="{_HEIGHT}" font-family="sans-serif" font-size="11">{"".join(parts)}</svg>'
    )


def _axes(last: int, low: float, high: float) -> str:
    """Returns the frame with three values on either axis."""
    parts = []
    for i in range(3):
        value, step = low + (high - low) * i / 2, round(last * i / 2)
        x, y = _x(step, last), _y(value, low, high)
        anchor = ("start", "middle", "end")[i]
        parts += [
            f'<path d="M{_LEFT} {y:.1f}H{_WIDTH}" stroke="#ddd"/>',
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{_number(value)}</text>',
            f'<text x="{x:.1f}" y="{_HEIGHT - 6}" text-anchor="{anchor}">{step}</text>',
        ]
    return "".join(parts)


def _x(step: float, last: int) -> float:
    return _LEFT + (_WIDTH - _LEFT) * step / last


def _y(value: float, low: float, high: float) -> float:
    return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * (value - low) / (high - low)


def _number(value: float) -> str:
    if value == 0 or not math.isfinite(value):
        return "0"
    return f"{value:.3g}" if 1e-3 <= abs(value) < 1e5 else f"{value:.1e}"
