import json
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from data_prep import prepare
from sketch_rnn_tf import cli, config, runs
from sketch_rnn_tf.commands import compare, train


def test_an_unknown_setting_names_the_nearest(capsys):
    code = train.run(["--data_dir=d", "--run_dir=r", "--set=decoder.unit=5"])
    assert code == cli.USAGE_ERROR
    assert "decoder.units" in capsys.readouterr().err


def test_an_unknown_preset_and_strategy_are_usage_errors(capsys):
    assert train.run(["--data_dir=d", "--run_dir=r", "--preset=huge"]) == cli.USAGE_ERROR
    assert "quickstart" in capsys.readouterr().err
    assert train.run(["--data_dir=d", "--run_dir=r", "--strategy=cloud"]) == cli.USAGE_ERROR
    assert "mirrored" in capsys.readouterr().err


def _configuration(*arguments):
    from absl import flags as absl_flags

    flags = absl_flags.FlagValues()
    train.define_flags(flags)
    flags(["train", *arguments])
    return train._configuration(flags)


def test_flags_settings_and_magentas_names_make_the_configuration():
    model, training = _configuration(
        "--preset=magenta",
        "--hparams=dec_rnn_size=64,recurrent_dropout_prob=0.8",
        "--set=z_size=9",
        "--train_steps=7",
        "--early_stopping_patience=3",
    )
    assert (model.decoder.units, model.z_size) == (64, 9)
    assert model.decoder.recurrent_dropout == pytest.approx(0.2)
    assert (training.train_steps, training.early_stopping_patience) == (7, 3)


def test_a_run_to_start_from_gives_the_architecture(tmp_path):
    model = config.override(config.ModelConfig(), config.TrainingConfig(), {"decoder.units": 77})[0]
    runs.create(tmp_path / "old", config.RunConfig(scale_factor=2.0, max_length=9, model=model))
    arguments = (f"--init_from={tmp_path / 'old'}", "--preset=quickstart", "--evaluate_every=500")
    model, training = _configuration(*arguments)
    assert model.decoder.units == 77
    assert training == config.preset("quickstart").training


def test_batch_size_and_learning_rate_are_flags():
    _, training = _configuration("--batch_size=7", "--learning_rate=0.25")
    assert (training.batch_size, training.learning_rate) == (7, 0.25)


@pytest.mark.parametrize(
    ("arguments", "every"),
    [
        (["--train_steps=600"], 75),
        (["--train_steps=3"], 1),
        (["--train_steps=100000"], 500),
        (["--train_steps=600", "--evaluate_every=300"], 300),
        (["--train_steps=600", "--set=evaluate_every=300"], 300),
    ],
)
def test_a_run_is_evaluated_eight_times_at_least_unless_told_otherwise(arguments, every):
    assert _configuration(*arguments)[1].evaluate_every == every


@pytest.mark.parametrize(
    ("flag", "hint"),
    [
        ("--decoder.units=5", "--set decoder.units=VALUE"),
        ("--kl_weight=1", "--set kl_weight=VALUE"),
        ("--lr=1", "did you mean --learning_rate?"),
        ("--epochs=3", "--train_steps"),
        ("--data_dri=x", "--data_dir"),
    ],
)
def test_a_setting_given_as_a_flag_is_answered_with_how_it_is_set(capsys, flag, hint):
    assert train.run(["--data_dir=d", "--run_dir=r", flag]) == cli.USAGE_ERROR
    assert hint in capsys.readouterr().err


def test_an_unknown_name_in_set_is_answered_with_ours(capsys):
    assert train.run(["--data_dir=d", "--run_dir=r", "--set=lr=1"]) == cli.USAGE_ERROR
    assert "learning_rate" in capsys.readouterr().err


def test_a_name_of_magentas_in_set_is_answered_with_ours(capsys):
    assert train.run(["--data_dir=d", "--run_dir=r", "--set=dec_rnn_size=512"]) == cli.USAGE_ERROR
    told = "is Magenta's name of decoder.units: --set decoder.units=512 or --hparams"
    assert told in capsys.readouterr().err


