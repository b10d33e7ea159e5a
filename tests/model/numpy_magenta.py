"""Magenta's graph in NumPy and float64: what remains between it and float32 is rounding."""

import numpy as np


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _norm(x, weights, scope, blocks=1):
    parts = np.split(x, blocks, axis=-1)
    parts = [
        (p - p.mean(-1, keepdims=True)) / np.sqrt(p.var(-1, keepdims=True) + 1e-3) for p in parts
    ]
    return np.concatenate(parts, -1) * weights[f"{scope}/ln_gamma"] + weights[f"{scope}/ln_beta"]


def _lstm(w, scope, x, state):
    c, h = state
    i, j, f, o = np.split(
        x @ w[f"{scope}/W_xh"] + h @ w[f"{scope}/W_hh"] + w[f"{scope}/bias"], 4, 1
    )
    c = c * _sigmoid(f + 1) + _sigmoid(i) * np.tanh(j)
    h = np.tanh(c) * _sigmoid(o)
    return h, [c, h]


def _normed(w, scope, gates, c):
    i, j, f, o = np.split(_norm(gates, w, f"{scope}/ln_all", 4), 4, 1)
    c = c * _sigmoid(f + 1) + _sigmoid(i) * np.tanh(j)
    return np.tanh(_norm(c, w, f"{scope}/ln_c")) * _sigmoid(o), c


def _layer_norm(w, scope, x, state):
    h, c = state
    h, c = _normed(w, scope, x @ w[f"{scope}/W_xh"] + h @ w[f"{scope}/W_hh"], c)
    return h, [h, c]


def _hyper(w, scope, x, state):
    h, small_h, c, small_c = state
    small = f"{scope}/LayerNormLSTMCell"
    small_h, (_, small_c) = _layer_norm(w, small, np.concatenate([x, h], 1), [small_h, small_c])
    gates = []
    all_x = np.split(x @ w[f"{scope}/W_xh"], 4, 1)
    all_h = np.split(h @ w[f"{scope}/W_hh"], 4, 1)
    for gate, from_x, from_h in zip("ijfo", all_x, all_h, strict=True):
        total = 0
        for path, value in ((f"{gate}x", from_x), (f"{gate}h", from_h)):
            here = f"{scope}/hyper_{path}"
            zw = small_h @ w[f"{here}/zw/super_linear_w"] + w[f"{here}/zw/super_linear_b"]
            total = total + (zw @ w[f"{here}/alpha/super_linear_w"]) * value
        zb = small_h @ w[f"{here}/zb/super_linear_w"]
        gates.append(total + zb @ w[f"{here}/beta/super_linear_w"])
    h, c = _normed(w, scope, np.concatenate(gates, 1) + w[f"{scope}/bias"], c)
    return h, [h, small_h, c, small_c]


CELLS = {
    "LSTMCell": (_lstm, lambda units, small: [units, units]),
    "LayerNormLSTMCell": (_layer_norm, lambda units, small: [units, units]),
    "HyperLSTMCell": (_hyper, lambda units, small: [units, small, units, small]),
}


def _cell(w, scope):
    name = next(name for name in CELLS if f"{scope}/{name}/W_hh" in w)
    step, sizes = CELLS[name]
    small = w.get(f"{scope}/{name}/LayerNormLSTMCell/W_hh", np.zeros(0)).shape[0]
    units = w[f"{scope}/{name}/W_hh"].shape[0]
    return lambda x, state: step(w, f"{scope}/{name}", x, state), sizes(units, small)


def _read(w, scope, points, length):
    step, sizes = _cell(w, scope)
    state = [np.zeros((1, size)) for size in sizes]
    for t in range(length):
        h, state = step(points[None, t], state)
    return h


def _linear(w, name, x):
    return x @ w[f"vector_rnn/{name}/super_linear_w"] + w[f"vector_rnn/{name}/super_linear_b"]


def run(numbers):
    """Returns mu, presig, z and out of a vector file, computed from its weights in float64."""
    w = {k[2:]: np.float64(v) for k, v in numbers.items() if k.startswith("W/")}
    x, found = np.float64(numbers["x"]), {}
    step, sizes = _cell(w, "vector_rnn/RNN")
    state, z = [np.zeros((len(x), size)) for size in sizes], np.zeros((len(x), 0))
    if "mu" in numbers:
        ends = []
        for points, n in zip(x[:, 1:], numbers["seq_len"], strict=True):
            fw = _read(w, "vector_rnn/ENC_RNN/fw", points, n)
            ends.append(
                np.concatenate([fw, _read(w, "vector_rnn/ENC_RNN/bw", points[n - 1 :: -1], n)], 1)
            )
        ends = np.concatenate(ends)
        found["mu"] = _linear(w, "ENC_RNN_mu", ends)
        found["presig"] = _linear(w, "ENC_RNN_sigma", ends)
        z = found["z"] = found["mu"] + np.exp(found["presig"] / 2) * numbers["eps"]
        state = np.split(np.tanh(_linear(w, "linear", z)), np.cumsum(sizes)[:-1], 1)
    out = []
    for t in range(x.shape[1] - 1):
        h, state = step(np.concatenate([x[:, t], z], 1), state)
        out.append(h @ w["vector_rnn/RNN/output_w"] + w["vector_rnn/RNN/output_b"])
    return {**found, "out": np.stack(out, 1)}
