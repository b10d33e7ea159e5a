"""The converter's silent failures as checks: a bad LiteRT file is never written."""

from __future__ import annotations

from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.python import schema_py_generated as schema

from sketch_rnn_tf.export.litert_graphs import Graphs
from sketch_rnn_tf.ondevice import metadata, runtime

BYTES = {"float32": 4, "float16": 2, "int8": 1}  # a weight
OVERHEAD = 1.25  # of scales and small tensors that are not quantised
GRAPHS = 400_000  # bytes that graphs, names and metadata may take
# Largest difference of a step's parameters from the Keras model's. Quantised weights differ by
# design: there the check is that it is this model at all.
TOLERANCE = {"float32": 1e-4, "float16": 0.1, "int8": 0.5}
RANDOM_OPS = {"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"}
VARIABLE_OPS = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}
_NAMES = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


def check(data: bytes, graphs: Graphs, name: str) -> None:
    """Raises ValueError when a file is not the model that it should be."""
    content = metadata.read(data, name)
    step_only = "sample" not in content["signatures"]
    _check_size(len(data), graphs, content["variant"], step_only, name)
    _check_operations(data, name)
    _check_signatures(data, content, name)
    _check_run(data, graphs, content["variant"], name)


def _check_size(size: int, graphs: Graphs, variant: str, step_only: bool, name: str) -> None:
    """Without its weights a file is far too small, with weights twice far too large."""
    part = graphs.model.decoder if step_only else graphs.model
    weights = part.count_params() * BYTES[variant]
    if not weights * 0.9 <= size <= weights * OVERHEAD + GRAPHS:
        raise ValueError(
            f"{name}: the converter made {size} bytes of {weights} bytes of weights;"
            " the file is not written"
        )


def operations(data: bytes) -> set[str]:
    """Returns the names of all operations in a file; custom ones by their own names."""
    model = schema.Model.GetRootAs(data, 0)
    found = set()
    for i in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(i)
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        custom = code.CustomCode()
        found.add(f"custom {custom.decode()}" if custom else _NAMES.get(number, str(number)))
    return found


def _check_operations(data: bytes, name: str) -> None:
    used = operations(data)
    bad = {word for word in used if word.startswith("custom ")}
    bad |= used & (RANDOM_OPS | VARIABLE_OPS)
    if bad:
        raise ValueError(
            f"{name}: holds {', '.join(sorted(bad))}, expected built-in operations without state;"
            " the file is not written"
        )


def _check_signatures(data: bytes, content: dict[str, Any], name: str) -> None:
    model = schema.Model.GetRootAs(data, 0)
    found = [model.SignatureDefs(i) for i in range(model.SignatureDefsLength())]
    keys = sorted(signature.SignatureKey().decode() for signature in found)
    graphs = {signature.SubgraphIndex() for signature in found}
    if keys != sorted(content["signatures"]) or len(graphs) != len(found):
        raise ValueError(f"{name}: has the signatures {keys}; the file is not written")


def _check_run(data: bytes, graphs: Graphs, variant: str, name: str) -> None:
    """Takes three steps and compares with the Keras model."""
    runner = runtime.interpreter(data).get_signature_runner("step")
    random = np.random.default_rng(0)
    z = tf.constant(random.normal(size=[1, max(graphs.model.z_size, 1)]), tf.float32)
    latents = {
        **({"z": z} if graphs.model.conditional else {}),
        **({"label": tf.constant([0])} if graphs.model.num_classes else {}),
    }
    expected = graphs.init_state(**latents)["state"]
    state = expected.numpy()
    stroke = np.float32([graphs.start_token])
    for _ in range(3):
        theirs = graphs.step(tf.constant(stroke), expected)
        ours = runner(stroke=stroke, state=state)
        difference = np.abs(ours["parameters"] - theirs["parameters"].numpy()).max()
        limit = TOLERANCE[variant] * max(1.0, float(np.abs(theirs["parameters"]).max()))
        if not difference <= limit:
            raise ValueError(
                f"{name}: differs from the model by {difference:.2g} after a step, expected at"
                f" most {limit:.2g}; the file is not written"
            )
        state, expected = ours["state"], theirs["state"]
        stroke = np.float32([[*random.normal(size=2), 1, 0, 0]])
