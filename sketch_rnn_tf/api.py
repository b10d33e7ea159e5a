"""A model in the user's hands: drawings in source units in, drawings in source units out.

    sketcher = load_model("runs/sheep")
    sketcher.generate(9, temperature=0.4, seed=0)
    sketcher.complete(begun, num=3)

Every verb draws sketch i of a seed from random numbers of its own, so it is the same drawing
alone and inside any batch.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from sketch_rnn_tf import config, files, runs
from sketch_rnn_tf.model.sketch_rnn import SketchRNN
from sketch_rnn_tf.sampling import keras_backend
from sketch_rnn_tf.sketcher import backend, sketcher


def load_model(path: files.PathLike, checkpoint: str = "best", **overrides: Any) -> Sketcher:
    """Opens a run directory for drawing.

    Args:
      path: a run directory, trained or imported, or `pretrained:kanji`.
      checkpoint: `best`, `last` or a step.
      **overrides: fields of the run's configuration to use instead of its own, such as
        `temperature_mode` or `scale_factor`.

    Returns:
      A Sketcher.

    Raises:
      UserError: no such run or weights, or an unknown field.
    """
    run = runs.open_run(path)
    content = {**config.to_json(run.config), **overrides}
    configuration = config.from_json(config.RunConfig, content, str(path))
    return Sketcher(run.load_model(checkpoint), configuration)


class Sketcher(sketcher.Verbs):
    """A SketchRNN in the user's units: the verbs of `sampling.verbs.Verbs`.

    Args:
      model: the Keras model, afterwards `.model`.
      configuration: the run's configuration, afterwards `.config`.
      batch_size: how many sketches are drawn at once.
    """

    def __init__(
        self,
        model: SketchRNN,
        configuration: config.RunConfig,
        batch_size: int = keras_backend.BATCH_SIZE,
    ):
        self.model = model
        self.config = configuration
        self._sampler = keras_backend.Sampler(
            model, configuration.temperature_mode, configuration.start_token, batch_size
        )

    @property
    def conditional(self) -> bool:
        """Whether the model has latent vectors; else it is a decoder alone."""
        return self.model.conditional

    @property
    def z_size(self) -> int:
        """Z, how many numbers a latent vector has."""
        return self.model.z_size

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names by label; empty unless the model is class-conditioned."""
        return self.config.classes if self.model.num_classes else ()

    def with_settings(self, **changes: Any) -> Sketcher:
        """Returns a Sketcher of the same model with other configuration fields."""
        return Sketcher(self.model, dataclasses.replace(self.config, **changes))

    def _drawn(self, request: backend.Request) -> list[tuple[np.ndarray, bool]]:
        rows, ended = self._sampler.draw(
            self._request_latents(request, self._sampler.prior),
            request.labels,
            request.seeds,
            request.temperature,
            request.limit,
            request.greedy,
            None if request.prefixes is None else self._normalised(request.prefixes),
            request.noise,
        )
        scale = np.float32([self.config.scale_factor, self.config.scale_factor, 1])
        return [(points * scale, end) for points, end in zip(rows, ended, strict=True)]

    def _encoded(self, rows, labels, seeds) -> np.ndarray:
        return self._sampler.encode(self._normalised(rows), labels, seeds)

    def _scores(self, rows, labels) -> dict[str, list[float]]:
        from sketch_rnn_tf import evaluation

        found = evaluation.score(self.model, self.config, rows, labels)
        return {name: [one[name] for one in found] for name in backend.NATS}

    def _normalised(self, sketches) -> list[np.ndarray]:
        """Returns stroke-3 rows in normalised units, as the model was trained on them."""
        return [keras_backend.normalised(rows, self.config.scale_factor) for rows in sketches]
