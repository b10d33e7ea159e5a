"""A trained model as a web page and as a JavaScript module.

exporter.py     writes the folder `web`
weights.py      a model's weights by name, in the layout that JavaScript multiplies
rounding of them: `export.litert.rounding`, with calibration.py's moments
model_file.py   model.bin: facts and tensors in one checked file
joining.py      joins JavaScript modules to one script, and scripts and styles to one page
runtime/        sketch_rnn.js: the model in JavaScript, and its types
page/           the page that draws with you
collect/        the page to collect drawings with
"""
