"""A trained model as a SavedModel, with the files that TensorFlow Serving needs beside it.

exporter.py    writes a version and the server's files
signatures.py  the functions of the model
rows.py        bad values of a batch, row by row
warmup.py      requests that a server replays first
deployment.py  the server's files, from templates/
"""
