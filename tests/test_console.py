"""Ctrl-C while a command is being imported."""

from __future__ import annotations

import signal
import sys
import types

import pytest

from sketch_rnn_tf import cli, console, interrupts


@pytest.fixture(autouse=True)
def ctrl_c_interrupts():
    """As in a terminal; a process that tests were handed to may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) == signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def _rises():
    signal.raise_signal(signal.SIGINT)


def _is_swallowed():
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def _becomes_another_error():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("numpy.core.multiarray failed to import") from None


WAYS = (_rises, _is_swallowed, _becomes_another_error)


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_during_the_import_of_a_command_is_one_line_and_130(way, monkeypatch, capsys):
    monkeypatch.setattr(console.importlib, "import_module", lambda name: way())
    assert console.train() == 130
    assert capsys.readouterr() == ("", "sketch-rnn-train: interrupted\n")


@pytest.mark.parametrize("way", WAYS)
def test_ctrl_c_during_the_import_of_tensorflow_is_one_line_and_130(way, monkeypatch, capsys):
    monkeypatch.delenv("SKETCH_RNN_DEBUG", raising=False)
    module = types.SimpleNamespace(
        config=types.SimpleNamespace(list_physical_devices=way), __spec__=None
    )
    monkeypatch.setitem(sys.modules, "tensorflow", module)
    run = cli.command("thing", "Does.", lambda flags: None, lambda flags: cli.quiet_tensorflow())
    assert run([]) == 130
    assert capsys.readouterr() == ("", "thing: interrupted\n")


def test_what_a_command_makes_of_ctrl_c_itself_stays():
    run = cli.command("thing", "Does.", lambda flags: None, lambda flags: _is_swallowed())
    assert run([]) == 0


def test_errors_without_ctrl_c_stay_what_they_are():
    with pytest.raises(ImportError, match="broken"), interrupts.surfacing():
        raise ImportError("broken")


def test_ctrl_c_that_is_ignored_stays_so():
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with interrupts.surfacing():
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    signal.signal(signal.SIGINT, signal.default_int_handler)
