"""The verbs on a device: the same seeds the same drawings, the same noise as in the graph."""

from __future__ import annotations

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from sketch_rnn_tf import ondevice
from sketch_rnn_tf.ondevice import next_point, noise

ROOT = pathlib.Path(__file__).resolve().parents[2]
GIVEN = np.float32([[0, 0, 0], [5, 2, 0], [3, -4, 1], [1, 1, 0]])


@pytest.fixture(scope="module")
def sampler(litert_files):
    return ondevice.open(litert_files / "model.tflite")


def test_a_sketch_does_not_depend_on_its_batch(sampler):
    many = sampler.generate(4, seed=3, temperature=1.0)
    assert many[2] == sampler.generate(1, seed=[[3, 2]], temperature=1.0)[0]
    assert many[0] != many[1]


def test_points_come_one_by_one_as_in_generate(sampler):
    whole = sampler.generate(1, seed=5, temperature=0.9)[0]
    points = np.array(list(sampler.points(seed=5, temperature=0.9)))
    assert len(whole) > 3
    np.testing.assert_allclose(points, whole.strokes, atol=1e-3)


def test_the_step_file_draws_as_the_whole_one(sampler, litert_files):
    step = ondevice.open(litert_files / "step.tflite")
    for ours, theirs in zip(step.generate(3, seed=1), sampler.generate(3, seed=1), strict=True):
        np.testing.assert_allclose(ours.strokes, theirs.strokes, atol=1e-3)
        assert ours.ended == theirs.ended


@pytest.mark.parametrize("options", [{"xnnpack": False}, {"threads": 2}])
def test_threads_and_kernels_do_not_change_a_drawing(sampler, litert_files, options):
    other = ondevice.open(litert_files / "model.tflite", **options)
    ours, theirs = other.generate(1, seed=2)[0], sampler.generate(1, seed=2)[0]
    np.testing.assert_allclose(ours.strokes, theirs.strokes, atol=1e-3)


def test_given_noise_takes_the_place_of_the_seed(sampler):
    z, numbers = np.ones((2, 3)), np.stack([noise.noise((0, 9), 30)] * 2)
    first, second = sampler.generate(2, z=z, noise=numbers)
    assert first == second


