"""The device's random numbers against Random123's known answers and TensorFlow's own."""

from __future__ import annotations

import numpy as np
import pytest

from sketch_rnn_tf.ondevice import noise

SEEDS = np.int32([[0, 0], [3, 1], [-5, 7], [2**31 - 1, -(2**31)], [7, 2**30 + 5]])


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # kat_vectors of Random123: philox4x32 10
        ("00000000 00000000 00000000 00000000", "00000000 00000000",
         "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
         "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
         "d16cfe09 94fdcceb 5001e420 24126ea1"),
    ],
)  # fmt: skip
def test_philox_gives_the_known_answers(counter, key, expected):
    words = [np.uint32([int(word, 16) for word in text.split()]) for text in (counter, key)]
    found = noise._philox(words[0][None], words[1])[0]
    assert [f"{word:08x}" for word in found] == expected.split()


@pytest.mark.parametrize("length", [1, 3, 250])
def test_noise_is_that_of_tensorflow(length):
    tf = pytest.importorskip("tensorflow")
    from sketch_rnn_tf.sampling import loop

    expected = loop.noise_from_seeds(tf.constant(SEEDS), length).numpy()
    found = np.stack([noise.noise(seeds, length) for seeds in SEEDS])
    np.testing.assert_array_equal(found[..., :2], expected[..., :2])
    np.testing.assert_allclose(found[..., 2:], expected[..., 2:], atol=1e-5)


def test_latent_vectors_are_those_of_tensorflow():
    tf = pytest.importorskip("tensorflow")
    from sketch_rnn_tf.sampling import loop

    expected = loop.latents_from_seeds(tf.constant(SEEDS), 7).numpy()
    found = noise.latents(SEEDS, 7)
    np.testing.assert_array_equal(found[2], noise.latent(SEEDS[2], 7))
    np.testing.assert_allclose(found, expected, atol=1e-5)
