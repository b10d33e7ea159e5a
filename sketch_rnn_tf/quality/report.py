"""`quality.html`: the numbers, figures and drawings of a measurement in one file."""

from __future__ import annotations

import html
import importlib.resources
import math
import string
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sketch_rnn_tf import drawing, files
from sketch_rnn_tf.quality import charts, geometry

# (name in the JSON, words, digits after the point)
MEASURES = (
    ("kid", "KID: distance to real drawings, lower is better", 4),
    ("kid_standard_error", "its standard error", 4),
    ("frechet", "Fréchet distance, lower is better", 2),
    ("precision", "precision: share that could be real", 3),
    ("recall", "recall: share of real ones that could be drawn", 3),
    ("density", "density: precision, outliers tamed", 3),
    ("coverage", "coverage: share of real ones with one nearby", 3),
    ("one_nn_accuracy", "1-NN accuracy, best at 0.5", 3),
    ("copies", "share of copies of training drawings", 3),
    ("nearest_training", "distance to the nearest training drawing", 3),
    ("ended", "share that ended by themselves", 3),
    ("recognized", "recognized as what it was to be", 3),
)
_RECONSTRUCTIONS = (
    ("recognized", "reconstruction", "recognized as the class of the original", 3),
    ("chamfer", "reconstruction", "Chamfer distance to the original, pixels", 2),
    ("chamfer_of_others", "reconstruction", "the same of two unlike originals", 2),
    ("top_1", "retrieval", "finds its original: first of all", 3),
    ("top_10", "retrieval", "among the first 10", 3),
    ("top_50", "retrieval", "among the first 50", 3),
    ("kid", "posterior", "KID with z from the posterior", 4),
    ("precision", "posterior", "precision with z from the posterior", 3),
    ("coverage", "posterior", "coverage with z from the posterior", 3),
)
_MOST_CLASSES = 40  # of a confusion table
_WIDTH = 14  # of a column of the plain table


def write(path: files.PathLike, quality: Any, title: str) -> None:
    """Writes the page.

    Args:
      path: of the page.
      quality: what was measured, a `Quality`.
      title: its heading.
    """
    values = quality.values
    body = [
        summary(values),
        _section("Measures", measures(values)),
        _section("By temperature", sweep(values)),
        _section("Geometry", shapes(values)),
        _section("Classes", *classes(values)),
        _section("Reconstructions and latent space", latent_space(values)),
        _section("Real drawings", drawing.grid(quality.pictures["real"], columns=10, size=72)),
        *(
            _section(
                f"Drawings at temperature {name}",
                drawing.grid(quality.pictures[name], columns=10, size=72),
                "<h3>The nine nearest pairs of a drawing and a training drawing</h3>",
                nearest_pairs(quality.pairs[name]),
            )
            for name in values["temperatures"]
        ),
        _section("Measured with", _table((), settings(values))),
    ]
    page = importlib.resources.files(__package__).joinpath("page.html").read_text("utf-8")
    text = string.Template(page).substitute(title=html.escape(title), body="\n".join(body))
    files.write_text(path, text)


def text_table(values: Mapping[str, Any]) -> str:
    """Returns the measures as plain text, a column a temperature and one for each floor."""
    columns = _columns(values)
    lines = ["".join([" " * 24, *(f"{name:>{_WIDTH}}" for name in columns)])]
    for name, _, digits in MEASURES:
        if any(name in column for column in columns.values()):
            cells = (
                f"{_number(column.get(name), digits):>{_WIDTH}}" for column in columns.values()
            )
            lines.append("".join([f"{name:24}", *cells]))
    best = f"best temperature: {values['best_temperature']:g}"
    return "\n".join([*lines, best, *(f"note: {note}" for note in values["notes"])])


