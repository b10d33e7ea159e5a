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
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        del sys.modules[name]
        raise UserError(f"{path}: line {error.lineno}: {error.msg}") from None
    except ModuleNotFoundError as error:
        del sys.modules[name]
        raise UserError(
            f"{path}: imports {error.name}, which is neither installed nor beside it"
        ) from None
    except BaseException:
        del sys.modules[name]
        raise
