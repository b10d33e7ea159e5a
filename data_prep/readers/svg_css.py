"""CSS for SVG: which value each property of an element has.

Rules of `<style>` elements and `style` attributes are applied by specificity and order, with
presentation attributes beneath them and `!important` above. `@media` rules for screens count;
`@import`, fonts and dynamic states such as `:hover` do not.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple
from xml.etree import ElementTree

import cssselect2
import tinycss2

from data_prep.readers import svg_values as values
from data_prep.readers.svg_paths import GeometryError

MAX_SHEET = 1 << 20  # characters of all style sheets of a file, embedded fonts not counted
MAX_SELECTORS = 3_000
MAX_STEPS = 3_000_000  # of matching selectors: about two seconds

_OF_STYLE = frozenset(
    [
        "visibility",
        "fill",
        "stroke",
        "fill-opacity",
        "stroke-opacity",
        "opacity",
        "stroke-width",
        "color",
        "font-size",
        "fill-rule",
        "clip-rule",
    ]
)
_KNOWN = _OF_STYLE | frozenset(
    [
        "display",
        "clip-path",
        "transform",
        "transform-origin",
        "transform-box",
        "overflow",
        "x",
        "y",
        "width",
        "height",
        "cx",
        "cy",
        "r",
        "rx",
        "ry",
        "d",
        "stop-opacity",
    ]
)
_NOT_SIMPLE = frozenset("\"'\\")

Declaration = tuple[str, str, bool]  # property, value, whether it is important
Paint = tuple | None  # a color, UNKNOWN_COLOR, or None: nothing is painted


class Style(NamedTuple):
    """What an element inherits and passes on; `opacity` is the product over all groups."""

    visible: bool = True
    fill: Paint = values.BLACK
    stroke: Paint = None
    fill_opacity: float = 1.0
    stroke_opacity: float = 1.0
    opacity: float = 1.0
    stroke_width: str = "1"
    color: values.Color = values.BLACK
    font_size: float = 16.0
    even_odd: bool = False
    clip_even_odd: bool = False


class Cascade:
    """The declared values of a document's elements."""

    def __init__(self, root: ElementTree.Element, sheets: Iterable[str], servers):
        """Reads the style sheets.

        Args:
          root: of the document.
          sheets: texts of its style elements.
          servers: a function from the id of a gradient or pattern to whether it paints anything.
        """
        self._servers = servers
        self._matched: dict[ElementTree.Element, list[Declaration]] = {}
        text = "\n".join(sheets)
        if text.strip():
            self._match(root, _rules(text))

    def declared(self, element: ElementTree.Element) -> Mapping[str, str]:
        """Returns an element's attributes with what CSS declares on top."""
        attributes = element.attrib
        inline = attributes.get("style")
        matched = self._matched.get(element)
        if not inline and not matched:
            return attributes
        rules = matched or []
        own = declarations(inline) if inline else ()
        found = dict(attributes)
        for important in (False, True):
            for declaration in (*rules, *own):
                if declaration[2] == important and self._is_valid(*declaration[:2]):
                    found[declaration[0]] = declaration[1]
        return found

    def style(self, parent: Style, declared: Mapping[str, str]) -> Style:
        """Returns the style of a child of `parent`."""
        if _OF_STYLE.isdisjoint(declared):
            return parent
        found = {}
        for name in ("color", "font-size", *(declared.keys() & _OF_STYLE)):  # the others use these
            text = declared.get(name, "").strip()
            keyword = text.lower()
            field = _FIELDS[name]
            if not text or (keyword in values.INHERIT and name != "opacity"):
                continue
            if keyword == "initial" and name != "opacity":
                found[field] = Style._field_defaults[field]
                continue
            value = self._computed(name, text, parent, found.get("color", parent.color))
            if value is not _INVALID:
                found[field] = value
        return parent._replace(**found)

    def _computed(self, name: str, text: str, parent: Style, current: values.Color):
        """Returns the value of a field of `Style`; `_INVALID` where it counts as not given."""
        keyword = text.lower()
        if name in ("fill", "stroke"):
            return self._paint(text, getattr(parent, name), current)
        if name == "color":
            found = values.color(text, parent.color)
            return found if found and keyword != "currentcolor" else _INVALID
        if name == "visibility":
            return keyword == "visible" if keyword in _VISIBILITY else _INVALID
        if name in ("fill-rule", "clip-rule"):
            return keyword == "evenodd" if keyword in ("evenodd", "nonzero") else _INVALID
        if name == "stroke-width":
            width = values.length(text, 1.0)
            return text if width is not None and width >= 0 else _INVALID
        if name == "font-size":
            size = values.length(text, parent.font_size, parent.font_size)
            return size if size is not None and size >= 0 else _INVALID
        amount = values.share(text)
        if amount is None:
            return _INVALID
        return parent.opacity * amount if name == "opacity" else amount

    def _paint(self, text: str, inherited: Paint, current: values.Color) -> Paint | object:
        """Returns what a `fill` or `stroke` paints with."""
        target, rest = values.url(text)
        if target is not None:
            if target.startswith("#") and self._servers(target[1:]) is not None:
                return values.UNKNOWN_COLOR if self._servers(target[1:]) else None
            return self._paint(rest, inherited, current) if rest else None
        keyword = rest.lower()
        if keyword.startswith("var("):
            rest = values.fallback(rest)
            if rest is None:
                return values.UNKNOWN_COLOR
            return self._paint(rest[:200], inherited, current) if "var(" not in rest else ()
        if keyword == "none":
            return None
        if keyword in ("context-fill", "context-stroke"):
            return inherited
        found = values.color(rest, current)
        return _INVALID if found is None else found

    def _is_valid(self, name: str, text: str) -> bool:
        """Whether CSS keeps a declaration: one that is not valid leaves room for an earlier one."""
        if name not in _OF_STYLE or text.lower() in (*values.INHERIT, "initial"):
            return True
        return self._computed(name, text, Style(), values.BLACK) is not _INVALID or (
            text.lower() == "currentcolor"
        )

    def _match(
        self, root: ElementTree.Element, rules: list[tuple[list, list[Declaration]]]
    ) -> None:
        matcher = cssselect2.Matcher()
        for selectors, found in rules:
            for selector in selectors:
                if selector.pseudo_element is None:
                    matcher.add_selector(selector, found)
        if not matcher.order:
            return
        budget = _Budget()
        wrapped = _Element(root, None, 0, None, False)
        wrapped.budget = budget
        for element in wrapped.iter_subtree():
            budget.spend(_candidates(matcher, element))
            matched = matcher.match(element)
            if matched:
                self._matched[element.etree_element] = [
                    declaration for _, _, _, found in matched for declaration in found
                ]


