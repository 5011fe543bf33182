"""The parts that pages are made of: sections, and figures with their numbers below them."""

from __future__ import annotations

from xml.etree.ElementTree import Element

from codecompose_ls.evaluation.html.markup import Child, element


def section(heading: str, *children: Child) -> Element:
    return element("section", element("h2", heading), *children)


def figure(chart: Element, caption: str, table: Element) -> Element:
    numbers = folded("The figure as a table", table)
    return element("figure", element("div", chart, class_="wide"), element("figcaption", caption), numbers)


def folded(summary: str, table: Element) -> Element:
    return element("details", element("summary", summary), table)
