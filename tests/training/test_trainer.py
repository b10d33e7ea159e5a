import dataclasses
import json
import re
import shutil
import signal

import numpy as np
import pytest
import tensorflow as tf

import sketch_rnn_tf
from sketch_rnn_tf import evaluation, files, latent_prior, runs
from sketch_rnn_tf.data import dataset, tfrecord
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.training import callbacks, checkpoints, pictures, step, trainer

pytestmark = pytest.mark.usefixtures("quick_graphs_here")


def _metrics(run):
    lines = runs.read_metrics(run.path / runs.METRICS)
    return [{k: v for k, v in line.items() if k != "sketches_per_second"} for line in lines]


def _optimizer(run, step):
    with np.load(run.checkpoints()[step] / checkpoints.OPTIMIZER) as values:
        return dict(values)


def _assert_same(run, other, step):
    """Weights, best weights, optimizer and metrics are bit-identical."""
    for name in ("best", "last"):
        pair = [one.load_model(name).get_weights() for one in (run, other)]
        for a, b in zip(*pair, strict=True):
            np.testing.assert_array_equal(a, b)
    first, second = _optimizer(run, step), _optimizer(other, step)
    assert set(first) == set(second)
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert _metrics(run) == _metrics(other)


class _SignalAt(callbacks.Callback):
    """Sends a signal when a step is logged or evaluated."""

    def __init__(self, step):
        self.step = step

    def on_log(self, step, values):
        if step == self.step:
            signal.raise_signal(signal.SIGTERM)


@pytest.fixture(scope="module")
def whole(tmp_path_factory, data_dir, tiny):
    """A run of six steps, trained in one go with all watchers."""
    model, training = tiny()
    watchers = trainer.default_callbacks(training)
    folder = tmp_path_factory.mktemp("run") / "whole"
    return trainer.train(data_dir, folder, model, training, callbacks=watchers)


@pytest.fixture(scope="module")
def decoder_alone(tmp_path_factory, data_dir, tiny):
    """The same of a decoder alone, whose graphs are made in half of the time."""
    folder = tmp_path_factory.mktemp("run") / "decoder"
    watchers = [callbacks.MetricsFile()]
    return trainer.train(data_dir, folder, *tiny(conditional=False), callbacks=watchers)


@pytest.fixture(scope="module")
def _four_steps(tmp_path_factory, data_dir, tiny):
    folder = tmp_path_factory.mktemp("run") / "four"
    model, training = tiny(conditional=False, train_steps=4)
    return trainer.train(data_dir, folder, model, training, callbacks=[callbacks.MetricsFile()])


@pytest.fixture
def four_steps(tmp_path, _four_steps):
    """A decoder's run of four steps, a copy for each test, to go on with."""
    shutil.copytree(_four_steps.path, tmp_path / "run")
    return runs.open_run(tmp_path / "run")


@pytest.fixture
def idle_steps(monkeypatch):
    """Steps that change no weight and need no graph, for tests of what is around them."""
    monkeypatch.setattr(step.TrainingStep, "__call__", lambda self, batch, position: 0)


def test_a_run_directory_has_all_its_parts(whole):
    for name in ("config.json", "best.keras", "last.keras", "metrics.jsonl", "report.html"):
        assert (whole.path / name).is_file(), name
    assert list(whole.checkpoints()) == [4, 6]  # the last two
    pictures = {path.name for path in (whole.path / "pictures").iterdir()}
    assert pictures == {
        f"step-0000000{step}-{name}.svg"
        for step in (4, 6)
        for name in ("samples", "reconstructions", "interpolation")
    }


