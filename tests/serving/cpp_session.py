"""Runs a SavedModel through TensorFlow's C API: the C++ loader that TensorFlow Serving uses.

Nothing here imports Python TensorFlow: the protocol buffers come from its folder alone.
"""

from __future__ import annotations

import ctypes
import importlib.util
import pathlib
import sys
import types

import numpy as np

_STRING = 7
_DTYPES = {1: np.float32, 2: np.float64, 3: np.int32, 9: np.int64, 10: np.bool_}
_CODES = {np.dtype(kind): code for code, kind in _DTYPES.items()}


def _package_folder() -> pathlib.Path:
    return pathlib.Path(importlib.util.find_spec("tensorflow").submodule_search_locations[0])


def stand_in_for_tensorflow() -> None:
    """Lets `tensorflow.core...pb2` be imported without running `tensorflow/__init__.py`."""
    if "tensorflow" not in sys.modules:
        folder = str(_package_folder())
        module = types.ModuleType("tensorflow")
        module.__path__ = [folder]
        module.__spec__ = importlib.util.spec_from_loader("tensorflow", None, is_package=True)
        module.__spec__.submodule_search_locations = [folder]
        sys.modules["tensorflow"] = module


class Output(ctypes.Structure):
    """TF_Output."""

    _fields_ = (("oper", ctypes.c_void_p), ("index", ctypes.c_int))


class Buffer(ctypes.Structure):
    """TF_Buffer."""

    _fields_ = (
        ("data", ctypes.c_void_p),
        ("length", ctypes.c_size_t),
        ("deallocator", ctypes.c_void_p),
    )


class SessionError(Exception):
    """A TF_Status that is not OK."""

    def __init__(self, code: int, message: str):
        super().__init__(message)
        self.code = code


def _library() -> ctypes.CDLL:
    folder = _package_folder()
    flags = ctypes.RTLD_GLOBAL
    framework = ctypes.CDLL(str(folder / "libtensorflow_framework.so.2"), mode=flags)
    library = ctypes.CDLL(str(folder / "libtensorflow_cc.so.2"), mode=flags)
    for name, result in {
        "TF_NewStatus": ctypes.c_void_p,
        "TF_Message": ctypes.c_char_p,
        "TF_AllocateTensor": ctypes.c_void_p,
        "TF_TensorData": ctypes.c_void_p,
        "TF_Dim": ctypes.c_int64,
        "TF_TensorByteSize": ctypes.c_size_t,
        "TF_NewSessionOptions": ctypes.c_void_p,
        "TF_NewGraph": ctypes.c_void_p,
        "TF_LoadSessionFromSavedModel": ctypes.c_void_p,
        "TF_GraphOperationByName": ctypes.c_void_p,
        "TF_StringGetDataPointer": ctypes.c_char_p,
        "TF_StringGetSize": ctypes.c_size_t,
    }.items():
        for owner in (framework, library):
            if hasattr(owner, name):
                getattr(library, name).restype = result
    return library


