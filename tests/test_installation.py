"""What is built and installed: complete files, and all that works without TensorFlow."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import sysconfig
import tarfile
import urllib.request
import venv
import zipfile

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
PACKAGES = ("sketch_rnn_tf", "data_prep")
HEAVY = {"tensorflow", "keras", "tf_keras", "tensorboard", "scipy", "h5py", "numba", "onnx"}
TENSORFLOW = "pip install 'sketch-rnn-tf[tensorflow]'"
pytestmark = pytest.mark.large


def _run(*command, cwd, code: int = 0) -> subprocess.CompletedProcess:
    """Runs a command outside of the repository; its Python path is its own."""
    environment = {key: os.environ[key] for key in os.environ if key != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), cwd=cwd, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    return done


# --- what is built -----------------------------------------------------------------------------


def test_the_wheel_holds_every_file_of_the_packages(distributions):
    with zipfile.ZipFile(distributions.wheel) as archive:
        held = {name for name in archive.namelist() if name.split("/")[0] in PACKAGES}
    there = {
        path.relative_to(distributions.tree).as_posix()
        for package in PACKAGES
        for path in (distributions.tree / package).rglob("*")
        if path.is_file()
    }
    assert held == there
    for file in ("py.typed", "pretrained/kanji/best.keras", "export/web/page/page.html"):
        assert f"sketch_rnn_tf/{file}" in held
    assert "sketch_rnn_tf/drawing/dejavu/DejaVuSans.ttf" in held
    assert "sketch_rnn_tf/export/saved_model/templates/kubernetes.yaml" in held


def test_the_source_distribution_holds_the_repository(distributions):
    with tarfile.open(distributions.sdist) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    there = {
        path.relative_to(distributions.tree).as_posix()
        for path in distributions.tree.rglob("*")
        if path.is_file() and not {"build", "dist"} & set(path.parts)
    }
    assert not {name for name in there - held if ".egg-info" not in name}


def test_an_index_would_take_both(distributions, tmp_path):
    files = (distributions.wheel, distributions.sdist)
    _run(sys.executable, "-m", "twine", "check", "--strict", *files, cwd=tmp_path)
    contents = pathlib.Path(sys.executable).with_name("check-wheel-contents")
    _run(contents, "--toplevel", ",".join(PACKAGES), distributions.wheel, cwd=tmp_path)


def test_the_wheel_draws_with_the_model_in_it(distributions, tmp_path):
    """TensorFlow comes from the environment of the tests, everything of ours from the wheel."""
    venv.create(tmp_path / "env")  # a pip of its own would take longer than all of the rest
    python = tmp_path / "env" / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python)
    _run(*pip, "install", "-q", "--no-deps", distributions.wheel, cwd=tmp_path)
    site = pathlib.Path(
        _run(python, "-c", "import site; print(*site.getsitepackages())", cwd=tmp_path)
        .stdout.strip()
    )  # fmt: skip
    (site / "tensorflow.pth").write_text(sysconfig.get_paths()["purelib"])
    where = _run(python, "-c", "import sketch_rnn_tf as s; print(s.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(site))
    sample = python.with_name("sketch-rnn-sample")
    _run(sample, "--model=pretrained:kanji", "--num=2", "--output=kanji.svg", cwd=tmp_path)
    assert (tmp_path / "kanji.svg").read_text().startswith("<svg")


# --- without TensorFlow ------------------------------------------------------------------------


def test_an_installation_without_extras_is_light(lean_python, tmp_path):
    listed = _run(lean_python, "-m", "pip", "list", "--format=json", cwd=tmp_path).stdout
    names = {one["name"].lower().replace("-", "_") for one in json.loads(listed)}
    assert "sketch_rnn_tf" in names
    assert not names & HEAVY
    _run(lean_python, "-m", "pip", "check", cwd=tmp_path)


def test_drawings_are_prepared_and_looked_at(lean_python, tmp_path):
    command = lean_python.parent
    given = ("--input", ROOT / "examples" / "drawings", "--output_dir", "data", "--json")
    done = _run(command / "sketch-rnn-prepare", *given, cwd=tmp_path)
    assert json.loads(done.stdout)["splits"]["train"]
    sheet = ("--data_dir", "data", "--output", "sheet.png")
    _run(command / "sketch-rnn-inspect", *sheet, cwd=tmp_path)
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")


def test_tflite_models_draw_and_score(lean_python, tmp_path):
    command, model = lean_python.parent, ("--model", "pretrained:kanji.tflite")
    outputs = [f"drawn.{suffix}" for suffix in ("svg", "png", "gif", "json", "npz")]
    flags = [f"--output={name}" for name in outputs]
    _run(command / "sketch-rnn-sample", *model, "--num=3", *flags, cwd=tmp_path)
    assert all((tmp_path / name).stat().st_size for name in outputs)
    given = ("--input", "drawn.svg", "--json")
    done = _run(command / "sketch-rnn-score", *model, *given, cwd=tmp_path)
    assert json.loads(done.stdout)["sketches"][0]["nats"]
    code = (
        "from sketch_rnn_tf import drawing, ondevice\n"
        "drawn = ondevice.open('pretrained:kanji.tflite').generate(2, seed=1)\n"
        "drawn.save('two.png'), drawing.svg(drawn[0])\n"
    )
    _run(lean_python, "-c", code, cwd=tmp_path)
    assert (tmp_path / "two.png").exists()


def test_pages_are_written_and_served(lean_python, tmp_path):
    command = lean_python.parent
    collect = ("--classes", "fish,house", "--output", "collect.html")
    _run(command / "sketch-rnn-collect", *collect, cwd=tmp_path)
    assert "fish" in (tmp_path / "collect.html").read_text()
    with subprocess.Popen(
        [command / "sketch-rnn-play", "--model=pretrained:kanji", "--noopen"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        try:
            address = process.stdout.readline().strip()
            assert address, process.stderr.read()
            with urllib.request.urlopen(address, timeout=60) as page:
                assert b"<title>" in page.read()
        finally:
            process.kill()


@pytest.mark.parametrize(
    "command",
    [
        "sample --model=pretrained:kanji --output=x.svg",
        "score --model=pretrained:kanji --input=begun.json",
        "export --model=pretrained:kanji --output_dir=exported",
        "train --data_dir=DATA --run_dir=run",
        "evaluate --model=pretrained:kanji --data_dir=DATA",
        "import --input=model.gen.json --output_dir=run",
    ],
)
def test_commands_that_need_tensorflow_say_how_to_get_it(lean_python, tmp_path, command):
    data = ROOT / "tests" / "testdata" / "older_run" / "data"
    (tmp_path / "begun.json").write_text('{"drawing": [[[0, 9], [0, 40]]]}')
    (tmp_path / "model.gen.json").write_text("[]")
    name, *flags = command.replace("DATA", str(data)).split()
    done = _run(lean_python.with_name(f"sketch-rnn-{name}"), *flags, cwd=tmp_path, code=1)
    assert done.stderr.startswith(f"sketch-rnn-{name}: ")
    assert TENSORFLOW in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "run").exists()
    assert not (tmp_path / "exported").exists()


def test_litert_is_asked_for_in_one_sentence(lean_python):
    code, _, message = lean_python.with_name("without_litert.txt").read_text().partition(" ")
    assert code == "1"
    assert message == (
        "sketch-rnn-sample: running .tflite files needs LiteRT:"
        " pip install 'sketch-rnn-tf[litert]'\n"
    )


@pytest.mark.parametrize(
    ("code", "extra"),
    [
        ("import sketch_rnn_tf; sketch_rnn_tf.load_model", "tensorflow"),
        ("from sketch_rnn_tf import SketchRNN", "tensorflow"),
        ("import sketch_rnn_tf; sketch_rnn_tf.Sketcher(object(), scale_factor=1)", "tensorflow"),
        ("from sketch_rnn_tf import serving; serving.connect('grpc://localhost:1')", "serving"),
        ("from data_prep import readers; list(readers.read('package:kanjivg'))", "kanjivg"),
        ("from data_prep.conversion import tracing", "trace"),
    ],
)
def test_python_names_that_need_an_extra_name_it(lean_python, tmp_path, code, extra):
    done = _run(lean_python, "-c", code, cwd=tmp_path, code=1)
    assert f"pip install 'sketch-rnn-tf[{extra}]'" in done.stderr.splitlines()[-1]