def test_every_value_is_in_the_metrics(whole):
    by_split = {line["split"]: line for line in _metrics(whole)}
    assert set(by_split) == {"train", "valid", "test"}
    assert {
        *("step", "loss", "reconstruction_loss", "offset_loss", "pen_loss", "kl_loss", "kl_raw"),
        *("gradient_norm", "clip_fraction", "active_latents", "learning_rate", "kl_weight"),
        "skipped_steps",
    } <= set(by_split["train"])
    assert {"cost", "nats_per_point", "reconstruction_loss_unmasked"} <= set(by_split["valid"])
    speeds = [
        line["sketches_per_second"]
        for line in runs.read_metrics(whole.path / runs.METRICS)
        if line["split"] == "train"
    ]
    assert min(speeds) > 0


def test_tensorboard_has_scalars_and_pictures(whole):
    tags = set()
    for path in (whole.path / "tensorboard").rglob("events*"):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            tags |= {value.tag for value in event.summary.value}
    assert {"loss", "gradient_norm", "kl_raw", "cost", "samples", "reconstructions"} <= tags
    assert "interpolation" in tags


def test_the_report_needs_no_other_file(whole):
    text = (whole.path / runs.REPORT).read_text()
    assert not re.search(r"<(script|link|img|iframe)|url\(|@import", text)
    assert set(re.findall(r'(?:src|href)="([^"#])', text)) == set()
    test = next(line for line in _metrics(whole) if line["split"] == "test")
    assert str(round(test["cost"], 5)) in text
    for part in ("6 of 6", "model.decoder.units", "Sketches per second", "drawn again", "polyline"):
        assert part in text


def _signaling(function):
    """Returns a function that sends a signal first, while something listens to it."""
    outside = signal.getsignal(signal.SIGTERM)

    def signaled(*arguments):
        if signal.getsignal(signal.SIGTERM) != outside:
            signal.raise_signal(signal.SIGTERM)
        return function(*arguments)

    return signaled


# Before an evaluation, while its graph is made, and between the pictures of a model with an
# encoder; a decoder alone has one picture.
def test_a_run_that_was_stopped_in_three_places_goes_on_bit_for_bit(
    tmp_path, train, whole, monkeypatch
):
    run, said = train(tmp_path / "run", callbacks=[callbacks.MetricsFile(), _SignalAt(4)])
    assert list(run.checkpoints())[-1] == 4
    assert "stopped at step 4 and saved" in said[-1]
    assert not (run.path / runs.BEST).exists()  # the signal came before the evaluation
    for holder, name in ((evaluation, "_sums_of_batch"), (pictures.Artist, "_labels")):
        with monkeypatch.context() as patch:
            patch.setattr(holder, name, _signaling(getattr(holder, name)))
            run, said = train(tmp_path / "run", callbacks=[callbacks.MetricsFile()])
        assert "stopped at step 4 and saved" in said[-1]
        assert not (run.path / runs.BEST).exists()
    run, _ = train(tmp_path / "run", callbacks=[callbacks.MetricsFile()])
    _assert_same(run, whole, 6)


RECIPE = {
    "average_decay": 0.3,
    "weight_decay": 0.1,
    "gradient_clip_norm": 0.3,
    "learning_rate_schedule": "linear",
    "decoder__cell": "stacked",
    "conditional": False,
    "checkpoint_every": 1,
    "keep_checkpoints": 9,
}


@pytest.fixture(scope="module")
def averaged(tmp_path_factory, data_dir, tiny):
    """A run of averaged weights, trained in one go."""
    folder = tmp_path_factory.mktemp("run") / "averaged"
    return trainer.train(data_dir, folder, *tiny(**RECIPE), callbacks=[callbacks.MetricsFile()])


def test_a_run_with_averaged_weights_that_was_stopped_goes_on_bit_for_bit(
    tmp_path, train, averaged
):
    watchers = [callbacks.MetricsFile(), _SignalAt(4)]
    run, said = train(tmp_path / "run", callbacks=watchers, **RECIPE)
    assert "stopped at step 4 and saved" in said[-1]
    run, _ = train(tmp_path / "run", callbacks=[callbacks.MetricsFile()], **RECIPE)
    _assert_same(run, averaged, 6)
    pair = [one.checkpoints()[6] / checkpoints.WEIGHTS for one in (run, averaged)]
    first, second = (np.load(path, allow_pickle=False) for path in pair)
    assert first.files
    for name in first.files:
        np.testing.assert_array_equal(first[name], second[name])


