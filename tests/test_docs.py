"""The pages: what they tell people to run runs, and they can be made without a broken link."""

from __future__ import annotations

import importlib
import importlib.util
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from sketch_rnn_tf.commands import opening

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = pathlib.Path(__file__).resolve().parents[1]
SCRIPTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
# Pages whose blocks under `<!-- run -->` are run in this order, each going on where the last ended.
PAGES = ("start.md", "onnx.md")
SMALLER = {
    "--train_steps 2000": "--train_steps 2 --set batch_size=4,encoder.units=8,decoder.units=8",
    "--num 25": "--num 2",
    "--num 16": "--num 2",
}
_BLOCK = re.compile(r"<!-- run -->\n```(\w+)\n(.*?)```", re.DOTALL)


def _blocks(page: str) -> list[tuple[str, str]]:
    """Returns the language and the text of every block that is to be run."""
    return _BLOCK.findall((ROOT / "docs" / page).read_text("utf-8"))


def _run_line(line: str) -> None:
    """Runs a command of ours in this process."""
    for long, short in SMALLER.items():
        line = line.replace(long, short)
    script, *arguments = shlex.split(line)
    module, function = SCRIPTS[script].split(":")
    assert getattr(importlib.import_module(module), function)(arguments) == 0, line


@pytest.mark.large
def test_what_the_pages_tell_people_to_run_runs(tmp_path, monkeypatch):
    pytest.importorskip("onnxruntime")
    # TensorFlow runs already, and takes no other number of threads.
    monkeypatch.setattr(opening, "use_threads", lambda *parts: None)
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "examples" / "drawings", "examples/drawings")
    for page in PAGES:
        blocks = _blocks(page)
        assert blocks, page
        for language, text in blocks:
            if language == "python":
                exec(compile(text, page, "exec"), {})
            for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
                _run_line(line)
    for name in ("kanji.svg", "sheet.png", "drawings.svg", "nine.svg", "exported/onnx/step.onnx"):
        assert pathlib.Path(name).stat().st_size


def _conf():
    """Returns the module docs/conf.py."""
    spec = importlib.util.spec_from_file_location("conf", ROOT / "docs" / "conf.py")
    conf = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(conf)
    return conf


def test_the_reference_has_every_command_and_flag(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    page = _conf().command_reference()
    assert re.findall(r"^## (\S+)$", page, re.MULTILINE) == sorted(
        SCRIPTS, key=lambda script: page.index(f"## {script}\n")
    )
    for flag in ("--simplify_epsilon", "--train_steps", "--temperature", "--web_weights", "--port"):
        assert f"| `{flag}` |" in page


@pytest.mark.large
def test_the_pages_are_made_without_a_warning(tmp_path):
    pytest.importorskip("sphinx")
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("_*"))
    for name in ("sketch_rnn_tf", "data_prep", "examples", "experiments", "benchmarks", "tests"):
        (tmp_path / name).symlink_to(ROOT / name)
    for path in ROOT.glob("*.*"):
        if path.is_file():
            (tmp_path / path.name).symlink_to(path)
    (tmp_path / "LICENSE").symlink_to(ROOT / "LICENSE")
    built = tmp_path / "html"
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", tmp_path / "docs", built],
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    reference = (built / "api.html").read_text("utf-8")
    assert "interpolate" in reference
    assert "units per normalized unit" in reference  # from a docstring
    assert (built / "repository" / "sketch_rnn_tf" / "model" / "decoder.py.html").exists()
