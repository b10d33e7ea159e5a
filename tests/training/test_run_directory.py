import dataclasses
import os
import signal
import subprocess
import sys
import time

import pytest

from sketch_rnn_tf import config, runs
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.training import run_directory


@pytest.fixture
def wanted(data_dir, tiny):
    return run_directory.describe(dataset.read_info(data_dir), data_dir, *tiny())


def _with_training(wanted, **changes):
    return dataclasses.replace(wanted, training=dataclasses.replace(wanted.training, **changes))


def test_a_new_run_holds_its_whole_configuration(tmp_path, wanted, data_dir):
    with run_directory.locked(tmp_path / "run"):
        run_directory.open_or_create(tmp_path / "run", wanted)
    found = runs.open_run(tmp_path / "run").config
    assert found == wanted
    assert found.data_fingerprint == dataset.fingerprint(data_dir)
    assert (found.scale_factor, found.max_length) == (1.5, 12)


def _open_with_weights(path, wanted):
    run = run_directory.open_or_create(path, wanted)
    run.checkpoint_path(5).mkdir(parents=True)
    return run


def test_the_same_run_opens_again_with_more_steps(tmp_path, wanted):
    with run_directory.locked(tmp_path):
        _open_with_weights(tmp_path, wanted)
        run = run_directory.open_or_create(tmp_path, _with_training(wanted, train_steps=99))
    assert run.config.training.train_steps == 99
    assert runs.open_run(tmp_path).config.training.train_steps == 99


def test_another_end_of_a_cosine_learning_rate_is_said(tmp_path, wanted, said):
    wanted = _with_training(wanted, learning_rate_schedule="cosine", train_steps=6)
    with run_directory.locked(tmp_path):
        _open_with_weights(tmp_path, wanted)
        run_directory.open_or_create(tmp_path, _with_training(wanted, train_steps=7))
    assert len(said) == 1
    assert "train_steps 7 instead of 6, so that the rate jumps" in said[0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda c: _with_training(c, batch_size=9), r"training\.batch_size \(8, now 9\)"),
        (lambda c: _with_training(c, seed=1), r"training\.seed"),
        (lambda c: dataclasses.replace(c, data_fingerprint="other"), "data_fingerprint"),
        (
            lambda c: dataclasses.replace(
                c,
                model=dataclasses.replace(c.model, decoder=config.DecoderConfig(units=7)),
            ),
            r"model\.decoder\.",
        ),
    ],
)
def test_a_run_of_another_configuration_is_refused_with_the_key_named(
    tmp_path, wanted, change, named
):
    with run_directory.locked(tmp_path):
        _open_with_weights(tmp_path, wanted)
        with pytest.raises(ValueError, match=named):
            run_directory.open_or_create(tmp_path, change(wanted))
    assert runs.open_run(tmp_path).config == wanted


def test_a_run_that_has_learnt_nothing_yet_takes_another_configuration(tmp_path, wanted):
    other = _with_training(wanted, batch_size=9)
    with run_directory.locked(tmp_path):
        run_directory.open_or_create(tmp_path, wanted)
        (tmp_path / "notes.txt").write_text("mine")
        run_directory.open_or_create(tmp_path, other)
    assert runs.open_run(tmp_path).config == other
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_other_versions_are_said_and_no_error(tmp_path, wanted, said):
    old = dataclasses.replace(wanted, versions={**wanted.versions, "tensorflow": "1.15"})
    with run_directory.locked(tmp_path):
        _open_with_weights(tmp_path, old)
        run_directory.open_or_create(tmp_path, wanted)
    assert len(said) == 1
    assert "tensorflow" in said[0]


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_run_is_left_alone(tmp_path, wanted, overwrite):
    (tmp_path / "thesis.txt").write_text("years of work")
    with (
        run_directory.locked(tmp_path),
        pytest.raises(ValueError, match="is not empty and no run directory"),
    ):
        run_directory.open_or_create(tmp_path, wanted, overwrite)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_what_cannot_be_trained_into_is_found_without_a_lock(tmp_path, wanted):
    run_directory.refuse(tmp_path / "new", wanted.model)
    run_directory.refuse(tmp_path, wanted.model)
    (tmp_path / ".config.killed.json").touch()
    run_directory.refuse(tmp_path, wanted.model)
    with pytest.raises(UserError, match=r"--init_from pretrained:kanji starts from it"):
        run_directory.refuse("pretrained:kanji", wanted.model)
    with run_directory.locked(tmp_path):
        _open_with_weights(tmp_path, wanted)
    other = dataclasses.replace(wanted.model, z_size=17)
    run_directory.refuse(tmp_path, wanted.model)
    run_directory.refuse(tmp_path, other, overwrite=True)
    with pytest.raises(UserError, match=r"another model\.z_size \(\d+, now 17\); take"):
        run_directory.refuse(tmp_path, other)
    (tmp_path / runs.CONFIG).unlink()
    runs.create(tmp_path, dataclasses.replace(wanted, preset="small"))
    with pytest.raises(UserError, match=r"now 17\); it was begun with --preset small; take"):
        run_directory.refuse(tmp_path, other, "magenta")
    (tmp_path / runs.CONFIG).unlink()
    with pytest.raises(UserError, match="is not empty and no run directory"):
        run_directory.refuse(tmp_path, wanted.model, overwrite=True)


def test_overwrite_removes_the_old_run(tmp_path, wanted):
    other = _with_training(wanted, seed=7)
    with run_directory.locked(tmp_path):
        run = run_directory.open_or_create(tmp_path, wanted)
        run.checkpoint_path(5).mkdir(parents=True)
        (tmp_path / runs.BEST).write_bytes(b"old")
        run = run_directory.open_or_create(tmp_path, other, overwrite=True)
    assert run.checkpoints() == {}
    assert not (tmp_path / runs.BEST).exists()
    assert runs.open_run(tmp_path).config == other


def test_what_a_killed_process_had_begun_to_write_is_removed(tmp_path, wanted):
    with run_directory.locked(tmp_path):
        run_directory.open_or_create(tmp_path, wanted)
        (tmp_path / "checkpoints" / ".step-00000004.x").mkdir(parents=True)
        (tmp_path / ".best.abc.keras").write_bytes(b"half")
        run_directory.open_or_create(tmp_path, wanted)
    assert not list((tmp_path / "checkpoints").iterdir())
    assert not (tmp_path / ".best.abc.keras").exists()


HOLDER = """
import sys, time
from sketch_rnn_tf.training import run_directory
with run_directory.locked(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.mark.large
def test_the_second_process_is_refused_until_the_first_has_died(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout.readline() == "locked\n"
        with pytest.raises(ValueError, match="another process"), run_directory.locked(tmp_path):
            pass
        os.kill(holder.pid, signal.SIGKILL)
    for _ in range(50):
        try:
            with run_directory.locked(tmp_path):
                return
        except ValueError:
            time.sleep(0.1)
    pytest.fail("the lock outlived its process")


def test_a_place_that_cannot_be_written_to_has_one_sentence(tmp_path):
    (tmp_path / "file").write_text("no directory")
    with (
        pytest.raises(UserError, match=r"cannot be written .*a run needs a directory"),
        run_directory.locked(tmp_path / "file" / "run"),
    ):
        pass
