"""Writes a page to collect drawings with: one HTML file that needs no server.

  sketch-rnn-collect --classes fish,house --output collect.html

The page asks for one class after the other, keeps the drawings in the browser and gives them as
drawings.ndjson, which `sketch-rnn-prepare --input drawings.ndjson` reads.
"""

from __future__ import annotations

import functools
import pathlib
import sys

from absl import flags as absl_flags

from sketch_rnn_tf import cli, files
from sketch_rnn_tf.errors import UsageError

NAME = "sketch-rnn-collect"
MAX_NAME = 64  # characters of a class


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    text = functools.partial(absl_flags.DEFINE_string, flag_values=flags)
    absl_flags.DEFINE_list("classes", [], "what to draw, separated by commas", flag_values=flags)
    text("output", None, "the page to write, such as collect.html")
    absl_flags.DEFINE_bool("overwrite", False, "replace an existing file", flag_values=flags)
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    cli.require(flags, "classes", "output")
    classes = _classes(flags.classes)
    output = pathlib.Path(flags.output)
    if output.suffix.lower() not in (".html", ".htm"):
        raise UsageError(f"--output is {output}, expected a name that ends in .html")
    cli.refuse_existing(output, flags.overwrite)
    from sketch_rnn_tf.export.web import pages

    with files.atomic_open(output, "w", encoding="utf-8") as stream:
        stream.write(pages.collecting_page(classes))
    if flags.json:
        cli.print_json({"written": str(output), "classes": classes})
    else:
        print(output)


def _classes(names: list[str]) -> list[str]:
    """Returns the names of classes, each once."""
    classes = [name.strip() for name in names]
    for name in classes:
        if not name or len(name) > MAX_NAME or not name.isprintable():
            raise UsageError(
                f"--classes has {name!r}, expected names of 1 to {MAX_NAME} printable characters"
            )
        if classes.count(name) > 1:
            raise UsageError(f"--classes has {name!r} twice")
    return classes


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
