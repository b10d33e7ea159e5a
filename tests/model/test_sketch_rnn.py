import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf import config
from sketch_rnn_tf.model import cells, sequence, sketch_rnn
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

B, T, Z, E, H, M, C = 2, 7, 3, 5, 6, 4, 3
CELLS = ("lstm", "layer_norm", "hyper")
SMALL_HYPER = {"hyper_units": 4, "hyper_embedding": 2}


def _model(encoder="lstm", decoder="lstm", dropout=0.0, **changes):
    keras.utils.set_random_seed(changes.pop("weights_seed", 1))
    arguments = {
        "max_length": 9,
        "z_size": Z,
        "num_mixtures": M,
        "encoder": {"units": E, "cell": encoder, "recurrent_dropout": dropout, **SMALL_HYPER},
        "decoder": {"units": H, "cell": decoder, "recurrent_dropout": dropout, **SMALL_HYPER},
        **changes,
    }
    return SketchRNN(**arguments)


def _batch(length=T, lengths=(4, 6), labels=None, seed=0):
    generator = np.random.default_rng(seed)
    strokes = np.zeros((len(lengths), length, 5), np.float32)
    strokes[..., 4] = 1
    for row, points in zip(strokes, lengths, strict=True):
        pens = generator.integers(0, 2, points)
        row[:points] = 0
        row[:points, :2] = generator.normal(size=(points, 2))
        row[np.arange(points), 2 + pens] = 1
    batch = {"strokes": tf.constant(strokes), "lengths": tf.constant(lengths, tf.int32)}
    return batch if labels is None else {**batch, "labels": tf.constant(labels, tf.int32)}


def _seed():
    return tf.constant([3, 4], tf.int32)


@pytest.mark.parametrize(
    ("cell", "conditional", "count"),
    [
        ("lstm", True, 2_186_107),
        ("lstm", False, 1_123_963),
        ("layer_norm", True, 2_192_251),
        ("layer_norm", False, 1_127_035),
        ("hyper", True, 3_477_627),
        ("hyper", False, 2_218_363),
    ],
)
def test_parameter_counts_are_magentas(cell, conditional, count):
    encoder = "lstm" if cell == "hyper" else cell
    model = SketchRNN(
        conditional=conditional,
        encoder={"units": 256, "cell": encoder},
        decoder={"units": 512, "cell": cell},
    )
    assert model.count_params() == count


@pytest.mark.parametrize("cell", CELLS)
def test_padding_changes_nothing_but_the_unmasked_pen_loss(cell):
    model = _model(cell, cell)
    short, long = _batch(T), _batch(T + 5)
    np.testing.assert_array_equal(short["strokes"], long["strokes"][:, :T])
    a, b = (model(batch, seed=_seed(), sample_z=False) for batch in (short, long))
    np.testing.assert_allclose(a["z_mean"], b["z_mean"], atol=1e-6)
    terms, longer = model.terms(short, a), model.terms(long, b)
    for name in ("offset", "pen_masked", "kl"):
        np.testing.assert_allclose(terms[name], longer[name], rtol=1e-5, atol=1e-5)
    assert (longer["pen"] > terms["pen"]).numpy().all()


def test_buckets_change_nothing_but_the_unmasked_pen_loss():
    """Two sketches in a batch of their own and together, padded to the longer."""
    model = _model()
    together = _batch(T)
    outputs = model(together, seed=_seed(), sample_z=False)
    terms = model.terms(together, outputs)
    for row, length in enumerate((5, 7)):
        alone = {name: value[row : row + 1] for name, value in together.items()}
        alone["strokes"] = alone["strokes"][:, :length]
        own = model(alone, seed=_seed(), sample_z=False)
        np.testing.assert_allclose(own["z_mean"][0], outputs["z_mean"][row], atol=1e-6)
        found = model.terms(alone, own)
        for name in ("offset", "pen_masked", "kl"):
            np.testing.assert_allclose(found[name][0], terms[name][row], rtol=1e-5, atol=1e-5)


def test_padded_to_n_max_the_unmasked_pen_loss_is_the_same_in_any_company():
    model = _model()
    full = _batch(9)
    terms = model.terms(full, model(full, seed=_seed(), sample_z=False))
    for row in range(B):
        alone = {name: value[row : row + 1] for name, value in full.items()}
        own = model.terms(alone, model(alone, seed=_seed(), sample_z=False))
        np.testing.assert_allclose(own["pen"][0], terms["pen"][row], rtol=1e-5)


def test_the_losses_divide_by_n_max_and_not_by_the_bucket():
    model = _model()
    batch = _batch(T)
    terms = model.terms(batch, model(batch, seed=_seed()))
    values = model.reduce(terms, 0.5)
    expected = terms["offset"].numpy().sum() / (B * 9)
    assert float(values["offset_loss"]) == pytest.approx(expected, rel=1e-6)