_INVALID = object()
_VISIBILITY = ("visible", "hidden", "collapse")
_FIELDS = {name: name.replace("-", "_") for name in _OF_STYLE} | {
    "visibility": "visible",
    "fill-rule": "even_odd",
    "clip-rule": "clip_even_odd",
}


@functools.lru_cache(maxsize=4096)
def declarations(text: str) -> tuple[Declaration, ...]:
    """Returns the declarations of a `style` attribute that matter here."""
    if len(text) > MAX_SHEET:
        raise GeometryError(f"has a style of {len(text)} characters")
    if not _NOT_SIMPLE.isdisjoint(text) or "/*" in text or "data:" in text:
        return tuple(_of_tokens(tinycss2.parse_blocks_contents(text, True, True)))
    found = []
    for part in text.split(";"):  # there are no strings, escapes or comments
        name, colon, value = part.partition(":")
        name = name.strip().lower()
        if colon and name in _KNOWN:
            value, mark, word = value.partition("!")
            found.append((name, value.strip(), bool(mark) and word.strip().lower() == "important"))
    return tuple(found)


def _of_tokens(parts: Iterable) -> Iterable[Declaration]:
    for part in parts:
        if part.type == "declaration" and part.lower_name in _KNOWN:
            yield part.lower_name, tinycss2.serialize(part.value).strip(), part.important


