"""The notebook runs from its first cell to its last, with a tiny configuration."""

from __future__ import annotations

import ast
import json
import pathlib

import pytest

NOTEBOOK = pathlib.Path(__file__).resolve().parents[1] / "examples" / "your_own_drawings.ipynb"
TINY = {"FACES = 2000": "FACES = 200", "TRAIN_STEPS = 2000": "TRAIN_STEPS = 3"}
TINY |= {
    "UNITS = 160": "UNITS = 16",
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
def test_ten_cells_lead_from_svg_files_to_an_interpolation(tmp_path):
    cells, names = _cells(), {"FOLDER": tmp_path}
    cells[2] = cells[2].replace("target_length=45)", "target_length=45, workers=1)")
    shown = [_run(cell, names) for cell in [_tiny(cells[0]), *cells[1:]]]
    assert len(cells) == 10
    drawn = [len(value) for value in shown if hasattr(value, "_repr_svg_")]
    assert drawn[1:] == [12, 12, 10, 8]
    assert all(value._repr_svg_() for value in shown if hasattr(value, "_repr_svg_"))
    assert names["run"].path.is_relative_to(tmp_path)


def test_the_notebook_keeps_the_pictures_it_drew():
    content = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    outputs = [out for cell in content["cells"] for out in cell.get("outputs", [])]
    assert sum("image/svg+xml" in out.get("data", {}) for out in outputs) == 5
    assert "Error" not in json.dumps(outputs)
