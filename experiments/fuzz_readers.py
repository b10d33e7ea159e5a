"""Feeds every reader of drawings damaged files: it reads them or raises ReadError, nothing else.

Input number i of a format is a function of (seed, format, i), so any input can be made again with
--only. Counts are in --journal; the same command goes on where it stopped.

  python experiments/fuzz_readers.py --number 1000000 --seed 0 --journal fuzz.json
  python experiments/fuzz_readers.py --only svg:123 --keep damaged.svg
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import random
import signal
import struct
import tempfile
import time
import traceback

import numpy as np
from absl import app, flags

from data_prep import readers

FLAGS = flags.FLAGS
flags.DEFINE_integer("number", 1_000_000, "inputs per format")
flags.DEFINE_integer("seed", 0, "of all inputs")
flags.DEFINE_string("journal", "fuzz.json", "how far each format is")
flags.DEFINE_list("formats", [], "only these")
flags.DEFINE_string("only", None, "FORMAT:NUMBER, one input, with its traceback")
flags.DEFINE_string("keep", None, "where to write the input of --only")
flags.DEFINE_integer("seconds", 20, "of processor time; an input that takes longer hangs")

EVERY = 2000  # inputs between two writes of the journal


def seeds() -> dict[str, tuple[str, list[bytes]]]:
    """Returns {format: (suffix, valid files)}."""
    lines = [[[0, 10, 20], [0, 5, 9]], [[3, 4], [8, 2]]]
    simplified = {"key_id": "1", "word": "cat", "recognized": True, "drawing": lines}
    raw = {**simplified, "drawing": [[*stroke, [0, 7, 19][: len(stroke[0])]] for stroke in lines]}
    points = [[list(point) for point in zip(*stroke, strict=True)] for stroke in lines]
    icon = '<path fill="none" stroke="currentColor" d="M3 3h4v5q2 2 4 0"/>'
    csv = f'key_id,word,drawing\n1,cat,"{json.dumps(lines)}"\n'
    return {
        "ndjson": (".ndjson", [_line(simplified), _line(raw), _line(simplified) + _line(raw)]),
        "bin": (".bin", [_binary(lines)]),
        "npz": (".npz", [_npz(pickled=True), _npz(pickled=False)]),
        "json": (
            ".json",
            [json.dumps(points).encode(), json.dumps({"drawings": [points]}).encode()],
        ),
        "csv": (".csv", [csv.encode()]),
        "iconify": (
            ".json",
            [json.dumps({"prefix": "x", "width": 24, "icons": {"a": {"body": icon}}}).encode()],
        ),
        "svg": (".svg", [text.encode() for text in _SVG]),
    }


_SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 100"><path fill="none" stroke="red"'
    ' d="M10 10L20 20C1 2 3 4 5 6A5 5 0 0 1 30 30z"/><circle cx="5" cy="5" r="3"/></svg>',
    '<svg xmlns="http://www.w3.org/2000/svg" width="9cm" height="4in"><style>.a{stroke:#00f;'
    'fill:none}</style><defs><clipPath id="c"><rect width="9" height="9"/></clipPath>'
    '<symbol id="s" viewBox="0 0 9 9"><polyline class="a" points="1,1 2,3 9,9"/></symbol></defs>'
    '<g transform="rotate(30 1 2) scale(2)" clip-path="url(#c)"><use href="#s" x="3"/></g></svg>',
)


def _line(record: dict) -> bytes:
    return json.dumps(record).encode() + b"\n"


def _binary(lines: list) -> bytes:
    record = struct.pack("<Q2sbI", 5, b"US", 1, 1) + struct.pack("<H", len(lines))
    for xs, ys in lines:
        record += struct.pack("<H", len(xs)) + bytes(xs) + bytes(ys)
    return record * 3


def _npz(pickled: bool) -> bytes:
    sketches = [np.array([[1, 2, 0], [3, 4, 1]], np.int16), np.array([[5, 6, 1]], np.int16)]
    stream = io.BytesIO()
    if pickled:
        rows = np.empty(2, object)
        rows[:] = sketches
        np.savez_compressed(stream, train=rows, valid=rows, test=rows)
    else:
        np.savez(stream, strokes=np.concatenate(sketches), lengths=np.array([2, 1]))
    return stream.getvalue()


def damaged(chance: random.Random, files: list[bytes]) -> bytes:
    """Returns a valid file with one change or a few."""
    content = bytearray(chance.choice(files))
    other = chance.choice(files)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        at = chance.randrange(len(content) + 1)
        end = min(len(content), at + chance.randint(0, 16))
        change = chance.randrange(7)
        if change == 0 and content:
            content[at % len(content)] ^= 1 << chance.randrange(8)
        elif change == 1:
            del content[at:end]
        elif change == 2:
            content[at:at] = content[at:end] * chance.randint(1, 20)
        elif change == 3:
            content[at:end] = chance.choice(_BITES)
        elif change == 4:
            start = chance.randrange(len(other))
            content[at:at] = other[start : start + chance.randint(1, 64)]
        elif change == 5:
            del content[at:]
        else:
            content[at:end] = chance.randbytes(chance.randint(1, 8))
    return bytes(content)


_BITES = (
    *(b"0", b"-1", b"1e999", b"-1e-999", b"NaN", b"Infinity", b"null", b"true"),
    *(b"18446744073709551616", b"#c", b"%", b"[" * 2000, b"<g>" * 300),
    *(b'"', b"'", b"[", b"]", b"{", b"}", b",", b":", b"<", b">", b"&amp;", b"&#0;", b"]]>"),
    *(b"\x00", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xef\xbb\xbf", b"\r\n", b"\n"),
    *(b"\x80\x04\x95", b"cos\nsystem\n", b"PK\x03\x04", b"<!--"),
)


class Hang(BaseException):
    """An input took too long."""


def _hang(*_):
    raise Hang


def outcome(unit: readers.Unit) -> str:
    """Reads a file and returns `read`, `refused`, or the name of what else was raised."""
    signal.setitimer(signal.ITIMER_PROF, FLAGS.seconds)
    signal.alarm(60 * FLAGS.seconds)  # by the clock: others may hold the processor, or it sleeps
    try:
        for _ in unit.read():
            pass
    except readers.ReadError:
        return "refused"
    except (Exception, Hang) as error:
        return type(error).__name__
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.alarm(0)
    return "read"


def main(_):
    signal.signal(signal.SIGPROF, _hang)
    signal.signal(signal.SIGALRM, _hang)
    every = seeds()
    with tempfile.TemporaryDirectory(dir="/dev/shm" if os.path.isdir("/dev/shm") else None) as tmp:
        if FLAGS.only:
            one_input(pathlib.Path(tmp), every)
            return
        journal = pathlib.Path(FLAGS.journal)
        counts = json.loads(journal.read_text()) if journal.exists() else {}
        names = FLAGS.formats or list(every)
        while any(counts.get(name, {}).get("inputs", 0) < FLAGS.number for name in names):
            for name in names:  # in turn, so that all are equally far
                count = counts.setdefault(name, {"seed": FLAGS.seed, "inputs": 0, "seconds": 0.0})
                some_inputs(pathlib.Path(tmp), name, *every[name], count)
                journal.write_text(json.dumps(counts, indent=1))
        print(json.dumps(counts, indent=1))
        if any("wrong" in count for count in counts.values()):
            raise SystemExit("a reader raised something other than ReadError")


def some_inputs(folder: pathlib.Path, name: str, suffix: str, files: list[bytes], count: dict):
    path = folder / f"damaged{suffix}"
    path.touch()
    (unit,) = readers.units(path)  # which names the file; what it is shows when it is read
    begin = time.monotonic()
    for number in range(count["inputs"], min(count["inputs"] + EVERY, FLAGS.number)):
        chance = random.Random(f"{FLAGS.seed} {name} {number}")
        path.write_bytes(damaged(chance, files))
        found = outcome(unit)
        count[found] = count.get(found, 0) + 1
        if found not in ("read", "refused"):
            count.setdefault("wrong", []).append(f"{name}:{number} {found}")
        count["inputs"] += 1
    count["seconds"] = round(count["seconds"] + time.monotonic() - begin, 1)


def one_input(folder: pathlib.Path, every: dict) -> None:
    name, _, number = FLAGS.only.partition(":")
    suffix, files = every[name]
    path = pathlib.Path(FLAGS.keep or folder / f"damaged{suffix}")
    path.write_bytes(damaged(random.Random(f"{FLAGS.seed} {name} {number}"), files))
    try:
        print(sum(1 for _ in readers.read(path)), "drawings")
    except readers.ReadError as error:
        print(f"refused: {error}")
    except Exception:
        traceback.print_exc()


if __name__ == "__main__":
    app.run(main)
