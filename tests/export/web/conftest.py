"""Small models of each kind, and Node to run what was exported of them."""

from __future__ import annotations

import dataclasses
import json
import pathlib
import shutil
import subprocess
from collections.abc import Callable

import browser
import numpy as np
import pytest

from sketch_rnn_tf import config, latent_prior, runs

FOLDER = pathlib.Path(__file__).parent
START = (0.0, 0.0, 0.0, 0.0, 0.0)  # sketch_rnn.js reads zeros first
CELL = {"hyper_units": 12, "hyper_embedding": 4}
CLASSES = {"class_conditioned": True, "class_embedding": 6}
DECODER = config.DecoderConfig(units=22, **CELL)  # not a multiple of four
ENCODER = config.EncoderConfig(units=9, **CELL)


def _of(cell: str, **decoder):
    decoder = dataclasses.replace(DECODER, cell=cell, **decoder)
    return {"encoder": dataclasses.replace(ENCODER, cell=cell), "decoder": decoder}


def _prior(classes: int) -> dict:
    random = np.random.default_rng(8)
    means, axes = random.normal(0, 2, [classes, 5]), random.normal(0, 1, [classes, 2, 5])
    return latent_prior.LatentPrior(means, axes).to_json()


KINDS = {
    "decoder": ({"conditional": False, **_of("lstm", absolute_position=True)}, {}),
    "latent": (_of("lstm"), {"temperature_mode": "magenta"}),
    "classes": (
        {**CLASSES, **_of("layer_norm")},
        {"temperature_mode": "javascript", "start_token": START, "drop_first_point": True},
    ),
    "hyper": ({"conditional": False, **CLASSES, **_of("hyper", absolute_position=True)}, {}),
    "hyper_latent": (_of("hyper", tanh_of_z=True), {"latent_prior": _prior(1)}),
    "stacked": (
        {
            **CLASSES,
            "encoder": dataclasses.replace(ENCODER, cell="stacked", units=10),
            "decoder": dataclasses.replace(DECODER, cell="stacked", absolute_position=True),
        },
        {"latent_prior": _prior(2)},
    ),
}


@pytest.fixture(scope="session")
def make_run(tmp_path_factory) -> Callable[[str], runs.Run]:
    """Returns a function from a name in KINDS to a run with random weights, made once."""
    made = {}

    def make(kind: str) -> runs.Run:
        if kind not in made:
            made[kind] = _make_run(tmp_path_factory.mktemp("run") / kind, *KINDS[kind])
        return made[kind]

    return make


def _make_run(path: pathlib.Path, model, own) -> runs.Run:
    from sketch_rnn_tf.model import sketch_rnn

    small = config.ModelConfig(z_size=5, num_mixtures=4)
    configuration = config.RunConfig(
        scale_factor=12.5,
        max_length=40,
        classes=("bird", "fish") if model.get("class_conditioned") else ("thing",),
        simplification={"method": "quickdraw", "epsilon": 2.0, "size": 255.0, "spacing": 1.0},
        model=dataclasses.replace(small, **model),
        **own,
    )
    net = sketch_rnn.build_model(configuration)
    generator = np.random.default_rng(5)
    for weight in net.weights:
        weight.assign(weight.value + generator.normal(0, 0.3, weight.shape))
    bias = net.decoder.output_layer.bias
    bias.assign(bias.value - 3 * np.eye(1, bias.shape[0], 2)[0])  # sketches of some twenty points
    run = runs.create(path, configuration)
    net.save(path / runs.BEST)
    return run


@pytest.fixture(scope="session")
def web_folder(make_run, tmp_path_factory) -> Callable[..., pathlib.Path]:
    """Returns a function that exports a kind (or a run) once and gives the folder `web`."""
    made = {}

    def export(kind: str | runs.Run, precision: str = "float32") -> pathlib.Path:
        from sketch_rnn_tf.export.web import exporter

        name = kind if isinstance(kind, str) else str(kind.path)
        if (name, precision) not in made:
            run = make_run(kind) if isinstance(kind, str) else kind
            folder = tmp_path_factory.mktemp("exported")
            made[name, precision] = exporter.write(
                run, run.load_model(), folder, precision=precision
            )
        return made[name, precision]

    return export


@pytest.fixture(scope="session")
def node() -> Callable[..., str]:
    """Returns a function that runs Node with arguments and a text on stdin, or skips."""
    program = shutil.which("node")
    if program is None:
        pytest.skip("needs Node.js (node)")

    def run(*arguments: str | pathlib.Path, stdin: str = "") -> str:
        command = [program, *map(str, arguments)]
        done = subprocess.run(
            command, input=stdin, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="session")
def in_node(node) -> Callable[[pathlib.Path, list[dict]], list]:
    """Returns a function that has a folder's sketch_rnn.js answer requests, see verbs.mjs."""

    def ask(folder: pathlib.Path, requests: list[dict]) -> list:
        return json.loads(node(FOLDER / "verbs.mjs", folder, stdin=json.dumps(requests)))

    return ask


@pytest.fixture(scope="session")
def chromium(tmp_path_factory):
    """Returns a `browser.Browser`, or skips."""
    found = browser.Browser(tmp_path_factory.mktemp("downloads"))
    yield found
    found.driver.quit()


@pytest.fixture
def page(chromium):
    """Returns a browser with an ordinary screen; fails where the page logged an error."""
    chromium.screen(1280, 800)
    chromium.errors()
    yield chromium
    assert chromium.errors() == []