def test_the_encoder_reads_the_points_only():
    """What stands beyond a sketch's length is never looked at."""
    model = _model()
    batch = _batch()
    garbage = np.array(batch["strokes"])
    for row, length in zip(garbage, (4, 6), strict=True):
        row[length:] = 77
    a = model.encode(batch["strokes"], batch["lengths"])
    b = model.encode(tf.constant(garbage), batch["lengths"])
    for clean, dirty in zip(a, b, strict=True):
        np.testing.assert_array_equal(clean, dirty)


@pytest.mark.parametrize("cell", CELLS)
def test_garbage_beyond_a_sketchs_length_changes_no_masked_loss(cell):
    model, batch = _model(cell, cell), _batch()
    garbage = np.array(batch["strokes"])
    for row, length in zip(garbage, (4, 6), strict=True):
        row[length:] = 1e30
    dirty = {**batch, "strokes": tf.constant(garbage)}
    clean, found = (
        model.terms(given, model(given, seed=_seed(), sample_z=False)) for given in (batch, dirty)
    )
    for name in ("offset", "pen_masked", "kl"):
        np.testing.assert_allclose(found[name], clean[name], rtol=1e-6, err_msg=name)


@pytest.mark.parametrize("cell", CELLS)
def test_a_sketch_without_points_costs_only_its_end_tokens(cell):
    model, batch = _model(cell, cell), _batch(T, (0, 6))
    with tf.GradientTape() as tape:
        terms = model.terms(batch, model(batch, training=True, seed=_seed()))
        loss = model.reduce(terms, 0.5)["loss"]
    assert terms["offset"][0] == terms["pen_masked"][0] == 0
    assert terms["pen"][0] > 0
    for gradient in tape.gradient(loss, model.trainable_variables):
        assert np.isfinite(gradient).all()
    with_points = {name: value[1:] for name, value in batch.items()}
    own = model.terms(with_points, model(with_points, seed=_seed(), sample_z=False))
    both = model.terms(batch, model(batch, seed=_seed(), sample_z=False))
    np.testing.assert_allclose(own["offset"][0], both["offset"][1], rtol=1e-5)


def test_the_backward_direction_reads_from_the_last_point_to_the_first():
    model = _model()
    batch = _batch(T, (T, T))
    model.encoder.backward_cell.set_weights(model.encoder.forward_cell.get_weights())
    kernel = model.encoder.mean.kernel.numpy()
    kernel[E:] = 0
    model.encoder.mean.kernel.assign(kernel)
    forward = model.encode(batch["strokes"][:, ::-1], batch["lengths"])[0]
    model.encoder.mean.kernel.assign(np.roll(kernel, E, axis=0))
    np.testing.assert_allclose(
        model.encode(batch["strokes"], batch["lengths"])[0], forward, atol=1e-7
    )


@pytest.mark.parametrize(("cell", "absolute"), list(itertools.product(CELLS, (False, True))))
def test_the_decoder_is_one_whether_it_reads_a_sequence_or_points(cell, absolute):
    decoder = {"units": H, "cell": cell, "absolute_position": absolute, **SMALL_HYPER}
    model = SketchRNN(max_length=9, z_size=Z, num_mixtures=M, decoder=decoder)
    z = tf.random.stateless_normal([B, Z], [1, 2])
    inputs = model.decoder_inputs(_batch()["strokes"])
    whole = model.decoder(inputs, context=z)
    states, steps = model.decoder.initial_state(B, z), []
    for t in range(T):
        raw, states = model.decoder.step(inputs[:, t], states, z)
        steps.append(raw)
    np.testing.assert_allclose(tf.stack(steps, 1), whole, atol=2e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_is_a_keras_rnn_cell(cell):
    own = cells.make(cell, H, **(SMALL_HYPER if cell == "hyper" else {}))
    layer = keras.layers.RNN(own, return_sequences=True)
    inputs = tf.random.stateless_normal([B, T, 5], [1, 2])
    found = layer(inputs)
    states = own.get_initial_state(B)
    expected, _ = sequence.run_sequence(own, tf.transpose(inputs, [1, 0, 2]), None, states)
    np.testing.assert_allclose(tf.transpose(found, [1, 0, 2]), expected, atol=1e-6)


@pytest.mark.parametrize("cell", CELLS)
def test_recurrent_dropout_drops_candidates_with_a_new_mask_each_step(cell):
    """With every candidate dropped an LSTM's memory only fades: from zero it stays zero."""
    own = cells.make(cell, H, **(SMALL_HYPER if cell == "hyper" else {}))
    own.build((None, 5))
    inputs = tf.random.stateless_normal([T, B, 5], [1, 2])
    states = own.get_initial_state(B)
    mask = np.ones((T, B, own.units), np.float32)
    mask[:3] = 0
    _, after = sequence.run_sequence(own, inputs[:3], None, states, tf.constant(mask[:3]))
    np.testing.assert_array_equal(after[1], np.zeros((B, H)))
    _, later = sequence.run_sequence(own, inputs, None, states, tf.constant(mask))
    assert np.abs(later[1]).max() > 0


def test_training_draws_new_masks_and_inference_none():
    model = _model(dropout=0.4)
    batch = _batch()
    draws = [model(batch, training=True, seed=tf.constant([0, i]))["raw"] for i in (1, 1, 2)]
    np.testing.assert_array_equal(draws[0], draws[1])
    assert np.abs(draws[0] - draws[2]).max() > 1e-4
    still = [model(batch, seed=tf.constant([0, i]), sample_z=False)["raw"] for i in (1, 2)]
    np.testing.assert_array_equal(*still)


@pytest.mark.parametrize("cell", CELLS)
def test_one_training_step_changes_every_weight(cell):
    model = _model(cell, cell, num_classes=C, kl_tolerance=0.0)
    before = {v.path: v.numpy() for v in model.trainable_variables}
    optimizer = keras.optimizers.Adam(1e-3, epsilon=1e-8)
    # HyperLSTM: W and B are zero at the start and shut the small LSTM off for one step.
    for _ in range(1 + (cell == "hyper")):
        with tf.GradientTape() as tape:
            outputs = model(_batch(labels=[0, 2]), training=True, seed=_seed())
            loss = model.reduce(model.terms(_batch(labels=[0, 2]), outputs), 0.5)["loss"]
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables, strict=True))
    for variable in model.trainable_variables:
        changed = np.abs(variable.numpy() - before[variable.path])
        assert changed.max() > 0, variable.path
        if "class_embedding" in variable.path:
            assert (changed.max(axis=1) > 0).tolist() == [True, False, True]


