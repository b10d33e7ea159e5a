"""What every command promises: help, exit codes, one sentence per error, JSON on stdout."""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from absl import flags as absl_flags
from absl import logging

import sketch_rnn_tf
from sketch_rnn_tf import cli, stderr
from sketch_rnn_tf.errors import UsageError, UserError


def _define(flags):
    absl_flags.DEFINE_string("data_dir", None, "the data set", flag_values=flags)
    absl_flags.DEFINE_integer("train_steps", 7, "how long", lower_bound=1, flag_values=flags)
    absl_flags.DEFINE_integer("seed", 0, "of chance", flag_values=flags)
    absl_flags.DEFINE_bool("greedy", False, "without chance", flag_values=flags)
    absl_flags.DEFINE_multi_string("set", [], "key=value", flag_values=flags)


def _run(arguments, main=lambda flags: None):
    return cli.command("sketch-rnn-thing", "Does a thing.\n\nAnd more.", _define, main)(arguments)


@pytest.mark.parametrize("word", ["--help", "-h", "-help", "--helpfull", "--help=true"])
def test_help_lists_the_commands_own_flags_and_exits_0(word, capsys):
    assert _run([word], main=pytest.fail) == 0
    out, err = capsys.readouterr()
    assert out.startswith("usage: sketch-rnn-thing")
    assert "Does a thing." in out
    for flag in ("--data_dir", "--train_steps", "--[no]greedy", "--set", "-h, --help"):
        assert flag in out
    assert "how long (default: 7)\n" in out
    assert "of chance (default: 0)\n" in out
    assert "without chance (default: false)\n" in out
    assert out.count("(default:") == 3
    assert "--alsologtostderr" not in out
    assert err == ""


def test_flags_reach_main(capsys):
    seen = {}
    arguments = ["--data_dir=x", "--train_steps", "3", "--greedy", "--set", "a=1", "--set=b=2"]
    assert _run(arguments, lambda flags: seen.update(flags.flag_values_dict())) == 0
    assert (seen["data_dir"], seen["train_steps"], seen["greedy"]) == ("x", 3, True)
    assert seen["set"] == ["a=1", "b=2"]
    assert capsys.readouterr() == ("", "")


def test_the_exit_code_of_main_is_the_commands():
    assert _run([], lambda flags: 5) == 5


def test_two_runs_do_not_share_flags():
    seen = []
    for arguments in (["--train_steps=3"], []):
        _run(arguments, lambda flags: seen.append(flags.train_steps))
    assert seen == [3, 7]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--trian_steps=3"], ["--trian_steps", "--train_steps"]),
        (["--datadir", "x"], ["--datadir", "--data_dir"]),
        (["--train_steps=many"], ["train_steps", "many"]),
        (["--train_steps=0"], ["train_steps"]),
        (["stray"], ["'stray'"]),
        (["--", "--help"], ["'--help'"]),
        (["--train_steps"], ["train_steps"]),
        (["--flagfile=/nowhere/at/all"], ["/nowhere/at/all"]),
    ],
)
def test_a_wrong_command_line_exits_2_and_names_what_is_wrong(arguments, words, capsys):
    assert _run(arguments, main=pytest.fail) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("sketch-rnn-thing: ")
    assert err.count("\n") == 1
    for word in words:
        assert word in err


def test_a_flag_unlike_any_other_gets_no_suggestion(capsys):
    assert _run(["--zzzzzz"]) == 2
    assert "did you mean" not in capsys.readouterr().err


def test_required_flags_are_named(capsys):
    assert _run([], lambda flags: cli.require(flags, "train_steps", "data_dir")) == 2
    assert "--data_dir is required" in capsys.readouterr().err
    assert _run(["--data_dir=x"], lambda flags: cli.require(flags, "data_dir")) == 0


def _raise(error):
    raise error


