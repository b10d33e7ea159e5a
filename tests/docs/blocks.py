"""The blocks of code on the pages, and the commands in them.

A block says its language. It is run by `test_code_blocks.py`, small, unless the line above it is
`<!-- not run: REASON -->`; what is `text` is no code.
"""

from __future__ import annotations

import ast
import functools
import pathlib
import re
import shlex
import sys
from typing import NamedTuple

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SCRIPTS = PROJECT["scripts"]
PAGES = ["README.md", "CONTRIBUTING.md", *(f"docs/{p.name}" for p in (ROOT / "docs").glob("*.md"))]
LANGUAGES = ("sh", "python", "js")
MODULES = {  # the module of each command, which has its flags
    name[1]: ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for folder in ("sketch_rnn_tf/commands", "data_prep")
    for path in (ROOT / folder).glob("*.py")
    if (name := re.search(r'^NAME = "(sketch-rnn-\w+)"$', path.read_text("utf-8"), re.M))
}
_EXCUSE = re.compile(r"<!-- not run: (\S.*) -->")
_COMMAND = re.compile(r"(sketch-rnn-|python \w+/|pip |make )")


class Block(NamedTuple):
    """A fenced block: the page's line it begins at, its language, its text, why it is not run."""

    page: str
    line: int
    language: str
    text: str
    excuse: str | None

    @property
    def place(self) -> str:
        return f"{self.page}:{self.line}"


class Command(NamedTuple):
    """A command line of a block: its words, and the file that its output goes to."""

    words: list[str]
    stdout: str | None


def blocks(page: str) -> list[Block]:
    """Returns the fenced blocks of a page in their order."""
    lines = (ROOT / page).read_text("utf-8").splitlines()
    fences = [i for i, line in enumerate(lines) if line.lstrip().startswith("```")]
    found = []
    for begin, end in zip(fences[::2], fences[1::2], strict=True):
        excuse = _EXCUSE.fullmatch(lines[begin - 1])
        text = "\n".join(lines[begin + 1 : end]) + "\n"
        language = lines[begin].strip("` ")
        found.append(Block(page, begin + 1, language, text, excuse and excuse[1]))
    return found


def commands(text: str) -> list[Command]:
    """Returns the commands of a text that are ours, or of pip and make; others are left out."""
    found = []
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        while words and re.match(r"[A-Z_]+=", words[0]):  # the environment of the one command
            words.pop(0)
        if not words or not _COMMAND.match(" ".join(words)):
            continue
        stdout = words[words.index(">") + 1] if ">" in words else None
        found.append(Command(words[: words.index(">")] if stdout else words, stdout))
    return found


def in_prose(page: str) -> list[Command]:
    """Returns the commands with flags that stand in the text of a page, in single backticks."""
    text = re.sub(r"^```.*?^```", "", (ROOT / page).read_text("utf-8"), flags=re.M | re.S)
    spans = re.findall(r"`([^`]+)`", text)
    spans = [span.replace("\n", " ") for span in spans]
    return [command for span in spans if _COMMAND.match(span) for command in commands(span)]


@functools.cache
def flags_of_script(path: str) -> frozenset[str]:
    """Returns the flags that a script of the repository defines, by argparse or by absl."""
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and node.args]
    names = set()
    for call in calls:
        function, first = call.func, call.args[0]
        defines = isinstance(function, ast.Attribute) and (
            function.attr == "add_argument" or function.attr.startswith("DEFINE_")
        )
        if defines and isinstance(first, ast.Constant):
            names.add(first.value.lstrip("-"))
    return frozenset(names)
