import itertools
import json
import os
import pathlib
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from sketch_rnn_tf import config
from sketch_rnn_tf.commands import evaluate

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = (
    "encoder.units=5,decoder.units=6,z_size=3,num_mixtures=2,batch_size=8,buckets=1,"
    "parallel_parts=1,checkpoint_every=2"
)


@pytest.fixture(scope="module")
def table(benchmark_module):
    return benchmark_module("paper_table")


@pytest.mark.parametrize("weight", [1, 0.5, 0.25])
@pytest.mark.parametrize("steps", [20, 1000, 1501])
def test_half_of_the_steps_raise_the_kl_weight_to_its_end_but_for_5_percent(table, steps, weight):
    t = np.array([steps // 4, steps // 2, steps])
    risen = (weight - (weight - 0.01) * table.kl_decay(steps) ** t) / weight
    assert risen[0] < 0.9
    assert risen[1] >= 0.95
    assert risen[2] >= 0.997


def _result(weight, loss, kl, conditional=True):
    keys = [f"reconstruction_loss{end}" for end in ("", "_sampled_z", "_unmasked")]
    test = dict.fromkeys(keys, loss) | {"kl_raw": kl, "nats_per_point": 2.5, "active_latents": 7}
    name = f"kl_{weight}" if conditional else "decoder"
    about = {"name": name, "conditional": conditional, "kl_weight": weight, "steps": 9, "seed": 3}
    return {**about, "test": {**test, "num_sketches": 12, "n_max": 20}}


def test_every_check_says_yes_where_the_papers_order_shows(table):
    results = [_result(0.25, 0.3, 0.9), _result(1, 0.5, 0.2), _result(0.5, 0.4, 0.6)]
    lines = table.checks([*results, _result(0.5, 0.6, 0, conditional=False)])
    assert len(lines) == 7
    assert all(": yes (" in line for line in lines)
    assert lines[-1].endswith("(w_KL 1: 0.2000, w_KL 0.5: 0.6000, w_KL 0.25: 0.9000)")


def test_a_check_says_no_where_its_own_order_does_not_show(table):
    results = [_result(1, 0.5, 0.2), _result(0.25, 0.3, 0.2)]  # L_KL equal
    lines = table.checks([*results, _result(0.5, 0.45, 0, conditional=False)])
    said = {line.split(":")[0]: ": yes (" in line for line in lines}
    assert said["lower w_KL, lower L_R (unmasked)"]
    assert not said["lower w_KL, higher L_KL"]
    assert not said["conditional L_R below decoder alone (masked)"]


def test_the_table_has_a_row_a_model_and_no_latent_numbers_of_a_decoder_alone(table):
    lines = table.report([_result(1, 0.5, 0.2), _result(0.5, 0.6, 0, conditional=False)])
    assert "| w_KL 1 | 0.5000 | 0.5000 | 0.5000 | 0.2000 | 2.5000 | 7 |" in lines.splitlines()
    assert "| decoder alone | 0.6000 | 0.6000 | 0.6000 | - | 2.5000 | - |" in lines.splitlines()


def test_own_settings_may_change_sizes_and_annealing_but_not_what_is_compared(table, monkeypatch):
    words = "--data_dir=d --output_dir=o --steps=50 --seed=4"
    own = ["--set", "decoder.units=9,kl_weight_decay=0.9", "--set", "kl_weight=7"]
    monkeypatch.setattr(sys, "argv", ["paper_table.py", *words.split(), *own])
    command = table.train_command("0.5", table._arguments())
    values = [value for word, value in itertools.pairwise(command) if word == "--set"]
    assert config.parse_settings(values) == {
        "kl_weight_decay": "0.9",
        "checkpoint_every": "100",
        "decoder.units": "9",
        "kl_weight": "0.5",
    }
    assert command[:4] == ["--data_dir", "d", "--run_dir", str(pathlib.Path("o/kl_0.5"))]


@pytest.mark.parametrize("settings", ["1,often", "0.5,-1"])
def test_a_setting_that_cannot_be_meant_is_a_usage_error(table, monkeypatch, settings):
    words = ["--data_dir", "d", "--output_dir", "o", f"--settings={settings}"]
    monkeypatch.setattr(sys, "argv", ["paper_table.py", *words])
    with pytest.raises(SystemExit) as exit_:
        table.main()
    assert exit_.value.code == 2


def _command(data_dir, output_dir, settings="1,decoder"):
    script = ROOT / "benchmarks" / "paper_table.py"
    words = [f"--data_dir={data_dir}", f"--output_dir={output_dir}", f"--settings={settings}"]
    return [sys.executable, str(script), *words, "--steps=12", "--set", TINY]


def _run(*arguments):
    done = subprocess.run(_command(*arguments), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done


@pytest.mark.large
def test_killed_and_started_again_it_gives_the_table_of_a_run_that_was_not(data_dir, tmp_path):
    whole = _run(data_dir, tmp_path / "whole")
    folder = tmp_path / "killed"
    process = subprocess.Popen(
        _command(data_dir, folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait_for(folder / "kl_1" / "checkpoints" / "step-00000004", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "table.md").exists()
    again = _run(data_dir, folder)
    assert "going on at step" in again.stderr
    assert again.stdout == whole.stdout == (folder / "table.md").read_text(encoding="utf-8")


def _wait_for(path, process):
    for _ in range(3000):
        if path.exists():
            return
        assert process.poll() is None
        time.sleep(0.02)
    raise TimeoutError(path)


@pytest.mark.large
def test_finished_models_stay_and_their_numbers_are_those_of_evaluate(data_dir, tmp_path, capsys):
    _run(data_dir, tmp_path, "1")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    _run(data_dir, tmp_path, "1,decoder")
    changed = {path.name for path, time_ in before.items() if path.stat().st_mtime_ns != time_}
    assert changed <= {"table.md", ".lock"}
    kept = json.loads((tmp_path / "kl_1.json").read_text(encoding="utf-8"))
    command = ["--model", str(tmp_path / "kl_1"), "--data_dir", str(data_dir)]
    assert evaluate.run([*command, "--checkpoint", "last", "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert kept["test"] == pytest.approx(expected, rel=1e-6)
