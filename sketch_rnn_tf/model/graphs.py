"""Graphs: traced once for batches of every size and length, and with additions in order."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Mapping, ValuesView
from typing import Any

import tensorflow as tf


def keep_order_of_additions() -> None:
    """Keeps TensorFlow from merging additions, so that equal runs give equal bits.

    The arithmetic pass of its graph optimizer turns (a + b) + c into AddN(a, b, c), whose order
    depends on which operand's buffer is free first, and so on the load of the machine. The pass
    can be switched off for the whole process only.
    """
    tf.config.optimizer.set_experimental_options({"arithmetic_optimization": False})


class BatchGraphs:
    """Graphs of functions whose last argument is a dict of tensors, made when they are asked for.

    Args:
      widths: {name of a tensor: its last sizes}; all sizes before, or of other names, are open.
    """

    def __init__(self, widths: Mapping[str, list[int]]):
        self._widths = widths
        self._made: dict[tuple, tf.types.experimental.PolymorphicFunction] = {}
        self._making = threading.Lock()  # parts of a batch may ask for a graph side by side

    def of(self, function: Callable, *first: Any, inputs: Mapping[str, tf.Tensor]) -> Callable:
        """Returns function(*first, inputs) as a graph of its inputs.

        Args:
          function: what to trace; whatever it decides in Python is decided when it is traced.
          *first: its other arguments, hashable.
          inputs: such tensors as it will be called with.
        """
        key = (function, *first, *sorted(inputs))
        with self._making:
            if key not in self._made:
                signature = {}
                for name, value in inputs.items():
                    width = self._widths.get(name, [])
                    shape = [None] * (value.shape.rank - len(width)) + width
                    signature[name] = tf.TensorSpec(shape, value.dtype)
                self._made[key] = tf.function(
                    functools.partial(function, *first),
                    input_signature=[signature],
                    autograph=False,
                )
            return self._made[key]

    def values(self) -> ValuesView:
        """The graphs that have been made."""
        return self._made.values()
