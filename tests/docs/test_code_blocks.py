"""What pages tell people to type: every block runs, small, or the line above says why not."""

from __future__ import annotations

import contextlib
import importlib
import io
import itertools
import json
import pathlib
import re
import shutil
import subprocess

import blocks
import numpy as np
import pytest
from blocks import PAGES, ROOT, SCRIPTS, Block
from PIL import Image, ImageDraw

from data_prep import prepare
from sketch_rnn_tf import cli, config, runs
from sketch_rnn_tf.commands import opening
from sketch_rnn_tf.data import dataset

# --- every block -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES)
def test_every_block_says_what_it_is_and_what_is_not_run_says_why(page):
    for block in blocks.blocks(page):
        if block.language.startswith("{"):  # a directive of Sphinx
            continue
        assert block.language in (*blocks.LANGUAGES, "text"), block.place
        if block.language == "text":
            assert not blocks.commands(block.text), f"{block.place} is no text: it has commands"
        if block.language == "python":
            compile(block.text, block.place, "exec")
    text = (ROOT / page).read_text("utf-8")
    fenced = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    assert not re.search(r"^\n {4,}\S", fenced, re.MULTILINE), f"{page}: an indented block"
    excuses = sum(block.excuse is not None for block in blocks.blocks(page))
    assert len(re.findall("^<!-- not run", text, re.MULTILINE)) == excuses, (
        f"{page}: a mark without a block"
    )


@pytest.mark.parametrize("page", PAGES)
def test_every_flag_extra_and_target_on_the_pages_exists(page):
    for block in blocks.blocks(page):
        for command in blocks.commands(block.text) if block.language == "sh" else ():
            _check(command.words, block.place)
    for command in blocks.in_prose(page):
        _check(command.words, page)


def _check(words: list[str], place: str) -> None:
    """Checks a command by what would read it, without running it."""
    told = f"{place}: {' '.join(words)}"
    if words[0] in SCRIPTS:
        assert _read(words) == 0, told
    elif words[0] == "python":
        given = {word[2:].partition("=")[0] for word in words[2:] if word.startswith("--")}
        assert given <= blocks.flags_of_script(words[1]), told
    elif words[0] == "make":
        targets = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.M)
        assert set(words[1:]) <= set(targets[1].split()), told
    else:
        extras = re.findall(r"\[([\w,]+)\]", " ".join(words))
        known = blocks.PROJECT["optional-dependencies"]
        assert {name for names in extras for name in names.split(",")} <= set(known), told


def _read(words: list[str]) -> int:
    """Lets a command read its flags, and do nothing."""
    module = importlib.import_module(blocks.MODULES[words[0]])
    own = words[1:]
    if words[0] == "sketch-rnn-prepare":  # Beam's runner reads the others
        own, _ = prepare.split_runner_flags(own)
    several = "RUN ..." if words[0] == "sketch-rnn-compare" else None
    nothing = (lambda flags, rest: None) if several else (lambda flags: None)
    return cli.command(words[0], "", module.define_flags, nothing, positional=several)(own)


def test_a_flag_that_does_not_exist_is_found(capsys):
    with pytest.raises(AssertionError, match="page: sketch-rnn-train --train_step 3"):
        _check(["sketch-rnn-train", "--train_step", "3"], "page")
    with pytest.raises(AssertionError, match="page: python"):
        _check(["python", "examples/own_cell.py", "--epoch", "3"], "page")


# --- small -----------------------------------------------------------------------------------

# What is made smaller, and nothing else.
SMALLER_FLAGS = {"--num": "2", "--samples": "20", "--train_steps": "2"}
SMALLER = {
    "samples=300": "samples=20",
    "SketchRNN(max_length": "SketchRNN(encoder={'units': 8}, decoder={'units': 8}, max_length",
    "http://localhost:8501": "exported/saved_model/1",  # the same signatures, in this process
}
MORE_FLAGS = {
    "sketch-rnn-train": {
        "--train_steps": "2",
        "--set": "batch_size=4,encoder.units=8,decoder.units=8,parallel_parts=1",
    },
    "sketch-rnn-prepare": {"--splits": "40,20,40"},  # 20 drawings to measure with
}
MEASURES = "docs/how_good.md"  # the one page that trains the network of the measures
# A page is served until it is stopped; pip and make would install. Their flags are read.
READ_ONLY = ("sketch-rnn-play", "pip", "make")


def _fewer(text: str) -> str:
    """Returns a text with smaller numbers."""
    for words, fewer in SMALLER.items():
        text = text.replace(words, fewer)
    return text


