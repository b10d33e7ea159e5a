"""What the JavaScript code of sketch-rnn-js cannot run; told without TensorFlow."""

from __future__ import annotations

from sketch_rnn_tf import config
from sketch_rnn_tf.errors import UserError

NUM_MIXTURES = 20  # is fixed in the JavaScript code


def check(model: config.ModelConfig) -> None:
    """Checks that the JavaScript code has such a model.

    Raises:
      UserError: it has not; names what is different.
    """
    kinds = {model.decoder.cell}
    kinds |= {model.encoder.cell} if model.conditional else set()
    if kinds != {"lstm"}:
        other = ", ".join(sorted(kinds - {"lstm"}))
        raise UserError(
            f"magenta_js: sketch-rnn-js has lstm cells only, this model has {other}; --format web"
            " runs any model in a page"
        )
    if model.decoder.absolute_position:
        raise UserError(
            "magenta_js: sketch-rnn-js has no decoder that reads absolute positions; --format web"
            " runs any model in a page, and a model that was trained with"
            " --set decoder.absolute_position=false can be written"
        )
    if model.num_mixtures != NUM_MIXTURES:
        raise UserError(
            f"magenta_js: sketch-rnn-js needs {NUM_MIXTURES} mixture components, this model has"
            f" {model.num_mixtures}; --format web runs any model in a page"
        )
