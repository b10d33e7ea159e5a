"""The distribution of the next point in NumPy: what apps write in their own language.

The same as `sampling.sampler` does in TensorFlow, for one sketch.
"""

from __future__ import annotations

import numpy as np

PEN_STATES = 3
MAX_LOG_SCALE, MAX_FISHER_Z, MAX_LOGIT = 20.0, 8.0, 1e4  # as in model.mixture


def next_point(
    raw: np.ndarray, noise: np.ndarray, temperature: np.ndarray, mode: str, greedy: bool = False
) -> np.ndarray:
    """Chooses the next point.

    Args:
      raw: [3 + 6M], `parameters` of the `step` signature: pen logits, then the blocks pi, mu_x,
        mu_y, log sigma_x, log sigma_y and the arc tangent of rho.
      noise: [4]: uniforms for the component and the pen, standard normals for x and y.
      temperature: [3], of pen, mixture and offsets.
      mode: `paper`, `magenta` or `javascript`.
      greedy: the likeliest component's mean and the likeliest pen state.

    Returns:
      A stroke-5 row [5], float32, normalised units.
    """
    pen, (pi, mu_x, mu_y, log_x, log_y, z) = raw[:PEN_STATES], raw[PEN_STATES:].reshape(6, -1)
    pen_divisor, pi_divisor, factor = _tempered(temperature, mode)
    pen = np.clip(pen, -MAX_LOGIT, MAX_LOGIT) / pen_divisor
    pi = np.clip(pi, -MAX_LOGIT, MAX_LOGIT) / pi_divisor
    state = int(pen.argmax()) if greedy else _choose(pen, noise[1])
    k = int(pi.argmax()) if greedy else _choose(pi, noise[0])
    point = np.zeros(5, np.float32)
    point[2 + state] = 1
    point[:2] = mu_x[k], mu_y[k]
    if not greedy:
        scale = np.exp(np.clip([log_x[k], log_y[k]], -MAX_LOG_SCALE, MAX_LOG_SCALE)) * factor
        rho = np.tanh(np.clip(z[k], -MAX_FISHER_Z, MAX_FISHER_Z))
        point[:2] += scale * [noise[2], rho * noise[2] + np.sqrt(1 - rho * rho) * noise[3]]
    return point


def _tempered(temperature: np.ndarray, mode: str) -> tuple[float, float, float]:
    """Returns the divisors of pen and mixture logits and the factor of sigma."""
    pen, pi, offset = (np.float32(value) for value in temperature)
    if mode == "javascript":
        pen, pi = np.float32(0.5) + pen / 2, np.float32(0.5) + pi / 2
    return pen, pi, offset if mode == "magenta" else np.sqrt(offset)


def _choose(logits: np.ndarray, uniform: float) -> int:
    """Returns the index at which the cumulated probabilities pass the uniform number."""
    weights = np.exp(logits - logits.max())
    passed = np.cumsum(weights / weights.sum(), dtype=np.float32) <= uniform
    return min(int(passed.sum()), len(logits) - 1)