def test_what_is_saved_and_evaluated_is_the_average_of_the_weights(averaged, data_dir):
    # The average starts at the weights before the first step, which no checkpoint has: after step 1
    # it weighs them with min(0.3, 1 / 11). So does the first checkpoint tell what they were.
    weights, averages = [], []
    for folder in averaged.checkpoints().values():
        with np.load(folder / checkpoints.WEIGHTS, allow_pickle=False) as content:
            weights.append([content[name] for name in content.files])
        model = runs.load_keras(folder / checkpoints.MODEL)
        averages.append([variable.numpy() for variable in model.trainable_variables])
    for count in range(2, 7):
        decay = min(0.3, count / (10 + count))
        for before, now, weight in zip(
            averages[count - 2], averages[count - 1], weights[count - 1], strict=True
        ):
            expected = decay * before.astype(np.float64) + (1 - decay) * weight
            np.testing.assert_allclose(now, expected, rtol=1e-6, atol=1e-7)
            assert not np.array_equal(now, weight)
    last = averaged.load_model("last")
    for saved, average in zip(last.trainable_variables, averages[-1], strict=True):
        np.testing.assert_array_equal(saved, average)
    valid = [line for line in _metrics(averaged) if line["split"] == "valid"]
    found = evaluation.evaluate(last, averaged.config, data_dir, "valid", batch_size=8)
    assert valid[-1]["cost"] == pytest.approx(found["cost"], rel=1e-6)


def test_more_steps_go_on_also_when_stopped_at_the_last_and_the_same_steps_do_nothing(
    train, four_steps, decoder_alone
):
    settings = {"conditional": False, "train_steps": 6}
    watchers = [callbacks.MetricsFile(), _SignalAt(6)]
    run, said = train(four_steps.path, callbacks=watchers, **settings)
    assert [line for line in said if "stopped at step 6" not in line] == []
    assert not (run.path / runs.REPORT).exists()
    run, said = train(run.path, callbacks=[callbacks.MetricsFile()], **settings)
    assert said == []
    assert (run.path / runs.REPORT).exists()
    assert list(run.checkpoints()) == [4, 6]  # no other step was taken
    _assert_same(run, decoder_alone, 6)
    before = {path: path.stat().st_mtime_ns for path in run.path.rglob("*.keras")}
    _, said = train(run.path, **settings)
    assert "has its 6 steps already" in said[0]
    assert before == {path: path.stat().st_mtime_ns for path in run.path.rglob("*.keras")}


@pytest.mark.usefixtures("idle_steps")
def test_more_steps_make_a_new_report_however_often_they_are_stopped(
    train, four_steps, monkeypatch
):
    settings = {"conditional": False, "train_steps": 5}
    evaluate = trainer.evaluation.evaluate

    def signaled(model, configuration, directory, split, **rest):
        if split == "test":
            signal.raise_signal(signal.SIGTERM)
        return evaluate(model, configuration, directory, split, **rest)

    with monkeypatch.context() as patch:
        patch.setattr(trainer.evaluation, "evaluate", signaled)
        run, said = train(four_steps.path, **settings)
    assert "has its 5 steps, but no report.html yet" in said[-1]
    assert not (run.path / runs.REPORT).exists()
    _, said = train(run.path, **settings)
    assert said == []
    assert "5 of 5" in (run.path / runs.REPORT).read_text()


def test_a_damaged_checkpoint_falls_back_to_the_one_before_and_says_so(
    train, four_steps, decoder_alone
):
    damaged = four_steps.checkpoints()[4] / checkpoints.MODEL
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    watchers = [callbacks.MetricsFile()]
    run, said = train(four_steps.path, callbacks=watchers, conditional=False)
    assert "checkpoint of step 4 is damaged" in said[0]
    assert "checksum" in said[0]
    _assert_same(run, decoder_alone, 6)


