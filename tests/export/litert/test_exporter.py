"""LiteRT files say what the Keras model says, whatever its shape, and bad ones are not written."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")
tf = pytest.importorskip("tensorflow")

from sketch_rnn_tf import config, runs  # noqa: E402
from sketch_rnn_tf.export.litert import checks, exporter, flatbuffer  # noqa: E402
from sketch_rnn_tf.export.litert.graphs import Graphs  # noqa: E402
from sketch_rnn_tf.model import next_point, sketch_rnn  # noqa: E402
from sketch_rnn_tf.model.sketch_rnn import SketchRNN  # noqa: E402
from sketch_rnn_tf.ondevice import metadata, runtime  # noqa: E402
from sketch_rnn_tf.sampling import loop  # noqa: E402

T, Z, M, SCALE = 23, 3, 5, 7.5
KINDS = {
    "conditional": {"decoder": {"units": 16}},
    "decoder_only": {"conditional": False, "decoder": {"units": 16}},
    "with_classes": {"num_classes": 2, "class_embedding": 6, "decoder": {"units": 16}},
    "absolute_position": {"num_mixtures": 2, "decoder": {"units": 16, "absolute_position": True}},
    "layer_norm": {
        "encoder": {"units": 8, "cell": "layer_norm"},
        "decoder": {"units": 16, "cell": "layer_norm"},
    },
    "hyper": {
        "encoder": {"units": 8, "cell": "hyper", "hyper_units": 6, "hyper_embedding": 4},
        "decoder": {"units": 16, "cell": "hyper", "hyper_units": 6, "hyper_embedding": 4},
    },
    "stacked": {
        "encoder": {"units": 8, "cell": "stacked"},
        "decoder": {"units": 16, "cell": "stacked", "absolute_position": True},
    },
}


def _model(kind: str) -> SketchRNN:
    tf.keras.utils.set_random_seed(3)
    arguments = {"encoder": {"units": 8}, "num_mixtures": M, **KINDS[kind]}
    model = SketchRNN(max_length=T, z_size=Z, **arguments)
    random = np.random.default_rng(5)  # initial weights are too small to tell cells apart
    model.set_weights([0.4 * random.normal(size=w.shape) + w for w in model.get_weights()])
    return model


def _run(model: SketchRNN, path) -> runs.Run:
    classes = tuple("ab"[: model.num_classes])
    settings = config.RunConfig(scale_factor=SCALE, max_length=T, classes=classes)
    return runs.Run(path, settings)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns a function from a kind to its model and the float32 file, which is made once."""

    @functools.cache
    def make(kind: str):
        model = _model(kind)
        graphs, facts = _facts(model, tmp_path_factory.mktemp("run"))
        return model, exporter.convert(graphs, "float32", facts)

    return make


@pytest.fixture(scope="module", params=KINDS)
def opened(request, made, tmp_path_factory):
    """Returns a model and its float32 file, opened."""
    model, data = made(request.param)
    path = _written(data, tmp_path_factory.mktemp("file") / "model.tflite")
    return model, runtime.Model(path), data


def _latents(model: SketchRNN) -> dict:
    random = np.random.default_rng(1)
    z = {"z": random.normal(size=(1, Z)).astype(np.float32)} if model.conditional else {}
    return {**z, **({"label": np.int32([1])} if model.num_classes else {})}


def _noise(seed: int = 2) -> np.ndarray:
    random = np.random.default_rng(seed)
    noise = random.normal(size=(1, T, 4)).astype(np.float32)
    noise[..., :2] = random.uniform(size=(1, T, 2))
    return noise


def _keras_drawing(model, noise, temperature, prefix=None, lengths=None):
    given = _latents(model)
    context = model.context(given.get("z"), given.get("label"))
    step = model.decoder.stepper(context, 1)
    rows, count = loop.sample_from_noise(
        step,
        step.initial_states,
        tf.constant([model.start_token]),
        tf.constant(noise),
        next_point.temper(tf.constant([temperature]), "paper"),
        prefix=prefix,
        prefix_lengths=lengths,
    )
    return rows.numpy()[0], int(count[0])


