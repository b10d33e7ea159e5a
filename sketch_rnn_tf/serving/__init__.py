"""Client and protocol pieces for TensorFlow Serving."""