@pytest.mark.usefixtures("idle_steps")
def test_a_full_disk_keeps_the_checkpoint_before_and_says_so(tmp_path, train, monkeypatch):
    savez, count = np.savez, []

    def full(*arguments, **values):
        count.append(0)
        if len(count) == 2:
            raise OSError(28, "No space left on device")
        savez(*arguments, **values)

    monkeypatch.setattr(checkpoints.np, "savez", full)
    run, said = train(tmp_path / "run", conditional=False)
    assert list(run.checkpoints()) == [2, 6]
    assert len(said) == 1
    assert "checkpoint of step 4 could not be written" in said[0]
    assert "No space left on device" in said[0]
    assert "step 2" in said[0]
    assert not list((run.path / "checkpoints").glob(".*"))


@pytest.mark.usefixtures("idle_steps")
def test_weights_that_cannot_be_copied_are_said_and_copied_later(tmp_path, train, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "copy_weights", full)
        with pytest.raises(OSError, match="No space left"):
            train(tmp_path / "run", train_steps=2, conditional=False)
    run = runs.open_run(tmp_path / "run")
    assert list(run.checkpoints()) == [2]
    assert not (run.path / runs.LAST).exists()
    train(tmp_path / "run", train_steps=2, conditional=False)
    expected = files.sha256_of_file(run.checkpoints()[2] / checkpoints.MODEL)
    assert files.sha256_of_file(run.path / runs.LAST) == expected


@pytest.mark.usefixtures("idle_steps")
def test_a_disk_that_is_full_at_the_end_is_an_error(tmp_path, train, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints.np, "savez", full)
    with pytest.raises(OSError, match="No space left"):
        train(tmp_path / "run", train_steps=2, conditional=False)


def test_training_that_diverges_stops_with_the_batch_and_the_last_good_checkpoint(tmp_path, train):
    settings = {"learning_rate": 1e38, "min_learning_rate": 1e38, "gradient_clip": 0}
    settings |= {"max_bad_steps": 3, "train_steps": 50, "checkpoint_every": 1}
    settings["conditional"] = False
    with pytest.raises(trainer.DivergedError, match=r"3 steps in a row.*bad_batch\.npz") as error:
        train(tmp_path / "run", callbacks=[callbacks.MetricsFile()], **settings)
    run = runs.open_run(tmp_path / "run")
    last = list(run.checkpoints())[-1]
    assert f"step {last}" in str(error.value)
    assert all(np.isfinite(w).all() for w in run.load_model("last").get_weights())
    with np.load(run.path / runs.BAD_BATCH) as batch:
        assert batch["strokes"].shape == (8, 12, 5)
        assert batch["position"] == last + 2
    skipped = sum(line.get("skipped_steps", 0) for line in _metrics(run))
    assert skipped >= 3  # and single ones before


def _bad_steps(monkeypatch, first, weights):
    """Makes every step from `first` on one that is skipped, and the weights what is given."""
    take = step.TrainingStep.__call__

    def taken(self, batch, position):
        if position < first:
            return take(self, batch, position)
        if weights is not None:
            self.model.trainable_variables[0].assign(
                weights * tf.ones_like(self.model.trainable_variables[0])
            )
        return position - first + 1

    monkeypatch.setattr(step.TrainingStep, "__call__", taken)


def test_good_weights_are_saved_though_the_last_steps_were_skipped(train, four_steps, monkeypatch):
    _bad_steps(monkeypatch, first=4, weights=None)
    run, _ = train(four_steps.path, conditional=False, train_steps=7)
    assert list(run.checkpoints()) == [4, 7]
    assert (run.path / runs.REPORT).exists()


def test_a_run_that_ends_with_bad_weights_has_diverged(train, four_steps, monkeypatch):
    _bad_steps(monkeypatch, first=4, weights=np.inf)
    with pytest.raises(trainer.DivergedError, match=r"2 steps in a row, up to step 6.*is step 4"):
        train(four_steps.path, conditional=False)
    assert not (four_steps.path / runs.REPORT).exists()


