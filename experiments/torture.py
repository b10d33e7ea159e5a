"""Kills commands at random moments and checks that the same command ends with the same bytes.

A command runs once undisturbed. Then it is disturbed again and again: SIGKILL, SIGTERM or SIGINT
at a random moment, memory that runs out at one, too little of it from the start, a full disk, a
damaged checkpoint, a clock that jumps; after each, the same command goes on. Where it ends by
itself its outputs are compared with the undisturbed ones, and it begins anew, until there have been
enough disturbances. What happened is in WORK_DIR/journal.jsonl, one object per line; the same
command goes on where it stopped.

  python experiments/torture.py --data_dir data/omniglot --work_dir /tmp/torture --disturbances 100
  python experiments/torture.py --task prepare --input omniglot.npz --work_dir /tmp/torture_prepare
  python experiments/torture.py --task export --model runs/small --work_dir /tmp/torture_export

--disk is a folder on a small file system of its own, such as `mount -t tmpfs -o size=200m tmpfs
DIR`: disturbed runs are then made there, and it is filled up for one attempt after the other.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
from absl import app, flags

FLAGS = flags.FLAGS
flags.DEFINE_enum("task", "train", ["train", "prepare", "export"], "the command to disturb")
flags.DEFINE_string("data_dir", None, "prepared data set, for --task train")
flags.DEFINE_list("input", [], "files, for --task prepare")
flags.DEFINE_string("model", None, "run, for --task export")
flags.DEFINE_string("work_dir", None, "folder for all that is made", required=True)
flags.DEFINE_string("disk", None, "folder on a small file system of its own")
flags.DEFINE_integer("disturbances", 100, "how many")
flags.DEFINE_integer("seed", 0, "of moments and kinds")
flags.DEFINE_list(
    "train_flags",
    "--preset=small,--train_steps=60,--seed=7,--checkpoint_every=15,--evaluate_every=30,"
    "--batch_size=20,--set=encoder.units=48;decoder.units=64;z_size=16",
    "of sketch-rnn-train; `;` stands for a comma",
)

SIGNALS = {"SIGKILL": signal.SIGKILL, "SIGTERM": signal.SIGTERM, "SIGINT": signal.SIGINT}
MEMORY_RUNS_OUT = "memory runs out"
MOMENTARY = (*SIGNALS, MEMORY_RUNS_OUT)  # the others act on the whole attempt
RARE = ("full disk", "too little memory", MEMORY_RUNS_OUT, "damaged checkpoint", "clock jumps")
MEMORY = 1 << 30  # bytes of address space, too few for TensorFlow
CLOCK = """
import random, time
now, offset = time.time, [0.0]
def jumping():
    if random.random() < 0.1:
        offset[0] = random.uniform(-1e7, 1e7)
    return now() + offset[0]
