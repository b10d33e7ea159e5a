"""docs/architecture.md names every module, and nothing that is not there."""

from __future__ import annotations

import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text("utf-8")


def test_every_module_is_on_the_map():
    modules = {
        path.relative_to(ROOT).as_posix()
        for package in ("data_prep", "sketch_rnn_tf")
        for path in (ROOT / package).rglob("*.py")
        if path.name != "__init__.py"
    }
    linked = set(re.findall(r"\]\(\.\./([\w/]+\.py)\)", PAGE))
    assert modules - linked == set()


def test_every_link_leads_somewhere():
    links = re.findall(r"\]\((\.\./[^)#]+)\)", PAGE)
    assert links
    assert [link for link in links if not (ROOT / "docs" / link).exists()] == []
