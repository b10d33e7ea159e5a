"""Pictures that commands write: what `score` and `sample` do with --output."""

from __future__ import annotations

from collections.abc import Iterable

from sketch_rnn_tf import cli, drawing
from sketch_rnn_tf.errors import UsageError


def check(paths: Iterable[str], overwrite: bool) -> None:
    """Finds what cannot be written, before anything is computed.

    Raises:
      UsageError: nothing is written in a file with such a name.
      UserError: a file exists and may not be replaced.
    """
    for path in paths:
        try:
            drawing.check_suffix(path)
        except ValueError as error:
            raise UsageError(f"--output {error}") from None
        cli.refuse_existing(path, overwrite)
