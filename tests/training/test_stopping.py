import os
import signal
import threading

import pytest

from sketch_rnn_tf.training import stopping


def test_a_signal_is_remembered_and_ends_nothing():
    with stopping.Signals() as signals:
        assert signals.received is None
        os.kill(os.getpid(), signal.SIGTERM)
        assert signals.received == signal.SIGTERM


@pytest.fixture
def ctrl_c_interrupts():
    """As in a terminal; a process that tests were handed to may ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_second_ctrl_c_interrupts_at_once(ctrl_c_interrupts):
    with stopping.Signals() as signals:
        os.kill(os.getpid(), signal.SIGINT)
        assert signals.received == signal.SIGINT
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)


def test_handlers_are_put_back():
    before = [signal.getsignal(number) for number in stopping.SIGNALS]
    with stopping.Signals():
        assert signal.getsignal(signal.SIGTERM) != before[0]
    assert [signal.getsignal(number) for number in stopping.SIGNALS] == before


def test_work_is_left_where_it_asks():
    with stopping.Signals() as signals:
        signals.check()
        signal.raise_signal(signal.SIGTERM)
        for _ in range(2):
            with pytest.raises(stopping.StopRequestedError):
                signals.check()


def test_in_another_thread_it_does_nothing():
    found = []

    def work():
        with stopping.Signals() as signals:
            found.append(signals.received)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [None]
    assert signal.getsignal(signal.SIGTERM) == before
