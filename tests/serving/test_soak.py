"""The hour of load, for seconds: what it counts is what happened."""

from __future__ import annotations

import importlib.util
import pathlib

import numpy as np
import pytest

from sketch_rnn_tf import runs

PROGRAM = pathlib.Path(__file__).resolve().parents[2] / "experiments" / "serving_soak.py"


@pytest.fixture(scope="module")
def soak():
    spec = importlib.util.spec_from_file_location("serving_soak", PROGRAM)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def server(start, exported):
    """A server that merges nothing, as the program wants it."""
    return start(exported.base)


@pytest.fixture
def run(exported):
    return runs.Run(exported.base, exported.sketcher.config)


def test_good_requests_are_answered_through_a_storm(soak, server, run, monkeypatch):
    monkeypatch.setattr(soak, "STORM_EVERY", 1.0)
    result = soak.hold(server, run, seconds=3, rate=10, seed=0)
    (minute,) = result["minutes"]
    assert minute.pop("memory") > 50  # MiB: TensorFlow alone takes more
    assert minute == {"good": 30, "failed": 0, "differ": 0}
    assert result["storms"] >= 2
    assert sum(result["bad"].values()) == result["storms"] * soak.STORM_SIZE
    assert {"UserError", "told in the row", "broken off", "bytes"} <= set(result["bad"])


def test_an_answer_that_differs_is_seen(soak):
    answer = {"strokes": np.ones([1, 4, 3]), "lengths": np.int32([3]), "error": np.int32([0])}
    padding = answer["strokes"].copy()
    padding[:, 3] = 9.0
    moved = answer["strokes"].copy()
    moved[:, 2] = 9.0
    assert soak.same({**answer, "strokes": padding}, answer)
    assert not soak.same({**answer, "strokes": moved}, answer)
    assert not soak.same({**answer, "lengths": np.int32([2])}, answer)
    assert not soak.same({**answer, "error": np.int32([1])}, answer)


def test_the_figure_shows_the_memory_of_each_minute(soak):
    minutes = [{"memory": 400.0 + i} for i in range(4)]
    assert soak.figure({"minutes": minutes}).count("<circle") == 3  # the last is not a whole minute
