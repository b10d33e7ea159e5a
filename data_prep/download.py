"""Fetches public data sets and models of vector drawings into a cache and prints where they are.

A file that is in the cache is not fetched again. --list shows what there is, with sizes and
licenses.

  sketch-rnn-download --list
  sketch-rnn-download --dataset aaron_sheep
  sketch-rnn-download --dataset quickdraw:cat,dog
  sketch-rnn-download --dataset quickdraw:all --variant raw
  sketch-rnn-import --input $(sketch-rnn-download --model bird) --output_dir runs/bird
"""

from __future__ import annotations

import dataclasses
import difflib
import pathlib
import sys
import urllib.parse
from typing import NamedTuple

from absl import flags as absl_flags

from data_prep import fetch
from sketch_rnn_tf import cli
from sketch_rnn_tf.errors import UsageError, UserError

NAME = "sketch-rnn-download"

_SKETCHRNN = "https://raw.githubusercontent.com/hardmaru/sketch-rnn-datasets/master"
_QUICKDRAW = "https://storage.googleapis.com/quickdraw_dataset"
_CATEGORIES = (
    "https://raw.githubusercontent.com/googlecreativelab/quickdraw-dataset/master/categories.txt"
)
_MODELS = "https://storage.googleapis.com/quickdraw-models/sketchRNN"


class DataSet(NamedTuple):
    """A data set of one file: its address, checksum, bytes, content and license."""

    url: str
    sha256: str
    size: int
    content: str
    license: str


SINGLE = {
    "aaron_sheep": DataSet(
        f"{_SKETCHRNN}/aaron_sheep/aaron_sheep.npz",
        "65f8e51e43587661798ac137a204c9e049e0d11dcd50cba372ae3ca32de8b54c",
        2_287_653,
        "7,400/300/300 sheep; Aaron Koblin, The Sheep Market",
        "CC-BY-NC-4.0",
    ),
    "omniglot": DataSet(
        f"{_SKETCHRNN}/omniglot/omniglot.npz",
        "bd5277621a8c577919491dfa729a59a8b5c216cff9e4fda9cef532db29f120c7",
        2_280_239,
        "30,000/1,000/1,000 handwritten symbols; Brenden Lake, Omniglot",
        "MIT",
    ),
    "kanji": DataSet(
        f"{_SKETCHRNN}/kanji/short_kanji.npz",
        "f6855ba03d58f44830499dd98e7cb99f46c970651f4f16f2d886398f34709914",
        1_439_856,
        "10,000/600/500 kanji; Ulrich Apel, KanjiVG",
        "CC-BY-SA-3.0",
    ),
}

# Variant of Quick, Draw!: (folder, suffix).
VARIANTS = {
    "npz": ("sketchrnn", ".npz"),
    "full_npz": ("sketchrnn", ".full.npz"),
    "simplified": ("full/simplified", ".ndjson"),
    "raw": ("full/raw", ".ndjson"),
    "binary": ("full/binary", ".bin"),
}
QUICKDRAW_LICENSE = "CC-BY-4.0"

# The decoders that Google trained on Quick, Draw! and serves to sketch-rnn-js.
MODELS_LICENSE = "Apache-2.0"
_MODEL_NAMES = """
    alarm_clock ambulance angel ant antyoga backpack barn basket bear bee beeflower bicycle bird
    book brain bridge bulldozer bus butterfly cactus calendar castle cat catbus catpig chair couch
    crab crabchair crabrabbitfacepig cruise_ship diving_board dog dogbunny dolphin duck elephant
    elephantpig everything eye face fan fire_hydrant firetruck flamingo flower floweryoga frog
    frogsofa garden hand hedgeberry hedgehog helicopter kangaroo key lantern lighthouse lion
    lionsheep lobster map mermaid monapassport monkey mosquito octopus owl paintbrush palm_tree
    parrot passport peas penguin pig pigsheep pineapple pool postcard power_outlet rabbit
    rabbitturtle radio radioface rain rhinoceros rifle roller_coaster sandwich scorpion sea_turtle
    sheep skull snail snowflake speedboat spider squirrel steak stove strawberry swan swing_set
    the_mona_lisa tiger toothbrush toothpaste tractor trombone truck whale windmill yoga
    yogabicycle
"""
MODELS = tuple(_MODEL_NAMES.split())