def test_parts_of_a_batch_give_the_terms_of_the_whole_without_dropout():
    model = _model()
    batch = _batch(T, (4, 6, 3))
    parts = model.terms_in_parts(batch, _seed(), 2)
    outputs = model(batch, training=True, seed=_seed())
    for name, whole in model.terms(batch, outputs).items():
        np.testing.assert_allclose(parts[name], whole, rtol=1e-5, atol=1e-5, err_msg=name)


ROUND_TRIPS = [
    *({"encoder": e, "decoder": d} for e, d in itertools.product(CELLS, CELLS)),
    {"conditional": False},
    {"num_classes": C},
    {"conditional": False, "num_classes": C},
    {"dtype": "mixed_bfloat16"},
    {"start_token": (0, 0, 0, 0, 0), "reference_numerics": True, "dropout": 0.3},
]


@pytest.mark.parametrize("arguments", ROUND_TRIPS, ids=str)
def test_a_keras_file_gives_the_model_back(tmp_path, arguments):
    model = _model(**arguments)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert again.get_config() == model.get_config()
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    batch = _batch(labels=[0, 2] if model.num_classes else None)
    found, expected = (m(batch, seed=_seed(), training=True)["raw"] for m in (again, model))
    np.testing.assert_array_equal(found, expected)


def test_mixed_precision_leaves_mixture_and_losses_in_float32():
    wide, mixed = _model(), _model(dtype="mixed_bfloat16")
    mixed.set_weights(wide.get_weights())
    outputs = mixed(_batch(), seed=_seed(), sample_z=False)
    terms = mixed.terms(_batch(), outputs)
    for name, value in {**outputs, **terms}.items():
        assert value.dtype == tf.float32, name
    assert all(variable.dtype == "float32" for variable in mixed.trainable_variables)
    expected = wide(_batch(), seed=_seed(), sample_z=False)["raw"]
    difference = np.abs(outputs["raw"] - expected).max()
    assert 0 < difference < 0.05  # products are rounded to bfloat16, nothing else is


def test_a_summary_names_the_parts(capsys):
    model = _model(num_classes=C)
    model.summary()
    text = capsys.readouterr().out
    for name in ("class_embedding", "encoder", "decoder", "Total params"):
        assert name in text
    for layer in (model.embedding, model.encoder, model.decoder, model):
        assert f" {layer.count_params():,} " in text
    assert f"(None, None, {3 + 6 * M})" in text
    assert "?" not in text


def test_without_labels_a_class_conditioned_model_says_so():
    model = _model(num_classes=C)
    with pytest.raises(ValueError, match="needs labels"):
        model(_batch(), seed=_seed())


def test_without_encoder_a_model_says_so():
    model = _model(conditional=False)
    with pytest.raises(ValueError, match="no encoder"):
        model.encode(_batch()["strokes"], _batch()["lengths"])


@pytest.mark.parametrize("name", list(config.PRESETS))
def test_every_preset_builds_and_has_a_purpose(name):
    preset = config.preset(name)
    assert preset.purpose
    config.check(preset.model, preset.training)
    if name != "paper":  # 20 million parameters
        run = config.RunConfig(20.0, 50, model=preset.model, training=preset.training)
        assert sketch_rnn.build_model(run).count_params() > 100_000
