"""Draws with exported `.tflite` models: NumPy and ai-edge-litert only, no TensorFlow.

    from sketch_rnn_tf import ondevice
    sampler = ondevice.Sampler("litert/model.tflite")
    sampler.generate(9, temperature=0.4, seed=0)
    for point in sampler.points(seed=0): ...  # one at a time, as an app draws

docs/on_device.md describes the files for developers in Kotlin, Swift and C++.
"""

from sketch_rnn_tf.ondevice.sampler import Sampler

__all__ = ["Sampler"]
