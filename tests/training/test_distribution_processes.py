"""Real processes: killed and started again, and several that train together."""

import contextlib
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from sketch_rnn_tf import runs
from sketch_rnn_tf.training import checkpoints

pytestmark = pytest.mark.large
WORKER = pathlib.Path(__file__).with_name("workers.py")
ROOT = pathlib.Path(__file__).resolve().parents[2]
SETTINGS = {
    "z_size": 3,
    "num_mixtures": 2,
    "encoder.units": 5,
    "decoder.units": 6,
    "batch_size": 8,
    "buckets": 1,
    "learning_rate": 1e-2,
    "evaluate_every": 20,
    "checkpoint_every": 10,
    "keep_checkpoints": 100_000,  # what a test waits for is not gone when it looks
    "parallel_parts": 2,
    "average_decay": 0.9,
    "train_steps": 40,
    "conditional": False,
}


@contextlib.contextmanager
def _started(data_dir, run_dir, tf_config=None, settings=None, then=(), **given):
    """Starts a process that trains; it is gone when the block ends.

    `then` are changes of what it is given, for each training after the first.
    """
    given |= {"data_dir": str(data_dir), "run_dir": str(run_dir)}
    given["settings"] = SETTINGS | (settings or {})
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "2"}
    if tf_config:
        environment["TF_CONFIG"] = json.dumps(tf_config)
    process = subprocess.Popen(
        [sys.executable, str(WORKER), *(json.dumps(given | one) for one in ({}, *then))],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _finished(process, code=0) -> str:
    out, errors = process.communicate(timeout=300)
    assert process.returncode == code, errors[-3000:]
    return out + errors


def _trained(data_dir, run_dir, **given):
    with _started(data_dir, run_dir, **given) as process:
        _finished(process)
    return runs.open_run(run_dir)


def _wait_for(path, process):
    end = time.monotonic() + 240
    while time.monotonic() < end:
        if path.exists():
            return
        assert process.poll() is None, process.communicate()[1][-3000:]
        time.sleep(0.02)
    pytest.fail(f"{path} did not appear")


def _metrics(run, split):
    lines = runs.read_metrics(run.path / runs.METRICS)
    return [
        {name: value for name, value in line.items() if name != "sketches_per_second"}
        for line in lines
        if line["split"] == split
    ]


def _assert_same(run, other):
    with (
        np.load(run.checkpoint_path(40) / checkpoints.OPTIMIZER) as first,
        np.load(other.checkpoint_path(40) / checkpoints.OPTIMIZER) as second,
    ):
        assert set(first.files) == set(second.files)
        for name in first.files:
            np.testing.assert_array_equal(first[name], second[name])
    for name in ("best", "last"):
        pair = [one.load_model(name).get_weights() for one in (run, other)]
        for a, b in zip(*pair, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data_dir):
    return _trained(data_dir, tmp_path_factory.mktemp("processes") / "whole")


def test_a_killed_process_goes_on_bit_for_bit(tmp_path, data_dir, whole):
    run_dir = tmp_path / "run"
    with _started(data_dir, run_dir, hang_at=30) as process:
        _wait_for(run_dir / "checkpoints" / "step-00000020", process)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert not (run_dir / runs.REPORT).exists()
    run = _trained(data_dir, run_dir)
    _assert_same(run, whole)
    assert _metrics(run, "train") == _metrics(whole, "train")
    assert _metrics(run, "valid") == _metrics(whole, "valid")


def test_sigterm_saves_and_ends_with_0_and_a_second_process_is_refused(tmp_path, data_dir):
    run_dir = tmp_path / "run"
    with _started(data_dir, run_dir, settings={"train_steps": 100_000}) as process:
        _wait_for(run_dir / "checkpoints" / "step-00000010", process)
        with _started(data_dir, run_dir, settings={"train_steps": 100_000}) as second:
            assert "another process is training this run" in _finished(second, code=1)
        assert process.poll() is None
        os.kill(process.pid, signal.SIGTERM)
        assert "and saved" in _finished(process)
    last = list(runs.open_run(run_dir).checkpoints())[-1]
    assert last > 10


def _cluster(count):
    """Returns TF_CONFIG for each of some workers on free ports."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("localhost", 0))
        addresses = [f"localhost:{one.getsockname()[1]}" for one in sockets]
    cluster = {"worker": addresses}
    return [{"cluster": cluster, "task": {"type": "worker", "index": i}} for i in range(count)]


# What differs between one replica and two is dropout, and z where it is sampled. The KL floor
# acts on the mean over all replicas.
SAME = {
    "conditional": True,
    "encoder.recurrent_dropout": 0.0,
    "decoder.recurrent_dropout": 0.0,
    "train_steps": 20,
    "checkpoint_every": 5,
}


@pytest.fixture(scope="module")
def one_and_two(tmp_path_factory, data_dir):
    """Returns runs of one device and of two mirrored replicas, trained in one process."""
    folder = tmp_path_factory.mktemp("replicas")
    mirrored = {"run_dir": str(folder / "two"), "strategy": "mirrored"}
    given = {"settings": SAME, "mean_z": True, "cpus": 2, "then": [mirrored]}
    return _trained(data_dir, folder / "one", **given), runs.open_run(folder / "two")


@pytest.fixture(scope="module")
def single(one_and_two):
    return one_and_two[0]


def _assert_close(run, other):
    """Losses, gradients and weights are the same but for the order of additions."""
    lines, others = _metrics(run, "train"), _metrics(other, "train")
    assert [line["step"] for line in lines] == [line["step"] for line in others]
    for line, expected in zip(lines, others, strict=True):
        for name in ("loss", "offset_loss", "pen_loss", "kl_raw", "kl_loss", "gradient_norm"):
            assert line[name] == pytest.approx(expected[name], rel=1e-4), (line["step"], name)
        assert line["active_latents"] == expected["active_latents"]
    pair = [one.load_model("last").get_weights() for one in (run, other)]
    for a, b in zip(*pair, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)


def test_two_mirrored_replicas_train_as_one_device_does(one_and_two):
    one, two = one_and_two
    _assert_close(two, one)


@pytest.mark.long
def test_two_workers_train_as_one_process_does_and_outlive_a_lost_one(tmp_path, data_dir, single):
    run_dir = tmp_path / "run"
    common = {"mean_z": True, "strategy": "multi_worker"}
    endless = {**common, "settings": SAME | {"train_steps": 100_000}}
    first, second = _cluster(2)
    with (
        _started(data_dir, run_dir, first, **endless) as chief,
        _started(data_dir, tmp_path / "elsewhere", second, **endless) as worker,
    ):
        _wait_for(run_dir / "checkpoints" / "step-00000005", chief)
        os.kill(worker.pid, signal.SIGKILL)
        assert "another worker was lost" in _finished(chief, code=1)
    run = runs.open_run(run_dir)
    for step, folder in run.checkpoints().items():  # back to where it was soon after
        if step > 5:
            folder.rename(tmp_path / folder.name)
    first, second = _cluster(2)
    usual = {**common, "settings": SAME}
    with (
        _started(data_dir, run_dir, first, **usual) as chief,
        _started(data_dir, tmp_path / "elsewhere", second, **usual) as worker,
    ):
        _finished(chief)
        _finished(worker)
    assert not (tmp_path / "elsewhere").exists()  # the chief alone writes
    _assert_close(run, single)


# A rate at which the validation cost soon rises.
IMPATIENT = SAME | {
    "learning_rate": 0.1,
    "gradient_clip": 0.0,
    "evaluate_every": 5,
    "early_stopping_patience": 1,
    "early_stopping_cooldown": 0.5,
    "train_steps": 200,
}


@pytest.mark.long
def test_two_workers_stop_early_as_one_process_does(tmp_path, data_dir):
    one = _trained(data_dir, tmp_path / "one", settings=IMPATIENT, mean_z=True)
    given = {"settings": IMPATIENT, "mean_z": True, "strategy": "multi_worker"}
    first, second = _cluster(2)
    with (
        _started(data_dir, tmp_path / "two", first, **given) as chief,
        _started(data_dir, tmp_path / "elsewhere", second, **given) as worker,
    ):
        _finished(chief)
        _finished(worker)
    two = runs.open_run(tmp_path / "two")
    states = [checkpoints.newest_state(run) for run in (one, two)]
    assert states[0].cooldown_steps > 0
    assert states[0].step == states[0].end_step < 200
    for name in ("step", "best_step", "end_step", "cooldown_begin", "cooldown_steps"):
        assert getattr(states[0], name) == getattr(states[1], name), name
    _assert_close(two, one)
