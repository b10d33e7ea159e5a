"""Sketch-RNN as a Keras model: a variational autoencoder of drawings, or its decoder alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import keras
import tensorflow as tf

from sketch_rnn_tf import strokes as stroke_forms
from sketch_rnn_tf.config import DecoderConfig, EncoderConfig, RunConfig
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model import losses, seeds
from sketch_rnn_tf.model.decoder import Decoder
from sketch_rnn_tf.model.encoder import Encoder
from sketch_rnn_tf.model.next_point import NextPoint

_ENCODER, _LATENT, _DECODER = 0, 1, 2  # random streams of one step
METRICS = ("loss", "reconstruction_loss", "offset_loss", "pen_loss", "kl_loss", "kl_raw")


@keras.saving.register_keras_serializable(package="sketch_rnn_tf")
class SketchRNN(keras.Model):
    """Sketch-RNN (arXiv 1704.03477).

    The model works in normalized units: offsets divided by the data set's scale factor. A batch
    is a dict of `strokes` float32 [B, T, 5] (stroke-5 without start token), `lengths` int32 [B]
    (points) and, for class-conditioned models, `labels` int32 [B]. `compile` and `fit` work as in
    any Keras model:

        model = SketchRNN(max_length=250)
        model.compile(keras.optimizers.Adam(1e-3, clipvalue=1.0))
        model.fit(batches)

    Args:
      max_length: N_max, what the losses divide by: the longest sketch of the data set.
      conditional: with encoder and latent vector; False is the decoder alone.
      z_size: Z.
      num_mixtures: M.
      encoder: arguments of `Encoder` beside z_size and context_size; `config.EncoderConfig` has
        the defaults of those that are not given.
      decoder: arguments of `Decoder` beside num_mixtures and context_size; `config.DecoderConfig`
        has the defaults.
      num_classes: number of classes that condition the model; 0 for none.
      class_embedding: size of the class embedding, which joins the context of encoder and decoder.
      start_token: the stroke-5 row that the decoder reads first.
      kl_weight: weight of the KL loss in `fit`: a number, or a callable of the step such as a
        `keras.optimizers.schedules.LearningRateSchedule`.
      kl_tolerance: floor of the KL loss.
      reference_numerics: Magenta's 1e-6 inside the log of the density instead of the stable form.
      seed: of everything random in training: latent noise and dropout.
      **kwargs: of `keras.Model`; `dtype` may be a mixed precision policy.
    """

    def __init__(
        self,
        max_length: int = 250,
        conditional: bool = True,
        z_size: int = 128,
        num_mixtures: int = 20,
        encoder: Mapping[str, Any] | None = None,
        decoder: Mapping[str, Any] | None = None,
        num_classes: int = 0,
        class_embedding: int = 32,
        start_token=stroke_forms.START_TOKEN,
        kl_weight: float | Callable = 0.5,
        kl_tolerance: float = 0.2,
        reference_numerics: bool = False,
        seed: int = 0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.max_length = int(max_length)
        self.conditional = bool(conditional)
        self.z_size = int(z_size) if conditional else 0
        self.num_classes = int(num_classes)
        self.start_token = tuple(float(value) for value in start_token)
        self.kl_weight = kl_weight
        self.kl_tolerance = float(kl_tolerance)
        self.reference_numerics = bool(reference_numerics)
        self.seed = int(seed)
        self.class_embedding = int(class_embedding)
        self.encoder_settings = {**dataclasses.asdict(EncoderConfig()), **(encoder or {})}
        self.decoder_settings = {**dataclasses.asdict(DecoderConfig()), **(decoder or {})}
        self._make_layers(int(num_mixtures))
        self._trackers = {name: keras.metrics.Mean(name=name) for name in METRICS}

    def _make_layers(self, num_mixtures: int):
        """Makes the layers and their weights: all sizes are known without seeing data."""
        self.embedding = None
        embedding_size = self.class_embedding if self.num_classes else 0
        if self.num_classes:
            self.embedding = keras.layers.Embedding(
                self.num_classes, embedding_size, name="class_embedding", dtype="float32"
            )
            self.embedding.build((None,))
        self.encoder = None
        if self.conditional:
            self.encoder = Encoder(
                z_size=self.z_size,
                context_size=embedding_size,
                name="encoder",
                dtype=self.dtype_policy,
                **self.encoder_settings,
            )
            self.encoder.build((None, None, 5))
        self.decoder = Decoder(
            num_mixtures=num_mixtures,
            context_size=self.z_size + embedding_size,
            name="decoder",
            dtype=self.dtype_policy,
            **self.decoder_settings,
        )
        self.decoder.build((None, None, 5))
        self.built = True

    @property
    def num_mixtures(self) -> int:
        """M."""
        return self.decoder.num_mixtures

    def build(self, input_shape=None):
        """Does nothing: the weights are made with the model."""
        self.built = True

    def encode(self, strokes, lengths, labels=None, training=False, seed=None):
        """Returns z_mean and z_log_var [B, Z] of sketches [B, T, 5] (without start token).

        Raises:
          UserError: the model has no encoder.
        """
        if self.encoder is None:
            raise UserError("this model is a decoder alone: it has no encoder")
        context = self._class_context(labels)
        return self.encoder(strokes, lengths, context=context, training=training, seed=seed)

    def context(self, z: tf.Tensor | None = None, labels: tf.Tensor | None = None):
        """Returns what the decoder reads at every step, [B, Z + class embedding], or None.

        Args:
          z: [B, Z]; needed by a conditional model.
          labels: int32 [B]; needed by a class-conditioned model.
        """
        parts = [part for part in (z, self._class_context(labels)) if part is not None]
        return tf.concat(parts, axis=-1) if parts else None

    def _class_context(self, labels):
        if self.embedding is None:
            return None
        if labels is None:
            raise UserError("this model is class-conditioned: it needs labels")
        return self.embedding(labels)

    def decoder_inputs(self, strokes: tf.Tensor) -> tf.Tensor:
        """Returns what the decoder reads to predict `strokes` [B, T, 5], start token first."""
        start = tf.tile(tf.constant([[self.start_token]]), [tf.shape(strokes)[0], 1, 1])
        return tf.concat([start, strokes[:, :-1]], axis=1)

    def call(self, inputs, training=False, seed=None, sample_z=None):
        """Encodes and decodes a batch.

        Args:
          inputs: the batch, see the class.
          training: whether dropout is on.
          seed: int32 [2]; drawn from the model's seed and step when it is not given.
          sample_z: whether z is sampled or its mean; as `training` when not given.

        Returns:
          A dict: `raw` [B, T, 3 + 6M] for every position, and for conditional models `z_mean`,
          `z_log_var` and `z` [B, Z].
        """
        if seed is None:  # of this training step, a function of the model's seed and step alone
            optimizer = getattr(self, "optimizer", None)
            step = 0 if optimizer is None else tf.cast(optimizer.iterations, tf.int32)
            seed = tf.stack([tf.constant(self.seed, tf.int32), step])
        outputs = self.latents(inputs, training, seed, sample_z)
        return {**outputs, "raw": self.decode(inputs, outputs.get("z"), training, seed)}

    def latents(self, inputs, training, seed, sample_z=None) -> dict[str, tf.Tensor]:
        """Encodes a batch: `z_mean`, `z_log_var` and `z` [B, Z], or nothing without encoder.

        Arguments as in `call`.
        """
        if not self.conditional:
            return {}
        strokes = tf.cast(inputs["strokes"], tf.float32)
        z_mean, z_log_var = self.encode(
            strokes,
            inputs["lengths"],
            inputs.get("labels"),
            training,
            seeds.fold(seed, _ENCODER),
        )
        sample_z = training if sample_z is None else sample_z
        z = self._sample_z(z_mean, z_log_var, seed) if sample_z else z_mean
        return {"z_mean": z_mean, "z_log_var": z_log_var, "z": z}

    def decode(self, inputs, z, training, seed) -> tf.Tensor:
        """Returns raw outputs [B, T, 3 + 6M] of a batch for latent vectors [B, Z]."""
        return self.decoder(
            self.decoder_inputs(tf.cast(inputs["strokes"], tf.float32)),
            context=self.context(z, inputs.get("labels")),
            training=training,
            seed=seeds.fold(seed, _DECODER),
        )

    def terms_in_parts(self, inputs, seed, parts: int) -> dict[str, tf.Tensor]:
        """Returns the `terms` of training, computed in parts that TensorFlow can run side by side.

        The encoder's directions do not depend on each other, and the decoder runs on parts of the
        batch that do not either. With one thread per operation each then has a thread of its own,
        which is faster than several threads at every small operation of one whole.

        Args:
          inputs: the batch.
          seed: int32 [2].
          parts: number of parts that the batch is split into; it does not affect the encoder.
        """
        size = inputs["lengths"].shape[0]
        size = tf.shape(inputs["lengths"])[0] if size is None else size
        whole = self.latents(inputs, training=True, seed=seed)
        terms = []
        for part in range(parts):
            rows = slice(size * part // parts, size * (part + 1) // parts)
            piece, outputs = (
                {name: value[rows] for name, value in given.items()} for given in (inputs, whole)
            )
            raw = self.decode(piece, outputs.get("z"), True, seeds.fold(seed, part))
            terms.append(self.terms(piece, {**outputs, "raw": raw}))
        return {name: tf.concat([term[name] for term in terms], axis=0) for name in terms[0]}

    def _sample_z(self, z_mean, z_log_var, seed):
        noise = tf.random.stateless_normal(tf.shape(z_mean), seeds.fold(seed, _LATENT))
        return z_mean + tf.exp(z_log_var / 2.0) * noise

    def terms(self, inputs, outputs) -> dict[str, tf.Tensor]:
        """Returns the parts of the loss per sketch, unreduced, in nats.

        Args:
          inputs: the batch.
          outputs: of `call`.

        Returns:
          `offset` [B] summed over the real points, `pen` [B] over every position of the batch,
          `pen_masked` [B] over the real points; for conditional models `kl` and `z_mean` [B, Z].
        """
        strokes = tf.cast(inputs["strokes"], tf.float32)
        real = losses.real_points(inputs["lengths"], tf.shape(strokes)[1])
        distribution = NextPoint(outputs["raw"], bounded=not self.reference_numerics)
        offset = losses.offset_nats(distribution, strokes, self.reference_numerics)
        pen = losses.pen_nats(distribution, strokes)
        terms = {
            "offset": tf.reduce_sum(offset * real, axis=1),
            "pen": tf.reduce_sum(pen, axis=1),
            "pen_masked": tf.reduce_sum(pen * real, axis=1),
        }
        if self.conditional:
            terms["kl"] = losses.kl_nats(outputs["z_mean"], outputs["z_log_var"])
            terms["z_mean"] = outputs["z_mean"]
        return terms

    def reduce(
        self,
        terms: Mapping[str, tf.Tensor],
        kl_weight,
        over_replicas: Callable[[tf.Tensor], tf.Tensor] | None = None,
    ) -> dict[str, tf.Tensor]:
        """Turns the terms of a batch into its losses.

        Args:
          terms: of `terms`; those of parts of a batch concatenated along the batch.
          kl_weight: weight of the floored KL loss.
          over_replicas: the mean of a number over replicas, where the terms are of one replica's
            share of the batch; the means over replicas of the losses are then the batch's.

        Returns:
          Scalars: `offset_loss` and `pen_loss`, divided by B N_max, their sum
          `reconstruction_loss`, `kl_raw`, `kl_loss` (floored) and the `loss` to minimize.
        """
        count = tf.cast(tf.shape(terms["offset"])[0] * self.max_length, tf.float32)
        offset_loss = tf.reduce_sum(terms["offset"]) / count
        pen_loss = tf.reduce_sum(terms["pen"]) / count
        kl_raw = kl_loss = tf.constant(0.0)
        if self.conditional:
            kl_raw = tf.reduce_mean(terms["kl"])
            mean = over_replicas(tf.stop_gradient(kl_raw)) if over_replicas else None
            kl_loss = losses.floored_kl(kl_raw, self.kl_tolerance, mean)
        reconstruction_loss = offset_loss + pen_loss
        return {
            "loss": reconstruction_loss + kl_weight * kl_loss,
            "reconstruction_loss": reconstruction_loss,
            "offset_loss": offset_loss,
            "pen_loss": pen_loss,
            "kl_loss": kl_loss,
            "kl_raw": kl_raw,
        }

    def current_kl_weight(self):
        """Returns the KL weight at the optimizer's step."""
        if not callable(self.kl_weight):
            return self.kl_weight
        return self.kl_weight(self.optimizer.iterations)

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        """Returns the loss of `fit` and `evaluate` and updates the metrics."""
        values = self.reduce(self.terms(x, y_pred), self.current_kl_weight())
        for name, tracker in self._trackers.items():
            tracker.update_state(values[name])
        return values["loss"]

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Returns the running means that `fit` shows."""
        return {name: tracker.result() for name, tracker in self._trackers.items()}

    @property
    def metrics(self):
        """The trackers, which Keras resets at every epoch."""
        return list(self._trackers.values())

    def get_config(self) -> dict:
        """Returns the arguments."""
        kl_weight = self.kl_weight
        if callable(kl_weight):
            kl_weight = keras.saving.serialize_keras_object(kl_weight)
        own = {
            "max_length": self.max_length,
            "conditional": self.conditional,
            "z_size": self.z_size,
            "num_mixtures": self.num_mixtures,
            "encoder": self.encoder_settings,
            "decoder": self.decoder_settings,
            "class_embedding": self.class_embedding,
            "num_classes": self.num_classes,
            "start_token": list(self.start_token),
            "kl_weight": kl_weight,
            "kl_tolerance": self.kl_tolerance,
            "reference_numerics": self.reference_numerics,
            "seed": self.seed,
        }
        return {**super().get_config(), **own}

    @classmethod
    def from_config(cls, config):
        """Makes a model from `get_config`."""
        config = dict(config)
        if isinstance(config.get("kl_weight"), dict):
            config["kl_weight"] = keras.saving.deserialize_keras_object(config["kl_weight"])
        return cls(**config)


def build_model(run: RunConfig) -> SketchRNN:
    """Makes the model that a run's configuration describes, with new weights.

    Seed Keras's global generator before (`keras.utils.set_random_seed`) to get the same weights.
    """
    model, training = run.model, run.training
    return SketchRNN(
        max_length=run.max_length,
        conditional=model.conditional,
        z_size=model.z_size,
        num_mixtures=model.num_mixtures,
        encoder=dataclasses.asdict(model.encoder),
        decoder=dataclasses.asdict(model.decoder),
        num_classes=len(run.classes) if model.class_conditioned else 0,
        class_embedding=model.class_embedding,
        start_token=run.start_token,
        kl_weight=training.kl_weight,
        kl_tolerance=training.kl_tolerance,
        reference_numerics=training.reference_numerics,
        seed=training.seed,
        dtype="float32" if training.dtype == "auto" else training.dtype,  # runs have no `auto`
        name="sketch_rnn",
    )


def in_float32(model: SketchRNN) -> SketchRNN:
    """Returns the model itself, or a float32 copy of one in mixed precision."""
    if model.dtype_policy.name == "float32":
        return model
    copy = SketchRNN.from_config({**model.get_config(), "dtype": "float32"})
    copy.set_weights(model.get_weights())
    return copy
