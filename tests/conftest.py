"""Where the tests find what is not in the repository, and how they skip without it."""

from __future__ import annotations

import gc
import os
import pathlib
import shutil
import subprocess
import sys
import types
import venv
from collections.abc import Callable, Iterable
from typing import NamedTuple

import filelock
import numpy as np
import pytest

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

ROOT = pathlib.Path(__file__).resolve().parents[1]
SHARED = pathlib.Path(os.environ.get("SKETCH_RNN_SHARED", ROOT.parent / "shared"))


# The folders whose files take longest, which come first: what is left at the end is then short,
# and no process waits for another's long file.
_FIRST = ("training", "experiments", "export", "model", "docs")


@pytest.hookimpl(tryfirst=True)  # before marks are asked for
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the files that take long first, and marks what needs a browser."""
    tests = ROOT / "tests"
    for item in items:
        if "chromium" in getattr(item, "fixturenames", ()):
            item.add_marker("browser")

    def place(item: pytest.Item) -> int:
        folder = item.path.relative_to(tests).parts[0] if tests in item.path.parents else ""
        return _FIRST.index(folder) if folder in _FIRST else len(_FIRST)

    items.sort(key=place)


def pytest_collection_finish():
    """Leaves what has been imported, such as TensorFlow, out of every later garbage collection."""
    gc.freeze()


@pytest.fixture(scope="session")
def shared_data():
    """Returns a function from a name such as `sketchrnn/omniglot.npz` to its path, or skips."""

    def find(name: str) -> pathlib.Path:
        path = SHARED / "data" / name
        if not path.exists():
            pytest.skip(
                f"needs the real data {name} (set SKETCH_RNN_SHARED to the folder that has data/)"
            )
        return path

    return find


@pytest.fixture(scope="session")
def vectors():
    """Returns a function from a name such as `conditional` to Magenta's numbers, or skips."""

    def load(name: str) -> dict[str, np.ndarray]:
        for folder in (ROOT / "tests" / "testdata" / "vectors", SHARED / "vectors"):
            if (folder / f"{name}.npz").exists():
                with np.load(folder / f"{name}.npz", allow_pickle=False) as content:
                    return dict(content)
        pytest.skip(
            f"needs Magenta's numbers {name}.npz"
            " (set SKETCH_RNN_SHARED to the folder that has vectors/)"
        )

    return load


def _quick_graphs():
    """Makes graphs sooner, see `tests.model.quick_graphs`."""
    from tests.model import quick_graphs

    with quick_graphs.quick_graphs():
        yield


quick_graphs = pytest.fixture(_quick_graphs, name="quick_graphs")
quick_graphs_here = pytest.fixture(_quick_graphs, scope="module", name="quick_graphs_here")


# --- the same bits, whatever else keeps the machine busy ---------------------------------------

_BUSY = """
import hashlib, random, time
while True:
    until = time.time() + random.random() * 0.02
    while time.time() < until:
        hashlib.sha256(b"x" * 4096).digest()
    time.sleep(random.random() * 0.01)
"""


@pytest.fixture
def busy_cores():
    """Keeps every core busy in irregular bursts while the test runs."""
    load = [subprocess.Popen([sys.executable, "-c", _BUSY]) for _ in range(os.cpu_count() or 1)]
    yield
    for process in load:
        process.kill()
        process.wait()


@pytest.fixture(scope="session")
def outputs_of():
    """Returns a function from commands to what they print, run side by side."""

    def run(commands: Iterable[list[str]]) -> list[bytes]:
        started = [subprocess.Popen(command, stdout=subprocess.PIPE) for command in commands]
        outputs = [process.communicate(timeout=500)[0] for process in started]
        assert [process.returncode for process in started] == [0] * len(started)
        return outputs

    return run


class Sum(NamedTuple):
    """A sum in a graph: how many summands it has, its name, and theirs."""

    count: int
    name: str
    summands: list[str]


