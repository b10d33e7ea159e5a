"""How large absolute coordinates are for a model: the one rule of commands and Python."""

from __future__ import annotations

import math

from sketch_rnn_tf import config
from sketch_rnn_tf.errors import UserError

WHOLE, FIT, SOURCE = "whole", "fit", "source"
UNITS = f"{WHOLE}, {FIT}, {SOURCE} or the side of the canvas"


def scale_of(
    units: str | float, canvas: float | None, configuration: config.RunConfig
) -> float | None:
    """Returns what absolute coordinates are multiplied by to become a model's units.

    A drawing by itself has no size: the same circle may be the rim of a cup or its dot. Its canvas
    tells them apart, and a model knows on which canvas its training drawings stand
    (`RunConfig.canvas`, 255 units for Quick, Draw!'s simplification).

    Args:
      units: one of
        `whole`: the drawing is whole and is treated as the training data were, which for Quick,
          Draw!'s simplification means stretched until its longer side is 255;
        `fit`: the file's canvas (the viewport of an SVG) becomes the model's: a beginning keeps its
          size. A file that has no canvas is read as `source`;
        `source`: the coordinates are the model's units already;
        a number: the side of the canvas in the file's coordinates, which becomes the model's.
      canvas: the longer side of the file's canvas, None where it has none.
      configuration: the model's.

    Returns:
      The factor; None for `whole`.

    Raises:
      UserError: units that are none of these.
    """
    if units == WHOLE:
        return None
    if units not in (FIT, SOURCE):
        try:
            canvas = float(units)
        except (TypeError, ValueError):
            raise UserError(f"units is {units!r}, expected {UNITS}") from None
        if not 0 < canvas < math.inf:
            raise UserError(f"units is {units!r}, expected {UNITS} above 0")
    wanted = config.canvas(configuration)
    if units == SOURCE or canvas is None or wanted is None:
        return 1.0
    return wanted / canvas
