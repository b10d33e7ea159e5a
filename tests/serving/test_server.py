"""What clients do to one another on a server, and what a server may do to them."""

from __future__ import annotations

import concurrent.futures
import os
import pathlib
import subprocess
import sys
import time

import numpy as np
import pytest

from sketch_rnn_tf import serving

pytestmark = pytest.mark.large
COMMON = {"temperature": 0.7, "seed": 9, "label": "cat"}
GOOD = {
    "temperature": np.float32([0.7]),
    "seed": np.int32([[9, 0]]),
    "label": np.int32([0]),
}
BAD_ROWS = {
    "temperature": {**GOOD, "temperature": np.float32([-1])},
    "no number": {**GOOD, "temperature": np.float32([np.nan])},
    "class": {**GOOD, "label": np.int32([5])},
}
REFUSED = {  # before they are merged
    "missing": {"seed": GOOD["seed"]},
    "unknown name": {**GOOD, "colour": np.float32([1])},
    "numbers of rows": {**GOOD, "label": np.int32([0, 0])},
    "no rows' dimension": {**GOOD, "temperature": np.float32(0.7)},
}
UNFIT = {  # not found before they are merged, and refused by the model or by the merging
    "inner shape": {**GOOD, "seed": np.int32([[9, 0, 0]])},
    "type": {**GOOD, "temperature": np.float64([0.7])},
    "integers": {**GOOD, "seed": np.int64([[9, 0]])},
    "rank": {**GOOD, "temperature": np.float32([[0.7]])},
}
UNFIT_DRAWINGS = {
    "width": {"strokes": np.zeros([1, 3, 4], np.float32), "lengths": np.int32([3])},
    "type": {"strokes": np.zeros([1, 3, 3]), "lengths": np.int32([3])},
    "empty": {"strokes": np.zeros([1, 0, 3], np.float32), "lengths": np.int32([0])},
}


def _storm(server, exported, bad: dict[str, list[dict]], kinds=("grpc", "rest")) -> set[str]:
    """Sends bad requests amid good ones of `generate`, which must all be answered.

    Args:
      server: where to.
      exported: whose Sketcher says what the answer is.
      bad: {signature: requests}.
      kinds: ways to the server, in turns.

    Returns:
      What the bad ones got: "row", or the name of the error.
    """
    expected = exported.sketcher.generate(1, **COMMON)[0].strokes
    clients = [serving.connect(server.addresses[kind], retries=0) for kind in kinds]
    requests = [(name, inputs) for name, spoilt in bad.items() for inputs in spoilt]

    def send_good(client):
        found = client.backend.predict("generate", **GOOD)
        return found["strokes"][0, : found["lengths"][0]]

    def send_bad(client, name, inputs):
        try:
            return "row" if client.backend.predict(name, **inputs)["error"].any() else "fine"
        except (ValueError, OSError) as error:
            return type(error).__name__

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        good, spoilt = [], []
        for i in range(96):
            client = clients[i % len(clients)]
            if i % 3 == 0:
                good.append(pool.submit(send_good, client))
            else:
                spoilt.append(pool.submit(send_bad, client, *requests[i % len(requests)]))
    for future in good:
        np.testing.assert_allclose(future.result(), expected, atol=7e-3)
    return {future.result() for future in spoilt}


def test_bad_rows_in_merged_batches_cost_nobody_else_anything(server, exported):
    assert _storm(server, exported, {"generate": list(BAD_ROWS.values())}) == {"row"}
    assert (server.poll()["largest"] or 2) > 1  # requests were merged indeed


def test_requests_that_a_server_refuses_cost_nobody_else_anything(server, exported):
    many = {name: np.repeat(value, 65, axis=0) for name, value in GOOD.items()}
    refused = [*REFUSED.values(), many]
    found = _storm(server, exported, {"generate": refused}, ["grpc"])
    assert found <= {"UserError", "fine"}  # 65 rows are too many for a server with batching only
    assert "UserError" in found
    words = {**GOOD, "temperature": np.array(["warm"])}
    assert _storm(server, exported, {"generate": [words]}, ["rest"]) == {"UserError"}


def test_wrong_shapes_and_types_cost_other_signatures_nothing(server, exported):
    unfit = [{**inputs, "label": GOOD["label"]} for inputs in UNFIT_DRAWINGS.values()]
    assert _storm(server, exported, {"encode": unfit}, ["grpc"]) <= {
        "UserError", "ServerError", "row",
    }  # fmt: skip


@pytest.fixture(scope="module")
def unmerged(exported, start):
    """Returns a server without batching."""
    return start(exported.base, "--label", "stable=1")


def test_without_batching_nothing_costs_anybody_else_anything(unmerged, exported):
    bad = [*BAD_ROWS.values(), *REFUSED.values(), *UNFIT.values()]
    assert _storm(unmerged, exported, {"generate": bad}, ["grpc"]) == {"row", "UserError"}


@pytest.mark.parametrize("inputs", UNFIT.values(), ids=list(UNFIT))
def test_wrong_shapes_and_types_are_invalid_arguments_with_and_without_batching(
    server, unmerged, inputs
):
    for each in (server, unmerged):
        with (
            serving.connect(each.addresses["grpc"]) as client,
            pytest.raises(ValueError, match=r"(?i)shape|rank|expects|expected|type|dimension"),
        ):
            client.backend.predict("generate", **inputs)


@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_a_version_may_be_asked_for_by_its_label(server, kind):
    with (
        serving.connect(server.addresses[kind], label="stable") as named,
        serving.connect(server.addresses[kind], version=1) as numbered,
    ):
        found, expected = named.generate(2, **COMMON), numbered.generate(2, **COMMON)
        for a, b in zip(found, expected, strict=True):
            np.testing.assert_allclose(a.strokes, b.strokes, atol=7e-3)
        assert named.backend.metadata() == numbered.backend.metadata()
        assert set(named.backend.status()) == {1}


@pytest.fixture(scope="module")
def delayed(exported, start):
    """Returns a server that takes three seconds for an answer."""
    return start(exported.base, "--delay", 3)


@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_answers_that_take_too_long_are_deadline_errors(delayed, kind):
    client = serving.connect(delayed.addresses[kind], timeout=0.5)
    began = time.monotonic()
    with pytest.raises(serving.DeadlineError, match=r"no answer within|time"):
        client.backend.predict("generate", **GOOD)
    assert time.monotonic() - began < 2


def test_the_tests_run_against_the_server_that_the_environment_names(unmerged):
    tests, before = pathlib.Path(__file__).parent, unmerged.poll()["requests"]
    environment = {**os.environ, "TF_SERVING_ADDRESS": unmerged.addresses["grpc"]}
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider",
         tests / "test_server_backend.py", tests / "test_server.py",
         "-k", "status_metadata or label"],
        capture_output=True, text=True, check=False, env=environment, cwd=tests.parents[1],
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "TF_SERVING_ADDRESS names no rest address" in done.stdout  # said, not passed over
    assert unmerged.poll()["requests"] >= before + 4


def test_a_named_server_with_another_model_is_an_error(unmerged, named_server):
    with pytest.raises(pytest.fail.Exception, match="serves another model"):
        named_server(unmerged.addresses["rest"], None)
