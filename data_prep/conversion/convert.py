"""One drawing after the other from a reader to converted rows: pure functions for every engine.

What a record holds and where it goes depends on the drawing and the options only: never on
which process converts it, nor on what was converted before.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_prep import readers
from data_prep.conversion import cleaning, near_duplicates, simplify, splits
from data_prep.readers.source import FILLED, NOT_RECOGNIZED, Polylines, RawSketch
from sketch_rnn_tf.errors import UserError

EMPTY, TOO_SHORT, TOO_LONG = "empty", "too_short", "too_long"
TOO_COMPLEX, DUPLICATE = "too_complex", "duplicate"
AT_BUDGET, OVER_BUDGET = "drawings_at_points_per_drawing", "drawings_over_points_per_drawing"
CENTERED = "drawings_centered"
UNKNOWN_CLASS = "(unknown)"
MAX_MESSAGES = 20  # of what was skipped; the counts are complete

# Why a drawing was dropped, where that surprises.
_TOLD = {
    EMPTY: "is empty: nothing in it is drawn as a line",
    TOO_COMPLEX: "is too complex to simplify",
}

BATCH_BYTES = 32 << 20  # points that a batch holds: what bounds a worker's memory

# One converted drawing besides its points and its key. `order` and then (unit, position) sort
# records; `place` decides the split; equal `signature` means nearly the same drawing.
ROW = np.dtype(
    [
        ("order", "<u8"),
        ("place", "<u8"),
        ("signature", "<u8"),
        ("unit", "<u4"),
        ("position", "<u4"),
        ("points", "<u4"),
        ("key_bytes", "<u4"),
        ("label", "<i4"),
        ("split", "<i4"),
    ]
)


@dataclasses.dataclass(frozen=True)
class Options:
    """Everything besides the input that decides what the records are.

    Attributes:
      simplification: of absolute coordinates.
      min_points: drawings with fewer points are dropped.
      max_seq_len: drawings with more points are dropped or cut; None: no limit.
      too_long: "drop" or "cut".
      resplit: split by hash even what carries a split.
      cleaning: of strokes, before the simplification.
      seed: of the order of records within a split; splits do not depend on it.
    """

    simplification: simplify.Simplification = dataclasses.field(
        default_factory=simplify.Simplification
    )
    min_points: int = 2
    max_seq_len: int | None = None
    too_long: str = "drop"
    resplit: bool = False
    seed: int = 0
    cleaning: cleaning.Cleaning = dataclasses.field(default_factory=cleaning.Cleaning)

    def __post_init__(self):
        if self.too_long not in ("drop", "cut"):
            raise UserError(f"too_long is {self.too_long!r}, expected 'drop' or 'cut'")
        if self.max_seq_len is not None and self.max_seq_len < max(self.min_points, 1):
            raise UserError(
                f"max_seq_len {self.max_seq_len} is below min_points {self.min_points}:"
                " no drawing fits"
            )


class Tally:
    """Counts of what happened to drawings; tallies of parts add up in any order.

    Attributes:
      read: drawings that the readers yielded.
      dropped: {(reason, class): n}.
      cut: {class: n}.
      cleaned: {(what was done, class): n}.
      left_out: {what SVG pictures show besides strokes, in plural: n}.
      absolute: drawings in absolute coordinates, which went through the simplification.
      published: drawings whose points were published, simplified or not.
      messages: first sentences on what was skipped, in input order.
      moments: [n, sum, sum of squares, sum of squared differences of successive rows] of offsets
        of published rows, which should be relative; see `looks_absolute`.
      largest: largest absolute offset.
    """

    def __init__(self):
        self.read = 0
        self.absolute = 0
        self.published = 0
        self.dropped: Counter = Counter()
        self.cut: Counter = Counter()
        self.cleaned: Counter = Counter()
        self.left_out: Counter = Counter()
        self.messages: list[str] = []
        self.moments = np.zeros((2, 4))
        self.largest = 0.0

    def add(self, other: Tally) -> Tally:
        """Adds another part's counts to these; parts are added in input order."""
        self.read += other.read
        self.absolute += other.absolute
        self.published += other.published
        self.dropped += other.dropped
        self.cut += other.cut
        self.cleaned += other.cleaned
        self.left_out += other.left_out
        self.messages = (self.messages + other.messages)[:MAX_MESSAGES]
        self.moments = self.moments + other.moments
        self.largest = max(self.largest, other.largest)
        return self

    def looks_absolute(self) -> bool:
        """Whether rows that should be offsets look like positions.

        Positions of successive points lie near each other, far from zero, and change little;
        offsets are centered and as different from each other as from zero.
        """
        n, total, squares, differences = self.moments.T
        if n[0] < 2 or not squares.all():
            return False
        steady = differences < 0.25 * (squares - total * total / n)
        one_sided = total * total / n > 0.5 * squares
        return bool((steady & one_sided).any())

    def to_json(self) -> dict[str, Any]:
        """Returns plain values that `from_json` reads."""
        return {
            "read": self.read,
            "absolute": self.absolute,
            "published": self.published,
            "dropped": [[*key, n] for key, n in self.dropped.items()],
            "cut": dict(self.cut),
            "cleaned": [[*key, n] for key, n in self.cleaned.items()],
            "left_out": dict(self.left_out),
            "messages": self.messages,
            "moments": self.moments.tolist(),
            "largest": self.largest,
        }

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Tally:
        """Returns the tally that `to_json` wrote."""
        tally = cls()
        tally.read, tally.absolute = content["read"], content["absolute"]
        tally.published = content["published"]
        tally.dropped = Counter({(reason, name): n for reason, name, n in content["dropped"]})
        tally.cut = Counter(content["cut"])
        tally.cleaned = Counter({(what, name): n for what, name, n in content["cleaned"]})
        tally.left_out = Counter(content["left_out"])
        tally.messages, tally.largest = content["messages"], content["largest"]
        tally.moments = np.array(content["moments"])
        return tally


