"""The files that take an exported model into service with TensorFlow Serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sketch_rnn_tf import config
from sketch_rnn_tf.serving.server_errors import MEANINGS

MODEL_NAME = "sketch_rnn"
IMAGE = "tensorflow/serving:latest"  # the graphs hold no recent operations
GRPC_PORT, REST_PORT = 8500, 8501
MAX_BATCH = 64  # rows, of one request too: a server refuses a larger one

MODELS_CONFIG = f"""model_config_list {{
  config {{
    name: "{MODEL_NAME}"
    base_path: "/models/{MODEL_NAME}"
    model_platform: "tensorflow"
    # Keeps the two newest versions, so that a client can go back to the one before.
    model_version_policy {{ latest {{ num_versions: 2 }} }}
  }}
}}
"""

# No allowed_batch_sizes: on a processor the rows that they fill up with cost as much as others.
BATCHING = f"""max_batch_size {{ value: {MAX_BATCH} }}
batch_timeout_micros {{ value: 0 }}
max_enqueued_batches {{ value: 100 }}
num_batch_threads {{ value: 2 }}
pad_variable_length_inputs: true
"""

MONITORING = """prometheus_config {
  enable: true
  path: "/monitoring/prometheus/metrics"
}
"""

# A point is some fifty small operations one after the other: handing them from thread to thread, as
# the usual executor does, takes longer than they do. Requests still run side by side.
SESSION = """experimental { executor_type: "SINGLE_THREADED_EXECUTOR" }
"""

_OPTIONS = (
    "--model_config_file=/serving/models.config",
    "--enable_batching=true",
    "--batching_parameters_file=/serving/batching_parameters.txt",
    "--monitoring_config_file=/serving/monitoring.config",
    "--tensorflow_session_config_file=/serving/session_config.txt",
    "--tensorflow_intra_op_parallelism=1",
    "--tensorflow_inter_op_parallelism=-1",  # in the thread that asks
)

COMPOSE = f"""services:
  sketch-rnn:
    image: {IMAGE}
    ports: ["{GRPC_PORT}:{GRPC_PORT}", "{REST_PORT}:{REST_PORT}"]
    volumes:
      - ../saved_model:/models/{MODEL_NAME}:ro
      - .:/serving:ro
    command:
{chr(10).join(f"      - {option}" for option in _OPTIONS)}
    restart: unless-stopped
"""

KUBERNETES = f"""# Expects the export (the folder that holds saved_model/ and serving/) in the
# volume claim sketch-rnn-export.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: sketch-rnn
  labels: {{app: sketch-rnn}}
spec:
  replicas: 2
  selector:
    matchLabels: {{app: sketch-rnn}}
  template:
    metadata:
      labels: {{app: sketch-rnn}}
      annotations:
        prometheus.io/scrape: "true"
        prometheus.io/port: "{REST_PORT}"
        prometheus.io/path: /monitoring/prometheus/metrics
    spec:
      containers:
        - name: tensorflow-serving
          image: {IMAGE}
          args:
{chr(10).join(f"            - {option}" for option in _OPTIONS)}
          ports:
            - {{name: grpc, containerPort: {GRPC_PORT}}}
            - {{name: rest, containerPort: {REST_PORT}}}
          # The model is ready when its status answers; loading and warming up may take a while.
          startupProbe:
            httpGet: {{path: /v1/models/{MODEL_NAME}, port: rest}}
            periodSeconds: 2
            failureThreshold: 60
          readinessProbe:
            httpGet: {{path: /v1/models/{MODEL_NAME}, port: rest}}
            periodSeconds: 5
          livenessProbe:
            tcpSocket: {{port: grpc}}
            periodSeconds: 10
          resources:
            requests: {{cpu: "1", memory: 512Mi}}
            limits: {{cpu: "2", memory: 1Gi}}
          volumeMounts:
            - name: export
              mountPath: /models/{MODEL_NAME}
              subPath: saved_model
              readOnly: true
            - {{name: export, mountPath: /serving, subPath: serving, readOnly: true}}
      volumes:
        - name: export
          persistentVolumeClaim: {{claimName: sketch-rnn-export, readOnly: true}}
---
apiVersion: v1
kind: Service
metadata:
  name: sketch-rnn
spec:
  selector: {{app: sketch-rnn}}
  ports:
    - {{name: grpc, port: {GRPC_PORT}, targetPort: grpc}}
    - {{name: rest, port: {REST_PORT}, targetPort: rest}}
