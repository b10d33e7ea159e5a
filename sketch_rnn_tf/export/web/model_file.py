"""model.bin: what a model is and its weights in one checked file, which `model_file.js` reads.

    8 bytes   "sketchrn"
    uint32    format version
    uint32    length of the header
    uint32    CRC-32 of all that follows
    header    JSON: the facts, and `tensors`: name, shape, and parts of rows that are stored alike
    payload   the tensors, each part from a multiple of four on

A part has `rows`, `dtype` (float32, float16 or int8), `offset` in the payload, and for int8 in
`scales` the offset of its rows' scales, float32.
"""

from __future__ import annotations

import itertools
import json
import struct
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.export.litert import rounding

MAGIC = b"sketchrn"
FORMAT_VERSION = 1
WEIGHTS = ("float32", "float16", "int8")
MIN_COLUMNS = 48  # narrower matrices are a small part of a file and stay in half precision
_LARGEST_HALF = float(np.finfo(np.float16).max)
_PREAMBLE = struct.Struct("<8sIII")


def pack(
    facts: Mapping[str, Any],
    tensors: Mapping[str, np.ndarray],
    weights: str,
    moments: Mapping[str, np.ndarray] | None = None,
) -> bytes:
    """Returns the bytes of a model file.

    In int8 the rows of the output layer that are the components' means, and matrices of few
    columns, hold half precision: see `export.litert.int8` for what they cost otherwise. Vectors
    are float32 beside int8 matrices, and as the matrices otherwise.

    Args:
      facts: what the model is.
      tensors: of `weights.tensors`.
      weights: one of WEIGHTS.
      moments: of `calibration.moments`, for int8.

    Raises:
      UserError: a weight is too large for float16.
    """
    payload, described = bytearray(), []

    def store(array: np.ndarray) -> int:
        payload.extend(bytes(-len(payload) % 4))
        payload.extend(np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<")).tobytes())
        return len(payload) - array.nbytes

    for name, array in tensors.items():
        parts = []
        for rows, dtype in _parts(name, array, weights, facts["num_mixtures"]):
            part = {"rows": rows.stop - rows.start, "dtype": dtype}
            if dtype == "int8":
                whole, scales = rounding.to_int8(array[rows], (moments or {}).get(name))
                part |= {"offset": store(whole), "scales": store(scales)}
            else:
                if dtype == "float16" and not np.abs(array).max(initial=0) <= _LARGEST_HALF:
                    raise UserError(
                        f"{name} holds a weight too large for float16: export float32 weights"
                    )
                part["offset"] = store(array[rows].astype(dtype))
            parts.append(part)
        described.append({"name": name, "shape": list(array.shape), "parts": parts})
    content = {**facts, "weights": weights, "tensors": described}
    header = json.dumps(content, allow_nan=False).encode()
    header += b" " * (-(_PREAMBLE.size + len(header)) % 4)
    rest = header + bytes(payload)
    return _PREAMBLE.pack(MAGIC, FORMAT_VERSION, len(header), zlib.crc32(rest)) + rest


def unpack(data: bytes, where: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Returns the facts and the tensors of a file, float32.

    Raises:
      UserError: the file is not ours or damaged.
    """
    if len(data) < _PREAMBLE.size or not data.startswith(MAGIC):
        raise UserError(f"{where}: is not a model file of sketch-rnn-export --format web")
    _, version, length, crc = _PREAMBLE.unpack_from(data)
    if version > FORMAT_VERSION:
        raise UserError(f"{where}: has format version {version}, expected {FORMAT_VERSION}")
    rest = data[_PREAMBLE.size :]
    if zlib.crc32(rest) != crc:
        raise UserError(f"{where}: is damaged: its checksum is wrong")
    facts, payload = json.loads(rest[:length]), rest[length:]
    tensors = {}
    for tensor in facts["tensors"]:
        columns = int(np.prod(tensor["shape"][1:]))
        parts = []
        for part in tensor["parts"]:
            rows, kind = part["rows"], np.dtype(part["dtype"]).newbyteorder("<")
            values = np.frombuffer(payload, kind, rows * columns, part["offset"])
            values = values.astype(np.float32).reshape(rows, columns)
            if part["dtype"] == "int8":
                values *= np.frombuffer(payload, "<f4", rows, part["scales"])[:, None]
            parts.append(values)
        tensors[tensor["name"]] = np.concatenate(parts).reshape(tensor["shape"])
    return facts, tensors


def _parts(name: str, array: np.ndarray, weights: str, num_mixtures: int):
    """Yields a tensor's rows that are stored alike, and their type."""
    whole = slice(0, len(array))
    if weights != "int8":
        yield whole, weights
    elif array.ndim == 1:
        yield whole, "float32"
    elif array.shape[1] < MIN_COLUMNS or name == "class_embedding":
        yield whole, "float16"
    elif name == "decoder.output":
        bounds = [0, 3 + num_mixtures, 3 + 3 * num_mixtures, len(array)]
        for (begin, end), dtype in zip(
            itertools.pairwise(bounds), ("int8", "float16", "int8"), strict=True
        ):
            yield slice(begin, end), dtype
    else:
        yield whole, "int8"
