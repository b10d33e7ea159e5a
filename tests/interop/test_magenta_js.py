import base64
import dataclasses
import json
import shutil
import subprocess

import keras
import numpy as np
import pytest

from data_prep.conversion import simplify
from sketch_rnn_tf import config, evaluation, runs
from sketch_rnn_tf.commands import inputs
from sketch_rnn_tf.interop import imported, magenta_js
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.sketcher.sketcher import Sketcher

GOOGLE = ("bear", "bicycle", "bird", "sheep")
INFO = {"name": "cat", "mode": "gen", "version": 6, "max_seq_len": 9, "scale_factor": 40.0}
H, M, Z, E = 4, 20, 3, 5


# An independent reading of the files: NumPy in float64, after the JavaScript code.
def _arrays(content):
    return [
        np.frombuffer(base64.b64decode(text), "<i2").reshape(shape).astype(np.float64) * 10 / 32767
        for shape, text in zip(content[1], content[2], strict=True)
    ]


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _lstm(weights, x, h, c):
    w_x, w_h, bias = weights
    i, j, f, o = np.split(x @ w_x + h @ w_h + bias, 4)
    c = c * _sigmoid(f + 1) + np.tanh(j) * _sigmoid(i)
    return np.tanh(c) * _sigmoid(o), c


def _log_density(out, target):
    m = (len(out) - 3) // 6
    pi, mx, my, sx, sy, rho = (out[3 + m * k : 3 + m * (k + 1)] for k in range(6))
    sx, sy, rho = np.exp(sx), np.exp(sy), np.tanh(rho)
    x, y = (target[0] - mx) / sx, (target[1] - my) / sy
    square = (x * x + y * y - 2 * rho * x * y) / (1 - rho * rho)
    parts = np.log(2 * np.pi * sx * sy * np.sqrt(1 - rho * rho))
    return np.logaddexp.reduce(pi - np.logaddexp.reduce(pi) - square / 2 - parts)


def _nats(rows, arrays, h, c, z=()):
    """Returns offset and pen nats of normalized stroke-3 rows."""
    w, b, *cell = arrays
    x, offset, pen = np.zeros(5), 0.0, 0.0
    for row in rows:
        h, c = _lstm(cell, np.concatenate([x, z]), h, c)
        out = h @ w + b
        offset -= _log_density(out, row)
        pen -= out[int(row[2])] - np.logaddexp.reduce(out[:3])
        x = np.array([row[0], row[1], 1 - row[2], row[2], 0])
    return offset, pen


def _scores(model, configuration, drawings):
    return Sketcher(KerasBackend(model, configuration)).score(drawings)


@pytest.mark.parametrize("name", GOOGLE)
def test_googles_models_give_the_likelihoods_of_an_independent_reading(shared_data, name):
    path = shared_data(f"pretrained/{name}.gen.json")
    configuration, model = magenta_js.read_model(path)
    drawings = inputs.load(
        shared_data(f"quickdraw_raw/{name}.ndjson"), configuration, indices=range(4)
    )
    found = _scores(model, configuration, [d.strokes for d in drawings])
    content = json.loads(path.read_text())
    arrays = _arrays(content)
    scale = content[0]["scale_factor"] / 2
    expected = [
        _nats(d.strokes.astype(np.float64) / [scale, scale, 1], arrays, *np.zeros((2, 512)))
        for d in drawings
    ]
    for name, theirs in zip(("offset_nats", "pen_nats"), np.transpose(expected), strict=True):
        ours = np.array([score[name] for score in found])
        assert np.abs(ours - theirs).max() < 1e-4 * np.abs(theirs).max(), name


def test_drawings_reach_googles_models_as_google_simplified_them(shared_data):
    """The points of the simplified file, its first point dropped."""
    configuration, _ = magenta_js.read_model(shared_data("pretrained/bird.gen.json"))
    raw = inputs.load(shared_data("quickdraw_raw/bird.ndjson"), configuration)
    simple = inputs.load(shared_data("quickdraw_simplified/bird.ndjson"), configuration)
    assert sum(any(np.array_equal(a.strokes, b.strokes) for a in raw) for b in simple) >= 7
    assert all(len(a.strokes) for a in raw)


