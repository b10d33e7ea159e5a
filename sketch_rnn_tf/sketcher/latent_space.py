"""Ways through latent space, in NumPy: between drawings, along directions, by analogy."""

from __future__ import annotations

import numpy as np

from sketch_rnn_tf.errors import UserError

INTERPOLATIONS = ("spherical", "linear")
PARALLEL = 1e-6  # sine of an angle below which the arc between two vectors is a straight line


def interpolate(
    a: np.ndarray, b: np.ndarray, fraction: float, interpolation: str = "spherical"
) -> np.ndarray:
    """Returns the latent vector a fraction of the way from a to b.

        spherical:  (sin((1 - f) w) a + sin(f w) b) / sin w,  w the angle between a and b

    Where no arc is defined, because a vector is zero or the two are parallel or opposite, the way
    is the straight line.

    Args:
      a: [..., Z].
      b: [..., Z].
      fraction: 0 gives a and 1 gives b, exactly.
      interpolation: one of INTERPOLATIONS.

    Raises:
      UserError: an unknown interpolation.
    """
    if interpolation not in INTERPOLATIONS:
        known = ", ".join(INTERPOLATIONS)
        raise UserError(f"there is no interpolation {interpolation!r}; there are {known}")
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    weight_a, weight_b = np.float64(1.0 - fraction), np.float64(fraction)
    if interpolation == "spherical" and fraction not in (0, 1):
        weight_a, weight_b = _arc_weights(a, b, fraction)
    return (weight_a * a + weight_b * b).astype(np.float32)


def _arc_weights(a: np.ndarray, b: np.ndarray, fraction: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns the weights [..., 1] of the two ends on the arc, or on the line where there is none.

    The sine comes from the parts of the unit vectors that differ: 1 - cos^2 has no digits left
    where they nearly do not.
    """
    unit_a, unit_b = _unit(a), _unit(b)
    half_sine = np.linalg.norm(unit_a - unit_b, axis=-1, keepdims=True) / 2
    half_cosine = np.linalg.norm(unit_a + unit_b, axis=-1, keepdims=True) / 2
    angle = 2 * np.arctan2(half_sine, half_cosine)
    sine = np.sin(angle)
    zero = ~(unit_a.any(axis=-1, keepdims=True) & unit_b.any(axis=-1, keepdims=True))
    straight = zero | (sine < PARALLEL)
    divisor = np.where(straight, 1.0, sine)
    weight_a = np.where(straight, 1.0 - fraction, np.sin((1.0 - fraction) * angle) / divisor)
    weight_b = np.where(straight, fraction, np.sin(fraction * angle) / divisor)
    return weight_a, weight_b


def _unit(vector: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(vector, axis=-1, keepdims=True)
    return vector / np.where(length > 0, length, 1.0)


def row(a: np.ndarray, b: np.ndarray, steps: int, interpolation: str = "spherical") -> np.ndarray:
    """Returns `steps` latent vectors from a to b, both included, [steps, Z].

    Raises:
      UserError: fewer than two steps, or an unknown interpolation.
    """
    fractions = np.linspace(0.0, 1.0, _checked_steps(steps)).tolist()
    return np.stack([interpolate(a, b, fraction, interpolation) for fraction in fractions])


def grid(corners: np.ndarray, steps: int, interpolation: str = "spherical") -> np.ndarray:
    """Returns a square between four latent vectors, [steps * steps, Z], row by row.

    Args:
      corners: [4, Z]: top left, top right, bottom left, bottom right.
      steps: rows and columns.
      interpolation: one of INTERPOLATIONS; rows go between points of the left and right edges.

    Raises:
      UserError: fewer than two steps, or an unknown interpolation.
    """
    top_left, top_right, bottom_left, bottom_right = corners
    left = row(top_left, bottom_left, steps, interpolation)
    right = row(top_right, bottom_right, steps, interpolation)
    return np.concatenate(
        [row(a, b, steps, interpolation) for a, b in zip(left, right, strict=True)]
    )


def between(ends: np.ndarray, steps: int, interpolation: str) -> np.ndarray:
    """Returns what lies between latent vectors: the way between two, the square between four.

    Args:
      ends: [2, Z] or [4, Z].
      steps: vectors a row.
      interpolation: see `row`.

    Returns:
      [steps, Z] of `row`, or [steps * steps, Z] of `grid`.

    Raises:
      UserError: there are neither two nor four ends.
    """
    if len(ends) not in (2, 4):
        raise UserError(f"the way between {len(ends)} drawings cannot be drawn: 2 or 4 can")
    if len(ends) == 2:
        return row(ends[0], ends[1], steps, interpolation)
    return grid(ends, steps, interpolation)


def analogy(start: np.ndarray, minus: np.ndarray, plus: np.ndarray) -> np.ndarray:
    """Returns mean(start) - mean(minus) + mean(plus) of sets of latent vectors [S, Z], [Z]."""
    means = [np.asarray(vectors, np.float64).mean(axis=0) for vectors in (start, minus, plus)]
    return (means[0] - means[1] + means[2]).astype(np.float32)


def principal_directions(latents: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Finds the directions in which latent vectors differ most.

    Args:
      latents: [S, Z], at least two.
      count: how many directions.

    Returns:
      directions [count, Z], each as long as the standard deviation of the vectors along it and
      with its largest entry positive; and shares [count] of the whole variance, falling.

    Raises:
      UserError: more directions than S - 1 or Z.
    """
    latents = np.asarray(latents, np.float64)
    most = min(len(latents) - 1, latents.shape[1])
    if not 1 <= count <= most:
        raise UserError(
            f"{count} directions of {len(latents)} drawings with {latents.shape[1]} latent numbers"
            f" cannot be found: 1 to {max(most, 0)} can"
        )
    centered = latents - latents.mean(axis=0)
    _, singular, directions = np.linalg.svd(centered, full_matrices=False)
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=1)[:, None], axis=1)
    deviations = singular / np.sqrt(len(latents))
    scaled = directions * np.where(largest < 0, -1.0, 1.0) * deviations[:, None]
    shares = singular**2 / max(float((singular**2).sum()), np.finfo(np.float64).tiny)
    return scaled[:count].astype(np.float32), shares[:count]


def strips(
    latents: np.ndarray, count: int, steps: int, span: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns a walk along each principal direction through the mean, and the directions' shares.

    Args:
      latents: [S, Z].
      count: how many directions.
      steps: latent vectors a direction.
      span: how far the walk goes to either side, in standard deviations.

    Returns:
      [count, steps, Z] and [count].

    Raises:
      UserError: see `principal_directions`; fewer than two steps; a span not above 0.
    """
    if not 0 < span < float("inf"):
        raise UserError(f"span is {span}, expected a finite number above 0")
    directions, shares = principal_directions(latents, count)
    amounts = np.linspace(-span, span, _checked_steps(steps))
    walks = np.mean(latents, axis=0) + amounts[:, None] * directions[:, None]
    return walks.astype(np.float32), shares


def _checked_steps(steps: int) -> int:
    if steps < 2:
        raise UserError(f"{steps} steps cannot be drawn: 2 or more can")
    return int(steps)