def test_a_signal_while_weights_are_bad_saves_nothing_and_says_so(train, four_steps, monkeypatch):
    _bad_steps(monkeypatch, first=4, weights=np.nan)
    settings = {"conditional": False, "train_steps": 50}
    run, said = train(four_steps.path, callbacks=[_SignalAt(6)], **settings)
    assert list(run.checkpoints()) == [2, 4]
    assert "stopped at step 6 and not saved" in said[-1]
    assert said[-1].endswith("the same command goes on from the last checkpoint: step 4")


@pytest.mark.usefixtures("idle_steps")
def test_early_stopping_ends_a_run_that_gets_no_better(tmp_path, train):
    settings = {"early_stopping_patience": 2, "train_steps": 50, "conditional": False}
    settings["evaluate_every"] = 2
    run, _ = train(tmp_path / "run", **settings)
    assert list(run.checkpoints())[-1] == 6  # best at 2, then twice no better
    assert "6 of 50 (stopped early)" in (run.path / runs.REPORT).read_text()
    _, said = train(tmp_path / "run", **settings)
    assert "already" in said[0]


def test_the_report_has_measures_of_what_the_model_draws(tmp_path, train, make_dataset):
    make_dataset(tmp_path / "data", {"train": 24, "valid": 4, "test": 21})
    watching = [callbacks.MetricsFile()]
    settings = {"train_steps": 3, "conditional": False}
    run, _ = train(tmp_path / "run", data=tmp_path / "data", callbacks=watching, **settings)
    values = runs.read_metrics(run.path / "metrics.jsonl")[-1]
    assert values["split"] == "test"
    assert values["quality_samples"] == 21
    for name in ("kid", "kid_floor", "precision", "recall", "coverage", "ended"):
        assert np.isfinite(values[f"quality_{name}"]), name
    assert "quality_kid" in (run.path / "report.html").read_text("utf-8")
    card = (run.path / "MODEL.md").read_text("utf-8")
    assert f"| quality_kid | {values['quality_kid']:.4f} |" in card
    assert "24 drawings of even, odd" in card


def test_a_run_can_end_with_a_prior_that_is_fitted_to_its_training_drawings(
    tmp_path, train, make_dataset
):
    data = tmp_path / "data"
    make_dataset(data, {"train": 40, "valid": 4, "test": 0})
    settings = {"data": data, "fit_prior": True, "class_conditioned": True}
    run, _ = train(tmp_path / "run", **settings)
    prior = latent_prior.of(run.config)
    assert runs.open_run(run.path).config == run.config
    rows = [record for record in dataset.read_split(data, "train") if record.label == 1]
    sketcher = sketch_rnn_tf.load_model(run.path)
    z = sketcher.encode([record.strokes for record in rows], label=run.config.classes[1])
    np.testing.assert_allclose(prior.means[1], z.mean(axis=0), atol=1e-3)
    assert "latent_prior.directions" in (run.path / "report.html").read_text("utf-8")
    again, said = train(tmp_path / "run", **settings)
    assert "has its 6 steps already" in " ".join(said)
    assert again.config == run.config
    _, said = train(tmp_path / "run", **{**settings, "fit_prior": False})  # it is no other run
    assert "has its 6 steps already" in " ".join(said)


class _Costs(callbacks.Callback):
    """Validation costs of one's own, by step, in place of those of the model."""

    def __init__(self, costs):
        self.costs, self.step, self.stopped = costs, 0, None
        self._evaluate = evaluation.evaluate

    def on_start(self, run, step):
        self.step = step

    def on_log(self, step, values):  # which comes before each evaluation
        self.step = step

    def on_early_stop(self, step, end):
        self.stopped = step, end

    def evaluate(self, model, configuration, directory, split, **rest):
        found = self._evaluate(model, configuration, directory, split, **rest)
        return {**found, "cost": self.costs[self.step]} if split == "valid" else found


