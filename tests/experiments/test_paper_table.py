import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from sketch_rnn_tf import config, files
from sketch_rnn_tf.commands import evaluate

ROOT = pathlib.Path(__file__).resolve().parents[2]
TINY = (
    "encoder.units=5,decoder.units=6,z_size=3,num_mixtures=2,batch_size=8,buckets=1,"
    "parallel_parts=1,checkpoint_every=2"
)


@pytest.fixture(scope="module")
def table(experiment):
    return experiment("paper_table")


@pytest.mark.parametrize("weight", [1, 0.5, 0.25])
@pytest.mark.parametrize("steps", [60, 1000, 1501])
def test_half_of_the_steps_bring_the_kl_weight_to_95_percent(table, steps, weight):
    first, second = table.steps_of_parts(steps)
    assert first + second == steps
    assert first == pytest.approx(steps / 3, abs=0.5)
    t = np.array([(steps // 2 - first) // 2, steps // 2 - first, second])
    risen = (weight - (weight - 0.01) * table.kl_decay(steps) ** t) / weight
    assert risen[0] < 0.85
    assert risen[1] >= 0.95
    assert risen[2] >= 0.999


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


@pytest.fixture
def trainings(table, monkeypatch):
    """Returns a function from a setting to [(--run_dir, settings, flags)] of its trainings."""

    def collect(setting, *words):
        commands = []
        monkeypatch.setattr(table, "train_part", lambda command: commands.append(command) or 0)
        start = ["paper_table.py", "--data_dir=d", "--output_dir=o", "--steps=60", "--seed=4"]
        monkeypatch.setattr(sys, "argv", [*start, *words])
        assert table.train_setting(setting, table._arguments()) == 0
        return [_parsed(command) for command in commands]

    return collect


def _parsed(command):
    pairs = list(zip(command[::2], command[1::2], strict=True))
    settings = config.parse_settings([value for word, value in pairs if word == "--set"])
    return dict(pairs)["--run_dir"], settings, dict(pairs)


def test_all_kl_weights_go_on_from_the_same_beginning(table, trainings):
    half, whole = trainings("0.5"), trainings("1")
    assert half[0] == whole[0]
    folder, settings, flags = half[0]
    assert (folder, settings["kl_weight"], flags["--train_steps"]) == ("o/begun", "0.01", "20")
    folder, settings, flags = half[1]
    assert (folder, flags["--init_from"]) == ("o/kl_0.5", "o/begun")
    assert (settings["kl_weight"], flags["--train_steps"]) == ("0.5", "40")
    assert {flags["--seed"] for _, _, flags in (*half, *whole)} == {"4"}


def test_the_decoder_alone_is_trained_in_the_same_two_parts(trainings):
    first, second = trainings("decoder")
    assert (first[0], second[0]) == ("o/begun_decoder", "o/decoder")
    assert second[2]["--init_from"] == "o/begun_decoder"
    assert [part[1]["conditional"] for part in (first, second)] == ["false", "false"]
    assert [part[2]["--train_steps"] for part in (first, second)] == ["20", "40"]


def test_own_settings_may_change_sizes_but_not_what_is_compared(trainings):
    own = ("--set", "decoder.units=9,evaluate_every=7", "--set", "kl_weight=7,conditional=true")
    for setting, expected in (("0.5", "0.5"), ("decoder", "7")):
        first, second = trainings(setting, *own)
        assert first[1]["kl_weight"] == "0.01"
        assert second[1]["kl_weight"] == expected
        assert first[1]["evaluate_every"] == "7"
        assert first[1]["decoder.units"] == second[1]["decoder.units"] == "9"
        conditional = "false" if setting == "decoder" else "true"
        assert first[1]["conditional"] == second[1]["conditional"] == conditional


@pytest.mark.parametrize("settings", ["1,often", "0.5,-1"])
def test_a_setting_that_cannot_be_meant_is_a_usage_error(table, monkeypatch, settings):
    words = ["--data_dir", "d", "--output_dir", "o", f"--settings={settings}"]
    monkeypatch.setattr(sys, "argv", ["paper_table.py", *words])
    with pytest.raises(SystemExit) as exit_:
        table.main()
    assert exit_.value.code == 2


def _command(data_dir, output_dir, settings):
    script = ROOT / "experiments" / "paper_table.py"
    words = [f"--data_dir={data_dir}", f"--output_dir={output_dir}", f"--settings={settings}"]
    return [sys.executable, str(script), *words, "--steps=12", "--set", TINY]


def _run(*arguments):
    done = subprocess.run(_command(*arguments), capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done


@pytest.fixture(scope="module")
def killed(data_dir, tmp_path_factory):
    """A folder in which the program was killed in the second part and started again."""
    folder = tmp_path_factory.mktemp("killed")
    process = subprocess.Popen(
        _command(data_dir, folder, "1"), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    _wait_for(folder / "kl_1" / "checkpoints" / "step-00000002", process)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not (folder / "table.md").exists()
    return folder, _run(data_dir, folder, "1")


def _wait_for(path, process):
    while not path.exists():
        assert process.poll() is None
        time.sleep(0.02)


@pytest.mark.long
def test_killed_and_started_again_it_gives_the_table_of_a_run_that_was_not(
    killed, data_dir, tmp_path
):
    folder, again = killed
    assert "going on at step" in again.stderr
    shutil.copytree(folder / "begun", tmp_path / "begun")  # it was not killed in the first part
    whole = _run(data_dir, tmp_path, "1")
    assert again.stdout == whole.stdout == (folder / "table.md").read_text(encoding="utf-8")


@pytest.mark.long
def test_another_kl_weight_leaves_the_runs_that_are_there(killed, data_dir):
    folder, _ = killed
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}
    done = _run(data_dir, folder, "1,0.5")
    changed = {path.name for path, time_ in before.items() if path.stat().st_mtime_ns != time_}
    assert changed <= {"table.md", ".lock"}
    assert "| w_KL 0.5 |" in done.stdout


@pytest.mark.long
def test_the_kept_numbers_are_those_of_evaluate(killed, data_dir, capsys):
    folder, _ = killed
    kept = files.read_json(folder / "kl_1.json")
    command = ["--model", str(folder / "kl_1"), "--data_dir", str(data_dir)]
    assert evaluate.run([*command, "--checkpoint", "last", "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    assert kept["test"].pop("split") == expected.pop("split") == "test"
    assert kept["test"] == pytest.approx(expected, rel=1e-6)
