"""The measures against prdc, scipy and scikit-learn, and by what they must see."""

from __future__ import annotations

import numpy as np
import pytest

from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.quality import metrics

R, S, D = 60, 45, 7


@pytest.fixture(scope="module")
def sets():
    random = np.random.default_rng(4)
    return random.normal(size=(R, D)), 0.8 * random.normal(size=(S, D)) + 0.3


def test_kid_is_that_of_scikit_learns_kernel(sets):
    pairwise = pytest.importorskip("sklearn.metrics.pairwise")
    real, drawn = sets

    def kernel(a, b):
        return pairwise.polynomial_kernel(a, b, degree=3, gamma=1 / D, coef0=1)

    def mean_of_pairs(a):
        return (kernel(a, a).sum() - np.trace(kernel(a, a))) / (len(a) * (len(a) - 1))

    expected = mean_of_pairs(real) + mean_of_pairs(drawn) - 2 * kernel(real, drawn).mean()
    assert metrics.kid(real, drawn)[0] == pytest.approx(expected, rel=1e-12)


def test_the_standard_error_of_kid_is_the_jackknifes(sets):
    real, drawn = sets
    variance = 0.0
    for values in (
        [metrics.kid(np.delete(real, i, 0), drawn)[0] for i in range(R)],
        [metrics.kid(real, np.delete(drawn, i, 0))[0] for i in range(S)],
    ):
        n = len(values)
        variance += (n - 1) / n * np.sum((values - np.mean(values)) ** 2)
    assert metrics.kid(real, drawn)[1] == pytest.approx(np.sqrt(variance), rel=1e-9)


def test_kid_is_zero_on_average_and_its_standard_error_is_its_spread():
    random = np.random.default_rng(0)
    found = [metrics.kid(*random.normal(size=(2, 50, 3))) for _ in range(200)]
    values, errors = np.array(found).T
    assert abs(values.mean()) < 3 * values.std() / np.sqrt(200)
    assert errors.mean() == pytest.approx(values.std(), rel=0.5)


def test_the_frechet_distance_is_that_of_scipys_root():
    linalg = pytest.importorskip("scipy.linalg")
    random = np.random.default_rng(5)
    real = random.normal(size=(520, D)) @ random.normal(size=(D, D))
    drawn = random.normal(size=(610, D)) @ random.normal(size=(D, D)) + 1
    a, b = np.cov(real, rowvar=False), np.cov(drawn, rowvar=False)
    shift = ((real.mean(0) - drawn.mean(0)) ** 2).sum()
    expected = shift + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert metrics.frechet(real, drawn) == pytest.approx(expected, rel=1e-9)


def test_the_frechet_distance_of_flat_features_is_a_number():
    real = np.zeros((500, D))
    real[:, 0] = np.arange(500)
    assert metrics.frechet(real, real) == pytest.approx(0, abs=1e-6)


def test_fewer_than_500_drawings_have_no_frechet_distance(sets):
    with pytest.raises(UserError, match="at least 500 drawings, received 45"):
        metrics.frechet(*sets)


def test_neighborhoods_are_prdcs(sets):
    prdc = pytest.importorskip("prdc")
    real, drawn = sets
    found = metrics.neighborhoods(real, drawn)
    for k, names in ((3, ("precision", "recall")), (5, ("density", "coverage"))):
        expected = prdc.compute_prdc(real_features=real, fake_features=drawn, nearest_k=k)
        for name in names:
            assert found[name] == pytest.approx(float(expected[name]), abs=1e-12), name


def test_one_nn_accuracy_is_scikit_learns(sets):
    neighbors = pytest.importorskip("sklearn.neighbors")
    both = np.concatenate(sets)
    own = np.repeat([0, 1], [R, S])
    index = neighbors.NearestNeighbors(n_neighbors=2).fit(both).kneighbors(both)[1][:, 1]
    expected = (own[index] == own).mean()
    assert metrics.neighborhoods(*sets)["one_nn_accuracy"] == pytest.approx(expected)


def test_repeated_drawings_have_no_recall_and_little_coverage(sets):
    real, _ = sets
    found = metrics.neighborhoods(real, np.tile(real[:4] + 0.01, (15, 1)))
    assert found["precision"] == 1
    assert found["recall"] == 0
    assert found["coverage"] < 0.5
    assert found["one_nn_accuracy"] > 0.9


def test_copies_of_the_real_drawings_lie_below_half(sets):
    real, _ = sets
    assert metrics.neighborhoods(real, real + 1e-3)["one_nn_accuracy"] == 0
    assert metrics.neighborhoods(real, real)["one_nn_accuracy"] == 0


def test_neighborhoods_need_more_than_five_drawings(sets):
    with pytest.raises(UserError, match="more than 5 drawings, received 5"):
        metrics.neighborhoods(sets[0], sets[1][:5])


def test_the_nearest_training_drawing_is_found_across_blocks():
    random = np.random.default_rng(6)
    training = random.normal(size=(9001, 16)).astype(np.float32) + 30  # far from the origin
    drawn = training[[0, 4095, 4096, 9000]] + np.float32(1e-3)
    index, distance = metrics.nearest(drawn, training)
    assert index.tolist() == [0, 4095, 4096, 9000]
    exact = np.linalg.norm(drawn.astype(np.float64) - training[index], axis=1)
    np.testing.assert_allclose(distance, exact, rtol=1e-12)


def test_spacing_is_the_distance_to_the_fifth_other_one():
    neighbors = pytest.importorskip("sklearn.neighbors")
    training = np.random.default_rng(8).normal(size=(5000, 4)).astype(np.float32)
    places = np.array([3, 4999, 17])
    fitted = neighbors.NearestNeighbors(n_neighbors=6).fit(training)
    expected = fitted.kneighbors(training[places])[0][:, 5]
    np.testing.assert_allclose(metrics.spacing(training, places), expected, rtol=1e-4)


def test_wasserstein_is_scipys(sets):
    stats = pytest.importorskip("scipy.stats")
    real, drawn = np.round(sets[0][:, 0], 1), np.round(sets[1][:, 0], 1)  # with ties
    expected = stats.wasserstein_distance(real, drawn)
    assert metrics.wasserstein(real, drawn) == pytest.approx(expected, rel=1e-12)


def test_retrieval_counts_ranks():
    codes = np.arange(100.0)[:, None]
    again = np.array([[3.1], [7.0], [60.0]])  # own place 3: first; 9: fifth at best; 0: not near
    found = metrics.retrieval(codes, again, np.array([3, 9, 0]))
    assert found == {"top_1": 1 / 3, "top_10": 2 / 3, "top_50": 2 / 3}


def test_chamfer_is_scipys_distance_transform():
    ndimage = pytest.importorskip("scipy.ndimage")
    random = np.random.default_rng(7)
    a, b = (random.uniform(size=(2, 5, 20, 20)) < 0.05) * np.uint8(255)
    for x, y, found in zip(a, b, metrics.chamfer(a, b), strict=True):
        to_y = ndimage.distance_transform_edt(y == 0)[x > 0].mean()
        to_x = ndimage.distance_transform_edt(x == 0)[y > 0].mean()
        assert found == pytest.approx((to_x + to_y) / 2, rel=1e-6)


def test_chamfer_of_a_shift_is_the_shift():
    a, b = np.zeros((2, 1, 20, 20), np.uint8)
    a[0, 5, :], b[0, 8, :] = 255, 255
    assert metrics.chamfer(a, b).tolist() == [3.0]
    assert np.isnan(metrics.chamfer(a, np.zeros_like(a)))
