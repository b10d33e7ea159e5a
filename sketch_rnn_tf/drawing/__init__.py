"""Drawings to look at: SVG, PNG and animated GIF of one drawing or of a labeled grid.

    drawing.save("sheep.svg", strokes)
    drawing.save("ladder.png", sketches, columns=5, row_titles=["0.2", "0.4", "0.8"])
    drawing.save("fish_{i}.svg", sketches, smooth=True)  # a file per drawing
    drawing.read_svg("sheep.svg")[0].strokes  # the very numbers that were written

A drawing is a stroke-3 array in any unit, or a `Sketch`, which also has a label and shows itself
in Jupyter; a list of them is a grid. The y axis points down, as in SVG and in Quick, Draw!. The
same input gives the same bytes. Every picture takes the options of `layout.lay_out`.

    pictures.py     the functions above, on drawings in any form
    charts.py       curves over steps as a Picture
    svg_reader.py   drawings back from our SVG
    sketch.py       Sketch and Sketches
    saving.py       paths: suffixes, a file per drawing, what may be replaced
    data_files.py   JSON and npz
    raster.py       Picture -> PNG, GIF          fonts.py    what their text is written with
    vector.py       Picture -> SVG
    layout.py       drawings -> Picture: where everything stands and in which color
    curves.py       smooth strokes               words.py    lines of text

Each knows only those below it.
"""

from sketch_rnn_tf.drawing.pictures import (
    check_size,
    gif,
    grid,
    json_text,
    lay_out,
    missing_letters,
    png,
    save,
    svg,
)
from sketch_rnn_tf.drawing.saving import SUFFIXES, check_suffix, is_numbered, numbered
from sketch_rnn_tf.drawing.sketch import Sketch, Sketches
from sketch_rnn_tf.drawing.svg_reader import drawings_of, parse_svg, read_svg
from sketch_rnn_tf.drawing.vector import SVG_CLASS

__all__ = [
    "SUFFIXES",
    "SVG_CLASS",
    "Sketch",
    "Sketches",
    "check_size",
    "check_suffix",
    "drawings_of",
    "gif",
    "grid",
    "is_numbered",
    "json_text",
    "lay_out",
    "missing_letters",
    "numbered",
    "parse_svg",
    "png",
    "read_svg",
    "save",
    "svg",
]