"""


def texts(
    configuration: config.RunConfig, signatures: Mapping[str, Mapping[str, Any]]
) -> dict[str, str]:
    """Returns {file name: content} of the files beside the model.

    Args:
      configuration: of the run.
      signatures: {name: {"text": one line, "inputs": {name: type and shape}}}, the default first.
    """
    return {
        "models.config": MODELS_CONFIG,
        "batching_parameters.txt": BATCHING,
        "monitoring.config": MONITORING,
        "session_config.txt": SESSION,
        "docker-compose.yaml": COMPOSE,
        "kubernetes.yaml": KUBERNETES,
        "README.md": _readme(configuration, signatures),
    }


def _readme(configuration, signatures) -> str:
    options = " \\\n  ".join(_OPTIONS)
    return f"""# Serving this model

With the official image, from the folder that holds `saved_model/` and `serving/`:

```
docker run --rm -p {GRPC_PORT}:{GRPC_PORT} -p {REST_PORT}:{REST_PORT} \\
  -v "$PWD/saved_model:/models/{MODEL_NAME}:ro" -v "$PWD/serving:/serving:ro" {IMAGE} \\
  {options}
```

`docker compose -f serving/docker-compose.yaml up` and `kubectl apply -f serving/kubernetes.yaml` do
the same; those two files are checked as YAML and were never run. A further export writes the next
version beside this one; the server takes it up by itself. `saved_model/N/assets.extra` holds
requests that it replays before it takes a version into service.

    curl localhost:{REST_PORT}/v1/models/{MODEL_NAME}
    curl localhost:{REST_PORT}/v1/models/{MODEL_NAME}:predict -d \\
      '{{"signature_name": "generate", "inputs": {_example(configuration)}}}'
    sketch-rnn-sample --server grpc://localhost:{GRPC_PORT} --model_name {MODEL_NAME} --output x.svg

## Signatures

Drawings are stroke-3, rows (dx, dy, pen_lifted) in the units of the data that the model was trained
on. B is the batch; nothing beyond a drawing's length is read. `serving_default` is
`{next(iter(signatures))}`. Signatures carry no defaults: send temperature {0.4} and seed [0, row]
where you have no wish. A row of seeds names a drawing: the same row gives the same drawing alone,
in any batch and in any place.

| signature | does | inputs |
| --- | --- | --- |
{chr(10).join(_row(name, signature) for name, signature in signatures.items())}

Drawings come back as `strokes` float32 [B, {_rows(configuration)}, 3] and `lengths` int32 [B]; a
length below {_rows(configuration)} means that the drawing ended by itself. `step` reads one point;
a `state` of zeros begins a sketch and does not look at `stroke`; send the state that came back with
the next point.

## Errors

A wrong name, type or shape fails the request with INVALID_ARGUMENT (see below for those that it
was merged with). A bad value is a matter of its row, since a server merges requests of several
clients into one batch: every signature gives `error` int32 [B], and a bad row has length 0 or NaN
results.

| error | meaning |
| --- | --- |
{chr(10).join(f"| {int(code)} | {meaning} |" for code, meaning in MEANINGS.items())}

## Threads and batching

A request's operations run one after the other in one thread (`session_config.txt` and the thread
options; TensorFlow Serving 2.8 or later): they are small, and handing them from thread to thread
takes longer than they do. Requests run side by side.

`batching_parameters.txt` merges what is waiting and waits for nothing (`batch_timeout_micros` 0): a
request that waits leaves a core idle, and whatever comes while both threads draw is merged anyway,
to at most {MAX_BATCH} rows, the most that the Python client sends at once. Inputs are padded, since
drawings differ in length, and never filled up to fixed batch sizes, since on a processor the rows
that are added cost as much as real ones; change these numbers for an accelerator.

A request of more than {MAX_BATCH} rows fails with INVALID_ARGUMENT, and one that finds the queue
full with UNAVAILABLE. Of a request TensorFlow Serving checks the inputs' names and that their
numbers of rows agree, and then merges it. So a wrong shape or type over gRPC (over REST a wrong
shape; types are checked there) fails the requests of the same signature that it was merged with
too, and where the ranks of merged inputs differ, servers without pull request 4149 of
tensorflow/serving write past the end of a buffer. The Python client's verbs send no such thing.
Where clients are not yours, leave out the two options of batching, or let them through a proxy that
checks types and shapes: without batching no request can harm another.

A version can be asked for by a label once `models.config` gives it one, such as
`version_labels {{ key: "stable" value: 1 }}`.
"""


def _row(name: str, signature: Mapping[str, Any]) -> str:
    inputs = ", ".join(f"`{key}` {kind}" for key, kind in signature["inputs"].items())
    return f"| `{name}` | {signature['text']} | {inputs} |"


def _rows(configuration: config.RunConfig) -> int:
    return configuration.max_length + int(configuration.drop_first_point)


def _example(configuration: config.RunConfig) -> str:
    label = ', "label": [0]' if configuration.model.class_conditioned else ""
    return f'{{"temperature": [0.4], "seed": [[0, 0]]{label}}}'