def test_a_step_says_what_the_keras_model_says(opened):
    model, file, _ = opened
    given = _latents(model)
    context = model.context(given.get("z"), given.get("label"))
    states = model.decoder.initial_state(1, context)
    state = np.zeros((1, file.metadata["state_size"]), np.float32)
    if given:
        state = file.run("init_state", **given)["state"]
    stroke = np.float32([model.start_token])
    for _ in range(4):
        theirs, states = model.decoder.step(tf.constant(stroke), states, context)
        ours = file.run("step", stroke=stroke, state=state)
        np.testing.assert_allclose(ours["parameters"], theirs, atol=1e-5)
        stroke, state = np.float32([[0.3, -0.7, 0, 1, 0]]), ours["state"]


@pytest.mark.parametrize("temperature", [0.3, 1.0])
def test_the_same_noise_draws_the_same_sketch(opened, temperature):
    model, file, _ = opened
    noise = _noise()
    noise[..., 1] *= 0.4  # few ends, long sketches
    rows, count = _keras_drawing(model, noise, temperature)
    found = file.run(
        "sample", noise=noise, temperature=[temperature], max_points=[T], **_latents(model)
    )
    assert count > 3
    assert found["lengths"][0] == count
    assert found["ended"][0] == (count < T)
    drawn = found["strokes"][0] / [SCALE, SCALE, 1]
    np.testing.assert_allclose(drawn[:count, :2], rows[:count, :2], atol=1e-3)
    np.testing.assert_array_equal(drawn[:count, 2], rows[:count, 3])
    assert not drawn[count:].any()


def test_max_points_cuts_a_sketch_off(opened):
    model, file, _ = opened
    noise = _noise()
    noise[..., 1] = 0
    found = file.run("sample", noise=noise, temperature=[1], max_points=[6], **_latents(model))
    assert found["lengths"][0] == 6
    assert not found["ended"][0]


def test_a_completion_goes_on_where_the_prefix_ends(opened):
    model, file, _ = opened
    random = np.random.default_rng(4)
    given = np.zeros((1, T, 3), np.float32)
    given[0, :4, :2] = random.normal(size=(4, 2)) * SCALE
    given[0, :4, 2] = 0, 1, 0, 0
    given[0, 4:] = 99  # what lies beyond the length is not read
    pen = given[0, :4, 2:]
    prefix = np.concatenate([given[0, :4, :2] / SCALE, 1 - pen, pen, 0 * pen], axis=1)[None]
    noise = _noise(6)
    noise[..., 1] *= 0.4
    rows, count = _keras_drawing(model, noise, 0.8, tf.constant(prefix), tf.constant([4]))
    found = file.run(
        "complete",
        strokes=given,
        lengths=[4],
        noise=noise,
        temperature=[0.8],
        max_points=[T],
        **_latents(model),
    )
    assert found["lengths"][0] == count
    drawn = found["strokes"][0, :count] / [SCALE, SCALE, 1]
    np.testing.assert_allclose(drawn[:, :2], rows[:count, :2], atol=1e-3)
    np.testing.assert_array_equal(drawn[:, 2], rows[:count, 3])


@pytest.mark.parametrize("points", [1, 9, T])
def test_the_encoder_reads_the_points_and_nothing_beyond(opened, points):
    model, file, _ = opened
    if not model.conditional:
        assert "encode" not in file.metadata["signatures"]
        return
    random = np.random.default_rng(8)
    given = np.full((1, T, 3), 77, np.float32)
    given[0, :points, :2] = random.normal(size=(points, 2)) * SCALE
    given[0, :points, 2] = random.integers(0, 2, points)
    pen = given[0, :points, 2:]
    padded = np.concatenate([given[0, :points, :2] / SCALE, 1 - pen, pen, 0 * pen], axis=1)[None]
    label = {"label": np.int32([1])} if model.num_classes else {}
    mean, log_var = model.encode(tf.constant(padded), tf.constant([points]), label.get("label"))
    found = file.run("encode", strokes=given, lengths=[points], **label)
    np.testing.assert_allclose(found["z_mean"], mean, atol=2e-5)
    np.testing.assert_allclose(found["z_log_var"], log_var, atol=2e-5)


def _written(data: bytes, path):
    path.write_bytes(data)
    return path


def test_a_file_passes_its_checks_and_holds_weights_once(opened, tmp_path):
    model, _, data = opened
    checks.check(_written(data, tmp_path / "model.tflite"), model)
    used = checks.operations(data)
    assert "WHILE" in used
    assert not any(name.startswith("custom") for name in used)