@dataclasses.dataclass
class Batch:
    """Converted drawings of one unit, sorted by `order`.

    Attributes:
      rows: ROW [R].
      labels: class names; a row's label is an index into them.
      keys: R byte strings.
      strokes: R float32 arrays [N, 3].
      tally: what happened to the drawings that were read for it.
    """

    rows: np.ndarray
    labels: list[str]
    keys: list[bytes]
    strokes: list[np.ndarray]
    tally: Tally


def batches(index: int, unit: readers.Unit, options: Options) -> Iterator[Batch]:
    """Converts a unit of the readers.

    Args:
      index: the unit's number in the input, which settles the order of equal keys.
      unit: what to read.
      options: how to convert.

    Yields:
      At least one batch, each of about `BATCH_BYTES` of points at most.

    Raises:
      ReadError: bad input, under the reader's policy for errors.
    """
    builder = _Builder(index, options)
    for drawing in unit.read(builder.skip):
        builder.add(drawing)
        if builder.size >= BATCH_BYTES:
            yield builder.take()
    yield builder.take()


# A converted drawing: stroke-3 rows as published, or polylines.
Content = np.ndarray | Polylines


def convert(drawing: RawSketch, options: Options) -> tuple[Content | None, int, str | None]:
    """Converts one drawing.

    Returns:
      (content, points, None or TOO_LONG when it was cut), or (None, 0, the reason to drop it).
    """
    try:
        content = simplify.simplified(drawing, options.simplification)
    except simplify.TooComplexError:
        return None, 0, TOO_COMPLEX
    points = len(content if drawing.offsets is not None else content.points)
    if not points:
        return None, 0, EMPTY
    if points < options.min_points:
        return None, 0, TOO_SHORT
    if options.max_seq_len is None or points <= options.max_seq_len:
        return content, points, None
    if options.too_long == "drop":
        return None, 0, TOO_LONG
    return _cut(content, options.max_seq_len), options.max_seq_len, TOO_LONG


