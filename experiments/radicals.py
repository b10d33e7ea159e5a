r"""Analogies that swap a radical: 時 - 日 + 言 = 詩, counted over KanjiVG and drawn.

  python experiments/radicals.py --model pretrained:kanji --output radicals.svg

KanjiVG names the parts of its characters. A character of a left part L and a right part R is
"L R"; an analogy takes (L1 R1), takes away (L1 R2) and adds (L2 R2), and should give (L2 R1), which
is a character of its own, so that the answer can be checked. Asked is how near the answer is among
all characters that have two such parts, the three that were given left out:

latent   the sum of the latent vectors beside those of all characters
drawn    the drawn answer, read by the encoder again, beside the same
copy     the same for the first character drawn again, as if nothing had been added

The characters are those of all splits: what is shown is the model's latent space, not how it
deals with drawings that it has never seen. Pictures are of the first analogies of the list, not
picked by hand: the three that were given, the drawn answer, and the true one.
"""

from __future__ import annotations

import argparse
import collections
import itertools
import os
import pathlib
import xml.etree.ElementTree as ElementTree
from collections.abc import Sequence
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
import numpy as np

from data_prep.readers import packages
from sketch_rnn_tf import drawing, load_model
from sketch_rnn_tf.commands import inputs

LEFT_PARTS = 8  # the most frequent of them
ROW = 8  # analogies per row of the picture


class Analogy(NamedTuple):
    """Places of four characters: start - minus + plus should be `answer`."""

    start: int
    minus: int
    plus: int
    answer: int


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="pretrained:kanji")
    parser.add_argument("--output", type=pathlib.Path, required=True, help="picture")
    parser.add_argument("--number", type=int, default=400, help="of analogies")
    parser.add_argument("--temperature", type=float, default=0.1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    sketcher = load_model(arguments.model)
    parts = parts_of_characters()
    places = {key: i for i, key in enumerate(parts)}
    found = inputs.load("package:kanjivg", sketcher.config)
    characters = [one.strokes for one in found if one.key in places]
    analogies = make_analogies(list(parts.values()), arguments.number, arguments.seed)
    codes = sketcher.encode(characters)
    start, minus, plus, _ = (codes[list(column)] for column in zip(*analogies, strict=True))
    sums = start - minus + plus
    settings = {"temperature": arguments.temperature, "seed": arguments.seed}
    drawn, again = (sketcher.generate(len(z), z=z, **settings) for z in (sums, start))
    print(f"{len(analogies)} analogies, {len(characters)} characters of two parts")
    for name, answers in (
        ("latent", sums),
        ("drawn", sketcher.encode(drawn)),
        ("copy", sketcher.encode(again)),
    ):
        print(f"{name:8}{shares(ranks(answers, codes, analogies))}")
    picture(characters, drawn, analogies).save(arguments.output, size=60, overwrite=True)


def parts_of_characters() -> dict[str, tuple[str, str]]:
    """Returns the left and the right part of each character that has the two, by its key."""
    found = {}
    for source in packages.kanjivg()[0]:
        whole = ElementTree.parse(source.path).find("{*}g/{*}g")  # below StrokePaths
        sides = {}
        for part in [] if whole is None else whole:
            named = {name.rpartition("}")[2]: value for name, value in part.attrib.items()}
            sides[named.get("position")] = named.get("element")
        if set(sides) == {"left", "right"} and all(sides.values()):
            found[source.key] = (sides["left"], sides["right"])
    return found


def make_analogies(parts: Sequence[tuple[str, str]], number: int, seed: int) -> list[Analogy]:
    """Returns some of all analogies between characters with a frequent left part, in any order."""
    places = {pair: i for i, pair in reversed(list(enumerate(parts)))}
    counts = collections.Counter(left for left, _ in places)
    frequent = [left for left, _ in counts.most_common(LEFT_PARTS)]
    found = []
    for one, two in itertools.permutations(frequent, 2):
        shared = sorted(right for left, right in places if left == one and (two, right) in places)
        for right, other in itertools.permutations(shared, 2):
            of = [(one, right), (one, other), (two, other), (two, right)]
            found.append(Analogy(*(places[pair] for pair in of)))
    order = np.random.default_rng(seed).permutation(len(found))
    return [found[i] for i in order[:number]]


def ranks(answers: np.ndarray, codes: np.ndarray, analogies: Sequence[Analogy]) -> np.ndarray:
    """Returns the place of the true answer among all characters by distance, 1 for the nearest."""
    found = []
    for answer, analogy in zip(answers, analogies, strict=True):
        distances = np.linalg.norm(codes - answer, axis=1)
        distances[[analogy.start, analogy.minus, analogy.plus]] = np.inf
        found.append(1 + int((distances < distances[analogy.answer]).sum()))
    return np.array(found)


def shares(places: np.ndarray) -> str:
    top = ", ".join(f"top {n}: {(places <= n).mean():.0%}" for n in (1, 10, 100))
    return f"{top}, median {np.median(places):.0f}"


def picture(
    characters: Sequence[np.ndarray], drawn: drawing.Sketches, analogies: Sequence[Analogy]
) -> drawing.Sketches:
    """Returns rows of start, minus, plus, the drawn answer and the true one."""
    shown = []
    for sketch, analogy in list(zip(drawn, analogies, strict=True))[:ROW]:
        given = [characters[i] for i in analogy]
        shown += [*given[:3], sketch, given[3]]
    return drawing.Sketches(shown, columns=5)


if __name__ == "__main__":
    main()