PATIENT = {
    "early_stopping_patience": 2,
    "early_stopping_cooldown": 0.75,
    "learning_rate_schedule": "cosine",
    "average_decay": 0.3,
    "conditional": False,
    "train_steps": 50,
    "evaluate_every": 2,
    "checkpoint_every": 1,
}
COSTS = {2: 3.0, 4: 1.0, 6: 2.0, 8: 1.5, 10: 1.2, 11: 0.5}


def test_a_run_out_of_patience_goes_back_to_its_best_and_lets_the_rate_fall(
    tmp_path, train, monkeypatch
):
    def trained(folder, **settings):
        costs = _Costs(COSTS)
        with monkeypatch.context() as patch:
            patch.setattr(trainer.evaluation, "evaluate", costs.evaluate)
            watchers = [callbacks.MetricsFile(), costs, *settings.pop("watchers", [])]
            run, said = train(tmp_path / folder, callbacks=watchers, **PATIENT, **settings)
        return run, said, costs

    def holds(run, step):
        with np.load(run.checkpoint_path(step) / checkpoints.WEIGHTS) as content:
            return [content[name] for name in content.files]

    run, _, costs = trained("straight", keep_checkpoints=20)
    assert costs.stopped == (8, 11)  # three quarters of the four steps until the best
    assert list(run.checkpoints()) == list(range(1, 12))
    for weight, best in zip(holds(run, 8), holds(run, 4), strict=True):
        np.testing.assert_array_equal(weight, best)
    assert "11 of 50 (stopped early)" in (run.path / runs.REPORT).read_text()
    rates = [line["learning_rate"] for line in _metrics(run) if line["split"] == "train"]
    falling = rates[8:]
    assert falling[0] == pytest.approx(rates[4], rel=1e-3)  # where it was at the best
    np.testing.assert_allclose(falling, falling[0] * np.float32([3, 2, 1]) / 3, rtol=1e-2)

    # Stopped where it waits, where it goes back and where the rate falls: all is the same.
    for place, kept in ((7, [4, 6, 7]), (8, [4, 7, 8]), (10, [9, 10])):
        stopped, said, _ = trained("stopped", watchers=[_SignalAt(place)], keep_checkpoints=2)
        assert f"stopped at step {place} and saved" in said[-1]
        assert list(stopped.checkpoints()) == kept
    stopped, said, costs = trained("stopped", keep_checkpoints=2)
    assert costs.stopped == (10, 11)
    _assert_same(stopped, run, 11)
    for weight, other in zip(holds(stopped, 11), holds(run, 11), strict=True):
        np.testing.assert_array_equal(weight, other)

    _, said, _ = trained("straight", keep_checkpoints=20)
    assert "stopped early, --early_stopping_patience=0 goes on" in said[0]


def test_a_run_that_ended_early_goes_on_where_patience_is_endless(train, four_steps):
    state = four_steps.checkpoints()[4] / checkpoints.STATE
    values = json.loads(state.read_text())
    state.write_text(json.dumps({**values, "end_step": 4, "evaluations_since_best": 9}))
    settings = {"conditional": False, "train_steps": 6}
    _, said = train(four_steps.path, early_stopping_patience=1, **settings)
    assert "has its 4 steps already; it stopped early" in said[0]
    run, _ = train(four_steps.path, **settings)
    assert list(run.checkpoints())[-1] == 6


def test_a_run_whose_best_checkpoint_is_damaged_ends_at_once_and_says_so(
    tmp_path, train, monkeypatch
):
    costs = _Costs({2: 1.0, 4: 2.0})
    monkeypatch.setattr(trainer.evaluation, "evaluate", costs.evaluate)

    class Damage(callbacks.Callback):
        def on_evaluation(self, step, values):
            if step == 4:
                (tmp_path / "run" / "checkpoints" / "step-00000002" / checkpoints.MODEL).unlink()

    settings = {**PATIENT, "early_stopping_patience": 1, "average_decay": 0.0}
    run, said = train(tmp_path / "run", callbacks=[costs, Damage()], **settings)
    assert "there is no going back to the checkpoint of step 2" in said[0]
    assert costs.stopped == (4, 4)
    assert list(run.checkpoints())[-1] == 4
    assert (run.path / runs.REPORT).exists()


