"""From a picture of line art to the strokes of its pen: center lines, in pixels of the picture.

    strokes = trace(picture)        # [H, W] or [H, W, 3] in 0 to 1 -> list of [n, 2]

The way of a picture, in the order of this file and then of `skeleton_graph`:
- `ink_depth`: how much darker (or lighter, on a dark board) than its own paper each pixel is, so
  that shadows and stains do not count;
- `ink_level`: a line is what has at least half the depth of its own middle;
- `skeleton`: lines of one pixel, at a scale where the pen is a few pixels wide; large filled areas
  become their outline;
- `skeleton_graph.strokes`: ends, junctions and edges; spurs pruned; through a junction a stroke
  takes the smoothest way;
- `_finished`: smoothed to fractions of a pixel, directed and ordered from the top left.

Needs scikit-image and SciPy (extra `[trace]`).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from data_prep.conversion import simplify, skeleton_graph
from sketch_rnn_tf import requirement
from sketch_rnn_tf.errors import UserError

try:
    import skimage.morphology
    import skimage.transform
    from scipy import ndimage
except ImportError as error:
    raise requirement.missing("skimage", "--trace", error) from None

BLOCK = 16  # pixels of a side of the squares whose paper is estimated, at least
DARKEST_PAPER = 0.4  # of the usual paper's brightness: the deepest shadow
LEAST_CONTRAST = 0.1  # of ink to paper, in 0 to 1
PEN = (3.0, 8.0)  # pixels: a pen of other widths is traced at another scale
FAINTEST = 11.0  # standard deviations of the paper: no ink is fainter
MOST_INK = 0.25  # share of the pixels beyond which a picture is no line art
MOST_PIXELS = 400_000  # of a skeleton
TOLERANCE = 0.25  # pixels that a finished stroke may lie from the smoothed one


class NotLineArtError(UserError):
    """A picture is a photograph, a pattern or the like: nothing that a pen drew."""


def trace(picture: np.ndarray) -> list[np.ndarray]:
    """Finds the strokes of a picture.

    Args:
      picture: float [H, W] or [H, W, C], 0 is black and 1 is white. Ink is darker than the paper
        or lighter, in any color; the paper may be uneven.

    Returns:
      Strokes [n, 2], (x, y) in pixels from the top left corner of the picture, so that the middle
      of its first pixel is (0.5, 0.5). A dot is a stroke of two equal points. Nothing for an empty
      page.

    Raises:
      NotLineArtError: it has far more ink than a drawing of lines.
    """
    picture = np.asarray(picture, np.float32)
    picture = picture if picture.ndim == 3 else picture[..., None]
    level = ink_level(ink_depth(picture))
    if not (level > 1).any():
        return []
    lines = skeleton(level)
    if lines.pixels.sum() > MOST_PIXELS:
        raise NotLineArtError(f"has {lines.pixels.sum()} pixels of lines: too many for a drawing")
    found = skeleton_graph.strokes(lines.pixels, lines.radius, lines.pen)
    smooth = [_directed(_smoothed(stroke, max(1.0, 0.2 * lines.pen))) for stroke in found]
    smooth.sort(key=lambda stroke: (stroke[0].sum(), *stroke[0]))  # from the top left
    kept = [stroke[simplify.simplified_mask(stroke, TOLERANCE)] for stroke in smooth]
    return [(stroke + 0.5) * lines.scale for stroke in kept]  # in pixels of the picture


def ink_depth(picture: np.ndarray) -> np.ndarray:
    """Returns how far each pixel is from the paper around it toward the ink.

    Args:
      picture: [H, W, C].

    Returns:
      [H, W]; about 0 on paper and 1 for black on white. Whether ink is dark or light is decided
      for the whole picture, by the skewness of what lies off the paper.
    """
    paper = _paper(picture, 50)
    off = picture.mean(axis=2) - paper.mean(axis=2)
    light_ink = float((off.astype(np.float64) ** 3).sum()) > 0
    if light_ink:
        picture = 1 - picture
    paper = _paper(picture, 75)
    brightness = np.maximum(paper.max(axis=2), 0.2)  # in a shadow ink has less contrast as well
    return (paper - picture).max(axis=2) / brightness


def _paper(picture: np.ndarray, percentile: float) -> np.ndarray:
    """Returns the color of the paper at each pixel: smooth, from percentiles of squares."""
    height, width, _ = picture.shape
    side = max(BLOCK, math.ceil(max(height, width) / 64))
    rows, columns = -(-height // side), -(-width // side)
    edges = ((0, rows * side - height), (0, columns * side - width), (0, 0))
    squares = np.pad(picture, edges, mode="reflect" if min(height, width) > side else "edge")
    squares = squares.reshape(rows, side, columns, side, -1).swapaxes(1, 2)
    values = np.percentile(squares.reshape(rows, columns, side * side, -1), percentile, axis=2)
    usual = np.median(values, axis=(0, 1))
    values = np.maximum(values, DARKEST_PAPER * usual)  # else it is a filled area
    values = ndimage.median_filter(values, (5, 5, 1), mode="nearest")
    values = ndimage.gaussian_filter(values, (1, 1, 0), mode="nearest")
    whole = skimage.transform.resize(values, (rows * side, columns * side, picture.shape[2]), 1)
    return whole[:height, :width].astype(np.float32)


def ink_level(depth: np.ndarray) -> np.ndarray:
    """Tells ink from paper.

    A pixel is ink where its depth is at least half of the largest nearby, so that every line is
    cut at its own edges, and a quarter of the usual ink's, which ruled paper and the other side of
    the sheet do not reach, and well above the noise of the paper.

    Args:
      depth: [H, W], see `ink_depth`.

    Returns:
      [H, W] in 0 to 2, ink is what is above 1: its border runs between the pixels.

    Raises:
      NotLineArtError: more than `MOST_INK` would be ink.
    """
    noise = _noise(depth)
    if noise > 0.01:
        depth = ndimage.gaussian_filter(depth, min(1.2, 0.6 + 10 * noise))
        noise = _noise(depth)
    floor = max(5 * noise, 0.6 * LEAST_CONTRAST)
    dark = depth[depth > max(8 * noise, LEAST_CONTRAST)]
    usual = float(np.percentile(dark, 75)) if len(dark) > 2 else 0.0
    if usual <= FAINTEST * noise:
        return np.zeros_like(depth)
    nearby = ndimage.maximum_filter(depth, 11)
    level = np.clip(depth / np.maximum(0.5 * nearby, max(floor, 0.25 * usual)), 0, 2)
    parts, count = ndimage.label(level > 1, np.ones((3, 3)))
    dark = depth > max(8 * noise, 0.4 * usual)  # beyond doubt: a part of ink has two such pixels
    ink = (ndimage.sum_labels(dark, parts, np.arange(count + 1)) >= 2)[parts] & (level > 1)
    if ink.mean() > MOST_INK:
        raise NotLineArtError(
            f"is no line art: {100 * ink.mean():.0f} % of it would be ink, expected at most"
            f" {100 * MOST_INK:.0f} %"
        )
    return np.where(ink | (level <= 1), level, 0)


def _noise(depth: np.ndarray) -> float:
    """Returns the standard deviation of the paper, from differences between pixels not too near."""
    lag = min(5, depth.shape[1] - 1)  # noise of a scanner and of JPEG spreads over a few pixels
    apart = np.abs(depth[:, lag:] - depth[:, : depth.shape[1] - lag])
    return float(1.4826 * np.median(apart) / math.sqrt(2))


@dataclasses.dataclass(frozen=True)
class Skeleton:
    """The lines of a picture, one pixel wide.

    Attributes:
      pixels: bool [h, w].
      radius: [h, w], distance of each pixel of ink from the paper.
      pen: usual width of a line in these pixels.
      scale: (x, y), pixels of the picture by pixels of the skeleton.
    """

    pixels: np.ndarray
    radius: np.ndarray
    pen: float
    scale: np.ndarray


def skeleton(level: np.ndarray) -> Skeleton:
    """Thins ink to lines of one pixel, at a scale where the pen has a width within `PEN`."""
    pen = _pen(level > 1)
    factor = min(np.clip(pen, *PEN) / pen, 2.0)
    if factor < 0.8 or factor > 1.25:
        shape = [max(1, round(side * factor)) for side in level.shape]
        scaled = skimage.transform.resize(level, shape, order=1, anti_aliasing=factor < 1)
        pen = _pen(scaled > 1)
    else:
        scaled = level
    scale = np.array([level.shape[1] / scaled.shape[1], level.shape[0] / scaled.shape[0]])
    ink = scaled > 1
    dust = int(0.4 * (math.pi / 4 * pen * pen))  # specks and pinholes much smaller than a dot
    # scikit-image 0.26 renamed the sizes; Python 3.10 gets an older one.
    old = tuple(map(int, skimage.__version__.split(".")[:2])) < (0, 26)
    objects, holes = ("min_size", "area_threshold") if old else ("max_size", "max_size")
    size = dust + 1 if old else dust  # the old ones are the smallest that stay
    ink = skimage.morphology.remove_small_objects(ink, connectivity=2, **{objects: size})
    ink = skimage.morphology.remove_small_holes(ink, **{holes: size})
    ink = np.pad(ink, 1)  # the border of the picture is paper to the radius
    radius = ndimage.distance_transform_edt(ink)
    inside, count = ndimage.label(radius > pen)
    if count:  # of areas that are more than four pens wide the outline stays
        deepest = ndimage.maximum(radius, inside, np.arange(count + 1))
        ink &= ~((deepest > 2 * pen)[inside] & (inside > 0))
    radius = np.minimum(radius, pen)
    return Skeleton(_thinned(ink)[1:-1, 1:-1], radius[1:-1, 1:-1], pen, scale)


def _thinned(ink: np.ndarray) -> np.ndarray:
    """Returns the middle of ink, one pixel wide; Zhang's method eats diagonals of even width."""
    return skimage.morphology.skeletonize(ink, method="lee") > 0


