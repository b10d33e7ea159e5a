"""TensorFlow Serving: a client over gRPC or REST, and the server's configuration files.

    from sketch_rnn_tf import serving
    client = serving.Client("http://localhost:8501")
    client.generate(4, temperature=0.4, seed=0)

REST needs NumPy only, gRPC `tensorflow-serving-api` (the extra `serving`).
"""

from sketch_rnn_tf.serving.client import Client
from sketch_rnn_tf.serving.server_errors import (
    DeadlineError,
    RowError,
    ServerError,
    UnavailableError,
)

__all__ = ["Client", "DeadlineError", "RowError", "ServerError", "UnavailableError"]
