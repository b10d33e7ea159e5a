"""Running a cell over a whole sequence.

`unroll` is the plain reference: a loop over `cell.step` that TensorFlow differentiates.
`lstm_sequence` computes the same for the LSTM with a gradient of its own: activations are kept
from the forward loop, the backward loop holds one matrix product a step, and the gradient of the
recurrent weights is one product over all steps instead of one a step.

Everything here is time-major: [T, B, ...].
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import tensorflow as tf


def unroll(
    step: Callable,
    projected: tf.Tensor,
    states: Sequence[tf.Tensor],
    mask: tf.Tensor | None,
) -> tuple[tf.Tensor, list[tf.Tensor]]:
    """Runs `step` over time, differentiated by TensorFlow.

    Args:
      step: (projected [B, P], states, mask [B, H] or None) -> (output [B, H], states).
      projected: [T, B, P], the cell's input projections.
      states: the initial state, [B, n] each.
      mask: [T, B, H] for the candidate, or None.

    Returns:
      outputs [T, B, H] and the states after the last step.
    """
    length = tf.shape(projected)[0]

    def body(t, states, outputs):
        output, states = step(projected[t], states, None if mask is None else mask[t])
        return t + 1, states, outputs.write(t, output)

    outputs = tf.TensorArray(tf.float32, length)
    _, states, outputs = tf.while_loop(
        lambda t, *_: t < length, body, (0, list(states), outputs), maximum_iterations=length
    )
    return outputs.stack(), states


def lstm_sequence(
    projected: tf.Tensor,
    kernel: tf.Tensor,
    h: tf.Tensor,
    c: tf.Tensor,
    mask: tf.Tensor | None,
    compute_dtype: tf.DType = tf.float32,
) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Runs an LSTM over time with one product a step in either direction.

    Args:
      projected: [T, B, 4H], input projections and bias in gate order i, j, f, o.
      kernel: [H, 4H], the recurrent weights.
      h: [B, H], initial output.
      c: [B, H], initial carry.
      mask: [T, B, H], dropout of the candidate, or None.
      compute_dtype: type of the products; state and activations are float32.

    Returns:
      outputs [T, B, H], the last h and the last c.
    """
    units = kernel.shape[0]
    length = tf.shape(projected)[0]
    masks = None if mask is None else _readable(mask, length)
    dtype = compute_dtype

    @tf.custom_gradient
    def sequence(projected, kernel, h, c):
        outputs, h_last, c_last, kept = _lstm_forward(projected, kernel, h, c, length, masks, dtype)

        def gradient(d_outputs, d_h, d_c):
            d_gates, d_h, d_c = _lstm_backward(
                d_outputs, d_h, d_c, kernel, length, masks, kept, dtype
            )
            h_before = tf.concat([h[None], outputs[:-1]], 0)  # [T, B, H]
            d_kernel = product(
                tf.reshape(h_before, [-1, units]),
                tf.reshape(d_gates, [-1, 4 * units]),
                dtype,
                transpose_a=True,
            )
            return d_gates, d_kernel, d_h, d_c

        return (outputs, h_last, c_last), gradient

    return sequence(projected, kernel, h, c)


def _lstm_forward(projected, kernel, h, c, length, masks, dtype):
    """Returns outputs, last state and what the backward loop needs of every step."""
    units = kernel.shape[0]
    inputs = _readable(projected, length)
    kernel = tf.cast(kernel, dtype)

    def body(t, h, c, outputs, kept):
        gates = inputs.read(t) + product(h, kernel, dtype)  # [B, 4H]
        i, j, f, o = tf.split(gates, 4, axis=-1)
        i, j, f, o = tf.sigmoid(i), tf.tanh(j), tf.sigmoid(f + 1.0), tf.sigmoid(o)
        c_new = c * f + i * (j if masks is None else j * masks.read(t))
        c_tanh = tf.tanh(c_new)
        h_new = o * c_tanh
        kept = [array.write(t, x) for array, x in zip(kept, (i, j, f, o, c, c_tanh), strict=True)]
        return t + 1, h_new, c_new, outputs.write(t, h_new), kept

    arrays = [_writable(length, units) for _ in range(7)]
    _, h, c, outputs, kept = tf.while_loop(
        lambda t, *_: t < length, body, (0, h, c, arrays[0], arrays[1:]), maximum_iterations=length
    )
    return outputs.stack(), h, c, kept


def _lstm_backward(d_outputs, d_h, d_c, kernel, length, masks, kept, dtype):
    """Returns the gradients of the gates' pre-activations [T, B, 4H] and of the initial state."""
    units = kernel.shape[0]
    d_outputs = _readable(d_outputs, length)
    transposed = tf.cast(tf.transpose(kernel), dtype)  # [4H, H]

    def body(t, d_h, d_c, d_gates):
        i, j, f, o, c, c_tanh = (array.read(t) for array in kept)
        d_h += d_outputs.read(t)
        d_c += d_h * o * (1.0 - c_tanh * c_tanh)
        d_candidate = d_c if masks is None else d_c * masks.read(t)
        d_gate = tf.concat(
            [
                d_candidate * j * i * (1.0 - i),
                d_candidate * i * (1.0 - j * j),
                d_c * c * f * (1.0 - f),
                d_h * c_tanh * o * (1.0 - o),
            ],
            axis=-1,
        )
        return t - 1, product(d_gate, transposed, dtype), d_c * f, d_gates.write(t, d_gate)

    _, d_h, d_c, d_gates = tf.while_loop(
        lambda t, *_: t >= 0,
        body,
        (length - 1, d_h, d_c, _writable(length, 4 * units)),
        maximum_iterations=length,
    )
    return d_gates.stack(), d_h, d_c


def product(a: tf.Tensor, b: tf.Tensor, dtype: tf.DType, transpose_a: bool = False) -> tf.Tensor:
    """Returns a @ b as float32, computed on operands of `dtype`."""
    result = tf.matmul(tf.cast(a, dtype), tf.cast(b, dtype), transpose_a=transpose_a)
    return tf.cast(result, tf.float32)


def _readable(values: tf.Tensor, length: tf.Tensor) -> tf.TensorArray:
    """Returns [T, ...] as an array that both loops may read more than once."""
    return tf.TensorArray(values.dtype, length, clear_after_read=False).unstack(values)


def _writable(length: tf.Tensor, width: int) -> tf.TensorArray:
    return tf.TensorArray(tf.float32, length, element_shape=[None, width], clear_after_read=False)
