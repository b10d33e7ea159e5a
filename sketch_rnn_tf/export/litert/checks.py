"""The converter's silent failures as checks: a bad LiteRT file is never written."""

from __future__ import annotations

import pathlib
from typing import Any

from tensorflow.lite.python import schema_py_generated as schema

from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.litert import comparison
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.ondevice import metadata, runtime

BYTES = {"float32": 4, "float16": 2, "int8": 1}  # a weight
OVERHEAD = 1.25  # of scales and small tensors that are not quantised
GRAPHS = 400_000  # bytes that graphs, names and metadata may take
RANDOM_OPS = {"RANDOM_UNIFORM", "RANDOM_STANDARD_NORMAL", "MULTINOMIAL"}
VARIABLE_OPS = {"VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "CALL_ONCE"}
_NAMES = {
    value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")
}


def check(path: pathlib.Path, model: SketchRNN) -> None:
    """Reads and runs a written file.

    Raises:
      UserError: it is not the model that it should be.
    """
    data, name = path.read_bytes(), path.name
    content = metadata.read(data, name)
    step_only = "sample" not in content["signatures"]
    _check_size(len(data), model, content["variant"], step_only, name)
    _check_operations(data, name)
    _check_signatures(data, content, name)
    comparison.check(runtime.Model(path), model, name)


def _check_size(size: int, model: SketchRNN, variant: str, step_only: bool, name: str) -> None:
    """Without its weights a file is far too small, with weights twice far too large."""
    part = model.decoder if step_only else model
    weights = part.count_params() * BYTES[variant]
    if not weights * 0.9 <= size <= weights * OVERHEAD + GRAPHS:
        raise UserError(
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
        raise UserError(
            f"{name}: holds {', '.join(sorted(bad))}, expected built-in operations without state;"
            " the file is not written"
        )


def _check_signatures(data: bytes, content: dict[str, Any], name: str) -> None:
    model = schema.Model.GetRootAs(data, 0)
    found = [model.SignatureDefs(i) for i in range(model.SignatureDefsLength())]
    keys = sorted(signature.SignatureKey().decode() for signature in found)
    graphs = {signature.SubgraphIndex() for signature in found}
    if keys != sorted(content["signatures"]) or len(graphs) != len(found):
        raise UserError(f"{name}: has the signatures {keys}; the file is not written")
