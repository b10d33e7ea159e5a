from __future__ import annotations

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf import config, evaluation
from sketch_rnn_tf.export.saved_model import signatures
from sketch_rnn_tf.model import next_point, sketch_rnn
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.serving.server_errors import RowError
from sketch_rnn_tf.sketcher import latent_space
from sketch_rnn_tf.sketcher.sketcher import Sketcher

SEEDS = np.int32([[3, 0], [3, 1], [3, 2]])


def _run(**changes) -> config.RunConfig:
    """Returns a small configuration; every axis has a size of its own."""
    parts = {
        "cell": "lstm", "conditional": True, "class_conditioned": False, "absolute_position": False,
        **changes,
    }  # fmt: skip
    cell = parts.pop("cell")
    position = parts.pop("absolute_position")
    sizes = {"hyper_units": 4, "hyper_embedding": 3}
    units = 10 if cell == "stacked" else 5
    model = config.ModelConfig(
        conditional=parts.pop("conditional"),
        class_conditioned=parts.pop("class_conditioned"),
        z_size=3,
        num_mixtures=4,
        class_embedding=2,
        encoder=config.EncoderConfig(cell=cell, units=6, **sizes),
        decoder=config.DecoderConfig(cell=cell, units=units, absolute_position=position, **sizes),
    )
    content = {"scale_factor": 7.0, "max_length": 11, "classes": ("cat", "dog"), **parts}
    return config.RunConfig(model=model, **content)


KINDS = {
    "conditional": {},
    "decoder alone": {"conditional": False, "absolute_position": True},
    "classes": {"class_conditioned": True, "cell": "layer_norm", "temperature_mode": "javascript"},
    "hyper": {"cell": "hyper", "absolute_position": True, "temperature_mode": "magenta"},
    "stacked, first point dropped": {
        "cell": "stacked", "class_conditioned": True,
        "drop_first_point": True, "start_token": (0.0,) * 5,
    },
}  # fmt: skip


@pytest.fixture(scope="module", params=KINDS, ids=list(KINDS))
def kind(request):
    """Returns a Sketcher and its signatures as functions of named arrays."""
    return _kind(**KINDS[request.param])


def _kind(**changes):
    keras.utils.set_random_seed(5)
    run = _run(**changes)
    model = sketch_rnn.build_model(run)
    for weight in model.trainable_weights:  # so that nothing is zero and sketches differ
        weight.assign_add(tf.random.stateless_normal(weight.shape, [1, weight.shape[0]]) * 0.3)
    bias = model.decoder.output_layer.bias
    bias.assign(tf.tensor_scatter_nd_sub(tf.convert_to_tensor(bias), [[2]], [1.5]))  # longer ones
    made = signatures.Signatures(model, run).all()

    graphs = {
        name: tf.function(signature.function, input_signature=signature.inputs, autograph=False)
        for name, signature in made.items()
    }

    def call(name, **inputs):
        if model.num_classes and name != "describe":
            first = next(iter(inputs.values()))
            inputs.setdefault("label", np.int32([1] * len(first)))
        tensors = [tf.constant(inputs[spec.name], spec.dtype) for spec in made[name].inputs]
        outputs = graphs[name](*tensors)
        return {key: value.numpy() for key, value in outputs.items()}

    return Sketcher(KerasBackend(model, run)), call


def _drawings():
    random = np.random.default_rng(4)
    rows = [random.normal(0, 9, [n, 3]).astype(np.float32) for n in (6, 2, 9)]
    for row in rows:
        row[:, 2] = random.random(len(row)) < 0.4
        row[0, :2] = 0
    padded = np.full([3, 10, 3], np.nan, np.float32)  # nothing beyond a length may be read
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return rows, padded, np.int32([6, 2, 9])


def _label(sketcher):
    return "dog" if sketcher.model.num_classes else None


def _assert_same(outputs, sketches, scale=7.0):
    assert outputs["error"].tolist() == [0] * len(sketches)
    assert outputs["lengths"].tolist() == [len(sketch) for sketch in sketches]
    for rows, sketch in zip(outputs["strokes"], sketches, strict=True):
        rows = rows[: len(sketch)]
        assert np.array_equal(rows[:, 2], sketch.strokes[:, 2])
        np.testing.assert_allclose(rows, sketch.strokes, atol=1e-3 * scale)


def test_generate_draws_what_the_sketcher_draws(kind):
    sketcher, call = kind
    drawn = call("generate", temperature=[0.8] * 3, seed=SEEDS)
    options = {"temperature": 0.8, "label": _label(sketcher), "keep_empty": True}
    _assert_same(drawn, sketcher.generate(3, seed=3, **options))
    assert len(set(drawn["lengths"].tolist())) > 1 or drawn["strokes"].std(axis=0).max() > 0


