"""Trained models as artifacts for servers, devices, pages and other people.

saved_model/  a SavedModel and the files of TensorFlow Serving
litert/       .tflite files
web/          a page and a JavaScript module
onnx/         .onnx files
facts.py      what exported files tell about their model
half_run.py   a run directory in half precision
"""
