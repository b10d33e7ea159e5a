"""Drawings to look at: SVG, PNG and animated GIF of one drawing or of a labelled grid.

    drawing.save("sheep.svg", strokes)
    drawing.save("ladder.png", sketches, columns=5, row_titles=["0.2", "0.4", "0.8"])
    drawing.read_svg("sheep.svg")[0].strokes  # the very numbers that were written

A drawing is a stroke-3 array in any unit, or a `Sketch`, which also has a label and shows itself
in Jupyter; a list of them is a grid. The y axis points down, as in SVG and in Quick, Draw!. The
same input gives the same bytes. Every picture takes the options of `lay_out`.
"""

from sketch_rnn_tf.drawing.layout import lay_out
from sketch_rnn_tf.drawing.raster import gif, png
from sketch_rnn_tf.drawing.saving import SUFFIXES, check_suffix, json_text, save
from sketch_rnn_tf.drawing.sketch import Sketch, Sketches
from sketch_rnn_tf.drawing.vector import grid, parse_svg, read_svg, svg

__all__ = [
    "SUFFIXES",
    "Sketch",
    "Sketches",
    "check_suffix",
    "gif",
    "grid",
    "json_text",
    "lay_out",
    "parse_svg",
    "png",
    "read_svg",
    "save",
    "svg",
]
