"""HTML and SVG as trees of elements: text and attributes are escaped by whoever writes them out, never by hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeAlias
from xml.etree.ElementTree import Element, tostring

Child: TypeAlias = "Element | str | int | Iterable[Child] | None"


def element(tag: str, *children: Child, **attributes: str | float | None) -> Element:
    """Return an element; what is None is left out, `class_` is spelled class and `stroke_width` stroke-width."""
    made = Element(tag)
    for name, value in attributes.items():
        if value is not None:
            made.set(name.rstrip("_").replace("_", "-"), f"{value:.1f}" if isinstance(value, float) else str(value))
    _append(made, children)
    return made


def document(root: Element) -> str:
    """Return the text of an HTML file."""
    return "<!DOCTYPE html>\n" + tostring(root, encoding="unicode", method="html") + "\n"


def _append(parent: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        parent.append(child)
    elif isinstance(child, str | int):
        last = parent[-1] if len(parent) else None
        if last is None:
            parent.text = (parent.text or "") + str(child)
        else:
            last.tail = (last.tail or "") + str(child)
    else:
        for one in child:
            _append(parent, one)
