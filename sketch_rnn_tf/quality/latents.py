"""What is measured of models with a latent vector: reconstructions, retrieval, the posterior."""

from __future__ import annotations

import numpy as np

from sketch_rnn_tf import drawing
from sketch_rnn_tf.quality import metrics, networks, real, rendering
from sketch_rnn_tf.quality.drawer import Drawer
from sketch_rnn_tf.quality.held_out import HeldOut, recognition


def reconstruction(
    drawer: Drawer, network: networks.Network, held_out: HeldOut, temperature: float
) -> dict[str, dict[str, float]]:
    """Draws the real drawings again, from their z's mean.

    Returns:
      `reconstruction`: `recognized` as the class of the original, `ended`, and `chamfer`, how far
      the ink of drawing and original lies apart, in pixels, beside the same of an original and the
      next one; `retrieval`, see `retrieval`.
    """
    originals = held_out.sketches[: held_out.samples]
    labels = held_out.reference.labels
    again = drawer.reconstruct(originals, labels, temperature)
    pictures, pictures_again = rendering.render(originals), rendering.render(again)
    looks = real.look(network, again, labels, "features of reconstructions", pictures_again)
    others = metrics.chamfer(pictures, np.roll(pictures, 1, axis=0))
    seen = recognition(looks, held_out.classes)
    return {
        "reconstruction": {
            **({"recognized": seen["recognized"]} if seen else {}),
            "chamfer": float(np.nanmean(metrics.chamfer(pictures, pictures_again))),
            "chamfer_of_others": float(np.nanmean(others)),
            "ended": float(np.mean([sketch.ended for sketch in again])),
        },
        "retrieval": retrieval(drawer, held_out, again),
    }


def retrieval(drawer: Drawer, held_out: HeldOut, again: drawing.Sketches) -> dict[str, float]:
    """Returns how often a reconstruction, encoded again, finds its original.

    It looks among all held-out drawings; one that drew nothing finds nothing.
    """
    labels = held_out.looks.labels
    codes = drawer.encode(held_out.sketches, labels)
    least = 1 + int(drawer.sketcher.config.drop_first_point)
    there = np.array([i for i, sketch in enumerate(again) if len(sketch) >= least], int)
    found = {f"top_{k}": 0.0 for k in metrics.RETRIEVAL_RANKS}
    if len(there):
        codes_again = drawer.encode([again[i] for i in there], labels[there])
        shares = metrics.retrieval(codes, codes_again, there)
        found = {name: share * len(there) / len(again) for name, share in shares.items()}
    return {"searched": len(codes), **found}


def posterior(
    drawer: Drawer,
    network: networks.Network,
    training: tuple[list[np.ndarray], np.ndarray],
    temperature: float,
) -> real.Looks:
    """Returns drawings with z sampled from q(z|training drawing), as good as the decoder can.

    Args:
      drawer: the model.
      network: of the features.
      training: training drawings and their labels.
      temperature: of the drawings.
    """
    drawn = drawer.reconstruct(*training, temperature, sample_z=True)
    return real.look(network, drawn, training[1], "features of the posterior's drawings")