@dataclasses.dataclass(frozen=True)
class Item:
    """A file to fetch: its address, its path in the cache, its checksum where it is known."""

    url: str
    path: str
    sha256: str | None = None


def define_flags(flags: absl_flags.FlagValues) -> None:
    """Defines the command's flags."""
    absl_flags.DEFINE_bool(
        "list", False, "show the data sets and models that can be fetched", flag_values=flags
    )
    absl_flags.DEFINE_multi_string(
        "dataset",
        [],
        "aaron_sheep, omniglot, kanji, quickdraw:CLASS,CLASS or quickdraw:all; may be repeated",
        flag_values=flags,
    )
    absl_flags.DEFINE_list(
        "model", [], "models of Google's, such as bird,cat (see --list)", flag_values=flags
    )
    absl_flags.DEFINE_bool("large", False, "--model: take the large variant", flag_values=flags)
    absl_flags.DEFINE_enum(
        "variant",
        "npz",
        list(VARIANTS),
        "of Quick, Draw!: npz is 70,000/2,500/2,500 drawings per class as Magenta trained on,"
        " full_npz all of them, simplified and raw are ndjson, binary is .bin",
        flag_values=flags,
    )
    absl_flags.DEFINE_string(
        "cache_dir",
        None,
        "where files are kept; default: $SKETCH_RNN_CACHE or ~/.cache/sketch_rnn_tf",
        flag_values=flags,
    )
    absl_flags.DEFINE_string(
        "mirror", None, "fetch from this address instead of the original hosts", flag_values=flags
    )
    absl_flags.DEFINE_bool("json", False, "print one JSON object on stdout", flag_values=flags)


def main(flags: absl_flags.FlagValues) -> None:
    """Runs the command."""
    if flags.list:
        if flags.json:
            cli.print_json(catalog())
        else:
            print("\n".join(_catalog_lines()))
        return
    if not flags.dataset and not flags.model:
        raise UsageError("give --dataset or --model, or --list to see what there is")
    if flags.large and not flags.model:
        raise UsageError("--large is for --model")
    if flags["variant"].present and not any(name.startswith("quickdraw") for name in flags.dataset):
        raise UsageError("--variant is for --dataset quickdraw:...")
    cache = pathlib.Path(flags.cache_dir) if flags.cache_dir else fetch.default_cache()
    items = [_model(name, flags.large) for name in flags.model]
    for name in flags.dataset:
        items += _items(name, cache, flags.variant, flags.mirror)
    paths = [str(_fetch(item, cache, flags.mirror)) for item in items]
    if flags.json:
        cli.print_json({"files": paths})
    else:
        print("\n".join(paths))


def catalog() -> dict:
    """Returns what `--list --json` prints: data sets and models with size and license."""
    single = {
        name: {"size": one.size, "content": one.content, "license": one.license, "url": one.url}
        for name, one in SINGLE.items()
    }
    quickdraw = {
        "size": None,
        "content": "345 classes, 50 million drawings; Google",
        "license": QUICKDRAW_LICENSE,
        "url": _QUICKDRAW,
    }
    return {
        "datasets": {**single, "quickdraw:CLASS": quickdraw},
        "models": {
            name: {"license": MODELS_LICENSE, "url": _model(name, False).url} for name in MODELS
        },
    }


def _catalog_lines() -> list[str]:
    lines = ["data sets (--dataset NAME):"]
    for name, one in SINGLE.items():
        lines.append(f"  {name:16} {one.size / 1e6:5.1f} MB  {one.license:13} {one.content}")
    lines += [
        f"  {'quickdraw:CLASS':16} {'':>8}  {QUICKDRAW_LICENSE:13} 345 classes, 50 million in all",
        "",
        "read by sketch-rnn-prepare without this command (--input NAME):",
        f"  {'package:kanjivg':28} CC-BY-SA-3.0   11,371 kanji;"
        " pip install 'sketch-rnn-tf[kanjivg]'",
        f"  {'npm:@iconify-json/lucide':28} ISC            1,915 icons as line drawings",
        f"  {'npm:@iconify-json/tabler':28} MIT            about 5,100",
        f"  {'npm:@iconify-json/hugeicons':28} MIT            about 6,000",
        f"  {'npm:hanzi-writer-data':28} Arphic PL      9,574 Chinese characters",
        "",
        f"models (--model NAME): decoders of about 3 MB that Google trained on Quick, Draw!,"
        f" {MODELS_LICENSE}.",
        f"They are served at {_MODELS};",
        "the addresses are those that public programs use, untried by us:",
        *(f"  {' '.join(MODELS[i : i + 8])}" for i in range(0, len(MODELS), 8)),
        "",
        "a model that comes with this package: --model pretrained:kanji of the other commands",
    ]
    return lines


