"""The test server merges requests as tensorflow/serving's sources say (see batching.py)."""

from __future__ import annotations

import concurrent.futures
import threading

import batching
import numpy as np
import pytest
from batching import Parameters, RequestError

from sketch_rnn_tf.export.saved_model import deployment
from sketch_rnn_tf.serving import server_backend

PAD = Parameters(max_batch_size=4, pad_variable_length_inputs=True)


def _request(rows=1, length=2, value=1.0, kind=np.float32):
    return {"x": np.full([rows, length], value, kind), "n": np.full([rows], length, np.int32)}


def test_lengths_are_padded_with_a_tensors_first_element_and_rows_repeat_the_last_request():
    requests = [{"x": np.float32([[1, 2, 3]])}, {"x": np.float32([[4, 5], [6, 7]])}]
    sizes = Parameters(allowed_batch_sizes=(1, 5), pad_variable_length_inputs=True)
    merged = batching.merge(requests, sizes)["x"]
    assert merged.tolist() == [[1, 2, 3], [4, 5, 4], [6, 7, 4], [4, 5, 4], [4, 5, 4]]


@pytest.mark.parametrize(
    ("other", "parameters", "code"),
    [
        (_request(length=3), Parameters(), batching.FAILED_PRECONDITION),
        (_request(kind=np.float64), PAD, batching.INTERNAL),
        ({"x": np.float32([1]), "n": np.int32([1])}, PAD, batching.INTERNAL),
        (_request(length=0), PAD, batching.INVALID_ARGUMENT),
    ],
    ids=["another length without padding", "another type", "another rank", "an empty array"],
)
def test_what_cannot_be_merged_fails_the_batch(other, parameters, code):
    with pytest.raises(RequestError) as caught:
        batching.merge([_request(), other], parameters)
    assert caught.value.code == code
    assert batching.merge([other], parameters)["x"] is not None  # alone it reaches the model


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        (_request(rows=5), "larger than maximum input batch size 4"),
        ({"x": np.float32(1)}, "at least one dimension"),
        ({"x": np.zeros([2, 1]), "n": np.zeros([3])}, "equal 0th-dimension size"),
    ],
)
def test_requests_that_are_refused_before_merging_reach_nobody(inputs, words):
    scheduler = batching.Scheduler(lambda name, merged: pytest.fail("it ran"), PAD)
    with pytest.raises(RequestError, match=words) as caught:
        scheduler("f", inputs)
    assert caught.value.code == batching.INVALID_ARGUMENT


def _blocked(parameters):
    """Returns a scheduler whose first batch waits for an event, and the batches that it ran."""
    free, entered, batches = threading.Event(), threading.Event(), []

    def run(name, inputs):
        batches.append(inputs["x"][:, 0].tolist())
        entered.set()
        free.wait(10)
        return inputs

    return batching.Scheduler(run, parameters), free, entered, batches


def test_what_waits_is_merged_up_to_the_largest_batch_and_split_again():
    parameters = Parameters(max_batch_size=4, num_batch_threads=1)
    scheduler, free, entered, batches = _blocked(parameters)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        first = pool.submit(scheduler, "f", _request(value=0))
        assert entered.wait(10)
        others = [pool.submit(scheduler, "f", _request(rows=2, value=i)) for i in (1, 2, 3)]
        while len(scheduler._queues["f"]) < 3:
            threading.Event().wait(0.01)
        free.set()
        answers = [future.result(10)["x"][:, 0].tolist() for future in [first, *others]]
    assert answers == [[0], [1, 1], [2, 2], [3, 3]]
    assert [len(batch) for batch in batches] == [1, 4, 2]
    assert scheduler.largest == 2


def test_a_full_queue_is_unavailable():
    parameters = Parameters(max_batch_size=1, max_enqueued_batches=1, num_batch_threads=1)
    scheduler, free, entered, _ = _blocked(parameters)
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        pool.submit(scheduler, "f", _request())
        assert entered.wait(10)
        pool.submit(scheduler, "f", _request())
        while not scheduler._queues["f"]:
            threading.Event().wait(0.01)
        with pytest.raises(RequestError) as caught:
            scheduler("f", _request())
        free.set()
    assert caught.value.code == batching.UNAVAILABLE


def test_the_deployed_parameters_are_read_and_fit_the_client(tmp_path):
    path = tmp_path / "batching_parameters.txt"
    path.write_text(deployment.template("batching_parameters.txt"))
    found = batching.read_parameters(path)
    assert found.pad_variable_length_inputs
    assert (
        found.max_batch_size >= server_backend.ROWS
    )  # or a server with batching refuses its requests
    assert not found.allowed_batch_sizes or found.allowed_batch_sizes[-1] == found.max_batch_size
    path.write_text("max_batch_sizes { value: 3 }\n")
    with pytest.raises(TypeError, match="max_batch_sizes"):
        batching.read_parameters(path)
