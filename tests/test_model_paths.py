"""What people give as a model leads to the model, or to a sentence with the path that works."""

from __future__ import annotations

import pathlib

import pytest

from sketch_rnn_tf import model_paths, pretrained, runs
from sketch_rnn_tf.model_paths import Kind

KANJI = pretrained.resolve("pretrained:kanji")


@pytest.fixture
def exported(tmp_path) -> pathlib.Path:
    """Returns a folder like those of users, of empty files."""
    names = (
        "mine/config.json", "mine/best.keras", "mine/last.keras",
        "mine/checkpoints/step-00000120/model.keras", "out/litert/model.tflite",
        "out/litert/step.tflite", "out/saved_model/2/saved_model.pb",
        "out/saved_model/10/saved_model.pb", "loose/best.keras", "bird.gen.json",
        "magenta/vector-7.index", "empty/readme.txt", "out/web/model.bin", "out/onnx/step.onnx",
        "data/dataset.json", "out/js/cat.gen.json",
    )  # fmt: skip
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    ("given", "kind", "found"),
    [
        ("mine", Kind.RUN, "mine"),
        ("mine/best.keras", Kind.RUN, "mine"),
        ("mine/config.json", Kind.RUN, "mine"),
        ("out/litert", Kind.TFLITE, "out/litert/model.tflite"),
        ("out/litert/step.tflite", Kind.TFLITE, "out/litert/step.tflite"),
        ("out/saved_model", Kind.SAVED_MODEL, "out/saved_model/10"),
        ("out/saved_model/2", Kind.SAVED_MODEL, "out/saved_model/2"),
    ],
)
def test_paths_near_a_model_lead_to_it(exported, given, kind, found):
    assert model_paths.find(exported / given) == (kind, exported / found)


@pytest.mark.parametrize("name", ["kanji", "pretrained:kanji"])
def test_a_pretrained_model_needs_no_prefix(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert model_paths.run(name) == KANJI
    assert model_paths.tflite(f"{name}.tflite") == KANJI.with_suffix(".tflite")


def test_a_folder_of_ones_own_comes_before_a_pretrained_model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "kanji").mkdir()
    (tmp_path / "kanji" / "config.json").touch()
    assert model_paths.run("kanji") == pathlib.Path("kanji")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mine/last.keras", r"expected a run directory: .*mine and --checkpoint last"),
        (
            "mine/checkpoints/step-00000120",
            r"a run directory: .*mine and --checkpoint 120",
        ),
        ("mine/checkpoints/step-00000120/model.keras", r"mine and --checkpoint 120"),
        ("loose/best.keras", r"keras\.models\.load_model opens it"),
        ("bird.gen.json", r"sketch-rnn-import --input .*bird\.gen\.json"),
        ("magenta", r"sketch-rnn-import --input .*magenta "),
        ("out", r"holds no config\.json\); there is .*out/litert/model\.tflite"),
        ("", r"holds no config\.json\); there is .*mine"),
        ("empty", r"is not a run directory \(it holds no config\.json\)$"),
        ("mine/checkpoints", r"a part of a run directory: give .*mine$"),
        ("data", r"is a data set, expected a run directory: sketch-rnn-train --data_dir .*data$"),
        ("out/js", r"sketch-rnn-import --input .*cat\.gen\.json makes one a run"),
        ("doodels", r"\(did you mean pretrained:doodles\?\)"),
        ("out/web", r"sketch-rnn-play --model opens it"),
        ("out/onnx", r"an export for other runtimes"),
        ("nowhere", r"there is no such file or folder; pretrained:doodles, .*pretrained:kanji"),
    ],
)
def test_other_paths_are_refused_with_what_would_work(exported, given, message):
    with pytest.raises(ValueError, match=message):
        model_paths.find(exported / given)


def test_what_cannot_do_a_task_says_so(exported):
    with pytest.raises(ValueError, match=r"a \.tflite file draws and scores"):
        runs.open_run(exported / "out" / "litert")
    with pytest.raises(ValueError, match="is a SavedModel for TensorFlow Serving"):
        runs.open_run(exported / "out" / "saved_model" / "2")
    with pytest.raises(ValueError, match=r"is a run directory, expected a \.tflite file"):
        model_paths.tflite(exported / "mine")


def test_a_run_opens_by_its_best_weights_and_a_pretrained_one_by_its_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    expected = runs.open_run("pretrained:kanji")
    assert runs.open_run(KANJI / "best.keras") == runs.open_run("kanji") == expected
