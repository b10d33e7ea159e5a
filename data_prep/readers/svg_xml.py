"""XML for SVG: bytes to an element tree, with a bound on what entities expand to.

Illustrator and others declare short entities for namespaces and styles; they are expanded. An
entity that lies in another file, or that expands to more than `MAX_ENTITY`, is refused.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree
from xml.parsers import expat

from sketch_rnn_tf.errors import UserError

MAX_ENTITY = 1 << 16  # characters that one entity may expand to
MAX_EXPANSION = 4 << 20  # characters that all references of a file may expand to together

_REFERENCE = re.compile(r"&([^;#&<\s]{1,200});")
_REFERENCE_IN_BYTES = re.compile(rb"&([^;#&<\s]{1,200});")


class XmlError(UserError):
    """The bytes are not XML that is read; the message does not name the file."""


def parse(data: bytes) -> ElementTree.Element:
    """Returns the root of a document; tags and attributes have the form {namespace}name.

    Raises:
      XmlError: it is not well-formed XML, or declares an entity that is refused.
    """
    builder = ElementTree.TreeBuilder()
    names = _Names()
    parser = expat.ParserCreate(namespace_separator="}")
    parser.buffer_text = True
    # Only what the file itself writes: a document type cannot multiply its defaults.
    parser.specified_attributes = True

    def start(tag: str, attributes: dict[str, str]) -> None:
        builder.start(names[tag], {names[name]: value for name, value in attributes.items()})

    def end(tag: str) -> None:
        builder.end(names[tag])

    parser.StartElementHandler, parser.EndElementHandler = start, end
    parser.CharacterDataHandler = builder.data
    if b"<!E" in data or b"<\0!\0E" in data or b"\0<\0!\0E" in data:
        _guard_entities(parser, data)
    try:
        parser.Parse(data, True)
        return builder.close()
    except expat.ExpatError as error:
        raise XmlError(f"is not well-formed XML ({error})") from None
    except (ValueError, LookupError) as error:  # encodings that Python does not know
        raise XmlError(f"is not readable XML ({error})") from None


class _Names(dict):
    """From the parser's names, namespace}name, to those of ElementTree, {namespace}name."""

    def __missing__(self, name: str) -> str:
        """Makes one that is used for the first time."""
        self[name] = found = "{" + name if "}" in name else name
        return found


def _guard_entities(parser, data: bytes) -> None:
    """Checks the entities of a document once all are declared, before any is expanded."""
    declared: dict[str, str] = {}

    def declare(name, is_parameter, value, base, system, public, notation) -> None:
        if value is None:
            raise XmlError(f"declares the entity {name!r}, refused: it lies in another file")
        if not is_parameter:
            declared.setdefault(name, value)

    def check() -> None:
        sizes: dict[str, int] = {}
        for name in declared:
            if _expanded(name, declared, sizes, ()) > MAX_ENTITY:
                raise XmlError(f"declares the entity {name!r}, refused: it expands to too much")
        used = _REFERENCE_IN_BYTES.findall(data.replace(b"\0", b""))  # UTF-16 becomes ASCII
        if sum(sizes.get(name.decode("utf-8", "replace"), 0) for name in used) > MAX_EXPANSION:
            raise XmlError("refers to entities that expand to too much, refused")

    parser.EntityDeclHandler = declare
    parser.EndDoctypeDeclHandler = check


def _expanded(
    name: str, declared: Mapping[str, str], sizes: dict[str, int], inside: tuple[str, ...]
) -> int:
    """Returns how many characters an entity expands to; beyond every limit where it is endless."""
    if name in inside or len(inside) > 20:
        return MAX_ENTITY + 1
    if name not in sizes:
        value = declared.get(name, "")
        inner = (_expanded(n, declared, sizes, (*inside, name)) for n in _REFERENCE.findall(value))
        sizes[name] = min(len(value) + sum(inner), MAX_ENTITY + 1)
    return sizes[name]
