"""Which TF_CONFIG says who a worker is, and what is said of one that does not."""

from __future__ import annotations

import json

import pytest

from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.training import distribution

CLUSTER = {"worker": ["127.0.0.1:25991"]}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "is not JSON"),
        ("[]", "has no object 'cluster'"),
        ({"cluster": CLUSTER}, "has no object 'task'"),
        (
            {"task": {"type": "evaluator", "index": 0}},
            "task type 'evaluator', which does not train",
        ),
        ({"task": {"type": "chief", "index": 0}}, "lists no addresses of 'chief'"),
        ({"task": {"type": "worker", "index": 1}}, "index 1, but lists 1 of 'worker': 0 to 0"),
        ({"task": {"type": "worker", "index": "one"}}, "index 'one', which is not a whole number"),
        ({"task": {"type": "worker"}}, "index None, which is not a whole number"),
        ("", "needs the environment variable TF_CONFIG"),
    ],
)
def test_what_is_wrong_with_tf_config_is_named(content, sentence, monkeypatch):
    if isinstance(content, dict) and "cluster" not in content:
        content = {"cluster": CLUSTER, **content}
    text = content if isinstance(content, str) else json.dumps(content)
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(UserError, match=sentence):
        distribution.make("multi_worker")


@pytest.mark.parametrize("index", [0, "0"])
def test_an_index_in_quotes_is_one_as_tensorflow_takes_it(index, monkeypatch):
    made = []
    monkeypatch.setattr(
        distribution.tf.distribute, "MultiWorkerMirroredStrategy", lambda: made.append(1)
    )
    task = {"type": "worker", "index": index}
    monkeypatch.setenv("TF_CONFIG", json.dumps({"cluster": CLUSTER, "task": task}))
    distribution.make("multi_worker")
    assert made == [1]


@pytest.mark.parametrize(
    ("flags", "gpus", "dtype"),
    [
        ("fpu avx512f avx512_bf16", 0, "mixed_bfloat16"),
        ("fpu amx_bf16", 0, "mixed_bfloat16"),
        ("fpu avx2", 0, "float32"),
        (None, 0, "float32"),  # no /proc
        ("fpu avx2", 1, "mixed_bfloat16"),
    ],
)
def test_the_narrow_type_is_chosen_where_it_is_multiplied_fast(monkeypatch, flags, gpus, dtype):
    def read_text(path, **_):
        if flags is None:
            raise FileNotFoundError(path)
        return f"processor\t: 0\nflags\t\t: {flags}\n"

    monkeypatch.setattr(distribution.pathlib.Path, "read_text", read_text)
    monkeypatch.setattr(distribution.tf.config, "list_physical_devices", lambda kind: [0] * gpus)
    assert distribution.fastest_dtype() == dtype


def test_a_run_has_the_type_that_was_chosen(tmp_path, train):
    run, _ = train(tmp_path / "run", dtype="auto", train_steps=1, conditional=False)
    assert run.config.training.dtype == distribution.fastest_dtype()