def test_settings_are_listed_with_the_defaults_of_a_preset(capsys):
    for name, rate in (("best", config.preset("best").training.learning_rate), ("paper", 1e-4)):
        assert train.run(["--list_settings", f"--preset={name}"]) == 0
        page = capsys.readouterr().out
        row = next(line for line in page.splitlines() if line.startswith("| learning_rate "))
        assert row.split("|")[2].strip() == f"{rate:g}"
        assert f"those of the preset `{name}`" in page
    assert train.run(["--list_settings", "--preset=bset"]) != 0
    assert "best" in capsys.readouterr().err


def test_a_list_in_magentas_hparams_is_one_value_and_what_is_not_used_is_told(capsys):
    hparams = "data_set=[a.npz, b.npz],enc_model=layer_norm,save_every=500"
    assert train.run(["--data_dir=d", "--run_dir=r", f"--hparams={hparams}"]) == cli.FAILURE
    error = capsys.readouterr().err
    assert "data_set is not used" in error
    assert "d: there is no such folder" in error  # nothing else was wrong


def test_all_settings_are_listed_as_the_documentation_has_them(capsys):
    assert train.run(["--list_settings"]) == 0
    page = capsys.readouterr().out
    documented = pathlib.Path(__file__).parents[2] / "docs" / "settings.md"
    assert page == documented.read_text()
    rows = [line.split("|")[1].strip() for line in page.splitlines() if line.startswith("| ")]
    for key in ("decoder.units", "encoder.cell", "z_size", "learning_rate", "kl_weight_decay"):
        assert key in rows
    assert "dec_rnn_size" in page


@pytest.mark.large
def test_a_folder_without_data_fails_with_one_sentence_and_makes_no_run(tmp_path):
    done = subprocess.run(
        [
            *(sys.executable, "-m", "sketch_rnn_tf.commands.train"),
            *(f"--data_dir={tmp_path}", f"--run_dir={tmp_path / 'run'}"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == cli.FAILURE
    assert done.stderr.strip().splitlines()[-1].startswith("sketch-rnn-train: ")
    assert "dataset.json" in done.stderr
    assert not (tmp_path / "run").exists()


SIZES = "encoder.units=4,decoder.units=6,z_size=3,num_mixtures=2,batch_size=10,parallel_parts=1"


@pytest.mark.large
@pytest.mark.usefixtures("quick_graphs")
def test_a_run_tells_its_steps_costs_and_time_and_is_compared(tmp_path, capsys, monkeypatch):
    generator = np.random.default_rng(0)
    drawings = [[walk.tolist()] for walk in generator.integers(0, 99, (60, 6, 2))]
    (tmp_path / "walk.json").write_text(json.dumps(drawings))
    data = f"{tmp_path}/data"
    assert prepare.run([f"--input={tmp_path}/walk.json", f"--output_dir={data}"]) == 0
    capsys.readouterr()
    arguments = [f"--data_dir={data}", f"--run_dir={tmp_path}/1", "--train_steps=8", "--json"]
    assert train.run([*arguments, f"--set={SIZES}"]) == 0
    told = json.loads(capsys.readouterr().out)
    lines = (tmp_path / "1" / runs.METRICS).read_text().splitlines()
    costs = {
        line["step"]: line["cost"] for line in map(json.loads, lines) if line["split"] == "valid"
    }
    assert (told["steps"], told["train_steps"], told["finished"]) == (8, 8, True)
    assert told["best_valid_cost"] == min(costs.values()) == costs[told["best_step"]]
    assert len(costs) == 8  # evaluations, whatever the length
    assert told["test_cost"] > 0
    assert 0 < told["seconds"] < 600
    assert pathlib.Path(told["weights"]) == tmp_path / "1" / runs.BEST
    shutil.copytree(tmp_path / "1", tmp_path / "2")
    content = json.loads((tmp_path / "2" / runs.CONFIG).read_text())
    content["training"]["seed"] = 2
    (tmp_path / "2" / runs.CONFIG).write_text(json.dumps(content))
    pictures = f"--output={tmp_path}/curves.png"
    assert compare.run([f"{tmp_path}/1", f"{tmp_path}/2", pictures, "--json"]) == 0
    compared = json.loads(capsys.readouterr().out)
    (group,) = compared["groups"]  # they differ by their seeds only
    assert len(group["runs"]) == 2
    assert (tmp_path / "curves.png").stat().st_size > 1000
