"""The distribution of the next point in NumPy: what apps write in their own language.

The twin of `model.next_point` in TensorFlow, for one sketch.
"""

from __future__ import annotations

import numpy as np

PEN_STATES = 3
MAX_LOG_SCALE, MAX_FISHER_Z, MAX_LOGIT = 20.0, 8.0, 1e4  # as in model.next_point


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
      A stroke-5 row [5], float32, normalized units.
    """
    pen, (pi, mu_x, mu_y, log_x, log_y, z) = raw[:PEN_STATES], raw[PEN_STATES:].reshape(6, -1)
    pen_divisor, pi_divisor, factor = (np.float32(value) for value in temperature)
    if mode == "javascript":
        half = np.float32(0.5)
        pen_divisor, pi_divisor = half + pen_divisor / 2, half + pi_divisor / 2
    factor = factor if mode == "magenta" else np.sqrt(factor)
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


def nats(raw: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the offset nats and the pen nats of each point, float64 [N].

    Args:
      raw: [N, 3 + 6M], `parameters` of the `step` signature before each point.
      points: stroke-5 rows [N, 5], normalized units.
    """
    raw, points = raw.astype(np.float64), points.astype(np.float64)
    pen, blocks = raw[:, :PEN_STATES], raw[:, PEN_STATES:].reshape(len(raw), 6, -1)
    pi, mu_x, mu_y, log_x, log_y, z = blocks.transpose(1, 0, 2)  # [N, M] each
    log_x, log_y = (np.clip(value, -MAX_LOG_SCALE, MAX_LOG_SCALE) for value in (log_x, log_y))
    rho = np.tanh(np.clip(z, -MAX_FISHER_Z, MAX_FISHER_Z))
    x = (points[:, :1] - mu_x) / np.exp(log_x)
    y = (points[:, 1:2] - mu_y) / np.exp(log_y)
    rest = 1 - rho**2
    square = (x**2 - 2 * rho * x * y + y**2) / rest
    log_density = -(square + np.log(rest)) / 2 - log_x - log_y - np.log(2 * np.pi)
    offset = np.logaddexp.reduce(_log_softmax(pi) + log_density, axis=1)
    return -offset, -(_log_softmax(pen) * points[:, 2:]).sum(axis=1)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = np.clip(logits, -MAX_LOGIT, MAX_LOGIT)
    return logits - np.logaddexp.reduce(logits, axis=1, keepdims=True)


def _choose(logits: np.ndarray, uniform: float) -> int:
    """Returns the first index whose cumulative probability exceeds the uniform number."""
    weights = np.exp(logits - logits.max())
    passed = np.cumsum(weights / weights.sum(), dtype=np.float32) <= uniform
    return min(int(passed.sum()), len(logits) - 1)
