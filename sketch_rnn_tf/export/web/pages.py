"""The pages, each one file with everything in it. Needs no TensorFlow."""

from __future__ import annotations

import base64
import json
import pathlib
from collections.abc import Sequence

from sketch_rnn_tf.export.web import joining

SOURCES = pathlib.Path(__file__).parent


def drawing_page(data: bytes) -> str:
    """Returns the page that draws with you.

    Args:
      data: a model.bin.
    """
    folder = SOURCES / "page"
    parts = {
        "style": (folder / "page.css").read_text("utf-8"),
        "worker": joining.script(folder / "worker.js"),
        "model": base64.b64encode(data).decode("ascii"),
        "page": joining.script(folder / "main.js"),
    }
    return joining.filled((folder / "page.html").read_text("utf-8"), parts)


def collecting_page(classes: Sequence[str]) -> str:
    """Returns the page to collect drawings of classes with."""
    folder = SOURCES / "collect"
    parts = {
        "style": (SOURCES / "page" / "page.css").read_text("utf-8"),
        "own style": (folder / "collect.css").read_text("utf-8"),
        "classes": json.dumps(list(classes)).replace("<", "\\u003c"),
        "page": joining.script(folder / "collect.js"),
    }
    return joining.filled((folder / "collect.html").read_text("utf-8"), parts)
