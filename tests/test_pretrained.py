"""Models that come with the package: they are there, small, read-only, and draw."""

from __future__ import annotations

import json
import pathlib
import subprocess
import sys
import zipfile

import h5py
import numpy as np
import pytest

from data_prep import prepare
from sketch_rnn_tf import cli, config, drawing, files, load_model, ondevice, pretrained, runs
from sketch_rnn_tf.commands import evaluate, export, inputs, opening, sample, score, train
from sketch_rnn_tf.export.web import model_file, weights

ROOT = pathlib.Path(__file__).resolve().parents[1]
FOLDER = ROOT / "sketch_rnn_tf" / "pretrained"
BYTES = 12_000_000  # of all that comes with the package
KANJI = "pretrained:kanji"
NATS_PER_POINT = -1.5  # above what the model card says of the test split


def _contents() -> dict[str, int]:
    """Returns {path: time of the last change} of what comes with the package."""
    found = (path for path in FOLDER.rglob("*") if "__pycache__" not in path.parts)
    return {str(path.relative_to(FOLDER)): path.stat().st_mtime_ns for path in found}


@pytest.fixture(scope="module")
def sketcher():
    return load_model(KANJI)


@pytest.fixture(scope="module")
def device():
    return ondevice.open(f"{KANJI}.tflite")


@pytest.fixture(scope="module")
def real():
    """20 characters of KanjiVG."""
    configuration = runs.open_run(KANJI).config
    found = inputs.load("package:kanjivg", configuration, indices=range(400, 800, 20))
    return [drawing.strokes for drawing in found]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory, real):
    """The same 20 characters as a prepared data set, half of them for training."""
    folder = tmp_path_factory.mktemp("pretrained")
    drawing.save(folder / "real.npz", real)
    arguments = [f"--input={folder / 'real.npz'}", "--splits=50,0,50"]
    assert prepare.run([*arguments, f"--output_dir={folder / 'data'}"]) == 0
    return folder / "data"


# --- names -----------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def _threads_stay(monkeypatch):
    """TensorFlow runs already, and takes no other number of threads."""
    monkeypatch.setattr(opening, "use_threads", lambda *parts: None)


def test_a_name_is_a_folder_or_file_of_the_package():
    assert pretrained.resolve(KANJI) == FOLDER / "kanji"
    assert pretrained.resolve(f"{KANJI}.tflite") == FOLDER / "kanji.tflite"
    models = ("doodles", "icons", "kanji")
    assert set(pretrained.names()) == {name + end for name in models for end in ("", ".tflite")}


@pytest.mark.parametrize("path", ["kanji", "runs/kanji", "/runs/pretrained:kanji"])
def test_other_paths_stay_as_they_are(path):
    assert pretrained.resolve(path) == pathlib.Path(path)


@pytest.mark.parametrize("name", ["kanjis", "", "../runs.py", "__init__.py", "kanji/config.json"])
def test_an_unknown_name_is_refused_with_the_known_ones(name):
    for use in (pretrained.resolve, runs.open_run, load_model, ondevice.open):
        with pytest.raises(
            ValueError,
            match=r"no pretrained model .*; there are doodles, .*, kanji, kan",
        ):
            use(f"pretrained:{name}")


def test_a_command_says_so_in_one_sentence(capsys, tmp_path):
    code = sample.run(["--model=pretrained:bird", f"--output={tmp_path / 'x.svg'}"])
    assert code == cli.FAILURE
    assert capsys.readouterr().err == (
        "sketch-rnn-sample: there is no pretrained model 'bird'; there are doodles, doodles.tflite,"
        " icons, icons.tflite, kanji, kanji.tflite\n"
    )


# --- the doodles ---


@pytest.fixture(scope="module")
def doodles():
    return load_model("pretrained:doodles")


def test_every_class_of_the_doodles_draws_the_same_with_tensorflow_and_without(doodles):
    classes = doodles.config.classes
    assert len(classes) == 16
    drawn = doodles.generate(16, temperature=0.3, seed=5, label=list(classes))
    assert all(sketch.ended and len(sketch) > 5 for sketch in drawn)
    assert {sketch.label for sketch in drawn} == set(classes)


