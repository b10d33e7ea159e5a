import shutil

import keras
import numpy as np
import pytest
import written
from numpy_magenta import run

from sketch_rnn_tf import config, evaluation, strokes
from sketch_rnn_tf.data import tfrecord
from sketch_rnn_tf.interop import magenta_names
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

Z, E, H, M, N_MAX = 3, 5, 6, 4, 11
SCALE = 2.5


@pytest.fixture(scope="module")
def sketches():
    """Seven drawings of 1 to 10 points, source units."""
    generator = np.random.default_rng(5)
    found = []
    for points in (10, 1, 4, 7, 2, 5, 9):
        rows = generator.normal(scale=3, size=(points, 3)).astype(np.float32)
        rows[:, 2] = generator.integers(0, 2, points)
        found.append(rows)
    return found


@pytest.fixture(scope="module")
def data_dir(sketches, tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluation")
    labeled = [(rows, k % 2) for k, rows in enumerate(sketches)]
    written.write(folder, {"test": labeled}, max_length=N_MAX)
    return folder


def _model(conditional=True, **changes):
    keras.utils.set_random_seed(2)
    model = SketchRNN(
        max_length=N_MAX,
        conditional=conditional,
        z_size=Z,
        num_mixtures=M,
        encoder={"units": E},
        decoder={"units": H},
        **changes,
    )
    for variable in model.trainable_variables:  # larger than at the start: z has to matter
        variable.assign(keras.random.normal(variable.shape, stddev=0.6, seed=len(variable.path)))
    return model


def _log_density(out, offset):
    pi, mx, my, sx, sy, rho = np.split(out[..., 3:], 6, axis=-1)
    sx, sy, rho = np.exp(sx), np.exp(sy), np.tanh(rho)
    x, y = (offset[..., :1] - mx) / sx, (offset[..., 1:] - my) / sy
    square = (x * x + y * y - 2 * rho * x * y) / (1 - rho * rho)
    log = pi - square / 2 - np.log(2 * np.pi * sx * sy * np.sqrt(1 - rho * rho))
    return np.logaddexp.reduce(log, -1) - np.logaddexp.reduce(pi, -1)


def _by_hand(model, sketches):
    """Returns nats at every position [S, N_MAX] and KL [S, Z], all in NumPy and float64."""
    scaled = [s / np.array([SCALE, SCALE, 1]) for s in sketches]
    rows = np.stack([strokes.stroke3_to_stroke5(s, N_MAX) for s in scaled])
    start = np.tile([[[0, 0, 1, 0, 0]]], (len(rows), 1, 1))
    values = {name: v.numpy() for name, v in magenta_names.variables(model).items()}
    weights = magenta_names.to_magenta(model, values)
    numbers = {f"W/{name}": value for name, value in weights.items()}
    numbers |= {"x": np.concatenate([start, rows], 1), "seq_len": [len(s) for s in sketches]}
    if model.conditional:
        numbers |= {"mu": None, "eps": 0.0}
    found = run(numbers)
    offset = -_log_density(found["out"], rows[..., :2])
    logits = found["out"][..., :3]
    pen = np.logaddexp.reduce(logits, -1) - (rows[..., 2:] * logits).sum(-1)
    kl = np.zeros((len(rows), 0))
    if model.conditional:
        mean, log_var = found["mu"], found["presig"]
        kl = -0.5 * (1 + log_var - mean**2 - np.exp(log_var))
    real = np.arange(N_MAX) < np.array(numbers["seq_len"])[:, None]
    return offset, pen, real, kl


CONFIGURATION = config.RunConfig(SCALE, N_MAX, ("even", "odd"))  # its KL weight is 0.5


def _evaluate(model, data_dir, **changes):
    arguments = {"batch_size": 3, **changes}
    return evaluation.evaluate(model, CONFIGURATION, data_dir, "test", **arguments)


@pytest.mark.parametrize("conditional", [True, False])
def test_the_losses_are_those_computed_by_hand(data_dir, sketches, conditional):
    model = _model(conditional)
    offset, pen, real, kl = _by_hand(model, sketches)
    found = _evaluate(model, data_dir)
    count = 7 * N_MAX
    expected = {
        "num_sketches": 7,
        "n_max": N_MAX,
        "offset_loss": (offset * real).sum() / count,
        "pen_loss": (pen * real).sum() / count,
        "reconstruction_loss": ((offset + pen) * real).sum() / count,
        "reconstruction_loss_unmasked": ((offset * real).sum() + pen.sum()) / count,
        "kl_raw": kl.mean() if conditional else 0,
        "nats_per_point": ((offset + pen) * real).sum() / real.sum(),
    }
    expected["kl_loss"] = max(expected["kl_raw"], 0.2) if conditional else 0
    expected["cost"] = expected["reconstruction_loss"] + 0.5 * expected["kl_loss"]
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-5), name


