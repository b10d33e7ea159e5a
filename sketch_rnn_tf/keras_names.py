"""Lets `keras.models.load_model` find our classes although `import sketch_rnn_tf` imports no Keras.

Keras looks a class up in a table of registered names, which a class enters when its module is
imported. Until then this puts stand-ins there; the first use of one imports the module, whose class
takes its place. Where Keras is not imported yet, the stand-ins are put there as soon as it is.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.util
import sys
from typing import Any

PACKAGE = "sketch_rnn_tf"
# {module: the classes that are registered when it is imported}
CLASSES = {
    "sketch_rnn_tf.model.sketch_rnn": (
        *("SketchRNN", "Encoder", "Decoder", "GateOrthogonal"),
        *("LSTMCell", "LayerNormLSTMCell", "HyperLSTMCell", "StackedLSTMCell"),
        *("GlorotPerLayer", "StackedKernel"),
    ),
    "sketch_rnn_tf.training.schedules": ("FlooredExponential", "KLWeight", "LinearDecay"),
}


def announce() -> None:
    """Puts the stand-ins into Keras's table, now or when Keras is imported."""
    if "keras" in sys.modules and hasattr(sys.modules["keras"], "saving"):
        _put_stand_ins()
    elif not any(isinstance(finder, _KerasFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasFinder())


class _StandIn:
    """A class that is imported when something of it is used."""

    def __init__(self, module: str, name: str):
        self._module, self._name = module, name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # of copies and such, which do not mean the class
            raise AttributeError(attribute)
        return getattr(self._loaded(), attribute)

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        return self._loaded()(*arguments, **options)

    def _loaded(self) -> Any:
        importlib.import_module(self._module)
        return _table()[f"{PACKAGE}>{self._name}"]


class _KerasFinder(importlib.abc.MetaPathFinder):
    """Finds `keras` as the other finders do, and puts the stand-ins there when it has been run."""

    def find_spec(self, fullname: str, path=None, target=None):
        """Returns the module's own specification with an addition to its loader."""
        if fullname != "keras":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is None or spec.loader is None:
            return None
        execute = spec.loader.exec_module

        def execute_and_announce(module) -> None:
            execute(module)
            _put_stand_ins()

        setattr(spec.loader, "exec_module", execute_and_announce)  # noqa: B010 (no method of ours)
        return spec


def _put_stand_ins() -> None:
    table = _table()
    for module, names in CLASSES.items():
        for name in names:
            table.setdefault(f"{PACKAGE}>{name}", _StandIn(module, name))


def _table() -> dict[str, Any]:
    return importlib.import_module("keras").saving.get_custom_objects()
