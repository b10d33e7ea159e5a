"""How good, how varied and how original the drawings of a model are.

    measured = quality.measure(load_model("runs/sheep"), "data/sheep", temperatures=(0.2, 0.4))
    measured.values["temperatures"]["0.4"]["kid"], measured.values["floor"]["halves"]["kid"]
    measured.save("quality.html")

measuring.py  the whole way: real drawings, the model's, the measures of both, the floor
checks.py     what may be asked, and whether a model fits the data
real.py       the real drawings with their features, kept beside the data set
held_out.py   those of them that a model's drawings are held against
drawer.py     the model at work
memory.py     how near drawings are to those that the model was trained on
latents.py    reconstructions, retrieval, the posterior
rendering.py  the picture of a drawing that everything looks at
networks.py   the network whose 128 numbers per picture are compared
geometry.py   strokes, points, lengths and angles, counted without a network
metrics.py    the measures in NumPy: features in, numbers out
report.py     quality.html, of page.html and charts.py
"""

from sketch_rnn_tf.quality.measuring import Quality, at_end_of_training, measure

__all__ = ["Quality", "at_end_of_training", "measure"]
