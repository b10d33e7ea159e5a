"""sketch-rnn-compare: what differs between runs, and what is chance."""

from __future__ import annotations

import json
import statistics

import numpy as np
import pytest
from PIL import Image

from sketch_rnn_tf import config, drawing, files, runs
from sketch_rnn_tf.commands import compare


@pytest.fixture
def make(tmp_path, monkeypatch):
    """Returns a function that writes a run with a curve that falls to a cost."""
    monkeypatch.chdir(tmp_path)

    def write(name, cost, seed=0, data="d", **model):
        configuration = config.RunConfig(
            10.0,
            50,
            data_fingerprint=data,
            model=config.ModelConfig(**model),
            training=config.TrainingConfig(seed=seed),
        )
        run = runs.create(tmp_path / name, configuration)
        lines = []
        for step in range(0, 1001, 100):
            value = cost + np.exp(-step / 200)
            lines.append({"step": step, "split": "train", "loss": value + 0.1})
            lines.append({"step": step, "split": "valid", "cost": value, "kl_raw": 0.5})
        lines.append({"step": 1000, "split": "valid", "cost": cost + 3, "kl_raw": 0.5})
        lines.append({"step": 1000, "split": "test", "cost": cost, "nats_per_point": -cost})
        text = "".join(json.dumps(line) + "\n" for line in lines)
        files.write_text(run.path / runs.METRICS, text + '{"step": 11')
        return name

    return write


def _json(capsys, *arguments):
    assert compare.run([*arguments, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_runs_are_compared_at_their_best(make, capsys):
    found = _json(capsys, make("a", 1.0), make("b", 2.0, z_size=32))
    for one, cost in zip(found["runs"], (1.0, 2.0), strict=True):
        assert one["values"]["valid cost"] == pytest.approx(cost + np.exp(-5))
        assert (one["best_step"], one["steps"]) == (1000, 1000)
        assert one["values"]["test nats per point"] == -cost
        assert len(one["curves"]["valid cost"]) == 12
    assert found["differences"] == {"model.z_size": [128, 32]}
    assert [entry["runs"] for entry in found["groups"]] == [["a"], ["b"]]


def test_runs_of_several_seeds_have_a_mean_and_a_spread(make, capsys):
    costs = [1.0, 1.2, 1.7]
    names = [make(f"s{seed}", cost, seed=seed) for seed, cost in enumerate(costs)]
    found = _json(capsys, *names, make("other", 5.0, z_size=32))
    first, second = found["groups"]
    assert first["seeds"] == [0, 1, 2]
    assert first["mean"]["test cost"] == pytest.approx(statistics.fmean(costs))
    assert first["deviation"]["test cost"] == pytest.approx(statistics.stdev(costs))
    assert second["deviation"]["test cost"] is None
    assert compare.run(names) == 0
    out = capsys.readouterr().out
    assert "mean of 3 seeds (0, 1, 2)" in out
    assert f"1.3000 +- {statistics.stdev(costs):.4f}" in out


def test_runs_on_other_data_are_said_not_to_compare(make, capsys):
    assert compare.run([make("a", 1.0), make("b", 2.0, data="e")]) == 0
    assert "different data" in capsys.readouterr().err


def test_the_curves_are_drawn(make, tmp_path):
    names = [make("a", 1.0), make("b", 2.0)]
    paths = [tmp_path / "c.svg", tmp_path / "c.png"]
    assert compare.run([*names, *(f"--output={path}" for path in paths)]) == 0
    text = paths[0].read_text()
    for word in ("Validation cost", "KL, raw, valid", "— a", "— b", "1,000"):
        assert f">{word}</text>" in text
    pixels = np.asarray(Image.open(paths[1]).convert("RGB")).reshape(-1, 3)
    for color in drawing.layout.PALETTE[:2]:
        rgb = [int(color[i : i + 2], 16) for i in (1, 3, 5)]
        assert (np.abs(pixels.astype(int) - rgb).max(axis=1) < 12).sum() > 300
    assert compare.run([*names, f"--output={paths[0]}"]) == 1  # exists already


def test_quality_stands_beside_the_costs(make, tmp_path, capsys):
    names = [make("a", 1.0), make("b", 2.0)]
    for name, kid in zip(names, (0.25, 0.5), strict=True):
        content = {"split": "test", "quality": {"0.4": {"kid": kid}}}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    found = _json(capsys, *names, "--quality=a.json,b.json")
    assert [one["quality"]["0.4"]["kid"] for one in found["runs"]] == [0.25, 0.5]
    assert compare.run([*names, "--quality=a.json"]) == 2


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "which runs?"),
        (["nowhere"], 1, "nowhere"),
        (
            ["pretrained:kanji"],
            1,
            "pretrained:kanji: has no metrics.jsonl: it was not trained here",
        ),
        (["a", "--output=c.gif"], 2, "curves are drawn as .svg or .png"),
        (["a", "--output=c.json"], 2, "curves are drawn as .svg or .png"),
    ],
)
def test_mistakes_are_one_sentence(make, capsys, arguments, code, message):
    make("a", 1.0)
    assert compare.run(arguments) == code
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
