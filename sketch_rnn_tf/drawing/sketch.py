"""One drawing with what is known of it, and a list of drawings; both show and save themselves."""

from __future__ import annotations

import dataclasses
import os
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from sketch_rnn_tf import strokes as strokes_lib
from sketch_rnn_tf.drawing import data_files, layout, raster, saving, vector
from sketch_rnn_tf.errors import UserError

SHOWN_IN_JUPYTER = 100  # drawings of a longer list are counted, not shown
SINGLE_SIZE = 256  # pixels of a drawing by itself


@dataclasses.dataclass(frozen=True, eq=False)
class Sketch:
    """A drawing. `numpy.asarray(sketch)`, `sketch[i]` and `len(sketch)` are those of `strokes`.

    Attributes:
      strokes: float32 [N, 3], stroke-3 in source units; read-only.
      label: class name or any word for it.
      ended: whether the drawing was ended, not cut off at a longest length.
      given: how many of the first points were given to the model, which drew the others.
    """

    strokes: np.ndarray
    label: str | None = None
    ended: bool = True
    given: int = 0

    def __post_init__(self) -> None:
        array = strokes_lib.check_stroke3(self.strokes, "a sketch")
        array.flags.writeable = False
        if not 0 <= self.given <= len(array):
            raise UserError(f"{self.given} points of a sketch of {len(array)} cannot be given")
        object.__setattr__(self, "strokes", array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy:
            return np.array(self.strokes, dtype)
        return np.asarray(self.strokes, dtype)

    def __len__(self) -> int:
        return len(self.strokes)

    def __getitem__(self, item: Any) -> Any:
        return self.strokes[item]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sketch):
            return NotImplemented
        return (
            (self.label, self.ended, self.given) == (other.label, other.ended, other.given)
        ) and np.array_equal(self.strokes, other.strokes)

    def __hash__(self) -> int:
        return hash((self.strokes.tobytes(), self.label, self.ended, self.given))

    def __repr__(self) -> str:
        strokes, points = len(self.polylines()), len(self)
        words = [f"{strokes} stroke{'s' * (strokes != 1)}", f"{points} point{'s' * (points != 1)}"]
        words[:0] = [] if self.label is None else [repr(self.label)]
        words += [] if self.ended else ["not ended"]
        return f"Sketch({', '.join(words)})"

    @property
    def shape(self) -> tuple[int, ...]:
        """[N, 3]."""
        return self.strokes.shape

    @property
    def dtype(self) -> np.dtype:
        """float32."""
        return self.strokes.dtype

    @property
    def is_empty(self) -> bool:
        """Whether it has no line: at most one point."""
        return len(self.strokes) < 2

    def polylines(self) -> list[np.ndarray]:
        """Returns the strokes in absolute coordinates, float64 arrays [n, 2]."""
        return strokes_lib.stroke3_to_polylines(self.strokes)

    def svg(self, **options: Any) -> str:
        """Returns the drawing as SVG; options as in `drawing.lay_out`."""
        return as_sketches(self).svg(**options)

    def save(self, path: str | os.PathLike, *, overwrite: bool = False, **options: Any) -> None:
        """Writes the drawing to a file of the kind that its suffix names; see `drawing.save`."""
        as_sketches(self).save(path, overwrite=overwrite, **options)

    def _repr_svg_(self) -> str:
        return self.svg()


