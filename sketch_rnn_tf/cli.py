"""What every command shares: its own absl flags, help, exit codes, one clear sentence per error.

A command module defines its flags on a FlagValues of its own and does its work in `main`:

    def define_flags(flags):
        absl.flags.DEFINE_string("data_dir", None, "...", flag_values=flags)

    def main(flags): ...

    run = cli.command("sketch-rnn-train", __doc__, define_flags, main)

Heavy imports belong inside `main`, so that `--help` answers at once.
"""

from __future__ import annotations

import difflib
import json
import logging
import os
import re
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from absl import flags as absl_flags
from absl import logging as absl_logging

from sketch_rnn_tf import __version__, interrupts, own_code, requirement
from sketch_rnn_tf.errors import UsageError, UserError
from sketch_rnn_tf.stderr import quiet

# One vocabulary: a command that has one of these flags takes the other as well. What a command that
# makes a data set reads is no data set, so --data_dir is not its --input.
_SAME = (("model", "run_dir"), ("input", "data_dir"))
USAGE_ERROR = 2
FAILURE = 1


def command(
    name: str,
    description: str,
    define_flags: Callable[[absl_flags.FlagValues], None],
    main: Callable[..., int | None],
    positional: str | None = None,
    hint: Callable[[str], str] = lambda flag: "",
) -> Callable[..., int]:
    """Makes the entry point of a command.

    Args:
      name: the console script's name, used in help and errors.
      description: what the command does; the first thing `--help` prints.
      define_flags: defines the command's flags on the FlagValues that it is given.
      main: does the work; a UserError or OSError from it, too little memory or an error of
        TensorFlow's own is a failed run (exit 1), a UsageError a wrong command line (exit 2).
        Anything else is a bug of ours and gives a traceback. Returns the exit code, None being 0.
        What it logs (absl's `logging.info` and above) appears on stderr.
      positional: what the arguments that are no flags are called, such as `RUN ...`; `main` gets
        the list of them as its second argument. Without it there are none.
      hint: returns what else to say of a flag that is not known, or nothing.

    Returns:
      A function of an optional argument list (without the program's name) that returns the exit
      code: the target of `[project.scripts]` and of `python -m`.
    """

    def run(argv: Sequence[str] | None = None) -> int:
        arguments = list(sys.argv[1:] if argv is None else argv)
        with interrupts.noted() as interrupted:
            try:
                code = answer(arguments) or 0
                sys.stdout.flush()  # here, where that it cannot be written has a sentence
                return code
            except (Exception, KeyboardInterrupt) as error:
                told = _tell(name, KeyboardInterrupt() if interrupted else error)
                if told is None:
                    raise
                return told
            finally:
                try:  # else Python tries again, as it ends, to write what could not be written
                    sys.stdout.flush()
                except OSError:
                    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

    def answer(arguments: list[str]) -> int | None:
        show_messages()
        flags = absl_flags.FlagValues()
        define_flags(flags)
        _define_common(flags)
        if _asks_for(arguments, "h", "help", "helpfull", "helpshort"):
            print(_help_text(name, description, flags, positional))
            return 0
        if _asks_for(arguments, "version"):
            print(f"{name} {__version__}")
            return 0
        rest = _parse(name, flags, arguments, hint)
        if "import" in flags:
            paths = flags["import"].value or []
            if paths:
                quiet_tensorflow()  # files of the user's own are likely to import it
            for path in paths:
                own_code.load(path)
        if rest and positional is None:
            pattern = len(rest) > 1 or os.path.exists(rest[0])  # a shell has put files in its place
            quotes = "; write a pattern in quotes" if pattern else ""
            raise UsageError(
                f"unexpected argument {rest[0]!r}: this command takes flags only{quotes}"
            )
        return main(flags) if positional is None else main(flags, rest)

    return run


def require(flags: absl_flags.FlagValues, *names: str) -> None:
    """Raises UsageError naming the first of `names` that was not given."""
    for flag in names:
        if flags[flag].value in (None, "", []):
            raise UsageError(f"--{flag} is required")


def refuse_existing(path: str | os.PathLike, overwrite: bool) -> None:
    """Raises UserError when an output exists and may not be replaced."""
    if os.path.lexists(path) and not overwrite:
        raise UserError(f"{path}: exists already; --overwrite replaces it")