@pytest.fixture(scope="session")
def sums_of():
    """Returns a function that calls another and returns the sums of its graphs.

    TensorFlow adds three and more in an order of its choice. The graphs are those as they are run,
    after TensorFlow has rewritten them; sums of whole numbers are left out.
    """
    from tensorflow.core.framework import types_pb2
    from tensorflow.python.eager import context  # nothing public gives the graph as it is run

    def find(function: Callable[[], object]) -> list[Sum]:
        context.enable_run_metadata()
        context.export_run_metadata()  # and forgotten: Keras's TensorBoard leaves graphs there
        try:
            function()
            found = context.export_run_metadata()
        finally:
            context.disable_run_metadata()
        nodes = []
        for graphs in found.function_graphs:
            graph = graphs.post_optimization_graph
            nodes += [*graph.node, *(n for f in graph.library.function for n in f.node_def)]
        assert nodes  # the graphs were made in this call
        inexact = (types_pb2.DT_FLOAT, types_pb2.DT_DOUBLE, types_pb2.DT_BFLOAT16)
        sums = [n for n in nodes if n.op in ("AddN", "AccumulateNV2")]
        return [
            Sum(node.attr["N"].i, node.name, [*node.input])
            for node in sums
            if node.attr["T"].type in inexact
        ]

    return find


# --- what is built of the project, and installed ---------------------------------------------

_SOURCES = ("benchmarks", "data_prep", "docs", "examples", "experiments", "sketch_rnn_tf", "tests")
_CACHES = ("__pycache__", "*.pyc", "_build", "exported", "node_modules", "*.egg-info")
_OFFLINE = ("NewConnectionError", "Temporary failure in name resolution", "Could not fetch URL")


@pytest.fixture(scope="session")
def distributions(tmp_path_factory):
    """Returns the source distribution, the wheel that is made from it, and the tree of both."""

    def make(folder: pathlib.Path) -> None:
        tree = folder / "tree"
        for name in (*_SOURCES, ".ci"):
            shutil.copytree(ROOT / name, tree / name, ignore=shutil.ignore_patterns(*_CACHES))
        for path in ROOT.glob("*.*"):
            if path.is_file() and not path.name.startswith("."):
                shutil.copy(path, tree)
        for name in ("LICENSE", "Makefile"):
            shutil.copy(ROOT / name, tree)
        _installing([sys.executable, "-m", "build", "-q", "--outdir", folder, tree])

    folder = _once(tmp_path_factory, "distributions", make)
    (sdist,), (wheel,) = folder.glob("*.tar.gz"), folder.glob("*.whl")
    return types.SimpleNamespace(sdist=sdist, wheel=wheel, tree=folder / "tree")


@pytest.fixture(scope="session")
def lean_python(tmp_path_factory, distributions):
    """Returns the Python of an environment that holds the wheel with the extra litert, no more.

    Beside it, `without_litert.txt` is what `sketch-rnn-sample` said before the extra was there.
    """

    def make(folder: pathlib.Path) -> None:
        venv.create(folder / "env", with_pip=True)
        bin_ = folder / "env" / "bin"
        pip = [bin_ / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        _installing([*pip, distributions.wheel])
        words = ("--model=pretrained:kanji.tflite", "--output=-")
        done = subprocess.run(
            [bin_ / "sketch-rnn-sample", *words], capture_output=True, text=True, check=False
        )
        (bin_ / "without_litert.txt").write_text(f"{done.returncode} {done.stderr}")
        _installing([*pip, f"{distributions.wheel}[litert]"])

    return _once(tmp_path_factory, "lean", make) / "env" / "bin" / "python"


def _once(factory, name: str, make: Callable[[pathlib.Path], None]) -> pathlib.Path:
    """Makes a folder once for all processes of a test run."""
    base = factory.getbasetemp()
    base = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    folder = base / name
    with filelock.FileLock(base / f"{name}.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


def _installing(command: list) -> None:
    """Runs a command that fetches packages; the test is skipped where there is no network."""
    environment = {key: os.environ[key] for key in os.environ if key != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, command)), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode and any(words in done.stderr for words in _OFFLINE):
        pytest.skip("needs a package index")
    assert done.returncode == 0, done.stderr[-4000:]