class Sketches(list):
    """A list of drawings that shows as a grid.

    Args:
      sketches: drawings; None leaves a cell of the grid blank.
      **layout: options of `drawing.lay_out` for this list, such as `columns` or `row_titles`.

    Attributes:
      layout: these options. A slice has none of them, its cells being others.
    """

    def __init__(self, sketches: Iterable[Any] = (), **layout: Any):
        super().__init__(as_sketch(sketch, f"sketch {i}") for i, sketch in enumerate(sketches))
        self.layout = layout

    def __getitem__(self, item: Any) -> Any:
        found = super().__getitem__(item)
        return Sketches(found) if isinstance(item, slice) else found

    def picture(self, **options: Any) -> layout.Picture:
        """Returns the grid as a picture: what stands where; options override the list's own."""
        return layout.lay_out(self, **{**self.layout, **options})

    def svg(self, **options: Any) -> str:
        """Returns the grid as SVG; options override the list's own."""
        return vector.document(self.picture(**options))

    def png(self, *, zoom: float = 2.0, **options: Any) -> bytes:
        """Returns the grid as PNG; see `drawing.png`."""
        return raster.png(self.picture(**options), zoom)

    def gif(self, *, zoom: float = 1.0, **options: Any) -> bytes:
        """Returns the grid as animated GIF; see `drawing.gif`."""
        options["background"] = options.get("background", "white") or "white"
        return raster.gif(self.picture(**options), zoom)

    def save(
        self, path: str | os.PathLike, *, overwrite: bool = False, **options: Any
    ) -> list[pathlib.Path]:
        """Writes the grid, or a file for each drawing, of the kind that the suffix names.

        See `drawing.save`.
        """
        kind = saving.check_suffix(path)
        if not saving.is_numbered(path):
            content = self._content(kind, options)
            return saving.write([os.fspath(path)], lambda i: content, overwrite)
        # Words and columns belong to the grid.
        own = {
            name: value
            for name, value in {**self.layout, **options}.items()
            if name in ("colors", "given_color", "stroke_width", "background", "smooth", "zoom")
        }
        size = {"size": options.get("size", SINGLE_SIZE)}
        drawings = [sketch for sketch in self if sketch is not None]
        paths = [saving.numbered(path, i) for i in range(len(drawings))]
        return saving.write(
            paths, lambda i: Sketches([drawings[i]])._content(kind, {**size, **own}), overwrite
        )

    def _content(self, kind: str, options: dict[str, Any]) -> bytes:
        """Returns what a file of one of `saving.SUFFIXES` holds."""
        if kind == ".svg":
            return self.svg(**options).encode()
        if kind in (".png", ".gif"):
            return (self.png if kind == ".png" else self.gif)(**options)
        sketches = [sketch for sketch in self if sketch is not None]
        if kind == ".json":
            return data_files.to_json(sketches).encode()
        return data_files.to_npz(sketches)

    def _repr_svg_(self) -> str:
        if len(self) <= SHOWN_IN_JUPYTER:
            return self.svg()
        return self[:SHOWN_IN_JUPYTER].svg(title=f"the first {SHOWN_IN_JUPYTER} of {len(self):,}")


def as_sketch(drawing: Any, where: str = "a sketch") -> Sketch | None:
    """Returns a drawing as a Sketch; None stays None, a blank cell.

    Raises:
      UserError: it is not a stroke-3 array of finite numbers; the message begins with `where`.
    """
    if drawing is None or isinstance(drawing, Sketch):
        return drawing
    try:
        array = np.asarray(drawing)
    except ValueError:  # rows or drawings of several lengths
        raise UserError(f"{where} is a list of several arrays, expected one [N, 3]") from None
    if array.shape == (0,):  # an empty list is a drawing without points
        array = np.zeros((0, 3), np.float32)
    return Sketch(strokes_lib.check_stroke3(array, where))


def as_sketches(drawings: Any) -> Sketches:
    """Returns drawings as `Sketches`: one drawing becomes a list that shows it larger.

    Args:
      drawings: a stroke-3 array, a list of numbers like one, a Sketch, or a list of them.
    """
    if isinstance(drawings, Sketches):
        return drawings
    one = isinstance(drawings, Sketch) or (isinstance(drawings, np.ndarray) and drawings.ndim == 2)
    if isinstance(drawings, (list, tuple)) and drawings:  # of rows, or of drawings
        first = drawings[0]
        is_row = isinstance(first, (list, tuple, np.ndarray)) and len(first)
        one = bool(is_row) and np.ndim(first[0]) == 0
    if one:
        return Sketches([drawings], size=SINGLE_SIZE)
    return Sketches(drawings)
