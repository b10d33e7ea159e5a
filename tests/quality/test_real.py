"""What is kept beside a data set: used again, made again when damaged, done without."""

from __future__ import annotations

import os
import shutil

import numpy as np
import pytest
from absl import logging

from sketch_rnn_tf.quality import networks, real, rendering


@pytest.fixture(scope="module")
def known(data_dir, steps):
    return real.open_real(data_dir, steps)


@pytest.fixture
def copied(data_dir, known, tmp_path):
    """The data set with what is kept beside it, to be damaged."""
    return shutil.copytree(data_dir, tmp_path / "data")


def _same(one: real.Real, other: real.Real) -> bool:
    return one.key == other.key and all(
        np.array_equal(getattr(one.splits[split], name), getattr(other.splits[split], name))
        for split in ("train", "valid", "test")
        for name in ("features", "geometry", "recognized", "labels")
    )


def test_the_network_tells_the_classes_apart(known):
    test = known.splits["test"]
    assert known.network.kind == "classes"
    assert (test.recognized == test.labels).mean() > 0.95


def test_features_of_training_drawings_are_centered_with_mean_square_1(known):
    features = known.splits["train"].features.astype(np.float64)
    np.testing.assert_allclose(features.mean(axis=0), 0, atol=1e-5)
    assert (features**2).mean() == pytest.approx(1, rel=1e-5)


def test_what_is_kept_is_what_was_computed(known, data_dir, steps):
    kept = real.open_kept(data_dir, steps)
    assert _same(known, kept)
    pictures = rendering.render(real.read(data_dir, "test")[0])
    np.testing.assert_array_equal(kept.network.look(pictures)[0], known.splits["test"].features)


def test_features_do_not_depend_on_the_other_pictures(known, data_dir):
    pictures = rendering.render(real.read(data_dir, "test")[0])
    alone = known.network.look(pictures[7:8])[0]
    np.testing.assert_allclose(alone[0], known.splits["test"].features[7], atol=1e-6)


def test_training_again_gives_the_same_network_bit_for_bit(known, copied, steps):
    (copied / real.FILE).unlink()
    assert _same(real.open_real(copied, steps), known)


@pytest.mark.parametrize("content", [b"", b"PK nothing", None], ids=["empty", "no zip", "cut"])
def test_a_damaged_file_is_made_again(content, known, copied, steps, caplog):
    path = copied / real.FILE
    path.write_bytes(path.read_bytes()[:5000] if content is None else content)
    logging.get_absl_logger().propagate = True
    assert real.open_kept(copied, steps) is None
    assert f"{path}: is damaged" in caplog.text


def test_arrays_of_the_wrong_shape_are_damage(copied, steps, caplog):
    path = copied / real.FILE
    with np.load(path) as file:
        content = dict(file)
    content["weights_0"] = np.zeros((2, 2))
    np.savez(path, **content)
    logging.get_absl_logger().propagate = True
    assert real.open_kept(copied, steps) is None
    assert "is damaged" in caplog.text


def test_other_data_or_another_network_is_nothing(copied, steps, make_dataset):
    assert real.open_kept(copied, steps + 1) is None
    kept = (copied / real.FILE).read_bytes()
    shutil.rmtree(copied)
    make_dataset(copied, {"train": 20, "test": 20}, seed=9)
    (copied / real.FILE).write_bytes(kept)
    assert real.open_kept(copied, steps) is None


def test_a_folder_that_cannot_be_written_is_done_without(
    tmp_path, make_dataset, monkeypatch, caplog
):
    make_dataset(tmp_path / "data", {"train": 30, "test": 20})

    def refuse(*arguments, **named):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    logging.get_absl_logger().propagate = True
    assert len(real.open_real(tmp_path / "data", 1).splits["test"]) == 20
    assert "cannot be written (Read-only file system)" in caplog.text
    assert not (tmp_path / "data" / real.FILE).exists()


def test_one_class_has_a_network_that_tells_copies_apart(tmp_path, make_dataset):
    make_dataset(tmp_path / "data", {"train": 30, "test": 20}, classes=("ring",))
    found = real.open_real(tmp_path / "data", 3)
    assert found.network.kind == "copies"
    assert len(found.splits["test"]) == 20
    assert sorted(os.listdir(tmp_path / "data"))[1] == real.FILE


def test_a_random_network_is_always_the_same(data_dir):
    pictures = rendering.render(real.read(data_dir, "test")[0])
    first, second = (networks.random(pictures).look(pictures)[0] for _ in range(2))
    np.testing.assert_array_equal(first, second)
