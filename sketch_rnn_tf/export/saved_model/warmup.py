"""The requests that TensorFlow Serving replays before it takes a model into service.

They lie in `assets.extra/tf_serving_warmup_requests`, a TFRecord file of PredictionLog messages.
The few fields that are needed are written here, so that exporting does not need
`tensorflow-serving-api`.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from sketch_rnn_tf.export.saved_model.signatures import Signature

FILE = pathlib.Path("assets.extra", "tf_serving_warmup_requests")
BATCHES = (1, 4)
POINTS = 8  # of the drawings that are sent


def write(path: pathlib.Path, signatures: Mapping[str, Signature], model_name: str) -> None:
    """Writes requests for every signature and some batch sizes into an exported model's folder."""
    target = path / FILE
    target.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(target)) as writer:
        for name, signature in signatures.items():
            for batch in BATCHES:
                values = {spec.name: example(spec, batch) for spec in signature.inputs}
                writer.write(prediction_log(model_name, name, values))


def example(spec: tf.TensorSpec, batch: int) -> np.ndarray:
    """Returns harmless values for an input."""
    shape = [batch, *(POINTS if size is None else size for size in spec.shape[1:])]
    if spec.name in ("lengths", "prefix_length"):
        return np.full(shape, POINTS // 2, np.int32)
    if spec.name == "temperature":
        return np.full(shape, 0.4, np.float32)
    return np.zeros(shape, spec.dtype.as_numpy_dtype)


def prediction_log(model_name: str, signature: str, values: Mapping[str, np.ndarray]) -> bytes:
    """Returns a serialized tensorflow.serving.PredictionLog that holds a PredictRequest."""
    model_spec = _field(1, model_name.encode()) + _field(3, signature.encode())
    request = _field(1, model_spec)
    for name, value in values.items():
        tensor = tf.make_tensor_proto(value).SerializeToString()
        request += _field(2, _field(1, name.encode()) + _field(2, tensor))
    return _field(6, _field(1, request))  # PredictionLog.predict_log.request


def _field(number: int, content: bytes) -> bytes:
    """Returns a length-delimited field of a protocol buffer."""
    return _varint(number << 3 | 2) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
