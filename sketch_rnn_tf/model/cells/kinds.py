"""The cells by name."""

from __future__ import annotations

from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model.cells import base, hyper_lstm

CELLS = {
    "lstm": base.LSTMCell,
    "layer_norm": base.LayerNormLSTMCell,
    "hyper": hyper_lstm.HyperLSTMCell,
}


def make(kind: str, units: int, **kwargs) -> base.RecurrentCell:
    """Makes a cell by name.

    Args:
      kind: a name in CELLS.
      units: H.
      **kwargs: further arguments of the cell.

    Raises:
      UserError: there is no such cell.
    """
    if kind not in CELLS:
        raise UserError(f"there is no cell {kind!r}; there are {', '.join(CELLS)}")
    return CELLS[kind](units, **kwargs)


def options(
    kind: str, recurrent_dropout: float, hyper_units: int, hyper_embedding: int
) -> dict[str, float | int]:
    """Returns the arguments that a cell of this kind takes beside its units."""
    common = {"recurrent_dropout": recurrent_dropout}
    if kind == "hyper":
        return {**common, "hyper_units": hyper_units, "hyper_embedding": hyper_embedding}
    return common
