"""A trained model as ONNX files, for runtimes that know nothing of TensorFlow.

exporter.py    writes the folder `onnx`
graphs.py      `encode`, `init_state` and `step` as ONNX graphs
translate.py   a traced TensorFlow function as ONNX nodes
builder.py     nodes, constants and names of an ONNX graph
"""
