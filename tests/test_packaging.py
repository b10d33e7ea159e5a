"""What is installed: console scripts, one version, packages, and the promises of the Makefile."""

from __future__ import annotations

import configparser
import fnmatch
import importlib
import os
import pathlib
import re
import shutil
import subprocess
import sys
import warnings

import pytest

import sketch_rnn_tf

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = pathlib.Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
SCRIPTS = PROJECT["project"]["scripts"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_console_scripts_resolve(script):
    module, function = SCRIPTS[script].split(":")
    assert module == "sketch_rnn_tf.console"  # where Ctrl-C during imports has its one line
    assert callable(getattr(importlib.import_module(module), function))


def test_every_command_answers_help_without_tensorflow():
    code = (
        "import contextlib, importlib, io, sys\n"
        f"for script, target in {SCRIPTS!r}.items():\n"
        "    module, function = target.split(':')\n"
        "    out = io.StringIO()\n"
        "    with contextlib.redirect_stdout(out):\n"
        "        code = getattr(importlib.import_module(module), function)(['--help'])\n"
        "    assert code == 0, script\n"
        "    assert out.getvalue().startswith(f'usage: {script} '), script\n"
        "    heavy = {'tensorflow', 'keras', 'PIL', 'scipy'} & set(sys.modules)\n"
        "    assert not heavy, f'{script} --help imports {heavy}'\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_command_runs_as_a_module():
    scripts = (ROOT / "sketch_rnn_tf" / "console.py").read_text("utf-8")
    modules = dict(re.findall(r'= _script\("(.+)", "(.+)"\)', scripts))
    assert set(modules) == set(SCRIPTS)
    for module in modules.values():
        code = (ROOT / (module.replace(".", "/") + ".py")).read_text("utf-8")
        assert 'if __name__ == "__main__":\n    sys.exit(run())\n' in code, module


def test_the_version_has_one_home():
    assert "version" not in PROJECT["project"]
    assert "version" in PROJECT["project"]["dynamic"]
    home = PROJECT["tool"]["setuptools"]["dynamic"]["version"]
    assert home == {"attr": "sketch_rnn_tf.__version__"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", sketch_rnn_tf.__version__)


def test_every_folder_of_code_is_a_package_that_setuptools_takes():
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    patterns = config["options.packages.find"]["include"].split()
    for name in ("sketch_rnn_tf", "data_prep"):
        assert any(fnmatch.fnmatch(name, pattern) for pattern in patterns)
        for path in (ROOT / name).rglob("*.py"):
            assert (path.parent / "__init__.py").exists(), path


def test_public_names_resolve_and_unknown_ones_do_not():
    for name in sketch_rnn_tf.__all__:
        assert getattr(sketch_rnn_tf, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'Sketcherr'"):
        _ = sketch_rnn_tf.Sketcherr


@pytest.mark.parametrize("module", ["sketch_rnn_tf.strokes", "data_prep.conversion.simplify"])
def test_warnings_from_our_own_code_are_errors(module):
    with pytest.raises(UserWarning, match="ours"):
        warnings.warn_explicit("ours", UserWarning, "f.py", 1, module=module)


# --- the Makefile ------------------------------------------------------------------------------


@pytest.fixture
def make(tmp_path):
    """Returns a function that runs make in a folder with the Makefile alone."""
    if not shutil.which("make"):
        pytest.skip("needs make")
    shutil.copy(ROOT / "Makefile", tmp_path)
    for name in ("pyproject.toml", "setup.cfg"):
        (tmp_path / name).touch()

    def run(*arguments: str, path: str = os.environ["PATH"], **variables: str):
        environment = {key: os.environ[key] for key in os.environ if not key.startswith("MAKE")}
        return subprocess.run(
            [shutil.which("make"), *arguments],
            cwd=tmp_path,
            env={**environment, "PATH": path, **variables},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def test_make_alone_prints_help(make):
    done = make()
    assert done.returncode == 0
    for target in ("make quickstart", "make test", "make lint", "make clean"):
        assert target in done.stdout


def _fake(folder: pathlib.Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_make_refuses_windows_and_intel_macs_in_one_sentence(make, tmp_path):
    done = make("test", OS="Windows_NT")
    assert done.returncode != 0
    assert "Windows is not supported" in done.stderr
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    _fake(bin_, "uname", "echo Darwin x86_64")
    done = make("quickstart", path=f"{bin_}:{os.environ['PATH']}")
    assert done.returncode != 0
    assert "no TensorFlow 2.21 for Intel Macs" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert make(path=f"{bin_}:{os.environ['PATH']}").returncode == 0  # help


def test_make_takes_the_first_python_that_works(make, tmp_path):
    bin_ = tmp_path / "bin"
    bin_.mkdir()
    _fake(bin_, "python3.11", "exit 127")  # there, but broken
    for name in ("python3.12", "python3.13", "mine"):
        _fake(bin_, name, f'[ "$1" = -c ] || {{ echo "made by {name}"; exit 1; }}')
    path = f"{bin_}:{os.environ['PATH']}"
    assert "made by python3.12\n" in make("lint", path=path).stdout
    assert "made by mine\n" in make("lint", "PYTHON=mine", path=path).stdout
    done = make("lint", "PYTHON=python3.11", path=path)
    assert done.returncode != 0
    assert "found no Python 3.10 to 3.13" in done.stderr


def test_quickstart_does_only_what_is_not_done(make, tmp_path):
    venv, out = tmp_path / ".venv", tmp_path / "quickstart"
    (out / "data").mkdir(parents=True)
    (venv / "bin").mkdir(parents=True)
    for name in ("made", "installed-quickstart"):
        (venv / name).touch()
    for name in ("prepare", "evaluate", "export"):
        _fake(venv / "bin", f"sketch-rnn-{name}", f"echo {name} >> log")
    _fake(venv / "bin", "sketch-rnn-train", "echo train >> log; exit 1")  # interrupted
    _fake(
        venv / "bin",
        "sketch-rnn-prepare",
        "echo prepare >> log; touch quickstart/data/dataset.json",
    )
    assert make("quickstart").returncode != 0
    _fake(venv / "bin", "sketch-rnn-train", "echo train >> log")  # by SIGTERM, which is no error
    done = make("quickstart")
    assert done.returncode != 0
    assert "Training was stopped; the same command goes on." in done.stdout
    _fake(
        venv / "bin",
        "sketch-rnn-train",
        "echo train >> log; mkdir quickstart/run; touch quickstart/run/report.html",
    )
    _fake(
        venv / "bin", "sketch-rnn-sample", 'echo sample >> log; for last; do :; done; touch "$last"'
    )
    for _ in range(2):
        done = make("quickstart")
        assert done.returncode == 0, done.stderr
        told = [line.split()[0] for line in done.stdout.splitlines()[-8:]]
        assert told == [
            *("quickstart/kanji.png", "quickstart/reconstructions.png", "quickstart/walk.png"),
            *("quickstart/box_reconstructions.png", "quickstart/box_walk.png"),
            *("quickstart/litert.png", "quickstart/doodles.png", "quickstart/evaluation.json"),
        ]
    steps = (tmp_path / "log").read_text().split()
    assert steps == ["prepare", *3 * ["train"], "evaluate", "sample", "export", *6 * ["sample"]]