@pytest.mark.large
def test_the_right_one_of_googles_models_explains_its_drawings_best(shared_data):
    models = {n: magenta_js.read_model(shared_data(f"pretrained/{n}.gen.json")) for n in GOOGLE}
    right = count = 0
    for name in GOOGLE:
        nats = []
        for configuration, model in models.values():
            drawings = inputs.load(shared_data(f"quickdraw_raw/{name}.ndjson"), configuration)
            scores = _scores(model, configuration, [d.strokes for d in drawings])
            shift = 2 * np.log(configuration.scale_factor)
            nats.append([(s["offset_nats"] + s["pen_nats"]) / s["points"] + shift for s in scores])
        nats = np.array(nats)
        assert nats.mean(axis=1).argmin() == GOOGLE.index(name)
        right += (nats.argmin(axis=0) == GOOGLE.index(name)).sum()
        count += nats.shape[1]
    assert right / count > 0.75


def test_the_simplification_of_an_import_is_the_pipelines_own():
    assert simplify.Simplification().to_json() == magenta_js.SIMPLIFICATION


def _shapes(mode):
    decoder = [[H, 3 + 6 * M], [3 + 6 * M], [5 + Z * (mode == "vae"), 4 * H], [H, 4 * H], [4 * H]]
    encoder = [[5, 4 * E], [E, 4 * E], [4 * E]] * 2 + [[2 * E, Z], [Z]] * 2 + [[Z, 2 * H], [2 * H]]
    return encoder + decoder if mode == "vae" else decoder


def _content(mode="gen", **info):
    generator = np.random.default_rng(3)
    shapes = _shapes(mode)
    raw = [generator.integers(-3000, 3000, shape).astype("<i2").tobytes() for shape in shapes]
    return [{**INFO, "mode": mode, **info}, shapes, [base64.b64encode(r).decode() for r in raw]]


def _write(path, content):
    path.write_text(json.dumps(content))
    return path


@pytest.mark.parametrize("version", [5, 6])
def test_a_vae_file_encodes_and_scores_as_an_independent_reading(tmp_path, version):
    """No released .vae.json was at hand: this one has the layout that sketch_rnn.js reads."""
    content = _content("vae", version=version)
    configuration, model = magenta_js.read_model(_write(tmp_path / "a.vae.json", content))
    sketch = np.array([[5, 7, 0], [-9, 3, 1], [4, -2, 0], [1, 6, 1]], np.float32)
    arrays = _arrays(content)
    rows = sketch / [20.0, 20.0, 1]
    points = np.stack([rows[:, 0], rows[:, 1], 1 - rows[:, 2], rows[:, 2], 0 * rows[:, 2]], 1)
    ends = []
    for weights, order in ((arrays[:3], points), (arrays[3:6], points[::-1])):
        h = c = np.zeros(E)
        for point in order:
            h, c = _lstm(weights, point, h, c)
        ends.append(h)
    summary = np.concatenate(ends)
    z = summary @ arrays[6] + arrays[7]
    log_var = summary @ arrays[8] + arrays[9]
    start = np.tanh((np.tanh(z) if version < 6 else z) @ arrays[10] + arrays[11])
    offset, pen = _nats(rows, arrays[12:], start[H:], start[:H], z)
    kl = -0.5 * np.sum(1 + log_var - z**2 - np.exp(log_var))
    score = _scores(model, configuration, [sketch])[0]
    assert score["offset_nats"] == pytest.approx(offset, rel=1e-5)
    assert score["pen_nats"] == pytest.approx(pen, rel=1e-5)
    assert score["kl_nats"] == pytest.approx(kl, rel=1e-5)


def test_an_import_carries_what_the_javascript_code_does(tmp_path):
    configuration, model = magenta_js.read_model(_write(tmp_path / "a.gen.json", _content(mode=2)))
    assert configuration.scale_factor == 20
    assert configuration.start_token == model.start_token == (0, 0, 0, 0, 0)
    assert configuration.temperature_mode == "javascript"
    assert configuration.drop_first_point
    assert (configuration.max_length, configuration.classes) == (9, ("cat",))


