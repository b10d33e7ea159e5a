"""What the matrices of a step are multiplied with, measured on sketches that the model draws.

No data set is needed: the model's own sketches, at temperature 1, give the vectors that its int8
file will meet.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from sketch_rnn_tf.export.litert import flatbuffer
from sketch_rnn_tf.ondevice import next_point, noise, runtime

POINTS = 8192  # points drawn, over all sketches
_SEED = 20170411


def moments(data: bytes, facts: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Returns {`weights_key` of a matrix: the mean of x x^T of the vectors x that it multiplies}.

    Args:
      data: a float32 file with the signature `step`.
      facts: of `exporter.describe`.
    """
    model = flatbuffer.parse(data)
    step = flatbuffer.step_graph(model)
    vectors = {  # {matrix: the tensor that it is multiplied with}
        flatbuffer.weights_key(model.buffers[weights.buffer].data): int(operator.inputs[0])
        for operator, weights in flatbuffer.products(model, model.subgraphs[step])
    }
    interpreter = runtime.interpreter(data, xnnpack=False, keep=True)
    seen: dict[str, list[np.ndarray]] = {name: [] for name in vectors}
    for _ in _drawn_points(interpreter, facts):
        for name, tensor in vectors.items():
            seen[name].append(interpreter.get_tensor(tensor, step)[0])
    rows = {name: np.stack(found) for name, found in seen.items()}  # [POINTS, columns] each
    return {name: found.T @ found / POINTS for name, found in rows.items()}


def _drawn_points(interpreter: Any, facts: Mapping[str, Any]) -> Iterator[None]:
    """Draws POINTS points, sketch after sketch; yields after each step."""
    step = interpreter.get_signature_runner("step")
    tau, drawn, sketch = np.ones(3, np.float32), 0, 0
    while True:
        state, stroke = _initial_state(interpreter, facts, sketch), np.float32(facts["start_token"])
        for row in noise.noise((_SEED, sketch), facts["max_length"]):
            found = step(stroke=stroke[None], state=state)
            yield
            drawn += 1
            if drawn == POINTS:
                return
            state, parameters = found["state"], np.nan_to_num(found["parameters"][0])
            stroke = next_point.next_point(parameters, row, tau, facts["temperature_mode"])
            if stroke[4] > 0.5:
                break
        sketch += 1


def _initial_state(interpreter: Any, facts: Mapping[str, Any], sketch: int) -> np.ndarray:
    given = {}
    if facts["conditional"]:
        given["z"] = noise.latent((_SEED, sketch), facts["z_size"])[None]
    if facts["classes"]:
        given["label"] = np.int32([sketch % len(facts["classes"])])
    if not given:
        return np.zeros((1, facts["state_size"]), np.float32)
    return interpreter.get_signature_runner("init_state")(**given)["state"]
