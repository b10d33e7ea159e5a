"""Weights in 8 bits: rounding that keeps products, a quarter of the size, the same drawings."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")
tf = pytest.importorskip("tensorflow")

from ai_edge_litert import schema_py_generated as schema  # noqa: E402

from sketch_rnn_tf import config, runs  # noqa: E402
from sketch_rnn_tf.export.litert import (  # noqa: E402
    calibration,
    exporter,
    flatbuffer,
    rounding,
)
from sketch_rnn_tf.export.litert.graphs import Graphs  # noqa: E402
from sketch_rnn_tf.model.sketch_rnn import SketchRNN  # noqa: E402
from sketch_rnn_tf.ondevice import runtime  # noqa: E402

T, Z, M, H = 20, 3, 4, 64


def _vectors(count: int, columns: int) -> np.ndarray:
    """Returns vectors whose entries go together, as those of a hidden state do."""
    random = np.random.default_rng(1)
    mixing = random.normal(size=(columns // 4, columns))
    return random.normal(size=(count, columns // 4)) @ mixing + 0.1 * random.normal(
        size=(count, columns)
    )


def test_rounding_for_the_vectors_it_meets_keeps_products_better_than_the_nearest():
    random = np.random.default_rng(0)
    weights, x = random.normal(size=(30, 150)).astype(np.float32), _vectors(2000, 150)
    unseen = _vectors(2500, 150)[2000:]
    whole, scales = rounding.to_int8(weights, x.T @ x / len(x))
    nearest, same = rounding.to_int8(weights)
    np.testing.assert_array_equal(scales, same)
    error = [np.std(unseen @ (q * scales[:, None] - weights).T) for q in (whole, nearest)]
    assert error[0] < error[1] / 3


def test_the_nearest_whole_numbers_are_half_a_step_away():
    weights = np.random.default_rng(3).normal(size=(7, 50)).astype(np.float32)
    whole, scales = rounding.to_int8(weights)
    assert whole.dtype == np.int8
    np.testing.assert_array_equal(np.abs(whole).max(axis=1), 127)
    assert (np.abs(whole * scales[:, None] - weights) <= scales[:, None] * 0.5001).all()


@pytest.mark.parametrize("moments", [np.zeros((5, 5)), np.full((5, 5), np.nan)])
def test_vectors_that_say_nothing_round_to_the_nearest(moments):
    weights = np.arange(15, dtype=np.float32).reshape(3, 5) - 7
    for ours, theirs in zip(
        rounding.to_int8(weights, moments), rounding.to_int8(weights), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_row_of_zeros_stays_zero():
    whole, scales = rounding.to_int8(np.zeros((2, 50), np.float32), np.eye(50))
    assert not whole.any()
    assert np.isfinite(scales).all()


@pytest.fixture(scope="module", params=["lstm", "hyper"])
def made(request, tmp_path_factory):
    """Returns the model, its facts and its step-only and whole files, float32 and int8."""
    tf.keras.utils.set_random_seed(3)
    model = SketchRNN(
        max_length=T, z_size=Z, num_mixtures=M, encoder={"units": H},
        decoder={"units": H, "cell": request.param, "hyper_units": 48, "hyper_embedding": 8},
    )  # fmt: skip
    run = runs.Run(tmp_path_factory.mktemp("run"), config.RunConfig(scale_factor=2.0, max_length=T))
    graphs = Graphs(model, 2.0, model.start_token, "paper")
    facts = exporter.describe(run, graphs)
    kinds = {name: kind for name, kind in exporter.FILES.items() if kind[0] != "float16"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exporter, "FILES", kinds)
        written = exporter.convert_all(graphs, facts)
    return model, facts, {kind: written[name] for name, kind in kinds.items()}


@pytest.fixture(scope="module")
def moments(made):
    """Returns the moments of the vectors that the weights meet."""
    _, facts, data = made
    return calibration.moments(data["float32", True], facts)


def _schema(data: bytes):
    return schema.ModelT.InitFromObj(schema.Model.GetRootAs(bytearray(data), 0))


def test_only_products_of_every_step_are_computed_in_8_bits(made):
    model, _, data = made
    file = _schema(data["int8", False])
    codes = [code.builtinCode for code in file.operatorCodes]
    step = next(s.subgraphIndex for s in file.signatureDefs if s.signatureKey == b"step")
    narrow = set()
    for index, graph in enumerate(file.subgraphs):
        for operator in graph.operators:
            if codes[operator.opcodeIndex] == schema.BuiltinOperator.FULLY_CONNECTED:
                weights = graph.tensors[operator.inputs[1]]
                if weights.type == schema.TensorType.INT8:
                    narrow.add((index, weights.shape[0]))
    assert any(index == step for index, _ in narrow)
    assert not {rows for _, rows in narrow} & {3 + M, 2 * M, 3 * M}  # parts of the output layer
    keys = {s.subgraphIndex: s.signatureKey for s in file.signatureDefs}
    assert not {keys.get(index) for index, _ in narrow} & {b"sample", b"encode", b"init_state"}
    assert model.decoder.output_layer.kernel.shape[1] == 3 + 6 * M


def test_the_means_rows_are_held_in_half_precision(made):
    model, _, data = made
    file = _schema(data["int8", True])
    held = {
        np.asarray(file.buffers[tensor.buffer].data).tobytes()
        for graph in file.subgraphs
        for tensor in graph.tensors
        if tensor.type == schema.TensorType.FLOAT16
    }
    kernel = model.decoder.output_layer.kernel.numpy().T[3 + M : 3 + 3 * M]
    assert np.ascontiguousarray(kernel).astype(np.float16).tobytes() in held


def test_int8_says_nearly_what_float32_says(made, tmp_path):
    _, facts, data = made
    found = []
    for variant in ("float32", "int8"):
        path = tmp_path / f"{variant}.tflite"
        path.write_bytes(data[variant, True])
        state = np.full((1, facts["state_size"]), 0.2, np.float32)
        found.append(runtime.Model(path).run("step", stroke=[[0.3, -1, 1, 0, 0]], state=state))
    expected, ours = (one["parameters"] for one in found)
    np.testing.assert_allclose(ours, expected, atol=0.03 * np.abs(expected).max())
    assert (ours != expected).any()


def test_the_recurrent_matrix_is_rounded_for_the_model_s_own_sketches(made, moments):
    model, facts, _ = made
    kernel = np.ascontiguousarray(model.decoder.cell.recurrent_kernel.numpy().T)
    if facts["cell"] == "lstm":
        assert flatbuffer.weights_key(kernel) in moments
    output = np.ascontiguousarray(model.decoder.output_layer.kernel.numpy().T)
    found = moments[flatbuffer.weights_key(output)]
    assert found.shape == (H, H)
    np.testing.assert_allclose(found, found.T, rtol=1e-4, atol=1e-7)
    assert 0 < np.diag(found).mean() < 1  # mean squares of tanh times a sigmoid


def test_calibration_is_the_same_every_time(made, moments):
    _, facts, data = made
    second = calibration.moments(data["float32", True], facts)
    assert second.keys() == moments.keys()
    for name, value in moments.items():
        np.testing.assert_array_equal(value, second[name])


def test_the_step_file_and_the_whole_file_hold_the_same_step(made, tmp_path):
    _, facts, data = made
    found = []
    for only in (False, True):
        path = tmp_path / f"{only}.tflite"
        path.write_bytes(data["int8", only])
        state = np.full((1, facts["state_size"]), 0.2, np.float32)
        found.append(runtime.Model(path).run("step", stroke=[[0.3, -1, 1, 0, 0]], state=state))
    np.testing.assert_allclose(found[0]["parameters"], found[1]["parameters"], atol=1e-6)


def test_tables_that_say_the_same_are_written_once(made):
    _, facts, data = made
    file = schema.Model.GetRootAs(data["float32", False], 0)
    tables, tensors = set(), 0
    for i in range(file.SubgraphsLength()):
        graph = file.Subgraphs(i)
        tensors += graph.TensorsLength()
        tables |= {graph.Tensors(k)._tab.Pos for k in range(graph.TensorsLength())}
    assert len(tables) < tensors / 2
    weights = 4 * facts["num_parameters"]
    assert len(data["float32", False]) < weights + 60_000


def test_constants_are_aligned_as_the_schema_asks(made):
    _, _, data = made
    file = schema.Model.GetRootAs(data["int8", False], 0)
    for i in range(file.BuffersLength()):
        table = file.Buffers(i)._tab
        field = table.Offset(4)
        if field:
            assert table.Vector(field) % flatbuffer.ALIGNMENT == 0
