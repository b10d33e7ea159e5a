"""Reads pickled NumPy arrays without running anybody's code.

An .npz file of Sketch-RNN holds pickled object arrays, and a pickle is a program: its opcodes can
import any name and call it. This machine knows only the handful of names that NumPy's own pickles
use, and even those stand for checked functions of this module, not for NumPy's:
`dtype.__setstate__` and `ndarray.__setstate__` believe what they are told, and a state that lies
about object pointers makes them read any memory. Every other name is refused, and named. It builds
on the pure-Python machine of the standard library, since the C one fills memory up to an index
that the file chooses. Dicts and sets are refused too: hashing a tuple that holds itself twice,
sixty levels deep, never ends.
"""

from __future__ import annotations

import functools
import io
import math
import pickle
import pickletools
import re
from typing import Any, ClassVar

import numpy as np

from sketch_rnn_tf.errors import UserError

_NUMERIC = re.compile(r"[<>=|]?(?:[iu][1248]|f(?:[248]|12|16)|b1|\?)")
_OBJECT = re.compile(r"[|=]?O[48]?")


class UnpickleError(UserError):
    """The pickle is damaged, or holds something other than NumPy arrays."""


def load(data: bytes, start: int = 0) -> np.ndarray | ObjectArray:
    """Reads a pickled array.

    Args:
      data: the bytes that hold the pickle, of any protocol, written by Python 2 or 3.
      start: where in `data` the pickle starts.

    Returns:
      A numeric array, or an `ObjectArray` whose items are numeric arrays, or numbers, text and
      lists and tuples of them.

    Raises:
      UnpickleError: the pickle is damaged or names anything but array reconstruction.
    """
    stream = io.BytesIO(data)
    stream.seek(start)
    try:
        found = _Machine(stream, encoding="bytes").load()
        if isinstance(found, _Array):
            return found.value()
    except UnpickleError:
        raise
    except MemoryError:
        raise UnpickleError("declares more data than there is memory") from None
    except Exception as error:  # the machine runs the file's opcodes: any of them may fail anyhow
        reason = str(error) if isinstance(error, pickle.UnpicklingError) else type(error).__name__
        raise UnpickleError(f"holds a damaged pickle ({reason or 'end of file'})") from None
    raise UnpickleError(f"holds a pickled {type(found).__name__}, expected an array")


class ObjectArray:
    """An array of objects as it was stored: its shape and its items, row after row.

    Items are numeric arrays, numbers, text, `ObjectArray`s, and lists and tuples of these.
    """

    def __init__(self, shape: tuple[int, ...], items: list[Any]):
        self.shape = shape
        self.items = items


def _finished(value: Any, depth: int, known: dict[int, Any]) -> Any:
    """Returns a value with arrays in place of what stood for them while they were put together.

    Args:
      value: an item of an object array.
      depth: how many lists deep to look: a drawing is a list of rows.
      known: {id: result} of the lists so far, since a small file can name one large list again and
        again.
    """
    if isinstance(value, _Array):
        return value.value()
    if depth and isinstance(value, (list, tuple)):
        if id(value) not in known:
            known[id(value)] = [_finished(item, depth - 1, known) for item in value]
        return known[id(value)]
    return value


class _Dtype:
    """Stands for `numpy.dtype`: numbers of a fixed width, or objects."""

    def __init__(self, *arguments: Any):
        name = _text(arguments[0]) if arguments else ""
        self.is_object = bool(_OBJECT.fullmatch(name))
        if not self.is_object and not _NUMERIC.fullmatch(name):
            raise UnpickleError(f"holds an array of type {name[:40]!r}, expected numbers")
        try:
            self.numpy = None if self.is_object else np.dtype(name)
        except TypeError:  # long doubles are of another size on other machines
            raise UnpickleError(f"holds numbers of type {name}, unknown on this machine") from None

    def set_state(self, state: Any) -> None:
        """Takes the byte order, the only part of a state that means something for numbers."""
        order = _text(state[1]) if isinstance(state, tuple) and len(state) > 1 else ""
        if order not in ("<", ">", "=", "|"):
            raise UnpickleError("holds an array type with a damaged description")
        if not self.is_object:
            self.numpy = self.numpy.newbyteorder(order)


