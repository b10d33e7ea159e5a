import numpy as np
import pytest
import tensorflow as tf

from sketch_rnn_tf.data import augment


def _drop(strokes, uniforms, probability, sketch=None):
    """Runs drop_points on stroke-3 rows and gives rows back, with the sketch of each."""
    sketch = np.zeros(len(strokes), np.int32) if sketch is None else sketch
    offsets, pen, sketch = augment.drop_points(
        tf.constant(strokes[:, :2], tf.float32),
        tf.constant(strokes[:, 2], tf.float32),
        tf.constant(sketch),
        tf.constant(uniforms, tf.float32),
        probability,
    )
    return np.concatenate([offsets, pen[:, None]], axis=1), sketch.numpy()


def _by_hand(strokes, uniforms, probability):
    """Walks a sketch point by point with a counter, as the description of the method says."""
    kept, counter, lifted = [], 0, True
    for (dx, dy, pen), u in zip(strokes, uniforms, strict=True):
        counter = 0 if pen or lifted else counter + 1
        if not pen and not lifted and counter > 2 and u < probability:
            kept[-1][0] += dx
            kept[-1][1] += dy
        else:
            kept.append([dx, dy, pen])
            lifted = bool(pen)
    return np.array(kept)


@pytest.mark.parametrize("example", range(4))
@pytest.mark.parametrize("probability", [0.1, 0.5])
def test_the_points_magenta_drops_are_dropped(vectors, example, probability):
    numbers = vectors("data_pipeline")
    rows, _ = _drop(numbers[f"aug{example}_in"], numbers[f"aug{example}_uniforms"], probability)
    np.testing.assert_allclose(rows, numbers[f"aug{example}_prob{probability}_out"], atol=1e-5)


def test_sketches_that_lie_end_to_end_do_not_touch_each_other():
    random = np.random.default_rng(5)
    sketches = []
    for points in (1, 2, 9, 30, 4):
        rows = random.integers(-9, 9, (points, 3)).astype(np.float64)
        rows[:, 2] = random.random(points) < 0.15
        sketches.append(rows)
    uniforms = [random.random(len(rows)) for rows in sketches]
    owner = np.repeat(np.arange(5, dtype=np.int32), [len(rows) for rows in sketches])
    rows, kept_owner = _drop(np.concatenate(sketches), np.concatenate(uniforms), 0.6, owner)
    for i, sketch in enumerate(sketches):
        np.testing.assert_array_equal(rows[kept_owner == i], _by_hand(sketch, uniforms[i], 0.6))
    assert len(rows) < len(owner)


def test_a_stroke_keeps_its_first_three_points_and_its_last():
    strokes = np.zeros((12, 3))
    strokes[:, 0] = np.arange(1, 13)
    strokes[[5, 11], 2] = 1
    rows, _ = _drop(strokes, np.zeros(12), 1.0)
    # A stroke's first point has a lifted pen before it; the three after the restart stay.
    assert rows[:, 2].tolist() == [0, 0, 0, 1, 0, 0, 0, 1]
    assert rows[:, 0].sum() == strokes[:, 0].sum()


def test_scaling_gives_each_sketch_and_axis_a_factor_of_its_own():
    offsets = tf.ones([5, 2])
    uniforms = tf.constant([[0.0, 0.5], [1.0, 0.75]])
    scaled = augment.random_scale(offsets, tf.constant([0, 0, 1, 1, 1]), uniforms, 0.2)
    np.testing.assert_allclose(scaled, [[0.8, 1.0]] * 2 + [[1.2, 1.1]] * 3, rtol=1e-6)


def test_slanting_adds_to_each_axis_a_share_of_the_other():
    offsets = tf.constant([[1.0, 0.0], [0.0, 2.0], [3.0, 4.0]])
    uniforms = tf.constant([[0.0, 1.0], [0.75, 0.5]])  # shares -0.2 and 0.2, 0.1 and 0
    slanted = augment.random_slant(offsets, tf.constant([0, 0, 1]), uniforms, 0.2)
    np.testing.assert_allclose(slanted, [[1.0, 0.2], [-0.4, 2.0], [3.4, 4.0]], rtol=1e-6)


def test_offsets_are_clamped_before_they_are_scaled(vectors):
    numbers = vectors("data_pipeline")
    clamped = augment.normalize(tf.constant(numbers["clamp_in"][:, :2], tf.float32), 1.0)
    np.testing.assert_array_equal(clamped, numbers["clamp_out"][:, :2])
    np.testing.assert_allclose(augment.normalize(tf.constant([[4000.0, -6.0]]), 2.0), [[500, -3]])
