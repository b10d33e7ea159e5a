"""The files that take an exported model into service with TensorFlow Serving: `templates/`.

They are copied as they are; README.md has a few places that depend on the model.
"""

from __future__ import annotations

import importlib.resources
import json
import string
from collections.abc import Mapping

from sketch_rnn_tf import config
from sketch_rnn_tf.export.saved_model.signatures import Signature
from sketch_rnn_tf.serving.server_errors import MEANINGS

MODEL_NAME = "sketch_rnn"  # of the model in the templates
README = "README.md"


def template(name: str) -> str:
    """Returns the text of a file in `templates/`."""
    return (importlib.resources.files(__package__) / "templates" / name).read_text("utf-8")


def texts(configuration: config.RunConfig, signatures: Mapping[str, Signature]) -> dict[str, str]:
    """Returns {file name: content} of the files beside the model.

    Args:
      configuration: of the run.
      signatures: of the model by name, the default first.
    """
    folder = importlib.resources.files(__package__) / "templates"
    found = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir()}
    example: dict[str, list] = {"temperature": [0.4], "seed": [[0, 0]]}
    if configuration.model.class_conditioned:
        example["label"] = [0]
    found[README] = string.Template(found[README]).substitute(
        example=json.dumps(example),
        default=next(iter(signatures)),
        rows=configuration.max_length + int(configuration.drop_first_point),
        signatures="\n".join(
            f"| `{name}` | {signature.text} | {', '.join(map(_described, signature.inputs))} |"
            for name, signature in signatures.items()
        ),
        errors="\n".join(f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items()),
    )
    return found


def _described(spec) -> str:
    """Returns an input's name, type and shape, such as `seed` int32 [B, 2]."""
    sizes = ["B", *("T" if size is None else str(size) for size in spec.shape[1:])]
    return f"`{spec.name}` {spec.dtype.name} [{', '.join(sizes)}]"