def test_an_imported_run_opens_like_a_trained_one(tmp_path):
    configuration, model = magenta_js.read_model(_write(tmp_path / "a.vae.json", _content("vae")))
    run = runs.open_run(imported.write_run(tmp_path / "run", configuration, model).path)
    assert run.config == configuration
    for checkpoint in ("best", "last"):
        again = run.load_model(checkpoint)
        for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def _broken(kind):
    content = _content()
    if kind == "mode":
        content[0]["mode"] = "vae"
    if kind == "unknown mode":
        content[0]["mode"] = 7
    if kind == "scale":
        content[0]["scale_factor"] = 0
    if kind == "length":
        content[0]["max_seq_len"] = 1e8
    if kind == "start":
        content[0]["start_token"] = [0, 0]
    if kind == "short":
        content[2][3] = content[2][3][:-8]
    if kind == "not base64":
        content[2][0] = "é" + content[2][0][1:]
    if kind == "shape":
        content[1][3] = [4 * H, H]
    if kind == "huge":
        content[1][3] = [1 << 23, 1 << 23]
    if kind == "text shape":
        content[1][0] = "512"
    if kind == "object":
        content = {"a": 1}
    if kind == "fewer":
        content[2].pop()
    return content


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("mode", "17 weights"),
        ("unknown mode", "mode is 7"),
        ("scale", "scale_factor"),
        ("length", "max_seq_len"),
        ("start", "start_token"),
        ("short", "bytes"),
        ("not base64", "neither base64 nor a list of numbers"),
        ("shape", "expected"),
        ("huge", "bytes|shape"),
        ("text shape", "has the shape '512'"),
        ("object", "is not a sketch-rnn-js model"),
        ("fewer", "5 weights"),
    ],
)
def test_a_damaged_file_is_refused_in_one_sentence(tmp_path, kind, message):
    path = _write(tmp_path / "a.gen.json", _broken(kind))
    with pytest.raises(ValueError, match=message) as caught:
        magenta_js.read_model(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("nested", [False, True])
def test_weights_as_lists_of_int16_are_those_of_base64(tmp_path, nested):
    content = _broken(None)
    arrays = [
        np.frombuffer(base64.b64decode(text), "<i2").reshape(shape)
        for shape, text in zip(content[1], content[2], strict=True)
    ]
    full = [(array if nested else array.reshape(-1)).tolist() for array in arrays]
    _, expected = magenta_js.read_file(_write(tmp_path / "a.gen.json", content))
    _, found = magenta_js.read_file(_write(tmp_path / "a.gen.full.json", [*content[:2], full]))
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value)


def test_weights_as_lists_of_floats_are_taken_as_they_are(tmp_path):
    content = _broken(None)
    arrays = [np.full(shape, 0.25 + i) for i, shape in enumerate(content[1])]
    content[2] = [array.tolist() for array in arrays]
    _, found = magenta_js.read_file(_write(tmp_path / "a.gen.full.json", content))
    for value, array in zip(found.values(), arrays, strict=True):
        np.testing.assert_array_equal(value, array)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1, 2], "is not a list of 20 numbers"),
        ([[1], [2, 3]], "is not a list of 20 numbers"),
        ([None] * 20, "is not a list of 20 numbers"),
        ([40_000] * 20, "expected int16"),
        ([1e400] * 20, "non-finite|valid JSON"),
        (7, "neither base64 nor a list"),
    ],
)
def test_lists_that_are_no_weights_are_refused(tmp_path, value, message):
    content = _broken(None)
    content[1][0], content[2][0] = [4, 5], value
    with pytest.raises(ValueError, match=message):
        magenta_js.read_file(_write(tmp_path / "a.gen.full.json", content))


@pytest.mark.parametrize("text", ["", "<html></html>", '[{"mode": "gen"'])
def test_a_truncated_file_is_refused_by_name(tmp_path, text):
    path = tmp_path / "a.gen.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"a\.gen\.json"):
        magenta_js.read_model(path)


def _run(tmp_path, conditional=False, **changes):
    keras.utils.set_random_seed(4)
    configuration = config.RunConfig(
        scale_factor=12.5,
        max_length=9,
        classes=("a/b",),
        model=config.ModelConfig(
            conditional=conditional,
            z_size=Z,
            encoder=config.EncoderConfig(units=E),
            **{"decoder": config.DecoderConfig(units=H), **changes},
        ),
    )
    model = sketch_rnn.build_model(configuration)
    return imported.write_run(tmp_path / "run", configuration, model), model


@pytest.mark.parametrize("conditional", [False, True])
def test_export_and_import_are_inverse_up_to_rounding(tmp_path, conditional):
    run, model = _run(tmp_path, conditional)
    path = magenta_js.write(run, model, tmp_path / "out")
    assert path == tmp_path / "out" / "magenta_js" / f"a_b.{'vae' if conditional else 'gen'}.json"
    configuration, again = magenta_js.read_model(path)
    for name in ("scale_factor", "start_token", "temperature_mode", "drop_first_point"):
        assert getattr(configuration, name) == getattr(run.config, name), name
    assert configuration.max_length == 9
    for ours, theirs in zip(again.get_weights(), model.get_weights(), strict=True):
        assert np.abs(ours - theirs).max() <= 0.5 * 10 / 32767 * 1.001
    second = magenta_js.write(run, again, tmp_path / "again")
    assert json.loads(second.read_text())[2] == json.loads(path.read_text())[2]


