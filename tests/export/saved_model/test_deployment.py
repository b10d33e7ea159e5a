"""The server's files are packaged, agree with the client, and the README names what there is."""

from __future__ import annotations

import configparser
import fnmatch
import pathlib
import re

import pytest

pytest.importorskip("tensorflow")

from google.protobuf import text_format
from tensorflow.core.protobuf import config_pb2

from sketch_rnn_tf import config
from sketch_rnn_tf.export.saved_model import deployment, signatures
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.serving import server_errors

ROOT = pathlib.Path(__file__).resolve().parents[3]
CONFIG = config.RunConfig(
    scale_factor=2.0,
    max_length=12,
    drop_first_point=True,
    classes=("cat", "dog"),
    model=config.ModelConfig(
        z_size=3,
        num_mixtures=4,
        class_conditioned=True,
        encoder=config.EncoderConfig(units=6),
        decoder=config.DecoderConfig(units=5),
    ),
)


@pytest.fixture(scope="module")
def made():
    return signatures.Signatures(sketch_rnn.build_model(CONFIG), CONFIG).all()


def test_the_readme_names_every_signature_and_error_and_an_example_that_fits(made):
    readme = deployment.texts(CONFIG, made)["README.md"]
    for name, signature in made.items():
        assert f"| `{name}` | {signature.text} | " in readme
    for code, meaning in server_errors.MEANINGS.items():
        assert f"| {int(code)} | {meaning} |" in readme
    assert '"inputs": {"temperature": [0.4], "seed": [[0, 0]], "label": [0]}' in readme
    assert "`strokes` float32 [B, 13, 3]" in readme
    assert '-v "$PWD/saved_model:' in readme
    assert not re.search(r"\$(?!PWD)\w", readme)


def test_the_commands_of_readme_compose_and_kubernetes_have_the_same_options():
    def options(name):
        return re.findall(r"--\w+=[^\s\\]+", deployment.template(name).split("\n```\n\n")[0])

    assert len(options("docker-compose.yaml")) == 7
    assert options("docker-compose.yaml") == options("kubernetes.yaml") == options("README.md")


def test_the_session_has_one_thread_per_request():
    text = deployment.template("session_config.txt")
    session = text_format.Parse(text, config_pb2.ConfigProto())
    assert session.experimental.executor_type == "SINGLE_THREADED_EXECUTOR"


def test_templates_are_packaged_and_name_the_model(made):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    patterns = setup["options.package_data"]["sketch_rnn_tf.export.saved_model"].split()
    names = deployment.texts(CONFIG, made)
    assert len(names) == 7
    for name in names:
        assert any(fnmatch.fnmatch(f"templates/{name}", pattern) for pattern in patterns), name
    assert f'name: "{deployment.MODEL_NAME}"' in names["models.config"]
