"""What a model is and how it is trained: frozen dataclasses, presets, JSON both ways.

Only builders and commands see these; layers take plain keyword arguments.
"""

from __future__ import annotations

import dataclasses
import difflib
import inspect
import json
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any

from sketch_rnn_tf import strokes
from sketch_rnn_tf.errors import UserError

CELLS = ["lstm", "layer_norm", "hyper", "stacked"]  # and those that `model.cells.register` adds
TEMPERATURE_MODES = ("paper", "magenta", "javascript")


@dataclasses.dataclass(frozen=True)
class EncoderConfig:
    """The encoder; see `model.encoder.Encoder`.

    Attributes:
      cell: `lstm`, `layer_norm`, `hyper` or `stacked` (two layers of half the units each).
      units: units of each direction.
      recurrent_dropout: drop rate of the cell's candidate, a fresh mask each step.
      hyper_units: units of the hyper network, for `hyper` cells.
      hyper_embedding: size of the hyper network's embeddings.
    """

    cell: str = "lstm"
    units: int = 256
    recurrent_dropout: float = 0.1
    hyper_units: int = 256
    hyper_embedding: int = 32


@dataclasses.dataclass(frozen=True)
class DecoderConfig:
    """The decoder; see `model.decoder.Decoder`.

    Attributes:
      cell: `lstm`, `layer_norm`, `hyper` or `stacked` (two layers of half the units each).
      units: units of the cell.
      recurrent_dropout: drop rate of the cell's candidate, a fresh mask each step.
      input_dropout: drop rate of the cell's inputs, latent vector and class included.
      output_dropout: drop rate of the cell's output.
      absolute_position: also read where the pen is; helps drawings of several strokes.
      hyper_units: units of the hyper network, for `hyper` cells.
      hyper_embedding: size of the hyper network's embeddings.
      tanh_of_z: initial state from tanh(z), for imported JavaScript models below version 6.
    """

    cell: str = "lstm"
    units: int = 512
    recurrent_dropout: float = 0.1
    input_dropout: float = 0.0
    output_dropout: float = 0.0
    absolute_position: bool = False
    hyper_units: int = 256
    hyper_embedding: int = 32
    tanh_of_z: bool = False


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The model; see `model.sketch_rnn.SketchRNN`.

    Attributes:
      conditional: with encoder and latent vector; false is the decoder alone.
      z_size: size of the latent vector.
      num_mixtures: components of the mixture that the next point is drawn from.
      class_conditioned: draw the class that is asked for, from one model of all classes.
      class_embedding: size of the class's embedding, where the model is class-conditioned.
      encoder: the encoder.
      decoder: the decoder.
    """

    conditional: bool = True
    z_size: int = 128
    num_mixtures: int = 20
    class_conditioned: bool = False
    class_embedding: int = 32
    encoder: EncoderConfig = EncoderConfig()
    decoder: DecoderConfig = DecoderConfig()


@dataclasses.dataclass(frozen=True)
class TrainingConfig:
    """How a model is trained.

    Attributes:
      train_steps: optimizer steps in all.
      batch_size: B, sketches per step.
      learning_rate: at the first step (after the warm-up).
      min_learning_rate: what it falls to.
      learning_rate_schedule: `exponential` (Magenta's), or `cosine` or `linear` over train_steps.
      learning_rate_decay: factor per step of the exponential schedule.
      warmup_steps: steps in which the rate rises linearly from zero.
      kl_weight: what the KL weight rises to.
      kl_weight_start: the KL weight at step 0.
      kl_weight_decay: R, how fast it rises: w - (w - start) R^t.
      kl_tolerance: floor of the KL loss.
      adam_beta_1: of Adam.
      adam_beta_2: of Adam.
      adam_epsilon: of Adam; Keras's own default gives other weights than Magenta's.
      weight_decay: of AdamW, decoupled from the gradient, on matrices only; 0 is Adam.
      gradient_clip: gradients are clipped elementwise to +- this; 0 for none.
      gradient_clip_norm: gradients are scaled down to this global norm, before they are clipped
        elementwise; 0 for none.
      average_decay: decay per step of the moving average of the weights, which is what is evaluated
        and saved; 0: the weights themselves.
      random_scale: each axis of a sketch is scaled by U(1 - this, 1 + this).
      random_slant: each sketch is slanted and turned: x + a y, y + b x, a and b in U(-this, this).
      fit_prior: at the end a Gaussian per class is fitted to the latent vectors of the training
        drawings, and new drawings start from it instead of N(0, 1), see `latent_prior`.
      point_dropout: probability with which a point that may be dropped is dropped.
      loss_length: `bucket` takes the pen loss over the batch's own length, `full` over N_max.
      buckets: how many different lengths batches are padded to, at most.
      dtype: `float32`, `mixed_bfloat16`, or `auto`: the latter where the machine multiplies it
        faster.
      reference_numerics: Magenta's 1e-6 inside the log of the density.
      evaluate_every: steps between evaluations of the valid split.
      checkpoint_every: steps between checkpoints.
      keep_checkpoints: how many of them are kept.
      early_stopping_patience: evaluations without a lower cost after which training ends early,
        see `early_stopping_cooldown`; 0: never.
      early_stopping_cooldown: a run that ends early goes back to its best checkpoint, and the rate
        falls from there to its end in this share of the steps until then; 0: it ends at once.
      max_bad_steps: steps in a row with numbers that are not finite, after which it ends.
      parallel_parts: parts of a batch that are computed side by side, each on its own thread.
      jit_compile: `auto` compiles the step with XLA where a GPU computes it (one replica), `on`
        always, `off` never.
      seed: of weights, order, augmentation, dropout and latent noise.
    """

    train_steps: int = 100_000
    batch_size: int = 100
    learning_rate: float = 1e-3
    min_learning_rate: float = 1e-5
    learning_rate_schedule: str = "exponential"
    learning_rate_decay: float = 0.9999
    warmup_steps: int = 0
    kl_weight: float = 0.5
    kl_weight_start: float = 0.01
    kl_weight_decay: float = 0.99995
    kl_tolerance: float = 0.2
    adam_beta_1: float = 0.9
    adam_beta_2: float = 0.999
    adam_epsilon: float = 1e-8
    weight_decay: float = 0.0
    gradient_clip: float = 1.0
    gradient_clip_norm: float = 0.0
    average_decay: float = 0.0
    random_scale: float = 0.15
    random_slant: float = 0.0
    fit_prior: bool = False
    point_dropout: float = 0.1
    loss_length: str = "bucket"
    buckets: int = 8
    dtype: str = "float32"
    reference_numerics: bool = False
    evaluate_every: int = 500
    checkpoint_every: int = 500
    keep_checkpoints: int = 3
    early_stopping_patience: int = 0
    early_stopping_cooldown: float = 0.2
    max_bad_steps: int = 10
    parallel_parts: int = 2
    jit_compile: str = "auto"
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """`config.json` of a run directory: all that is needed to use its weights.

    Attributes:
      scale_factor: source units per normalized unit.
      classes: class names by label.
      max_length: N_max of the data the model was trained on.
      start_token: the stroke-5 row that the decoder reads first.
      temperature_mode: how a temperature acts, one of TEMPERATURE_MODES.
      drop_first_point: drawings prepared from absolute coordinates lose row 0.
      simplification: how absolute coordinates become points for this model; None: not recorded.
      canvas: longer side of the canvas of the training drawings, source units; None: not recorded,
        see `canvas`.
      data_fingerprint: identity of the data set it was trained on; None for imported models.
      initial_weights: SHA-256 of the weights that it started from; None: random ones.
      preset: name of the preset that the configuration started from.
      latent_prior: what new drawings' latent vectors come from, see `latent_prior`; None: N(0, 1).
      versions: {package: version} that made it.
      model: the model.
      training: how it was trained.
    """

    scale_factor: float
    max_length: int
    classes: tuple[str, ...] = ()
    start_token: tuple[float, ...] = strokes.START_TOKEN
    temperature_mode: str = "paper"
    drop_first_point: bool = False
    simplification: dict | None = None
    canvas: float | None = None
    data_fingerprint: str | None = None
    initial_weights: str | None = None
    preset: str | None = None
    latent_prior: dict | None = None
    versions: dict = dataclasses.field(default_factory=dict)
    model: ModelConfig = ModelConfig()
    training: TrainingConfig = TrainingConfig()


def canvas(configuration: RunConfig) -> float | None:
    """Returns the longer side of the canvas of a model's training drawings, source units.

    Where a run has not recorded it: 255 for Quick, Draw!'s simplification (or its `size`), which
    stretches every drawing to it; 109 for KanjiVG as `make quickstart` prepares it, known by its
    class or, in files that name no class, by its simplification; else None.
    """
    if configuration.canvas is not None:
        return configuration.canvas
    known = configuration.simplification or {"method": "quickdraw"}
    if known.get("method") == "quickdraw":
        return float(known.get("size", 255.0))
    unnamed = not configuration.classes and known == {"method": "rdp", "epsilon": 1.5}
    return 109.0 if unnamed or configuration.classes == ("kanji",) else None


@dataclasses.dataclass(frozen=True)
class Preset:
    """A named starting point: what it is for, and its model and training."""

    purpose: str
    model: ModelConfig
    training: TrainingConfig


AUTO = "auto"  # the preset that is chosen for the data set, see `recipe`

# What learns most per second: docs/training.md has the measurements.
_RECIPE = TrainingConfig(
    train_steps=15_000,
    batch_size=50,
    learning_rate=4e-3,
    learning_rate_schedule="cosine",
    warmup_steps=200,
    kl_weight=0.25,
    kl_tolerance=0.05,
    kl_weight_decay=0.9997,
    random_scale=0.1,
    fit_prior=True,
    dtype="auto",
)

PRESETS = {
    "magenta": Preset(
        "Magenta's defaults: the published Sketch-RNN models", ModelConfig(), TrainingConfig()
    ),
    "paper": Preset(
        "the paper's settings where they differ from Magenta's code",
        ModelConfig(
            encoder=EncoderConfig(units=512), decoder=DecoderConfig(cell="hyper", units=2048)
        ),
        TrainingConfig(
            learning_rate=1e-4, kl_weight=1.0, kl_weight_decay=0.99999, random_scale=0.1
        ),
    ),
    # 568,827 parameters, a quarter of `magenta`.
    "small": Preset(
        "with encoder and latent vector, minutes on a laptop: to try things",
        ModelConfig(z_size=64, encoder=EncoderConfig(units=128), decoder=DecoderConfig(units=256)),
        TrainingConfig(
            train_steps=5000,
            learning_rate=3e-3,
            learning_rate_schedule="cosine",
            warmup_steps=100,
            kl_weight_decay=0.999,
        ),
    ),
    # 653,247 parameters: encoder and decoder in 0.79 MB of int8.
    "mobile": Preset(
        "with encoder and latent vector for phones: the whole model under 1 MB in int8",
        ModelConfig(
            z_size=32,
            num_mixtures=10,
            encoder=EncoderConfig(units=128),
            decoder=DecoderConfig(units=320),
        ),
        TrainingConfig(
            train_steps=10_000,
            learning_rate=3e-3,
            learning_rate_schedule="cosine",
            warmup_steps=100,
            kl_weight_decay=0.999,
        ),
    ),
    # The recipe at Magenta's sizes.
    "best": Preset(
        "learns most per second: with encoder, latent vector and the pen's position",
        ModelConfig(decoder=DecoderConfig(absolute_position=True)),
        _RECIPE,
    ),
    "quickstart": Preset(
        "`best` in minutes on a laptop: characters and other drawings of few points",
        ModelConfig(
            z_size=64,
            encoder=EncoderConfig(units=128),
            decoder=DecoderConfig(units=384, absolute_position=True),
        ),
        dataclasses.replace(
            _RECIPE,
            train_steps=5000,
            learning_rate=8e-3,
            warmup_steps=100,
            kl_weight_decay=0.999,
            point_dropout=0.0,
        ),
    ),
}


def preset(name: str) -> Preset:
    """Returns a preset by name.

    Raises:
      UserError: there is no such preset; names the ones there are.
    """
    if name not in PRESETS:
        known = ", ".join([*PRESETS, AUTO])
        raise UserError(f"there is no preset {name!r}; there are {known}{nearest(name, PRESETS)}")
    return PRESETS[name]


def override(
    model: ModelConfig, training: TrainingConfig, settings: Mapping[str, Any]
) -> tuple[ModelConfig, TrainingConfig]:
    """Applies `--set key=value` settings.

    Args:
      model: where to start.
      training: where to start.
      settings: dotted keys such as `decoder.units` or `training.batch_size`, which may leave out
        the leading `model.` or `training.`; values of the field's type or as text.

    Returns:
      The changed and checked configurations.

    Raises:
      UserError: an unknown key (names the nearest known ones) or a value that does not fit.
    """
    tree = {"model": to_json(model), "training": to_json(training)}
    kinds = {**_leaf_types(ModelConfig, "model."), **_leaf_types(TrainingConfig, "training.")}
    for key, value in settings.items():
        full = _full_key(key, kinds)
        *parents, leaf = full.split(".")
        branch = tree
        for parent in parents:
            branch = branch[parent]
        branch[leaf] = converted(key, value, kinds[full])
    model = from_json(ModelConfig, tree["model"])
    training = from_json(TrainingConfig, tree["training"])
    check(model, training)
    return model, training


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting of `--set`: its key, its default, what it means."""

    key: str
    default: Any
    meaning: str


def settings(start: str = "magenta") -> list[Setting]:
    """Returns all settings in the order of the configuration, as their classes document them.

    Args:
      start: the preset whose values are the defaults.

    Raises:
      UserError: there is no such preset.
    """
    found = []
    defaults = preset(start)
    for prefix, section in (
        ("", defaults.model),
        ("encoder.", defaults.model.encoder),
        ("decoder.", defaults.model.decoder),
        ("", defaults.training),
    ):
        # From Python 3.13 on the compiler takes the indentation off; here it is off in each.
        text = inspect.cleandoc(section.__doc__ or "").partition("Attributes:")[2]
        entries = re.findall(r"^ {2}(\w+): (.*(?:\n {4}.*)*)", text, flags=re.MULTILINE)
        meanings = {name: " ".join(meaning.split()).rstrip(".") for name, meaning in entries}
        for field in dataclasses.fields(section):
            default = getattr(section, field.name)
            if not dataclasses.is_dataclass(default):
                found.append(Setting(prefix + field.name, default, meanings[field.name]))
    return found


_COMMA = re.compile(r",(?![^\[\]]*\])")  # not within brackets


def parse_settings(assignments: Sequence[str]) -> dict[str, str]:
    """Splits `key=value` texts, several separated by commas allowed; `[a, b]` is one value.

    Raises:
      UserError: a text without `=`.
    """
    settings = {}
    parts = (part for group in assignments for part in _COMMA.split(group))
    for text in filter(str.strip, parts):
        key, sign, value = text.partition("=")
        if not sign:
            raise UserError(f"{text!r} is not of the form key=value")
        settings[key.strip()] = value.strip()
    return settings


def check(model: ModelConfig, training: TrainingConfig) -> None:
    """Raises UserError, naming the key, where a value is out of its range."""
    for part in ("encoder", "decoder"):
        section = getattr(model, part)
        _one_of(f"{part}.cell", section.cell, CELLS, "; --import FILE.py brings one of your own")
        _positive(section, part + ".", "units", "hyper_units", "hyper_embedding")
        for name in ("recurrent_dropout", "input_dropout", "output_dropout"):
            _in_unit_interval(f"{part}.{name}", getattr(section, name, 0.0))
    _positive(model, "", "z_size", "num_mixtures", "class_embedding")
    schedules = ("exponential", "cosine", "linear")
    _one_of("learning_rate_schedule", training.learning_rate_schedule, schedules)
    _one_of("loss_length", training.loss_length, ("bucket", "full"))
    _one_of("dtype", training.dtype, ("float32", "mixed_bfloat16", "auto"))
    _one_of("jit_compile", training.jit_compile, ("auto", "on", "off"))
    _positive(
        training,
        "",
        *("train_steps", "batch_size", "learning_rate", "adam_epsilon", "buckets"),
        *("evaluate_every", "checkpoint_every", "keep_checkpoints", "parallel_parts"),
        "max_bad_steps",
    )
    for name in (
        "random_scale",
        "random_slant",
        "point_dropout",
        "adam_beta_1",
        "adam_beta_2",
        "average_decay",
    ):
        _in_unit_interval(name, getattr(training, name))
    for name in (
        *("kl_weight", "kl_weight_start", "kl_tolerance", "gradient_clip", "warmup_steps"),
        *("early_stopping_patience", "early_stopping_cooldown"),
        *("weight_decay", "gradient_clip_norm"),
    ):
        if getattr(training, name) < 0:
            raise UserError(f"{name} is {getattr(training, name)}, expected 0 or more")


def to_json(config: Any) -> Any:
    """Returns a configuration as plain JSON values."""
    return json.loads(json.dumps(dataclasses.asdict(config)))


def described(configuration: RunConfig) -> dict[str, Any]:
    """Returns a run's configuration as JSON values for people, without the prior's numbers."""
    content = to_json(configuration)
    if content["latent_prior"] is not None:
        content["latent_prior"] = {"directions": content["latent_prior"]["directions"]}
    return content


def from_json(kind: Any, content: Mapping[str, Any], where: str = "configuration") -> Any:
    """Makes a configuration from JSON values.

    Args:
      kind: the dataclass.
      content: a dict; fields that are missing take their default.
      where: the file or part that messages name.

    Raises:
      UserError: an unknown field, a missing one without default, or a value of the wrong type.
    """
    if not isinstance(content, Mapping):
        raise UserError(f"{where} is not an object")
    hints = typing.get_type_hints(kind)
    unknown = set(content) - set(hints)
    if unknown:
        name = sorted(unknown)[0]
        raise UserError(f"{where} has an unknown field {name!r}{nearest(name, hints)}")
    values = {
        name: _field_from_json(hints[name], value, f"{where}: {name}")
        for name, value in content.items()
    }
    try:
        return kind(**values)
    except TypeError as error:
        raise UserError(f"{where} is incomplete ({error})") from None


def _field_from_json(kind: Any, value: Any, where: str) -> Any:
    if dataclasses.is_dataclass(kind):
        return from_json(kind, value, where)
    if kind == float | None:
        return None if value is None else converted(where, value, float)
    if kind is dict or isinstance(kind, types.UnionType):
        if value is not None and not isinstance(value, (dict, str)):
            raise UserError(f"{where} has the value {value!r} of a wrong type")
        return value
    if typing.get_origin(kind) is tuple:
        if not isinstance(value, (list, tuple)):
            raise UserError(f"{where} has the value {value!r}, expected a list")
        return tuple(converted(where, item, typing.get_args(kind)[0]) for item in value)
    return converted(where, value, kind)


def _leaf_types(kind: Any, prefix: str) -> dict[str, type]:
    """Returns {dotted key: type} of all plain fields."""
    leaves: dict[str, type] = {}
    for name, hint in typing.get_type_hints(kind).items():
        if dataclasses.is_dataclass(hint):
            leaves |= _leaf_types(hint, f"{prefix}{name}.")
        else:
            leaves[prefix + name] = hint
    return leaves


# What people call settings in other programs.
_OTHER_NAMES = {
    "lr": "learning_rate",
    "rate": "learning_rate",
    "batch": "batch_size",
    "steps": "train_steps",
    "num_steps": "train_steps",
    "max_steps": "train_steps",
    "patience": "early_stopping_patience",
    "latent_size": "z_size",
    "latent_dim": "z_size",
    "mixtures": "num_mixtures",
    "dropout": "decoder.recurrent_dropout",
    "warmup": "warmup_steps",
    "units": "decoder.units",
    "hidden_size": "decoder.units",
    "cell": "decoder.cell",
}


def hint(name: str) -> str:
    """Returns the end of a message about a name that is no flag: the setting that is meant."""
    keys = [setting.key for setting in settings()]
    if name in keys:
        return f"; it is a setting: --set {name}=VALUE"
    if name in ("epochs", "num_epochs"):
        return "; training counts steps: --train_steps (an epoch has sketches / batch_size steps)"
    if name in _OTHER_NAMES:
        return f"; the setting is called {_OTHER_NAMES[name]}: --set {_OTHER_NAMES[name]}=VALUE"
    return ""


def _full_key(key: str, kinds: Mapping[str, type]) -> str:
    for full in (key, f"model.{key}", f"training.{key}"):
        if full in kinds:
            return full
    if key == "preset":
        raise UserError("there is no setting 'preset'; it is a flag: --preset NAME")
    if hint(key):
        raise UserError(f"there is no setting {key!r}{hint(key)}")
    short = [full.partition(".")[2] for full in kinds]
    raise UserError(f"there is no setting {key!r}{nearest(key, short)}")


def nearest(name: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    """Returns the end of a message: the nearest known names, or nothing."""
    near = difflib.get_close_matches(name, list(known), n=3, cutoff=0.5)
    return f"; the nearest known ones are {', '.join(near)}" if near else ""


def converted(key: str, value: Any, kind: type) -> Any:
    """Returns a value as `kind`: bool, int, float or str.

    Raises:
      UserError: it cannot be converted; the message names the key.
    """
    try:
        if kind is bool:
            word = str(value).lower()
            if word not in ("true", "false", "1", "0"):
                raise ValueError
            return word in ("true", "1")
        if kind is int:
            number = float(value)
            if isinstance(value, bool) or number != int(number):
                raise ValueError
            return int(value) if isinstance(value, int) else int(number)
        if kind is float:
            number = float(value)
            if isinstance(value, bool) or number != number or abs(number) == float("inf"):
                raise ValueError
            return number
        if not isinstance(value, str):
            raise ValueError
        return value
    except (TypeError, ValueError, OverflowError):
        raise UserError(f"{key} has the value {value!r}, expected {_KINDS[kind]}") from None


_KINDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text"}


def _one_of(key: str, value: str, choices: Sequence[str], hint: str = "") -> None:
    if value not in choices:
        raise UserError(f"{key} is {value!r}, expected one of {', '.join(choices)}{hint}")


def _positive(section: Any, prefix: str, *names: str) -> None:
    for name in names:
        if not getattr(section, name) > 0:
            raise UserError(f"{prefix}{name} is {getattr(section, name)}, expected more than 0")


def _in_unit_interval(key: str, value: float) -> None:
    if not 0 <= value < 1:
        raise UserError(f"{key} is {value}, expected a number in [0, 1)")
