"""Elements of a page. What stands in them is text and nothing else: it is escaped where the page is written, always."""

from collections.abc import Iterable
from xml.etree.ElementTree import Element, tostring

#: A child of an element; None is left out.
Child = Element | str | None


def h(tag: str, *children: Child | Iterable[Child], **attributes: object) -> Element:
    """An element. ``class_`` stands for ``class``, underscores for hyphens; an attribute that is None is left out."""
    named = {name.rstrip("_").replace("_", "-"): str(value) for name, value in attributes.items() if value is not None}
    element = Element(tag, named)
    for child in children:
        for each in [child] if child is None or isinstance(child, str | Element) else child:
            _append(element, each)
    return element


def document(root: Element) -> str:
    """The whole page as HTML."""
    return f"<!doctype html>\n{tostring(root, encoding='unicode', method='html')}\n"


def _append(element: Element, child: Child) -> None:
    if child is None:
        return
    if isinstance(child, Element):
        element.append(child)
    elif len(element):
        element[-1].tail = (element[-1].tail or "") + child
    else:
        element.text = (element.text or "") + child
