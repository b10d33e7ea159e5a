"""Python files of the user's own that a command runs first: `--import own_cell.py`."""

from __future__ import annotations

import importlib.util
import os
import pathlib
import sys

from sketch_rnn_tf.errors import UserError


def load(path: str | os.PathLike) -> None:
    """Imports a Python file by its path, once, as a module of the file's name.

    What it imports from its own folder is found, as with `python FILE.py`.

    Raises:
      UserError: there is no such file, it is no Python, or another module has its name.
    """
    file = pathlib.Path(path).resolve()
    name = file.stem
    if file.suffix != ".py" or not file.is_file():
        raise UserError(f"{path}: expected a Python file (.py)")
    there = sys.modules.get(name)
    if there is not None:
        if getattr(there, "__file__", None) != str(file):
            raise UserError(f"{path}: another module is called {name!r}: rename the file")
        return
    folder = str(file.parent)
    if folder not in sys.path:
        sys.path.append(folder)
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, SyntaxError):
            raise UserError(f"{path}: line {error.lineno}: {error.msg}") from None
        if isinstance(error, ModuleNotFoundError):
            raise UserError(
                f"{path}: imports {error.name}, which is neither installed nor beside it"
            ) from None
        raise
