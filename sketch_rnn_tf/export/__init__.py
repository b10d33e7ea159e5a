"""Trained models as artifacts for servers, devices, pages and other people.

saved_model/  a SavedModel and the files of TensorFlow Serving
litert/       .tflite files
web/          a page and a JavaScript module
half_run.py   a run directory in half precision
"""
