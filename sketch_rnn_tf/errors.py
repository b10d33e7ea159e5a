"""The errors that are a user's mistake, not a bug of ours.

Every reader, builder and verb raises `UserError` for what it was given: one sentence that names the
file and the record, what was expected and what was received. Commands print that sentence and exit;
any other ValueError is a bug and gives a traceback.
"""

from __future__ import annotations


class UserError(ValueError):
    """Something that the user gave cannot be used: a file, a drawing, an argument, a setting.

    Attributes:
      exit_code: what a command exits with: 1, a failed run.
    """

    exit_code = 1


class UsageError(UserError):
    """The command line is wrong: the command names its `--help` and exits with 2."""

    exit_code = 2