def _rules(text: str) -> list[tuple[list, list[Declaration]]]:
    """Returns the (selectors, declarations) of a style sheet."""
    text = _EMBEDDED.sub("", text).replace("<!--", "").replace("-->", "")
    if len(text) > MAX_SHEET:
        raise GeometryError(f"has style sheets of {len(text)} characters")
    found, count = [], 0
    for rule in _screen_rules(tinycss2.parse_stylesheet(text, True, True), 0):
        own = list(_of_tokens(tinycss2.parse_blocks_contents(rule.content, True, True)))
        if not own:
            continue
        try:
            selectors = cssselect2.compile_selector_list(rule.prelude, _NAMESPACES)
        except (cssselect2.SelectorError, NotImplementedError, ValueError, SyntaxError):
            continue  # a rule whose selector is not understood is left out, as CSS says
        except (RecursionError, MemoryError, AttributeError, TypeError):
            continue
        count += len(selectors)
        if count > MAX_SELECTORS:
            raise GeometryError(f"has more than {MAX_SELECTORS} CSS selectors")
        found.append((selectors, own))
    return found


_EMBEDDED = re.compile(r"""url\(\s*["']?data:[^)"']*["']?\s*\)""", re.I)
_NAMESPACES = {"svg": "http://www.w3.org/2000/svg", "xlink": "http://www.w3.org/1999/xlink"}


def _screen_rules(rules: Iterable, depth: int) -> Iterable:
    """Yields the style rules that hold on a screen."""
    for rule in rules:
        if rule.type == "qualified-rule":
            yield rule
        elif rule.type == "at-rule" and rule.lower_at_keyword == "media" and depth < 5:
            query = tinycss2.serialize(rule.prelude).strip().lower()
            if rule.content is not None and query in ("", "all", "screen", "only screen"):
                yield from _screen_rules(
                    tinycss2.parse_rule_list(rule.content, True, True), depth + 1
                )


class _Budget:
    """Counts the steps of matching, which a hostile selector can multiply without end."""

    def __init__(self):
        self._left = MAX_STEPS

    def spend(self, steps: int) -> None:
        self._left -= steps
        if self._left < 0:
            raise GeometryError("has style sheets that take too long to apply")


class _Element(cssselect2.ElementWrapper):
    """An element whose neighbors cost steps."""

    budget: _Budget

    @property
    def ancestors(self):
        """The elements around this one, the root first."""
        if self._ancestors is None:
            self._ancestors = () if self.parent is None else (*self.parent.ancestors, self.parent)
        self.budget.spend(1 + len(self._ancestors))
        return self._ancestors

    @property
    def previous_siblings(self):
        """The elements before this one, the nearest first."""
        found, element = [], self.previous
        while element is not None:
            found.append(element)
            element = element.previous
        self.budget.spend(1 + len(found))
        return found

    @property
    def etree_siblings(self):
        """This element and the other children of its parent."""
        self.budget.spend(len(self._siblings) >> 4)
        return self._siblings

    @etree_siblings.setter
    def etree_siblings(self, elements):
        self._siblings = elements

    def iter_children(self):
        """Yields wrapped children, which share the budget."""
        for child in super().iter_children():
            child.budget = self.budget
            self.budget.spend(1)
            yield child


def _candidates(matcher: cssselect2.Matcher, element: _Element) -> int:
    """Returns how many selectors `matcher` will try on an element."""
    return (
        len(matcher.id_selectors.get(element.id, ()))
        + sum(len(matcher.class_selectors.get(name, ())) for name in element.classes)
        + len(matcher.lower_local_name_selectors.get(element.local_name.lower(), ()))
        + len(matcher.namespace_selectors.get(element.namespace_url, ()))
        + len(matcher.lang_attr_selectors)
        + len(matcher.other_selectors)
    )
