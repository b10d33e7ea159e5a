"""How well traced strokes match the strokes that pictures were drawn from, and pictures of it.

Characters of KanjiVG and the example drawings are drawn with pens of several widths, once clean and
once as a pale, blurred, noisy JPEG on paper with a shadow; each picture is traced and held against
its strokes. `hatched` and `scribbled` are example drawings with a disc that is shaded by parallel
lines or by one line to and fro. `--pictures` writes the pictures of docs/cleaning_and_tracing.md.

  python experiments/tracing.py --number 40
  python experiments/tracing.py --number 4 --pictures docs/pictures
"""

from __future__ import annotations

import argparse
import io
import itertools
import math
import pathlib
import time
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage, spatial

from data_prep import readers
from data_prep.conversion import cleaning, simplify, tracing
from sketch_rnn_tf import drawing, strokes

KINDS = ("kanji", "examples", "hatched", "scribbled")
NEAR = 2.0  # pixels within which a line counts as found
ROOT = pathlib.Path(__file__).resolve().parents[1]


def known(kind: str, number: int) -> list[list[np.ndarray]]:
    """Returns drawings whose strokes are known, from all over their source."""
    path = "package:kanjivg" if kind == "kanji" else ROOT / "examples" / "drawings"
    generator = np.random.default_rng(0)
    units = list(readers.units(path))
    units = [units[i] for i in generator.permutation(len(units))[:number]]
    of_each = max(2, 30 // len(units))
    found = [one for unit in units for one in itertools.islice(unit.read(), of_each)]
    return [found[i].to_polylines() for i in generator.permutation(len(found))[:number]]


def fitted(drawing_: list[np.ndarray], side: int) -> list[np.ndarray]:
    """Scales a drawing into a square of this many pixels, with a margin."""
    points = np.concatenate(drawing_)
    low, size = points.min(axis=0), np.ptp(points, axis=0)
    factor = 0.84 * side / size.max()
    return [(stroke - low) * factor + (side - size * factor) / 2 for stroke in drawing_]


def shaded(drawing_: list[np.ndarray], kind: str, gap: float) -> list[np.ndarray]:
    """Shades a disc in the middle of a drawing with lines that lie `gap` apart.

    Args:
      drawing_: strokes in pixels.
      kind: `hatched`: parallel lines; `scribbled`: one line to and fro; else nothing is done.
      gap: pixels.
    """
    if kind not in ("hatched", "scribbled"):
        return drawing_
    points = np.concatenate(drawing_)
    middle, radius = (points.min(axis=0) + points.max(axis=0)) / 2, np.ptp(points, axis=0).max() / 5
    heights = np.arange(gap / 2 - radius, radius, gap)
    widths = np.sqrt(radius**2 - heights**2)
    lines = np.stack([[-widths, heights], [widths, heights]]).transpose(2, 0, 1)  # [L, 2, 2]
    turned = middle + lines @ (np.array([[1, 1], [-1, 1]]) / math.sqrt(2))
    if kind == "hatched":
        return [*drawing_, *turned]
    turned[1::2] = turned[1::2, ::-1]
    return [*drawing_, turned.reshape(-1, 2)]


def rendered(drawing_: list[np.ndarray], side: int, pen: float) -> np.ndarray:
    """Draws strokes with a round pen, black on white. [side, side] in 0 to 1."""
    zoom = 4
    image = Image.new("L", (side * zoom, side * zoom), 255)
    pencil = ImageDraw.Draw(image)
    reach = pen * zoom / 2
    for stroke in drawing_:
        points = [tuple(point) for point in (stroke * zoom).tolist()]
        pencil.line(points, fill=0, width=round(pen * zoom), joint="curve")
        for x, y in (points[0], points[-1]):
            pencil.ellipse((x - reach, y - reach, x + reach, y + reach), fill=0)
    return np.asarray(image.reduce(zoom), np.float32) / 255


def scanned(picture: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Makes a picture pale, blurred and noisy, on uneven paper, as JPEG."""
    ink = generator.uniform(0.55, 1) * ndimage.gaussian_filter(
        1 - picture, generator.uniform(0.4, 1.2)
    )
    y, x = np.mgrid[: len(picture), : len(picture)] / len(picture)
    angle = generator.uniform(0, 2 * np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    paper = 0.85 + 0.1 * np.cos(3 * along) - 0.25 * np.clip(along, 0, 1)
    noise = generator.normal(0, generator.uniform(0.01, 0.04), picture.shape)
    stream = io.BytesIO()
    pixels = np.clip(paper * (1 - ink) + noise, 0, 1) * 255
    Image.fromarray(pixels.astype(np.uint8)).save(stream, "JPEG", quality=80)
    return np.asarray(Image.open(stream), np.float32) / 255


def shares(truth: list[np.ndarray], found: list[np.ndarray]) -> tuple[float, float]:
    """Returns the share of true lines within `NEAR` of found ones, and of found near true ones."""
    if not found:
        return 0.0, 0.0
    one, other = (
        np.concatenate([simplify.resample(stroke, 0.5) for stroke in lines])
        for lines in (truth, found)
    )
    recovered = (spatial.cKDTree(other).query(one)[0] <= NEAR).mean()
    return float(recovered), float((spatial.cKDTree(one).query(other)[0] <= NEAR).mean())


def table(number: int, kinds: Sequence[str]) -> None:
    """Prints a line for each kind of drawing, size, pen and picture."""
    print("| drawings | picture | pen | ink recovered: mean, worst | right | strokes | s |")
    print("|---|---|---|---|---|---|---|")
    for kind in kinds:
        drawings = known(kind, number)
        for side, pen in ((500, 2), (500, 4), (500, 8), (1000, 6), (1000, 16)):
            for as_scan in (False, True):
                generator = np.random.default_rng(0)
                rows, took = [], 0.0
                for drawing_ in drawings:
                    truth = shaded(fitted(drawing_, side), kind, 3 * pen)
                    picture = rendered(truth, side, pen)
                    picture = scanned(picture, generator) if as_scan else picture
                    start = time.perf_counter()
                    found = tracing.trace(picture)
                    took += time.perf_counter() - start
                    rows.append((*shares(truth, found), len(truth), len(found)))
                recovered, right, true, traced = np.array(rows).T
                print(
                    f"| {len(drawings)} {kind} | {side} px {'scan' if as_scan else 'clean'} | {pen}"
                    f" | {100 * recovered.mean():.1f} %, {100 * recovered.min():.1f} %"
                    f" | {100 * right.mean():.1f} % | {traced.sum() / true.sum():.2f} of true"
                    f" | {took / len(drawings):.2f} |",
                    flush=True,
                )


def write_pictures(folder: pathlib.Path) -> None:
    """Writes tracing.png (scans beside their strokes) and cleaning.svg (before and after)."""
    generator = np.random.default_rng(1)
    side = 190
    drawings = [*known("examples", 4), *known("kanji", 4)]
    sheet = Image.new("L", (8 * side, side * 2), 255).convert("RGB")
    for i, drawing_ in enumerate(drawings):
        picture = scanned(rendered(fitted(drawing_, side), side, 3), generator)
        found = tracing.trace(picture)
        left, top = i % 4 * 2 * side, i // 4 * side
        coarse = (np.round(picture * 16) * 15).astype(np.uint8)  # a small file keeps its colors
        sheet.paste(Image.fromarray(coarse), (left, top))
        rows = strokes.polylines_to_stroke3(found)
        traced = drawing.png([rows], size=side, colors="strokes", zoom=2)
        cell = Image.open(io.BytesIO(traced)).convert("RGB").resize((side, side))
        sheet.paste(cell.quantize(16), (left + side, top))
    sheet.quantize(256).save(folder / "tracing.png", optimize=True)
    pairs, captions = [], []
    for drawing_ in known("examples", 4):
        worn = _worn(fitted(drawing_, 255), generator)
        sketch = readers.RawSketch("x", "x", "x", polylines=readers.source.Polylines.of(worn))
        steps = cleaning.Cleaning(drop_specks=True, drop_doubled=True, join_strokes=True)
        (after,), counts = cleaning.clean(sketch, steps)
        pairs += [strokes.polylines_to_stroke3(d.to_polylines()) for d in (sketch, after)]
        captions += [f"{len(worn)} strokes", f"{sum(counts.values())} changes"]
    drawing.save(
        folder / "cleaning.svg",
        pairs,
        columns=4,
        size=150,
        colors="strokes",
        captions=captions,
        overwrite=True,
    )


def _worn(drawing_: list[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    """Does to a drawing what cleaning repairs: lifted pens, lines drawn twice, slips."""
    result = []
    for stroke in drawing_:
        stroke = simplify.resample(stroke, 4.0)
        middle = len(stroke) // 2
        result += [stroke[: middle + 1], stroke[middle:] + generator.normal(0, 1, 2)]
        result.append(stroke[: max(4, middle)] + generator.normal(0, 1, 2))
    slip = generator.uniform(60, 200, (3, 1, 2)) + generator.uniform(0, 1.5, (3, 2, 2))
    return [*result, *slip]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--number", type=int, default=40, help="drawings of each kind")
    parser.add_argument("--kinds", default=",".join(KINDS), help="of drawings")
    parser.add_argument("--pictures", type=pathlib.Path, help="folder for pictures, no table")
    flags = parser.parse_args()
    if flags.pictures:
        write_pictures(flags.pictures)
    else:
        table(flags.number, flags.kinds.split(","))
