"""Repairs what hands and scanners leave in a drawing, before it is simplified.

Each step is a pure function of one drawing; sizes are shares of the drawing's size, which is the
longer side of its box. The order of the steps is the order of `clean`: a sheet falls into its
drawings, specks and doubled strokes go, strokes whose ends meet become one, strokes are ordered.
"""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from data_prep.conversion import simplify
from data_prep.readers.source import Polylines, RawSketch
from sketch_rnn_tf import strokes as stroke_rows
from sketch_rnn_tf.errors import UserError

SPECK = 0.01  # a stroke with a box smaller than this is a speck
APART = 0.1  # a dot farther than this outside of everything else is a speck as well
DOUBLED = 0.015  # a stroke that stays this near to others adds nothing
JOIN = 0.02  # ends this near to each other meet
SMALLEST_GAP = 0.01  # of a sheet, between its drawings
CLEAR_JUMP = 1.5  # of the gap between drawings to the largest within them
LONGEST_SHAPE = 3.0  # of the usual drawing of a sheet: longer by shorter side
SMALLEST_PART = 0.2  # of the usual drawing of a sheet: what is smaller belongs to its neighbor
MAX_STROKES = 2000  # of one drawing that steps which compare all pairs of strokes look at

SPECKS, DOUBLES, JOINED = "specks_dropped", "doubled_strokes_dropped", "strokes_joined"
ORDERED, SHEETS, FROM_SHEETS = "drawings_reordered", "sheets_split", "drawings_from_sheets"


@dataclasses.dataclass(frozen=True)
class Cleaning:
    """Which steps are taken; none by default.

    Attributes:
      split_sheets: make each drawing of a sheet a drawing of its own.
      sheet_gap: least gap between drawings, as a share of the sheet's longer side; None: where the
        gaps of the sheet itself make their largest jump.
      drop_specks: leave out specks; see `drop_specks`.
      drop_doubled: leave out strokes drawn over others.
      join_strokes: make one of strokes whose ends meet.
      stroke_order: "keep", or "shortest" for the order with little travel between strokes.
    """

    split_sheets: bool = False
    sheet_gap: float | None = None
    drop_specks: bool = False
    drop_doubled: bool = False
    join_strokes: bool = False
    stroke_order: str = "keep"

    def __post_init__(self):
        if self.stroke_order not in ("keep", "shortest"):
            raise UserError(f"stroke_order is {self.stroke_order!r}, expected keep or shortest")
        if self.sheet_gap is not None and not 0 < self.sheet_gap < 1:
            raise UserError(f"sheet_gap is {self.sheet_gap}, expected a share between 0 and 1")
        if self.sheet_gap is not None and not self.split_sheets:
            raise UserError("sheet_gap is for split_sheets")

    def to_json(self) -> dict[str, Any]:
        """Returns the steps that are taken, for `dataset.json`; nothing where there are none."""
        default = Cleaning()
        fields = dataclasses.asdict(self).items()
        return {name: value for name, value in fields if value != getattr(default, name)}


def clean(drawing: RawSketch, cleaning: Cleaning) -> tuple[list[RawSketch], Counter]:
    """Cleans one drawing.

    Args:
      drawing: what a reader yielded, in any form; the form stays.
      cleaning: the steps.

    Returns:
      The drawing, or the drawings of its sheet in reading order with keys `KEY#1`, `KEY#2`, ...;
      and what was done: {SPECKS, ...: n}. A drawing without strokes, or that no step changes, is
      returned as it came.
    """
    counts: Counter = Counter()
    whole = drawing.to_polylines() if cleaning.to_json() else []
    if not whole:
        return [drawing], counts
    sheet = split_sheet(whole, cleaning.sheet_gap) if cleaning.split_sheets else [whole]
    if len(sheet) > 1:
        counts[SHEETS], counts[FROM_SHEETS] = 1, len(sheet)
    cleaned = [_clean_one(strokes, cleaning, counts) for strokes in sheet]
    if not counts:
        return [drawing], counts
    if len(sheet) == 1:
        return [_with_strokes(drawing, cleaned[0])], counts
    parts = ((f"{drawing.key}#{number}", strokes) for number, strokes in enumerate(cleaned, 1))
    return [
        dataclasses.replace(_with_strokes(drawing, strokes), key=key, group=key)
        for key, strokes in parts
    ], counts