def _columns(values: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Returns the measures of each temperature, then of the floors."""
    first = next(iter(values["temperatures"].values()))
    floor = values["floor"]
    known = {
        "copies": first["copies_real"],
        "nearest_training": first["nearest_training_real"],
    }
    return {
        **values["temperatures"],
        "real: train": floor["train"],
        "real: halves": {**floor["halves"], **known},
    }


def summary(values: Mapping[str, Any]) -> str:
    """Returns the best temperature in a sentence, and the notes."""
    best = f"{values['best_temperature']:g}"
    found, floor = values["temperatures"][best], values["floor"]["halves"]
    several = len(values["temperatures"]) > 1
    words = (
        f"<p>{'Use temperature' if several else 'At temperature'} <b>{best}</b>: KID"
        f" <b>{found['kid']:.4f}</b> ± {found['kid_standard_error']:.4f} (two halves of the real"
        f" drawings: {floor['kid']:.4f}), precision {found['precision']:.2f}"
        f" ({floor['precision']:.2f}), coverage {found['coverage']:.2f}"
        f" ({floor['coverage']:.2f}), copies of training drawings {found['copies']:.1%}"
        f" ({found['copies_real']:.1%} of the real ones are as near).</p>"
    )
    notes = "".join(f'<p class="note">{html.escape(note)}</p>' for note in values["notes"])
    return words + notes


def measures(values: Mapping[str, Any]) -> str:
    """Returns the table of all measures, a column per temperature and floor."""
    columns = _columns(values)
    rows = [
        [words, *(_number(column.get(name), digits) for column in columns.values())]
        for name, words, digits in MEASURES
        if any(column.get(name) is not None for column in columns.values())
    ]
    best = list(values["temperatures"]).index(f"{values['best_temperature']:g}")
    return _table(["", *columns], rows, best + 1) + (
        '<p class="note">A number says something only beside its floor: the same measure between'
        " real drawings. “real: train” holds as many training drawings against the same real ones,"
        " “real: halves” the real ones against each other.</p>"
    )


def sweep(values: Mapping[str, Any]) -> str:
    """Returns the figures over temperature: quality against variety first."""
    by_temperature, floor = values["temperatures"], values["floor"]["halves"]
    if len(by_temperature) < 2:
        return ""
    names = list(by_temperature)
    best = names.index(f"{values['best_temperature']:g}")
    found = list(by_temperature.values())
    figures = [
        charts.curve(
            [(one["coverage"], one["precision"]) for one in found],
            x_title="variety: coverage",
            y_title="quality: precision",
            labels=names,
            floor_point=(floor["coverage"], floor["precision"]),
            mark=best,
        )
    ]
    for name, title in (
        ("kid", "KID"),
        ("recall", "recall"),
        ("one_nn_accuracy", "1-NN accuracy"),
        ("copies", "share of copies"),
        ("ended", "share ended"),
    ):
        line = by_temperature[names[0]]["copies_real"] if name == "copies" else floor.get(name)
        figures.append(
            charts.curve(
                [(float(key), one[name]) for key, one in by_temperature.items()],
                x_title="temperature",
                y_title=title,
                floor=line,
                mark=best,
            )
        )
    return f'<div class="figures">{"".join(f"<figure>{svg}</figure>" for svg in figures)}</div>'


def shapes(values: Mapping[str, Any]) -> str:
    """Returns the table of the geometry features."""
    columns = _columns(values)
    first = next(iter(columns.values()))["geometry"]
    rows = [
        [
            geometry.MEANINGS[name],
            _number(first[name]["mean_real"], 3),
            *(
                f"{_number(column['geometry'][name]['mean'], 3)}"
                f" ({_number(column['geometry'][name]['in_deviations'], 2)})"
                for column in columns.values()
            ),
        ]
        for name in geometry.NAMES
    ]
    note = (
        '<p class="note">Means; in brackets the Wasserstein distance of the distributions in'
        " standard deviations of the real one.</p>"
    )
    return _table(["", "real", *columns], rows) + note


def classes(values: Mapping[str, Any]) -> list[str]:
    """Returns what is recognized at the best temperature, and as what else."""
    best = values["temperatures"][f"{values['best_temperature']:g}"]
    if "confusion" not in best:
        return []
    confusion = best["confusion"]
    floor = values["floor"]["halves"].get("recognized_per_class", {})
    shares = [
        [name, _number(share, 3), _number(floor.get(name), 3)]
        for name, share in best["recognized_per_class"].items()
    ]
    parts = [_table(["class", "recognized", "real drawings"], shares)]
    if len(confusion) <= _MOST_CLASSES:
        seen = sorted({name for row in confusion.values() for name in row})
        if len(seen) <= _MOST_CLASSES:
            rows = [
                [asked, *(row.get(name, 0) for name in seen)] for asked, row in confusion.items()
            ]
            parts.append("<h3>Asked for (rows) and recognized as (columns)</h3>")
            parts.append(_table(["", *seen], rows))
    return parts


def latent_space(values: Mapping[str, Any]) -> str:
    """Returns the table of reconstructions and of the posterior."""
    by_temperature = values["temperatures"]
    rows = [
        [words, *(_number(one[part].get(name), digits) for one in by_temperature.values())]
        for name, part, words, digits in _RECONSTRUCTIONS
        if all(name in one.get(part, {}) for one in by_temperature.values())
    ]
    if not rows:
        return ""
    return _table(["", *by_temperature], rows) + (
        '<p class="note">Where drawings with z from the posterior are good and those of the prior'
        " are not, the latent space has holes.</p>"
    )


def nearest_pairs(pairs: Sequence[tuple[Any, Any, float]]) -> str:
    """Returns pictures of drawings beside their nearest training drawings."""
    sketches = [sketch for drawn, training, _ in pairs for sketch in (drawn, training)]
    captions = [text for _, _, distance in pairs for text in (f"drawn, {distance:.2f}", "training")]
    return drawing.grid(sketches, captions=captions, columns=6, size=96) if sketches else ""


def settings(values: Mapping[str, Any]) -> list[list[Any]]:
    """Returns what was measured with, rows of a table."""
    features = values["features"]
    rows = [
        ["drawings", values["samples"]],
        ["real drawings of", " and ".join(values["splits"])],
        ["seed", values["seed"]],
        ["pictures", values["rendering"]["description"]],
        ["features", f"{features['numbers']} of a network of kind {features['network']!r}"],
        ["training drawings", features["training_drawings"]],
        ["key of the features", features["key"][:16]],
    ]
    if features["test_accuracy"] is not None:
        rows.append(["the network's test accuracy", _number(features["test_accuracy"], 3)])
    return rows


def _section(title: str, *parts: str) -> str:
    content = "\n".join(part for part in parts if part)
    return f"<h2>{html.escape(title)}</h2>\n{content}" if content else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]], best: int | None = None) -> str:
    def cell(kind: str, place: int, value: Any) -> str:
        mark = ' class="best"' if place == best else ""
        return f"<{kind}{mark}>{html.escape(str(value))}</{kind}>"

    top = "".join(cell("th", i, value) for i, value in enumerate(head))
    lines = (
        f"<tr>{''.join(cell('td', i, value) for i, value in enumerate(row))}</tr>" for row in rows
    )
    thead = f"<thead><tr>{top}</tr></thead>" if head else ""
    return f'<div class="scroll"><table>{thead}<tbody>{"".join(lines)}</tbody></table></div>'


def _number(value: Any, digits: int) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return "-"
    return f"{value:.{digits}f}"
