"""The head of a model card: YAML in front of Markdown, as Hugging Face reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping

# Licenses that Hugging Face has a name for, which is the SPDX one in small letters.
LICENSES = frozenset(
    f"{family}-{version}"
    for family, versions in {
        "apache": ("2.0",),
        "cc-by": ("2.0", "2.5", "3.0", "4.0"),
        "cc-by-sa": ("3.0", "4.0"),
        "cc-by-nc": ("2.0", "3.0", "4.0"),
        "cc-by-nc-sa": ("2.0", "3.0", "4.0"),
        "cc0": ("1.0",),
        "ofl": ("1.1",),
    }.items()
    for version in versions
) | {"mit", "isc", "unlicense", "bsd-2-clause", "bsd-3-clause"}
MARK = "---\n"


def head(
    name: str,
    licenses: Iterable[str | None] = (),
    measured: Mapping[str, float] | None = None,
    data: str = "unknown",
) -> str:
    """Returns the YAML head of a card.

    Args:
      name: of the model.
      licenses: of the data that it was made from; None where one is not known.
      measured: {measure: value} of the test split.
      data: what the data set is called.
    """
    lines = [*_license(licenses), "library_name: keras"]
    lines += ["tags:", *(f"- {tag}" for tag in ("sketch-rnn", "vector-drawings", "tensorflow"))]
    if measured:
        lines += [
            *("model-index:", f"- name: {json.dumps(name)}", "  results:"),
            *("  - task:", "      type: unconditional-image-generation", "    dataset:"),
            *(f"      name: {json.dumps(data)}", f"      type: {json.dumps(data)}"),
            *("      split: test", "    metrics:"),
        ]
        for measure, value in measured.items():
            lines += [f"    - type: {measure}", f"      value: {value:.4f}"]
    return MARK + "\n".join(lines) + "\n" + MARK + "\n"


def with_head(text: str, name: str) -> str:
    """Returns a card with a head: its own, or one that says no more than the name."""
    return text if text.startswith(MARK) else head(name) + text


def license_of(text: str) -> str | None:
    """Returns the license that the head of a card names, or None."""
    if not text.startswith(MARK):
        return None
    head_ = text.split(MARK)[1]
    other = re.search(r'^license_name: "?(.*?)"?$', head_, re.MULTILINE)
    found = other or re.search(r"^license: (\S+)$", head_, re.MULTILINE)
    return found[1] if found else None


def _license(licenses: Iterable[str | None]) -> list[str]:
    """Returns the lines that tell the license; none where one of them is not known."""
    names = sorted({(name or "").lower() for name in licenses})
    if not all(names) or not names:
        return []
    if len(names) == 1 and names[0] in LICENSES:
        return [f"license: {names[0]}"]
    return ["license: other", f"license_name: {json.dumps(' and '.join(names))}"]