def test_all_files_are_written_and_described(tmp_path, monkeypatch):
    monkeypatch.setattr(exporter.calibration, "POINTS", 500)  # what they are is not asked here
    model = _model("conditional")
    folder = exporter.write(_run(model, tmp_path / "run"), model, tmp_path, overwrite=False)
    assert {path.name for path in folder.iterdir()} == {*exporter.FILES, "model.json"}
    content = json.loads((folder / "model.json").read_text())
    assert (content["scale_factor"], content["max_length"], content["num_mixtures"]) == (
        SCALE,
        T,
        M,
    )
    for name in exporter.FILES:
        data = (folder / name).read_bytes()
        assert metadata.read(data, name)["variant"] == exporter.FILES[name][0]
        assert content["files"][name]["file_size"] == len(data)
    with pytest.raises(ValueError, match="exists already"):
        exporter.write(_run(model, tmp_path / "run"), model, tmp_path, overwrite=False)


def test_a_model_in_mixed_precision_is_written_in_float32(tmp_path):
    model = SketchRNN(
        max_length=T, z_size=Z, num_mixtures=M, encoder={"units": 8}, decoder={"units": 16},
        dtype="mixed_bfloat16",
    )  # fmt: skip
    copy = sketch_rnn.in_float32(model)
    assert copy.dtype_policy.name == "float32"
    for ours, theirs in zip(copy.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def _converted(function) -> bytes:
    function = tf.function(function).get_concrete_function(tf.TensorSpec([1]))
    return tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert()


def _adding_one() -> bytes:
    return _converted(lambda x: x + 1.0)


def _facts(model, tmp_path):
    graphs = Graphs(model, SCALE, model.start_token, "paper")
    return graphs, exporter.describe(_run(model, tmp_path), graphs)


def test_a_file_without_its_weights_is_refused(tmp_path, made):
    _, data = made("conditional")
    big = SketchRNN(max_length=T, z_size=Z, encoder={"units": 64}, decoder={"units": 256})
    with pytest.raises(ValueError, match="bytes of weights; the file is not written"):
        checks.check(_written(data, tmp_path / "m.tflite"), big)


def test_a_file_of_another_model_is_refused(tmp_path, made):
    model, (_, data) = _model("decoder_only"), made("decoder_only")
    model.set_weights([1.01 * weight for weight in model.get_weights()])
    with pytest.raises(ValueError, match=r"step of m\.tflite differs from the model by .* written"):
        checks.check(_written(data, tmp_path / "m.tflite"), model)


def test_a_file_with_another_encoder_is_refused(tmp_path, made):
    model, (_, data) = _model("conditional"), made("conditional")
    kernel = model.encoder.backward_cell.recurrent_kernel
    kernel.assign(1.01 * kernel)
    with pytest.raises(ValueError, match=r"encode of m\.tflite differs from the model by"):
        checks.check(_written(data, tmp_path / "m.tflite"), model)


@pytest.mark.parametrize("signature", ["sample", "complete"])
def test_a_file_whose_loop_draws_something_else_is_refused(tmp_path, monkeypatch, signature):
    model = _model("decoder_only")
    graphs, facts = _facts(model, tmp_path)
    whole = getattr(graphs, signature)
    monkeypatch.setattr(  # noise baked in
        graphs, signature, lambda noise, **rest: whole(noise=0.3 + tf.zeros_like(noise), **rest)
    )
    data = exporter.convert(graphs, "float32", facts)
    with pytest.raises(ValueError, match=f"{signature} of m.tflite draws something other than its"):
        checks.check(_written(data, tmp_path / "m.tflite"), model)


def test_a_refused_file_leaves_nothing_behind(tmp_path, monkeypatch):
    model = _model("decoder_only")

    def empty(folder, signatures, variant, facts, moments):
        return flatbuffer.finish(_adding_one(), {**facts, "variant": variant, "signatures": {}})

    monkeypatch.setattr(exporter, "_convert", empty)
    monkeypatch.setattr(exporter.calibration, "moments", lambda data, facts: {})
    with pytest.raises(ValueError, match="the file is not written"):
        exporter.write(_run(model, tmp_path / "run"), model, tmp_path / "out")
    assert not list((tmp_path / "out").iterdir())


def test_random_operations_are_refused(tmp_path):
    _, facts = _facts(_model("decoder_only"), tmp_path)
    data = _converted(lambda x: x + tf.random.normal([1]))
    data = flatbuffer.finish(data, {**facts, "variant": "float32", "signatures": {}})
    with pytest.raises(ValueError, match="RANDOM_STANDARD_NORMAL"):
        checks.check_operations(data, "m.tflite")
