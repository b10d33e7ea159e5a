"""Models of Google's Magenta project, read and written.

magenta_js.py          .gen.json and .vae.json files of sketch-rnn-js and @magenta/sketch
javascript_limits.py   which models their JavaScript code can run
magenta_checkpoint.py  TF1 checkpoints with their model_config.json
magenta_hparams.py     Magenta's hparams as settings of this package
magenta_names.py       which of Magenta's variables each of our weights is made of
one_class.py           one class of a class-conditioned model as a model of its own
imported.py            an imported model as a run directory
"""
