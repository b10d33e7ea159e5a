"""A checked `.tflite` file and its signatures as functions on NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

from sketch_rnn_tf import files, model_paths, requirement, stderr
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.ondevice import metadata


class Model:
    """A model file of ours, opened.

    Args:
      path: the file or what leads to it, such as `pretrained:NAME.tflite` or a folder `litert`.
      threads: threads of the interpreter; one is fastest for models of this size.
      xnnpack: whether the XNNPACK kernels are used.

    Attributes:
      metadata: what the file holds about itself, see docs/on_device.md.

    Raises:
      UserError: the file is not ours, damaged or of a newer version, or ai-edge-litert is missing.
    """

    def __init__(self, path: files.PathLike, threads: int = 1, xnnpack: bool = True):
        path = model_paths.tflite(path)
        self._data = path.read_bytes()  # the interpreter reads from it as long as it lives
        self.metadata = metadata.read(self._data, str(path))
        self._interpreter = interpreter(self._data, threads, xnnpack)
        self._runners: dict[str, Any] = {}

    def run(self, signature: str, **inputs: Any) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          signature: its name.
          **inputs: arrays of the shapes and types that the metadata names.

        Raises:
          UserError: there is no such signature, or an input is missing or has a wrong shape.
        """
        specs = self.metadata["signatures"].get(signature)
        if specs is None:
            known = ", ".join(self.metadata["signatures"])
            raise UserError(f"the file has no signature {signature!r}; it has {known}")
        if set(inputs) != set(specs["inputs"]):
            raise UserError(
                f"{signature} received the inputs {', '.join(inputs)},"
                f" expected {', '.join(specs['inputs'])}"
            )
        arrays = {}
        for name, value in inputs.items():
            spec = specs["inputs"][name]
            array = np.ascontiguousarray(value, spec["dtype"])
            if list(array.shape) != spec["shape"]:
                raise UserError(f"{name} has shape {list(array.shape)}, expected {spec['shape']}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise UserError(f"{name} has a value that is not finite")
            arrays[name] = array
        if signature not in self._runners:
            self._runners[signature] = self._interpreter.get_signature_runner(signature)
        return self._runners[signature](**arrays)


def interpreter(data: bytes, threads: int = 1, xnnpack: bool = True, keep: bool = False) -> Any:
    """Returns a LiteRT interpreter for a model's bytes.

    Args:
      data: the file.
      threads: threads of the interpreter.
      xnnpack: whether the XNNPACK kernels are used.
      keep: whether all tensors can be read after a run, for looking inside.

    Raises:
      UserError: ai-edge-litert is missing, or it refuses the file.
    """
    litert = requirement.load("ai_edge_litert.interpreter", metadata.PURPOSE)
    kinds = litert.OpResolverType
    kind = kinds.AUTO if xnnpack else kinds.BUILTIN_WITHOUT_DEFAULT_DELEGATES
    try:
        with stderr.quiet():  # LiteRT reports its XNNPACK delegate
            found = litert.Interpreter(
                model_content=data,
                num_threads=threads,
                experimental_op_resolver_type=kind,
                experimental_preserve_all_tensors=keep,
            )
            found.allocate_tensors()
            return found
    except (RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"LiteRT refuses the model ({reason})") from None
