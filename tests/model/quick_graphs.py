"""Graphs that are made sooner, for tests of what is around them.

Sequences in one segment, and graphs as they are written: TensorFlow does not rewrite them. Both
change the order of additions at most, but take a good part of a small model's time.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
import tensorflow as tf

from sketch_rnn_tf.model import sequence

_SEGMENTS = sequence.SEGMENTS


def quick_graphs() -> contextlib.AbstractContextManager[None]:
    """Returns a context in which graphs are made sooner."""
    return _graphs(1, rewritten=False)


def usual_graphs() -> contextlib.AbstractContextManager[None]:
    """Returns a context in which they are made as ever, also within the other one."""
    return _graphs(_SEGMENTS, rewritten=True)


@contextlib.contextmanager
def _graphs(segments: int, rewritten: bool) -> Iterator[None]:
    options = tf.config.optimizer
    before = options.get_experimental_options().get("disable_meta_optimizer", False)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sequence, "SEGMENTS", segments)
        options.set_experimental_options({"disable_meta_optimizer": not rewritten})
        try:
            yield
        finally:
            options.set_experimental_options({"disable_meta_optimizer": before})
