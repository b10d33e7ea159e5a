"""Nodes, constants and names of an ONNX graph while it is built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx.reference
from onnx import helper, numpy_helper

OPSET = 15  # new enough for all that is used here, and what small runtimes still read
IR_VERSION = 8  # of the file format, that of the opset's time
DYNAMIC = "batch"  # the name of a dimension that a caller chooses


class Builder:
    """Collects the nodes of a graph; a value is the name of what a node gives.

    An operation on constants is computed at once and becomes a constant.

    Args:
      outer: the builder of the graph that this one is a body of, whose values it may use.
    """

    def __init__(self, outer: Builder | None = None):
        self._nodes: list[onnx.NodeProto] = []
        # Bodies share names and constants with the graph around them.
        self._constants: dict[str, np.ndarray] = {} if outer is None else outer._constants
        self._names: dict[str, int] = {} if outer is None else outer._names

    def name(self, kind: str) -> str:
        """Returns a name that nothing else has."""
        self._names[kind] = self._names.get(kind, -1) + 1
        return f"{kind}_{self._names[kind]}"

    def constant(self, value: Any, dtype: Any = None) -> str:
        """Returns a constant array as a value."""
        name = self.name("constant")
        self._constants[name] = np.asarray(value, dtype)
        return name

    def value_of(self, name: str) -> np.ndarray | None:
        """Returns the array of a constant; None for anything else."""
        return self._constants.get(name)

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node with one output, which is returned."""
        return self.add_many(kind, inputs, 1, **attributes)[0]

    def add_many(
        self, kind: str, inputs: Sequence[str], count: int, **attributes: Any
    ) -> list[str]:
        """Adds a node and returns its outputs; what constants alone give is computed here."""
        outputs = [self.name(kind.lower()) for _ in range(count)]
        node = helper.make_node(kind, list(inputs), outputs, **attributes)
        if inputs and all(name in self._constants for name in inputs):
            given = {name: self._constants[name] for name in node.input}
            graph = helper.make_graph(
                [node],
                "constants",
                [_described(name, (value.dtype, value.shape)) for name, value in given.items()],
                [helper.make_value_info(name, onnx.TypeProto()) for name in node.output],
            )
            made = onnx.reference.ReferenceEvaluator(model(graph)).run(None, given)
            self._constants.update(zip(outputs, made, strict=True))
        else:
            self._nodes.append(node)
        return outputs

    def graph(
        self,
        name: str,
        inputs: Mapping[str, tuple[Any, Sequence[Any]]],
        outputs: Mapping[str, tuple[Any, Sequence[Any]]],
        values: Sequence[str],
    ) -> onnx.GraphProto:
        """Returns the graph.

        Args:
          name: of the graph.
          inputs: {name: (NumPy type, shape)}; the names are values of this builder.
          outputs: the same of the outputs.
          values: what the outputs are, in order.
        """
        for output, value in zip(outputs, values, strict=True):
            self._nodes.append(helper.make_node("Identity", [value], [output]))
        return helper.make_graph(
            self._nodes,
            name,
            [_described(*item) for item in inputs.items()],
            [_described(*item) for item in outputs.items()],
        )

    def with_constants(self, graph: onnx.GraphProto) -> onnx.GraphProto:
        """Adds the constants that a graph and the bodies in it use."""
        for name in sorted(_used(graph) & set(self._constants)):
            graph.initializer.append(numpy_helper.from_array(self._constants[name], name))
        return graph


def model(graph: onnx.GraphProto, metadata: Mapping[str, str] | None = None) -> onnx.ModelProto:
    """Returns a graph as a model, with texts of its own beside."""
    made = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="sketch_rnn_tf",
    )
    helper.set_model_props(made, dict(metadata or {}))
    return made


def _described(name: str, kind: tuple[Any, Sequence[Any]]) -> onnx.ValueInfoProto:
    dtype, shape = kind
    dtype = helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
    return helper.make_tensor_value_info(name, dtype, shape)


def _used(graph: onnx.GraphProto) -> set[str]:
    """Returns the values that the nodes of a graph and of its bodies read."""
    found: set[str] = set()
    for node in graph.node:
        found |= set(node.input)
        for attribute in node.attribute:
            if attribute.HasField("g"):
                found |= _used(attribute.g) | {output.name for output in attribute.g.output}
    return found
