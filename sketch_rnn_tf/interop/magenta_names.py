"""Which variables of a Magenta checkpoint each of our weights is made of."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from sketch_rnn_tf import config
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.model.sketch_rnn import SketchRNN

_GATES = "ijfo"
_NORMS = {
    "gate_gain": "ln_all/ln_gamma",
    "gate_shift": "ln_all/ln_beta",
    "carry_gain": "ln_c/ln_gamma",
    "carry_shift": "ln_c/ln_beta",
}
_KERNELS = {"kernel": "W_xh", "recurrent_kernel": "W_hh"}


@dataclasses.dataclass(frozen=True)
class Origin:
    """How one of our weights is put together.

    Attributes:
      names: variables of the checkpoint.
      how: `same` (one variable), `columns` (joined along the last axis) or `stack` (along a new
        first axis).
      order: for the initial state, the sizes of the states in Magenta's flat order and the place
        of each in ours; None elsewhere.
    """

    names: tuple[str, ...]
    how: str = "same"
    order: tuple[tuple[int, int], ...] | None = None

    def to_ours(self, weights: Mapping[str, np.ndarray]) -> np.ndarray:
        """Returns our weight from the checkpoint's variables."""
        parts = [np.asarray(weights[name]) for name in self.names]
        if self.how == "stack":
            return np.stack(parts)
        value = np.concatenate(parts, axis=-1) if self.how == "columns" else parts[0]
        if self.order is None:
            return value
        sizes, places = zip(*self.order, strict=True)
        states = np.split(value, np.cumsum(sizes)[:-1], axis=-1)
        return np.concatenate([states[i] for i in np.argsort(places)], axis=-1)

    def to_magenta(self, value: np.ndarray) -> dict[str, np.ndarray]:
        """Returns the checkpoint's variables from our weight (or gradients from a gradient)."""
        if self.order is not None:
            ours = sorted(self.order, key=lambda entry: entry[1])
            states = np.split(value, np.cumsum([size for size, _ in ours])[:-1], axis=-1)
            theirs = [states[place] for _, place in self.order]
            return {self.names[0]: np.concatenate(theirs, axis=-1)}
        if self.how == "stack":
            return dict(zip(self.names, value, strict=True))
        parts = np.split(value, len(self.names), axis=-1)
        return dict(zip(self.names, parts, strict=True))


def origins(model: SketchRNN) -> dict[str, Origin]:
    """Returns {path of our weight: what it is made of} for Magenta's TF1 `sketch_rnn`.

    Paths are relative to the model, such as `encoder/forward/kernel`.

    Raises:
      UserError: the model has a part that Magenta's lacks, such as a class embedding.
    """
    found = _cell_origins("decoder/cell", "vector_rnn/RNN", model.decoder.cell)
    found["decoder/output/kernel"] = Origin(("vector_rnn/RNN/output_w",))
    found["decoder/output/bias"] = Origin(("vector_rnn/RNN/output_b",))
    if model.encoder is not None:
        for ours, theirs in (("forward", "fw"), ("backward", "bw")):
            cell = getattr(model.encoder, f"{ours}_cell")
            found |= _cell_origins(f"encoder/{ours}", f"vector_rnn/ENC_RNN/{theirs}", cell)
        found |= _linear_origins("encoder/z_mean", "vector_rnn/ENC_RNN_mu")
        found |= _linear_origins("encoder/z_log_var", "vector_rnn/ENC_RNN_sigma")
        order = state_order(model.decoder.cell)
        found |= _linear_origins("decoder/initial_state", "vector_rnn/linear", order)
    unknown = set(variables(model)) - set(found)
    if unknown:
        raise UserError(f"Magenta's model has no counterpart of {sorted(unknown)[0]}")
    return found


def variables(model: SketchRNN) -> dict[str, object]:
    """Returns {path relative to the model: variable} of the model's weights."""
    return {relative(variable.path): variable for variable in model.trainable_variables}


def assign(model: SketchRNN, weights: Mapping[str, np.ndarray]) -> None:
    """Gives a model Magenta's weights.

    Args:
      model: a model of the same configuration.
      weights: arrays by their names in the checkpoint.

    Raises:
      UserError: a weight is missing or of another shape; the message names it.
    """
    own = variables(model)
    for path, origin in origins(model).items():
        for name in origin.names:
            if name not in weights:
                raise UserError(f"the weight {name} is missing")
        expected = origin.to_magenta(np.zeros(own[path].shape, np.float32))
        for name, value in expected.items():
            if np.shape(weights[name]) != value.shape:
                raise UserError(
                    f"{name} has shape {list(np.shape(weights[name]))}, expected"
                    f" {list(value.shape)}"
                )
        own[path].assign(origin.to_ours(weights))


