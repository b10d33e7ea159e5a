"""What rounded weights of a page cost: nats per point of a test split in float32, float16 and int8.

    python benchmarks/web_weights.py --model pretrained:kanji --data_dir data/kanji

The weights are packed into a model.bin, read back and scored by Keras; for LSTM models.
"""

from __future__ import annotations

import numpy as np
from absl import app, flags

from sketch_rnn_tf import cli

_MODEL = flags.DEFINE_string("model", "pretrained:kanji", "run whose weights are rounded")
_DATA_DIR = flags.DEFINE_string("data_dir", None, "data set", required=True)
_SPLIT = flags.DEFINE_string("split", "test", "its split")


def main(_) -> None:
    """Prints a row for each precision."""
    cli.quiet_tensorflow()
    from sketch_rnn_tf import evaluation, runs
    from sketch_rnn_tf.export.web import exporter, model_file

    run = runs.open_run(_MODEL.value)
    print("| weights | model.bin, bytes | nats per point | more than float32 |\n|---|---|---|---|")
    exact = None
    for precision in model_file.WEIGHTS:
        model = run.load_model()
        data = exporter.pack(run, model, precision)
        _assign(model, model_file.unpack(data, "model.bin")[1])
        nats = evaluation.evaluate(model, run.config, _DATA_DIR.value, _SPLIT.value)[
            "nats_per_point"
        ]
        exact = nats if exact is None else exact
        print(f"| {precision} | {len(data):,} | {nats:.4f} | {nats - exact:+.4f} |", flush=True)


def _assign(model, tensors) -> None:
    """Gives a model of LSTM cells the weights of `export.web.weights.tensors`."""
    cells = {"decoder.cell": model.decoder.cell}
    layers = {"decoder.output": model.decoder.output_layer}
    if model.decoder.state_layer is not None:
        layers["decoder.initial"] = model.decoder.state_layer
    if model.encoder is not None:
        for name in ("forward", "backward"):
            cells[f"encoder.{name}"] = getattr(model.encoder, f"{name}_cell")
        for name in ("mean", "log_var"):
            layers[f"encoder.{name}"] = getattr(model.encoder, name)
    for name, cell in cells.items():
        parts = [tensors[f"{name}.point"], tensors.get(f"{name}.context")]
        kernel = np.concatenate([part for part in parts if part is not None], axis=1)
        cell.kernel.assign(kernel.T)
        cell.recurrent_kernel.assign(tensors[f"{name}.recurrent_kernel"].T)
        cell.bias.assign(tensors[f"{name}.bias"])
    for name, layer in layers.items():
        layer.kernel.assign(tensors[name].T)
        layer.bias.assign(tensors[f"{name}_bias"])
    if model.embedding is not None:
        model.embedding.embeddings.assign(tensors["class_embedding"])


if __name__ == "__main__":
    app.run(main)
