"""Reads pictures of line art (PNG, JPEG, TIFF, WebP, BMP, GIF): center lines become strokes.

Only where it is asked for (`--trace`, or the format `picture`): what a picture shows is a guess, a
vector drawing is not. One drawing per file; of a TIFF file one per page. A picture is turned as its
camera says (EXIF); what shows through it (alpha) is taken as paper.
"""

from __future__ import annotations

import contextlib
import io
import math
import struct
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageOps

from data_prep.readers.source import (
    Options,
    Polylines,
    RawSketch,
    Skip,
    Source,
    printable,
    read_whole,
)

MAX_BYTES = 512 << 20
MAX_PIXELS = 120_000_000  # an A4 page at 1,000 points per inch
MAX_PAGES = 500
LARGEST_SIDE = 3000  # pixels: larger pictures are made smaller by a whole number first
FORMATS = ("PNG", "JPEG", "TIFF", "WEBP", "BMP", "GIF", "PPM")

# What Pillow raises for files that are damaged.
_DAMAGE = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    ArithmeticError,
    struct.error,
    zlib.error,
)


def read(source: Source, options: Options) -> Iterator[RawSketch | Skip]:
    """Yields the drawings of a file.

    Args:
      source: the file.
      options: of which `label` counts; the label is the folder's name, or the file's.

    Yields:
      `RawSketch` with polylines in pixels of the picture.

    Raises:
      ReadError: the file is damaged, far too large, or no line art.
      UserError: scikit-image is not installed.
    """
    from data_prep.conversion import tracing

    for number, (page, shrunk) in enumerate(_pages(source)):
        try:
            strokes = tracing.trace(page)
        except tracing.NotLineArtError as error:
            raise source.error(str(error)) from None
        key = source.key or source.name
        key = f"{key}:{number}" if number else key
        yield RawSketch(
            key=key,
            label=options.label or source.folder or source.stem,
            where=f"{source.path}: page {number + 1}" if number else source.path,
            polylines=Polylines.of(stroke * shrunk for stroke in strokes),
            group=source.group or key,
            canvas=float(max(page.shape[:2]) * shrunk),
        )


def _pages(source: Source) -> Iterator[tuple[np.ndarray, int]]:
    """Yields each page, [H, W, C] in 0 to 1, and by what whole number it was made smaller."""
    stream = io.BytesIO(read_whole(source, MAX_BYTES))
    with _named_damage(source):
        image = Image.open(stream, formats=FORMATS)
    for number in range(MAX_PAGES if image.format == "TIFF" else 1):
        with _named_damage(source):
            try:
                image.seek(number)
            except EOFError:
                return
        if image.width * image.height > MAX_PIXELS:
            raise source.error(
                f"is a picture of {image.width} by {image.height} pixels, more than the"
                f" {MAX_PIXELS // 10**6} million that are read"
            )
        with _named_damage(source):
            page = _page(image)
        yield page


@contextlib.contextmanager
def _named_damage(source: Source) -> Iterator[None]:
    """Turns what Pillow raises for a damaged file into one sentence; its warnings are not shown."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Image.DecompressionBombError:
            raise source.error(
                f"is a picture of more than the {MAX_PIXELS // 10**6} million pixels that are read"
            ) from None
        except Image.UnidentifiedImageError:
            known = ", ".join(FORMATS)
            raise source.error(f"is no picture that can be read; there are {known}") from None
        except _DAMAGE as error:
            reason = printable(str(error).partition("\n")[0])[:80] or type(error).__name__
            raise source.error(f"is a damaged picture ({reason})") from None


def _page(image: Image.Image) -> tuple[np.ndarray, int]:
    """Returns the current page of a file as it is to be seen, and how much smaller it was made."""
    shrunk = math.ceil(max(image.size) / LARGEST_SIDE)
    page = ImageOps.exif_transpose(image)
    deep = page.mode.startswith(("I", "F"))
    if deep:
        page = page.convert("F")  # gray of 16 or 32 bits
    elif page.mode in ("1", "L"):
        page = page.convert("L")
    else:
        page = page.convert("RGBA" if page.has_transparency_data else "RGB")
    values = np.asarray(page.reduce(shrunk) if shrunk > 1 else page, np.float32)
    values = values if values.ndim == 3 else values[..., None]
    if deep:
        return _scaled(values), shrunk
    return _on_paper(values / 255), shrunk


def _scaled(values: np.ndarray) -> np.ndarray:
    """Returns deep gray in 0 to 1: of 16 bits, or whatever range a picture of numbers has."""
    low, high = float(values.min()), float(values.max())
    if not np.isfinite(low + high):
        raise ValueError("it has non-finite pixels")
    if low >= 0 and 255 < high <= 65535:
        return values / 65535
    return (values - low) / ((high - low) or 1)


def _on_paper(values: np.ndarray) -> np.ndarray:
    """Returns a picture without alpha: what shows through is paper.

    Where most of the picture is opaque, its own usual color is the paper; where little is, that is
    ink, and the paper is white behind dark ink and black behind light ink.
    """
    if values.shape[2] != 4:
        return values
    color, alpha = values[..., :3], values[..., 3:]
    shown = alpha[..., 0] > 0.5
    if not shown.any():
        return np.ones_like(alpha)
    if shown.mean() > 0.6:
        paper = np.median(color[shown], axis=0)
    else:
        paper = np.float32(color[shown].mean() < 0.6)
    return color * alpha + paper * (1 - alpha)
