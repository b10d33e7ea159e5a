"""measure(): the contract of its numbers, what it refuses, and that it is the same every time."""

from __future__ import annotations

import html.parser
import json
import math
import subprocess
import sys

import numpy as np
import pytest

from sketch_rnn_tf import quality
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.quality import real

MEASURES = {
    *("kid", "kid_standard_error", "frechet", "precision", "recall", "density", "coverage"),
    *("one_nn_accuracy", "geometry", "ended", "copies", "nearest_training"),
}


@pytest.fixture(scope="module")
def valid(data_dir):
    """The drawings of the valid split."""
    return real.read(data_dir, "valid")[0]


@pytest.fixture(scope="module")
def measured(measure, data_dir, double, valid):
    return measure(double(valid), data_dir, temperatures=(0.5, 0.25))


def test_every_measure_stands_beside_its_floor(measured):
    values = measured.values
    assert list(values["temperatures"]) == ["0.25", "0.5"]
    for found in values["temperatures"].values():
        assert set(found) >= MEASURES
        assert found["samples"] == found["real_samples"] == 40
    floor = values["floor"]
    assert set(floor["train"]) >= MEASURES - {"copies", "nearest_training"}
    assert floor["halves"]["samples"] == 30
    assert values["features"]["network"] == "classes"
    assert values["features"]["test_accuracy"] > 0.95
    assert values["best_temperature"] == 0.25
    json.dumps(values, allow_nan=False)


def test_real_drawings_lie_at_the_floor(measured):
    found = measured.values["temperatures"]["0.5"]
    assert abs(found["kid"]) < 4 * found["kid_standard_error"]
    assert found["precision"] > 0.7
    assert found["coverage"] > 0.7
    assert found["copies"] <= 0.1
    assert found["geometry"]["strokes"]["in_deviations"] < 0.3


def test_few_drawings_have_no_frechet_distance_and_a_note_says_why(measured):
    assert measured.values["temperatures"]["0.5"]["frechet"] is None
    assert "frechet needs 500 drawings; 40 were measured" in measured.values["notes"]


def test_drawings_that_were_cut_off_are_counted(measured):
    assert measured.values["temperatures"]["0.5"]["ended"] == 0.75


def test_copies_of_training_drawings_are_caught(measure, data_dir, double):
    training = real.read(data_dir, "train")[0]
    found = measure(double(training[:50]), data_dir)
    values = found.values["temperatures"]["0.4"]
    assert values["copies"] == 1
    assert values["copies_real"] < 0.1
    assert values["nearest_training"] < 0.01 * values["nearest_training_real"]
    drawn, nearest, closeness = found.pairs["0.4"][0]
    np.testing.assert_array_equal(drawn.strokes, nearest)
    assert closeness < 1e-5
    assert len(found.pairs["0.4"]) == 9


def test_a_model_that_repeats_itself_is_caught(measure, data_dir, double, valid):
    values = measure(double(valid[:4]), data_dir).values["temperatures"]["0.4"]
    assert values["recall"] == 0
    assert values["coverage"] < 0.5


def test_classes_are_recognized(measure, data_dir, double, valid):
    right = double([valid[0], valid[1]], class_conditioned=True)
    found = measure(right, data_dir).values["temperatures"]["0.4"]
    assert found["recognized_per_class"] == {"ring": 1, "zigzag": 1}
    assert found["confusion"] == {"ring": {"ring": 20}, "zigzag": {"zigzag": 20}}
    wrong = double([valid[0], valid[2]], class_conditioned=True)  # rings only
    found = measure(wrong, data_dir).values["temperatures"]["0.4"]
    assert found["recognized"] == 0.5
    assert found["recognized_per_class"] == {"ring": 1, "zigzag": 0}


def test_a_model_of_one_class_is_held_against_that_class(measure, data_dir, double, valid):
    rings = double(valid[::2], classes=("ring",))
    found = measure(rings, data_dir, samples=25).values["temperatures"]["0.4"]
    assert found["recognized"] == 1
    assert abs(found["kid"]) < 4 * found["kid_standard_error"]


def test_perfect_reconstructions_find_their_originals(measure, data_dir, double, valid):
    model = double(valid, conditional=True)
    found = measure(model, data_dir).values["temperatures"]["0.4"]
    assert found["retrieval"] == {"searched": 60, "top_1": 1, "top_10": 1, "top_50": 1}
    reconstruction = found["reconstruction"]
    assert reconstruction["chamfer"] == 0 < reconstruction["chamfer_of_others"]
    assert reconstruction["recognized"] > 0.9
    assert set(found["posterior"]) >= {"kid", "precision", "coverage"}


def test_the_page_holds_everything_and_needs_nothing(measured, tmp_path):
    measured.save(tmp_path / "quality.html", "A <run>")
    text = (tmp_path / "quality.html").read_text("utf-8")
    seen, opened = [], []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            opened.append(tag)
            seen.extend(v for k, v in attrs if k in ("src", "href") and not v.startswith("#"))

    Parser().feed(text)
    assert not seen
    assert "A &lt;run&gt;" in text
    assert opened.count("table") >= 3
    assert opened.count("svg") >= 6 + 1 + 2 * 2  # the sweep, real, two of each temperature
    assert "nan" not in text.lower().replace("finance", "")


