"""Planted faults: each measure sees, in order, what docs/how_good.md claims that it sees."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from data_prep import prepare

WORSE = ("none", "10 % of strokes dropped", "jitter of 2 %", "pen shuffled", "another class")


@pytest.fixture(scope="module")
def faults(experiment):
    return experiment("quality_faults")


@pytest.fixture(scope="module")
def found(faults, shared_data, tmp_path_factory):
    """The measures of 500 drawings of Omniglot with each fault."""
    folder = tmp_path_factory.mktemp("faults") / "data"
    inputs = [str(shared_data(f"sketchrnn/{name}.npz")) for name in ("omniglot", "short_kanji")]
    arguments = [word for path in inputs for word in ("--input", path)]
    assert prepare.run([*arguments, "--output_dir", str(folder)]) == 0
    return faults.measure_faults(folder, "omniglot", "short_kanji", 500, steps=150)


@pytest.mark.long
@pytest.mark.parametrize("measure", ["kid", "frechet"])
def test_distances_rise_from_fault_to_fault(measure, found):
    values = [found[fault][measure] for fault in ("none", *WORSE[2:])]
    assert all(a < b for a, b in itertools.pairwise(values)), values


@pytest.mark.long
@pytest.mark.parametrize("measure", ["precision", "density", "coverage"])
def test_shares_fall_from_the_floor(measure, found):
    none, _, jitter, shuffled, other = (found[fault][measure] for fault in WORSE)
    assert none > jitter > other
    assert none > shuffled > other


@pytest.mark.long
def test_untouched_drawings_lie_at_the_floor(found):
    none = found["none"]
    assert abs(none["kid"]) < 3 * none["kid_standard_error"]
    assert abs(none["one_nn_accuracy"] - 0.5) < 0.05
    assert none["copies"] < 0.05
    assert none["coverage"] > 0.9


@pytest.mark.long
def test_repeated_drawings_are_seen_by_recall_and_coverage_not_by_precision(found):
    repeated, none = found["20 drawings repeated"], found["none"]
    assert repeated["recall"] == 0
    assert repeated["coverage"] < 0.3
    assert repeated["precision"] > 0.7 * none["precision"]


@pytest.mark.long
def test_copies_of_training_drawings_are_copies(found):
    assert found["copies of training"]["copies"] == 1
    assert found["copies with jitter of 0.5 %"]["copies"] > 0.5
    assert all(found[fault]["copies"] < 0.1 for fault in WORSE[:4])


@pytest.mark.long
def test_geometry_sees_what_was_spoiled(found):
    def deviations(fault, name):
        return found[fault]["geometry"][name]["in_deviations"]

    assert deviations("10 % of strokes dropped", "strokes") > 1.3 * deviations("none", "strokes")
    assert deviations("jitter of 2 %", "turning") > 2 * deviations("none", "turning")
    assert deviations("pen shuffled", "strokes") == pytest.approx(deviations("none", "strokes"))


def test_faults_are_what_they_say(faults):
    random = np.random.default_rng(0)
    rows = np.float32([[0, 0, 0], [9, 0, 1], [1, 5, 0], [3, 3, 0], [2, 0, 1], [4, 4, 0], [1, 1, 1]])
    shuffled = faults.shuffle_pen(rows, random)
    assert shuffled[:, 2].sum() == 3
    assert shuffled[-1, 2] == 1
    np.testing.assert_array_equal(shuffled[:, :2], rows[:, :2])
    assert faults.drop_strokes(rows, random, 1.0)[:, 2].sum() == 1
    np.testing.assert_allclose(faults.drop_strokes(rows, random, 0.0), rows)
    moved = faults.jitter(rows, random, 0.01)
    np.testing.assert_array_equal(moved[:, 2], rows[:, 2])
    assert 0 < np.abs(np.cumsum(moved - rows, axis=0)[:, :2]).max() < 1
