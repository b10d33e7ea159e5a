"""A trained model as LiteRT (TensorFlow Lite) files."""
