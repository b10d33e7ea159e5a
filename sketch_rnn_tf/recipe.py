"""A model and a training that suit a data set: `--preset auto`, each choice with its reason.

What is chosen by what, and the measurements behind it, is told in docs/training.md.
"""

from __future__ import annotations

import dataclasses
import time
from typing import Any

import numpy as np

from sketch_rnn_tf import config, progress
from sketch_rnn_tf.data.dataset import DatasetInfo


@dataclasses.dataclass(frozen=True)
class Size:
    """What suits data sets of up to so many drawings of the train split.

    Attributes:
      drawings: up to which it is chosen.
      z_size: Z.
      encoder: units of each direction.
      decoder: units.
      dropout: recurrent drop rate on both sides.
      sketches: drawings seen in the whole training, at the least.
      epochs: in which every drawing is seen, at the least.
    """

    drawings: float
    z_size: int
    encoder: int
    decoder: int
    dropout: float
    sketches: int
    epochs: int


SIZES = (
    Size(100, 32, 64, 192, 0.25, 12_800, 60),
    Size(500, 32, 64, 192, 0.25, 16_000, 60),
    Size(4_000, 64, 128, 256, 0.2, 100_000, 40),
    Size(20_000, 64, 192, 384, 0.1, 250_000, 20),
    Size(float("inf"), 64, 256, 512, 0.1, 600_000, 8),
)
_FEW_DRAWINGS = 4_000
_VERY_FEW_DRAWINGS = SIZES[0].drawings
# Weights that know how to draw already learn a style soon, and then each drawing by heart.
_FINE_TUNING_RATE = 1e-3
_FINE_TUNING = (2_400, 20)  # sketches at least, epochs
_MANY_POINTS = 50  # per drawing; of fewer, each one is a feature that must stay


@dataclasses.dataclass(frozen=True)
class Recipe:
    """A configuration and why it is as it is, a sentence per choice; see also `length`."""

    model: config.ModelConfig
    training: config.TrainingConfig
    reasons: tuple[str, ...]


def choose(info: DatasetInfo, model: config.ModelConfig | None = None) -> Recipe:
    """Chooses sizes, length of training, dropout and augmentation for a data set.

    Args:
      info: its description.
      model: what is to be trained, such as that of a run to start from; None: chosen too.

    Returns:
      The configurations, on the ground of the preset `best`, with their reasons.
    """
    best = config.preset("best")
    count = max(1, info.num_sketches("train"))
    size = next(one for one in SIZES if count <= one.drawings)
    batch = int(np.clip(count // 8, 8, best.training.batch_size))
    given, model = model is not None, model or _model(best.model, size, len(info.classes))
    sketches, epochs = _FINE_TUNING if given else (size.sketches, size.epochs)
    steps = _round(max(sketches, epochs * count) / batch)
    points = info.mean_length or 1.0
    short = points < _MANY_POINTS
    few, very_few = count < _FEW_DRAWINGS, count <= _VERY_FEW_DRAWINGS
    training = dataclasses.replace(
        best.training,
        train_steps=steps,
        learning_rate=_FINE_TUNING_RATE if given else best.training.learning_rate,
        batch_size=batch,
        warmup_steps=min(best.training.warmup_steps, steps // 10),
        kl_weight_decay=round(1.0 - 5.0 / steps, 6),  # 99 % of its rise by the end
        random_scale=0.25 if very_few else 0.15 if few else 0.1,
        random_slant=0.08 if very_few else 0.0,
        point_dropout=0.0 if short else best.training.point_dropout,
    )
    reasons = [
        f"sizes vary by {training.random_scale:.0%}"
        + (f", slants by {training.random_slant:.0%}" if very_few else "")
        + f": there are {'few' if few else 'many'} drawings",
        f"points are {'kept' if short else 'dropped at random'}: {points:.0f} per drawing are"
        f" {'few' if short else 'many'}",
    ]
    if given:
        reasons.append(f"learning rate {_FINE_TUNING_RATE:g}: the weights draw already")
    else:
        classes = f"the {len(info.classes)} classes condition it" if model.class_conditioned else ""
        reasons = [
            f"encoder {size.encoder}, decoder {size.decoder}, z {size.z_size}: for {count}"
            " drawings",
            f"recurrent dropout {size.dropout:g}"
            + (": few drawings are learned by heart soon" if few else ""),
            classes or "not class-conditioned: there is one class",
            *reasons,
        ]
        if very_few:
            reasons.append(
                "drawings like Quick, Draw!'s can start from weights that draw already:"
                " --init_from pretrained:doodles"
            )
    return Recipe(model, training, tuple(reasons))


def length(
    info: DatasetInfo, model: config.ModelConfig, training: config.TrainingConfig
) -> tuple[str, str]:
    """Returns how long a training is, in drawings seen and in time, a sentence each."""
    steps, batch = training.train_steps, training.batch_size
    count = max(1, info.num_sketches("train"))
    seconds = _seconds(model, info.mean_length or 1.0, batch, steps)
    return (
        f"{steps} steps of {batch}: each of {count} drawings is seen"
        f" {max(1, round(batch * steps / count))} times",
        f"about {progress.duration(seconds)} on the CPU of this machine as it is now",
    )


def _model(start: config.ModelConfig, size: Size, classes: int) -> config.ModelConfig:
    """Returns the model of a size, conditioned on the classes where there are several."""
    dropout = size.dropout
    return dataclasses.replace(
        start,
        z_size=size.z_size,
        class_conditioned=classes > 1,
        encoder=dataclasses.replace(start.encoder, units=size.encoder, recurrent_dropout=dropout),
        decoder=dataclasses.replace(start.decoder, units=size.decoder, recurrent_dropout=dropout),
    )


def _round(steps: float) -> int:
    """Returns a number of steps that is easy to read: two digits, rounded up."""
    unit = 10 ** max(0, len(str(int(steps))) - 2)
    return int(-(-steps // unit) * unit)


_LOOP = 7.5e-4  # seconds per point of a step's sketches side by side, beside the products
_START = 15.0  # seconds of reading, tracing, evaluating and the report


def _seconds(model: config.ModelConfig, points: float, batch: int, steps: int) -> float:
    """Estimates the time of a training on sketches of so many points.

    Three times the products of the forward pass, at the speed of this machine's own product of
    matrices, and what a step takes however small its matrices are.
    """
    encoder, decoder = model.encoder.units, model.decoder.units
    context = model.z_size + (model.class_embedding if model.class_conditioned else 0)
    products = 2 * (5 + encoder) * 4 * encoder + (7 + context + decoder) * 4 * decoder
    products += decoder * (3 + 6 * model.num_mixtures)
    return _START + steps * points * (batch * 3 * 2 * products / _product_speed() + _LOOP)


def _product_speed() -> float:
    """Returns the floating point operations per second of float32 products here."""
    size = 768
    matrix: Any = np.ones((size, size), np.float32)
    matrix @ matrix
    begin = time.perf_counter()
    count = 0
    while time.perf_counter() - begin < 0.1:
        matrix @ matrix
        count += 1
    return count * 2 * size**3 / (time.perf_counter() - begin)