class _Array:
    """Stands for an `ndarray` while it is put together."""

    def __init__(self):
        self._content: np.ndarray | ObjectArray | None = None
        self._objects: tuple[tuple[int, ...], list[Any]] | None = None

    def set_state(self, state: Any) -> None:
        """Takes (version, shape, dtype, is_fortran, data), as `ndarray.__reduce__` gives it."""
        if not isinstance(state, tuple) or len(state) not in (4, 5):
            raise UnpickleError("holds an array with a damaged description")
        shape, dtype, fortran, data = state[-4:]
        self.fill(shape, dtype, "F" if fortran else "C", data)

    def fill(self, shape: Any, dtype: Any, order: str, data: Any) -> None:
        """Takes the content after checking that the data is just what shape and type need."""
        is_shape = isinstance(shape, tuple) and len(shape) <= 8
        is_shape = is_shape and all(type(size) is int and 0 <= size < 1 << 62 for size in shape)
        if not isinstance(dtype, _Dtype) or not is_shape:
            raise UnpickleError("holds an array with a damaged description")
        count = math.prod(shape)
        if dtype.is_object:
            if not isinstance(data, list) or len(data) != count:
                raise UnpickleError(f"declares {count} objects and does not hold them")
            self._objects = (shape, data)
            return
        if not isinstance(data, (bytes, bytearray)) or len(data) != count * dtype.numpy.itemsize:
            raise UnpickleError(f"declares an array of shape {list(shape)} and does not hold it")
        self._content = np.frombuffer(data, dtype.numpy).reshape(shape, order=order)

    def value(self) -> np.ndarray | ObjectArray:
        """Returns the array.

        Raises:
          UnpickleError: it was never filled.
        """
        if self._objects is not None:
            shape, items = self._objects
            self._objects = None  # an array that holds itself is then one without content
            known: dict[int, Any] = {}
            self._content = ObjectArray(shape, [_finished(item, 2, known) for item in items])
        if self._content is None:
            raise UnpickleError("holds an array without content")
        return self._content


class _NdarrayName:
    """Stands for the name `numpy.ndarray`, which pickles hand to `_reconstruct`."""


def _reconstruct(kind: Any, *_: Any) -> _Array:
    if kind is not _NdarrayName:
        raise UnpickleError("holds an array of a class of its own")
    return _Array()


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> _Array:
    """What protocol 5 calls instead of `_reconstruct` and a state."""
    array = _Array()
    array.fill(shape, dtype, "F" if order == "F" else "C", data)
    return array


def _scalar(dtype: Any, data: Any) -> int | float | bool:
    """What pickles call for one of NumPy's numbers."""
    array = _Array()
    array.fill((), dtype, "C", data)
    value = array.value()
    if not isinstance(value, np.ndarray):
        raise UnpickleError("holds a number with damaged data")
    return float(value) if value.dtype.kind == "f" else value.item()


def _encode(text: Any, encoding: Any) -> bytes:
    """What Python 3 calls for bytes in the protocols that have none."""
    if not isinstance(text, str) or _text(encoding) != "latin1":
        raise UnpickleError("holds an array with damaged data")
    return text.encode("latin1")


def _no_bytes(*arguments: Any) -> bytes:
    if arguments:
        raise UnpickleError("holds an array with damaged data")
    return b""


_NAMES = {
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _reconstruct for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _from_buffer for core in ("core", "_core")},
    ("numpy", "ndarray"): _NdarrayName,
    ("numpy", "dtype"): _Dtype,
    ("_codecs", "encode"): _encode,
    ("__builtin__", "bytes"): _no_bytes,
    ("builtins", "bytes"): _no_bytes,
}
_CALLABLES = frozenset(value for value in _NAMES.values() if value is not _NdarrayName)


class _Machine(pickle._Unpickler):
    """The standard library's machine, of which no opcode can reach anything but `_NAMES`."""

    dispatch: ClassVar = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        try:
            return _NAMES[module, name]
        except KeyError:
            raise UnpickleError(
                f"names {module}.{name}, which is no part of an array; the file is refused, since"
                " reading it could run somebody's code"
            ) from None

    def persistent_load(self, pid: Any) -> Any:
        raise UnpickleError("holds a persistent id, which is no part of an array")

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        function = self.stack[-1]
        if not any(function is known for known in _CALLABLES):
            raise UnpickleError("calls something that is no part of an array")
        if not isinstance(arguments, tuple):
            raise UnpickleError("holds a damaged pickle (arguments)")
        self.stack[-1] = function(*arguments)

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, (_Array, _Dtype)):
            raise UnpickleError("sets the state of something that is no array")
        target.set_state(state)

    def load_inst(self) -> None:
        module = self.readline()[:-1].decode("ascii", "replace")
        name = self.readline()[:-1].decode("ascii", "replace")
        self.find_class(module, name)
        _refuse_opcode("INST", self)

    def load_bytearray8(self) -> None:
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))  # the inherited one first makes room for `size`

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8
    dispatch[pickle.REDUCE[0]] = load_reduce
    dispatch[pickle.BUILD[0]] = load_build
    dispatch[pickle.INST[0]] = load_inst


def _refuse_opcode(name: str, machine: _Machine) -> None:
    raise UnpickleError(f"uses the pickle opcode {name}, which array data does not need")


_REFUSED = (
    *("OBJ", "NEWOBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "NEXT_BUFFER", "READONLY_BUFFER"),
    *("EMPTY_DICT", "DICT", "SETITEM", "SETITEMS", "EMPTY_SET", "ADDITEMS", "FROZENSET"),
)
_Machine.dispatch.update(
    (ord(opcode.code), functools.partial(_refuse_opcode, opcode.name))
    for opcode in pickletools.opcodes
    if opcode.name in _REFUSED
)


def _text(value: Any) -> str:
    """Returns a name that Python 2 wrote as bytes and Python 3 as text."""
    if isinstance(value, bytes):
        return value.decode("latin1")
    return value if isinstance(value, str) else ""
