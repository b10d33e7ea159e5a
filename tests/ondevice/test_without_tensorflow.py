"""Everything on a device works where TensorFlow was never installed, in a fresh environment."""

from __future__ import annotations

import importlib.metadata
import json
import pathlib
import subprocess
import venv

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# What `pip install numpy ai-edge-litert` brings; the second line is LiteRT's own.
LIBRARY = (
    *("numpy", "ai-edge-litert"),
    *("backports.strenum", "flatbuffers", "protobuf", "tqdm", "typing_extensions", "ml_dtypes"),
)
RUNNING = (*LIBRARY, "absl-py", "pillow")  # for the commands, and for PNG and GIF
READING = ("google-crc32c", "orjson")  # for drawings from files
pytestmark = pytest.mark.large


def _environment(path: pathlib.Path, packages) -> pathlib.Path:
    """Makes an environment with links to installed packages and returns its Python."""
    venv.create(path, with_pip=False)
    python = path / "bin" / "python"
    code = "import site; print(site.getsitepackages()[0])"
    site = pathlib.Path(_run(python, "-c", code).stdout.strip())
    for name in packages:
        try:
            listed = importlib.metadata.files(name) or []
        except importlib.metadata.PackageNotFoundError:
            continue  # not needed by this version
        for file in listed:
            _link(pathlib.Path(file.locate()), site, file.parts)
    for package in ("sketch_rnn_tf", "data_prep"):
        (site / package).symlink_to(ROOT / package)
    return python


def _link(place: pathlib.Path, site: pathlib.Path, parts) -> None:
    """Links one file, so that namespace packages such as `google` hold no others' parts."""
    if ".." in parts or "__pycache__" in parts or not place.is_file():
        return
    target = site.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    if not target.exists():
        target.symlink_to(place.resolve())


def _run(python, *arguments, **options) -> subprocess.CompletedProcess:
    done = subprocess.run([python, *arguments], capture_output=True, text=True, **options)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")
    return _environment(tmp_path_factory.mktemp("bare") / "env", RUNNING)


@pytest.fixture(scope="module")
def library_python(tmp_path_factory):
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")
    return _environment(tmp_path_factory.mktemp("library") / "env", LIBRARY)


@pytest.fixture(scope="module")
def reading_python(tmp_path_factory):
    pytest.importorskip("ai_edge_litert", reason="needs ai-edge-litert: pip install '.[litert]'")
    return _environment(tmp_path_factory.mktemp("reading") / "env", (*RUNNING, *READING))


SAMPLE = ("-m", "sketch_rnn_tf.commands.sample")


def test_help_is_shown(python, tmp_path):
    assert "--temperature" in _run(python, *SAMPLE, "--help", cwd=tmp_path).stdout


def test_sketches_are_drawn_in_every_format_and_quietly(python, litert_files, tmp_path):
    outputs = [f"drawn.{suffix}" for suffix in ("svg", "png", "gif", "json", "npz")]
    flags = [word for output in outputs for word in ("--output", output)]
    model = ("--model", litert_files / "model_int8.tflite")
    done = _run(python, *SAMPLE, *model, "--num", "3", *flags, cwd=tmp_path)
    assert all((tmp_path / output).stat().st_size for output in outputs)
    assert len(json.loads((tmp_path / "drawn.json").read_text())["sketches"]) == 3
    assert done.stderr.splitlines() == [done.stderr.strip()]  # one line, its own


def test_the_library_needs_numpy_and_litert_only(library_python, litert_files, tmp_path):
    code = (
        "import importlib.util as u\n"
        "missing = ('tensorflow', 'keras', 'scipy', 'google_crc32c', 'orjson', 'absl', 'PIL')\n"
        "assert not any(u.find_spec(name) for name in missing)\n"
        "from sketch_rnn_tf import ondevice\n"
        f"s = ondevice.open({str(litert_files / 'model.tflite')!r}, threads=1, xnnpack=False)\n"
        "print(len(s.generate(2)), len(list(s.points(seed=1))) > 0)\n"
        "s.generate(2).save('drawn.svg')\n"
    )
    done = _run(library_python, "-c", code, cwd=tmp_path)
    assert done.stdout.split() == ["2", "True"]
    assert not done.stderr  # LiteRT's own words are left out
    assert (tmp_path / "drawn.svg").stat().st_size


@pytest.mark.parametrize("task", ["complete", "reconstruct", "interpolate"])
def test_drawings_from_files_go_through_every_task(reading_python, litert_files, tmp_path, task):
    drawings = np.empty(3, object)
    for i in range(3):
        drawings[i] = np.int16([[0, 0, 0], [5 + i, 2, 0], [3, -4 * i, 1], [1, 1, 0]])
    np.savez(tmp_path / "given.npz", train=drawings, valid=drawings[:0], test=drawings[:0])
    line = json.dumps({"word": "hook", "drawing": [[[0, 9, 30], [0, 40, 20]], [[5, 6], [7, 9]]]})
    (tmp_path / "given.ndjson").write_text(f"{line}\n" * 3)
    for name in ("given.npz", "given.ndjson"):
        flags = ("--task", task, "--input", name, "--index", "0,1", "--output", "drawn.svg")
        model = ("--model", litert_files / "model.tflite", "--overwrite")
        _run(reading_python, *SAMPLE, *model, *flags, cwd=tmp_path)
        assert (tmp_path / "drawn.svg").read_text().startswith("<svg")


def test_missing_readers_are_named_in_one_sentence(python, litert_files, tmp_path):
    (tmp_path / "given.ndjson").write_text('{"drawing": [[[0, 9], [0, 40]]]}\n')
    flags = ("--task", "complete", "--input", "given.ndjson", "--output", "drawn.svg")
    done = subprocess.run(
        [python, *SAMPLE, "--model", litert_files / "model.tflite", *flags],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        "sketch-rnn-sample: this needs google-crc32c: pip install sketch-rnn-tf\n"
    )


def test_scores_need_no_tensorflow(reading_python, litert_files, tmp_path):
    (tmp_path / "given.ndjson").write_text('{"drawing": [[[0, 9], [0, 40]]]}\n')
    model = ("--model", litert_files / "model.tflite", "--input", "given.ndjson", "--json")
    command = ("-m", "sketch_rnn_tf.commands.score")
    done = _run(reading_python, *command, *model, cwd=tmp_path)
    (found,) = json.loads(done.stdout)["sketches"]
    assert found["nats"] == found["offset_nats"] + found["pen_nats"] + found["end_nats"]


def test_what_needs_tensorflow_says_so(python, tmp_path):
    code = "import sketch_rnn_tf\ntry: sketch_rnn_tf.load_model\nexcept ImportError as e: print(e)"
    done = _run(python, "-c", code, cwd=tmp_path)
    assert done.stdout.startswith("sketch_rnn_tf.load_model needs TensorFlow: pip install ")
    command = ("-m", "sketch_rnn_tf.commands.sample", "--model", "pretrained:kanji")
    done = subprocess.run(
        [python, *command, "--output", "drawn.svg"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.startswith("sketch-rnn-sample: this needs TensorFlow: ")
    assert len(done.stderr.splitlines()) == 1
