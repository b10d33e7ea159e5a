"""The small model that the server's tests draw with, and its export for a server elsewhere.

    python tests/serving/small_model.py DIR

writes DIR/saved_model and DIR/serving, and says how to start TensorFlow Serving on them. The tests
of the client run against that server when its addresses are in the environment:

    TF_SERVING_ADDRESS=grpc://host:8500,http://host:8501 pytest tests/serving

One address will do; tests that need the other way are skipped. The server has to serve the model
under the name `sketch_rnn`, and the label `stable` has to stand for version 1.
"""

from __future__ import annotations

import pathlib
import sys

import keras

from sketch_rnn_tf import config, runs
from sketch_rnn_tf.export.saved_model import deployment, exporter
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.sampling.keras_backend import KerasBackend
from sketch_rnn_tf.sketcher.sketcher import Sketcher

LABEL = "stable"
CONFIG = config.RunConfig(
    scale_factor=7.0, max_length=20, classes=("cat", "dog"),
    model=config.ModelConfig(
        z_size=3, num_mixtures=4, class_conditioned=True, class_embedding=2,
        encoder=config.EncoderConfig(units=6), decoder=config.DecoderConfig(units=5),
    ),
)  # fmt: skip


def sketcher() -> Sketcher:
    """Returns the class-conditioned model; its weights are the same in every process."""
    keras.utils.set_random_seed(3)
    return Sketcher(KerasBackend(sketch_rnn.build_model(CONFIG), CONFIG))


def write(model: Sketcher, folder: pathlib.Path) -> pathlib.Path:
    """Exports the model and gives its first version the label; returns the version's folder."""
    path = exporter.write(runs.Run(folder / "run", CONFIG), model.model, folder)
    models = folder / "serving" / "models.config"
    versions = f'version_labels {{ key: "{LABEL}" value: 1 }}\n  }}\n}}\n'
    models.write_text(deployment.template("models.config").removesuffix("}\n}\n") + "  " + versions)
    return path


def main() -> None:
    folder = pathlib.Path(sys.argv[1]).resolve()
    write(sketcher(), folder)
    readme = (folder / "serving" / "README.md").read_text()
    command = readme.partition("```\n")[2].partition("\n```")[0]
    print(f"cd {folder}\n{command} \\\n  --allow_version_labels_for_unavailable_models=true")


if __name__ == "__main__":
    main()