def test_the_batch_size_does_not_matter(data_dir):
    model = _model()
    whole, parts = (_evaluate(model, data_dir, batch_size=size) for size in (7, 2))
    for name, value in whole.items():
        if "sampled" not in name and name != "split":
            assert parts[name] == pytest.approx(value, rel=1e-5), name


def test_a_model_is_traced_once_for_batches_of_every_size_and_length(
    data_dir, sketches, monkeypatch
):
    traced = []
    for name in ("_sums_of_batch", "_scores_of_batch"):
        function = getattr(evaluation, name)

        def counted(*arguments, name=name, function=function):
            traced.append(name)
            return function(*arguments)

        monkeypatch.setattr(evaluation, name, counted)
    model = _model()
    for batch_size in (3, 2, 7):
        _evaluate(model, data_dir, batch_size=batch_size)
        evaluation.score(model, SCALE, sketches, batch_size=batch_size)
    assert sorted(traced) == ["_scores_of_batch", "_sums_of_batch"]


def test_classes_of_the_data_are_the_model_s_by_name(data_dir):
    model = _model(num_classes=3)
    table = model.embedding.embeddings
    rows = keras.random.normal(table.shape, seed=1)
    table.assign(rows)

    def cost(*classes):
        known = config.RunConfig(SCALE, N_MAX, classes)
        return evaluation.evaluate(model, known, data_dir, "test")["nats_per_point"]

    straight = cost("even", "odd", "none")
    assert cost("none", "even", "odd") != pytest.approx(straight, rel=1e-3)
    table.assign(keras.ops.roll(rows, 1, axis=0))
    assert cost("none", "even", "odd") == pytest.approx(straight, rel=1e-6)


def test_a_class_that_the_model_does_not_know_is_refused(data_dir):
    known = config.RunConfig(SCALE, N_MAX, ("even", "cat"))
    expected = r"test has drawings of 'odd', .* its classes are even, cat$"
    with pytest.raises(ValueError, match=expected):
        evaluation.evaluate(_model(num_classes=2), known, data_dir, "test")


@pytest.mark.parametrize("damage", ["flipped", "shortened", "cut"])
def test_a_damaged_split_is_refused_by_its_file(data_dir, tmp_path, damage):
    shutil.copytree(data_dir, tmp_path / "data")
    (shard,) = (tmp_path / "data").glob("test-*")
    content = bytearray(shard.read_bytes())
    if damage == "flipped":
        content[-10] ^= 1
    last = len(list(tfrecord.read_frames(shard))[-1]) + 16  # a frame has 16 bytes beside its record
    shard.write_bytes(
        content if damage == "flipped" else content[: -last if damage == "shortened" else -3]
    )
    with pytest.raises(ValueError, match=shard.name):
        _evaluate(_model(conditional=False), tmp_path / "data")


def test_active_latents_are_those_whose_mean_varies(data_dir):
    model = _model()
    assert _evaluate(model, data_dir)["active_latents"] == Z
    kernel = model.encoder.mean.kernel.numpy()
    kernel[:, 1] = 0
    model.encoder.mean.kernel.assign(kernel)
    assert _evaluate(model, data_dir)["active_latents"] == Z - 1


