"""Measures what a model draws against real drawings: everything but the report."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from absl import logging

from sketch_rnn_tf import drawing, files, progress
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.quality import (
    checks,
    geometry,
    latents,
    memory,
    metrics,
    networks,
    real,
    rendering,
)
from sketch_rnn_tf.quality.drawer import Drawer
from sketch_rnn_tf.quality.held_out import SHOWN, HeldOut, recognition

DEFAULT_SAMPLES = 1000
CHEAP_SAMPLES = 200


@dataclasses.dataclass(frozen=True, eq=False)
class Quality:
    """What was measured.

    Attributes:
      values: the numbers, ready for JSON; docs/how_good.md has every name.
      pictures: {temperature: drawings} of the model, and `real` of the held-out drawings.
      pairs: {temperature: [(drawing, nearest training drawing, closeness)]}, see `Memory`.
    """

    values: dict[str, Any]
    pictures: dict[str, drawing.Sketches]
    pairs: dict[str, list[tuple[Any, Any, float]]]

    def table(self) -> str:
        """Returns the measures as plain text, a column a temperature beside the floors."""
        from sketch_rnn_tf.quality import report

        return report.text_table(self.values)

    def save(self, path: files.PathLike, title: str = "How good are the drawings?") -> None:
        """Writes everything as one self-contained HTML page."""
        from sketch_rnn_tf.quality import report

        report.write(path, self, title)


def measure(
    sketcher: Any,
    data_dir: files.PathLike,
    *,
    samples: int = DEFAULT_SAMPLES,
    temperatures: Sequence[float] = (0.4,),
    split: str = "test",
    with_valid: bool = False,
    seed: int = 0,
    network_steps: int = networks.STEPS,
) -> Quality:
    """Measures how good, how varied and how original a model's drawings are.

    The network of the features is trained on the data's train split when the data set is measured
    for the first time, and kept beside it. The same arguments give the same numbers.

    Args:
      sketcher: the model, as `load_model` returns it.
      data_dir: the data set.
      samples: N, drawings of the model at each temperature and real ones to hold them against.
      temperatures: of the drawings.
      split: test or valid, which gives the real drawings.
      with_valid: add the valid split's, where the test split has fewer than N.
      seed: of the model's drawings.
      network_steps: of the training of the features' network; numbers compare at one value only.

    Raises:
      UserError: too few real drawings, or a model that does not fit the data.
    """
    info = dataset.read_info(data_dir)
    temperatures = checks.temperatures(temperatures)
    splits = [split, "valid"] if with_valid and info.num_sketches("valid") else [split]
    splits = list(dict.fromkeys(splits))
    allowed = checks.check_fit(sketcher.config, info, data_dir)
    checks.check_count(info, data_dir, samples, splits, allowed)
    known = real.open_real(data_dir, network_steps)
    training = known.splits["train"]
    held_out = HeldOut.read(data_dir, known, splits, allowed, samples, info.classes)
    held_out_memory = memory.Memory.of(held_out.reference, training)
    drawer = Drawer(sketcher, info.classes, seed)
    by_temperature, pictures, pairs = {}, {"real": held_out.shown()}, {}
    begun = time.monotonic()
    for done, temperature in enumerate(temperatures):
        _tell_time_left(done, len(temperatures), begun)
        name = f"{temperature:g}"
        drawn = drawer.generate(held_out.reference.labels, temperature)
        told = sketcher.config.model.class_conditioned or len(allowed) == 1
        labels = held_out.reference.labels if told else np.full(held_out.samples, -1)
        looks = real.look(known.network, drawn, labels, f"features at temperature {name}")
        drawn_memory = memory.Memory.of(looks, training)
        by_temperature[name] = {
            **compare(held_out.reference, looks),
            "ended": float(np.mean([sketch.ended for sketch in drawn])),
            **memory.memorization(drawn_memory, held_out_memory, len(training)),
            **recognition(looks, info.classes),
        }
        if drawer.conditional:
            examples = real.read(data_dir, "train", samples, allowed)
            posterior = latents.posterior(drawer, known.network, examples, temperature)
            by_temperature[name] |= {
                **latents.reconstruction(drawer, known.network, held_out, temperature),
                "posterior": compare(held_out.reference, posterior),
            }
        pictures[name] = drawing.Sketches(drawn[:SHOWN])
        pairs[name] = memory.nearest_pairs(drawn, drawn_memory, data_dir)
    values = {
        "samples": samples,
        "seed": seed,
        "splits": splits,
        "rendering": {"version": rendering.VERSION, "description": rendering.DESCRIPTION},
        "features": known.described(info.classes),
        "temperatures": by_temperature,
        "floor": floor(held_out, training, allowed),
        "best_temperature": best_temperature(by_temperature),
        "notes": notes(held_out),
    }
    return Quality(values, pictures, pairs)


def _tell_time_left(done: int, count: int, begun: float) -> None:
    """Logs how long the temperatures will take that are not measured yet."""
    if done:
        left = (time.monotonic() - begun) / done * (count - done)
        logging.info(
            "measured at %d of %d temperatures, %s left", done, count, progress.duration(left)
        )


def at_end_of_training(
    sketcher: Any,
    data_dir: files.PathLike,
    *,
    samples: int = CHEAP_SAMPLES,
    temperature: float = 0.4,
    seed: int = 0,
) -> dict[str, float | str]:
    """Returns the cheap version: a few numbers in a few seconds, for reports and TensorBoard.

    The features are of the network that is kept beside the data set, and of a random one where
    none is; nothing is trained and nothing is written.

    Args:
      sketcher: the model, as `load_model` returns it.
      data_dir: the data set that it was trained on.
      samples: drawings of the model and real ones, fewer where the split has fewer.
      temperature: of the drawings.
      seed: of the drawings.

    Returns:
      `samples`, `temperature`, `features` (`classes`, `copies` or `random`), `ended`, `geometry`
      (the features' Wasserstein distances in deviations, averaged); `kid`, `precision`, `recall`,
      `density`, `coverage` and `one_nn_accuracy`, each beside its `_floor` between as many train
      drawings and the same real ones. Empty where there are fewer than 20 real drawings.
    """
    info = dataset.read_info(data_dir)
    split = next((name for name in ("test", "valid") if info.num_sketches(name)), None)
    originals, labels = real.read(data_dir, split, samples) if split else ([], [])
    train, train_labels = real.read(data_dir, "train", len(originals))
    count = min(len(originals), len(train))
    if count < checks.FEWEST_SAMPLES:
        return {}
    kept = real.open_kept(data_dir)
    network = kept.network if kept else networks.random(rendering.render(train))
    reference = real.look(network, originals[:count], labels[:count], "real drawings")
    drawn = sketcher.generate(
        count,
        temperature=temperature,
        seed=seed,
        label=checks.class_names(sketcher.config, info.classes, labels[:count]),
    )
    looks = real.look(network, drawn, labels[:count], "drawings of the model")
    floor = compare(reference, real.look(network, train[:count], train_labels[:count], "floor"))
    values = compare(reference, looks)
    kinds = ("kid", "precision", "recall", "density", "coverage", "one_nn_accuracy")
    deviations = [feature["in_deviations"] for feature in values["geometry"].values()]
    return {
        "samples": count,
        "temperature": temperature,
        "features": network.kind,
        "ended": float(np.mean([sketch.ended for sketch in drawn])),
        "geometry": float(np.mean([value for value in deviations if math.isfinite(value)])),
        **{name: values[name] for name in kinds},
        **{f"{name}_floor": floor[name] for name in kinds},
    }


def compare(reference: real.Looks, drawn: real.Looks) -> dict[str, Any]:
    """Returns the measures of two sets of drawings that need nothing else.

    `kid`, `kid_standard_error`, `frechet` (None below 500 drawings), those of
    `metrics.neighborhoods`, and `geometry`, see `geometry.compare`.
    """
    value, error = metrics.kid(reference.features, drawn.features)
    enough = min(len(reference), len(drawn)) >= metrics.FEWEST_FOR_FRECHET
    return {
        "samples": len(drawn),
        "real_samples": len(reference),
        "kid": value,
        "kid_standard_error": error,
        "frechet": metrics.frechet(reference.features, drawn.features) if enough else None,
        **metrics.neighborhoods(reference.features, drawn.features),
        "geometry": geometry.compare(reference.geometry, drawn.geometry),
    }


def best_temperature(by_temperature: Mapping[str, Mapping[str, Any]]) -> float:
    """Returns the temperature whose drawings are nearest to real ones: the lowest kid.

    Among those within one standard error of the lowest, the one with the highest harmonic mean of
    precision and coverage.
    """
    lowest = min(by_temperature.values(), key=lambda values: values["kid"])
    limit = lowest["kid"] + lowest["kid_standard_error"]
    near = {name: v for name, v in by_temperature.items() if v["kid"] <= limit}

    def balance(name: str) -> float:
        precision, coverage = near[name]["precision"], near[name]["coverage"]
        return 2 * precision * coverage / max(precision + coverage, 1e-9)

    return float(max(near, key=balance))


def floor(held_out: HeldOut, training: real.Looks, allowed: Sequence[int]) -> dict[str, Any]:
    """Returns the measures between real drawings: training and held out, and two halves of these.

    Args:
      held_out: the real drawings.
      training: those of the train split.
      allowed: labels that the model draws.
    """
    train = training[np.isin(training.labels, allowed)][: held_out.samples]
    half = held_out.half
    first, second = held_out.looks[:half], held_out.looks[half : 2 * half]
    seen = recognition(held_out.reference, held_out.classes)
    return {
        "train": {**compare(held_out.reference, train), "ended": 1.0},
        "halves": {**compare(first, second), "ended": 1.0, **seen},
    }


def notes(held_out: HeldOut) -> list[str]:
    """Returns what a reader of the numbers should know, one sentence each."""
    found, count = [], held_out.samples
    if count < metrics.FEWEST_FOR_FRECHET:
        found.append(f"frechet needs {metrics.FEWEST_FOR_FRECHET} drawings; {count} were measured")
    if held_out.half < count:
        found.append(
            f"the halves of the real drawings have {held_out.half} each, fewer than {count}:"
            " compare frechet with the floor of train"
        )
    return found
