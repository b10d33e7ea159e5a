"""JavaScript, TypeScript and CSS are as Biome wants them."""

from __future__ import annotations

import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]


@pytest.mark.large
def test_javascript_is_formatted_and_linted():
    npx = shutil.which("npx")
    if npx is None:
        pytest.skip("needs npx (Node.js)")
    version = re.search(r"^BIOME := (.+)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    command = [npx, "--yes", f"@biomejs/biome@{version[1]}", "check", "--colors=off", "."]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    if "npm error" in done.stderr:
        pytest.skip("needs @biomejs/biome from npm, which cannot be had here")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"Checked \d\d files", done.stdout + done.stderr)
