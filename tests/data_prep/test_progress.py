import pytest

from data_prep import progress


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0 s"), (75, "75 s"), (600, "10 min"), (9000, "2.5 h")]
)
def test_times_are_short_words(seconds, text):
    assert progress.duration(seconds) == text


def test_a_line_has_share_time_left_and_note(capsys, monkeypatch):
    clock = iter([0.0, 10.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))

    line = progress.Progress("reading", 200)
    line.add(50, "7 drawings")

    assert capsys.readouterr().err == "reading:  25 %, 30 s left, 7 drawings\n"


def test_quick_work_says_nothing(capsys):
    line = progress.Progress("reading", 2)
    line.add(1)
    line.add(1)
    line.close()

    assert capsys.readouterr().err == ""