def test_a_completion_keeps_the_given_points(sampler):
    begun = [GIVEN, GIVEN[:2]]
    drawn = sampler.complete(begun, 3, seed=4, temperature=1.0)
    assert [sketch.given for sketch in drawn] == [4] * 3 + [2] * 3
    for i, sketch in enumerate(drawn):
        np.testing.assert_array_equal(sketch.strokes[: sketch.given], begun[i // 3])
    alone = sampler.complete(begun[:1], 1, seed=4, temperature=1.0)[0]
    assert drawn[0] == alone


def test_completions_in_steps_and_in_the_graph_agree(sampler, litert_files):
    step = ondevice.open(litert_files / "step.tflite")
    z = np.full((1, 3), 0.3)
    ours, theirs = (s.complete([GIVEN], z=z, seed=8)[0] for s in (step, sampler))
    np.testing.assert_allclose(ours.strokes, theirs.strokes, atol=1e-3)


def test_the_ends_of_an_interpolation_are_reconstructions(sampler):
    ends = [GIVEN, GIVEN[::-1]]
    way = sampler.interpolate(ends, 4, seed=6, greedy=True)
    again = sampler.reconstruct(ends, greedy=True)
    assert len(way) == 4
    np.testing.assert_allclose(way[0].strokes, again[0].strokes, atol=1e-4)
    np.testing.assert_allclose(way[3].strokes, again[1].strokes, atol=1e-4)


def test_greedy_needs_no_noise(sampler):
    assert sampler.generate(1, greedy=True, z=[[1, 2, 3]], seed=1) == sampler.generate(
        1, greedy=True, z=[[1, 2, 3]], seed=2, temperature=3.0
    )


def test_max_points_may_pass_the_length_of_the_graph(sampler):
    numbers = np.zeros((1, 50, 4))  # the pen stays down forever
    long = sampler.generate(1, z=np.zeros((1, 3)), noise=numbers, max_points=50)[0]
    short = sampler.generate(1, z=np.zeros((1, 3)), noise=numbers, max_points=20)[0]
    assert (len(long), long.ended, len(short)) == (50, False, 20)
    np.testing.assert_allclose(long.strokes[:20], short.strokes, atol=1e-3)


def test_a_shorter_noise_begins_a_longer_one():
    np.testing.assert_array_equal(noise.noise((4, -2), 7), noise.noise((4, -2), 30)[:7])
    assert (noise.noise((4, 2), 7) != noise.noise((2, 4), 7)).all()


def test_noise_is_uniform_and_normal():
    scipy_stats = pytest.importorskip("scipy.stats")
    numbers = noise.noise((0, 0), 20_000).astype(np.float64)
    for column, law in zip(numbers.T, ("uniform", "uniform", "norm", "norm"), strict=True):
        assert scipy_stats.kstest(column, law).pvalue > 1e-3


def test_offsets_have_the_moments_of_their_component():
    raw = np.full(3 + 6 * 2, 0.0, np.float32)
    raw[3:5] = 50, -50  # the first component always
    raw[5:15] = 1, 9, -2, 9, np.log(0.5), 0, np.log(2), 0, np.arctanh(0.8), 0
    random = np.random.default_rng(0)
    numbers = np.concatenate([random.random((4000, 2)), random.normal(size=(4000, 2))], axis=1)
    tau = np.float32([1, 1, 0.25])
    points = np.array([next_point.next_point(raw, row, tau, "paper")[:2] for row in numbers])
    np.testing.assert_allclose(points.mean(axis=0), [1, -2], atol=0.06)
    expected = 0.25 * np.array([[0.25, 0.8], [0.8, 4]])
    np.testing.assert_allclose(np.cov(points.T), expected, rtol=0.08)


@pytest.mark.parametrize("mode", ["paper", "magenta", "javascript"])
def test_next_point_is_that_of_tensorflow(mode):
    tf = pytest.importorskip("tensorflow")
    from sketch_rnn_tf.model.next_point import NextPoint, temper

    random = np.random.default_rng(3)
    for _ in range(20):
        raw = random.normal(size=3 + 6 * 5).astype(np.float32)
        numbers, tau = random.random(4).astype(np.float32), np.float32([0.3, 0.7, 1.6])
        tempering = temper(tf.constant(tau[None]), mode)
        theirs, _ = NextPoint(tf.constant(raw[None])).from_noise(numbers[None], tempering)
        ours = next_point.next_point(raw, numbers, tau, mode)
        np.testing.assert_allclose(ours, theirs[0], atol=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"temperature": float("nan")}, "temperature is nan, expected a finite number above 0"),
        ({"temperature": 0}, "expected a finite number above 0"),
        ({"noise": np.zeros((1, 3, 4))}, r"noise has shape \[1, 3, 4\], expected \[1, 30, 4\]"),
        ({"noise": np.full((1, 30, 4), np.nan)}, "noise has a value that is not finite"),
        ({"z": np.zeros((1, 4))}, r"z has shape \[1, 4\], expected finite numbers \[1, 3\]"),
        ({"label": "cat"}, "not class-conditioned"),
        ({"max_points": 0}, "max_points is 0"),
    ],
)
def test_wrong_arguments_are_named(sampler, arguments, message):
    with pytest.raises(ValueError, match=message):
        sampler.generate(1, **arguments)


def test_a_drawing_longer_than_the_file_reads_is_refused(sampler):
    with pytest.raises(ValueError, match="31 points cannot be encoded: the file reads up to 30"):
        sampler.encode([np.zeros((31, 3))])


def test_the_step_file_does_not_encode(litert_files):
    with pytest.raises(ValueError, match="holds the decoder's step only"):
        ondevice.open(litert_files / "step.tflite").encode([GIVEN])


NO_TENSORFLOW = """
import sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tensorflow_probability"):
            raise ImportError(f"{name} is not installed here")
sys.meta_path.insert(0, Forbid())
"""


def test_the_sample_command_draws_without_tensorflow(litert_files, tmp_path):
    output = tmp_path / "drawn.svg"
    code = NO_TENSORFLOW + (
        "from sketch_rnn_tf.commands import sample\n"
        f"sys.exit(sample.run(['--model', {str(litert_files / 'model_int8.tflite')!r}, '--num',"
        f" '3', '--temperature_mode', 'magenta', '--output', {str(output)!r}]))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert output.read_text().startswith("<svg")
