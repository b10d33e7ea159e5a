"""The pages of docs/ can be made without a broken link; the reference has all commands."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys

import pytest
from blocks import ROOT, SCRIPTS


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