def _cut(content: Content, points: int) -> Content:
    """Returns the first points of a drawing; it ends with its pen lifted, like every drawing."""
    if isinstance(content, np.ndarray):
        rows = content[:points].copy()
        rows[-1, 2] = 1
        return rows
    inner = [end for end in content.ends if end < points]
    return Polylines(content.points[:points], [*inner, points])


class _Builder:
    """Collects converted drawings until they are taken as a batch."""

    def __init__(self, index: int, options: Options):
        self._index, self._options = index, options
        self._position = 0
        self._clear()

    def _clear(self) -> None:
        self.size = 0
        self._labels: dict[str, int] = {}
        self._label_of: list[int] = []
        self._splits: list[int] = []
        self._keys: list[bytes] = []
        self._hashes: list[bytes] = []
        self._places: list[bytes] = []
        self._contents: list[Content] = []
        self._points: list[int] = []
        self._tally = Tally()

    def skip(self, skip: readers.Skip) -> None:
        """Counts what a reader left out."""
        self._tally.dropped[skip.reason, skip.label or UNKNOWN_CLASS] += 1
        quiet = skip.reason in (NOT_RECOGNIZED, FILLED)
        if not quiet and len(self._tally.messages) < MAX_MESSAGES:
            self._tally.messages.append(skip.message)

    def add(self, drawing: RawSketch) -> None:
        """Cleans and converts a drawing; keeps or counts it."""
        self._tally.read += 1
        if drawing.left_out:
            self._tally.left_out.update(drawing.left_out)
        drawings, done = cleaning.clean(drawing, self._options.cleaning)
        for what, count in done.items():
            self._tally.cleaned[what, drawing.label] += count
        for cleaned in drawings:
            self._add(cleaned)

    def _add(self, drawing: RawSketch) -> None:
        content, points, reason = convert(drawing, self._options)
        if content is None:
            self._tally.dropped[reason, drawing.label] += 1
            if reason in _TOLD and len(self._tally.messages) < MAX_MESSAGES:
                why = f" (left out: {readers.counted(drawing.left_out)})" * bool(drawing.left_out)
                self._tally.messages.append(f"{drawing.where}: {_TOLD[reason]}{why}")
            return
        if reason:
            self._tally.cut[drawing.label] += 1
        absolute = drawing.offsets is None and not drawing.simplified
        self._tally.absolute += absolute
        self._tally.published += not absolute
        simplification = self._options.simplification
        if simplification.points is not None and points >= simplification.points:
            within = points == simplification.points
            self._tally.cleaned[AT_BUDGET if within else OVER_BUDGET, drawing.label] += 1
        self._tally.cleaned[CENTERED, drawing.label] += simplification.center
        self._keep(drawing, content, points)

    def _keep(self, drawing: RawSketch, content: Content, points: int) -> None:
        key = drawing.key
        digest = splits.stable_hash(key)
        alone = drawing.group is None or drawing.group == key
        resplit = self._options.resplit
        self._keys.append(key.encode("utf-8", "surrogateescape"))
        self._hashes.append(digest)
        self._places.append(digest if alone else splits.stable_hash(drawing.group))
        self._splits.append(splits.BY_HASH if resplit else splits.code_of(drawing.split))
        self._label_of.append(self._labels.setdefault(drawing.label, len(self._labels)))
        self._contents.append(content)
        self._points.append(points)
        self.size += 12 * points

    def take(self) -> Batch:
        """Returns what was collected and starts anew."""
        count = len(self._keys)
        rows = np.zeros(count, ROW)
        labels, tally, keys = list(self._labels), self._tally, self._keys
        strokes = stroke3(self._contents, self._points)
        if self._options.simplification.center:
            strokes = [simplify.centered(rows) for rows in strokes]
        if count:
            self._fill(rows, labels, strokes)
        sorting = np.argsort(rows["order"], kind="stable").tolist()
        self._position += count
        self._clear()
        chosen, arranged = [keys[i] for i in sorting], [strokes[i] for i in sorting]
        return Batch(rows[sorting], labels, chosen, arranged, tally)

    def _fill(self, rows: np.ndarray, labels: list[str], strokes: list[np.ndarray]) -> None:
        """Fills in the columns, and what the tally says of all points."""
        points = np.concatenate(strokes)
        hashes = np.frombuffer(b"".join(self._hashes), "<u8").reshape(-1, 2)
        rows["order"] = near_duplicates.mixed(hashes[:, 1] ^ np.uint64(self._options.seed % 2**64))
        rows["place"] = np.frombuffer(b"".join(self._places), "<u8")[::2]
        rows["unit"] = self._index
        rows["position"] = np.arange(self._position, self._position + len(rows))
        rows["points"] = self._points
        rows["key_bytes"] = [len(key) for key in self._keys]
        rows["label"], rows["split"] = self._label_of, self._splits
        salts = np.array([splits.place(label) for label in labels], np.uint64)
        rows["signature"] = (
            near_duplicates.signatures(points, rows["points"]) ^ salts[rows["label"]]
        )
        self._tally.largest = float(np.abs(points[:, :2]).max())
        published = [isinstance(content, np.ndarray) for content in self._contents]
        self._tally.moments = _moments(points, rows["points"], np.array(published))


