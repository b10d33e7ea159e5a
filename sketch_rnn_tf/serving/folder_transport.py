"""An exported SavedModel in this process, without a server: the same signatures on the same terms.

Good for trying an export before it is served. Needs TensorFlow.
"""

from __future__ import annotations

import pathlib

import numpy as np

from sketch_rnn_tf import requirement
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.serving.transport import Arrays, ModelName


class FolderTransport:
    """Runs the signatures of a SavedModel.

    Args:
      path: the folder with `saved_model.pb`, such as `exported/saved_model/1`.

    Raises:
      UserError: TensorFlow cannot load it.
    """

    def __init__(self, path: pathlib.Path):
        tf = requirement.load("tensorflow", str(path))
        self._path = path
        try:
            self._signatures = tf.saved_model.load(str(path)).signatures
        except Exception as error:  # TensorFlow raises a dozen types for a damaged folder
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{path}: cannot be loaded as a SavedModel ({reason})") from error

    def predict(self, model: ModelName, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        """Runs a signature."""
        import tensorflow as tf

        if signature not in self._signatures:
            known = ", ".join(self._signatures)
            raise UserError(f"{self._path}: has no signature {signature!r}; it has {known}")
        try:
            tensors = {name: tf.constant(value) for name, value in inputs.items()}
            outputs = self._signatures[signature](**tensors)
        except (TypeError, ValueError, tf.errors.InvalidArgumentError) as error:
            reason = " ".join(str(error).split())[:200]
            raise UserError(f"{self._path}: {signature} refuses its inputs ({reason})") from error
        found = {name: value.numpy() for name, value in outputs.items()}
        return {
            name: np.char.decode(value.astype(bytes), "utf-8") if value.dtype == object else value
            for name, value in found.items()
        }

    def metadata(self, model: ModelName, timeout: float) -> dict[str, dict]:
        """Returns {signature: {"inputs": {name: (type, shape)}, "outputs": ...}}."""

        def described(specs):
            return {
                name: (
                    spec.dtype.name.upper().replace("FLOAT32", "FLOAT"),
                    [-1 if size is None else size for size in spec.shape],
                )
                for name, spec in specs.items()
            }

        return {
            name: {
                "inputs": described(function.structured_input_signature[1]),
                "outputs": described(function.structured_outputs),
            }
            for name, function in self._signatures.items()
        }

    def status(self, model: ModelName, timeout: float) -> dict[int, str]:
        """Returns {version: state} of the one version in the folder."""
        name = self._path.name
        return {int(name) if name.isdecimal() else 1: "AVAILABLE"}

    def close(self) -> None:
        """Does nothing: nothing is open."""
