"""Recurrent cells, each equation beside its class, and the cells by name.

- `base`: what they share.
- `lstm`, `layer_norm_lstm`, `hyper_lstm`, `stacked_lstm`: one cell per file.

    cells.make("hyper", 512, recurrent_dropout=0.1, hyper_units=256)

A cell of your own is a subclass of `base.RecurrentCell` under a name of its own, without a change
to this package; models then take it as `SketchRNN(decoder={"cell": "mine"})`:

    @cells.register("mine")
    @keras.saving.register_keras_serializable(package="my_package")
    class MyCell(cells.RecurrentCell): ...
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sketch_rnn_tf import config
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model.cells.base import RecurrentCell
from sketch_rnn_tf.model.cells.hyper_lstm import HyperLSTMCell
from sketch_rnn_tf.model.cells.layer_norm_lstm import LayerNormLSTMCell
from sketch_rnn_tf.model.cells.lstm import LSTMCell
from sketch_rnn_tf.model.cells.stacked_lstm import StackedLSTMCell

__all__ = [
    "CELLS",
    "HyperLSTMCell",
    "LSTMCell",
    "LayerNormLSTMCell",
    "RecurrentCell",
    "StackedLSTMCell",
    "make",
    "register",
]

CELLS: dict[str, type[RecurrentCell]] = {
    "lstm": LSTMCell,
    "layer_norm": LayerNormLSTMCell,
    "hyper": HyperLSTMCell,
    "stacked": StackedLSTMCell,
}


def register(name: str) -> Callable[[type[RecurrentCell]], type[RecurrentCell]]:
    """Returns a class decorator that makes a cell known by a name.

    Raises:
      UserError: another cell has the name.
    """

    def add(cell: type[RecurrentCell]) -> type[RecurrentCell]:
        if CELLS.setdefault(name, cell) is not cell:
            raise UserError(f"there is a cell {name!r} already: {CELLS[name].__name__}")
        if name not in config.CELLS:
            config.CELLS.append(name)
        return cell

    return add


def make(
    kind: str, units: int, *, name: str | None = None, dtype: Any = None, **options: Any
) -> RecurrentCell:
    """Makes a cell by name.

    Args:
      kind: a name in `CELLS`.
      units: H.
      name: of the layer.
      dtype: type or policy of its matrix products.
      **options: arguments of the cells; those that this one does not have are left out.

    Raises:
      UserError: there is no such cell.
    """
    if kind not in CELLS:
        raise UserError(f"there is no cell {kind!r}, expected one of {', '.join(CELLS)}")
    cell = CELLS[kind]
    own = {option: value for option, value in options.items() if option in cell.options}
    return cell(units, name=name, dtype=dtype, **own)
