r"""Which of Google's models explains a drawing best: nats per point, in pixels, model by category.

  python experiments/google_models.py --models ../shared/data/pretrained \
      --drawings ../shared/data/quickdraw_raw

Every raw Quick, Draw! drawing goes through our own pipeline (align, scale, resample, simplify,
round) and every model scores it. Densities of models with different scale factors compare only in
the same unit, so 2 ln(scale) is added a point: the table is in pixels of the 255-pixel box. The
end token is left out: it is badly calibrated in these models.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np

from sketch_rnn_tf import evaluation
from sketch_rnn_tf.commands import inputs
from sketch_rnn_tf.interop import magenta_js


def pixel_nats(model, configuration, path: pathlib.Path) -> np.ndarray:
    """Returns nats per point of each drawing of a file, in source units, [S]."""
    drawings = inputs.load(path, configuration)
    rows = [drawing.strokes for drawing in drawings if len(drawing.strokes)]
    scores = evaluation.score(model, configuration.scale_factor, rows)
    points = np.array([len(row) for row in rows])
    shift = 2 * math.log(configuration.scale_factor)
    return (scores["offset_nats"] + scores["pen_nats"]) / points + shift


def measure(models: list[pathlib.Path], drawings: pathlib.Path) -> dict:
    """Returns {category: {model: mean}} and how often the right model is the best."""
    opened = {path.name.split(".")[0]: magenta_js.read_model(path) for path in models}
    table, right, count = {}, 0, 0
    for category in opened:
        path = drawings / f"{category}.ndjson"
        nats = {
            name: pixel_nats(model, configuration, path)
            for name, (configuration, model) in opened.items()
        }
        table[category] = {name: float(values.mean()) for name, values in nats.items()}
        best = np.array(list(nats))[np.stack(list(nats.values())).argmin(axis=0)]
        right, count = right + int((best == category).sum()), count + len(best)
    return {"nats_per_point": table, "right": right, "drawings": count}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--models", type=pathlib.Path, required=True)
    parser.add_argument("--drawings", type=pathlib.Path, required=True)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    models = sorted(options.models.glob("*.gen.json"))
    found = measure([m for m in models if _has_drawings(m, options.drawings)], options.drawings)
    if options.json:
        print(json.dumps(found))
        return
    names = list(found["nats_per_point"])
    print("drawings of".ljust(14) + "".join(f"{name:>10}" for name in names))
    for category, row in found["nats_per_point"].items():
        print(category.ljust(14) + "".join(f"{row[name]:10.3f}" for name in names))
    print(f"the right model explains {found['right']} of {found['drawings']} drawings best")


def _has_drawings(model: pathlib.Path, drawings: pathlib.Path) -> bool:
    return (drawings / f"{model.name.split('.')[0]}.ndjson").is_file()


if __name__ == "__main__":
    main()
