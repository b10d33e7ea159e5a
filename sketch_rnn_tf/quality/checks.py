"""What may be asked of the measures, and whether a model fits the data."""

from __future__ import annotations

import math
from collections.abc import Sequence

from sketch_rnn_tf import config, files
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError

FEWEST_SAMPLES, MOST_SAMPLES = 20, 5000  # below, neighbors mean little; above, N x N fills memory
LARGEST_SCALE_RATIO = 3.0  # of the model's scale factor and the data's


def temperatures(given: Sequence[float]) -> list[float]:
    """Returns temperatures, rising, each once."""
    if not len(given):
        raise UserError("there is no temperature to draw at")
    for temperature in given:
        if not (math.isfinite(temperature) and temperature > 0):
            raise UserError(f"a temperature of {temperature} was given, expected a number above 0")
    return sorted({float(temperature) for temperature in given})


def check_fit(
    configuration: config.RunConfig, info: dataset.DatasetInfo, data_dir: files.PathLike
) -> list[int]:
    """Returns the labels of the data set that a model draws.

    Raises:
      UserError: its classes are not the data's, or its unit of length is another.
    """
    ratio = configuration.scale_factor / info.scale_factor
    if not 1 / LARGEST_SCALE_RATIO <= ratio <= LARGEST_SCALE_RATIO:
        raise UserError(
            f"{data_dir}: has offsets with a standard deviation of {info.scale_factor:.4g}, but the"
            f" model's scale_factor is {configuration.scale_factor:.4g}, so it was trained on"
            " drawings of another size; give the data set that it was trained on, or one prepared"
            " in the same way"
        )
    places = {name.replace("_", " "): label for label, name in enumerate(info.classes)}
    missing = [name for name in configuration.classes if name.replace("_", " ") not in places]
    if missing:
        raise UserError(
            f"{data_dir}: has no drawings of {missing[0]!r}, which the model draws; its classes"
            f" are {', '.join(info.classes[:10])}{' ...' if len(info.classes) > 10 else ''}"
        )
    wanted = [places[name.replace("_", " ")] for name in configuration.classes]
    return wanted or list(range(max(len(info.classes), 1)))


def check_count(
    info: dataset.DatasetInfo,
    data_dir: files.PathLike,
    samples: int,
    splits: Sequence[str],
    allowed: Sequence[int],
) -> None:
    """Raises UserError where the splits lack a class, or have fewer than N drawings of them."""
    if not FEWEST_SAMPLES <= samples <= MOST_SAMPLES:
        raise UserError(
            f"{samples} drawings were asked for, expected {FEWEST_SAMPLES} to {MOST_SAMPLES}"
        )
    words = " and ".join(splits)
    per_class = [info.splits.get(split, {}).get("per_class") for split in splits]
    available = sum(info.num_sketches(split) for split in splits)
    if all(per_class) and info.classes:
        counts = {
            info.classes[label]: sum(split.get(info.classes[label], 0) for split in per_class)
            for label in allowed
        }
        empty = [name for name, count in counts.items() if not count]
        if empty:
            raise UserError(f"{data_dir}: {words} has no drawings of {empty[0]!r} to compare with")
        available = sum(counts.values())
    have = "have" if len(splits) > 1 else "has"
    found = f"{data_dir}: {words} {have} {available} drawings of what the model draws"
    more = "" if "valid" in splits else ", or add those of valid (--with_valid)"
    if available < FEWEST_SAMPLES:
        raise UserError(
            f"{found}, and at least {FEWEST_SAMPLES} are needed: prepare more drawings, or a larger"
            f" share of them for {splits[0]} (sketch-rnn-prepare --splits){more}"
        )
    if available < samples:
        raise UserError(
            f"{found}, fewer than the {samples} asked for; ask for {available} or fewer{more}"
        )


def class_names(
    configuration: config.RunConfig, classes: Sequence[str], labels: Sequence[int]
) -> list[str] | None:
    """Returns labels of the data set as a class-conditioned model's own class names.

    None where the model is not told a class.
    """
    if not configuration.model.class_conditioned:
        return None
    own = {name.replace("_", " "): name for name in configuration.classes}
    return [own[classes[label].replace("_", " ")] for label in labels]