def test_the_table_has_a_column_a_temperature_and_the_floors(measured):
    head, *rows = measured.table().splitlines()
    assert "0.25" in head
    assert "real: halves" in head
    assert any(row.startswith("kid ") for row in rows)
    assert "best temperature: 0.25" in rows


@pytest.mark.parametrize(
    ("settings", "model", "message"),
    [
        ({"samples": 61}, {}, "test has 60 drawings .* fewer than the 61 .*--with_valid"),
        (
            {"samples": 101, "with_valid": True},
            {},
            "test and valid have 100 .* ask for 100 or fewer",
        ),
        ({"samples": 3}, {}, "3 drawings were asked for, expected 20 to 5000"),
        ({"temperatures": (0.4, 0.0)}, {}, "a temperature of 0.0"),
        ({"temperatures": ()}, {}, "no temperature"),
        ({}, {"scale_factor": 300.0}, "scale_factor is 300, .* another size"),
        ({}, {"classes": ("cat",)}, "no drawings of 'cat', .* classes are ring, zigzag"),
    ],
)
def test_what_does_not_fit_is_one_clear_sentence(
    settings, model, message, measure, data_dir, double, valid
):
    with pytest.raises(UserError, match=message) as caught:
        measure(double(valid, **model), data_dir, **settings)
    assert "\n" not in str(caught.value)


def test_a_class_that_test_lacks_is_named(tmp_path, make_dataset, measure, double):
    info = make_dataset(tmp_path / "data", {"train": 30, "test": 1})
    assert info.splits["test"]["per_class"] == {"ring": 1, "zigzag": 0}
    with pytest.raises(UserError, match="test has no drawings of 'zigzag'"):
        measure(double([np.zeros((1, 3))]), tmp_path / "data", samples=20)


def test_valid_fills_up_what_test_lacks(measure, data_dir, double, valid):
    found = measure(double(valid), data_dir, samples=100, with_valid=True).values
    assert found["splits"] == ["test", "valid"]
    assert found["temperatures"]["0.4"]["real_samples"] == 100


def test_the_cheap_version_is_flat_and_finite(data_dir, double, valid, tmp_path):
    found = quality.at_end_of_training(double(valid), data_dir)
    assert found["samples"] == 60
    numbers = {name: value for name, value in found.items() if not isinstance(value, str)}
    assert set(numbers) >= {"kid", "kid_floor", "precision", "coverage_floor", "ended", "geometry"}
    assert all(math.isfinite(value) for value in numbers.values())


def test_the_cheap_version_needs_no_network_and_writes_nothing(tmp_path, make_dataset, double):
    make_dataset(tmp_path / "data", {"train": 30, "valid": 25})
    before = sorted(tmp_path.rglob("*"))
    originals = real.read(tmp_path / "data", "valid")[0]
    found = quality.at_end_of_training(double(originals), tmp_path / "data")
    assert found["features"] == "random"
    assert found["kid"] < 0 < found["kid_floor"] + 1  # the drawings are the real ones
    assert found["one_nn_accuracy"] == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_the_cheap_version_of_few_drawings_is_empty(tmp_path, make_dataset, double):
    make_dataset(tmp_path / "data", {"train": 30, "valid": 5})
    assert quality.at_end_of_training(double([]), tmp_path / "data") == {}


@pytest.mark.large
def test_two_processes_give_the_same_bits(data_dir, tmp_path):
    """With the real thing: an untrained model drawn from, the network trained anew in each."""
    code = (
        "import json, pathlib, shutil, sys, tempfile, keras\n"
        "from sketch_rnn_tf import Sketcher, config, quality\n"
        "from sketch_rnn_tf.model import sketch_rnn\n"
        "from sketch_rnn_tf.sampling.keras_backend import KerasBackend\n"
        "keras.utils.set_random_seed(3)\n"
        "model = config.ModelConfig(z_size=3, num_mixtures=3,"
        " encoder=config.EncoderConfig(units=5), decoder=config.DecoderConfig(units=5))\n"
        "run = config.RunConfig(11.0, 20, classes=('ring', 'zigzag'), model=model)\n"
        "with tempfile.TemporaryDirectory() as folder:\n"
        "    data = pathlib.Path(folder) / 'data'\n"
        f"    shutil.copytree({str(data_dir)!r}, data, ignore=lambda *_: ['quality.npz'])\n"
        "    sketcher = Sketcher(KerasBackend(sketch_rnn.build_model(run), run))\n"
        "    found = quality.measure(sketcher, data, samples=40, network_steps=4)\n"
        "print(json.dumps(found.values))\n"
    )
    runs = [
        subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(2)
    ]
    first, second = (json.loads(run.communicate(timeout=300)[0]) for run in runs)
    assert first == second
    assert first["temperatures"]["0.4"]["retrieval"]["searched"] == 60
