"""The same command gives the same bits, whatever else keeps the machine busy."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from sketch_rnn_tf import config, runs
from sketch_rnn_tf.training import run_directory, trainer


@pytest.mark.large
@pytest.mark.parametrize("cell", ["lstm", "layer_norm", "hyper", "stacked"])
def test_no_sum_of_a_step_has_three_summands_in_an_order_of_tensorflows_choice(
    data_dir, tiny, tmp_path, sums_of, cell
):
    settings = {"encoder__cell": cell, "decoder__cell": cell, "parallel_parts": 2}
    settings["encoder__units"] = 6  # of which `stacked` has half per layer
    settings |= {f"{side}__hyper_units": 4 for side in ("encoder", "decoder")}
    info = trainer.dataset.read_info(data_dir)
    described = run_directory.describe(info, data_dir, *tiny(**settings))
    trained = trainer.Trainer(runs.create(tmp_path / "run", described), data_dir, info)
    batch = next(iter(trained.batches().dataset(0)))
    sums = sums_of(lambda: trained.step(batch, 0))
    assert len(sums) > 10  # the graph is the one that was looked for
    assert [one for one in sums if one.count != 2] == []


def _command(data_dir, run_dir, steps, preset, *settings) -> list[str]:
    return [
        *(sys.executable, "-m", "sketch_rnn_tf.commands.train", f"--data_dir={data_dir}"),
        *(f"--run_dir={run_dir}", f"--preset={preset}", f"--train_steps={steps}", "--seed=7"),
        *(f"--set={setting}" for setting in settings),
    ]


def _weights_and_slots(run_dir) -> dict[str, np.ndarray]:
    """Returns all that a run resumes from, by name."""
    run = runs.open_run(run_dir)
    folder = list(run.checkpoints().values())[-1]
    with np.load(folder / "optimizer.npz", allow_pickle=False) as content:
        values = dict(content)
    weights = run.load_model("last").get_weights()
    return values | {f"weight {i}": weight for i, weight in enumerate(weights)}


def _lines(run_dir) -> list[dict]:
    """Returns the lines of metrics.jsonl without the clock's."""
    lines = (run_dir / runs.METRICS).read_text().splitlines()
    return [
        {name: value for name, value in json.loads(line).items() if "second" not in name}
        for line in lines
    ]


@pytest.mark.usefixtures("busy_cores")
@pytest.mark.large
def test_the_same_steps_on_a_busy_machine_give_the_same_bits(data_dir, tmp_path):
    start = config.preset("small")
    settings = {"batch_size": 40, "train_steps": 20, "seed": 7}
    configuration = config.override(start.model, start.training, settings)
    info = trainer.dataset.read_info(data_dir)
    described = run_directory.describe(info, data_dir, *configuration)
    trained = trainer.Trainer(runs.create(tmp_path / "run", described), data_dir, info)
    variables = [*trained.model.variables, *trained.optimizer.variables]
    beginning = [variable.numpy() for variable in variables]
    batches = list(trained.batches().dataset(0).take(20))

    def twenty_steps():
        for variable, value in zip(variables, beginning, strict=True):
            variable.assign(value)
        for position, batch in enumerate(batches):
            trained.step(batch, position)
        return [variable.numpy().tobytes() for variable in variables]

    expected = twenty_steps()
    assert expected != [value.tobytes() for value in beginning]
    assert all(twenty_steps() == expected for _ in range(5))


@pytest.mark.usefixtures("busy_cores")
@pytest.mark.long
@pytest.mark.parametrize(("preset", "steps", "count"), [("small", 12, 3), ("magenta", 2, 3)])
def test_processes_on_a_busy_machine_end_with_the_same_bits(
    data_dir, tmp_path, preset, steps, count
):
    settings = ("batch_size=40", f"evaluate_every={max(2, steps // 2)}")
    folders = [tmp_path / f"run {i}" for i in range(count)]
    started = [
        subprocess.Popen(
            _command(data_dir, folder, steps, preset, *settings),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for folder in folders
    ]
    for process in started:
        assert process.wait(timeout=500) == 0, process.stderr.read()
    first, *others = (_weights_and_slots(folder) for folder in folders)
    for other in others:
        assert other.keys() == first.keys()
        for name, value in first.items():
            assert value.tobytes() == other[name].tobytes(), name
    lines, *others = (_lines(folder) for folder in folders)
    assert others == [lines] * (count - 1)


# Commands in one process, so that TensorFlow is started once.
IN_TURN = """
import json, sys
from sketch_rnn_tf.commands import evaluate, sample
flags = json.loads(sys.argv[1])
sys.exit(evaluate.run(flags["evaluate"]) or sample.run(flags["sample"]))
"""


@pytest.fixture
def commands(request, data_dir, tiny, tmp_path):
    """Returns {name: flags} of commands that ask an untrained model of the two cells given."""
    encoder, decoder = request.param
    info = trainer.dataset.read_info(data_dir)
    configuration = tiny(encoder__cell=encoder, decoder__cell=decoder, decoder__units=96)
    run = runs.create(tmp_path, run_directory.describe(info, data_dir, *configuration))
    trainer.Trainer(run, data_dir, info).model.save(run.path / runs.LAST)
    return {
        "evaluate": [f"--model={tmp_path}", f"--data_dir={data_dir}", "--split=train", "--json"],
        "sample": [f"--model={tmp_path}", "--num=5", "--output=-", "--seed=3"],
    }


@pytest.mark.usefixtures("busy_cores")
@pytest.mark.large
@pytest.mark.parametrize("commands", [("hyper", "layer_norm")], indirect=True)
def test_a_process_that_evaluates_and_draws_says_the_same_on_a_busy_machine(commands, outputs_of):
    first, second = outputs_of([[sys.executable, "-c", IN_TURN, json.dumps(commands)]] * 2)
    assert first == second
    assert first.startswith(b"{")
    assert first.endswith(b"</svg>\n")


@pytest.mark.usefixtures("busy_cores")
@pytest.mark.long
@pytest.mark.parametrize("name", ["evaluate", "sample"])
@pytest.mark.parametrize(
    "commands", [("layer_norm", "layer_norm"), ("hyper", "hyper")], indirect=True
)
def test_evaluating_and_drawing_on_a_busy_machine_give_the_same_bits(commands, name, outputs_of):
    command = [sys.executable, "-m", f"sketch_rnn_tf.commands.{name}", *commands[name]]
    outputs = set(outputs_of([command] * 3))
    assert len(outputs) == 1
    assert outputs != {b""}
