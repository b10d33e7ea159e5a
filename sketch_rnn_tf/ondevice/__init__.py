"""Draws with exported `.tflite` models: NumPy and ai-edge-litert only, no TensorFlow.

    from sketch_rnn_tf import ondevice
    sketcher = ondevice.open("litert/model.tflite")
    sketcher.generate(9, temperature=0.4, seed=0)
    for point in sketcher.points(seed=0): ...  # one at a time, as an app draws

- `device_backend`: the backend of a `Sketcher`.
- `drawer`: one sketch from a model file, whole or point by point.
- `runtime`: a checked file and its signatures; `metadata`: what the file holds about itself.
- `next_point`, `noise`: the distribution of the next point and the random numbers, in NumPy.

docs/on_device.md describes the files for developers in Kotlin, Swift and C++.
"""

from sketch_rnn_tf.ondevice.device_backend import Sampler, open

__all__ = ["Sampler", "open"]
