"""A trained model as LiteRT (TensorFlow Lite) files.

exporter.py      writes the folder `litert`
graphs.py        the signatures
flatbuffer.py    a converted file as tables of LiteRT's schema
int8.py          weights in 8 bits, with output_layer.py, rounding.py and calibration.py
checks.py        no bad file is written
"""