time.time = jumping
"""


def main(_):
    # A shell that starts this in the background has SIGINT ignored, which children would inherit.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    work = pathlib.Path(FLAGS.work_dir)
    work.mkdir(parents=True, exist_ok=True)
    (work / "clock").mkdir(exist_ok=True)
    (work / "clock" / "sitecustomize.py").write_text(CLOCK)
    seconds = undisturbed(work)
    expected = contents(work / "undisturbed")
    journal = work / "journal.jsonl"
    done = len(journal.read_text().splitlines()) if journal.exists() else 0
    for number in range(done, FLAGS.disturbances):
        entry = {"number": number, **disturb(work, number, seconds, expected)}
        with journal.open("a") as stream:
            stream.write(json.dumps(entry) + "\n")
        print(json.dumps(entry), flush=True)
        if entry["code"] == 0:  # moments follow the machine, which may be less busy now
            seconds = min(seconds, 1.2 * entry["seconds"])
    if not compare_to_the_end(work, expected):
        raise SystemExit("the outputs differ from those of the undisturbed command")
    print_table([json.loads(line) for line in journal.read_text().splitlines()])


def command(output: pathlib.Path) -> list[str]:
    """Returns the command that writes to `output`."""
    module = {
        "train": "sketch_rnn_tf.commands.train",
        "prepare": "data_prep.prepare",
        "export": "sketch_rnn_tf.commands.export",
    }[FLAGS.task]
    given = {
        "train": [
            *(f"--data_dir={FLAGS.data_dir}", f"--run_dir={output}"),
            *(flag.replace(";", ",") for flag in FLAGS.train_flags),
        ],
        "prepare": [*(f"--input={path}" for path in FLAGS.input), f"--output_dir={output}"],
        "export": [
            f"--model={FLAGS.model}",
            f"--output_dir={output}",
            "--format=litert,web",
            "--overwrite",
        ],
    }[FLAGS.task]
    return [sys.executable, "-m", module, *given]


def undisturbed(work: pathlib.Path) -> float:
    """Runs the command once and returns how long it took."""
    record = work / "undisturbed.json"
    if not record.exists():
        shutil.rmtree(work / "undisturbed", ignore_errors=True)
        begin = time.monotonic()
        subprocess.run(command(work / "undisturbed"), check=True, stdout=subprocess.DEVNULL)
        record.write_text(json.dumps(time.monotonic() - begin))
    return json.loads(record.read_text())


def disturb(work: pathlib.Path, number: int, seconds: float, expected: dict) -> dict:
    """Disturbs the command once; returns what was done, when, and what became of it."""
    chance = random.Random(f"{FLAGS.seed} {number}")
    victim = victim_of(work)
    kind = chance.choice(list(SIGNALS) if number % 5 else possible_rare())
    after = chance.uniform(0.0, seconds)
    temporary = victim.parent / "temporary"  # also on the small disk; what was killed leaves some
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    environment = {**os.environ, "TMPDIR": str(temporary)}
    limit, ballast = None, contextlib.nullcontext()
    if kind == "damaged checkpoint" and not damage(victim, chance):
        kind = "SIGKILL"
    if kind == "clock jumps":
        path = os.environ.get("PYTHONPATH", "")
        environment["PYTHONPATH"] = f"{work / 'clock'}{os.pathsep}{path}"
    if kind == "too little memory":
        limit = limit_memory
    if kind == "full disk":
        ballast = filled(pathlib.Path(FLAGS.disk))
    begin, began = time.monotonic(), time.time()
    with ballast, (work / "errors.txt").open("ab") as errors:
        process = subprocess.Popen(
            command(victim), stdout=subprocess.DEVNULL, stderr=errors, env=environment,
            preexec_fn=limit,
        )  # fmt: skip
        try:
            code = process.wait(after if kind in MOMENTARY else 20 * seconds + 600)
            moment = "ended before"
        except subprocess.TimeoutExpired:
            moment = phase(victim, began)
            if kind == MEMORY_RUNS_OUT:
                stop_growth(process.pid)
            else:
                process.send_signal(SIGNALS.get(kind, signal.SIGKILL))
            code = process.wait(20 * seconds + 600)
    seconds = round(time.monotonic() - begin, 2)
    entry = {"kind": kind, "after": round(after, 2), "seconds": seconds}
    entry |= {"moment": moment, "code": code}
    if is_whole(victim):
        entry["same"] = contents(victim) == expected
        shutil.rmtree(victim)
        if not entry["same"]:
            raise SystemExit(f"{entry}: the outputs differ from those of the undisturbed command")
    return entry


def victim_of(work: pathlib.Path) -> pathlib.Path:
    return (pathlib.Path(FLAGS.disk) if FLAGS.disk else work) / "disturbed"


def possible_rare() -> list[str]:
    kinds = [kind for kind in RARE if FLAGS.disk or kind != "full disk"]
    return [kind for kind in kinds if FLAGS.task == "train" or kind != "damaged checkpoint"]


def damage(victim: pathlib.Path, chance: random.Random) -> bool:
    """Changes a byte of the newest checkpoint; returns whether there is one before it."""
    folders = sorted((victim / "checkpoints").glob("step-*"))
    if len(folders) < 2:
        return False
    path = chance.choice([path for path in sorted(folders[-1].iterdir()) if path.stat().st_size])
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 + chance.randrange(255)
    path.write_bytes(content)
    return True


def limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def stop_growth(process: int) -> None:
    """Leaves a process the address space that it has, and no more."""
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        pages = int(pathlib.Path(f"/proc/{process}/statm").read_text().split()[0])
        size = pages * resource.getpagesize()
        resource.prlimit(process, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


@contextlib.contextmanager
def filled(disk: pathlib.Path):
    """Fills a file system up but for a little, as long as the block runs."""
    path = disk / "ballast"
    free = shutil.disk_usage(disk).free
    with path.open("wb") as stream, contextlib.suppress(OSError):
        for _ in range(max(0, free - (1 << 18)) >> 16):
            stream.write(bytes(1 << 16))
    try:
        yield
    finally:
        path.unlink()


def phase(victim: pathlib.Path, began: float) -> str:
    """Returns what a disturbed command is doing, seen from its files."""
    if FLAGS.task == "export":
        written = victim / "web"
        return "litert" if written.exists() and written.stat().st_mtime > began else "start and web"
    if FLAGS.task == "prepare":
        return "at work" if list(victim.parent.glob(f".{victim.name}*")) else "start"
    if not (victim / "config.json").exists():
        return "start"
    half = [*victim.glob(".best.*"), *victim.glob(".last.*"), *victim.glob("checkpoints/.step-*")]
    if half:
        return "saving"
    lines = (victim / "metrics.jsonl").read_text() if (victim / "metrics.jsonl").exists() else ""
    steps = max((json.loads(line)["step"] for line in lines.splitlines()), default=0)
    wanted = json.loads((victim / "config.json").read_text())["training"]["train_steps"]
    if steps >= wanted:
        return "last evaluation and report"
    return "steps and evaluations" if lines else "start and tracing"


def is_whole(output: pathlib.Path) -> bool:
    last = {"train": "report.html", "prepare": "dataset.json", "export": "litert"}[FLAGS.task]
    return (output / last).exists()


def contents(output: pathlib.Path) -> dict[str, str]:
    """Returns checksums of all that has to be the same, by name."""
    found = {}
    if FLAGS.task == "train":
        newest = sorted((output / "checkpoints").glob("step-*"))[-1]
        for path in (output / "best.keras", output / "last.keras"):
            found |= {f"{path.name}/{k}": v for k, v in weights(path).items()}
        with np.load(newest / "optimizer.npz", allow_pickle=False) as values:
            found |= {name: digest(value.tobytes()) for name, value in values.items()}
        for line in (output / "metrics.jsonl").read_text().splitlines():
            values = json.loads(line)
            if values["split"] != "train":
                found[f"{values['split']} {values['step']}"] = digest(line.encode())
        return found
    for path in sorted(output.rglob("*")):
        if path.is_file():
            found[str(path.relative_to(output))] = digest(path.read_bytes())
    return found


def weights(path: pathlib.Path) -> dict[str, str]:
    """Returns checksums of the weights of a `.keras` file, which has a date beside them."""
    import io
    import zipfile

    import h5py

    found = {}
    with (
        zipfile.ZipFile(path) as archive,
        h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as file,
    ):
        file.visititems(
            lambda name, item: (
                found.update({name: digest(item[()].tobytes())})
                if isinstance(item, h5py.Dataset)
                else None
            )
        )
    return found


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def compare_to_the_end(work: pathlib.Path, expected: dict) -> bool:
    """Lets the command end undisturbed and returns whether its outputs are the expected ones."""
    victim = victim_of(work)
    if not (victim.exists() and is_whole(victim)):
        subprocess.run(command(victim), check=True, stdout=subprocess.DEVNULL)
    return contents(victim) == expected


def print_table(entries: list[dict]) -> None:
    moments = sorted({entry["moment"] for entry in entries})
    counts = collections.Counter((entry["kind"], entry["moment"]) for entry in entries)
    print("| disturbance | " + " | ".join(moments) + " | all |")
    print("|---|" + "---:|" * (len(moments) + 1))
    for kind in [*SIGNALS, *RARE]:
        row = [counts[kind, moment] for moment in moments]
        if sum(row):
            print(f"| {kind} | " + " | ".join(map(str, row)) + f" | {sum(row)} |")
    whole = sum("same" in entry for entry in entries)
    print(f"\n{len(entries)} disturbances; {whole + 1} runs ended, each with the same bytes.")


if __name__ == "__main__":
    app.run(main)
