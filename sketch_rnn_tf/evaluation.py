"""How well a model explains a data set: the losses of the paper, every sketch counted."""

from __future__ import annotations

import collections
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sketch_rnn_tf import files
from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.config import RunConfig
from sketch_rnn_tf.data import augment, dataset, pipeline
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model import graphs, losses
from sketch_rnn_tf.model.next_point import NextPoint
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

ACTIVE_VARIANCE = 0.01  # a latent is active when Var(E[z|sketch]) exceeds this (arXiv 1509.00519)


def evaluate(
    model: SketchRNN,
    configuration: RunConfig,
    directory: files.PathLike,
    split: str,
    *,
    batch_size: int = 100,
    seed: int = 0,
    info: dataset.DatasetInfo | None = None,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Computes a split's losses.

    Losses are sums over the sketches divided by (number of sketches) N_max, N_max being the data
    set's. *Masked* counts the real points only (Magenta's inference mode); *unmasked* counts the
    pen state of every position up to N_max (the paper's equation and Magenta's training log).

    Args:
      model: the model.
      configuration: of its run: scale factor, final weight of the KL loss, `drop_first_point`.
      directory: the data set.
      split: train, valid or test.
      batch_size: sketches at once.
      seed: of the sampled latent vectors.
      info: the data set's description where it has been read already.
      check: called before every batch; what it raises ends the evaluation.

    Returns:
      `split`, `num_sketches`, `n_max`, `kl_weight`; `reconstruction_loss`, `offset_loss` and
      `pen_loss` (masked, z = z_mean), `reconstruction_loss_unmasked`, the same four with
      `_sampled_z`; `kl_loss` (floored), `kl_raw`, `active_latents`, `nats_per_point`, and
      `cost` = reconstruction_loss + kl_weight kl_loss.

    Raises:
      UserError: the split is empty or damaged, or has a class that the model does not know.
    """
    info = info or dataset.read_info(directory)
    dataset.verify(directory, info, split)
    places = _places_of_classes(model, configuration, directory, info, split)
    batches = pipeline.evaluation_batches(
        directory,
        info,
        split,
        batch_size=batch_size,
        scale_factor=configuration.scale_factor,
        length=info.max_length,
        drop_first_point=pipeline.drops_first_point(info, configuration.drop_first_point),
    )
    sums: dict[str, float] = collections.defaultdict(float)
    latents = []
    for index, batch in enumerate(batches):
        check()
        batch["seed"] = tf.constant([seed, index], tf.int32)
        if places is not None:
            batch["labels"] = tf.gather(places, batch["labels"])
        values, z_mean = _run(model, _sums_of_batch, batch)
        for name, value in values.items():
            sums[name] += float(value)
        latents.append(z_mean.numpy())
    return _report(
        model,
        sums,
        np.concatenate(latents),
        split,
        info.max_length,
        configuration.training.kl_weight,
    )


def _places_of_classes(
    model: SketchRNN,
    configuration: RunConfig,
    directory: files.PathLike,
    info: dataset.DatasetInfo,
    split: str,
) -> list[int] | None:
    """Returns a class-conditioned model's own label of each class of the data; None: the same.

    Raises:
      UserError: the split has drawings of a class that the model does not know.
    """
    known, classes = list(configuration.classes), list(info.classes)
    if not model.num_classes or not known or not classes or known == classes:
        return None
    own = {name.replace("_", " "): label for label, name in enumerate(known)}
    counts = info.splits.get(split, {}).get("per_class", {})
    places = []
    for name in classes:
        label = own.get(name.replace("_", " "))
        if label is None and counts.get(name, 1):
            raise UserError(
                f"{directory}: {split} has drawings of {name!r}, which the model does not know; its"
                f" classes are {', '.join(known[:10])}{' ...' if len(known) > 10 else ''}"
            )
        places.append(label or 0)
    return places


def score(
    model: SketchRNN,
    scale_factor: float,
    sketches: Sequence[np.ndarray],
    labels: Sequence[int] | None = None,
    *,
    batch_size: int = 100,
) -> dict[str, np.ndarray]:
    """Returns what each sketch costs in nats: how badly the model would have guessed it.

    Densities are of normalized units (source units divided by the scale factor), always in the
    stable form, whatever the model was trained with; z is z_mean.

    Args:
      model: the model.
      scale_factor: the model's, source units.
      sketches: stroke-3 arrays, source units.
      labels: class of each sketch, for class-conditioned models.
      batch_size: sketches at once.

    Returns:
      By name, float64 [S] each: `offset_nats` and `pen_nats` (sums over the sketch's points),
      `end_nats` (the end token after the last point), `nats` (their sum) and `kl_nats` (sum over
      Z, not part of `nats`; 0 without encoder).

    Raises:
      UserError: a sketch is not stroke-3, or labels are missing.
    """
    checked = [stroke_forms.check_stroke3(s, f"sketch {i}") for i, s in enumerate(sketches)]
    order = np.argsort([len(sketch) for sketch in checked], kind="stable")
    nats = {name: np.zeros(len(checked)) for name in ("offset", "pen", "end", "kl")}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        own = None if labels is None else np.asarray(labels, np.int32)[chosen]
        batch = _padded([checked[i] for i in chosen], own, scale_factor)
        for name, values in _run(model, _scores_of_batch, batch).items():
            nats[name][chosen] = values.numpy()
    total = nats["offset"] + nats["pen"] + nats["end"]
    return {**{f"{name}_nats": values for name, values in nats.items()}, "nats": total}


def _padded(sketches, labels, scale_factor) -> dict[str, tf.Tensor]:
    """Returns sketches as a batch, one place longer than the longest for its end token."""
    lengths = np.array([len(sketch) for sketch in sketches], np.int32)
    rows = np.stack([stroke_forms.stroke3_to_stroke5(s, lengths.max() + 1) for s in sketches])
    offsets = augment.normalize(rows[..., :2].astype(np.float32), scale_factor)
    strokes = tf.concat([offsets, rows[..., 2:].astype(np.float32)], axis=-1)
    batch = {"strokes": strokes, "lengths": tf.constant(lengths)}
    return batch if labels is None else {**batch, "labels": tf.constant(labels)}


def _run(model: SketchRNN, function: Callable, batch: dict[str, tf.Tensor]):
    """Calls a function of a model and a batch as a graph, which the model keeps."""
    kept: Any = vars(model)  # past Keras, which would track it
    if "_evaluation_graphs" not in kept:
        kept["_evaluation_graphs"] = graphs.BatchGraphs({"strokes": [5], "seed": [2]})
    return kept["_evaluation_graphs"].of(function, model, inputs=batch)(batch)


def _scores_of_batch(model: SketchRNN, batch) -> dict[str, tf.Tensor]:
    """Returns offset, pen, end and kl of each sketch of a batch, [B] each."""
    strokes, lengths = batch["strokes"], batch["lengths"]
    outputs = model(batch, training=False, seed=tf.zeros([2], tf.int32), sample_z=False)
    distribution = NextPoint(outputs["raw"])
    length = tf.shape(strokes)[1]
    real = losses.real_points(lengths, length)
    offset = tf.reduce_sum(losses.offset_nats(distribution, strokes) * real, axis=1)
    pen = losses.pen_nats(distribution, strokes)
    kl = tf.zeros_like(offset)
    if model.conditional:
        kl = tf.reduce_sum(losses.kl_nats(outputs["z_mean"], outputs["z_log_var"]), axis=1)
    return {
        "offset": offset,
        "pen": tf.reduce_sum(pen * real, axis=1),
        "end": tf.reduce_sum(pen * tf.one_hot(lengths, length), axis=1),
        "kl": kl,
    }


def _sums_of_batch(model: SketchRNN, batch):
    """Returns sums over a batch and its z means [B, Z]."""
    seed = batch["seed"]
    latents = model.latents(batch, training=False, seed=seed, sample_z=True)

    def decoded(z):
        raw = model.decode(batch, z, training=False, seed=seed)
        return model.terms(batch, {**latents, "raw": raw})

    terms = decoded(latents.get("z_mean"))
    sums = {name: tf.reduce_sum(terms[name]) for name in ("offset", "pen", "pen_masked")}
    sums["sketches"] = tf.cast(tf.shape(batch["lengths"])[0], tf.float32)
    sums["points"] = tf.cast(tf.reduce_sum(batch["lengths"]), tf.float32)
    if not model.conditional:
        return sums, tf.zeros([tf.shape(batch["lengths"])[0], 0])
    sums["kl"] = tf.reduce_sum(tf.reduce_mean(terms["kl"], axis=1))
    sampled = decoded(latents["z"])
    sums |= {
        f"{name}_sampled": tf.reduce_sum(sampled[name]) for name in ("offset", "pen", "pen_masked")
    }
    return sums, latents["z_mean"]


def _report(model, sums, latents, split, n_max, kl_weight) -> dict[str, Any]:
    count = sums["sketches"]
    losses: dict[str, Any] = {}
    for suffix, part in (("", ""), ("_sampled_z", "_sampled" if model.conditional else "")):
        offset = sums["offset" + part] / (count * n_max)
        pen_masked = sums["pen_masked" + part] / (count * n_max)
        losses |= {
            "reconstruction_loss" + suffix: offset + pen_masked,
            "offset_loss" + suffix: offset,
            "pen_loss" + suffix: pen_masked,
            "reconstruction_loss_unmasked" + suffix: offset + sums["pen" + part] / (count * n_max),
        }
    kl_raw = sums["kl"] / count if model.conditional else 0.0
    kl_loss = max(kl_raw, model.kl_tolerance) if model.conditional else 0.0
    return {
        "split": split,
        "num_sketches": int(count),
        "n_max": n_max,
        "kl_weight": kl_weight,
        **losses,
        "kl_loss": kl_loss,
        "kl_raw": kl_raw,
        "cost": losses["reconstruction_loss"] + kl_weight * kl_loss,
        "active_latents": int((latents.var(axis=0) > ACTIVE_VARIANCE).sum()),
        "nats_per_point": (sums["offset"] + sums["pen_masked"]) / max(sums["points"], 1.0),
    }