def test_doodles_that_people_drew_are_explained_best_by_their_own_class(doodles, shared_data):
    path = shared_data("quickdraw_all/quickdraw_336_classes_raw.ndjson.gz")
    wanted = ("sheep", "bicycle", "hedgehog", "mosquito")
    found = [one for one in inputs.load(path, doodles.config) if one.label in wanted]
    rows = [one.strokes for one in found]
    nats = np.array(
        [[one["nats"] for one in doodles.score(rows, label=[name] * len(rows))] for name in wanted]
    ).T
    right = [wanted.index(one.label) for one in found]
    assert (nats.argmin(axis=1) == right).mean() > 0.6  # a quarter by chance


def test_a_doodle_drawn_again_and_read_again_finds_its_original(doodles):
    labels = ["sheep"] * 24
    given = doodles.generate(24, temperature=0.4, seed=9, label=labels)
    again = doodles.reconstruct(given, temperature=0.1, seed=1, label=labels)
    first, second = (doodles.encode(drawings, label=labels) for drawings in (given, again))
    distances = np.linalg.norm(first[:, None] - second[None], axis=2)
    assert (distances.argmin(axis=0) == np.arange(24)).mean() > 0.7  # 0.04 by chance


# --- what is shipped -------------------------------------------------------------------------


def test_all_files_together_stay_small():
    sizes = {path: path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()}
    shipped = {path: size for path, size in sizes.items() if path.suffix not in (".py", ".pyc")}
    assert sum(shipped.values()) < BYTES


def test_every_model_draws_with_the_weights_of_its_tflite_file():
    for name in ("doodles", "icons"):
        first, second = load_model(f"pretrained:{name}"), ondevice.open(f"pretrained:{name}.tflite")
        label = first.config.classes[0]
        drawn = first.generate(8, temperature=0.3, seed=0, label=label)
        assert all(sketch.ended and len(sketch) > 1 for sketch in drawn)
        nats = [_nats_per_point(one, drawn, label=[label] * 8) for one in (first, second)]
        np.testing.assert_allclose(*nats, rtol=0, atol=0.3)


def test_the_cards_of_the_icons_and_doodles_name_their_sources():
    icons, doodles = (
        (FOLDER / name / "MODEL.md").read_text("utf-8") for name in ("icons", "doodles")
    )
    for words in ("Tabler", "Hugeicons", "Lucide", "Iconoir", "Myna UI", "IconPark", "ISC", "MIT"):
        assert words in icons
    for words in ("Quick, Draw!", "CC BY 4.0", "Apache"):
        assert words in doodles


def test_the_card_names_source_and_licence():
    card = (FOLDER / "kanji" / "MODEL.md").read_text("utf-8")
    for words in ("KanjiVG", "Ulrich Apel", "http://kanjivg.tagaini.net", "CC BY-SA 3.0"):
        assert words in card
    assert "https://creativecommons.org/licenses/by-sa/3.0/" in card


def test_weights_are_stored_in_half_precision_and_used_in_single(sketcher):
    assert {weight.dtype for weight in sketcher.model.get_weights()} == {np.dtype(np.float32)}
    path = runs.open_run(KANJI).weights()
    with zipfile.ZipFile(path) as archive, h5py.File(archive.open("model.weights.h5")) as stored:
        kinds = []
        stored.visititems(lambda name, item: kinds.append(getattr(item, "dtype", None)))
    assert set(kinds) == {None, np.dtype(np.float16)}


def test_the_page_has_the_weights_of_the_run_in_8_bits(sketcher):
    facts, tensors = model_file.unpack((FOLDER / "kanji" / "model.bin").read_bytes(), "model.bin")
    assert facts["weights"] == "int8"
    assert facts["scale_factor"] == sketcher.config.scale_factor
    for name, expected in weights.tensors(sketcher.model).items():
        largest = np.abs(expected).max()
        np.testing.assert_allclose(tensors[name], expected, rtol=0, atol=0.02 * largest)


# --- drawing ---------------------------------------------------------------------------------


def _strokes(sketch) -> int:
    return int(sketch[:, 2].sum())


def test_it_draws_characters(sketcher):
    drawn = sketcher.generate(25, seed=0)
    assert sum(sketch.ended for sketch in drawn) >= 24
    strokes = [_strokes(sketch) for sketch in drawn]
    assert 8 <= np.mean(strokes) <= 18  # KanjiVG's characters have 13 on average
    assert sum(count <= 30 for count in strokes) >= 24  # KanjiVG: 30 at most
    for sketch in drawn:
        size = np.ptp(np.cumsum(sketch[:, :2], axis=0), axis=0).max()
        assert 40 <= size <= 130  # KanjiVG draws in a square of 109