def download(
    dataset: str, cache: pathlib.Path, *, variant: str = "npz", mirror: str | None = None
) -> list[pathlib.Path]:
    """Fetches a data set's files that are not in the cache.

    Args:
      dataset: see the command's help.
      cache: folder of the files.
      variant: which files of Quick, Draw!, a key of `VARIANTS`.
      mirror: an address that takes the place of the original hosts.

    Returns:
      The files' paths.

    Raises:
      UserError: unknown data set or class, no network, a damaged file.
    """
    return [_fetch(item, cache, mirror) for item in _items(dataset, cache, variant, mirror)]


def _items(dataset: str, cache: pathlib.Path, variant: str, mirror: str | None) -> list[Item]:
    """Returns the files of a data set; the classes of Quick, Draw! are checked against its list."""
    name, _, classes = dataset.partition(":")
    if name in SINGLE and not classes:
        url, sha256 = SINGLE[name][:2]
        return [Item(url, url.rpartition("/")[2], sha256)]
    if name != "quickdraw":
        raise UsageError(f"unknown data set {dataset!r}{_hint(name, [*SINGLE, 'quickdraw'])}")
    wanted = [word.strip() for word in classes.split(",") if word.strip()]
    if not wanted:
        raise UsageError("quickdraw needs classes: quickdraw:cat,dog or quickdraw:all")
    listed = _fetch(Item(_CATEGORIES, "quickdraw/categories.txt"), cache, mirror)
    known = [line.strip() for line in listed.read_text(encoding="utf-8").split("\n")]
    known = [line for line in known if line]
    for word in wanted if wanted != ["all"] else []:
        if word not in known:
            raise UserError(f"Quick, Draw! has no class {word!r}{_hint(word, known)}")
    folder, suffix = VARIANTS[variant]
    return [
        Item(
            f"{_QUICKDRAW}/{folder}/{urllib.parse.quote(word)}{suffix}",
            f"quickdraw/{variant}/{word}{suffix}",
        )
        for word in (known if wanted == ["all"] else wanted)
    ]


def _model(name: str, large: bool) -> Item:
    """Returns the file of one of Google's models."""
    if name not in MODELS:
        raise UsageError(f"unknown model {name!r}{_hint(name, MODELS)}; --list shows them")
    folder = "large_models" if large else "models"
    return Item(f"{_MODELS}/{folder}/{name}.gen.json", f"{folder}/{name}.gen.json")


def _hint(word: str, known) -> str:
    near = difflib.get_close_matches(word, known, n=2)
    return f"; did you mean {' or '.join(near)}?" if near else ""


def _fetch(item: Item, cache: pathlib.Path, mirror: str | None) -> pathlib.Path:
    """Fetches a file from its host, or from a mirror that has it under the same path."""
    url = mirror.rstrip("/") + urllib.parse.urlsplit(item.url).path if mirror else item.url
    return fetch.fetch(url, cache / item.path, sha256=item.sha256)


def license_of(path: str, sha256: str) -> str | None:
    """Returns the license of a file that this command fetches; None for any other file."""
    for one in SINGLE.values():
        if one.sha256 == sha256:
            return one.license
    inside = pathlib.Path(path).resolve().is_relative_to(fetch.default_cache().resolve())
    return QUICKDRAW_LICENSE if inside and "quickdraw" in pathlib.Path(path).parts else None


run = cli.command(NAME, __doc__, define_flags, main)

if __name__ == "__main__":
    sys.exit(run())
