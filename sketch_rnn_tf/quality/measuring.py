"""Measures what a model draws against real drawings: everything but the report."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sketch_rnn_tf import config, drawing, files, progress
from sketch_rnn_tf.data import dataset
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.quality import geometry, metrics, networks, real, rendering

DEFAULT_SAMPLES = 1000
FEWEST_SAMPLES, MOST_SAMPLES = 20, 5000  # below, neighbors mean little; above, N x N fills memory
LARGEST_SCALE_RATIO = 3.0  # of the model's scale factor and the data's
COPY_QUANTILE = 0.01  # of the held-out drawings' closeness to training: nearer is a copy
SHOWN_PAIRS = 9
CHEAP_SAMPLES = 200
_CHUNK = 200  # sketches between two progress lines


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
    temperatures = _checked_temperatures(temperatures)
    splits = [split, "valid"] if with_valid and split != "valid" else [split]
    allowed = check_fit(sketcher.config, info, data_dir)
    _check_count(info, data_dir, samples, splits, allowed)
    known = real.open_real(data_dir, network_steps)
    held_out = _HeldOut.read(data_dir, known, info, splits, allowed, samples)
    training = known.splits["train"]
    known_memory = Memory.of(held_out.reference, training)
    by_temperature, pictures, pairs = {}, {"real": held_out.shown()}, {}
    for temperature in temperatures:
        drawn = _draw(sketcher, held_out, temperature, seed)
        name = f"{temperature:g}"
        looks = real.look(
            known.network, drawn, _wanted(sketcher, held_out), f"features at temperature {name}"
        )
        values = compare(held_out.reference, looks)
        values["ended"] = float(np.mean([sketch.ended for sketch in drawn]))
        memory = Memory.of(looks, training)
        values |= memorization(memory, known_memory, len(training))
        values |= _recognition(looks, info.classes)
        if sketcher.config.model.conditional:
            values |= _of_latents(
                sketcher, known.network, held_out, data_dir, allowed, temperature, seed
            )
        by_temperature[name] = values
        pictures[name] = drawing.Sketches(drawn[:_SHOWN])
        pairs[name] = _nearest_pairs(drawn, memory, data_dir)
    values = {
        "samples": samples,
        "seed": seed,
        "splits": splits,
        "rendering": {"version": rendering.VERSION, "description": rendering.DESCRIPTION},
        "features": _features(known, held_out, info),
        "temperatures": by_temperature,
        "floor": _floor(held_out, training, allowed, info.classes),
        "best_temperature": best_temperature(by_temperature),
        "notes": _notes(samples, held_out),
    }
    return Quality(values, pictures, pairs)


_SHOWN = 40  # drawings of a temperature that the report shows


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
    if count < FEWEST_SAMPLES:
        return {}
    kept = real.open_kept(data_dir)
    network = kept.network if kept else networks.random(rendering.render(train))
    reference = real.look(network, originals[:count], labels[:count], "real drawings")
    drawn = sketcher.generate(
        count,
        temperature=temperature,
        seed=seed,
        label=_names(sketcher, info.classes, labels[:count]),
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


@dataclasses.dataclass(frozen=True, eq=False)
class _HeldOut:
    """The drawings that no model was trained on, of the model's classes.

    Attributes:
      sketches: stroke-3 arrays.
      looks: of all of them.
      samples: N; the first N are the reference.
      classes: of the data set.
    """

    sketches: list[np.ndarray]
    looks: real.Looks
    samples: int
    classes: list[str]

    @classmethod
    def read(cls, data_dir, known, info, splits, allowed, samples) -> _HeldOut:
        """Reads the splits; the first one's drawings come first."""
        sketches, looks = [], None
        for split in splits:
            own = known.splits[split]
            chosen = np.flatnonzero(np.isin(own.labels, allowed))
            strokes, _ = real.read(data_dir, split)
            sketches += [strokes[i] for i in chosen]
            looks = own[chosen] if looks is None else looks + own[chosen]
        return cls(sketches, looks, samples, info.classes)

    @property
    def reference(self) -> real.Looks:
        return self.looks[: self.samples]

    def shown(self) -> drawing.Sketches:
        return drawing.Sketches(self.sketches[: min(_SHOWN, self.samples)])


def _checked_temperatures(temperatures: Sequence[float]) -> list[float]:
    if not len(temperatures):
        raise UserError("there is no temperature to draw at")
    for temperature in temperatures:
        if not (math.isfinite(temperature) and temperature > 0):
            raise UserError(f"a temperature of {temperature} was given, expected a number above 0")
    return sorted({float(temperature) for temperature in temperatures})


def _check_count(info, data_dir, samples: int, splits, allowed) -> None:
    """Checks that every class is there and that N real drawings are."""
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
    if available < samples:
        more = "" if "valid" in splits else ", or add those of valid (--with_valid)"
        raise UserError(
            f"{data_dir}: {words} has {available} drawings of what the model draws, fewer than the"
            f" {samples} asked for; ask for {available} or fewer{more}"
        )


