"""What is written is loaded by TensorFlow's own C++ loader, without Python TensorFlow."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from tensorflow.core.protobuf import config_pb2

from sketch_rnn_tf import config, runs
from sketch_rnn_tf.commands import export as command
from sketch_rnn_tf.export.saved_model import exporter, signatures, warmup
from sketch_rnn_tf.model import sketch_rnn

ROOT = pathlib.Path(__file__).resolve().parents[3]
LOADER = ROOT / "tests" / "serving" / "cpp_session.py"
SMALL = {"hyper_units": 4, "hyper_embedding": 3}
KINDS = {
    "classes": config.ModelConfig(
        z_size=3, num_mixtures=4, class_conditioned=True, class_embedding=2,
        encoder=config.EncoderConfig(units=6, cell="layer_norm"),
        decoder=config.DecoderConfig(units=5, cell="hyper", **SMALL),
    ),
    "alone": config.ModelConfig(
        conditional=False, num_mixtures=4,
        decoder=config.DecoderConfig(units=5, absolute_position=True),
    ),
}  # fmt: skip

pytestmark = pytest.mark.large


@pytest.fixture(scope="module", params=KINDS)
def exported(request, tmp_path_factory):
    """Returns a run, its model and the folder of its export."""
    folder = tmp_path_factory.mktemp(request.param)
    keras.utils.set_random_seed(1)
    run_config = config.RunConfig(
        scale_factor=7.0, max_length=11, classes=("cat", "dog"), model=KINDS[request.param]
    )
    model = sketch_rnn.build_model(run_config)
    run = runs.Run(folder / "run", run_config)
    return run, model, exporter.write(run, model, folder / "out")


def _requests(run, model, batch: int) -> dict[str, dict[str, np.ndarray]]:
    random = np.random.default_rng(batch)
    requests = {}
    for name, signature in signatures.Signatures(model, run.config).all().items():
        values = {spec.name: warmup.example(spec, batch) for spec in signature.inputs}
        for key, value in values.items():
            if key in ("strokes", "prefix", "stroke"):
                value[..., :2] = random.normal(size=value[..., :2].shape)
            elif key in ("z", "z_a", "z_b", "fraction"):
                value[:] = random.random(value.shape)
        requests[name] = values
    return requests


def _run_in_cpp(path, requests, folder, session: bytes = b"") -> dict[str, np.ndarray]:
    """Returns the answers to requests of a session that is configured so, in its own process."""
    flat = {f"{case}/{key}": v for case, values in requests.items() for key, v in values.items()}
    np.savez(folder / "in.npz", **flat)
    done = subprocess.run(
        [sys.executable, LOADER, path, folder / "in.npz", folder / "out.npz", session.hex()],
        capture_output=True, text=True, check=False, cwd=folder,
        env={**os.environ, "PYTHONPATH": ""},  # the model needs no package of ours
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with np.load(folder / "out.npz") as content:
        return dict(content)


@pytest.fixture(scope="module")
def asked(exported, tmp_path_factory):
    """Returns good requests, and their and bad ones' answers of the usual and the server's session.

    Each has a process of its own, since some settings hold for a whole process.
    """
    run, model, path = exported
    requests = {
        f"{name}@{batch}": values
        for batch in (1, 3)
        for name, values in _requests(run, model, batch).items()
    }
    text = (path.parents[1] / "serving" / "session_config.txt").read_text()
    session = text_format.Parse(text, config_pb2.ConfigProto())
    session.intra_op_parallelism_threads, session.inter_op_parallelism_threads = 1, -1
    everything = {**requests, **_bad_requests(run, model)}
    folder = tmp_path_factory.mktemp("cpp")
    usual = _run_in_cpp(path, everything, folder)
    server = _run_in_cpp(path, everything, folder, session.SerializeToString())
    return requests, usual, server


def _bad_requests(run, model) -> dict[str, dict[str, np.ndarray]]:
    good, score = (_requests(run, model, 2)[name] for name in ("generate", "score"))
    return {
        "generate@rows": {**good, "temperature": np.float32([0.5])},
        "generate@seed": {**good, "seed": good["seed"][:, :1]},
        "score@width": {**score, "strokes": score["strokes"][..., :2]},
        "score@rank": {**score, "strokes": score["strokes"][0]},
        "score@type": {**score, "lengths": np.float32([1, 1])},
        "generate@good": good,
    }


def test_the_cpp_loader_gives_exactly_what_python_gives(exported, asked):
    _, _, path = exported
    loaded = tf.saved_model.load(path)
    requests, found, _ = asked
    count = 0
    for case, values in requests.items():
        function = loaded.signatures[case.partition("@")[0]]
        expected = function(**{name: tf.constant(value) for name, value in values.items()})
        for name, value in expected.items():
            assert np.array_equal(found[f"{case}/{name}"], value.numpy()), f"{case} {name}"
            count += 1
    assert count > 20


def test_the_servers_session_gives_what_the_usual_one_gives(asked):
    requests, expected, found = asked
    assert set(found) == set(expected)
    for name, value in expected.items():
        if name.partition("/")[0] not in requests:
            continue
        if value.dtype.kind == "f":  # operations are joined otherwise: the last digits differ
            np.testing.assert_allclose(found[name], value, rtol=1e-4, atol=1e-4, err_msg=name)
        else:
            assert np.array_equal(found[name], value), name


def test_the_server_answers_wrong_shapes_with_invalid_argument(exported, asked):
    run, model, _ = exported
    for found in asked[1:]:
        for case in list(_bad_requests(run, model))[:-1]:
            assert found[f"{case}/code"] == 3, case  # INVALID_ARGUMENT
        assert found["generate@good/error"].tolist() == [0, 0]


def test_the_default_is_generate_and_every_tensor_has_a_batch_dimension(exported):
    _, _, path = exported
    loaded = tf.saved_model.load(path).signatures
    assert set(loaded["serving_default"].structured_input_signature[1]) == set(
        loaded["generate"].structured_input_signature[1]
    )
    for function in loaded.values():
        specs = [*function.structured_input_signature[1].values()]
        specs += function.structured_outputs.values()
        for spec in specs:
            assert spec.shape.rank >= 1
            assert spec.shape[0] is None, spec
        assert "error" in function.structured_outputs


# Commands of saved_model_cli in one process, so that TensorFlow is started once.
CLI_IN_TURN = """
import json, sys
from tensorflow.python.tools import saved_model_cli
for words in json.loads(sys.argv[1]):
    sys.argv[1:] = words
    try:
        saved_model_cli.main()
    except SystemExit as end:
        if end.code:
            raise
