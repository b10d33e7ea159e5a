"""Imports point down only, heavy things are imported where they belong."""

from __future__ import annotations

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[1]
# What a device needs, without absl; `progress` and `cli` are for commands.
DEVICE = {
    *("errors", "requirement", "strokes", "drawing", "config", "files", "pretrained"),
    *("latent_prior", "model_paths", "stderr"),
}
BOTTOM = DEVICE | {"progress", "cli", "interrupts", "keras_names", "own_code"}
LAYERS = [
    BOTTOM,
    {"sketcher"},
    {"model", "data"},
    {"sampling", "evaluation", "runs", "card", "recipe", "serving", "ondevice"},
    {"training", "export", "interop", "quality"},
    {"commands"},
    {"console"},
]
STRANGERS = [{"model", "data"}, {"training", "export"}]
DATA_PREP_MAY = (
    "sketch_rnn_tf.__version__",
    "sketch_rnn_tf.data.dataset",
    "sketch_rnn_tf.data.tfrecord",
    *(
        f"sketch_rnn_tf.{name}"
        for name in (
            *("errors", "requirement", "strokes", "drawing", "files", "progress", "cli"),
            "model_paths",
        )
    ),
)
PROBABILITY_MAY = {"sketch_rnn_tf/model/next_point.py", "sketch_rnn_tf/model/losses.py"}
# What runs on servers and devices too: NumPy only.
VERBS = ("sketch_rnn_tf.sketcher",)
ON_USE = {"drawing": {"PIL", "defusedxml"}, "ondevice": {"ai_edge_litert"}}


def _sources(package: str) -> list[pathlib.Path]:
    return sorted((ROOT / package).rglob("*.py"))


def _imports(source: str, top_only: bool = False) -> set[str]:
    """Returns the dotted names that Python code imports, in functions too."""
    tree = ast.parse(source)
    found = set()
    for node in tree.body if top_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            found |= {f"{base}.{alias.name}" for alias in node.names}
    return found


def _home(dotted: str) -> str | None:
    """Returns the part of sketch_rnn_tf that a dotted name belongs to."""
    parts = dotted.split(".")
    return parts[1] if parts[0] == "sketch_rnn_tf" and len(parts) > 1 else None


def _part(path: pathlib.Path) -> str:
    return path.relative_to(ROOT / "sketch_rnn_tf").parts[0].removesuffix(".py")


def _parts() -> dict[str, list[pathlib.Path]]:
    parts: dict[str, list[pathlib.Path]] = {}
    for path in _sources("sketch_rnn_tf"):
        parts.setdefault(_part(path), []).append(path)
    return parts


def _knows(part: str) -> set[str]:
    """Returns the other parts of sketch_rnn_tf that a part imports."""
    names = {_home(name) for path in _parts()[part] for name in _imports(path.read_text("utf-8"))}
    if part == "sketcher":
        names -= {"sampling"}  # a Sketcher of a live Keras model: imported on use, see `Sketcher`
    return names - {None, part, "__version__"}


def _rank(part: str) -> int:
    return next(rank for rank, layer in enumerate(LAYERS) if part in layer)


def test_the_reader_of_imports_sees_them_all():
    code = "import a.b\nfrom c import d as e, f\ndef g():\n  from h.i import j\n  import k as l\n"
    assert _imports(code) == {"a.b", "c.d", "c.f", "h.i.j", "k"}
    assert _imports(code, top_only=True) == {"a.b", "c.d", "c.f"}
    assert _imports("from . import x\nfrom ..y import z") == {"..x", "..y.z"}


def test_every_part_has_its_layer():
    known = set().union(*LAYERS) | {"__init__"}
    assert set(_parts()) <= known


@pytest.mark.parametrize("part", sorted(set(_parts()) - {"__init__"}))
def test_imports_point_down(part):
    for other in _knows(part):
        assert other in set().union(*LAYERS), f"{part} imports {other}"
        assert _rank(other) <= _rank(part), f"{part} imports {other}, which stands above it"
        assert {part, other} not in STRANGERS, f"{part} and {other} do not know each other"


def test_parts_of_one_layer_do_not_import_in_circles():
    for layer in LAYERS:
        left = {part: _knows(part) & layer for part in layer if part in _parts()}
        while left:
            free = {part for part, others in left.items() if not others & set(left)}
            assert free, f"a circle among {sorted(left)}"
            left = {part: others for part, others in left.items() if part not in free}


