"""The four places that draw the next point agree, number for number and in distribution.

TensorFlow (`model.next_point`), the LiteRT graph (`export.litert.graphs`), NumPy
(`ondevice.next_point`) and JavaScript (`export.web`'s runtime) each have their own code for a
reason: built-in operations only, no TensorFlow, no Python. Here each draws from one given raw
output of the decoder and from the same random numbers. A further twin is one more entry of TWINS.
"""

from __future__ import annotations

import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

pytest.importorskip("tensorflow")

from sketch_rnn_tf import Sketcher, config, ondevice, runs
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.ondevice import next_point

ROOT = pathlib.Path(__file__).resolve().parents[1]
MODES = ("paper", "magenta", "javascript")
M, T, TAU = 5, 60, 0.6
NEVER = -100.0  # logit of the end, so that a sketch has all T points


def _raw(seed: int = 0) -> np.ndarray:
    """Returns a decoder's output [3 + 6M] with narrow, wide and correlated components."""
    random = np.random.default_rng(seed)
    pen, pi = [0.4, -0.3, NEVER], random.normal(size=M)
    means, log_scales = random.normal(size=2 * M) * 2, random.normal(size=2 * M) - 0.5
    return np.float32(np.concatenate([pen, pi, means, log_scales, random.normal(size=M)]))


def _noise(count: int, seed: int = 1) -> np.ndarray:
    random = np.random.default_rng(seed)
    noise = random.normal(size=(count, 4))
    noise[:, :2] = random.uniform(size=(count, 2))
    return noise.astype(np.float32)


@pytest.fixture(scope="module")
def model_of():
    """Returns a function from a raw output to a run's configuration and a model that gives it."""

    def make(raw: np.ndarray, mode: str):
        configuration = config.RunConfig(
            scale_factor=1.0, max_length=T, temperature_mode=mode,
            model=config.ModelConfig(
                conditional=False, num_mixtures=M, decoder=config.DecoderConfig(units=4)
            ),
        )  # fmt: skip
        model = sketch_rnn.build_model(configuration)
        model.set_weights([np.zeros(weight.shape) for weight in model.get_weights()])
        model.decoder.output_layer.bias.assign(raw)  # whatever it has read
        return configuration, model

    return make


def _in_tensorflow(raw, noise, mode, model_of, folder):
    _, model = model_of(raw, mode)
    sketcher = Sketcher(model, scale_factor=1.0, temperature_mode=mode)
    (drawn,) = sketcher.generate(temperature=TAU, noise=noise[None])
    return np.asarray(drawn)


def _in_litert(raw, noise, mode, model_of, folder):
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")
    from sketch_rnn_tf.export.litert import exporter
    from sketch_rnn_tf.export.litert.graphs import Graphs

    configuration, model = model_of(raw, mode)
    made = Graphs(model, 1.0, configuration.start_token, mode)
    facts = exporter.describe(runs.Run(folder, configuration), made)
    (folder / "model.tflite").write_bytes(exporter.convert(made, "float32", facts))
    (drawn,) = ondevice.open(folder).generate(temperature=TAU, noise=noise[None])
    return np.asarray(drawn)


def _in_numpy(raw, noise, mode, model_of, folder):
    tau = np.float32([TAU] * 3)
    return np.stack([next_point.next_point(raw, row, tau, mode)[[0, 1, 3]] for row in noise])


def _in_javascript(raw, noise, mode, model_of, folder):
    if not shutil.which("node"):
        pytest.skip("needs node")
    runtime = ROOT / "sketch_rnn_tf" / "export" / "web" / "runtime" / "next_point.js"
    given = {"raw": raw.tolist(), "noise": noise.tolist(), "tau": [TAU] * 3, "mode": mode}
    code = (
        f"import {{nextPoint}} from {json.dumps(runtime.as_uri())};\n"
        f"const given = {json.dumps(given)};\n"
        "const raw = Float32Array.from(given.raw);\n"
        "const rows = given.noise.map((row) =>\n"
        "  Array.from(nextPoint(raw, Float32Array.from(row), given.tau, given.mode, false)));\n"
        "console.log(JSON.stringify(rows));\n"
    )
    (folder / "twin.mjs").write_text(code)
    done = subprocess.run(
        ["node", folder / "twin.mjs"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return np.array(json.loads(done.stdout))[:, [0, 1, 3]]


TWINS = {"litert": _in_litert, "numpy": _in_numpy, "javascript": _in_javascript}


@pytest.fixture(scope="module", params=MODES)
def reference(request, model_of, tmp_path_factory):
    """Returns a temperature mode and what TensorFlow draws in it, [T, 3]."""
    folder = tmp_path_factory.mktemp("reference")
    return request.param, _in_tensorflow(_raw(), _noise(T), request.param, model_of, folder)


@pytest.mark.parametrize("twin", TWINS)
def test_the_same_random_numbers_are_the_same_points(reference, twin, model_of, tmp_path):
    mode, expected = reference
    found = TWINS[twin](_raw(), _noise(T), mode, model_of, tmp_path)
    assert found.shape == expected.shape == (T, 3)
    np.testing.assert_allclose(found[:, :2], expected[:, :2], rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(found[:, 2], expected[:, 2])


def _expected_moments(mode: str) -> tuple[np.ndarray, np.ndarray, float]:
    """Returns mean and covariance of the offsets and the share of lifted pens, by the formulas."""
    raw = _raw().astype(np.float64)
    pen, (pi, mu_x, mu_y, log_x, log_y, z) = raw[:3], raw[3:].reshape(6, M)
    divisor = 0.5 + 0.5 * TAU if mode == "javascript" else TAU
    factor = TAU if mode == "magenta" else np.sqrt(TAU)
    weights, states = (np.exp(a / divisor) / np.exp(a / divisor).sum() for a in (pi, pen))
    mean = np.stack([mu_x, mu_y], axis=1)
    sigma_x, sigma_y, rho = np.exp(log_x) * factor, np.exp(log_y) * factor, np.tanh(z)
    second = np.empty((M, 2, 2))
    second[:, 0, 0], second[:, 1, 1] = sigma_x**2, sigma_y**2
    second[:, 0, 1] = second[:, 1, 0] = rho * sigma_x * sigma_y
    second += mean[:, :, None] * mean[:, None, :]
    whole = weights @ mean
    return whole, np.tensordot(weights, second, 1) - np.outer(whole, whole), float(states[1])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("twin", ["numpy", "javascript"])
def test_points_are_distributed_as_the_mixture(mode, twin, model_of, tmp_path):
    count = 40_000 if twin == "javascript" else 20_000
    drawn = TWINS[twin](_raw(), _noise(count, 7), mode, model_of, tmp_path)
    mean, covariance, lifted = _expected_moments(mode)
    spread = np.sqrt(np.diag(covariance))
    error = np.abs(drawn[:, :2].mean(axis=0) - mean) / spread
    assert error.max() < 5 / np.sqrt(count)
    found = np.cov(drawn[:, :2].T) / np.outer(spread, spread)
    np.testing.assert_allclose(found, covariance / np.outer(spread, spread), atol=0.06)
    assert abs(drawn[:, 2].mean() - lifted) < 5 * np.sqrt(lifted * (1 - lifted) / count)
