from __future__ import annotations

import pytest

from sketch_rnn_tf import serving
from sketch_rnn_tf.serving import server_errors, transport


def _failing(times: int, error: Exception):
    calls = []

    def attempt(left):
        calls.append(left)
        if len(calls) <= times:
            raise error
        return "answer"

    return attempt, calls


def test_only_unavailable_servers_are_asked_again():
    attempt, calls = _failing(2, server_errors.UnavailableError("not now"))
    pauses = []
    assert transport.with_retries(attempt, 60, 4, pauses.append) == "answer"
    assert len(calls) == 3
    assert 0.05 <= pauses[0] <= 0.1
    assert 0.1 <= pauses[1] <= 0.2
    for error in (
        ValueError("bad"),
        server_errors.DeadlineError("late"),
        server_errors.ServerError("broken"),
    ):
        attempt, calls = _failing(1, error)
        with pytest.raises(type(error)):
            transport.with_retries(attempt, 60, 4, pauses.append)
        assert len(calls) == 1


def test_attempts_end_after_the_retries_and_with_the_deadline():
    attempt, calls = _failing(9, server_errors.UnavailableError("not now"))
    with pytest.raises(server_errors.UnavailableError):
        transport.with_retries(attempt, 60, 2, lambda _: None)
    assert len(calls) == 3
    attempt, calls = _failing(9, server_errors.UnavailableError("not now"))
    with pytest.raises(server_errors.UnavailableError):
        transport.with_retries(attempt, 0.01, 9, lambda _: None)
    assert len(calls) == 1


@pytest.mark.parametrize("address", ["localhost:8500", "ftp://x", "grpc://", "http://"])
def test_addresses_need_a_scheme_and_a_host(address):
    with pytest.raises(ValueError, match="is not an address"):
        serving.connect(address)


def test_every_row_error_has_its_words():
    assert set(server_errors.MEANINGS) == set(server_errors.RowError)
    assert "no such class" in server_errors.meaning(4)
    assert "99" in server_errors.meaning(99)
