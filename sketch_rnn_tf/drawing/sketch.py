"""One drawing with what is known of it, and a list of drawings; both show themselves in Jupyter."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import strokes as strokes_lib
from sketch_rnn_tf.errors import UserError

SHOWN_IN_JUPYTER = 100  # drawings of a longer list are counted, not shown


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

    def polylines(self) -> list[np.ndarray]:
        """Returns the strokes in absolute coordinates, float64 arrays [n, 2]."""
        return strokes_lib.stroke3_to_polylines(self.strokes)

    def svg(self, **options: Any) -> str:
        """Returns the drawing as SVG; options as in `drawing.lay_out`."""
        from sketch_rnn_tf.drawing import vector

        return vector.svg(self, **options)

    def save(self, path: str | os.PathLike, **options: Any) -> None:
        """Writes the drawing to a file of the kind that its suffix says; see `drawing.save`."""
        from sketch_rnn_tf.drawing import saving

        saving.save(path, self, **options)

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

    def svg(self, **options: Any) -> str:
        """Returns the grid as SVG; options override the list's own."""
        from sketch_rnn_tf.drawing import vector

        return vector.grid(self, **options)

    def save(self, path: str | os.PathLike, **options: Any) -> None:
        """Writes the grid to a file of the kind that its suffix says; see `drawing.save`."""
        from sketch_rnn_tf.drawing import saving

        saving.save(path, self, **options)

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
    return Sketch(strokes_lib.check_stroke3(_not_empty_shape(drawing), where))


def as_list(drawings: Any) -> tuple[Sequence[Sketch | None], bool]:
    """Returns drawings as a list of Sketch, and whether a single drawing was given."""
    if isinstance(drawings, Sketch) or _is_rows(drawings):
        return [as_sketch(drawings)], True
    if isinstance(drawings, Sketches):
        return drawings, False
    return [as_sketch(drawing, f"sketch {i}") for i, drawing in enumerate(drawings)], False


def _is_rows(drawings: Any) -> bool:
    """Whether this is one stroke-3 array, or a list of numbers like one, and not a list of them."""
    if isinstance(drawings, np.ndarray):
        return drawings.ndim == 2
    first = drawings[0] if isinstance(drawings, (list, tuple)) and drawings else None
    if not isinstance(first, (list, tuple, np.ndarray)) or not len(first):
        return False
    return np.ndim(first[0]) == 0


def _not_empty_shape(drawing: Any) -> np.ndarray:
    """An empty list is a drawing without points, though NumPy gives it the shape [0]."""
    array = np.asarray(drawing)
    return np.zeros((0, 3), np.float32) if array.shape == (0,) else array
