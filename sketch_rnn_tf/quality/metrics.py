"""The measures of two sets of drawings, in NumPy: features in, numbers out.

`real` is [R, D] and `drawn` [S, D], a row of features a drawing, at least two in each. Everything
is computed in float64 and in a fixed order, but for the search among all training drawings, which
is float32 in blocks and whose answers are computed again in float64.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from sketch_rnn_tf.errors import UserError

PRECISION_NEIGHBORS = 3  # k of precision and recall (arXiv 1904.06991)
DENSITY_NEIGHBORS = 5  # k of density and coverage (arXiv 2002.09797)
FEWEST_FOR_FRECHET = 500  # below, the estimated covariances say more of N than of the drawings
RETRIEVAL_RANKS = (1, 10, 50)
_ROUNDING = 1e-12  # of squared distances, in their largest terms
_BLOCK = 4096  # training drawings looked at together


def kid(real: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """Returns the kernel distance (arXiv 1801.01401), unbiased, and its standard error.

    The squared maximum mean discrepancy with the kernel (x y / D + 1)^3. It may be negative where
    the two sets do not differ. The standard error is the jackknife's: each drawing of either set
    left out in turn.
    """
    within_real, within_drawn = _kernel(real, real), _kernel(drawn, drawn)
    across = _kernel(real, drawn)
    np.fill_diagonal(within_real, 0.0)
    np.fill_diagonal(within_drawn, 0.0)
    value = _mean_pair(within_real) + _mean_pair(within_drawn) - 2 * across.mean()
    variance = _jackknife_variance(within_real, across) + _jackknife_variance(
        within_drawn, across.T
    )
    return float(value), float(np.sqrt(variance))


def _kernel(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    return (a @ b.T / a.shape[1] + 1.0) ** 3


def _mean_pair(within: np.ndarray) -> float:
    """Returns the mean over pairs of different drawings; the diagonal is zero."""
    return within.sum() / (len(within) * (len(within) - 1))


def _jackknife_variance(within: np.ndarray, across: np.ndarray) -> float:
    """Returns the variance of kid that comes from the set whose pairs are `within`."""
    n = len(within)
    if n < 3:
        return float("nan")
    pairs = (within.sum() - 2 * within.sum(axis=1)) / ((n - 1) * (n - 2))  # [n], without each
    crossed = (across.mean(axis=1).sum() - across.mean(axis=1)) / (n - 1)  # [n]
    values = pairs - 2 * crossed
    return (n - 1) / n * ((values - values.mean()) ** 2).sum()


def frechet(real: np.ndarray, drawn: np.ndarray) -> float:
    """Returns the Fréchet distance of two normal distributions fitted to the features.

    |m - m'|^2 + tr(C + C' - 2 (C C')^(1/2)), with the sample covariances (arXiv 1706.08500). It is
    biased: it falls as the sets grow, so compare it at one N only.

    Raises:
      UserError: a set has fewer than 500 drawings.
    """
    fewest = min(len(real), len(drawn))
    if fewest < FEWEST_FOR_FRECHET:
        raise UserError(
            f"a Fréchet distance needs at least {FEWEST_FOR_FRECHET} drawings, received {fewest}"
        )
    real, drawn = np.asarray(real, np.float64), np.asarray(drawn, np.float64)
    covariance, covariance_drawn = np.cov(real, rowvar=False), np.cov(drawn, rowvar=False)
    values, vectors = np.linalg.eigh(covariance)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    # C C' and C^(1/2) C' C^(1/2) have the same eigenvalues, and the latter is symmetric.
    eigenvalues = np.linalg.eigvalsh(root @ covariance_drawn @ root)
    shift = ((real.mean(axis=0) - drawn.mean(axis=0)) ** 2).sum()
    traces = np.trace(covariance) + np.trace(covariance_drawn)
    return float(shift + traces - 2 * np.sqrt(np.maximum(eigenvalues, 0.0)).sum())


def neighborhoods(real: np.ndarray, drawn: np.ndarray) -> dict[str, float]:
    """Returns the measures that look at nearest neighbors.

    Returns:
      `precision`: share of the drawn that lie within the distance of a real drawing to its third
      nearest real one. `recall`: the same with real and drawn exchanged. `density`: how many of
      such balls (to the fifth nearest) a drawn one lies in, over 5; can exceed 1. `coverage`:
      share of real drawings with a drawn one in their ball. `one_nn_accuracy`: how often the
      nearest other drawing is of the same set; 0.5 where they cannot be told apart, 1 where
      everybody can, below 0.5 where the drawn are copies of the real; a tie counts half.

    Raises:
      UserError: a set has not more than five drawings.
    """
    if min(len(real), len(drawn)) <= DENSITY_NEIGHBORS:
        raise UserError(
            f"nearest neighbors need more than {DENSITY_NEIGHBORS} drawings, received"
            f" {min(len(real), len(drawn))}"
        )
    among_real, among_drawn = _distances(real, real), _distances(drawn, drawn)
    across = _distances(real, drawn)  # [R, S]
    np.fill_diagonal(among_real, np.inf)
    np.fill_diagonal(among_drawn, np.inf)
    radius = _kth(among_real, PRECISION_NEIGHBORS)[:, None]
    radius_drawn = _kth(among_drawn, PRECISION_NEIGHBORS)[None]
    wide = _kth(among_real, DENSITY_NEIGHBORS)
    nearest_same = np.concatenate([among_real.min(axis=1), among_drawn.min(axis=1)])
    nearest_other = np.concatenate([across.min(axis=1), across.min(axis=0)])
    same = (nearest_same < nearest_other) + 0.5 * (nearest_same == nearest_other)
    return {
        "precision": float((across < radius).any(axis=0).mean()),
        "recall": float((across < radius_drawn).any(axis=1).mean()),
        "density": float((across < wide[:, None]).sum(axis=0).mean() / DENSITY_NEIGHBORS),
        "coverage": float((across.min(axis=1) < wide).mean()),
        "one_nn_accuracy": float(same.mean()),
    }


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns squared distances, float64 [len(a), len(b)]; that of equal rows is exactly 0."""
    a, b = np.asarray(a, np.float64), np.asarray(b, np.float64)
    squares = (a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1)[None]
    found = squares - 2 * (a @ b.T)
    return np.where(found > _ROUNDING * squares, found, 0.0)


def _kth(distances: np.ndarray, k: int) -> np.ndarray:
    return np.partition(distances, k - 1, axis=1)[:, k - 1]


def nearest(drawn: np.ndarray, training: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Finds the training drawing that is nearest to each drawing.

    Args:
      drawn: float32 [S, D].
      training: float32 [M, D]; M may be large, it is looked at in blocks.

    Returns:
      int64 [S], which one, and float64 [S], the distance to it.
    """
    drawn = np.asarray(drawn, np.float32)
    best = np.full(len(drawn), np.inf, np.float32)
    index = np.zeros(len(drawn), np.int64)
    for start in range(0, len(training), _BLOCK):
        block = np.asarray(training[start : start + _BLOCK], np.float32)
        closeness = (block**2).sum(axis=1)[None] - 2 * (drawn @ block.T)  # less |drawn|^2
        found = closeness.argmin(axis=1)
        value = closeness[np.arange(len(drawn)), found]
        index = np.where(value < best, start + found, index)
        best = np.minimum(value, best)
    difference = drawn.astype(np.float64) - np.asarray(training)[index]
    return index, np.sqrt((difference**2).sum(axis=1))


def spacing(training: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Returns how far apart training drawings lie around some of them.

    Args:
      training: float32 [M, D], M > 5.
      places: int [S], which of them.

    Returns:
      float64 [S], the distance of each to its fifth nearest other training drawing.
    """
    queries = np.asarray(training[places], np.float32)
    best = np.full((len(places), DENSITY_NEIGHBORS + 1), np.inf, np.float32)  # itself included
    for start in range(0, len(training), _BLOCK):
        block = np.asarray(training[start : start + _BLOCK], np.float32)
        closeness = (block**2).sum(axis=1)[None] - 2 * (queries @ block.T)
        both = np.concatenate([best, closeness], axis=1)
        best = np.partition(both, DENSITY_NEIGHBORS, axis=1)[:, : DENSITY_NEIGHBORS + 1]
    squares = best.max(axis=1) + (queries**2).sum(axis=1)
    return np.sqrt(np.maximum(squares, 0).astype(np.float64))


def wasserstein(real: np.ndarray, drawn: np.ndarray) -> float:
    """Returns the Wasserstein-1 distance of two samples of one number, [R] and [S]."""
    values = np.sort(np.concatenate([real, drawn]), kind="stable")
    below_real = np.searchsorted(np.sort(real), values[:-1], side="right") / len(real)
    below_drawn = np.searchsorted(np.sort(drawn), values[:-1], side="right") / len(drawn)
    return float((np.abs(below_real - below_drawn) * np.diff(values)).sum())


def retrieval(codes: np.ndarray, again: np.ndarray, places: np.ndarray) -> Mapping[str, float]:
    """Returns how often a reconstruction, encoded again, finds its original.

    Args:
      codes: latent vectors of all drawings that are searched, [A, Z].
      again: of the reconstructions, [S, Z].
      places: int [S], which of the drawings is the original of each.

    Returns:
      `top_1`, `top_10` and `top_50`: the share whose original is among so many nearest ones.
    """
    distances = _distances(again, codes)
    own = distances[np.arange(len(again)), places][:, None]
    rank = (distances < own).sum(axis=1)
    return {f"top_{k}": float((rank < k).mean()) for k in RETRIEVAL_RANKS}


def chamfer(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns how far the ink of two pictures lies apart, in pixels, for pairs of pictures.

    The mean distance of an ink pixel of one to the nearest ink pixel of the other, averaged over
    both ways. NaN where a picture is blank.

    Args:
      a: uint8 [S, N, N].
      b: uint8 [S, N, N].

    Returns:
      float64 [S].
    """
    found = []
    for x, y in zip(a > 127, b > 127, strict=True):
        blank = not (x.any() and y.any())
        ways = () if blank else (_distance_to(y)[x].mean(), _distance_to(x)[y].mean())
        found.append(float("nan") if blank else sum(ways) / 2)
    return np.array(found, np.float64)


def _distance_to(ink: np.ndarray) -> np.ndarray:
    """Returns each pixel's distance to the nearest ink, [N, N]: first along y, then along x."""
    steps = np.arange(len(ink))
    squares = ((steps[:, None] - steps[None]) ** 2).astype(np.float32)  # [N, N]
    in_column = np.where(ink[None], squares[:, :, None], np.inf).min(axis=1)  # [y, x]
    return np.sqrt((in_column[:, None, :] + squares[None]).min(axis=2))