def _pen(ink: np.ndarray) -> float:
    """Returns the usual width of a line in pixels."""
    lines = _thinned(ink)
    radius = ndimage.distance_transform_edt(np.pad(ink, 1))[1:-1, 1:-1]
    wide = 2 * float(np.median(radius[lines])) - 0.5 if lines.any() else 1.0
    return max(1.0, wide)


def _smoothed(stroke: np.ndarray, deviation: float) -> np.ndarray:
    """Smooths the stairs of a stroke's pixels along its length; open ends stay where they are."""
    if len(stroke) < 4:
        return stroke
    stroke = simplify.resample(stroke, 1.0)
    if np.array_equal(stroke[0], stroke[-1]):
        ring = ndimage.gaussian_filter1d(stroke[:-1], deviation, axis=0, mode="wrap")
        return np.concatenate([ring, ring[:1]])
    reach = min(len(stroke) - 1, math.ceil(4 * deviation))
    before = 2 * stroke[0] - stroke[reach:0:-1]  # turned around its end, which so stays
    behind = 2 * stroke[-1] - stroke[-2 : -reach - 2 : -1]
    whole = ndimage.gaussian_filter1d(np.concatenate([before, stroke, behind]), deviation, axis=0)
    return whole[reach:-reach]


def _directed(stroke: np.ndarray) -> np.ndarray:
    """Returns a stroke that begins at its upper left end, a closed one at its upper left point."""
    if len(stroke) > 2 and np.array_equal(stroke[0], stroke[-1]):
        ring = np.roll(stroke[:-1], -int(stroke[:-1].sum(axis=1).argmin()), axis=0)
        ring = np.concatenate([ring, ring[:1]])
        (x, y), (next_x, next_y) = ring[:-1].T, ring[1:].T
        clockwise = float((x * next_y - next_x * y).sum()) > 0  # y points down
        return ring if clockwise else ring[::-1]
    return stroke if stroke[0].sum() <= stroke[-1].sum() else stroke[::-1]