def test_complete_draws_what_the_sketcher_draws(kind):
    sketcher, call = kind
    rows, padded, lengths = _drawings()
    drawn = call(
        "complete", prefix=padded, prefix_length=lengths, temperature=[0.8] * 3, seed=SEEDS
    )
    expected = sketcher.complete(rows, seed=3, temperature=0.8, label=_label(sketcher))
    _assert_same(drawn, expected)
    assert drawn["given"].tolist() == [6, 2, 9]


def test_score_is_that_of_evaluation(kind):
    sketcher, call = kind
    rows, padded, lengths = _drawings()
    nats = call("score", strokes=padded, lengths=lengths)
    labels = [1] * 3 if sketcher.model.num_classes else None
    expected = evaluation.score(sketcher.model, sketcher.config.scale_factor, rows, labels)
    for name in ("offset_nats", "pen_nats", "end_nats", "nats", "kl_nats"):
        np.testing.assert_allclose(nats[name], expected[name], rtol=1e-4, atol=1e-4)


def test_what_an_encoder_makes_possible_is_what_the_sketcher_does(kind):
    sketcher, call = kind
    if not sketcher.model.conditional:
        with pytest.raises(KeyError):
            call("encode")
        return
    rows, padded, lengths = _drawings()
    z = call("encode", strokes=padded, lengths=lengths)["z_mean"]
    np.testing.assert_allclose(z, sketcher.encode(rows, label=_label(sketcher)), atol=1e-5)
    draw = {"temperature": [0.8] * 3, "seed": SEEDS}
    options = {"temperature": 0.8, "label": _label(sketcher), "keep_empty": True}
    expected = sketcher.reconstruct(rows, seed=3, **options)
    _assert_same(call("reconstruct", strokes=padded, lengths=lengths, **draw), expected)
    _assert_same(call("decode", z=z, **draw), expected)


def test_steps_give_the_distribution_that_the_decoder_gives(kind):
    sketcher, call = kind
    model = sketcher.model
    rows = _drawings()[0][0]
    z = np.float32([[0.3, -1.0, 0.5]])
    given = {"z": z} if model.conditional else {}
    labels = tf.constant([1]) if model.num_classes else None
    points = rows[int(sketcher.config.drop_first_point) :] / np.float32([7, 7, 1])
    stroke5 = np.zeros([1, len(points) + 1, 5], np.float32)
    stroke5[0, 0] = sketcher.config.start_token
    stroke5[0, 1:, :2], stroke5[0, 1:, 3] = points[:, :2], points[:, 2]
    stroke5[0, 1:, 2] = 1 - points[:, 2]
    context = model.context(tf.constant(z) if given else None, labels)
    expected = next_point.NextPoint(model.decoder(stroke5, context=context))
    state = np.zeros([1, 1 + sum(model.decoder.state_size)], np.float32)
    sent = [[9.0, 9.0, 0.0], *rows[len(rows) - len(points) :]]  # the first is not looked at
    for t, stroke in enumerate(sent):
        outputs = call("step", stroke=[stroke], state=state, **given)
        state = outputs["state"]
        np.testing.assert_allclose(outputs["pen_logits"], expected.pen_logits[:, t], atol=1e-5)
        np.testing.assert_allclose(outputs["loc"], expected.loc[:, t] * 7.0, atol=1e-4)
        np.testing.assert_allclose(outputs["scale"], expected.scale[:, t] * 7.0, rtol=1e-4)
        np.testing.assert_allclose(outputs["corr"], expected.corr[:, t], atol=1e-5)
    assert state[0, 0] == len(sent)


@pytest.fixture(scope="module")
def conditional():
    return _kind(class_conditioned=True)


def test_a_row_does_not_depend_on_its_batch(conditional):
    _, call = conditional
    whole = call("generate", temperature=[0.5, 1.0, 1.5], seed=SEEDS, label=[0, 1, 0])
    alone = call("generate", temperature=[1.5], seed=SEEDS[2:], label=[0])
    assert alone["lengths"][0] == whole["lengths"][2]
    np.testing.assert_allclose(alone["strokes"][0], whole["strokes"][2], atol=7e-3)


def test_a_bad_row_gets_its_code_and_its_neighbours_do_not_notice(conditional):
    _, call = conditional
    temperatures = [0.5, np.nan, 0.0, -1.0, np.inf, 0.5, 0.5]
    seed = np.int32([[3, i] for i in range(7)])
    labels = [0, 0, 0, 0, 0, 2, -1]
    drawn = call("generate", temperature=temperatures, seed=seed, label=labels)
    bad = [RowError.TEMPERATURE] * 4 + [RowError.LABEL] * 2
    assert drawn["error"].tolist() == [0, *bad]
    assert drawn["lengths"][1:].tolist() == [0] * 6
    alone = call("generate", temperature=[0.5], seed=seed[:1], label=[0])
    assert drawn["lengths"][0] == alone["lengths"][0]
    np.testing.assert_allclose(drawn["strokes"][0], alone["strokes"][0], atol=7e-3)


