"""Pictures as PNG and animated GIF, through Pillow, which is imported on use."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sketch_rnn_tf.drawing import layout
from sketch_rnn_tf.errors import UserError

LARGEST_PNG = 100_000_000  # pixels
LARGEST_GIF = 4_000_000  # pixels a frame
PACE = 1.6  # how many times its own size a drawing's pen goes a second
LIFT = 0.08  # seconds that lifting the pen takes
LONGEST = 8.0  # seconds; what would take longer is drawn faster
HOLD = 1.5  # seconds that the finished picture stays


def png(drawings: Any, *, zoom: float = 2.0, **options: Any) -> bytes:
    """Returns a drawing, or a grid of drawings, as PNG.

    Args:
      drawings: one drawing (a stroke-3 array or a Sketch) or a list of them.
      zoom: pixels of the file for one of the layout; 2 is sharp on today's screens.
      **options: as in `drawing.lay_out`.

    Raises:
      UserError: a drawing or an option is wrong, or the picture would be too large.
    """
    picture = layout.lay_out_any(drawings, **options)
    image = _finished(picture, zoom, LARGEST_PNG)
    stream = io.BytesIO()
    (image.convert("RGB") if picture.background else image).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def gif(drawings: Any, *, zoom: float = 1.0, **options: Any) -> bytes:
    """Returns an animated GIF that draws stroke after stroke, all cells of a grid side by side.

    The pen goes at an even pace, faster between strokes, and no picture takes longer than eight
    seconds to draw. It repeats for ever.

    Args:
      drawings: one drawing (a stroke-3 array or a Sketch) or a list of them.
      zoom: pixels of the file for one of the layout.
      **options: as in `drawing.lay_out`; without background it is white.

    Raises:
      UserError: a drawing or an option is wrong, or the picture would be too large.
    """
    from PIL import Image

    picture = layout.lay_out_any(drawings, **{**options, "background": _opaque(options)})
    palette = _palette(_finished(picture, zoom, LARGEST_GIF).convert("RGB"))
    frames = (
        frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in _frames(picture, zoom)
    )
    first, *rest = frames
    rate = _frames_per_second(picture, zoom)
    times = [1000 // rate] * len(rest) + [int(1000 * HOLD)]
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=rest, duration=times, loop=0)
    return stream.getvalue()


def _opaque(options: dict[str, Any]) -> str:
    return options.get("background", "white") or "white"


def _palette(image: Any) -> Any:
    """Returns a palette of an image's most frequent colours, no two of them close to each other.

    Unlike averages of many colours, these keep the paper and the ink what they are.
    """
    from PIL import Image

    colors = sorted(image.getcolors(image.width * image.height), reverse=True)
    chosen = np.array([colors[0][1]], int)
    for _, color in colors[1:]:
        if len(chosen) == 256:
            break
        if np.abs(chosen - color).max(axis=1).min() > 6:
            chosen = np.append(chosen, [color], axis=0)
    palette = Image.new("P", (1, 1))
    palette.putpalette(np.resize(chosen, (256, 3)).astype(np.uint8).tobytes())
    return palette


def _frames_per_second(picture: layout.Picture, zoom: float) -> int:
    """Returns 20 for usual pictures, 10 for large ones, whose frames fill the memory."""
    return 20 if picture.width * picture.height * zoom**2 <= 1_000_000 else 10


def _finished(picture: layout.Picture, zoom: float, largest: int) -> Any:
    """Returns the whole picture, drawn a cell at a time."""
    image = _empty_image(picture, zoom, largest)
    for cell in picture.cells:
        tile = _Tile(image, picture, cell, zoom)
        tile.draw_until(math.inf, np.zeros(len(tile.points)))
        tile.show()
    return image


def _frames(picture: layout.Picture, zoom: float) -> Iterator[Any]:
    """Yields the picture as it is drawn, frame by frame; the last one is finished."""
    image = _empty_image(picture, zoom, LARGEST_GIF)
    tiles = [_Tile(image, picture, cell, zoom) for cell in picture.cells]
    clocks = [_times(tile.points, tile.begins) for tile in tiles]
    longest = max((clock[-1] for clock in clocks if len(clock)), default=0.0)
    rate = _frames_per_second(picture, zoom)
    count = math.ceil(longest * rate)
    for frame in range(count + 1):
        now = math.inf if frame == count else frame / rate
        for tile, clock in zip(tiles, clocks, strict=True):
            tile.draw_until(now, clock)
            tile.show()
        yield image.copy()


def _times(points: np.ndarray, begins: np.ndarray) -> np.ndarray:
    """Returns the seconds at which the pen arrives at each row, [N]."""
    if not len(points):
        return np.zeros(0)
    extent = max(float(np.ptp(points, axis=0).max()), 1e-9)
    ways = np.linalg.norm(np.diff(points, axis=0, prepend=points[:1]), axis=1) / extent / PACE
    times = np.cumsum(np.where(begins, ways / 2 + LIFT, ways))
    return times / max(times[-1] / LONGEST, 1.0)


def _empty_image(picture: layout.Picture, zoom: float, largest: int) -> Any:
    """Returns an image with everything but the drawings."""
    from PIL import Image, ImageColor, ImageDraw, ImageFont

    if not 0 < zoom < math.inf:
        raise UserError(f"a picture cannot be drawn with a zoom of {zoom}")
    width, height = math.ceil(picture.width * zoom), math.ceil(picture.height * zoom)
    if width * height > largest:
        raise UserError(f"a picture of {width} x {height} pixels is too large; show fewer drawings")
    background = ImageColor.getcolor(picture.background, "RGBA") if picture.background else 0
    image = Image.new("RGBA", (width, height), background)
    draw = ImageDraw.Draw(image)
    for frame in picture.frames:
        x, y, size = (round(value * zoom) for value in (frame.x, frame.y, frame.size))
        draw.rectangle((x, y, x + size, y + size), outline=frame.color, width=math.ceil(zoom))
    anchors = {"start": "ls", "middle": "ms", "end": "rs"}
    for text in picture.texts:
        font = ImageFont.load_default(text.size * zoom)
        place = (text.x * zoom, text.y * zoom)
        draw.text(place, text.text, text.color, font, anchors[text.anchor])
    return image


class _Tile:
    """One cell, drawn several times as large and shrunk, which makes the edges smooth.

    A cell at a time keeps the memory of a large grid small; only what changed is shrunk again.

    Attributes:
      points: [N, 2] in pixels of the tile.
      begins: [N] whether a row begins a stroke.
    """

    def __init__(self, image: Any, picture: layout.Picture, cell: layout.Cell, zoom: float):
        from PIL import Image, ImageDraw

        self.side = math.ceil(picture.size * zoom)
        self.factor = max(min(4, 4096 // self.side), 1)
        scale = zoom * self.factor
        self.target = image
        x, y = (round((value - picture.size / 2) * zoom) for value in cell.center)
        self.corner = (x, y)
        self.ground = image.crop((x, y, x + self.side, y + self.side))
        rows = cell.sketch.strokes
        absolute = np.cumsum(rows[:, :2].astype(np.float64), axis=0)
        self.points = (absolute - cell.middle) * cell.scale * scale + picture.size * scale / 2
        self.begins = layout.starts(rows)
        self.colors = [color for first, after, color in cell.runs for _ in range(after - first)]
        self.radius = picture.stroke_width * scale / 2
        self.ink = Image.new("RGBA", (self.side * self.factor,) * 2, 0)
        self.pen = ImageDraw.Draw(self.ink)
        self.drawn = 0  # rows
        self.before: tuple[tuple[int, int], Any, list[np.ndarray]] | None = None
        self.changed: list[np.ndarray] = []

    def draw_row(self, row: int) -> None:
        """Draws the line to a point, or the dot with which a stroke begins."""
        start = self.points[row if self.begins[row] else row - 1]
        self._line(start, self.points[row], self.colors[row])
        self.drawn = row + 1

    def draw_until(self, now: float, times: np.ndarray) -> None:
        """Draws all rows that the pen has reached, and the way that it has gone to the next."""
        self._take_back()
        for row in range(self.drawn, int(np.searchsorted(times, now, side="right"))):
            self.draw_row(row)
        row = self.drawn
        if 0 < row < len(times) and not self.begins[row]:
            part = (now - times[row - 1]) / (times[row] - times[row - 1])
            start, end = self.points[row - 1], self.points[row]
            self._draw_for_now(start, start + part * (end - start), self.colors[row])

    def _draw_for_now(self, start: np.ndarray, end: np.ndarray, color: str) -> None:
        """Draws a part of a line; parts laid over the whole later would make it thicker."""
        x0, y0 = np.floor(np.minimum(start, end) - self.radius - 2).astype(int).tolist()
        x1, y1 = np.ceil(np.maximum(start, end) + self.radius + 3).astype(int).tolist()
        self.before = ((x0, y0), self.ink.crop((x0, y0, x1, y1)), [start, end])
        self._line(start, end, color)

    def _take_back(self) -> None:
        if self.before:
            corner, ink, ends = self.before
            self.ink.paste(ink, corner)
            self.changed += ends
            self.before = None

    def show(self) -> None:
        """Puts what was drawn since the last time into the picture."""
        if not self.changed:
            return
        grow, side = self.radius + 2, self.side
        low = np.floor((np.min(self.changed, axis=0) - grow) / self.factor)
        high = np.ceil((np.max(self.changed, axis=0) + grow) / self.factor)
        x0, y0 = np.clip(low, 0, side - 1).astype(int).tolist()
        x1, y1 = np.clip(high, 1, side).astype(int).tolist()
        part = self.ground.crop((x0, y0, x1, y1))
        box = tuple(value * self.factor for value in (x0, y0, x1, y1))
        part.alpha_composite(self.ink.reduce(self.factor, box=box))
        self.target.paste(part, (self.corner[0] + x0, self.corner[1] + y0))
        self.changed = []

    def _line(self, start: np.ndarray, end: np.ndarray, color: str) -> None:
        """Draws a line with a round end; a line that begins where one ended has that one's."""
        x, y = end.tolist()
        radius = self.radius
        if not np.array_equal(start, end):
            self.pen.line((*start.tolist(), x, y), color, max(round(2 * radius), 1))
        self.pen.ellipse((x - radius, y - radius, x + radius, y + radius), color)
        self.changed += [start, end]
