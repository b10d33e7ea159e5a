"""sketch-rnn-sample with --server: the same command, the same drawings."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sketch_rnn_tf.commands import opening, sample

pytestmark = pytest.mark.large

TASKS = {
    "generate": "--num 3",
    "ladder": "--num 2 --temperature 0.2,1.1",
    "short": "--num 3 --max_points 2",
    "reconstruct": "--task reconstruct --input given.json",
    "complete": "--task complete --input given.json --points 3 --num 2 --pen up",
    "interpolate": "--task interpolate --input given.json --index 0,2 --steps 4",
    "analogy": "--task analogy --from given.json --minus given.json --plus given.json --num 2",
    "explore": "--task explore --input given.json --directions 2 --steps 3",
}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Works in a folder with a file of four drawings."""
    monkeypatch.chdir(tmp_path)
    steps = np.random.default_rng(1).integers(-9, 9, size=(4, 8, 2))
    drawings = [[walk[:5].tolist(), walk[5:].tolist()] for walk in steps.cumsum(axis=1)]
    (tmp_path / "given.json").write_text(json.dumps(drawings))


@pytest.fixture(params=["grpc", "rest"])
def address(server, request):
    return server.addresses[request.param]


def _drawn(capsys, *arguments: str) -> list[dict]:
    common = ["--class", "dog", "--seed", "4", "--output", "drawn.json", "--overwrite"]
    assert sample.run([*arguments, *common]) == 0, capsys.readouterr().err
    with open("drawn.json", encoding="utf-8") as file:
        return json.load(file)["sketches"]


@pytest.mark.parametrize("task", TASKS.values(), ids=list(TASKS))
def test_a_server_draws_what_the_same_command_draws_at_home(
    folder, address, exported, task, monkeypatch, capsys
):
    found = _drawn(capsys, "--server", address, *task.split())
    home = opening.Model("home", exported.sketcher.config, lambda: exported.sketcher)
    monkeypatch.setattr(opening, "find", lambda *arguments, **options: home)
    expected = _drawn(capsys, "--model", "home", *task.split())
    for one, other in zip(found, expected, strict=True):
        assert (one["label"], one["ended"]) == (other["label"], other["ended"])
        np.testing.assert_allclose(one["strokes"], other["strokes"], atol=7e-3)


def test_the_newest_version_may_be_named(folder, address, capsys):
    own = _drawn(capsys, "--server", address, "--num", "2")
    named = _drawn(capsys, "--server", address, "--num", "2", "--model_version", "1")
    assert named == own


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ("--class cow", 1, "the model has no class 'cow'; it has cat, dog"),
        ("--num 2", 1, "the model draws by class: --class all, or some of cat, dog"),
        ("--class cat --model_name nobody", 1, "has no such model, version or label"),
        ("--class cat --model_version 77", 1, "has no such model, version or label"),
        ("--class cat --max_points 21", 1, "max_points is 21, but the server draws at most 20"),
        ("--class cat --temperature_mode magenta", 2, "but the server's model has paper only"),
    ],
)
def test_a_mistake_is_one_clear_sentence(folder, address, arguments, code, words, capsys):
    assert sample.run(["--server", address, "--output", "x.svg", *arguments.split()]) == code
    captured = capsys.readouterr()
    assert words in captured.err
    assert captured.err.count("\n") == 1
    assert not captured.out


def test_the_servers_own_temperature_mode_may_be_named(folder, address, capsys):
    assert _drawn(capsys, "--server", address, "--num", "1", "--temperature_mode", "paper")
