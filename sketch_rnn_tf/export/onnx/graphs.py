"""`encode`, `init_state` and `step` of a model as ONNX graphs, for batches of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import tensorflow as tf

from sketch_rnn_tf.export.onnx.builder import DYNAMIC, Builder
from sketch_rnn_tf.export.onnx.translate import inline
from sketch_rnn_tf.model.cells.base import RecurrentCell
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

POINT = 5  # a stroke-5 row
LIMIT = 1000.0  # offsets in source units are clamped to +- this, as in training
_LABEL = {"label": (np.int32, [DYNAMIC])}


class Graphs:
    """The graphs of a model.

    The decoder's whole state is one tensor, `state` [B, S]: the cell's states, the pen's position
    where the model reads it, and the context's share of the cell's input projection, which is the
    same at every step and computed once.

    Args:
      model: the model, float32.
      scale_factor: source units per normalized unit.

    Attributes:
      state_size: S.
    """

    def __init__(self, model: SketchRNN, scale_factor: float):
        self._model = model
        self._scale_factor = float(scale_factor)
        decoder = model.decoder
        self._point = decoder.input_size - decoder.context_size
        share = []
        if decoder.context_size:
            share = [int(decoder.cell.project(tf.zeros([1, self._point])).shape[-1])]
        self._sizes = [*decoder.state_size, *share]
        self.state_size = sum(self._sizes)

    def all(self) -> dict[str, onnx.GraphProto]:
        """Returns {name: graph}.

        A decoder alone has no `encode`; without classes it has no `init_state` either, its state
        before the first point being zero.
        """
        found = {"step": self.step()}
        if self._model.decoder.context_size:
            found["init_state"] = self.init_state()
        if self._model.conditional:
            found["encode"] = self.encode()
        return found

    def step(self) -> onnx.GraphProto:
        """Returns the graph that reads a point in normalized units.

        Its outputs are the next point's raw `parameters` and the new `state`.
        """

        def step(stroke, state):
            decoder, states = self._model.decoder, tf.split(state, self._sizes, axis=-1)
            share = [states.pop()] if decoder.context_size else []
            position = []
            if decoder.absolute_position:
                position = [states.pop() + stroke[:, :2]]
                stroke = tf.concat([stroke, *position], axis=-1)
            output, states = _cell_step(decoder.cell, stroke, states, share)
            state = tf.concat([*states, *position, *share], axis=-1)
            return [decoder.output_layer(output), state]

        builder = Builder()
        inputs = {
            "stroke": (np.float32, [DYNAMIC, POINT]),
            "state": (np.float32, [DYNAMIC, self.state_size]),
        }
        values = inline(builder, step, _specs(inputs), list(inputs))
        outputs = {
            "parameters": (np.float32, [DYNAMIC, 3 + 6 * self._model.num_mixtures]),
            "new_state": (np.float32, [DYNAMIC, self.state_size]),
        }
        return builder.with_constants(builder.graph("step", inputs, outputs, values))

    def init_state(self) -> onnx.GraphProto:
        """Returns the graph that makes the `state` before the first point."""
        model, decoder = self._model, self._model.decoder

        def init_state(*given):
            parts = list(given)
            if model.embedding is not None:
                parts[-1] = self._embedded(parts[-1])
            context = tf.concat(parts, axis=-1)
            states = decoder.initial_state(0, context)[: len(decoder.cell.state_size)]
            if decoder.absolute_position:
                states.append(states[0][:, :2] * 0.0)  # zeros for any number of sketches
            return [tf.concat([*states, decoder.cell.context_term(context, self._point)], axis=-1)]

        inputs: dict[str, Any] = {}
        if model.conditional:
            inputs["z"] = (np.float32, [DYNAMIC, model.z_size])
        if model.embedding is not None:
            inputs |= _LABEL
        builder = Builder()
        values = inline(builder, init_state, _specs(inputs), list(inputs))
        outputs = {"state": (np.float32, [DYNAMIC, self.state_size])}
        return builder.with_constants(builder.graph("init_state", inputs, outputs, values))

    def encode(self) -> onnx.GraphProto:
        """Returns the graph that reads drawings in source units: `z_mean` and `z_log_var`."""
        encoder, builder = self._model.encoder, Builder()
        inputs: dict[str, Any] = {
            "strokes": (np.float32, [DYNAMIC, "points", 3]),
            "lengths": (np.int32, [DYNAMIC]),
        }
        context = []
        if self._model.embedding is not None:
            inputs |= _LABEL
            context = inline(builder, lambda x: [self._embedded(x)], _specs(_LABEL), ["label"])
        rows = inline(
            builder, self._stroke5, [tf.TensorSpec([None, None, 3])], ["strokes"]
        )  # [T, B, 5]
        lengths = builder.add("Cast", "lengths", to=onnx.TensorProto.INT64)
        backward = builder.add("ReverseSequence", *rows, lengths, time_axis=0, batch_axis=1)
        real = _real_points(builder, *rows, lengths)  # [T, B, 1]
        last = [
            _last_output(builder, cell, points, real, lengths, context)
            for cell, points in ((encoder.forward_cell, *rows), (encoder.backward_cell, backward))
        ]
        size = 2 * encoder.forward_cell.output_size
        values = inline(
            builder,
            lambda summary: [encoder.mean(summary), encoder.log_var(summary)],
            [tf.TensorSpec([None, size])],
            [builder.add("Concat", *last, axis=1)],
        )
        kind = (np.float32, [DYNAMIC, self._model.z_size])
        outputs = {"z_mean": kind, "z_log_var": kind}
        return builder.with_constants(builder.graph("encode", inputs, outputs, values))

    def _embedded(self, label: tf.Tensor) -> tf.Tensor:
        return tf.gather(tf.convert_to_tensor(self._model.embedding.embeddings), label)

    def _stroke5(self, strokes: tf.Tensor) -> list[tf.Tensor]:
        """Returns stroke-3 [B, T, 3] in source units as stroke-5 [T, B, 5] in normalized units."""
        rows = tf.transpose(strokes, [1, 0, 2])
        offsets, lifted = tf.split(rows, [2, 1], axis=-1)
        offsets = tf.maximum(tf.minimum(offsets, LIMIT), -LIMIT) / self._scale_factor
        return [tf.concat([offsets, 1.0 - lifted, lifted, lifted * 0.0], axis=-1)]


def _real_points(builder: Builder, rows: str, lengths: str) -> str:
    """Returns which rows [T, B, ...] are points of their sketches, bool [T, B, 1]."""
    zero, one = (builder.constant(value, np.int64) for value in (0, 1))
    count = builder.add("Gather", builder.add("Shape", rows), zero, axis=0)
    steps = builder.add("Range", zero, count, one)
    steps = builder.add("Unsqueeze", steps, builder.constant([1, 2]))  # [T, 1, 1]
    lengths = builder.add("Unsqueeze", lengths, builder.constant([0, 2]))  # [1, B, 1]
    return builder.add("Less", steps, lengths)


def _last_output(
    builder: Builder,
    cell: RecurrentCell,
    rows: str,
    real: str,
    lengths: str,
    context: Sequence[str],
) -> str:
    """Returns the cell's output [B, H] after each sketch's last point, zero where it has none.

    Args:
      builder: of the graph.
      cell: the cell.
      rows: stroke-5 [T, B, 5].
      real: bool [T, B, 1].
      lengths: int64 [B].
      context: one value [B, C], or none.
    """
    share = []
    if context:
        spec = tf.TensorSpec([None, None])
        share = inline(builder, lambda x: [cell.context_term(x, POINT)], [spec], context)
    sizes = [cell.output_size, *cell.state_size]
    body = Builder(builder)
    kept = [body.name("kept") for _ in sizes]  # the output, then the states
    row, is_real = body.name("row"), body.name("real")

    def step(stroke, *given):
        states = list(given)
        last = [states.pop()] if share else []
        output, states = _cell_step(cell, stroke, states, last)
        return [output, *states]

    width = cell.project(tf.zeros([1, POINT])).shape[-1] if share else 0
    specs = [tf.TensorSpec([None, n]) for n in (POINT, *cell.state_size, *[width] * len(share))]
    new = inline(body, step, specs, [row, *kept[1:], *share])
    values = [body.add("Where", is_real, a, b) for a, b in zip(new, kept, strict=True)]
    states = {name: (np.float32, [DYNAMIC, size]) for name, size in zip(kept, sizes, strict=True)}
    inputs = {**states, row: (np.float32, [DYNAMIC, POINT]), is_real: (np.bool_, [DYNAMIC, 1])}
    outputs = {body.name("after"): kind for kind in states.values()}
    loop = body.graph(body.name("body"), inputs, outputs, values)
    batch, zero = builder.add("Shape", lengths), builder.constant(np.zeros((1, 1), np.float32))
    starts = []
    for size in sizes:
        shape = builder.add("Concat", batch, builder.constant([size], np.int64), axis=0)
        starts.append(builder.add("Expand", zero, shape))
    return builder.add_many(
        "Scan", [*starts, rows, real], len(sizes), body=loop, num_scan_inputs=2
    )[0]


def _cell_step(cell: RecurrentCell, inputs, states, share):
    """Returns the output and the states after reading [B, D], with the context's share if any."""
    projected = cell.project(inputs)
    return cell.step(projected + share[0] if share else projected, states)


def _specs(inputs: dict[str, Any]) -> list[tf.TensorSpec]:
    """Returns what TensorFlow traces a function for, a number for every size that is known."""
    return [
        tf.TensorSpec([n if isinstance(n, int) else None for n in shape], dtype, name)
        for name, (dtype, shape) in inputs.items()
    ]