def _clean_one(strokes: list[np.ndarray], cleaning: Cleaning, counts: Counter) -> list[np.ndarray]:
    """Takes the steps that keep a drawing one drawing, and counts what they did."""
    steps = [
        (cleaning.drop_specks, drop_specks, SPECKS),
        (cleaning.drop_doubled, drop_doubled, DOUBLES),
        (cleaning.join_strokes, join_strokes, JOINED),
    ]
    for wanted, step, name in steps:
        if wanted:
            before = len(strokes)
            strokes = step(strokes)
            counts += Counter({name: before - len(strokes)})
    if cleaning.stroke_order == "shortest":
        ordered = order_by_travel(strokes)
        counts[ORDERED] += ordered is not strokes
        strokes = ordered
    for name in [name for name, count in counts.items() if not count]:
        del counts[name]
    return strokes


def _with_strokes(drawing: RawSketch, strokes: list[np.ndarray]) -> RawSketch:
    """Returns the drawing with other strokes, in the form that it had."""
    if drawing.offsets is None:
        return dataclasses.replace(drawing, polylines=Polylines.of(strokes))
    rows = stroke_rows.polylines_to_stroke3(strokes).astype(np.float32)
    return dataclasses.replace(drawing, offsets=rows)


def size_of(strokes: Sequence[np.ndarray]) -> float:
    """Returns the longer side of the box of strokes."""
    low, high = _box(strokes)
    return float((high - low).max())