def to_magenta(model: SketchRNN, values: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Returns values of our weights (or gradients, by path) by Magenta's names."""
    found = {}
    for path, origin in origins(model).items():
        found |= origin.to_magenta(np.asarray(values[path]))
    return found


def describe_model(weights: Mapping[str, np.ndarray]) -> config.ModelConfig:
    """Returns the configuration of the model that has these weights, from names and shapes.

    Args:
      weights: arrays (or anything with a `shape`) by their names in the checkpoint.

    The shapes that the sizes are read from have to agree with each other, so that no file can ask
    for a model that is larger than itself.

    Raises:
      UserError: they are not a Sketch-RNN's; names the weight.
    """
    conditional = "vector_rnn/ENC_RNN_mu/super_linear_w" in weights
    decoder = config.DecoderConfig(**_describe_cell("vector_rnn/RNN", weights))
    model = config.ModelConfig(conditional=conditional, decoder=decoder)
    if conditional:
        own = _describe_cell("vector_rnn/ENC_RNN/fw", weights)
        z_size = _shape(weights, "vector_rnn/ENC_RNN_mu/super_linear_w", 2)[1]
        states = _shape(weights, "vector_rnn/linear/super_linear_w", 2)[1]
        _require(weights, "vector_rnn/linear/super_linear_w", (z_size, states))
        encoder = config.EncoderConfig(**own)
        model = dataclasses.replace(model, encoder=encoder, z_size=int(z_size))
    outputs = _shape(weights, "vector_rnn/RNN/output_b", 1)[0]
    if outputs < 9 or (outputs - 3) % 6:
        raise UserError(f"its output has {outputs} numbers, which are not 3 + 6M")
    _require(weights, "vector_rnn/RNN/output_w", (decoder.units, outputs))
    return dataclasses.replace(model, num_mixtures=(outputs - 3) // 6)


def _describe_cell(scope: str, weights: Mapping[str, np.ndarray]) -> dict[str, object]:
    kinds = {"LSTMCell": "lstm", "LayerNormLSTMCell": "layer_norm", "HyperLSTMCell": "hyper"}
    for name, kind in kinds.items():
        if f"{scope}/{name}/W_hh" in weights:
            cell = {"cell": kind, "units": _square(weights, f"{scope}/{name}/W_hh")}
            if kind == "hyper":
                inner = _square(weights, f"{scope}/{name}/LayerNormLSTMCell/W_hh")
                made = _shape(weights, f"{scope}/{name}/hyper_ix/zw/super_linear_w", 2)[1]
                _require(
                    weights, f"{scope}/{name}/hyper_ix/alpha/super_linear_w", (made, cell["units"])
                )
                cell |= {"hyper_units": inner, "hyper_embedding": made}
            return cell
    raise UserError(f"the weight {scope}/LSTMCell/W_hh is missing")


def _square(weights: Mapping[str, np.ndarray], name: str) -> int:
    """Returns H of a recurrent matrix [H, 4H]."""
    units = _shape(weights, name, 2)[0]
    _require(weights, name, (units, 4 * units))
    return units


def _require(weights: Mapping[str, np.ndarray], name: str, shape: tuple[int, ...]) -> None:
    if _shape(weights, name, len(shape)) != shape:
        found = list(weights[name].shape)
        raise UserError(f"{name} has shape {found}, expected {list(shape)}")


def _shape(weights: Mapping[str, np.ndarray], name: str, rank: int) -> tuple[int, ...]:
    if name not in weights:
        raise UserError(f"the weight {name} is missing")
    shape = tuple(int(size) for size in weights[name].shape)
    if len(shape) != rank:
        raise UserError(f"{name} has shape {list(shape)}, expected {rank} dimensions")
    return shape


def state_order(cell) -> tuple[tuple[int, int], ...]:
    """Returns (size, place in our list of states) of the states in Magenta's flat state.

    Magenta's: lstm [c, h], layer_norm [h, c], hyper [h, h_hyper, c, c_hyper]. Ours: [h, c] and
    [h, c, h_hyper, c_hyper].
    """
    places = {"LSTMCell": (1, 0), "LayerNormLSTMCell": (0, 1), "HyperLSTMCell": (0, 2, 1, 3)}
    return tuple((cell.state_size[place], place) for place in places[type(cell).__name__])


def relative(path: str) -> str:
    """Returns a variable's path from the model on."""
    parts = path.split("/")
    for i, part in enumerate(parts):
        if part in ("encoder", "decoder", "class_embedding"):
            return "/".join(parts[i:])
    return path


def _cell_origins(ours: str, theirs: str, cell) -> dict[str, Origin]:
    scope = f"{theirs}/{type(cell).__name__}"
    names = {mine: f"{scope}/{name}" for mine, name in _KERNELS.items()}
    kind = type(cell).__name__
    if kind in ("LSTMCell", "HyperLSTMCell"):
        names["bias"] = f"{scope}/bias"
    if kind in ("LayerNormLSTMCell", "HyperLSTMCell"):
        names |= {mine: f"{scope}/{name}" for mine, name in _NORMS.items()}
    found = {f"{ours}/{mine}": Origin((name,)) for mine, name in names.items()}
    return found | (_hyper_origins(ours, scope) if kind == "HyperLSTMCell" else {})


def _hyper_origins(ours: str, scope: str) -> dict[str, Origin]:
    """The small LSTM, and the eight scales and four shifts that are one weight each with us."""
    small = f"{scope}/LayerNormLSTMCell"
    inner = {**_KERNELS, **_NORMS}
    found = {f"{ours}/hyper_{mine}": Origin((f"{small}/{name}",)) for mine, name in inner.items()}
    scales = [f"{scope}/hyper_{gate}{path}" for path in "xh" for gate in _GATES]
    shifts = [f"{scope}/hyper_{gate}h" for gate in _GATES]
    embeddings = [f"{path}/zw/super_linear_w" for path in scales]
    embeddings += [f"{path}/zb/super_linear_w" for path in shifts]
    made = [f"{path}/alpha/super_linear_w" for path in scales]
    made += [f"{path}/beta/super_linear_w" for path in shifts]
    biases = [f"{path}/zw/super_linear_b" for path in scales]
    found[f"{ours}/embedding_kernel"] = Origin(tuple(embeddings), "columns")
    found[f"{ours}/embedding_bias"] = Origin(tuple(biases), "columns")
    found[f"{ours}/generator"] = Origin(tuple(made), "stack")
    return found


def _linear_origins(ours: str, theirs: str, order=None) -> dict[str, Origin]:
    return {
        f"{ours}/kernel": Origin((f"{theirs}/super_linear_w",), order=order),
        f"{ours}/bias": Origin((f"{theirs}/super_linear_b",), order=order),
    }
