import dataclasses
import errno
import io
import json
import re

import numpy as np
import pytest

from sketch_rnn_tf import config, progress, runs
from sketch_rnn_tf.training import callbacks

VALUES = {
    "loss": 1.5,
    "reconstruction_loss": 1.5,
    "offset_loss": 1.0,
    "pen_loss": 0.5,
    "kl_raw": 0.123,
    "kl_loss": 0.2,
    "kl_weight": 0.05,
    "active_latents": 7,
    "gradient_norm": 0.75,
    "clip_fraction": 0.25,
    "learning_rate": 9e-4,
    "sketches_per_second": 321.0,
    "skipped_steps": 0,
}


@pytest.fixture
def run(tmp_path):
    return runs.create(tmp_path / "run", config.RunConfig(scale_factor=1.0, max_length=5))


def _written(run):
    return [json.loads(line) for line in (run.path / runs.METRICS).read_text().splitlines()]


def test_metrics_are_one_object_a_line_and_numbers_that_are_none_become_null(run):
    metrics = callbacks.MetricsFile()
    metrics.on_start(run, 0)
    metrics.on_log(20, {"loss": float("nan"), "kl_raw": 0.1})
    metrics.on_evaluation(20, {"split": "valid", "cost": float("inf")})
    assert _written(run) == [
        {"step": 20, "split": "train", "loss": None, "kl_raw": 0.1},
        {"step": 20, "split": "valid", "cost": None},
    ]


def test_a_resumed_run_cuts_the_lines_that_it_will_write_again(run):
    lines = [{"step": step, "split": "train", "loss": 0.1 * step} for step in (20, 40, 60)]
    lines.append({"step": 40, "split": "test", "cost": 1.0})
    text = "\n".join(json.dumps(line) for line in lines) + '\n{"step": 80, "los'
    (run.path / runs.METRICS).write_text(text)
    callbacks.MetricsFile().on_start(run, 40)
    assert _written(run) == lines[:2]


def test_a_full_disk_leaves_no_half_line(run, monkeypatch):
    metrics = callbacks.MetricsFile()
    metrics.on_start(run, 0)
    metrics.on_log(20, {"loss": 1.0})

    class Full(io.FileIO):
        def write(self, content):
            return super().write(content[:5])

    monkeypatch.setattr(type(metrics._path), "open", lambda path, *_, **__: Full(path, "ab"))
    metrics.on_log(40, {"loss": 1.0})
    monkeypatch.undo()
    metrics.on_log(60, {"loss": 1.0})
    assert [line["step"] for line in _written(run)] == [20, 60]


class _Broken(callbacks.Callback):
    def on_log(self, step, values):
        raise OSError(errno.ENOSPC, "No space left on device")


class _Listener(callbacks.Callback):
    def __init__(self):
        self.steps = []

    def on_log(self, step, values):
        self.steps.append(step)


def test_a_watcher_that_cannot_write_is_named_once_and_the_others_are_told(said):
    listener = _Listener()
    watchers = callbacks.Watchers([_Broken(), listener])
    watchers.on_log(20, VALUES)
    watchers.on_log(40, VALUES)
    assert listener.steps == [20, 40]
    assert len(said) == 1
    assert "No space left" in said[0]


def test_a_mistake_in_a_watcher_is_not_hidden():
    class Wrong(callbacks.Callback):
        def on_log(self, step, values):
            raise KeyError("loss")

    with pytest.raises(KeyError):
        callbacks.Watchers([Wrong()]).on_log(1, VALUES)