def test_a_weight_beyond_ten_is_an_error_that_says_so(tmp_path):
    run, model = _run(tmp_path)
    model.decoder.output_layer.bias.assign(np.full(3 + 6 * M, -10.5, np.float32))
    with pytest.raises(ValueError, match=r"output_b has a value of 10\.5"):
        magenta_js.write(run, model, tmp_path)
    assert not (tmp_path / "magenta_js").exists()


def test_an_existing_export_is_not_overwritten(tmp_path):
    run, model = _run(tmp_path)
    magenta_js.write(run, model, tmp_path)
    with pytest.raises(ValueError, match="exists already"):
        magenta_js.write(run, model, tmp_path)
    magenta_js.write(run, model, tmp_path, overwrite=True)


def test_a_model_that_javascript_does_not_know_is_refused(tmp_path):
    run, model = _run(tmp_path, num_mixtures=7)
    with pytest.raises(ValueError, match="20 mixture components"):
        magenta_js.write(run, model, tmp_path)


def test_the_refusal_of_absolute_positions_names_what_to_do(tmp_path):
    decoder = config.DecoderConfig(units=H, absolute_position=True)
    run, model = _run(tmp_path, decoder=decoder)
    with pytest.raises(ValueError, match=r"--format web .*absolute_position=false"):
        magenta_js.write(run, model, tmp_path)


@pytest.fixture(scope="module")
def magenta_sketch(tmp_path_factory):
    """Returns a folder in which node finds @magenta/sketch."""
    if not (shutil.which("node") and shutil.which("npm")):
        pytest.skip("needs Node and npm")
    folder = tmp_path_factory.mktemp("npm")
    command = ["npm", "install", "@magenta/sketch@0.2.0", "--no-audit", "--no-fund"]
    command += ["--ignore-scripts", "--no-progress"]
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=180, check=False
        )
    except subprocess.TimeoutExpired:
        pytest.skip("needs the npm package @magenta/sketch, which took too long to install")
    if done.returncode:
        pytest.skip("needs the npm package @magenta/sketch, which could not be installed")
    return folder


_NODE = """
const {SketchRNN} = require('@magenta/sketch');
const [info, shapes, weights] = JSON.parse(require('fs').readFileSync(process.argv[2]));
const strokes = JSON.parse(process.argv[3]);
const model = new SketchRNN('');
model.instantiateFromJSON(info, shapes, weights);
let state = model.update(model.zeroInput(), info.initial_state || model.zeroState());
const found = [];
for (const stroke of strokes) {
  const pdf = model.getPDF(state, 1.0);
  const names = ['pi', 'muX', 'muY', 'sigmaX', 'sigmaY', 'corr', 'pen'];
  const sizes = [20, 20, 20, 20, 20, 20, 3];
  found.push(names.flatMap((name, i) => Array.from(pdf[name].slice(0, sizes[i]))));
  state = model.update(stroke, state);
}
console.log(JSON.stringify(found));
"""


def _pixels():
    """Returns a sketch as stroke-5 in source units, [T, 5]."""
    sketch = np.array([[5, 7, 0], [-9, 3, 1], [4, -2, 0], [1, 6, 1]], np.float64)
    pen = sketch[:, 2:]
    return np.concatenate([sketch[:, :2], 1 - pen, pen, 0 * pen], axis=1)


def _in_node(folder, path) -> np.ndarray:
    """Returns @magenta/sketch's mixture parameters of the sketch, [T, 3 + 6M]."""
    (folder / "run.js").write_text(_NODE)
    command = ["node", "run.js", str(path.resolve()), json.dumps(_pixels().tolist())]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout.splitlines()[-1]))


