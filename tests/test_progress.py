"""One line on how far a long piece of work is."""

from __future__ import annotations

import io

import pytest

from sketch_rnn_tf import progress


class _Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0s"), (75, "1m15s"), (600, "10m00s"), (9000, "2h30m")]
)
def test_times_are_short_words(seconds, text):
    assert progress.duration(seconds) == text


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is set."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    return now


def test_a_line_has_share_time_left_and_note(clock):
    stream = io.StringIO()
    with progress.Progress("reading", 200, file=stream) as line:
        clock[0] += 10
        line.update(50, "7 drawings")
    assert stream.getvalue() == "reading:  25 %, 30s left, 7 drawings\n"


def test_quick_work_says_nothing(clock):
    stream = io.StringIO()
    with progress.Progress("reading", 2, file=stream) as line:
        line.update(1)
        line.update(1)
    assert stream.getvalue() == ""


def test_a_terminal_shows_one_line_in_place(clock):
    stream = _Terminal()
    with progress.Progress("reading", 4, file=stream) as line:
        clock[0] += 1
        line.update(1)
        clock[0] += 1
        line.update(1)
        line.say("a word")
    text = stream.getvalue()
    assert "reading:  25 %, 3s left" in text
    assert "reading:  50 %, 2s left" in text
    assert "a word\n" in text
    assert text.count("\n") == 2  # the word's and the end's
    assert text.endswith("\n")


def test_what_was_done_before_and_what_came_before_the_clock_are_no_sample_of_speed(clock):
    with progress.Progress("training", 100, done=40, file=io.StringIO()) as line:
        assert line.seconds_left is None
        clock[0] += 50  # the graph is made
        line.update(1)
        line.restart_clock()
        assert line.seconds_left is None
        clock[0] += 10
        line.update(10)
        assert line.seconds_left == pytest.approx(49)
