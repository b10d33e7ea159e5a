"""How good, how varied and how original the drawings of a model are.

    measured = quality.measure(load_model("runs/sheep"), "data/sheep", temperatures=(0.2, 0.4))
    measured.values["temperatures"]["0.4"]["kid"], measured.values["floor"]["halves"]["kid"]
    measured.save("quality.html")

measuring.py  the whole way: real drawings, the model's, the measures of both, the floor
real.py       the real drawings with their features, kept beside the data set
rendering.py  the picture of a drawing that everything looks at
networks.py   the network whose 128 numbers a picture are compared
geometry.py   strokes, points, lengths and angles, counted without a network
metrics.py    the measures in NumPy: features in, numbers out
report.py     quality.html, of page.html and charts.py
"""

from sketch_rnn_tf.quality.measuring import Quality, at_end_of_training, measure

__all__ = ["Quality", "at_end_of_training", "measure"]