def test_it_knows_real_characters_from_their_mirror_images(sketcher, real):
    flipped = [rows * np.float32([-1, 1, 1]) for rows in real]
    nats, mirrored = (_nats_per_point(sketcher, drawings) for drawings in (real, flipped))
    assert np.mean(nats) < NATS_PER_POINT
    assert np.mean(nats < mirrored) >= 0.9


def _nats_per_point(sketcher, drawings, **options) -> np.ndarray:
    scores = sketcher.score(drawings, **options)
    return np.array([one["nats"] / (one["points"] + 1) for one in scores])


# --- without TensorFlow ----------------------------------------------------------------------


def test_the_tflite_file_scores_as_the_keras_model_does(sketcher, device, real):
    nats = _nats_per_point(sketcher, real)
    np.testing.assert_allclose(_nats_per_point(device, real), nats, rtol=0, atol=0.05)


def test_run_and_tflite_file_know_their_canvas(sketcher, device):
    assert config.canvas(sketcher.config) == config.canvas(device.config) == 109


def test_the_tflite_file_draws_without_tensorflow(tmp_path):
    code = (
        "import sys\n"
        "from sketch_rnn_tf.commands import sample\n"
        "code = sample.run(sys.argv[1:])\n"
        "heavy = {'tensorflow', 'keras'} & set(sys.modules)\n"
        "sys.exit(f'imports {heavy}' if heavy else code)\n"
    )
    arguments = [f"--model={KANJI}.tflite", "--num=9", "--json", f"--output={tmp_path / 'x.svg'}"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["ended"] >= 8
    assert (tmp_path / "x.svg").read_text().count("<path") >= 9


# --- in every command ------------------------------------------------------------------------


def _run(command, capsys, *arguments: str):
    """Returns what a command prints with --json; the package stays as it was."""
    before = _contents()
    assert command.run([f"--model={KANJI}", "--json", *arguments]) == 0
    assert _contents() == before
    return json.loads(capsys.readouterr().out)


@pytest.mark.large
def test_sample_draws_with_it(capsys, tmp_path):
    path = tmp_path / "kanji.svg"
    assert _run(sample, capsys, "--num=4", f"--output={path}")["num"] == 4
    assert path.read_text().startswith("<svg")


@pytest.mark.large
def test_score_and_evaluate_agree_on_real_characters(capsys, data_dir):
    found = _run(evaluate, capsys, f"--data_dir={data_dir}", "--split=test")
    scores = _run(score, capsys, f"--input={data_dir}", "--split=test")["sketches"]
    nats = sum(one["offset_nats"] + one["pen_nats"] for one in scores)
    points = sum(one["points"] for one in scores)
    assert found["nats_per_point"] == pytest.approx(nats / points, abs=1e-4)
    assert found["nats_per_point"] < NATS_PER_POINT


@pytest.mark.large
def test_export_writes_it_in_other_forms(capsys, tmp_path):
    arguments = ["--format=run", f"--output_dir={tmp_path}"]
    folder = pathlib.Path(_run(export, capsys, *arguments)["written"]["run"])
    again, first = (runs.open_run(path) for path in (folder, KANJI))
    assert again.config == first.config
    weights = [run.load_model().get_weights() for run in (again, first)]
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.large
@pytest.mark.usefixtures("quick_graphs")
def test_training_starts_from_it_and_never_trains_it(capsys, tmp_path, data_dir):
    arguments = [f"--data_dir={data_dir}", f"--init_from={KANJI}", "--train_steps=1"]
    assert train.run([*arguments, f"--run_dir={tmp_path / 'run'}", "--set=batch_size=2"]) == 0
    run = runs.open_run(tmp_path / "run")
    assert run.config.model == runs.open_run(KANJI).config.model
    assert run.config.initial_weights == files.sha256_of_file(FOLDER / "kanji" / "best.keras")
    before = _contents()
    assert train.run([*arguments, f"--run_dir={KANJI}"]) == cli.FAILURE
    assert "is for reading only" in capsys.readouterr().err
    assert _contents() == before
