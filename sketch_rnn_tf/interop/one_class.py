"""One class of a class-conditioned model as a model of its own.

The class embedding is the same at every step, so what it adds to a layer is a constant: it goes
into the layer's bias, exactly. Formats without classes can then hold the model, one file per class.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from sketch_rnn_tf import config
from sketch_rnn_tf.interop import magenta_names
from sketch_rnn_tf.model import sketch_rnn
from sketch_rnn_tf.model.sketch_rnn import SketchRNN


def of_class(
    configuration: config.RunConfig, model: SketchRNN, label: int
) -> tuple[config.RunConfig, SketchRNN]:
    """Returns the model of one class and its configuration.

    A decoder alone then starts from zeros, which `initial_state` has to replace.

    Args:
      configuration: of the class-conditioned model.
      model: a class-conditioned model of LSTM cells.
      label: which class.
    """
    settings = dataclasses.replace(configuration.model, class_conditioned=False)
    name = configuration.classes[label]
    configuration = dataclasses.replace(configuration, classes=(name,), model=settings)
    plain = sketch_rnn.build_model(configuration)
    given = {path: v.numpy() for path, v in magenta_names.variables(model).items()}
    embedding = model.embedding.embeddings.numpy()[label]
    variables = magenta_names.variables(plain)
    for path, variable in variables.items():
        variable.assign(given[path][: variable.shape[0]])  # the class's rows are the last ones
    for path, variable in variables.items():
        shares = given[path][variable.shape[0] :]
        if len(shares):
            bias = variables[path.removesuffix("kernel") + "bias"]
            bias.assign_add(np.matmul(embedding, shares))
    return configuration, plain


def initial_state(model: SketchRNN, label: int) -> dict[str, list[float]]:
    """Returns the state `h` and `c` in which a class-conditioned decoder alone starts, [H] each."""
    context = model.context(labels=np.int32([label]))
    h, c = model.decoder.initial_state(1, context)
    return {"h": h.numpy()[0].tolist(), "c": c.numpy()[0].tolist()}