def test_a_batch_of_bad_rows_only_is_answered(conditional):
    _, call = conditional
    drawn = call("generate", temperature=[0.0], seed=SEEDS[:1], label=[0])
    assert drawn["error"].tolist() == [RowError.TEMPERATURE]
    assert drawn["lengths"].tolist() == [0]


def test_bad_drawings_have_nan_results_and_a_code(conditional):
    _, call = conditional
    strokes = np.zeros([6, 4, 3], np.float32)
    strokes[:, 1] = [1, 2, 1]
    strokes[3, 1, 0] = np.nan
    strokes[4, 2, 2] = 0.5
    lengths = [3, -1, 5, 3, 3, 0]
    outputs = call("encode", strokes=strokes, lengths=lengths)
    length, rows = RowError.LENGTH, RowError.STROKES
    assert outputs["error"].tolist() == [0, length, length, rows, rows, length]
    assert np.isfinite(outputs["z_mean"][0]).all()
    assert np.isnan(outputs["z_mean"][1:]).all()
    assert np.isnan(outputs["z_log_var"][1:]).all()
    nats = call("score", strokes=strokes, lengths=lengths)["nats"]
    assert np.isfinite(nats).tolist() == [True, False, False, False, False, True]


def test_bad_latents_fractions_and_states_have_codes(conditional):
    _, call = conditional
    z, bad_z = np.float32([[1, 2, 3]] * 3), np.float32([[1, np.inf, 3], [1, 2, 3], [1, 2, 3]])
    draw = {"temperature": [0.5] * 3, "seed": SEEDS}
    drawn = call("interpolate", z_a=bad_z, z_b=-z, fraction=[0.5, 1.5, 0.5], **draw)
    assert drawn["error"].tolist() == [RowError.LATENT, RowError.FRACTION, 0]
    state = np.zeros([2, 11], np.float32)
    state[0, 0] = -1
    stepped = call("step", stroke=np.zeros([2, 3]), z=z[:2], state=state)
    assert stepped["error"].tolist() == [RowError.STATE, 0]
    assert np.isnan(stepped["state"][0]).all()


def test_a_drawing_longer_than_the_model_draws_cannot_be_completed(conditional):
    _, call = conditional
    prefix = np.tile(np.float32([[1, 1, 0]]), [2, 12, 1])
    draw = {"temperature": [0.5] * 2, "seed": SEEDS[:2]}
    drawn = call("complete", prefix=prefix, prefix_length=[12, 11], **draw)
    assert drawn["error"].tolist() == [RowError.LENGTH, 0]
    assert drawn["lengths"].tolist() == [0, 11]
    np.testing.assert_allclose(drawn["strokes"][1], prefix[1, :11], atol=1e-5)


def test_an_empty_batch_gives_an_empty_answer(conditional):
    _, call = conditional
    drawn = call("generate", temperature=[], seed=np.zeros([0, 2], np.int32), label=[])
    assert drawn["strokes"].shape == (0, 11, 3)
    nats = call("score", strokes=np.zeros([0, 4, 3]), lengths=[], label=[])
    assert nats["nats"].shape == (0,)


@pytest.mark.parametrize(
    "inputs",
    [
        {"temperature": [0.5] * 2, "seed": SEEDS},
        {"temperature": [0.5] * 3, "seed": SEEDS[:, :1]},
        {"temperature": [[0.5]] * 3, "seed": SEEDS},
    ],
)
def test_wrong_shapes_are_refused(conditional, inputs):
    _, call = conditional  # Python binds by the signature's shapes: a TypeError of its own
    with pytest.raises((tf.errors.InvalidArgumentError, TypeError)):
        call("generate", label=[0] * 3, **inputs)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ([1.0, 0.0, 0.0], [0.0, 2.0, 0.0]),
        ([1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]),
        ([0.0, 0.0, 0.0], [1.0, 2.0, 3.0]),
        ([1.0, 2.0, 3.0], [2.0, 4.0, 6.0]),
        ([1.0, 2.0, 3.0], [1.0, 2.1, 2.9]),
    ],
)
def test_the_way_between_is_that_of_numpy(a, b):
    for fraction in (0.0, 0.3, 1.0):
        found = signatures.spherical(
            tf.constant([a]), tf.constant([b]), tf.constant([fraction])
        ).numpy()[0]
        expected = latent_space.interpolate(np.float32(a), np.float32(b), fraction)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_descriptions_hold_the_configuration(conditional):
    sketcher, call = conditional
    described = call("describe", label=[1, 0, 2])
    assert described["name"].tolist() == [b"dog", b"cat", b"cat"]
    assert described["error"].tolist() == [0, 0, RowError.LABEL]
    content = config.from_json(config.RunConfig, json.loads(described["config"][0]), "x")
    assert content == sketcher.config