def print_json(value: Any) -> None:
    """Prints the one JSON object of a command's `--json`. A non-finite number becomes null."""
    print(json.dumps(_finite(value), allow_nan=False, ensure_ascii=False))


class _Stderr(logging.StreamHandler):
    """Prints messages for people on whatever stderr is at the time."""

    def __init__(self):
        logging.Handler.__init__(self)

    @property
    def stream(self):
        return sys.stderr

    def filter(self, record: logging.LogRecord) -> bool:
        """Leaves out what TensorFlow tells of its own work, such as names in graphs."""
        of_tensorflow = os.path.join("tensorflow", "python", "") in record.pathname
        return record.levelno >= logging.WARNING or not of_tensorflow

    def format(self, record: logging.LogRecord) -> str:
        text = record.getMessage()
        return text if record.levelno < logging.WARNING else f"warning: {text}"


def show_messages() -> None:
    """Shows what the library logs, in plain words: no time, no file, no level but `warning`."""
    logger = absl_logging.get_absl_logger()
    if not any(isinstance(handler, _Stderr) for handler in logger.handlers):
        logger.addHandler(_Stderr())
        logger.propagate = False
    absl_logging.set_verbosity(absl_logging.INFO)


def quiet_tensorflow() -> None:
    """Imports TensorFlow without its start-up chatter, so that stderr holds our own words only.

    TensorFlow writes about processors and missing GPUs before any setting of its log takes hold;
    SKETCH_RNN_DEBUG lets it.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if not os.environ.get("SKETCH_RNN_DEBUG"):
        with interrupts.surfacing(), quiet():
            requirement.load("tensorflow").config.list_physical_devices()


def _finite(value: Any) -> Any:
    value = value.tolist() if hasattr(value, "tolist") else value  # NumPy's numbers and arrays
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value


def _define_common(flags: absl_flags.FlagValues) -> None:
    """Defines what every command has: help, version, the second names of its flags.

    A command of runs also takes Python files to import, for cells that are not of this package.
    """
    if "model" in flags or "run_dir" in flags:
        absl_flags.DEFINE_multi_string(
            "import", [], "Python file to run first, such as one that registers a cell of your own;"
            " may be repeated", flag_values=flags,
        )  # fmt: skip
    for one, other in (*_SAME, *(pair[::-1] for pair in _SAME)):
        makes_data = one == "input" and "output_dir" in flags
        if one in flags and other not in flags and not makes_data:
            absl_flags.DEFINE_alias(other, one, flag_values=flags)
    absl_flags.DEFINE_bool("help", False, "show this help", short_name="h", flag_values=flags)
    absl_flags.DEFINE_bool("version", False, "show the version", flag_values=flags)


def _asks_for(arguments: Sequence[str], *names: str) -> bool:
    """Whether one of these flags stands before `--`."""
    own = arguments[: arguments.index("--")] if "--" in arguments else arguments
    given = [word.partition("=")[0] for word in own if word.startswith("-")]
    return any(word.lstrip("-") in names for word in given)


def _parse(
    name: str,
    flags: absl_flags.FlagValues,
    arguments: Sequence[str],
    hint: Callable[[str], str],
) -> list[str]:
    """Gives the flags their values and returns the other arguments."""
    try:
        return flags([name, *arguments])[1:]
    except absl_flags.UnrecognizedFlagError as error:
        ending = hint(error.flagname)
        if not ending:
            near = difflib.get_close_matches(error.flagname, list(flags), n=2)
            words = " or ".join(f"--{word}" for word in near)
            ending = f"; did you mean {words}?" if near else ""
        raise UsageError(f"unknown flag --{error.flagname}{ending}") from None
    except absl_flags.IllegalFlagValueError as error:
        raise UsageError(_illegal_value(_one_sentence(error), flags)) from None
    except absl_flags.Error as error:
        raise UsageError(_one_sentence(error)) from None


def _illegal_value(message: str, flags: absl_flags.FlagValues) -> str:
    """Returns absl's message about a value in the words of all our errors."""
    found = re.match(r"flag --(\w+)=(.*?): ", message)
    if not found or found[1] not in flags:
        return message
    name, value = found.groups()
    parser = flags[name].parser
    if isinstance(parser, absl_flags.EnumParser):
        expected = f"one of {', '.join(parser.enum_values)}"
    else:
        expected = parser.syntactic_help or "another value"
    return f"--{name}: expected {expected}, received {value!r}"