def _names(sketcher: Any, classes: Sequence[str], labels: Sequence[int]) -> list[str] | None:
    """Returns labels of the data set as a class-conditioned model's own class names."""
    if not sketcher.config.model.class_conditioned:
        return None
    own = {name.replace("_", " "): name for name in sketcher.config.classes}
    return [own[classes[label].replace("_", " ")] for label in labels]


def _wanted(sketcher: Any, held_out: _HeldOut) -> np.ndarray:
    """Returns the class that each drawing was to be of, -1 where the model was not told."""
    labels = held_out.reference.labels
    told = sketcher.config.model.class_conditioned or len(np.unique(labels)) == 1
    return labels if told else np.full(len(labels), -1)


def _draw(sketcher, held_out: _HeldOut, temperature: float, seed: int) -> drawing.Sketches:
    """Returns N drawings of the model, of the same classes as the reference."""
    names = _names(sketcher, held_out.classes, held_out.reference.labels)
    count = held_out.samples
    drawn = drawing.Sketches()
    with progress.Progress(f"drawing at temperature {temperature:g}", count) as shown:
        for start in range(0, count, _CHUNK):
            rows = range(start, min(start + _CHUNK, count))
            drawn += sketcher.generate(
                len(rows),
                temperature=temperature,
                seed=[(seed, i) for i in rows],
                label=names[start : start + _CHUNK] if names else None,
            )
            shown.update(len(rows))
    return drawn


@dataclasses.dataclass(frozen=True, eq=False)
class Memory:
    """How near drawings are to those that the model was trained on.

    Attributes:
      nearest: int64 [S], the nearest training drawing of each.
      distance: float64 [S], to it.
      closeness: float64 [S], the distance over that of the training drawing to its fifth nearest
        other one: what is near where drawings lie close together is far where they do not.
    """

    nearest: np.ndarray
    distance: np.ndarray
    closeness: np.ndarray

    @classmethod
    def of(cls, looks: real.Looks, training: real.Looks) -> Memory:
        """Looks for the nearest training drawing of each drawing."""
        nearest, distance = metrics.nearest(looks.features, training.features)
        spacing = metrics.spacing(training.features, nearest)
        return cls(nearest, distance, distance / np.maximum(spacing, 1e-6))


def memorization(drawn: Memory, held_out: Memory, training: int) -> dict[str, Any]:
    """Returns the share of copies: nearer to training than 99 of 100 held-out drawings are."""
    threshold = float(np.quantile(held_out.closeness, COPY_QUANTILE)) + 1e-4
    return {
        "copies": float((drawn.closeness <= threshold).mean()),
        "copies_real": float((held_out.closeness <= threshold).mean()),
        "copy_closeness": threshold,
        "nearest_training": float(np.median(drawn.distance)),
        "nearest_training_real": float(np.median(held_out.distance)),
        "training_drawings": training,
    }


def _recognition(looks: real.Looks, classes: Sequence[str]) -> dict[str, Any]:
    """Returns how often a drawing is recognized as what it was to be, and as what else."""
    if len(classes) < 2 or (looks.labels < 0).any():
        return {}
    hits = looks.recognized == looks.labels
    present = np.unique(looks.labels)
    confusion = {
        classes[label]: {
            classes[seen]: int(count)
            for seen, count in zip(
                *np.unique(looks.recognized[looks.labels == label], return_counts=True),
                strict=True,
            )
        }
        for label in present
    }
    per_class = {classes[label]: float(hits[looks.labels == label].mean()) for label in present}
    return {
        "recognized": float(hits.mean()),
        "recognized_per_class": per_class,
        "confusion": confusion,
    }


def _of_latents(
    sketcher, network, held_out: _HeldOut, data_dir, allowed, temperature: float, seed: int
) -> dict[str, Any]:
    """Returns the measures of reconstructions and of the posterior."""
    reference = held_out.reference
    originals, name = held_out.sketches[: held_out.samples], f"{temperature:g}"
    again = _reconstruct(
        sketcher, held_out.classes, originals, reference.labels, temperature, seed, False
    )
    pictures = rendering.render(again)
    looks = real.look(
        network, again, reference.labels, f"features of reconstructions at {name}", pictures
    )
    real_pictures = rendering.render(originals)
    distances = metrics.chamfer(real_pictures, pictures)
    others = metrics.chamfer(real_pictures, np.roll(real_pictures, 1, axis=0))
    train, labels = _training_drawings(data_dir, allowed, held_out.samples)
    posterior = _reconstruct(sketcher, held_out.classes, train, labels, temperature, seed, True)
    posterior_looks = real.look(network, posterior, labels, f"features of the posterior at {name}")
    recognized = _recognition(looks, held_out.classes)
    return {
        "reconstruction": {
            **({"recognized": recognized["recognized"]} if recognized else {}),
            "chamfer": float(np.nanmean(distances)),
            "chamfer_of_others": float(np.nanmean(others)),
            "ended": float(np.mean([sketch.ended for sketch in again])),
        },
        "retrieval": _retrieval(sketcher, held_out, again),
        "posterior": compare(reference, posterior_looks),
    }