def _box(strokes: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    points = np.concatenate(strokes)
    return points.min(axis=0), points.max(axis=0)


def drop_specks(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """Leaves out what a slip of the pen or dust has left.

    A speck is a stroke whose box is smaller than `SPECK` of the drawing, but not a dot: a dot
    (all its points are one) may be an eye. It is a speck where it lies on another stroke, or
    farther than `APART` of the drawing outside of the box of all others.

    Args:
      strokes: [n, 2] each.

    Returns:
      The others, in order; all of them where nothing larger than a speck is left.
    """
    extents = np.array([np.ptp(stroke, axis=0).max() for stroke in strokes])
    size = size_of(strokes)
    large = extents >= SPECK * size
    if not large.any():
        return strokes
    others = [stroke for stroke, keep in zip(strokes, large, strict=True) if keep]
    size = size_of(others)  # dust in a corner does not make a drawing larger
    low, high = _box(others)
    near = _Ink(others, size, SPECK)
    kept = []
    for stroke, extent in zip(strokes, extents, strict=True):
        if extent >= SPECK * size:
            kept.append(stroke)
        elif not extent:
            place = stroke[0]
            outside = np.maximum(low - place, place - high).max() > APART * size
            if not outside and not near.covers(stroke):
                kept.append(stroke)
    return kept


class _Ink:
    """Which places are within a distance of strokes, on a grid of a quarter of it.

    A stroke counts once at each place, so strokes can be taken away again.
    """

    def __init__(self, strokes: Sequence[np.ndarray], size: float, share: float):
        self._low, high = _box(strokes)
        self._cell = share * size / 4
        reach = np.arange(-4, 5)
        rows, columns = np.meshgrid(reach, reach, indexing="ij")
        inside = rows**2 + columns**2 <= 16
        self._disk = np.stack([rows[inside], columns[inside]], axis=1)
        self._shape = tuple((np.ceil((high - self._low) / self._cell).astype(int) + 9).tolist())
        self._counts = np.zeros(self._shape, np.int32)
        for stroke in strokes:
            self.add(stroke, 1)

    def _cells(self, stroke: np.ndarray) -> np.ndarray:
        """Returns the cells [n, 2] that a stroke passes."""
        dense = simplify.resample(stroke, self._cell)
        return np.unique(np.rint((dense - self._low) / self._cell).astype(int) + 4, axis=0)

    def add(self, stroke: np.ndarray, count: int) -> None:
        """Adds a stroke, or takes it away (count -1)."""
        near = (self._cells(stroke)[:, None] + self._disk).reshape(-1, 2)
        flat = np.unique(near[:, 0] * self._shape[1] + near[:, 1])
        self._counts.reshape(-1)[flat] += count

    def covers(self, stroke: np.ndarray, times: int = 1) -> bool:
        """Whether all of a stroke lies within the distance of so many strokes."""
        cells = self._cells(stroke)
        inside = ((cells >= 0) & (cells < self._shape)).all(axis=1)
        return bool(inside.all() and (self._counts[cells[:, 0], cells[:, 1]] >= times).all())


def drop_doubled(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """Leaves out strokes that stay within `DOUBLED` of other strokes all along their way.

    Short strokes go first; of two that are alike the later one goes. Dots stay.

    Args:
      strokes: [n, 2] each.

    Returns:
      The others, in order.
    """
    size = size_of(strokes)
    if len(strokes) < 2 or len(strokes) > MAX_STROKES or not size:
        return strokes
    ink = _Ink(strokes, size, DOUBLED)
    lengths = [float(np.hypot(*np.diff(stroke, axis=0).T).sum()) for stroke in strokes]
    dropped = set()
    for i in sorted(range(len(strokes)), key=lambda i: (lengths[i], -i)):
        if lengths[i] > 0 and ink.covers(strokes[i], 2):  # by itself and by another one
            ink.add(strokes[i], -1)
            dropped.add(i)
    return [stroke for i, stroke in enumerate(strokes) if i not in dropped]


def join_strokes(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """Makes one stroke of strokes whose ends are within `JOIN` of each other.

    Where more than two ends meet, the two that go on most smoothly are joined. A joined stroke
    stands where its first part stood and runs as that part did; closed strokes and dots stay.

    Args:
      strokes: [n, 2] each.

    Returns:
      Joined and other strokes.
    """
    size = size_of(strokes)
    reach = JOIN * size
    open_ones = [
        i for i, stroke in enumerate(strokes) if np.hypot(*(stroke[0] - stroke[-1])) > reach
    ]
    if not 2 <= len(open_ones) <= MAX_STROKES or not size:
        return strokes
    ends = [(i, side) for i in open_ones for side in (0, -1)]
    places = np.array([strokes[i][side] for i, side in ends])
    leaving = np.array([_leaving(strokes[i], side, 2 * reach) for i, side in ends])
    apart = np.hypot(*(places[:, None] - places).transpose(2, 0, 1))
    turns = np.arccos(np.clip(-leaving @ leaving.T, -1, 1))
    costs = turns / math.pi + apart / reach
    pairs = np.argwhere(np.triu(apart <= reach, 1))
    partner: dict[tuple[int, int], tuple[int, int]] = {}
    chain_of = {i: i for i in open_ones}
    for a, b in sorted(pairs.tolist(), key=lambda pair: (costs[pair[0], pair[1]], pair)):
        first, second = ends[a], ends[b]
        one, other = chain_of[first[0]], chain_of[second[0]]
        if first in partner or second in partner or one == other:
            continue
        partner[first], partner[second] = second, first
        chain_of = {i: min(one, other) if c in (one, other) else c for i, c in chain_of.items()}
    return _joined(strokes, partner)


def _leaving(stroke: np.ndarray, side: int, reach: float) -> np.ndarray:
    """Returns the unit vector from an end of a stroke into it."""
    points = stroke if side == 0 else stroke[::-1]
    along = np.cumsum(np.hypot(*np.diff(points, axis=0).T))
    vector = points[min(int(np.searchsorted(along, reach)) + 1, len(points) - 1)] - points[0]
    return vector / max(float(np.hypot(*vector)), 1e-300)


def _joined(strokes: list[np.ndarray], partner: dict) -> list[np.ndarray]:
    """Puts strokes together along {(stroke, side): (stroke, side)}."""
    result, done = [], set()
    for i in range(len(strokes)):
        if i in done:
            continue
        before, behind = _follow((i, 0), partner), _follow((i, -1), partner)
        chain = [(j, 0 if side == -1 else -1) for j, side in before[::-1]]  # entered at the far end
        chain += [(i, 0), *behind]
        done |= {j for j, _ in chain}
        parts = [strokes[j] if side == 0 else strokes[j][::-1] for j, side in chain]
        for k in range(1, len(parts)):
            if np.array_equal(parts[k - 1][-1], parts[k][0]):
                parts[k] = parts[k][1:]
        result.append(np.concatenate(parts) if len(parts) > 1 else parts[0])
    return result


def _follow(end: tuple[int, int], partner: dict) -> list[tuple[int, int]]:
    """Returns the strokes that go on from an end, each with the side at which it is entered."""
    found = []
    while end in partner:
        index, side = partner[end]
        found.append((index, side))
        end = (index, -1 - side)
    return found


def order_by_travel(strokes: list[np.ndarray]) -> list[np.ndarray]:
    """Orders and turns strokes so that the pen travels little between them.

    Nearest stroke next, from the first stroke's start, then improved by turning around parts of the
    tour as long as that helps. It never travels farther than the strokes as they came.

    Args:
      strokes: [n, 2] each.

    Returns:
      The strokes in another order, some of them backwards; `strokes` itself where no order that is
      looked at is shorter.
    """
    count = len(strokes)
    if count < 2 or count > MAX_STROKES:
        return strokes
    ends = np.array([[stroke[0], stroke[-1]] for stroke in strokes])
    tour = _improved(_nearest_next(ends), ends)
    if _travel(tour, ends) >= _travel([(i, 0) for i in range(count)], ends) * (1 - 1e-9):
        return strokes
    return [strokes[i] if side == 0 else strokes[i][::-1] for i, side in tour]


def _travel(tour: list[tuple[int, int]], ends: np.ndarray) -> float:
    """Returns the distance from stroke to stroke of a tour of (stroke, side it begins at)."""
    order, sides = np.array(tour).T
    return float(np.hypot(*(ends[order[1:], sides[1:]] - ends[order[:-1], 1 - sides[:-1]]).T).sum())


def _nearest_next(ends: np.ndarray) -> list[tuple[int, int]]:
    tour = [(0, 0)]
    left = np.ones(len(ends), bool)
    left[0] = False
    while left.any():
        index, side = tour[-1]
        distances = np.hypot(*(ends - ends[index, 1 - side]).transpose(2, 0, 1))  # [n, 2]
        distances[~left] = np.inf
        following, begin = np.unravel_index(distances.argmin(), distances.shape)
        tour.append((int(following), int(begin)))
        left[following] = False
    return tour


def _improved(tour: list[tuple[int, int]], ends: np.ndarray) -> list[tuple[int, int]]:
    """Turns parts of a tour around (2-opt) while that shortens it; the first stroke stays first."""
    count = len(tour)
    for _ in range(count if count <= 300 else 0):
        order, sides = np.array(tour).T
        begins, finishes = ends[order, sides], ends[order, 1 - sides]
        best, change = -1e-9 * size_of(list(ends)), None
        for i in range(1, count):
            # strokes i to j turned around: i - 1 leads to the end of j, the start of i to j + 1
            into = np.hypot(*(finishes[i:] - finishes[i - 1]).T) - math.dist(
                finishes[i - 1], begins[i]
            )
            out = np.zeros(count - i)
            out[:-1] = np.hypot(*(begins[i + 1 :] - begins[i]).T)
            out[:-1] -= np.hypot(*(begins[i + 1 :] - finishes[i:-1]).T)
            gains = into + out
            j = int(gains.argmin())
            if gains[j] < best:
                best, change = float(gains[j]), (i, i + j + 1)
        if change is None:
            break
        i, j = change
        tour = [*tour[:i], *((index, 1 - side) for index, side in tour[i:j][::-1]), *tour[j:]]
    return tour


def split_sheet(strokes: list[np.ndarray], gap: float | None = None) -> list[list[np.ndarray]]:
    """Splits a sheet into its drawings: groups of strokes whose boxes are near each other.

    Args:
      strokes: all strokes of the sheet, [n, 2] each.
      gap: least distance between the boxes of two drawings, as a share of the sheet's longer side.
        None: boxes grow together step by step, and drawings are what is there before the largest
        jump of the gap that has to be bridged; a sheet without a clear jump is one drawing.

    Returns:
      Drawings in reading order (rows from the top, each from the left), each with its strokes in
      the order they came.
    """
    size = size_of(strokes)
    if len(strokes) < 2 or len(strokes) > MAX_STROKES or not size:
        return [strokes]
    boxes = np.array([np.concatenate(_box([stroke])) for stroke in strokes]) / size
    merges = _merges(boxes)
    if gap is not None:
        groups = _groups(len(strokes), merges, gap)
    else:
        groups = _by_largest_jump(boxes, merges)
    groups = _with_small_parts(groups, boxes)
    ordered = _reading_order(np.array([_union(boxes[group]) for group in groups]))
    return [[strokes[i] for i in groups[number]] for number in ordered]


Merge = tuple[float, int, int]  # the largest gap bridged so far, the group that grows, the other


def _merges(boxes: np.ndarray) -> list[Merge]:
    """Makes boxes one, always the two nearest ones, until one is left; returns the steps."""
    boxes = boxes.copy()
    gaps = np.stack([_gaps(boxes, box) for box in boxes])
    np.fill_diagonal(gaps, np.inf)
    nearest = gaps.min(axis=1)
    merges: list[Merge] = []
    bridged = 0.0
    for _ in range(len(boxes) - 1):
        i = int(nearest.argmin())
        j = int(gaps[i].argmin())
        i, j = min(i, j), max(i, j)
        bridged = max(bridged, float(gaps[i, j]))
        merges.append((bridged, i, j))
        boxes[i] = _union(boxes[[i, j]])
        gone = np.isinf(gaps[i])
        gaps[i] = gaps[:, i] = np.where(gone, np.inf, _gaps(boxes, boxes[i]))
        gaps[j] = gaps[:, j] = np.inf
        nearest = gaps.min(axis=1)
    return merges


def _gaps(boxes: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Returns the distances of boxes [n, 4] to a box; 0 where they overlap."""
    apart = np.maximum(boxes[:, :2] - box[2:], box[:2] - boxes[:, 2:])
    return np.hypot(*np.maximum(apart, 0).T)


def _union(boxes: np.ndarray) -> np.ndarray:
    return np.concatenate([boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)])


def _groups(count: int, merges: list[Merge], gap: float) -> list[list[int]]:
    """Returns the groups of numbers that merges over less than a gap leave."""
    members = {i: [i] for i in range(count)}
    for bridged, i, j in merges:
        if bridged >= gap:
            break
        members[i] = sorted(members[i] + members.pop(j))
    return list(members.values())


def _by_largest_jump(boxes: np.ndarray, merges: list[Merge]) -> list[list[int]]:
    """Finds the gap between drawings: much larger than the next smaller one that is bridged.

    Jumps that would make whole rows or columns of a sheet one drawing are passed over.
    """
    bridged = np.array([merge[0] for merge in merges])
    before = np.maximum(np.concatenate([[0.0], bridged[:-1]]), SMALLEST_GAP / 2)
    jumps = np.where(bridged >= SMALLEST_GAP, bridged / before, 0)
    for k in np.argsort(-jumps, kind="stable"):
        if jumps[k] < CLEAR_JUMP:
            break
        groups = _groups(len(boxes), merges, float(bridged[k]))
        unions = np.array([_union(boxes[group]) for group in groups])
        sides = np.sort(unions[:, 2:] - unions[:, :2], axis=1)
        if np.median(sides[:, 1] / np.maximum(sides[:, 0], 1e-9)) <= LONGEST_SHAPE:
            return groups
    return [list(range(len(boxes)))]


def _with_small_parts(groups: list[list[int]], boxes: np.ndarray) -> list[list[int]]:
    """Gives groups much smaller than the usual one, such as dots, to the nearest larger one."""
    unions = np.array([_union(boxes[group]) for group in groups])
    sizes = (unions[:, 2:] - unions[:, :2]).max(axis=1)
    large = np.flatnonzero(sizes >= SMALLEST_PART * np.median(sizes))
    result = {int(i): list(groups[i]) for i in large}
    for i in sorted(set(range(len(groups))) - set(result)):
        result[int(large[_gaps(unions[large], unions[i]).argmin()])] += groups[i]
    return [sorted(group) for group in result.values()]


def _reading_order(boxes: np.ndarray) -> list[int]:
    """Returns the order of boxes [n, 4] in rows from the top, each from the left."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2
    rows: list[list[int]] = []
    for i in np.argsort(middles[:, 1], kind="stable").tolist():
        if rows and middles[i, 1] < boxes[rows[-1], 3].mean():
            rows[-1].append(i)
        else:
            rows.append([i])
    return [i for row in rows for i in sorted(row, key=lambda i: (middles[i, 0], i))]