def _in_keras(model, label=None) -> np.ndarray:
    """Returns the same of a decoder alone."""
    normalized = (_pixels() / [12.5, 12.5, 1, 1, 1]).astype(np.float32)[None]
    context = None if label is None else model.context(labels=np.int32([label]))
    raw = model.decoder(model.decoder_inputs(normalized), context=context)
    pen, pi, mean, scale, corr = np.split(raw.numpy()[0].astype(np.float64), [3, 23, 63, 103], 1)
    pi = np.exp(pi) / np.exp(pi).sum(1, keepdims=True)
    pen = np.exp(pen) / np.exp(pen).sum(1, keepdims=True)
    return np.concatenate([pi, mean, np.exp(scale), np.tanh(corr), pen], axis=1)


@pytest.mark.large
def test_magenta_sketch_computes_the_same_mixture_from_an_export(tmp_path, magenta_sketch):
    run, model = _run(tmp_path)
    path = magenta_js.write(run, model, tmp_path)
    _, exported = magenta_js.read_model(path)  # with the rounded weights
    found, expected = _in_node(magenta_sketch, path), _in_keras(exported)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


def _run_of_classes(tmp_path, conditional, classes=("cat", "a/b")):
    """Returns a run and its class-conditioned model with weights that all matter."""
    run, _ = _run(tmp_path, conditional, class_conditioned=True, class_embedding=7)
    configuration = dataclasses.replace(run.config, classes=classes)
    model = sketch_rnn.build_model(configuration)
    random = np.random.default_rng(6)
    for variable in model.trainable_variables:
        variable.assign_add(random.normal(0, 0.3, variable.shape).astype(np.float32))
    return runs.Run(run.path, configuration), model


@pytest.mark.large
@pytest.mark.parametrize("label", [0, 1])
def test_magenta_sketch_draws_each_class_of_a_decoder_alone(tmp_path, magenta_sketch, label):
    run, model = _run_of_classes(tmp_path, conditional=False)
    folder = magenta_js.write(run, model, tmp_path)
    path = folder / ["cat.gen.json", "a_b.gen.json"][label]
    found, expected = _in_node(magenta_sketch, path), _in_keras(model, label)
    # Weights are rounded to 3e-4.
    np.testing.assert_allclose(found, expected, atol=3e-3)
    assert np.abs(expected - _in_keras(model, 1 - label)).max() > 0.03


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_of_a_model_encodes_and_decodes_as_the_whole_with_its_label(tmp_path, label):
    run, model = _run_of_classes(tmp_path, conditional=True)
    folder = magenta_js.write(run, model, tmp_path)
    configuration, one = magenta_js.read_model(folder / ["cat.vae.json", "a_b.vae.json"][label])
    assert configuration.classes == (("cat", "a/b")[label],)
    normalized = (_pixels() / [12.5, 12.5, 1, 1, 1]).astype(np.float32)[None]
    batch = {"strokes": normalized, "lengths": np.int32([4])}
    found = one(batch, sample_z=False)
    expected = model({**batch, "labels": np.int32([label])}, sample_z=False)
    for name in ("z_mean", "z_log_var", "raw"):
        np.testing.assert_allclose(found[name], expected[name], atol=3e-3)
    other = model({**batch, "labels": np.int32([1 - label])}, sample_z=False)
    assert np.abs(other["raw"] - expected["raw"]).max() > 0.03


def test_classes_whose_file_names_are_equal_get_numbers(tmp_path):
    run, model = _run_of_classes(tmp_path, conditional=False, classes=("a/b", "a:b"))
    folder = magenta_js.write(run, model, tmp_path)
    assert sorted(path.name for path in folder.iterdir()) == ["a_b-0.gen.json", "a_b-1.gen.json"]


def test_an_export_that_starts_from_a_state_of_its_own_cannot_come_back(tmp_path):
    run, model = _run_of_classes(tmp_path, conditional=False)
    folder = magenta_js.write(run, model, tmp_path)
    with pytest.raises(ValueError, match=r"cat\.gen\.json: its decoder starts from a state"):
        magenta_js.read_model(folder / "cat.gen.json")


def test_what_an_imported_model_draws_is_scored_as_the_rows_that_it_drew(tmp_path):
    """Its drawings start with a row (0, 0, 0) that says where the first line begins."""
    configuration, model = magenta_js.read_model(_write(tmp_path / "a.gen.json", _content()))
    sketcher = Sketcher(KerasBackend(model, configuration))
    drawn = np.asarray(sketcher.generate(1, temperature=1.0, seed=2)[0])
    assert drawn[0].tolist() == [0, 0, 0]
    rows = evaluation.score(model, configuration.scale_factor, [drawn[1:]])
    assert sketcher.score([drawn])[0]["nats"] == rows["nats"][0]
