"""Where a trained model's latent vectors lie: one Gaussian per class instead of N(0, 1).

A model that is trained with a small KL weight places the drawings of a class in a part of its
latent space; N(0, 1) mostly hits places between them, from which it draws badly. A Gaussian that is
fitted afterwards to the latent vectors of the training drawings is a better prior of the same
model (Ghosh et al., "From variational to deterministic autoencoders", 2020: ex-post density
estimation). Here it has the class's mean and its leading principal directions only, which leaves
out the rarest drawings as a low temperature does.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
from typing import Any

import numpy as np

from sketch_rnn_tf.config import RunConfig
from sketch_rnn_tf.errors import UserError

SHARE = 0.6  # of a class's variance that its directions hold
MOST_DIRECTIONS = 16


@dataclasses.dataclass(frozen=True, eq=False)
class LatentPrior:
    """A Gaussian of latent vectors per class, of low rank.

    Attributes:
      means: float32 [C, Z]; C is 1 for a model without classes.
      axes: float32 [C, K, Z], principal directions, each as long as its standard deviation.
    """

    means: np.ndarray
    axes: np.ndarray

    def __call__(self, normals: np.ndarray, labels: np.ndarray | None) -> np.ndarray:
        """Returns latent vectors, float32 [S, Z].

        Args:
          normals: standard normals [S, Z], of which the first K move along the axes.
          labels: int [S] for a class-conditioned model, else None.
        """
        chosen = np.zeros(len(normals), np.int32) if labels is None else labels
        moves = np.asarray(normals[:, : self.axes.shape[1]], np.float64)
        moved = np.einsum("sk,skz->sz", moves, self.axes[chosen].astype(np.float64))
        return (self.means[chosen] + moved).astype(np.float32)

    def to_json(self) -> dict[str, Any]:
        """Returns it for a run's configuration: float16, little endian, as base64."""
        classes, directions, _ = self.axes.shape
        return {
            "classes": classes,
            "directions": directions,
            "means": _encoded(self.means),
            "axes": _encoded(self.axes),
        }


def fit(z: np.ndarray, labels: np.ndarray | None, num_classes: int) -> LatentPrior:
    """Fits a prior to latent vectors of training drawings.

    All classes have as many axes: the fewest that hold `SHARE` of the variance on average, at most
    `MOST_DIRECTIONS`.

    Args:
      z: means of q(z given a drawing), [S, Z].
      labels: int [S], or None for a model without classes.
      num_classes: C, 0 for a model without classes. A class without drawings gets the mean and
        the axes of all.
    """
    z = np.asarray(z, np.float64)
    chosen = np.zeros(len(z), np.int32) if labels is None else np.asarray(labels)
    groups = [z[chosen == label] for label in range(max(num_classes, 1))]
    found = [_principal(group if len(group) > 1 else z) for group in groups]
    shares = np.mean([np.cumsum(variances) / variances.sum() for _, variances, _ in found], axis=0)
    count = min(int(np.searchsorted(shares, SHARE)) + 1, MOST_DIRECTIONS, z.shape[1])
    axes = [
        directions[:count] * variances[:count, None] ** 0.5 for _, variances, directions in found
    ]
    parts = (np.stack([mean for mean, _, _ in found]), np.stack(axes))
    # As the configuration keeps them, so that a fitted prior draws what an opened one does.
    return LatentPrior(*(part.astype(np.float16).astype(np.float32) for part in parts))


def of(configuration: RunConfig) -> LatentPrior | None:
    """Returns the prior of a run; None where latent vectors come from N(0, 1).

    Raises:
      UserError: what the configuration holds is damaged or does not fit its model.
    """
    content, model = configuration.latent_prior, configuration.model
    if content is None or not model.conditional:
        return None
    classes = len(configuration.classes) if model.class_conditioned else 1
    try:
        count = content["directions"]
        if content["classes"] != classes or not isinstance(count, int):
            raise ValueError(f"is for {content['classes']} classes, the model has {classes}")
        return LatentPrior(
            _decoded(content["means"], (classes, model.z_size)),
            _decoded(content["axes"], (classes, count, model.z_size)),
        )
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise UserError(f"the configuration's latent_prior is damaged ({error})") from None


def _principal(z: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the mean [Z], variances [Z], falling, and their directions [Z, Z] as rows."""
    mean = z.mean(axis=0)
    variances, columns = np.linalg.eigh(np.cov(z.T).reshape(z.shape[1], z.shape[1]))
    variances, directions = np.maximum(variances[::-1], 0), columns.T[::-1]
    # An eigenvector has no sign of its own: its largest number is positive.
    largest = np.take_along_axis(directions, np.abs(directions).argmax(1)[:, None], axis=1)
    return mean, variances + 1e-12, directions * np.sign(largest)


def _encoded(array: np.ndarray) -> str:
    return base64.b64encode(array.astype("<f2").tobytes()).decode()


def _decoded(text: str, shape: tuple[int, ...]) -> np.ndarray:
    array = np.frombuffer(base64.b64decode(text, validate=True), "<f2").astype(np.float32)
    if array.size != np.prod(shape) or not np.isfinite(array).all():
        raise ValueError(f"{array.size} numbers, expected {list(shape)}, all finite")
    return array.reshape(shape)