class Session:
    r"""A loaded SavedModel.

    Args:
      path: the folder of one version.
      config: serialized ConfigProto, such as b"\x10\x01" for one thread per operation.
    """

    def __init__(self, path, config: bytes = b""):
        self._lib = _library()
        self._status = ctypes.c_void_p(self._lib.TF_NewStatus())
        options = ctypes.c_void_p(self._lib.TF_NewSessionOptions())
        if config:
            self._lib.TF_SetConfig(options, config, ctypes.c_size_t(len(config)), self._status)
            self._check(self._status)
        self._graph = ctypes.c_void_p(self._lib.TF_NewGraph())
        tags, meta = (ctypes.c_char_p * 1)(b"serve"), Buffer()
        self._session = ctypes.c_void_p(
            self._lib.TF_LoadSessionFromSavedModel(
                options, None, str(path).encode(), tags, 1, self._graph, ctypes.byref(meta),
                self._status,
            )
        )  # fmt: skip
        self._check(self._status)
        self.signatures = _signatures(ctypes.string_at(meta.data, meta.length))

    def run(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Runs a signature; raises SessionError as the server would answer."""
        described = self.signatures[signature]
        status = ctypes.c_void_p(self._lib.TF_NewStatus())
        tensors, outputs = [], list(described.outputs)
        try:
            feeds = [self._output(described.inputs[name].name) for name in inputs]
            fetches = [self._output(described.outputs[name].name) for name in outputs]
            tensors = [self._tensor(value) for value in inputs.values()]
            results = (ctypes.c_void_p * len(fetches))()
            self._lib.TF_SessionRun(
                self._session, None,
                (Output * len(feeds))(*feeds), (ctypes.c_void_p * len(feeds))(*tensors), len(feeds),
                (Output * len(fetches))(*fetches), results, len(fetches),
                None, 0, None, status,
            )  # fmt: skip
            self._check(status)
            return {
                name: self._array(result) for name, result in zip(outputs, results, strict=True)
            }
        finally:
            for tensor in tensors:
                self._lib.TF_DeleteTensor(ctypes.c_void_p(tensor))
            self._lib.TF_DeleteStatus(status)

    def close(self) -> None:
        """Frees the session."""
        self._lib.TF_CloseSession(self._session, self._status)
        self._lib.TF_DeleteSession(self._session, self._status)
        self._lib.TF_DeleteGraph(self._graph)

    def _check(self, status) -> None:
        code = self._lib.TF_GetCode(status)
        if code:
            raise SessionError(code, self._lib.TF_Message(status).decode(errors="replace"))

    def _output(self, name: str) -> Output:
        operation, _, index = name.partition(":")
        found = self._lib.TF_GraphOperationByName(self._graph, operation.encode())
        return Output(found, int(index or 0))

    def _tensor(self, value: np.ndarray) -> int:
        value = np.asarray(value, order="C")  # ascontiguousarray makes a vector of a number
        shape = (ctypes.c_int64 * value.ndim)(*value.shape)
        size = ctypes.c_size_t(value.nbytes)
        tensor = self._lib.TF_AllocateTensor(_CODES[value.dtype], shape, value.ndim, size)
        data = self._lib.TF_TensorData(ctypes.c_void_p(tensor))
        ctypes.memmove(data, value.ctypes.data, value.nbytes)
        return tensor

    def _array(self, tensor: int) -> np.ndarray:
        tensor = ctypes.c_void_p(tensor)
        shape = [self._lib.TF_Dim(tensor, i) for i in range(self._lib.TF_NumDims(tensor))]
        kind, data = self._lib.TF_TensorType(tensor), self._lib.TF_TensorData(tensor)
        if kind == _STRING:
            array = self._strings(data, shape)
        else:
            content = ctypes.string_at(data, self._lib.TF_TensorByteSize(tensor))
            array = np.frombuffer(content, _DTYPES[kind]).reshape(shape)
        self._lib.TF_DeleteTensor(tensor)
        return array

    def _strings(self, data: int, shape: list[int]) -> np.ndarray:
        """Reads an array of TF_TString, 24 bytes each."""
        read = self._lib.TF_StringGetDataPointer
        read.restype = ctypes.c_void_p
        found = []
        for i in range(int(np.prod(shape))):
            place = ctypes.c_void_p(data + 24 * i)
            found.append(ctypes.string_at(read(place), self._lib.TF_StringGetSize(place)))
        return np.array(found, object).reshape(shape)


def _signatures(serialized: bytes):
    stand_in_for_tensorflow()
    from tensorflow.core.protobuf import meta_graph_pb2

    meta = meta_graph_pb2.MetaGraphDef.FromString(serialized)
    return {
        name: signature
        for name, signature in meta.signature_def.items()
        if not name.startswith("__")
    }


def main(path: str, requests: str, results: str, config: str = "") -> None:
    """Runs {signature/input: array} of an npz and writes {signature/output: array}."""
    session = Session(path, bytes.fromhex(config))
    given: dict[str, dict[str, np.ndarray]] = {}
    with np.load(requests, allow_pickle=False) as content:
        for key in content.files:
            case, name = key.split("/")
            given.setdefault(case, {})[name] = content[key]
    found = {}
    for case, inputs in given.items():
        try:
            outputs = session.run(case.partition("@")[0], inputs)
        except SessionError as error:
            outputs = {"code": np.int32(error.code), "message": np.str_(str(error))}
        for name, value in outputs.items():
            found[f"{case}/{name}"] = value.astype("S") if value.dtype == object else value
    np.savez(results, **found)
    session.close()
    loaded = getattr(sys.modules["tensorflow"], "__version__", None)
    sys.exit("Python TensorFlow was imported" if loaded else 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
