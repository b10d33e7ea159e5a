import pathlib
import subprocess
import sys

import numpy as np
import pytest

import sketch_rnn_tf
from sketch_rnn_tf import ondevice, own_code
from sketch_rnn_tf.errors import UserError
from tests.data import written

OWN_CELL = pathlib.Path(__file__).resolve().parents[1] / "examples" / "own_cell.py"
# All in one process, as TensorFlow takes long to load.
COMMANDS = """
import sys
from sketch_rnn_tf.commands import export, sample, train
from sketch_rnn_tf.export.litert import calibration
from sketch_rnn_tf.model import sequence

sequence.SEGMENTS, calibration.POINTS = 1, 500  # which takes less time
cell, folder = sys.argv[1:]
settings = ("decoder.cell=coupled,decoder.units=8,encoder.units=4,z_size=4,batch_size=4,"
            "parallel_parts=1")
codes = [
    train.run([f"--import={cell}", f"--data_dir={folder}/data", f"--run_dir={folder}/run",
               f"--set={settings}", "--preset=small", "--train_steps=2"]),
    sample.run([f"--import={cell}", f"--model={folder}/run", f"--output={folder}/a.svg"]),
    export.run([f"--model={folder}/run", f"--import={cell}", f"--output_dir={folder}/out",
                "--format=litert,saved_model"]),
]
assert codes == [0, 0, 0], codes
"""


@pytest.fixture
def restored_modules():
    before, path = dict(sys.modules), list(sys.path)
    yield
    sys.modules.clear()
    sys.modules.update(before)
    sys.path[:] = path


@pytest.mark.large
def test_commands_train_draw_and_export_with_a_cell_of_ones_own(tmp_path, monkeypatch):
    rows = np.float32([[3, 4, 0], [5, -2, 0], [1, 1, 1]])
    written.write(tmp_path / "data", {"train": [(rows, 0)] * 8}, classes=("thing",))
    run = [sys.executable, "-c", COMMANDS, str(OWN_CELL), str(tmp_path)]
    done = subprocess.run(run, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "a.svg").stat().st_size > 500
    # What was exported needs the file no more.
    monkeypatch.delitem(sys.modules, "own_cell", raising=False)
    exported = ondevice.open(tmp_path / "out" / "litert")
    sketches = exported.generate(16, temperature=0.4, seed=0)
    assert "own_cell" not in sys.modules
    drawn = sketch_rnn_tf.read(tmp_path / "a.svg")
    assert len(drawn) == len(sketches) == 16
    for one, other in zip(drawn, sketches, strict=True):
        np.testing.assert_allclose(one, other, atol=0.02)  # SVG rounds


def test_a_file_is_imported_once_and_finds_what_lies_beside_it(tmp_path, restored_modules):
    (tmp_path / "beside_it.py").write_text("value = 7\n")
    (tmp_path / "of_mine.py").write_text("import beside_it\nvalue = [beside_it.value]\n")
    own_code.load(tmp_path / "of_mine.py")
    first = sys.modules["of_mine"].value
    own_code.load(str(tmp_path / "of_mine.py"))
    assert sys.modules["of_mine"].value is first
    assert first == [7]


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("not_there.py", None, "expected a Python file"),
        ("text.txt", "x = 1", "expected a Python file"),
        ("broken.py", "x = 1\ndef f(:\n", "line 2: "),
        ("mine.py", "import not_there_at_all", "imports not_there_at_all, which is neither"),
        ("json.py", "x = 1", "another module is called 'json'"),
    ],
)
def test_what_cannot_be_imported_is_told(tmp_path, restored_modules, name, text, told):
    if text is not None:
        (tmp_path / name).write_text(text)
    with pytest.raises(UserError, match=told):
        own_code.load(tmp_path / name)
