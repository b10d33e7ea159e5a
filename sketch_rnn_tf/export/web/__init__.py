"""A trained model as a web page and as a JavaScript module.

exporter.py     writes the folder `web`
weights.py      a model's weights by name, in the layout that JavaScript multiplies
calibration.py  what they are multiplied with, for rounding them to 8 bits
model_file.py   model.bin: facts and tensors in one checked file
pages.py        the pages, each one file with everything in it
joining.py      joins JavaScript modules to one script, and parts to one page
runtime/        sketch_rnn.js: the model in JavaScript, and its types
page/           the page that draws with you
collect/        the page to collect drawings with
"""
