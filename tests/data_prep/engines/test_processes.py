import functools
import os
import signal
import subprocess
import sys

import pytest

from data_prep import readers
from data_prep.engines import processes


def _double(number):
    if number == 13:
        raise readers.ReadError("file 13: is bad luck")
    return 2 * number


def _die(number, victim):
    if number == victim:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_their_tasks(workers):
    assert list(processes.ordered_map(_double, range(12), workers)) == list(range(0, 24, 2))


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_is_the_callers_error(workers):
    with pytest.raises(readers.ReadError, match="file 13: is bad luck"):
        list(processes.ordered_map(_double, range(40), workers))


def test_a_worker_that_is_killed_is_told_in_a_sentence():
    with pytest.raises(ValueError, match="a worker process was killed, perhaps because memory"):
        list(processes.ordered_map(functools.partial(_die, victim=3), range(8), 2))


def test_workers_end_with_a_parent_that_is_killed():
    code = """
from data_prep.engines import processes
for _ in processes.ordered_map(eval, ["1"] * 9, 2):
    print("a worker is there", flush=True)
    input()
"""
    command = [sys.executable, "-c", code]
    parent = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert parent.stdout.readline()
    parent.kill()

    parent.communicate(timeout=60)  # the workers hold its output open as long as they live


def test_workers_are_the_cores_this_process_may_use():
    assert 1 <= processes.default_workers() <= (os.cpu_count() or 1)


def test_a_script_without_a_guard_is_not_run_again_by_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from data_prep.engines import processes\n"
        "print(list(processes.ordered_map(abs, [-1, -2, -3], 2)), __file__, flush=True)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False)
    assert done.stdout == f"[1, 2, 3] {script}\n"
    assert not done.stderr
