"""Models in TensorFlow Serving, over gRPC or REST.

    from sketch_rnn_tf import serving
    with serving.connect("http://localhost:8501") as sketcher:
        sketcher.generate(4, temperature=0.4, seed=0)

- `server_backend`: the backend of a `Sketcher`.
- `transport`: deadlines and retries; `grpc_transport` and `rest_transport` reach a server,
  `folder_transport` runs an exported SavedModel in this process.
- `server_errors`: what can be wrong with a row of a request, and with a server.

REST needs NumPy only, gRPC `tensorflow-serving-api` (the extra `serving`).
"""

from sketch_rnn_tf.serving.server_backend import Client, connect
from sketch_rnn_tf.serving.server_errors import (
    DeadlineError,
    RowError,
    ServerError,
    UnavailableError,
)

__all__ = ["Client", "DeadlineError", "RowError", "ServerError", "UnavailableError", "connect"]