def _reconstruct(sketcher, classes, originals, labels, temperature, seed, sample_z):
    names = _names(sketcher, classes, labels)
    drawn = drawing.Sketches()
    what = "drawing from the posterior" if sample_z else "reconstructing"
    with progress.Progress(what, len(originals)) as shown:
        for start in range(0, len(originals), _CHUNK):
            chunk = originals[start : start + _CHUNK]
            drawn += sketcher.reconstruct(
                chunk,
                temperature=temperature,
                seed=[(seed, start + i) for i in range(len(chunk))],
                label=names[start : start + _CHUNK] if names else None,
                sample_z=sample_z,
            )
            shown.update(len(chunk))
    return drawn


def _training_drawings(data_dir, allowed, count: int) -> tuple[list[np.ndarray], np.ndarray]:
    """Returns the first training drawings of the model's classes, at most `count`."""
    sketches, labels = [], []
    for record in real.drawings(data_dir, "train"):
        if record.label in allowed:
            sketches.append(record.strokes)
            labels.append(record.label)
            if len(sketches) == count:
                break
    return sketches, np.array(labels)


def _retrieval(sketcher, held_out: _HeldOut, again) -> dict[str, float]:
    """Returns how often a reconstruction finds its original among all held-out drawings.

    A reconstruction that drew nothing finds nothing.
    """
    labels = held_out.looks.labels
    codes = _encode(sketcher, held_out.classes, held_out.sketches, labels)
    least = 2 if sketcher.config.drop_first_point else 1
    there = np.array([i for i, sketch in enumerate(again) if len(sketch) >= least], int)
    found = _encode(sketcher, held_out.classes, [again[i] for i in there], labels[there])
    shares = metrics.retrieval(codes, found, there) if len(there) else {}
    return {
        "searched": len(codes),
        **{name: share * len(there) / len(again) for name, share in shares.items()},
    }


def _encode(sketcher, classes, sketches, labels) -> np.ndarray:
    names = _names(sketcher, classes, labels)
    parts = []
    with progress.Progress("encoding", len(sketches)) as shown:
        for start in range(0, len(sketches), _CHUNK):
            chunk = sketches[start : start + _CHUNK]
            own = names[start : start + _CHUNK] if names else None
            parts.append(sketcher.encode(chunk, label=own))
            shown.update(len(chunk))
    return np.concatenate(parts)


def _nearest_pairs(drawn, memory: Memory, data_dir) -> list[tuple[Any, Any, float]]:
    """Returns the drawings that are nearest to a training drawing, with it, nearest first."""
    order = np.argsort(memory.closeness, kind="stable")[:SHOWN_PAIRS]
    wanted = {int(memory.nearest[i]) for i in order}
    found = {}
    for place, record in enumerate(real.drawings(data_dir, "train")):
        if place in wanted:
            found[place] = record.strokes
        if len(found) == len(wanted):
            break
    return [(drawn[i], found[int(memory.nearest[i])], float(memory.closeness[i])) for i in order]


def _floor(held_out: _HeldOut, training: real.Looks, allowed, classes) -> dict[str, Any]:
    """Returns the measures between real drawings: train and test, and the halves of test."""
    reference = held_out.reference
    train = training[np.isin(training.labels, allowed)][: held_out.samples]
    half = min(held_out.samples, len(held_out.looks) // 2)
    first, second = held_out.looks[:half], held_out.looks[half : 2 * half]
    return {
        "train": {**compare(reference, train), "ended": 1.0},
        "halves": {**compare(first, second), "ended": 1.0, **_recognition(second, classes)},
        "recognized": _recognition(reference, classes).get("recognized"),
    }


def _features(known: real.Real, held_out: _HeldOut, info) -> dict[str, Any]:
    test = known.splits.get("test")
    several = len(info.classes) > 1
    return {
        "network": known.network.kind,
        "version": networks.VERSION,
        "numbers": networks.FEATURES,
        "key": known.key,
        "training_drawings": len(known.splits["train"]),
        "test_accuracy": (
            float((test.recognized == test.labels).mean()) if several and test else None
        ),
    }


def _notes(samples: int, held_out: _HeldOut) -> list[str]:
    notes = []
    if samples < metrics.FEWEST_FOR_FRECHET:
        notes.append(
            f"frechet needs {metrics.FEWEST_FOR_FRECHET} drawings; {samples} were measured"
        )
    half = min(samples, len(held_out.looks) // 2)
    if half < samples:
        notes.append(
            f"the halves of the real drawings have {half} each, fewer than {samples}: compare"
            " frechet with the floor of train"
        )
    return notes
