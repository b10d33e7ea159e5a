"""A trained model as a SavedModel, with what TensorFlow Serving wants beside it."""