@pytest.fixture
def small_set(tmp_path, make_dataset):
    """A data set of five train sketches alone."""
    make_dataset(tmp_path / "data", {"train": 5, "valid": 0, "test": 0})
    return tmp_path / "data"


def test_a_small_set_without_other_splits_has_a_smaller_batch_no_best_and_a_report(
    tmp_path, train, small_set
):
    settings = {"data": small_set, "train_steps": 1, "warmup_steps": 5, "conditional": False}
    run, said = train(tmp_path / "run", **settings)
    assert said[0] == "batch_size 8 is lowered to 5: the train split has 5 sketches"
    assert "warm-up of 5 steps is longer than the run of 1" in said[1]
    assert len(said) == 2
    assert run.config.training.batch_size == 5
    assert not (run.path / runs.BEST).exists()
    assert run.weights("best") == run.path / runs.LAST
    assert (run.path / runs.REPORT).exists()
    _, said = train(tmp_path / "run", **settings)  # the same command is the same run
    assert "has its 1 steps already" in said[-1]


def test_a_run_is_not_gone_on_with_to_fewer_steps(train, decoder_alone):
    with pytest.raises(UserError, match="has 6 steps already, more than the 2 wanted"):
        train(decoder_alone.path, train_steps=2, conditional=False)


def test_a_data_set_that_is_rewritten_while_it_is_read_has_one_sentence(
    tmp_path, train, make_dataset, monkeypatch
):
    folder = tmp_path / "data"
    make_dataset(folder, {"train": 16, "valid": 0, "test": 0})

    class Rewrite(callbacks.Callback):
        def on_start(self, run, step):
            make_dataset(folder, {"train": 16, "valid": 0, "test": 0}, seed=4)
            _shard(folder, "train").unlink()

    with pytest.raises(UserError, match="was prepared anew while this run was reading it"):
        train(tmp_path / "run", data=folder, callbacks=[Rewrite()], conditional=False)


@pytest.mark.usefixtures("idle_steps")
def test_a_data_set_with_new_shards_of_the_same_names_is_not_trained_or_evaluated_on(
    tmp_path, train, make_dataset
):
    folder, run_dir = tmp_path / "data", tmp_path / "run"
    make_dataset(folder, {"train": 16, "valid": 4, "test": 0})

    class Rewrite(callbacks.Callback):
        def on_log(self, step, values):
            if step == 4:
                make_dataset(folder, {"train": 16, "valid": 4, "test": 0}, seed=4)

    with pytest.raises(UserError, match="was prepared anew while this run was reading it"):
        train(run_dir, data=folder, callbacks=[Rewrite()])
    assert list(runs.open_run(run_dir).checkpoints()) == [2]


@pytest.mark.usefixtures("idle_steps")
def test_nothing_is_written_where_a_disk_was_unmounted(tmp_path, train):
    class Unmount(callbacks.Callback):
        def on_log(self, step, values):
            shutil.rmtree(tmp_path / "run")
            (tmp_path / "run").mkdir()

    with pytest.raises(UserError, match=r"the run directory is gone.*ends at step 2"):
        train(tmp_path / "run", callbacks=[Unmount()], conditional=False)
    assert not list((tmp_path / "run").iterdir())


@pytest.mark.usefixtures("idle_steps")
def test_a_run_directory_that_vanishes_has_one_sentence(tmp_path, train):
    class Vanish(callbacks.Callback):
        def on_log(self, step, values):
            shutil.rmtree(tmp_path / "run")
            (tmp_path / "run").write_text("no directory")

    with pytest.raises(UserError, match=r"the run directory is gone.*ends at step 2"):
        train(tmp_path / "run", callbacks=[Vanish()], conditional=False)


