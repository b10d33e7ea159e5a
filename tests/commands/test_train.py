import subprocess
import sys

import pytest

from sketch_rnn_tf import cli, config, runs
from sketch_rnn_tf.commands import train


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
    model, training = _configuration(f"--init_from={tmp_path / 'old'}", "--preset=quickstart")
    assert model.decoder.units == 77
    assert training == config.preset("quickstart").training


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
