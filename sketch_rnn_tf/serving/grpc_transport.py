"""TensorFlow Serving's gRPC interface; needs `tensorflow-serving-api`."""

from __future__ import annotations

import numpy as np

from sketch_rnn_tf import requirement
from sketch_rnn_tf.errors import UserError
from sketch_rnn_tf.serving import transport
from sketch_rnn_tf.serving.server_errors import (
    DeadlineError,
    ServerError,
    UnavailableError,
    not_found,
)
from sketch_rnn_tf.serving.transport import Arrays, ModelName

MAX_MESSAGE = 64 << 20  # bytes; gRPC's own limit is 4 MiB
_USERS_FAULT = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "OUT_OF_RANGE")


class GrpcTransport:
    """Talks to a server over gRPC.

    Args:
      address: `grpc://host:8500`, or `grpcs://` for TLS with the system's certificates.

    Raises:
      UserError: `tensorflow-serving-api` is not installed, or no address.
    """

    def __init__(self, address: str):
        scheme, _, target = address.partition("://")
        if scheme not in ("grpc", "grpcs") or not target:
            raise UserError(f"{address!r} is not an address such as grpc://localhost:8500")
        try:
            import grpc
            from tensorflow_serving.apis import (
                model_service_pb2_grpc,
                prediction_service_pb2_grpc,
            )
        except ImportError as error:
            raise requirement.missing("grpc", address, error) from None
        options = [
            ("grpc.max_receive_message_length", MAX_MESSAGE),
            ("grpc.max_send_message_length", MAX_MESSAGE),
            ("grpc.enable_retries", 0),
            # As often as `with_retries` asks again; gRPC's own pauses grow to two minutes.
            ("grpc.initial_reconnect_backoff_ms", int(1000 * transport.FIRST_PAUSE / 2)),
            ("grpc.max_reconnect_backoff_ms", int(1000 * transport.LONGEST_PAUSE / 2)),
        ]
        self._grpc, self._address = grpc, address
        if scheme == "grpcs":
            credentials = grpc.ssl_channel_credentials()
            self._channel = grpc.secure_channel(target, credentials, options)
        else:
            self._channel = grpc.insecure_channel(target, options)
        self._prediction = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)
        self._models = model_service_pb2_grpc.ModelServiceStub(self._channel)

    def predict(self, model: ModelName, signature: str, inputs: Arrays, timeout: float) -> Arrays:
        """Runs a signature."""
        import tensorflow as tf
        from tensorflow_serving.apis import predict_pb2

        request = predict_pb2.PredictRequest()
        self._name(request.model_spec, model)
        request.model_spec.signature_name = signature
        for name, value in inputs.items():
            request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
        answer = self._ask(self._prediction.Predict, request, timeout)
        outputs = {}
        for name, tensor in answer.outputs.items():
            value = tf.make_ndarray(tensor)
            if value.dtype.kind == "O":  # bytes of text
                value = np.array([item.decode() for item in value.reshape(-1)]).reshape(value.shape)
            outputs[name] = value
        return outputs

    def metadata(self, model: ModelName, timeout: float) -> dict[str, dict]:
        """Returns the signatures."""
        from tensorflow_serving.apis import get_model_metadata_pb2

        request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
        self._name(request.model_spec, model)
        answer = self._ask(self._prediction.GetModelMetadata, request, timeout)
        described = get_model_metadata_pb2.SignatureDefMap()
        answer.metadata["signature_def"].Unpack(described)
        return {
            name: {"inputs": _described(found.inputs), "outputs": _described(found.outputs)}
            for name, found in described.signature_def.items()
            if not name.startswith("__")
        }

    def status(self, model: ModelName, timeout: float) -> dict[int, str]:
        """Returns the states of the versions."""
        from tensorflow_serving.apis import get_model_status_pb2

        request = get_model_status_pb2.GetModelStatusRequest()
        self._name(request.model_spec, model)
        answer = self._ask(self._models.GetModelStatus, request, timeout)
        names = get_model_status_pb2.ModelVersionStatus.State
        return {v.version: names.Name(v.state) for v in answer.model_version_status}

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def _name(self, spec, model: ModelName) -> None:
        spec.name = model.name
        if model.version is not None:
            spec.version.value = model.version
        elif model.label is not None:
            spec.version_label = model.label

    def _ask(self, method, request, timeout: float):
        try:
            return method(request, timeout=timeout)
        except self._grpc.RpcError as error:
            raise self._translated(error, timeout) from error

    def _translated(self, error, timeout: float) -> Exception:
        code = error.code().name
        words = " ".join((error.details() or code).split())
        text = f"{self._address}: {words}"
        if code == "UNAVAILABLE" and "HTTP/2" in text:
            return ServerError(f"{self._address}: does not speak gRPC; is this REST's port?")
        if code == "UNAVAILABLE":
            return UnavailableError(text)
        if code == "NOT_FOUND":
            return not_found(self._address, words)
        if code == "DEADLINE_EXCEEDED":
            return DeadlineError(f"{self._address}: no answer within {timeout:.3g} s")
        return UserError(text) if code in _USERS_FAULT else ServerError(f"{text} ({code})")


def _described(tensors) -> dict[str, tuple[str, list[int]]]:
    from tensorflow.core.framework import types_pb2

    return {
        name: (
            types_pb2.DataType.Name(tensor.dtype).removeprefix("DT_"),
            [dim.size for dim in tensor.tensor_shape.dim],
        )
        for name, tensor in tensors.items()
    }