def _smaller(words: list[str]) -> list[str]:
    """Returns a command with smaller numbers."""
    for i, word in enumerate(words[:-1]):
        if word in SMALLER_FLAGS:
            words = [*words[: i + 1], SMALLER_FLAGS[word], *words[i + 2 :]]
    more = MORE_FLAGS.get(words[0], {})
    return [*words, *(f"{flag}={value}" for flag, value in more.items() if flag not in words)]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns a folder for what one page makes and others go on with."""
    return tmp_path_factory.mktemp("made")


@pytest.fixture(scope="module")
def drawings():
    """Returns 52 fish and houses of some sizes, as lines of ndjson with polylines."""
    from data_prep import readers

    random, lines = np.random.default_rng(0), []
    given = list(readers.read(str(ROOT / "examples" / "drawings")))
    for i in range(52):
        one = given[i % len(given)]
        wide = random.uniform(0.8, 1.2, 2)
        strokes = [(line * wide).T.round(2).tolist() for line in one.to_polylines()]
        lines.append(json.dumps({"word": one.label, "key_id": str(i), "drawing": strokes}))
    return lines


def _svg(line: str) -> str:
    paths = [
        "M" + "L".join(f"{x} {y}" for x, y in zip(*stroke, strict=True))
        for stroke in json.loads(line)["drawing"]
    ]
    path = f'<path fill="none" stroke="black" d="{"".join(paths)}"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 110 110">{path}</svg>'


class Desk:
    """The folder that a page's blocks run in, with what the page takes for granted."""

    def __init__(self, made: pathlib.Path, drawings: list[str], page: str):
        self.made, self.drawings, self.page = made, drawings, page
        todo = [block for block in blocks.blocks(page) if not block.excuse]
        self.outputs: list[str] = []
        self.text = _fewer("\n".join(block.text for block in todo))
        self.own = set(re.findall(r"--(?:output_dir|run_dir|output) (\S+)", self.text))
        self.own |= set(re.findall(r"prepare\(.*?, \"(\S+)\"", self.text))
        for name in sorted(set(re.findall(r"[\w./]+", self.text))):
            self._give(name.removeprefix("./").rstrip("/."))

    def _give(self, name: str) -> None:
        """Makes a thing that the page names and does not make itself."""
        path = pathlib.Path(name)
        if any(name == own or own.startswith(f"{name}/") for own in self.own):
            return
        if name == "examples/drawings" or (name.startswith("examples/") and path.suffix == ".py"):
            _copy(ROOT / name, path)
        elif name in ("my_drawings", "my_owls") or name == "drawings/fish/01.svg":
            folder = pathlib.Path(name.partition("/")[0])
            for i, line in enumerate(self.drawings):
                file = folder / json.loads(line)["word"] / f"{i + 1:02}.svg"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(_svg(line))
        elif name == "drawings.ndjson":
            path.write_text("\n".join(self.drawings))
        elif name in ("scans", "sheets"):
            self._draw_scans(path)
        elif name == "begun.svg":
            path.write_text(_svg(self.drawings[0]))
        elif re.fullmatch(r"[abc]\.npz", name):
            np.savez(path, test=np.float32([[[0, 0, 0], [5, 8, 0], [9, 3, 1]]]))
        elif name.startswith("data/") and name.count("/") == 1:
            _copy(self._data(), path)
        elif name == "RUN" or (name.startswith("runs/") and name.count("/") == 1):
            _copy(self._run(), path)
        elif name.startswith("exported/"):
            self._export(name.split("/")[1], pathlib.Path(*name.split("/")[:2]))
        elif name in ("model.bin", "sketch_rnn.js"):
            self._export("web", pathlib.Path())

    def _draw_scans(self, folder: pathlib.Path) -> None:
        folder.mkdir()
        for i, line in enumerate(self.drawings[:3]):
            picture = Image.new("L", (330, 330), 255)
            for stroke in json.loads(line)["drawing"]:
                points = (2.5 * np.float32(stroke) + 15).T.ravel().tolist()
                ImageDraw.Draw(picture).line(points, fill=0, width=5)
            picture.save(folder / f"{i}.png")

    def _data(self) -> pathlib.Path:
        """Returns a data set of the drawings, which keeps what is measured of it."""
        path = self.made / "data"
        if not path.exists():
            pathlib.Path(self.made / "all.ndjson").write_text("\n".join(self.drawings))
            given = ["--input", str(self.made / "all.ndjson"), "--output_dir", str(path)]
            assert _run(_smaller(["sketch-rnn-prepare", *given])) == 0
        return path

    def _run(self) -> pathlib.Path:
        """Returns a run directory with random weights."""
        path = self.made / "run"
        if not path.exists():
            from sketch_rnn_tf.model import sketch_rnn

            small = config.ModelConfig(z_size=5, num_mixtures=4)
            settings = {"encoder.units": "8", "decoder.units": "8"}
            small, _ = config.override(small, config.TrainingConfig(), settings)
            scale = dataset.read_info(self._data()).scale_factor
            described = config.RunConfig(scale_factor=scale, max_length=40, model=small)
            sketch_rnn.build_model(described).save(runs.create(path, described).path / runs.BEST)
        return path

    def _export(self, kind: str, path: pathlib.Path) -> None:
        """Puts an export of the run with random weights somewhere; each kind is written once."""
        if not (self.made / kind).exists():
            given = ["--model", str(self._run()), "--output_dir", str(self.made)]
            assert _run(["sketch-rnn-export", *given, f"--format={kind}"]) == 0
        _copy(self.made / kind, path)

    def run(self, command: blocks.Command, place: str) -> None:
        """Runs a command in this process, smaller."""
        measures = "--samples" in command.words
        if command.words[0] in READ_ONLY or (measures and self.page != MEASURES):
            return
        words, out = _smaller(command.words), io.StringIO()
        run = {"sketch-rnn-train": self._train, "sketch-rnn-export": self._write_exports}
        with contextlib.redirect_stdout(out) if command.stdout else contextlib.nullcontext():
            code = run.get(words[0], _run)(words)
        assert code == 0, f"{place}: {' '.join(words)}"
        if command.stdout:
            pathlib.Path(command.stdout).write_text(out.getvalue())
        self.outputs += [words[i + 1] for i, word in enumerate(words) if word == "--output"]

    def _write_exports(self, words: list[str]) -> int:
        flag = _flags(words)
        assert (pathlib.Path(flag["--model"]) / runs.BEST).exists()
        for kind in flag["--format"].split(","):
            self._export(kind, pathlib.Path(flag["--output_dir"]) / kind)
        return _read(words)

    def _train(self, words: list[str]) -> int:
        """Trains once with each preset; a run that exists stands in for another like it."""
        flag = _flags(words)
        kept = self.made / flag["--preset"]
        if kept.exists() or "--init_from" in flag:
            assert (pathlib.Path(flag["--data_dir"]) / "dataset.json").exists()
            _copy(kept if kept.exists() else self._run(), pathlib.Path(flag["--run_dir"]))
            return _read(words)
        code = _run(words)
        _copy(pathlib.Path(flag["--run_dir"]), kept)
        return code


