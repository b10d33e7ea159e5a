"""The notebook runs from its first cell to its last, with a tiny configuration."""

from __future__ import annotations

import ast
import json
import pathlib

import pytest

NOTEBOOK = pathlib.Path(__file__).resolve().parents[1] / "examples" / "your_own_drawings.ipynb"
TINY = {
    "TRAIN_FLAGS = []": 'TRAIN_FLAGS = ["--train_steps=3"]',
    'DRAWINGS = "drawings"': f'DRAWINGS = "{NOTEBOOK.parent / "drawings"}"',
    "tempfile.mkdtemp(prefix=": "tempfile.mkdtemp(dir=FOLDER, prefix=",
}


def _cells() -> list[str]:
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    return ["".join(c["source"]) for c in content["cells"] if c["cell_type"] == "code"]


def _run(cell: str, names: dict):
    """Executes a cell and returns the value of its last line, as Jupyter shows it."""
    tree = ast.parse(cell)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    return last and eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)


def _tiny(cell: str) -> str:
    for words, fewer in TINY.items():
        assert cell.count(words) == 1
        cell = cell.replace(words, fewer)
    return cell


@pytest.mark.large
@pytest.mark.usefixtures("quick_graphs")
def test_ten_cells_lead_from_svg_files_to_a_page(tmp_path):
    cells, names = _cells(), {"FOLDER": tmp_path}
    shown = [_run(cell, names) for cell in [cells[0], _tiny(cells[1]), *cells[2:]]]
    assert len(cells) == 10
    assert [value for value in shown if isinstance(value, int)] == [0, 0]  # the commands' codes
    drawn = [value for value in shown if hasattr(value, "_repr_svg_")]
    assert [len(value) for value in drawn] == [6, 12, 5, 8]
    assert all(value._repr_svg_() for value in drawn)
    assert set(names["names"]) == {"fish", "house"}
    assert shown[-1].is_relative_to(tmp_path)
    assert "<canvas" in shown[-1].read_text("utf-8")


def test_the_notebook_keeps_the_pictures_it_drew():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    outputs = [out for cell in content["cells"] for out in cell.get("outputs", [])]
    assert sum("image/svg+xml" in out.get("data", {}) for out in outputs) == 4
    assert "Error" not in json.dumps(outputs)
