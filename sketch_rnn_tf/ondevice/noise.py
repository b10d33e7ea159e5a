"""Random numbers on the device, by NumPy's PCG64: each sketch's a function of its seeds alone.

The streams of a row of seeds (a, b) are `numpy.random.default_rng([a mod 2^32, b mod 2^32, k])`:
k = 0 gives the uniforms (component, pen) of the points in order, k = 1 the standard normals (x, y),
k = 2 the latent vector. TensorFlow's numbers for the same seeds are others: to draw the same
drawing in both, give both the same noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NOISE = 4  # numbers a point: component, pen, x, y
_UNIFORMS, _NORMALS, _LATENT = range(3)


def noise(seeds: Sequence[int], length: int) -> np.ndarray:
    """Returns the noise of a sketch, float32 [length, 4]; a shorter one begins a longer one."""
    uniforms = _stream(seeds, _UNIFORMS).random((length, 2), np.float32)
    normals = _stream(seeds, _NORMALS).standard_normal((length, 2), np.float32)
    return np.concatenate([uniforms, normals], axis=1)


def latent(seeds: Sequence[int], z_size: int) -> np.ndarray:
    """Returns a latent vector from the prior N(0, 1), float32 [Z]."""
    return _stream(seeds, _LATENT).standard_normal(z_size, np.float32)


def _stream(seeds: Sequence[int], stream: int) -> np.random.Generator:
    return np.random.default_rng([*(int(seed) % 2**32 for seed in seeds), stream])