def _flags(words: list[str]) -> dict[str, str]:
    return {word: value for word, value in itertools.pairwise(words) if word.startswith("--")}


def _run(words: list[str]) -> int:
    """Runs a command of ours in this process."""
    module, function = SCRIPTS[words[0]].split(":")
    return getattr(importlib.import_module(module), function)(words[1:])


def _copy(source: pathlib.Path, path: pathlib.Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, path, dirs_exist_ok=True)
    else:
        shutil.copy(source, path)


def _run_python(block: Block, names: dict) -> None:
    exec(compile(_fewer(block.text), block.place, "exec"), names)


def _run_javascript(block: Block) -> None:
    """Runs a block in Node, where `fetch` reads files beside it."""
    if not shutil.which("node"):
        pytest.skip("needs Node.js (node)")
    prelude = (
        'import { readFileSync } from "node:fs";\n'
        "globalThis.fetch = async (name) => new Response(readFileSync(name));\n"
    )
    pathlib.Path("package.json").write_text('{"type": "module"}')
    pathlib.Path("block.js").write_text(prelude + block.text)
    done = subprocess.run(["node", "block.js"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.place}: {done.stderr}"


@pytest.mark.large
@pytest.mark.usefixtures("quick_graphs")
@pytest.mark.parametrize("page", [p for p in PAGES if any(not b.excuse for b in blocks.blocks(p))])
def test_what_a_page_tells_people_to_run_runs(page, made, drawings, tmp_path, monkeypatch):
    for module in ("onnx", "onnxruntime", "ai_edge_litert", "skimage"):
        pytest.importorskip(module)
    from sketch_rnn_tf.export.litert import calibration

    # TensorFlow runs already, and takes no other number of threads.
    monkeypatch.setattr(opening, "use_threads", lambda *parts: None)
    monkeypatch.setattr(calibration, "POINTS", 500)  # of the files in 8 bits
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    desk, names = Desk(made, drawings, page), {}
    for block in blocks.blocks(page):
        if block.excuse:
            continue
        if block.language == "sh":
            for command in blocks.commands(block.text):
                desk.run(command, block.place)
        elif block.language == "python":
            _run_python(block, names)
        elif block.language == "js":
            _run_javascript(block)
    for name in [*desk.outputs, *re.findall(r"\.save\(\"(.*?)\"\)", desk.text)]:
        assert pathlib.Path(name).stat().st_size
