"""Latent vector to strokes with TensorFlow.

- `loop`: a pure core that the exports share: random numbers in, strokes out.
- `keras_backend`: a Keras model as the backend of a `Sketcher`; `load_model`.
"""
