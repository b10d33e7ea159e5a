"""What the matrices of a model are multiplied with, measured on sketches that it draws itself.

`export.litert.rounding` needs it to round weights to 8 bits so that products stay the same; no
data set is needed. The sketches are drawn at temperature 1.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import config, strokes
from sketch_rnn_tf.model.cells import HyperLSTMCell, RecurrentCell, StackedLSTMCell
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.sketcher.backend import Request

SKETCHES = 64
_SEED = 20170411


def draw(
    model: SketchRNN, configuration: config.RunConfig, temperature: float = 1.0
) -> list[np.ndarray]:
    """Returns SKETCHES drawings of a model, stroke-3 rows in normalized units; no empty ones."""
    seeds = np.stack([np.full(SKETCHES, _SEED), np.arange(SKETCHES)], axis=1).astype(np.int32)
    temperatures = np.full((SKETCHES, 3), temperature, np.float32)
    normalized = dataclasses.replace(configuration, scale_factor=1.0)
    backend = KerasBackend(model, normalized, SKETCHES)
    drawn = backend.draw(Request(seeds, temperatures, _labels(model), model.max_length))
    return [rows for rows, _ in drawn if len(rows)]


def moments(model: SketchRNN, configuration: config.RunConfig) -> dict[str, np.ndarray]:
    """Returns {name of a matrix in `weights`: the mean of x x^T of the vectors x it meets}.

    Matrices that meet a vector only once per sketch are not among them, except the encoder's.
    """
    drawn = draw(model, configuration)
    if not drawn:
        return {}
    lengths = np.array([len(row) for row in drawn])
    rows = np.stack([strokes.stroke3_to_stroke5(row, lengths.max()) for row in drawn])
    labels = _labels(model, len(drawn))
    met = _decoder(model, rows, lengths, labels)
    if model.encoder is not None:
        met |= _encoder(model, rows, lengths, labels)
    return {name: x.T @ x / len(x) for name, x in met.items() if len(x)}


def _labels(model: SketchRNN, count: int = SKETCHES) -> np.ndarray | None:
    if not model.num_classes:
        return None
    return (np.arange(count) % model.num_classes).astype(np.int32)


def _decoder(model: SketchRNN, rows, lengths, labels) -> dict[str, np.ndarray]:
    z = model.encode(tf.constant(rows), tf.constant(lengths), labels)[0] if model.encoder else None
    context = model.context(z, labels)
    states = model.decoder.initial_state(len(rows), context)
    inputs = np.asarray(model.decoder_inputs(tf.constant(rows)))
    if model.decoder.absolute_position:
        states.pop()
        inputs = np.concatenate([inputs, inputs[..., :2].cumsum(axis=1)], axis=2)
    met, outputs = _vectors(model.decoder.cell, inputs, lengths, states, context)
    found = {f"decoder.cell.{name}": value for name, value in met.items()}
    return {**found, "decoder.output": outputs}


def _encoder(model: SketchRNN, rows, lengths, labels) -> dict[str, np.ndarray]:
    context = None if labels is None else model.embedding(labels)
    found = {}
    for name, reverse in (("forward", False), ("backward", True)):
        cell = getattr(model.encoder, f"{name}_cell")
        given = np.asarray(tf.reverse_sequence(rows, lengths, 1)) if reverse else rows
        states = cell.get_initial_state(len(rows))
        met, _ = _vectors(cell, given, lengths, states, context)
        found |= {f"encoder.{name}.{matrix}": value for matrix, value in met.items()}
    return found


def _vectors(
    cell: RecurrentCell, inputs: np.ndarray, lengths: np.ndarray, states, context
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Runs a cell over sequences [B, T, D].

    Returns:
      {matrix of the cell: the vectors [N, n] that it was multiplied with}, and the outputs [N, H],
      both of the real points only.
    """
    met: dict[str, list[np.ndarray]] = {name: [] for name in cell.matrices}
    outputs = []
    share = cell.context_term(context, inputs.shape[2])
    for t in range(inputs.shape[1]):
        real = t < lengths
        projected = cell.project(tf.constant(inputs[:, t], tf.float32))
        projected = projected if share is None else projected + share
        before = [np.asarray(state) for state in states]
        output, states = cell.step(projected, states)
        outputs.append(np.asarray(output)[real])
        after = [np.asarray(state) for state in states]
        for name, vector in _of_step(cell, before, after).items():
            met[name].append(vector[real])
    found = {name: np.concatenate(vectors) for name, vectors in met.items() if vectors}
    return found, np.concatenate(outputs)


def _of_step(
    cell: RecurrentCell, before: list[np.ndarray], after: list[np.ndarray]
) -> dict[str, np.ndarray]:
    """Returns what a cell's matrices are multiplied with in a step, from its states."""
    if isinstance(cell, StackedLSTMCell):
        return {
            "first_kernel": before[0],
            "second_kernel": np.concatenate([after[0], before[2]], axis=1),
        }
    found = {"recurrent_kernel": before[0]}
    if isinstance(cell, HyperLSTMCell):
        found["hyper_state_kernel"] = np.concatenate([before[0], before[2]], axis=1)
        found["embedding_kernel"] = after[2]
    return found
