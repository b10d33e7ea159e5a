"""What the matrices of a step are multiplied with: measured on sketches that the model draws.

No data set is needed: the model's own sketches, at temperature 1, are the vectors that its int8
file will meet.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from tensorflow.lite.python import schema_py_generated as schema

from sketch_rnn_tf.ondevice import next_point, noise, runtime

POINTS = 8192  # points drawn, over all sketches
_SEED = 20170411


def moments(data: bytes, facts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns {`key` of a matrix: the mean of x x^T of the vectors x it is multiplied with}.

    Args:
      data: a float32 file with the signature `step`.
      facts: of `litert.describe`.
    """
    interpreter = runtime.interpreter(data, xnnpack=False, keep=True)
    graph, places = _products(data)
    met: dict[str, list[np.ndarray]] = {name: [] for name in places}
    for _ in _points(interpreter, facts):
        for name, tensor in places.items():
            met[name].append(interpreter.get_tensor(tensor, graph)[0])
    rows = {name: np.stack(vectors) for name, vectors in met.items()}  # [POINTS, columns] each
    return {name: vectors.T @ vectors / POINTS for name, vectors in rows.items()}


def key(weights: Any) -> str:
    """Returns what a matrix is known by in every file: its bytes' hash."""
    return hashlib.sha256(np.asarray(weights).tobytes()).hexdigest()


def _products(data: bytes) -> tuple[int, dict[str, int]]:
    """Returns the subgraph of `step`, and {matrix: the tensor it is multiplied with} in it."""
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))
    graph = next(s.subgraphIndex for s in model.signatureDefs if s.signatureKey == b"step")
    found = {}
    for operator in model.subgraphs[graph].operators:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code == schema.BuiltinOperator.FULLY_CONNECTED:
            weights = model.buffers[model.subgraphs[graph].tensors[operator.inputs[1]].buffer].data
            if weights is not None and len(weights):
                found[key(weights)] = int(operator.inputs[0])
    return graph, found


def _points(interpreter: Any, facts: Mapping[str, Any]) -> Iterator[None]:
    """Draws POINTS points, sketch after sketch; yields after each step."""
    drawn = sketches = 0
    while drawn < POINTS:
        for _ in _sketch(interpreter, facts, sketches):
            drawn += 1
            yield
            if drawn == POINTS:
                return
        sketches += 1


def _sketch(interpreter: Any, facts: Mapping[str, Any], number: int) -> Iterator[None]:
    step, seeds = interpreter.get_signature_runner("step"), (_SEED, number)
    state = _initial_state(interpreter, facts, number)
    stroke, tau = np.float32(facts["start_token"]), np.ones(3, np.float32)
    for row in noise.noise(seeds, facts["max_length"]):
        found = step(stroke=stroke[None], state=state)
        yield
        state, parameters = found["state"], np.nan_to_num(found["parameters"][0])
        stroke = next_point.next_point(parameters, row, tau, facts["temperature_mode"])
        if stroke[4] > 0.5:
            return


def _initial_state(interpreter: Any, facts: Mapping[str, Any], number: int) -> np.ndarray:
    given = {}
    if facts["conditional"]:
        given["z"] = noise.latent((_SEED, number), facts["z_size"])[None]
    if facts["classes"]:
        given["label"] = np.int32([number % len(facts["classes"])])
    if not given:
        return np.zeros((1, facts["state_size"]), np.float32)
    return interpreter.get_signature_runner("init_state")(**given)["state"]
