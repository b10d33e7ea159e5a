"""The console scripts: Ctrl-C has its one line also while a command's modules are being imported.

Each imports the module of its command when it is called, and nothing before.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Sequence

from sketch_rnn_tf import interrupts


def _script(name: str, module: str) -> Callable[..., int]:
    def start(argv: Sequence[str] | None = None) -> int:
        try:
            with interrupts.surfacing():
                run = importlib.import_module(module).run
        except KeyboardInterrupt:
            print(f"{name}: interrupted", file=sys.stderr)
            return interrupts.EXIT_CODE
        return run(argv)

    return start


prepare = _script("sketch-rnn-prepare", "data_prep.prepare")
inspect = _script("sketch-rnn-inspect", "data_prep.inspect_dataset")
download = _script("sketch-rnn-download", "data_prep.download")
train = _script("sketch-rnn-train", "sketch_rnn_tf.commands.train")
evaluate = _script("sketch-rnn-evaluate", "sketch_rnn_tf.commands.evaluate")
export = _script("sketch-rnn-export", "sketch_rnn_tf.commands.export")
score = _script("sketch-rnn-score", "sketch_rnn_tf.commands.score")
sample = _script("sketch-rnn-sample", "sketch_rnn_tf.commands.sample")
compare = _script("sketch-rnn-compare", "sketch_rnn_tf.commands.compare")
play = _script("sketch-rnn-play", "sketch_rnn_tf.commands.play")
collect = _script("sketch-rnn-collect", "sketch_rnn_tf.commands.collect")
import_model = _script("sketch-rnn-import", "sketch_rnn_tf.commands.import_model")
