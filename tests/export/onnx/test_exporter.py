"""ONNX files compute in onnxruntime what the Keras model computes, whatever its shape."""

from __future__ import annotations

import json

import numpy as np
import onnx
import pytest

ort = pytest.importorskip("onnxruntime", reason="needs onnxruntime: pip install onnxruntime")
tf = pytest.importorskip("tensorflow")

from sketch_rnn_tf import config, requirement, runs  # noqa: E402
from sketch_rnn_tf.commands import export  # noqa: E402
from sketch_rnn_tf.export.onnx import builder, exporter, graphs, translate  # noqa: E402
from sketch_rnn_tf.model import cells  # noqa: E402
from sketch_rnn_tf.model.sketch_rnn import SketchRNN  # noqa: E402

T, Z, H, M, SCALE = 11, 3, 6, 4, 7.5
CLASSES = 3
MATRIX = np.arange(12, dtype=np.float32).reshape(4, 3)
TOLERANCE = {"rtol": 1e-5, "atol": 1e-5}
EVERYTHING = {"num_classes": CLASSES, "class_embedding": 2, "decoder": {"absolute_position": True}}
KINDS = {
    **{cell: {"cell": cell, **EVERYTHING} for cell in sorted(cells.CELLS)},
    "conditional": {},
    "decoder_only": {"conditional": False},
    "decoder_only_with_position": {"conditional": False, "decoder": {"absolute_position": True}},
    "decoder_only_with_classes": {"conditional": False, "num_classes": CLASSES},
    "tanh_of_z": {"decoder": {"tanh_of_z": True}},
}


def _model(cell: str = "lstm", decoder=None, **settings) -> SketchRNN:
    tf.keras.utils.set_random_seed(3)
    shape = {"cell": cell, "hyper_units": 5, "hyper_embedding": 4}
    model = SketchRNN(
        max_length=T, z_size=Z, num_mixtures=M,
        encoder={"units": 4, **shape}, decoder={"units": H, **shape, **(decoder or {})}, **settings,
    )  # fmt: skip
    random = np.random.default_rng(5)  # initial weights are too small to tell cells apart
    model.set_weights([0.4 * random.normal(size=w.shape) + w for w in model.get_weights()])
    return model


def _run(model: SketchRNN, path) -> runs.Run:
    classes = tuple("abc"[: model.num_classes])
    return runs.Run(path, config.RunConfig(scale_factor=SCALE, max_length=T, classes=classes))


@pytest.fixture(scope="module", params=KINDS)
def written(request, tmp_path_factory):
    """Returns a model and its files, opened by onnxruntime."""
    model, folder = _model(**KINDS[request.param]), tmp_path_factory.mktemp("written")
    written = exporter.write(_run(model, folder), model, folder)
    sessions = {
        path.stem: ort.InferenceSession(path, providers=["CPUExecutionProvider"])
        for path in written.glob("*.onnx")
    }
    return model, written, sessions


def _given(model, count: int) -> dict[str, np.ndarray]:
    """Returns latent vectors and labels for a number of sketches, as the model wants them."""
    given = {}
    if model.conditional:
        given["z"] = np.random.default_rng(1).normal(size=(count, Z)).astype(np.float32)
    if model.num_classes:
        given["label"] = (np.arange(count) % CLASSES).astype(np.int32)
    return given


@pytest.mark.parametrize("count", [1, 2])
def test_steps_are_those_of_the_model(written, count):
    model, folder, sessions = written
    given, random = _given(model, count), np.random.default_rng(2)
    points = random.normal(size=(count, T, 5)).astype(np.float32)
    points[..., 2:] = np.eye(3)[random.integers(3, size=(count, T))]
    expected = model.decoder(points, model.context(given.get("z"), given.get("label")))
    size = json.loads((folder / "model.json").read_text())["state_size"]
    state = np.zeros((count, size), np.float32)
    if given:
        (state,) = sessions["init_state"].run(["state"], given)
    for t in range(T):
        inputs = {"stroke": points[:, t], "state": state}
        raw, state = sessions["step"].run(["parameters", "new_state"], inputs)
        np.testing.assert_allclose(raw, expected[:, t], **TOLERANCE)


def test_encoders_read_as_the_model_does_whatever_stands_behind_a_drawing(written):
    model, _, sessions = written
    if not model.conditional:
        assert "encode" not in sessions
        return
    lengths, random = np.int32([T, 4, 0]), np.random.default_rng(4)
    strokes = random.normal(size=(3, T, 3)).astype(np.float32) * SCALE
    strokes[..., 2] = random.integers(2, size=(3, T))
    strokes[1, 4:] = np.nan
    label = {name: value for name, value in _given(model, 3).items() if name == "label"}
    found = sessions["encode"].run(
        ["z_mean", "z_log_var"], {"strokes": strokes, "lengths": lengths, **label}
    )
    x, y, lifted = np.nan_to_num(strokes).transpose(2, 0, 1)
    rows = np.stack([x / SCALE, y / SCALE, 1 - lifted, lifted, 0 * lifted], axis=-1)
    expected = model.encode(rows.astype(np.float32), lengths, label.get("label"))
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, **TOLERANCE)


