"""A cell and a decoder point by point, with what is the same at every point computed once.

The numbers are those of `Decoder.step`, in fewer operations: the context's share of the gates is
computed once a sketch, and one product serves point and state where the cell allows it.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from sketch_rnn_tf.model.cells import steps
from sketch_rnn_tf.model.cells.base import RecurrentCell
from sketch_rnn_tf.model.decoder import Decoder


class CellStepper:
    """One step of a cell whose inputs are [point, context], the context being the same throughout.

    Args:
      cell: the cell.
      size: D, size of what changes from step to step.
      context: [B, C] or None.
      batch: B.
    """

    def __init__(self, cell: RecurrentCell, size: int, context: tf.Tensor | None, batch):
        self._cell = cell
        own, self._share = cell.affine(size, context, batch)  # [D, P], [B, P]
        self._weights, matrices = steps.reading(cell, cell.step_weights(), own)
        dtype = tf.as_dtype(cell.compute_dtype)
        narrow = {name: tf.cast(self._weights[name], dtype) for name in matrices}
        self._multiply = steps.plain_product(narrow, dtype, cell.activations)

    def __call__(self, point: tf.Tensor, states: Sequence[tf.Tensor]):
        """Returns the output [B, H] and the new states after reading a point [B, D]."""
        return steps.read(self._cell, self._weights, self._multiply, point, self._share, states)


class Stepper:
    """A decoder, ready to run over the points of a batch of sketches.

    Args:
      decoder: the decoder.
      context: [B, C] or None.
      batch: B.

    Attributes:
      initial_states: the states before the first point.
    """

    def __init__(self, decoder: Decoder, context: tf.Tensor | None, batch):
        self._position = decoder.absolute_position
        self._advance = CellStepper(decoder.cell, 5 + 2 * self._position, context, batch)
        self._kernel = tf.convert_to_tensor(decoder.output_layer.kernel)
        self._bias = tf.convert_to_tensor(decoder.output_layer.bias)
        self.initial_states = decoder.initial_state(batch, context)

    def __call__(self, stroke: tf.Tensor, states) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """As `Decoder.step`: a point [B, 5] to raw mixture parameters and new states."""
        states, position = list(states), []
        if self._position:
            position = [states.pop() + stroke[:, :2]]
            stroke = tf.concat([stroke, *position], axis=-1)
        output, states = self._advance(stroke, states)
        raw = tf.nn.bias_add(tf.matmul(output, self._kernel), self._bias)
        return raw, [*states, *position]