"""


def test_saved_model_cli_shows_and_runs_it(exported, tmp_path):
    run, model, path = exported
    pairs = []
    for name, value in _requests(run, model, 2)["generate"].items():
        np.save(tmp_path / f"{name}.npy", value)
        pairs.append(f"{name}={tmp_path / name}.npy")
    where = ["--dir", str(path), "--tag_set", "serve", "--signature_def", "generate"]
    commands = [["show", *where], ["run", *where, "--inputs", ";".join(pairs)]]
    done = subprocess.run(
        [sys.executable, "-c", CLI_IN_TURN, json.dumps(commands)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "inputs['temperature'] tensor_info" in done.stdout, done.stderr
    assert "Result for output key lengths" in done.stdout, done.stderr


def test_the_warm_up_file_holds_requests_for_every_signature(exported):
    apis = pytest.importorskip(
        "tensorflow_serving.apis.prediction_log_pb2", reason="needs tensorflow-serving-api"
    )
    run, model, path = exported
    seen = []
    for record in tf.data.TFRecordDataset(str(path / warmup.FILE)).as_numpy_iterator():
        request = apis.PredictionLog.FromString(record).predict_log.request
        assert request.model_spec.name == "sketch_rnn"
        expected = _requests(run, model, 1)[request.model_spec.signature_name]
        assert set(request.inputs) == set(expected)
        for name, tensor in request.inputs.items():
            assert tf.make_ndarray(tensor).dtype == expected[name].dtype
        seen.append(request.model_spec.signature_name)
    assert set(seen) == set(_requests(run, model, 1))


def test_weights_are_stored_once(exported):
    _, model, path = exported
    stored = tf.train.list_variables(str(path / "variables" / "variables"))
    shapes = [shape for name, shape in stored if "VARIABLE_VALUE" in name]
    assert sorted(shapes) == sorted(list(weight.shape) for weight in model.trainable_weights)


def test_the_assets_say_what_the_model_is(exported):
    run, _, path = exported
    assert json.loads((path / "assets" / "classes.json").read_text()) == ["cat", "dog"]
    content = json.loads((path / "assets" / "config.json").read_text())
    assert config.from_json(config.RunConfig, content, "x") == run.config
    assert (path / "fingerprint.pb").stat().st_size > 0


def test_a_further_export_is_the_next_version_and_leaves_the_servers_files(exported):
    run, model, path = exported
    beside = path.parents[1] / "serving"
    (beside / "models.config").write_text("changed by hand")
    again = exporter.write(run, model, path.parents[1])
    assert [path.name, again.name] == ["1", "2"]
    assert (beside / "models.config").read_text() == "changed by hand"
    assert sorted(p.name for p in path.parent.iterdir()) == ["1", "2"]  # nothing half-written


def test_the_servers_files_fit_together(exported):
    _, _, path = exported
    yaml = pytest.importorskip("yaml", reason="needs PyYAML")
    beside = path.parents[1] / "serving"
    service = yaml.safe_load((beside / "docker-compose.yaml").read_text())["services"]["sketch-rnn"]
    deployment, exposed = yaml.safe_load_all((beside / "kubernetes.yaml").read_text())
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    assert container["args"] == service["command"]
    for option in container["args"]:
        if match := re.fullmatch(r"--\w+=/serving/(.+)", option):
            assert (beside / match[1]).exists(), option
    assert exposed["spec"]["selector"] == deployment["spec"]["template"]["metadata"]["labels"]
    for line in (beside / "README.md").read_text().splitlines():
        assert not line.startswith("| `") or line.count("|") == 4


def test_the_next_version_follows_the_highest(tmp_path):
    assert exporter.next_version(tmp_path / "missing") == 1
    for name in ("2", "10", "x", ".3.tmp"):
        (tmp_path / name).mkdir()
    assert exporter.next_version(tmp_path) == 11


def test_a_version_that_another_export_took_meanwhile_is_not_replaced(tmp_path, monkeypatch):
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "theirs").touch()
    new = tmp_path / ".export" / "new"
    new.mkdir(parents=True)
    numbers = iter([1, 2])
    monkeypatch.setattr(exporter, "next_version", lambda base: next(numbers))
    assert exporter.publish(new, tmp_path) == tmp_path / "2"
    assert (tmp_path / "1" / "theirs").exists()


def test_the_command_names_formats_that_it_does_not_know(capsys):
    assert command.run(["--model", "x", "--output_dir", "y", "--format", "coreml"]) == 2
    assert "there is no format 'coreml'" in capsys.readouterr().err
    assert command._formats(["tflite", "litert", "saved_model"]) == ["litert", "saved_model"]
