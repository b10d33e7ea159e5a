"""Pictures as PNG and animated GIF, through Pillow, which is imported on use."""

from __future__ import annotations

import io
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from sketch_rnn_tf.drawing import curves, fonts, layout
from sketch_rnn_tf.errors import UserError

LARGEST_PNG = 100_000_000  # pixels
LARGEST_GIF = 4_000_000  # pixels per frame
PACE = 1.6  # how many times its own size a drawing's pen goes per second
LIFT = 0.08  # seconds that lifting the pen takes
LONGEST = 8.0  # seconds; what would take longer is drawn faster
HOLD = 1.5  # seconds that the finished picture stays


def png(picture: layout.Picture, zoom: float) -> bytes:
    """Returns a picture as PNG; see `drawing.png`."""
    image = _empty_image(picture, zoom, LARGEST_PNG)
    _finish(image, picture, zoom)
    stream = io.BytesIO()
    (image.convert("RGB") if picture.background else image).save(stream, "PNG", optimize=True)
    return stream.getvalue()


def gif(picture: layout.Picture, zoom: float) -> bytes:
    """Returns a picture, which needs a background, as animated GIF; see `drawing.gif`."""
    from PIL import Image

    whole = _empty_image(picture, zoom, LARGEST_GIF)
    _finish(whole, picture, zoom)
    palette = _palette(whole.convert("RGB"))
    # Large frames fill the memory: fewer of them.
    rate = 20 if picture.width * picture.height * zoom**2 <= 1_000_000 else 10
    frames = (
        frame.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE)
        for frame in _frames(picture, zoom, rate)
    )
    first, *rest = frames
    times = [1000 // rate] * len(rest) + [int(1000 * HOLD)]
    stream = io.BytesIO()
    first.save(stream, "GIF", save_all=True, append_images=rest, duration=times, loop=0)
    return stream.getvalue()


def check_size(picture: layout.Picture, suffix: str, zoom: float | None = None) -> None:
    """Raises UserError where a .png or .gif file of a picture would fill the memory."""
    if suffix == ".gif":
        _pixels(picture, zoom or 1.0, LARGEST_GIF)
    elif suffix == ".png":
        _pixels(picture, zoom or 2.0, LARGEST_PNG)


def _pixels(picture: layout.Picture, zoom: float, largest: int) -> tuple[int, int]:
    """Returns width and height in pixels of the file."""
    if not 0 < zoom < math.inf:
        raise UserError(f"zoom is {zoom}, expected a finite number above 0")
    width, height = math.ceil(picture.width * zoom), math.ceil(picture.height * zoom)
    if width * height > largest:
        raise UserError(
            f"a picture of {width:,} x {height:,} pixels is too large; show fewer drawings, make"
            " the cells smaller or write .svg"
        )
    return width, height


def _palette(image: Any) -> Any:
    """Returns a palette of an image's most frequent colors, no two of them close to each other.

    Unlike averages of many colors, these keep the paper and the ink what they are.
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


def _finish(image: Any, picture: layout.Picture, zoom: float) -> None:
    """Draws all of a picture's drawings, a cell at a time."""
    for cell in picture.cells:
        tile = _Tile(image, picture, cell, zoom)
        tile.draw_until(math.inf, np.zeros(len(tile.points)))
        tile.show()


def _frames(picture: layout.Picture, zoom: float, rate: int) -> Iterator[Any]:
    """Yields the picture as it is drawn, `rate` frames per second; the last one is finished."""
    image = _empty_image(picture, zoom, LARGEST_GIF)
    tiles = [_Tile(image, picture, cell, zoom) for cell in picture.cells]
    clocks = [tile.times() for tile in tiles]
    longest = max((clock[-1] for clock in clocks if len(clock)), default=0.0)
    count = math.ceil(longest * rate)
    for frame in range(count + 1):
        now = math.inf if frame == count else frame / rate
        for tile, clock in zip(tiles, clocks, strict=True):
            tile.draw_until(now, clock)
            tile.show()
        yield image.copy()


def _empty_image(picture: layout.Picture, zoom: float, largest: int) -> Any:
    """Returns an image with everything but the drawings."""
    from PIL import Image, ImageColor, ImageDraw

    size = _pixels(picture, zoom, largest)
    background = ImageColor.getcolor(picture.background, "RGBA") if picture.background else 0
    image = Image.new("RGBA", size, background)
    draw = ImageDraw.Draw(image)
    for frame in picture.frames:
        x, y, side = (round(value * zoom) for value in (frame.x, frame.y, frame.size))
        draw.rectangle((x, y, x + side, y + side), outline=frame.color, width=math.ceil(zoom))
    for text in picture.texts:
        pieces = fonts.pieces(text.text, text.size * zoom)
        widths = [font.getlength(part) for part, font in pieces]
        share = {"start": 0.0, "middle": 0.5, "end": 1.0}[text.anchor]
        x = text.x * zoom - share * sum(widths)
        for (part, font), width in zip(pieces, widths, strict=True):
            draw.text((x, text.y * zoom), part, text.color, font, "ls")
            x += width
    return image


class _Tile:
    """One cell, drawn several times as large and shrunk, which makes the edges smooth.

    A cell at a time keeps the memory of a large grid small; only what changed is shrunk again.

    Attributes:
      points: [M, 2] in pixels of the tile: the rows', or those of the curves through them.
      begins: [M] whether a point begins a stroke.
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
        self.begins = curves.starts(rows)
        self.colors = [color for first, after, color in cell.runs for _ in range(after - first)]
        if picture.smooth:
            self.points, self.begins, row_of = curves.flattened(self.points, self.begins)
            self.colors = [self.colors[row] for row in row_of]
        self.radius = picture.stroke_width * scale / 2
        self.ink = Image.new("RGBA", (self.side * self.factor,) * 2, 0)
        self.pen = ImageDraw.Draw(self.ink)
        self.drawn = 0  # points
        self.before: tuple[tuple[int, int], Any, list[np.ndarray]] | None = None
        self.changed: list[np.ndarray] = []

    def times(self) -> np.ndarray:
        """Returns the seconds at which the pen arrives at each point, [M]."""
        if not len(self.points):
            return np.zeros(0)
        extent = max(float(np.ptp(self.points, axis=0).max()), 1e-9)
        ways = np.diff(self.points, axis=0, prepend=self.points[:1])
        seconds = np.linalg.norm(ways, axis=1) / extent / PACE
        times = np.cumsum(np.where(self.begins, seconds / 2 + LIFT, seconds))
        return times / max(times[-1] / LONGEST, 1.0)

    def draw_until(self, now: float, times: np.ndarray) -> None:
        """Draws all points that the pen has reached, and the way that it has gone to the next."""
        if self.before:  # a part of a line, which would make the whole one thicker
            corner, ink, ends = self.before
            self.ink.paste(ink, corner)
            self.changed += ends
            self.before = None
        for i in range(self.drawn, int(np.searchsorted(times, now, side="right"))):
            start = self.points[i if self.begins[i] else i - 1]  # or the dot that begins a stroke
            self._line(start, self.points[i], self.colors[i])
            self.drawn = i + 1
        i = self.drawn
        if 0 < i < len(times) and not self.begins[i]:
            part = (now - times[i - 1]) / (times[i] - times[i - 1])
            start = self.points[i - 1]
            end = start + part * (self.points[i] - start)
            x0, y0 = np.floor(np.minimum(start, end) - self.radius - 2).astype(int).tolist()
            x1, y1 = np.ceil(np.maximum(start, end) + self.radius + 3).astype(int).tolist()
            self.before = ((x0, y0), self.ink.crop((x0, y0, x1, y1)), [start, end])
            self._line(start, end, self.colors[i])

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