def stroke3(contents: list[Content], points: list[int]) -> list[np.ndarray]:
    """Returns float32 [N, 3] of drawings, all at once because that is several times faster.

    Args:
      contents: the drawings, none of them empty. Polylines move so that row 0 is (0, 0, pen), as
        `RawSketch.to_stroke3` does.
      points: their numbers of points.
    """
    published = [isinstance(content, np.ndarray) for content in contents]
    sizes = [n for n, rows in zip(points, published, strict=True) if not rows]
    rows = _of_polylines([content for content in contents if type(content) is Polylines], sizes)
    bounds = itertools.pairwise([0, *itertools.accumulate(sizes)])
    parts = (rows[start:end] for start, end in bounds)
    return [
        content.astype(np.float32) if as_published else next(parts)
        for content, as_published in zip(contents, published, strict=True)
    ]


def _of_polylines(drawings: list[Polylines], sizes: list[int]) -> np.ndarray:
    """Returns the stroke-3 rows of all drawings one after the other."""
    if not drawings:
        return np.zeros((0, 3), np.float32)
    points = np.concatenate([drawing.points for drawing in drawings], dtype=np.float64)
    rows = np.zeros((len(points), 3), np.float32)
    rows[1:, :2] = points[1:] - points[:-1]
    starts = np.cumsum([0, *sizes[:-1]])
    rows[starts, :2] = 0
    ends = np.array(list(itertools.chain.from_iterable(drawing.ends for drawing in drawings)))
    rows[ends + np.repeat(starts, [len(drawing.ends) for drawing in drawings]) - 1, 2] = 1
    return rows


MOMENTS_OF = 50_000  # rows of a batch that are enough to tell positions from offsets


def _moments(points: np.ndarray, lengths: np.ndarray, relative: np.ndarray) -> np.ndarray:
    """Returns Tally.moments of the drawings whose rows came as offsets. [2, 4]."""
    if not relative.any():
        return np.zeros((2, 4))
    offsets = points[np.repeat(relative, lengths), :2][:MOMENTS_OF].astype(np.float64)
    differences = np.diff(offsets, axis=0)
    ends = np.cumsum(lengths[relative], dtype=np.int64) - 1
    inner = np.ones(len(differences), bool)
    inner[ends[ends < len(differences)]] = False  # not from one drawing to the next
    return np.stack(
        [
            np.full(2, float(len(offsets))),
            offsets.sum(axis=0),
            (offsets**2).sum(axis=0),
            (differences[inner] ** 2).sum(axis=0),
        ],
        axis=1,
    )