def test_ondevice_knows_the_bottom_and_what_needs_numpy_only():
    names = set().union(*(_imports(p.read_text("utf-8")) for p in _parts()["ondevice"]))
    others = {name for name in names if _home(name) not in DEVICE | {None, "ondevice"}}
    assert all(name.startswith(VERBS) for name in others), others


def test_the_verbs_know_the_bottom_and_each_other():
    for path in _parts()["sketcher"]:
        for other in _imports(path.read_text("utf-8")):
            known = _home(other) in DEVICE or other.startswith(VERBS)
            known |= other.split(".")[0] in {"numpy", *sys.stdlib_module_names}
            known |= other == "sketch_rnn_tf.sampling.keras_backend"  # on use, for Keras models
            assert known, f"{path} imports {other}"


def test_imports_are_absolute():
    for path in _sources("sketch_rnn_tf") + _sources("data_prep"):
        for name in _imports(path.read_text("utf-8")):
            # "from . import x" reads as "..x"
            assert not name.startswith("."), f"{path} imports {name}"


def test_the_bottom_needs_numpy_and_the_standard_library_only():
    for part in BOTTOM | {"ondevice"}:
        allowed = {"numpy", "sketch_rnn_tf", *sys.stdlib_module_names}
        allowed |= {"cli": {"absl"}, "progress": {"tqdm"}}.get(part, set())
        for path in _parts().get(part, []):
            code = path.read_text("utf-8")
            top = {name.split(".")[0] for name in _imports(code, top_only=True)}
            all_of_it = {name.split(".")[0] for name in _imports(code)}
            assert top <= allowed, f"{path} imports {top - allowed}"
            rest = all_of_it - allowed - ON_USE.get(part, set())
            assert not rest, f"{path} imports {rest}"


def test_data_prep_knows_a_few_parts_only():
    for path in _sources("data_prep"):
        for name in _imports(path.read_text("utf-8")):
            # "import sketch_rnn_tf" brings the version and nothing else
            if name.split(".")[0] == "sketch_rnn_tf" and name != "sketch_rnn_tf":
                known = any(name == may or name.startswith(f"{may}.") for may in DATA_PREP_MAY)
                assert known, f"{path} imports {name}"


def test_only_commands_know_data_prep():
    for path in _sources("sketch_rnn_tf"):
        if _part(path) != "commands":
            names = {name.split(".")[0] for name in _imports(path.read_text("utf-8"))}
            assert "data_prep" not in names, path


def test_only_next_point_and_losses_know_tensorflow_probability():
    for path in _sources("sketch_rnn_tf") + _sources("data_prep"):
        names = {name.split(".")[0] for name in _imports(path.read_text("utf-8"))}
        if path.relative_to(ROOT).as_posix() not in PROBABILITY_MAY:
            assert "tensorflow_probability" not in names, path


def _defines_flags(source: str) -> bool:
    return any(
        isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", "")).startswith("DEFINE_")
        for node in ast.walk(ast.parse(source))
    )


def test_only_commands_define_flags():
    assert _defines_flags("from absl import flags\nflags.DEFINE_bool('a', 1, 'b')")
    for path in _sources("sketch_rnn_tf") + _sources("data_prep"):
        place = path.relative_to(ROOT)
        code = path.read_text("utf-8")
        if not _defines_flags(code) or place.as_posix() == "sketch_rnn_tf/cli.py":
            continue
        in_commands = place.parts[:2] == ("sketch_rnn_tf", "commands")
        is_command = len(place.parts) == 2 and place.parts[0] == "data_prep"
        is_command = is_command and "sketch_rnn_tf.cli" in _imports(code)
        assert in_commands or is_command, place


def test_a_device_needs_no_absl():
    code = (
        "import sys\n"
        "from sketch_rnn_tf import ondevice\n"
        "sys.exit('absl' in sys.modules or 'tqdm' in sys.modules)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_bottom_imports_without_tensorflow():
    code = (
        "import sys, sketch_rnn_tf, sketch_rnn_tf.cli\n"
        "from sketch_rnn_tf import config, drawing, files, ondevice, strokes\n"
        "drawing.svg([[0, 0, 1]]), sketch_rnn_tf.__version__, dir(sketch_rnn_tf)\n"
        "heavy = {'tensorflow', 'keras', 'tensorflow_probability', 'PIL'} & set(sys.modules)\n"
        "sys.exit(f'imports {heavy}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
