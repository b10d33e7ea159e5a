"""Runs the exported .tflite files with ai-edge-litert and NumPy only."""
