"""How Sphinx makes the pages: `make docs` writes them to docs/_build/html.

The command reference is made from the flags, the API reference from the docstrings, and files of
the repository that pages link to become pages of their own.
"""

from __future__ import annotations

import importlib
import os
import pathlib
import re
import sys

import pygments.formatters
import pygments.lexers
import pygments.util

DOCS = pathlib.Path(__file__).resolve().parent
ROOT = DOCS.parent
sys.path.insert(0, str(ROOT))

import sketch_rnn_tf  # noqa: E402
from sketch_rnn_tf import cli  # noqa: E402

project = "sketch_rnn_tf"
author = "The sketch_rnn_tf maintainers"
release = version = sketch_rnn_tf.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
exclude_patterns = ["_build", "_generated/README.md"]
html_theme = "furo"
html_title = f"sketch_rnn_tf {release}"
html_copy_source = False
pygments_style = "friendly"
myst_heading_anchors = 4
myst_url_schemes = {
    **dict.fromkeys(("http", "https", "mailto"), None),
    "repository": {"url": "{{path}}.html"},
}
smartquotes = False  # which makes one dash of the two of a flag
default_role = "code"  # docstrings have names in single backticks
napoleon_numpy_docstring = False
autodoc_member_order = "bysource"
autodoc_typehints = "none"  # the signatures have them
autoclass_content = "class"

GENERATED = DOCS / "_generated"
COMMANDS = (
    *("data_prep.prepare", "data_prep.inspect_dataset", "data_prep.download"),
    *(
        f"sketch_rnn_tf.commands.{name}"
        for name in ("train", "evaluate", "score", "sample", "compare", "export", "import_model")
    ),
    *("sketch_rnn_tf.commands.play", "sketch_rnn_tf.commands.collect"),
)
# Files of the repository that are pages here too.
PAGES = {"BUILD_NOTES.md": "build_notes", "CHANGELOG.md": "changelog"}
PAGES |= {"CONTRIBUTING.md": "contributing", "SECURITY.md": "security"}
_LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


def setup(app) -> None:
    """Joins the steps of the build that are ours."""
    app.connect("builder-inited", generate)
    app.connect("source-read", read)
    app.connect("autodoc-process-docstring", mark_code)
    app.connect("build-finished", write_repository_pages)


def generate(app) -> None:
    """Writes the pages that are made from something else."""
    GENERATED.mkdir(exist_ok=True)
    (GENERATED / "commands.md").write_text(command_reference(), "utf-8")
    for name, page in PAGES.items():
        (GENERATED / f"{page}.md").write_text((ROOT / name).read_text("utf-8"), "utf-8")


def command_reference() -> str:
    """Returns the page of all commands with their flags, in Markdown."""
    lines = ["# Commands", ""]
    for name in COMMANDS:
        module = importlib.import_module(name)
        first, _, rest = module.__doc__.strip().partition("\n")
        lines += [f"## {module.NAME}", "", first, ""]
        lines += ["```text", rest.strip("\n"), "```", ""] if rest.strip() else []
        lines += ["| flag | default | |", "|---|---|---|"]
        for flag in cli.flags_of(module.define_flags):
            default = (
                "" if flag.default in (None, "", []) else f"`{flag.default_as_str.strip(chr(39))}`"
            )
            words = re.sub(r"([|<>*_{}\[\]])", r"\\\1", " ".join(flag.help.split()))
            lines.append(f"| `--{flag.name}` | {default} | {words} |")
        lines.append("")
    return "\n".join(lines)


_linked: set[str] = set()


def read(app, page: str, source: list[str]) -> None:
    """Turns links to files outside of docs/ into links to pages of them."""
    base = (ROOT / "docs" / page).parent
    origin = next((name for name, made in PAGES.items() if page == f"_generated/{made}"), None)
    base = ROOT if origin else base
    up = "../" * page.count("/")

    def link(match: re.Match) -> str:
        target = pathlib.Path(os.path.normpath(base / match[1]))
        if not target.is_relative_to(ROOT) or not target.is_file():
            return match[0]  # Sphinx says that it is broken
        name = target.relative_to(ROOT).as_posix()
        if name in PAGES:
            return f"]({up}_generated/{PAGES[name]}.md{match[2] or ''})"
        if name.startswith("docs/"):
            return f"]({up}{name.removeprefix('docs/')}{match[2] or ''})"
        _linked.add(name)
        return f"](repository:{up}repository/{name})"

    source[0] = _LINK.sub(link, source[0])
    if page == "index":
        listed = set(re.findall(r"^(\w+)$", source[0], re.MULTILINE))
        others = sorted({path.stem for path in DOCS.glob("*.md")} - listed - {"index"})
        source[0] = source[0].replace("<!-- others -->", "\n".join(others))


def mark_code(app, what, name, thing, options, lines: list[str]) -> None:
    """Makes examples of docstrings code: what is indented by four after an empty line."""
    in_code = False
    for i in range(len(lines) - 1, 0, -1):
        indented = lines[i].startswith("    ") and not lines[i - 1].strip()
        in_code = indented and not lines[max(i - 2, 0)].lstrip().startswith((":", "*", "-"))
        if in_code and not lines[max(i - 2, 0)].startswith("    "):
            lines.insert(i, "")
            lines.insert(i, "::")


def write_repository_pages(app, failure) -> None:
    """Writes the files of the repository that pages link to, with colors and line numbers."""
    if failure is not None or app.builder.format != "html":
        return
    for name in sorted(_linked):
        try:
            lexer = pygments.lexers.get_lexer_for_filename(name)
        except pygments.util.ClassNotFound:
            lexer = pygments.lexers.TextLexer()
        formatter = pygments.formatters.HtmlFormatter(full=True, title=name, linenos="table")
        page = pathlib.Path(app.outdir, "repository", f"{name}.html")
        page.parent.mkdir(parents=True, exist_ok=True)
        code = (ROOT / name).read_text("utf-8")
        page.write_text(pygments.highlight(code, lexer, formatter), "utf-8")
