"""Joins JavaScript modules to one script: what a bundler does, for modules as plain as ours.

A module imports others with `import { a, b } from "./other.js";` and exports declarations with
`export` in front; all names are different. So joining is putting the modules one after the other,
each after those that it imports, without these lines and words.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping

_IMPORT = re.compile(r'^import \{[^}]*\} from "(\.[\w./]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export (?=(?:async )?(?:function|class|const)\b)", re.MULTILINE)


def script(entry: pathlib.Path) -> str:
    """Returns a module and all that it imports as one script without imports and exports."""
    found: dict[pathlib.Path, None] = {}  # those that are imported first

    def visit(path: pathlib.Path) -> None:
        for name in _IMPORT.findall(path.read_text("utf-8")):
            imported = (path.parent / name).resolve()
            if imported not in found:
                visit(imported)
        found[path] = None

    visit(entry.resolve())
    return "\n".join(
        _EXPORT.sub("", _IMPORT.sub("", path.read_text("utf-8"))).strip() + "\n" for path in found
    )


def module(entry: pathlib.Path, names: list[str], head: str) -> str:
    """Returns a module that exports `names`, with a comment in front."""
    return f"{head}\n{script(entry)}\nexport {{ {', '.join(names)} }};\n"


def filled(template: str, parts: Mapping[str, str]) -> str:
    """Returns a page with its parts in place of comments of their names, `/* name */`.

    Raises:
      ValueError: a part would end the element that it stands in, or has no place.
    """
    for name, part in parts.items():
        place = f"/* {name} */"
        if re.search(r"</(?:script|style)|<!--", part, re.IGNORECASE) or template.count(place) != 1:
            raise ValueError(f"{name} cannot stand in the page")
        template = template.replace(place, part)
    return template