class _Clock:
    """A clock that tests move."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(progress.time, "monotonic", lambda: self.now)


def _progress(run, train_steps, **settings):
    stream = io.StringIO()
    training = dataclasses.replace(config.TrainingConfig(), train_steps=train_steps, **settings)
    shown = callbacks.Progress(training, interval=0.0, file=stream)
    shown.on_start(run, 0)
    return shown, stream


def test_the_progress_line_has_everything_and_time_left_does_not_count_tracing(run, monkeypatch):
    clock = _Clock(monkeypatch)
    shown, stream = _progress(run, 100)
    clock.now += 60.0  # the graph is made
    shown.on_log(20, VALUES)
    assert " left" not in stream.getvalue()
    clock.now += 10.0
    shown.on_log(40, VALUES)
    line = stream.getvalue().splitlines()[-1]
    for part in (
        *("40 %", "step 40/100", "30s left", "loss 1.5000", "offset 1.0000", "pen 0.5000"),
        *("kl 0.123 (0.200) x 0.050", "active 7", "gradient 0.75", "clipped 25.0%"),
        *("rate 0.0009", "321 sketches/s"),
    ):
        assert part in line
    assert "skipped" not in line


def test_a_long_run_tells_its_whole_duration_once_and_what_takes_less(run, monkeypatch):
    clock = _Clock(monkeypatch)
    shown, stream = _progress(run, 100_000)
    for step in (20, 40, 60, 80):
        clock.now += 20.0
        shown.on_log(step, VALUES)
    told = [line for line in stream.getvalue().splitlines() if "at this speed" in line]
    assert len(told) == 1
    assert told[0].startswith("100000 steps take about 27h46m at this speed")
    assert "--preset small" in told[0]


def test_the_first_line_names_the_device(run):
    _, stream = _progress(run, 100)
    assert re.search(r"100 steps into .*, on (CPU, \d+ thread|\d+ GPU)", stream.getvalue())


@pytest.mark.parametrize(
    ("patience", "advice"), [(0, "; --early_stopping_patience 3 ends such a run"), (5, "")]
)
def test_overfitting_is_told_once_with_the_step_of_the_best(run, patience, advice):
    shown, stream = _progress(run, 100, early_stopping_patience=patience)
    costs = [1.0, 0.8, 0.9, 1.1, 1.2]
    for k, cost in enumerate(costs):
        shown.on_log(20 * k + 20, {**VALUES, "reconstruction_loss": 1.0 - 0.1 * k})
        values = {"split": "valid", "cost": cost, "reconstruction_loss": cost}
        shown.on_evaluation(20 * k + 20, {**values, "nats_per_point": -1.0})
    told = [line for line in stream.getvalue().splitlines() if line.startswith("overfitting")]
    assert told == ["overfitting since step 40: the best so far is kept" + advice]


@pytest.mark.parametrize(("empty", "told"), [(5, True), (1, False)])
def test_many_empty_samples_are_told_at_the_end(run, empty, told):
    shown, stream = _progress(run, 100)
    drawings = [np.zeros((1, 3))] * empty + [np.zeros((9, 3))] * (16 - empty)
    shown.on_pictures(100, {"samples": (drawings, {})})
    shown.on_end(100)
    assert (f"{empty} of 16 samples are empty" in stream.getvalue()) is told


@pytest.mark.parametrize(
    ("losses", "expected"),
    [
        ([(1.0, 1.0), (0.9, 1.1)], False),  # once is chance
        ([(1.0, 1.0), (0.9, 1.1), (0.8, 1.2)], True),
        ([(1.0, 1.0), (1.1, 1.1), (1.2, 1.2)], False),  # both rise: it diverges
        ([(1.0, 1.2), (0.9, 1.1), (0.8, 1.15)], False),
    ],
)
def test_a_model_overfits_where_valid_rises_while_train_falls(losses, expected):
    assert callbacks.overfits(losses) is expected


def test_a_decoder_alone_has_no_latents_in_the_progress_line():
    assert "kl" not in callbacks.summary({**VALUES, "kl_raw": 0.0})


def test_skipped_steps_are_in_the_progress_line():
    assert callbacks.summary({**VALUES, "skipped_steps": 3}).endswith("skipped 3")


@pytest.mark.parametrize("end", [60, 40])
def test_the_progress_line_counts_up_to_an_early_end(run, monkeypatch, end):
    clock = _Clock(monkeypatch)
    shown, stream = _progress(run, 100)
    shown.on_log(20, VALUES)
    shown.on_early_stop(40, end)
    text = stream.getvalue()
    assert "the validation cost falls no more" in text
    assert ("go on to step 60 while the learning rate falls" in text) == (end == 60)
    assert ("go on" in text) == (end == 60)
    clock.now += 30.0
    shown.on_log(end, VALUES)
    assert f"step {end}/{end}" in stream.getvalue()
    shown.on_end(end)
    assert f"finished at step {end}" in stream.getvalue()


def test_metrics_that_are_no_objects_are_left_out(tmp_path):
    (tmp_path / "m").write_text('[1]\n{"step": "a"}\n{"step": 3}\nnull\n{"st')
    assert runs.read_metrics(tmp_path / "m") == [{"step": 3}]
    assert runs.read_metrics(tmp_path / "none") == []
