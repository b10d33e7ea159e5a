"""A damaged, foreign or newer file is refused with one sentence before the interpreter sees it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sketch_rnn_tf import ondevice
from sketch_rnn_tf.ondevice import metadata


@pytest.fixture(scope="module")
def whole(litert_files) -> bytes:
    return (litert_files / "model_int8.tflite").read_bytes()


def _open(tmp_path, data: bytes):
    path = tmp_path / "model.tflite"
    path.write_bytes(data)
    return ondevice.open(path)


def test_the_metadata_is_what_the_schema_reads_too(whole, litert_files):
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(whole, 0)
    entries = {model.Metadata(i).Name(): model.Metadata(i) for i in range(model.MetadataLength())}
    buffer = model.Buffers(entries[b"sketch_rnn_tf"].Buffer())
    content = json.loads(buffer.DataAsNumpy().tobytes())
    assert content == metadata.read(whole, "model_int8.tflite")
    beside = json.loads((litert_files / "model.json").read_text())
    assert beside["scale_factor"] == content["scale_factor"] == 5.0


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is not a .tflite file"),
        (b"PK\x03\x04 a zip archive of another kind", "is not a .tflite file"),
        (b"\x08\x00\x00\x00TFL3", "is damaged"),
    ],
)
def test_other_files_are_refused(tmp_path, data, message):
    with pytest.raises(ValueError, match=message):
        _open(tmp_path, data)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.tflite: there is no such file"):
        ondevice.open(tmp_path / "none.tflite")


@pytest.mark.parametrize("part", [0.05, 0.5, 0.9, 0.999])
def test_a_truncated_file_is_damaged(tmp_path, whole, part):
    with pytest.raises(ValueError, match="is damaged"):
        _open(tmp_path, whole[: int(part * len(whole))])


def test_any_changed_byte_is_noticed(tmp_path, whole):
    random = np.random.default_rng(0)
    for place in random.integers(8, len(whole), 60):
        changed = bytearray(whole)
        changed[place] ^= 1 << random.integers(0, 8)
        with pytest.raises(
            ValueError, match=r"model\.tflite: (is damaged|was not written|has for)"
        ):
            _open(tmp_path, bytes(changed))


def test_a_newer_version_is_named(tmp_path, whole):
    newer = whole.replace(b'"format_version": 1', b'"format_version": 9', 1)
    with pytest.raises(ValueError, match="has format version 9, this package reads up to 1"):
        _open(tmp_path, newer)


def test_a_tflite_file_of_others_is_not_ours(tmp_path):
    tf = pytest.importorskip("tensorflow")
    function = tf.function(lambda x: x + 1.0).get_concrete_function(tf.TensorSpec([1]))
    data = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert()
    with pytest.raises(ValueError, match="was not written by sketch-rnn-export"):
        _open(tmp_path, data)
