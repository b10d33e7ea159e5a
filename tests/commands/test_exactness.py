"""The same command gives the same bytes, whatever else keeps the machine busy."""

from __future__ import annotations

import json
import shutil
import sys

import numpy as np
import pytest

from data_prep import prepare
from sketch_rnn_tf import config, evaluation
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.interop import imported
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.quality import networks
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.sketcher.sketcher import Sketcher

SPLITS = ["--splits=0.6,0.2,0.2"]


def _write_drawings(folder) -> None:
    """Writes two files of 150 different drawings each."""
    random = np.random.default_rng(5)
    folder.mkdir()
    for word in ("cat", "dog"):
        lines = [
            json.dumps({"word": word, "drawing": random.integers(0, 256, (3, 2, 6)).tolist()})
            for _ in range(150)
        ]
        (folder / f"{word}.ndjson").write_text("\n".join(lines))


@pytest.fixture(scope="module")
def drawings(tmp_path_factory):
    folder = tmp_path_factory.mktemp("exactness") / "drawings"
    _write_drawings(folder)
    return folder


@pytest.fixture(scope="module")
def data_dir(drawings):
    folder = drawings.parent / "data"
    assert (
        prepare.run([f"--input={drawings}", f"--output_dir={folder}", *SPLITS, "--workers=1"]) == 0
    )
    return folder


@pytest.fixture(scope="module")
def run(data_dir):
    """Returns a function from settings to a run with an untrained model, and the model."""

    def make(name, **settings):
        info = dataset.read_info(data_dir)
        start = config.preset("magenta")
        settings = {key.replace("__", "."): value for key, value in settings.items()}
        model, training = config.override(start.model, start.training, settings)
        described = config.RunConfig(
            info.scale_factor, info.max_length, tuple(info.classes), model=model, training=training
        )
        built = sketch_rnn.build_model(described)
        return imported.write_run(data_dir.parent / name, described, built), built

    return make


@pytest.mark.large
@pytest.mark.parametrize("cell", ["lstm", "layer_norm", "hyper"])
def test_no_sum_has_three_summands_where_losses_are_computed_and_drawings_drawn(
    run, data_dir, sums_of, cell
):
    small = {"encoder__units": 6, "decoder__units": 8, "z_size": 4, "num_mixtures": 3}
    made, model = run(f"small {cell}", encoder__cell=cell, decoder__cell=cell, **small)
    sketcher = Sketcher(KerasBackend(model, made.config))
    evaluate = lambda: evaluation.evaluate(model, made.config, data_dir, "test", batch_size=20)  # noqa: E731
    for sums in (sums_of(evaluate), sums_of(lambda: sketcher.generate(4, seed=1))):
        assert [one for one in sums if one.count != 2] == []


@pytest.mark.large
def test_no_sum_has_three_summands_where_the_network_of_the_measures_is_trained(sums_of):
    pictures = np.zeros((40, 64, 64), np.uint8)
    labels = np.arange(40, dtype=np.int32) % 2
    sums = sums_of(lambda: networks.train(pictures, labels, 2, steps=1))
    assert sums
    assert [one for one in sums if one.count != 2] == []


@pytest.mark.large
@pytest.mark.usefixtures("busy_cores")
def test_prepared_shards_have_the_same_bytes(drawings, data_dir, tmp_path, outputs_of):
    folders = [tmp_path / f"data {i}" for i in range(3)]
    command = [
        sys.executable,
        "-m",
        "data_prep.prepare",
        f"--input={drawings}",
        *SPLITS,
        "--workers=2",
    ]
    outputs_of([*command, f"--output_dir={folder}"] for folder in folders)
    expected = {path.name: path.read_bytes() for path in data_dir.iterdir()}
    for folder in folders:
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == expected


@pytest.mark.long
@pytest.mark.usefixtures("busy_cores")
@pytest.mark.parametrize(
    ("command", "flags"),
    [
        ("evaluate", ["--split=train", "--json"]),
        ("sample", ["--num=20", "--output=-", "--seed=3"]),
    ],
)
def test_commands_print_the_same_bytes_with_a_model_of_default_size(
    run, data_dir, command, flags, outputs_of
):
    made, _ = run(command)
    words = [sys.executable, "-m", f"sketch_rnn_tf.commands.{command}", f"--model={made.path}"]
    words += [f"--data_dir={data_dir}"] if command == "evaluate" else []
    first, *others = outputs_of([[*words, *flags]] * 3)
    assert len(first) > 100
    assert others == [first, first]


@pytest.mark.long
@pytest.mark.usefixtures("busy_cores")
def test_measures_of_quality_are_the_same_numbers(run, data_dir, tmp_path, outputs_of):
    """Each process trains the network of the measures itself, beside its own copy of the data."""
    made, _ = run("measured")
    words = [sys.executable, "-m", "sketch_rnn_tf.commands.evaluate", f"--model={made.path}"]
    words += ["--samples=20", "--temperature=0.4,0.9", "--json"]
    folders = [shutil.copytree(data_dir, tmp_path / f"data {i}") for i in range(2)]
    first, second = outputs_of([*words, f"--data_dir={folder}"] for folder in folders)
    assert "0.9" in json.loads(first)["quality"]["temperatures"]
    assert first == second