def test_files_are_valid_small_and_tell_what_they_are(written):
    model, folder, sessions = written
    facts = json.loads((folder / "model.json").read_text())
    assert facts["scale_factor"] == SCALE
    assert facts["num_mixtures"] == M
    assert facts["classes"] == list("abc"[: model.num_classes])
    assert set(sessions) == {"step"} | (
        {"encode", "init_state"} if model.conditional else {"init_state"} & _of(model)
    )
    for name, session in sessions.items():
        text = session.get_modelmeta().custom_metadata_map["sketch_rnn_tf"]
        assert json.loads(text) == facts
        file = onnx.load(folder / f"{name}.onnx")
        onnx.checker.check_model(file, full_check=True)
        assert file.opset_import[0].version == 15
        weights = sum(np.prod(tensor.dims) for tensor in file.graph.initializer)
        assert weights <= 1.2 * model.count_params() + 100


def _of(model) -> set[str]:
    return {"init_state"} if model.num_classes else set()


def test_offsets_are_clamped_as_in_training():
    made = graphs.Graphs(_model(), SCALE).encode()
    session = ort.InferenceSession(builder.model(made).SerializeToString())
    far, edge = (
        session.run(None, {"strokes": np.float32([[[x, -x, 0]]]), "lengths": np.int32([1])})
        for x in (5000, 1000)
    )
    np.testing.assert_array_equal(far, edge)


def test_a_cell_of_ones_own_is_exported(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend("examples")
    import own_cell  # noqa: F401 (it registers the cell)

    model = _model("coupled", conditional=False)
    exporter.write(_run(model, tmp_path), model, tmp_path)  # which compares it with the model


def test_a_model_in_mixed_precision_is_written_in_float32(tmp_path):
    model = _model(dtype="mixed_bfloat16")
    folder = exporter.write(_run(model, tmp_path), model, tmp_path)
    kinds = {tensor.data_type for tensor in onnx.load(folder / "step.onnx").graph.initializer}
    assert onnx.TensorProto.BFLOAT16 not in kinds


def test_a_file_that_computes_something_else_is_refused():
    model, other = _model(), _model(decoder={"tanh_of_z": True})
    made = {
        name: builder.model(graph, {"sketch_rnn_tf": "{}"})
        for name, graph in graphs.Graphs(other, SCALE).all().items()
    }
    with pytest.raises(ValueError, match=r"step\.onnx: computes something else than the model"):
        exporter.check(made, model, SCALE)


# --- translating -----------------------------------------------------------------------------


def _translated(function, *arrays) -> np.ndarray:
    """Returns what onnxruntime computes of a TensorFlow function that was translated."""
    made = builder.Builder()
    names = [f"x{i}" for i in range(len(arrays))]
    specs = [tf.TensorSpec([None, *array.shape[1:]], array.dtype) for array in arrays]
    values = translate.inline(made, lambda *x: [function(*x)], specs, names)
    kinds = {name: (x.dtype, [None, *x.shape[1:]]) for name, x in zip(names, arrays, strict=True)}
    result = np.asarray(function(*arrays))
    graph = made.graph("f", kinds, {"y": (result.dtype, [None] * result.ndim)}, values)
    session = ort.InferenceSession(builder.model(made.with_constants(graph)).SerializeToString())
    (found,) = session.run(None, dict(zip(names, arrays, strict=True)))
    return found


@pytest.mark.parametrize(
    "function",
    [
        lambda x: x[:, 1:3],
        lambda x: x[:, -1],
        lambda x: x[:, 2],
        lambda x: x[:, ::2],
        lambda x: tf.split(x, [1, -1], axis=-1)[1],
        lambda x: tf.split(x, 2, axis=1)[0],
        lambda x: tf.reduce_mean(x, axis=-1, keepdims=True),
        lambda x: tf.reduce_mean(x, axis=[1]),
        lambda x: tf.transpose(tf.reshape(x, [-1, 2, 2]), [1, 0, 2]),
        lambda x: tf.expand_dims(x, 1) * tf.nn.relu(x)[0, 0],
        lambda x: tf.math.rsqrt(tf.square(x) + 1.0) - tf.nn.softplus(x),
        lambda x: tf.where(x > 0.1, tf.minimum(x, 0.5), tf.exp(-x)),
        lambda x: tf.cast(tf.cast(x, tf.int32), tf.float32) / 3.0,
        lambda x: tf.matmul(x, tf.constant(MATRIX)),
    ],
)
def test_operations_are_those_of_tensorflow(function):
    x = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32) * 2
    found = _translated(function, x)
    np.testing.assert_allclose(found, np.asarray(function(tf.constant(x))), rtol=1e-6, atol=1e-6)


def test_an_operation_that_is_not_known_is_named():
    with pytest.raises(ValueError, match=r"computes Erf .*, which the ONNX export does not know"):
        translate.inline(
            builder.Builder(), lambda x: [tf.math.erf(x)], [tf.TensorSpec([None, 4])], ["x"]
        )


# --- the command -----------------------------------------------------------------------------


def test_without_the_package_the_command_says_what_to_install(monkeypatch, capsys, tmp_path):
    def missing(module, purpose):
        raise requirement.missing(module, purpose)

    monkeypatch.setattr(requirement, "load", missing)
    words = ["--model=pretrained:kanji", f"--output_dir={tmp_path}", "--format=onnx"]
    assert export.run(words) == 1
    assert capsys.readouterr().err == (
        "sketch-rnn-export: --format onnx needs the package onnx:"
        " pip install 'sketch-rnn-tf[onnx]'\n"
    )
    assert not list(tmp_path.iterdir())