def _shard(folder, split):
    return folder / dataset.shard_name(split, 0, 1)


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_damaged_shard_is_named_with_its_record(tmp_path, train, make_dataset, split):
    make_dataset(tmp_path / "data", {"train": 16, "valid": 2, "test": 3})
    path = _shard(tmp_path / "data", split)
    content = bytearray(path.read_bytes())
    content[-10] ^= 1  # in the last record
    path.write_bytes(content)
    last = {"train": 15, "test": 2}[split]
    with pytest.raises(ValueError, match=rf"{path.name}: record {last} is damaged"):
        train(tmp_path / "run", data=tmp_path / "data", conditional=False)


def test_a_shard_that_lacks_a_record_is_an_error(tmp_path, train, make_dataset):
    make_dataset(tmp_path / "data", {"train": 16, "valid": 0, "test": 0})
    path = _shard(tmp_path / "data", "train")
    frames = list(tfrecord.read_frames(path))
    path.write_bytes(b"".join(tfrecord.frame(frame) for frame in frames[:-1]))
    with pytest.raises(ValueError, match="holds 15 records"):
        train(tmp_path / "run", data=tmp_path / "data", conditional=False)


@pytest.mark.usefixtures("idle_steps")
def test_a_new_run_starts_from_the_weights_and_units_of_another(tmp_path, train, whole, tiny):
    content = files.read_json(whole.path / runs.CONFIG)
    (tmp_path / "old").mkdir()
    files.write_json(tmp_path / "old" / runs.CONFIG, {**content, "scale_factor": 77.0})
    checkpoints.copy_weights(whole.weights("best"), tmp_path / "old" / runs.BEST)
    run, _ = train(tmp_path / "new", init_from=tmp_path / "old", train_steps=1)
    assert run.config.scale_factor == 77.0
    assert run.config.initial_weights == files.sha256_of_file(whole.path / runs.BEST)
    pair = [one.load_model("best").get_weights() for one in (run, whole)]
    for a, b in zip(*pair, strict=True):
        np.testing.assert_array_equal(a, b)
    with pytest.raises(ValueError, match=r"another scale_factor \(77\.0"):
        train(tmp_path / "new", train_steps=1)


@pytest.mark.usefixtures("idle_steps")
def test_classes_that_a_run_to_start_from_knows_are_taken_by_name(tmp_path, train, make_dataset):
    model = {"class_conditioned": True, "conditional": False, "train_steps": 1}
    old, _ = train(tmp_path / "old", **model)  # of even and odd
    make_dataset(tmp_path / "data", {"train": 16, "valid": 0, "test": 0})
    info = dataset.read_info(tmp_path / "data")
    dataset.write_info(tmp_path / "data", dataclasses.replace(info, classes=["odd", "prime"]))
    run, said = train(tmp_path / "new", data=tmp_path / "data", init_from=old.path, **model)
    assert any("does not know prime" in line for line in said)
    before, after = (one.load_model("best") for one in (old, run))
    rows, own = (model.embedding.embeddings.numpy() for model in (before, after))
    np.testing.assert_array_equal(own[0], rows[1])
    np.testing.assert_allclose(own[1], rows.mean(axis=0), rtol=1e-6)
    for a, b in zip(before.decoder.weights, after.decoder.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_weights_of_another_shape_are_refused(tmp_path, train, whole):
    with pytest.raises(ValueError, match="do not fit"):
        train(tmp_path / "new", init_from=whole.path, decoder__units=7)


@pytest.mark.usefixtures("idle_steps")
def test_the_state_of_an_older_version_opens(train, four_steps):
    path = four_steps.checkpoints()[4] / checkpoints.STATE
    state = json.loads(path.read_text())
    for name in ("skipped_steps", "evaluated_step", "evaluations_since_best"):
        del state[name]
    path.write_text(json.dumps(state))
    _, said = train(four_steps.path, train_steps=5, conditional=False)
    assert said == []