def test_a_sampled_z_matters_where_the_variance_is_not_zero(data_dir):
    model = _model()
    found, again = _evaluate(model, data_dir, seed=1), _evaluate(model, data_dir, seed=1)
    other = _evaluate(model, data_dir, seed=2)
    assert found == again
    assert found["reconstruction_loss_sampled_z"] != other["reconstruction_loss_sampled_z"]
    assert found["reconstruction_loss"] == other["reconstruction_loss"]
    model.encoder.log_var.kernel.assign(np.zeros((2 * E, Z), np.float32))
    model.encoder.log_var.bias.assign(np.full(Z, -60, np.float32))
    still = _evaluate(model, data_dir)
    for name in ("offset_loss", "pen_loss", "reconstruction_loss", "reconstruction_loss_unmasked"):
        assert still[f"{name}_sampled_z"] == pytest.approx(still[name], rel=1e-6), name


def test_below_the_tolerance_the_kl_loss_is_the_tolerance(data_dir):
    found = _evaluate(_model(kl_tolerance=1e3), data_dir)
    assert found["kl_loss"] == 1e3 > found["kl_raw"]
    assert found["cost"] == pytest.approx(found["reconstruction_loss"] + 500)


@pytest.mark.parametrize("conditional", [True, False])
def test_scores_are_those_computed_by_hand(sketches, conditional):
    model = _model(conditional)
    offset, pen, real, kl = _by_hand(model, sketches)
    scores = evaluation.score(model, SCALE, sketches, batch_size=3)
    for i, sketch in enumerate(sketches):
        n, score = len(sketch), {name: values[i] for name, values in scores.items()}
        assert score["offset_nats"] == pytest.approx(offset[i][real[i]].sum(), rel=1e-5)
        assert score["pen_nats"] == pytest.approx(pen[i][real[i]].sum(), rel=1e-5)
        assert score["end_nats"] == pytest.approx(pen[i, n], rel=1e-5)
        assert score["kl_nats"] == pytest.approx(kl[i].sum(), rel=1e-5)
        parts = score["offset_nats"] + score["pen_nats"] + score["end_nats"]
        assert score["nats"] == pytest.approx(parts)


def test_scores_do_not_take_magentas_millionth(sketches):
    scores = evaluation.score(_model(reference_numerics=True), SCALE, sketches)
    expected = evaluation.score(_model(), SCALE, sketches)
    np.testing.assert_array_equal(scores["nats"], expected["nats"])


def test_a_sketch_longer_than_the_model_has_seen_is_scored_whole():
    rows = np.tile(np.array([[1, 2, 0]], np.float32), (3 * N_MAX, 1))
    nats = evaluation.score(_model(), SCALE, [rows, rows[:2]])["nats"]
    assert np.isfinite(nats).all()
    assert nats[0] > nats[1]


def test_scores_of_nothing_and_of_a_sketch_without_points():
    assert {len(nats) for nats in evaluation.score(_model(), SCALE, []).values()} == {0}
    scores = evaluation.score(_model(), SCALE, [np.zeros((0, 3))])
    assert (scores["offset_nats"], scores["pen_nats"]) == ([0], [0])
    assert scores["end_nats"] > 0


def test_a_class_conditioned_model_scores_by_class(sketches):
    model = _model(num_classes=2)
    even = evaluation.score(model, SCALE, sketches, [0] * 7)
    odd = evaluation.score(model, SCALE, sketches, [1] * 7)
    mixed = evaluation.score(model, SCALE, sketches, [0, 1] * 3 + [0])
    for i, nats in enumerate(mixed["nats"]):
        assert nats == pytest.approx((even, odd)[i % 2]["nats"][i], rel=1e-5)
        assert even["nats"][i] != odd["nats"][i]


def test_what_is_no_sketch_is_refused_by_its_index():
    with pytest.raises(ValueError, match="sketch 1"):
        evaluation.score(_model(), SCALE, [np.zeros((2, 3)), np.zeros((2, 4))])