def flags_of(define_flags: Callable[[absl_flags.FlagValues], None]) -> list[absl_flags.Flag]:
    """Returns a command's own flags in the order of its help, second names left out."""
    flags = absl_flags.FlagValues()
    define_flags(flags)
    groups = flags.flags_by_module_dict().values()
    return [flag for group in groups for flag in group if not flag.help.startswith("Alias for")]


def _help_text(
    name: str, description: str, flags: absl_flags.FlagValues, positional: str | None
) -> str:
    usage = " ".join(filter(None, [f"usage: {name}", positional, "[--flag=value ...]"]))
    lines = [usage, "", description.strip(), "", "flags:"]
    groups = flags.flags_by_module_dict().values()
    every = {flag.name: flag for group in groups for flag in group}
    second = {flag.help: name for name, flag in every.items() if flag.help.startswith("Alias for")}
    for flag in every.values():
        if flag.help not in second:
            lines += _flag_lines(flag, second.get(f"Alias for --{flag.name}."))
    return "\n".join(lines)


def _flag_lines(flag: absl_flags.Flag, second_name: str | None) -> list[str]:
    """Returns what help says of a flag; an empty default says nothing."""
    names = [f"-{flag.short_name}"] if flag.short_name else []
    common = flag.name in ("help", "version")
    names.append(f"--{'[no]' if flag.boolean and not common else ''}{flag.name}")
    names += [f"--{second_name}"] if second_name else []
    text = flag.help or ""
    if flag.default not in (None, "", []) and not common:
        text += f" (default: {(flag.default_as_str or '').strip(chr(39))})"
    indent = " " * 6
    words = " ".join(text.split())
    return [
        f"  {', '.join(names)}",
        *textwrap.wrap(words, 92, initial_indent=indent, subsequent_indent=indent),
    ]


def _one_sentence(error: BaseException) -> str:
    """Returns an error's own words on one line; an OSError as `file: reason`."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return " ".join(str(error).split()) or type(error).__name__


def _tell(name: str, error: BaseException) -> int | None:
    """Prints the one sentence of what ended a command; returns its exit code, None for a bug."""
    if isinstance(error, BrokenPipeError):  # whoever read stdout has seen enough, as `head` does
        return FAILURE
    if isinstance(error, KeyboardInterrupt):
        return _fail(name, "interrupted", interrupts.EXIT_CODE)
    if isinstance(error, UsageError):
        return _fail(name, f"{error} (see {name} --help)", USAGE_ERROR)
    if _is_lack_of_memory(error):
        return _fail(name, "out of memory", FAILURE)
    if os.environ.get("SKETCH_RNN_DEBUG"):
        return None
    if isinstance(error, ModuleNotFoundError):
        module = error.name or ""
        own = module.partition(".")[0] in ("sketch_rnn_tf", "data_prep")
        return None if own else _fail(name, str(requirement.missing(module)), FAILURE)
    # TensorFlow's own errors are of a full disk or memory; others would be bugs of ours.
    of_tensorflow = any(kind.__name__ == "OpError" for kind in type(error).__mro__)
    if of_tensorflow or isinstance(error, (UserError, OSError)):
        return _fail(name, _one_sentence(error), FAILURE)
    return None


def _is_lack_of_memory(error: BaseException) -> bool:
    """Whether Python, the system, or TensorFlow had no memory or no thread to give."""
    words = str(error)
    return (
        isinstance(error, MemoryError)
        or (isinstance(error, RuntimeError) and "can't start new thread" in words)
        or (isinstance(error, ImportError) and "failed to map segment" in words)
        or (type(error).__name__ == "ResourceExhaustedError" and "OOM when" in words)
    )


def _fail(name: str, message: str, code: int) -> int:
    print(f"{name}: {message}", file=sys.stderr)
    return code
