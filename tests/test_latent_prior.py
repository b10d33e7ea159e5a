"""A prior that is fitted to latent vectors: what it holds, where it is kept, what it refuses."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from sketch_rnn_tf import config, latent_prior
from sketch_rnn_tf.errors import UserError

Z = 6


def _latents(count: int = 4000):
    """Returns latent vectors of two classes with a few large directions each."""
    random = np.random.default_rng(0)
    spreads = [np.diag([2.0, 1.0, 0.5, 0.1, 0.1, 0.1]), np.diag([0.1, 0.1, 0.1, 0.3, 1.5, 1.0])]
    turn = np.linalg.qr(random.normal(size=(Z, Z)))[0]
    labels = np.arange(count) % 2
    z = np.stack([random.normal(size=Z) @ spreads[k] @ turn + (k, 0, 0, 0, 0, -k) for k in labels])
    return z, labels


def _configuration(prior, **model):
    settings = config.ModelConfig(z_size=Z, class_conditioned=True, **model)
    return config.RunConfig(1.0, 9, ("a", "b"), model=settings, latent_prior=prior)


def test_it_holds_the_mean_and_the_leading_principal_directions_of_each_class():
    decomposition = pytest.importorskip("sklearn.decomposition")
    z, labels = _latents()
    prior = latent_prior.fit(z, labels, 2)
    assert prior.axes.shape == (2, 1, Z)  # one direction holds the share in both
    for label in (0, 1):
        found = decomposition.PCA(1).fit(z[labels == label])
        assert found.explained_variance_ratio_[0] > latent_prior.SHARE
        np.testing.assert_allclose(prior.means[label], found.mean_, atol=2e-3)
        length = found.explained_variance_[0] ** 0.5
        along = prior.axes[label, 0] @ found.components_[0]
        np.testing.assert_allclose(abs(along), length, rtol=2e-3)


def test_what_it_draws_has_the_classs_mean_and_spread():
    z, labels = _latents()
    prior = latent_prior.fit(z, labels, 2)
    normals = np.random.default_rng(1).normal(size=(20_000, Z))
    drawn = prior(normals, np.full(len(normals), 1))
    own = z[labels == 1]
    np.testing.assert_allclose(drawn.mean(axis=0), own.mean(axis=0), atol=0.05)
    total = np.var(drawn, axis=0).sum() / np.var(own, axis=0).sum()
    assert latent_prior.SHARE < total < 1.02


def test_the_configuration_keeps_it_exactly():
    prior = latent_prior.fit(*_latents(), 2)
    content = config.to_json(_configuration(prior.to_json()))
    again = latent_prior.of(config.from_json(config.RunConfig, content))
    np.testing.assert_array_equal(again.means, prior.means)
    np.testing.assert_array_equal(again.axes, prior.axes)


def test_a_class_without_drawings_has_the_directions_of_all():
    z, labels = _latents()
    prior = latent_prior.fit(z[labels == 0], labels[labels == 0], 2)
    np.testing.assert_array_equal(prior.means[0], prior.means[1])


def test_a_model_without_classes_has_one_gaussian():
    z, _ = _latents()
    prior = latent_prior.fit(z, None, 0)
    assert prior.means.shape == (1, Z)
    assert prior(np.zeros([3, Z]), None).shape == (3, Z)


def test_without_one_or_without_latent_vectors_there_is_none():
    prior = latent_prior.fit(*_latents(), 2).to_json()
    assert latent_prior.of(_configuration(None)) is None
    assert latent_prior.of(_configuration(prior, conditional=False)) is None


@pytest.mark.parametrize(
    "damage",
    [
        {"classes": 3},
        {"directions": 2},
        {"directions": "1"},
        {"means": "%%%%"},
        {"means": 5},
        {"axes": "AAAA"},
        {"axes": "AHwA" + "fAB8" * 7},  # infinities
    ],
)
def test_a_damaged_one_is_refused(damage):
    prior = latent_prior.fit(*_latents(), 2).to_json()
    with pytest.raises(UserError, match="latent_prior is damaged"):
        latent_prior.of(_configuration({**prior, **damage}))


def test_a_missing_part_is_refused():
    prior = latent_prior.fit(*_latents(), 2).to_json()
    del prior["axes"]
    with pytest.raises(UserError, match="latent_prior is damaged"):
        latent_prior.of(dataclasses.replace(_configuration(None), latent_prior=prior))
