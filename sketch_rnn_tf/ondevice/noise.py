"""Random numbers on the device: TensorFlow's own for the same seeds, made by NumPy.

`tf.random.stateless_uniform` and `stateless_normal` run Philox 4x32-10 (Salmon et al., "Parallel
random numbers: as easy as 1, 2, 3", SC11) on a key and a counter that are scrambled from the seed.
Sketch (a, b) takes its uniforms from the seed (a, 4b), its normals from (a, 4b + 1) and its latent
vector from (a, 4b + 2), as `sampling.loop` does: a seed draws the same sketch here as there.
The uniforms are TensorFlow's bit for bit, the normals to the last digits of logarithm and sine.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_UNIFORMS, _NORMALS, _LATENT = range(3)
_FACTORS = np.array([0xD2511F53, 0xCD9E8D57], np.uint64)  # of Philox's multiplications
_WEYL = np.array([0x9E3779B9, 0xBB67AE85], np.uint32)  # what a round adds to the key
_SCRAMBLE = np.array([0x3EC8F720, 0x02461E29], np.uint32)  # TensorFlow's key for seeds
_ROUNDS = 10
_LEAST = np.float32(1e-7)  # uniforms below pass for it before their logarithm is taken


def noise(seeds: Sequence[int], length: int) -> np.ndarray:
    """Returns the noise of a sketch, float32 [length, 4]; a shorter one begins a longer one."""
    uniforms = _uniform(_bits(_seed(seeds, _UNIFORMS), 2 * length)).reshape(length, 2)
    normals = _normal(_seed(seeds, _NORMALS), 2 * length).reshape(length, 2)
    return np.concatenate([uniforms, normals], axis=1)


def latent(seeds: Sequence[int], z_size: int) -> np.ndarray:
    """Returns standard normals for a latent vector, float32 [Z]."""
    return _normal(_seed(seeds, _LATENT), z_size)


def latents(rows: np.ndarray, z_size: int) -> np.ndarray:
    """Returns standard normals for latent vectors, float32 [S, Z], of rows of seeds [S, 2]."""
    return np.stack([latent(seeds, z_size) for seeds in rows])


def _seed(seeds: Sequence[int], stream: int) -> np.ndarray:
    """Returns the seed of a stream, int64 [2]; TensorFlow computes it in int32, which wraps."""
    first, second = (int(seed) for seed in seeds)
    return np.array([first, 4 * second + stream], np.int64).astype(np.int32).astype(np.int64)


def _normal(seed: np.ndarray, count: int) -> np.ndarray:
    """Returns standard normals by Box and Muller, each pair from two words."""
    words = _bits(seed, count + count % 2).reshape(-1, 2)
    radius = np.sqrt(-2 * np.log(np.maximum(_uniform(words[:, 0]), _LEAST)))
    angle = np.float32(2 * np.pi) * _uniform(words[:, 1])
    pairs = np.stack([np.sin(angle), np.cos(angle)], axis=1) * radius[:, None]
    return pairs.reshape(-1)[:count]


def _uniform(words: np.ndarray) -> np.ndarray:
    """Returns float32 in [0, 1): the lower 23 bits as the fraction of a number from 1 to 2."""
    return ((words & np.uint32(0x7FFFFF)) | np.uint32(0x3F800000)).view(np.float32) - np.float32(1)


def _bits(seed: np.ndarray, count: int) -> np.ndarray:
    """Returns random words of a seed, uint32 [count]."""
    mixed = _philox(seed.view(np.uint32)[None], _SCRAMBLE)[0]
    counters = np.zeros((-(-count // 4), 4), np.uint32)
    counters[:, 0] = np.arange(len(counters))
    counters[:, 2:] = mixed[2:]
    return _philox(counters, mixed[:2]).reshape(-1)[:count]


def _philox(counters: np.ndarray, key: np.ndarray) -> np.ndarray:
    """Returns Philox 4x32-10 of counters uint32 [N, 4] with a key uint32 [2], [N, 4]."""
    for number in range(_ROUNDS):
        products = counters[:, [0, 2]].astype(np.uint64) * _FACTORS
        low, high = products.astype(np.uint32), (products >> np.uint64(32)).astype(np.uint32)
        keys = key + _WEYL * np.uint32(number)
        mixed = high[:, ::-1] ^ counters[:, [1, 3]] ^ keys
        counters = np.stack([mixed[:, 0], low[:, 1], mixed[:, 1], low[:, 0]], axis=1)
    return counters