@pytest.mark.parametrize(
    ("error", "code", "sentence"),
    [
        (UserError("a.npz: is\nno npz"), 1, "a.npz: is no npz"),
        (FileNotFoundError(2, "No such file or directory", "x.npz"), 1, "x.npz: No such file or d"),
        (UserError(), 1, "UserError"),
        (UsageError("--from needs --to"), 2, "--from needs --to (see sketch-rnn-thing --help)"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_errors_are_one_sentence_without_traceback(error, code, sentence, capsys, monkeypatch):
    monkeypatch.delenv("SKETCH_RNN_DEBUG", raising=False)
    assert _run([], lambda flags: _raise(error)) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"sketch-rnn-thing: {sentence}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("defect", [KeyError("x"), ValueError("not a user's mistake")])
def test_a_defect_keeps_its_traceback(defect):
    with pytest.raises(type(defect)):
        _run([], lambda flags: _raise(defect))


def test_what_the_library_logs_appears_on_stderr_in_plain_words(capsys):
    def main(flags):
        logging.info("going on at step %d", 7)
        logging.warning("the valid split has no drawing")

    assert _run([], main) == 0
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "going on at step 7\nwarning: the valid split has no drawing\n"


def test_what_tensorflow_tells_of_its_graphs_is_left_out_and_its_warnings_stay(capsys):
    def main(flags):
        logger = logging.get_absl_logger()
        for level in (20, 30):  # INFO, WARNING
            path = "/lib/tensorflow/python/saved_model/save.py"
            logger.handle(logger.makeRecord("absl", level, path, 1, f"level {level}", (), None))

    assert _run([], main) == 0
    assert capsys.readouterr().err == "warning: level 30\n"


def test_debugging_shows_the_traceback(monkeypatch):
    monkeypatch.setenv("SKETCH_RNN_DEBUG", "1")
    with pytest.raises(ValueError, match="deep inside"):
        _run([], lambda flags: _raise(ValueError("deep inside")))


def test_json_is_one_line_without_nan(capsys):
    numbers = {"loss": float("nan"), "l": [np.float32(0.5), np.inf, np.int64(3)], "n": np.ones(2)}
    cli.print_json({**numbers, "t": (1, "é")})
    out = capsys.readouterr().out
    assert out.count("\n") == 1
    assert json.loads(out) == {"loss": None, "l": [0.5, None, 3], "n": [1, 1], "t": [1, "é"]}


def test_messages_of_scripts_go_to_stderr(capsys):
    cli.show_messages()
    logging.info("step %d", 3)
    assert capsys.readouterr() == ("", "step 3\n")


def test_chatter_of_libraries_is_shown_when_debugging_only(capfd, monkeypatch):
    for debugging, expected in (("", "ours"), ("1", "from C++ours")):
        monkeypatch.setenv("SKETCH_RNN_DEBUG", debugging)
        with stderr.quiet():
            os.write(2, b"from C++")
        os.write(2, b"ours")
        assert capfd.readouterr().err == expected


def test_existing_outputs_are_refused(tmp_path):
    cli.refuse_existing(tmp_path / "new", overwrite=False)
    cli.refuse_existing(tmp_path, overwrite=True)
    with pytest.raises(ValueError, match="exists already; --overwrite replaces it"):
        cli.refuse_existing(tmp_path, overwrite=False)
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ValueError, match="exists already"):
        cli.refuse_existing(tmp_path / "dangling", overwrite=False)


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -m sketch_rnn_tf.commands.evaluate --help | head -c 1"
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; {command}"],
        capture_output=True,
        text=True,
        cwd=pathlib.Path(__file__).resolve().parents[1],
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full")
@pytest.mark.parametrize("size", [10, 4123, 100_000])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_results_that_cannot_be_written_are_an_error(size, unbuffered):
    code = (
        "import sys; from sketch_rnn_tf import cli; run = cli.command("
        "'thing', 'Says.', lambda flags: None, lambda flags: print('x' * " + str(size) + "));"
        "sys.exit(run([]))"
    )
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=pathlib.Path(__file__).resolve().parents[1],
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )
    assert done.returncode == 1
    assert done.stderr == "thing: No space left on device\n"


class OpError(Exception):
    """As TensorFlow's, which is no ValueError."""


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("can't start new thread"), "out of memory"),
        (ImportError("lib.so: failed to map segment from shared object"), "out of memory"),
        (type("ResourceExhaustedError", (OpError,), {})("OOM when allocating"), "out of memory"),
        (type("ResourceExhaustedError", (OpError,), {})("a/b; No space left"), "a/b; No space"),
        (type("Full", (OpError,), {})("no\nspace"), "no"),
    ],
)
def test_too_little_memory_and_what_tensorflow_cannot_do_are_one_sentence(error, words, capsys):
    def fail(flags):
        raise error

    assert _run([], fail) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"sketch-rnn-thing: {words}")
    assert len(err.splitlines()) == 1


def test_an_error_of_ours_is_not_hidden(capsys):
    def fail(flags):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        _run([], fail)


def test_a_value_of_another_kind_is_named_with_what_was_expected(capsys):
    assert _run(["--seed=abc"]) == 2
    assert "--seed: expected an integer, received 'abc'" in capsys.readouterr().err
    assert _run(["--train_steps", "0"]) == 2
    assert "--train_steps: expected a positive integer, received '0'" in capsys.readouterr().err


def test_the_version_is_printed(capsys):
    assert _run(["--version"], main=pytest.fail) == 0
    assert capsys.readouterr().out == f"sketch-rnn-thing {sketch_rnn_tf.__version__}\n"


def test_a_run_and_a_data_set_have_one_flag_under_two_names(capsys):
    def define(flags):
        for name in ("model", "input"):
            absl_flags.DEFINE_string(name, None, "it", flag_values=flags)

    seen = []
    run = cli.command(
        "thing", "Does.", define, lambda flags: seen.append((flags.model, flags.input))
    )
    assert run(["--run_dir", "a", "--data_dir=b"]) == 0
    assert run(["--model", "a", "--input=b"]) == 0
    assert seen == [("a", "b")] * 2
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert "--model, --run_dir" in out
    assert "--input, --data_dir" in out
    assert "Alias" not in out


def test_a_command_may_take_arguments_that_are_no_flags(capsys):
    seen = []
    run = cli.command("thing", "Does.", _define, lambda flags, rest: seen.append(rest), "RUN ...")
    assert run(["a", "--seed=3", "b"]) == 0
    assert seen == [["a", "b"]]
    assert run(["-h"]) == 0
    assert capsys.readouterr().out.startswith("usage: thing RUN ... [--flag=value ...]")
